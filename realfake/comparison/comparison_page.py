"""What a comparison is shown as: tables of 80 columns on the screen, and a folder with tables, pictures and a page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.comparison.comparing import Comparison, MetricDifference, SystemPair
from realfake.comparison.comparison_pictures import forest, power
from realfake.comparison.power import ALPHA, Power
from realfake.files import write_whole
from realfake.pages import render
from realfake.reports.leaderboard_page import TOLD_OPTIMISM
from realfake.reports.spread import INCLUDES
from realfake.runs.results import write_results
from realfake.scoring.metric_table import REPORTED
from realfake.scoring.plots.style import save
from realfake.scoring.statistics import HOLDS, Interval
from realfake.scoring.wording import NOTABLE_P, NOTHING, number, p_value, span
from realfake.terminal import print_table

if TYPE_CHECKING:
    from rich.console import Console

LUCK = "The power of single seeds leaves out the luck of a training, which two seeds of one fold would show."
POST_HOC = (
    "The power for the measured difference is but its p-value in other words: plan with a difference that matters."
)


def write(found: Comparison, out: Path) -> Path:
    """Write ``compare.csv``, ``power.csv``, ``compare.json``, pictures and the page; returns the page.

    What an earlier comparison wrote to the same folder is replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "compare.csv", found.to_frame().to_csv(index=False))
    curves = found.power_frame()
    write_whole(out / "power.csv", curves.to_csv(index=False))
    write_results(out / "compare.json", _plain(found))
    pictures = [("Differences", save(forest(found), out / "differences.png"))]
    for place, pair in enumerate(found.pairs, start=1):
        if (figure := power(pair)) is not None:
            name = f"power{place}.png" if len(found.pairs) > 1 else "power.png"
            pictures.append((f"Power by the number of people, {pair.a} against {pair.b}", save(figure, out / name)))
    for file in {*out.glob("power*.png")} - {file for _, file in pictures}:  # of an earlier comparison
        if re.fullmatch(r"power\d*\.png", file.name):
            file.unlink()
    page = out / "index.html"
    write_whole(page, render("comparison.html", **_shown(found, pictures)))
    return page


def show(found: Comparison, page: Path, console: Console | None = None) -> None:
    """Print what was found, and where the files are."""
    from rich.console import Console

    console = console or Console()

    def say(text: str, style: str | None = None) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)

    def table(title: str, shown: tuple[list[str], list[list[str]]]) -> None:
        say("")
        print_table(console, title, *shown)

    for pair in found.pairs:
        say(f"\nA = {pair.a}, B = {pair.b}: {pair.size}", style="bold")
        table("", difference_table(pair))
        if any(m.trainings or m.within for m in pair.metrics):
            what = "Mean over trainings" + ", and the margin" * any(m.within for m in pair.metrics)
            table(what, training_table(pair))
        for of, curves in (("a true difference of {}", _given(pair)), ("the measured difference", _measured(pair))):
            if curves:
                size = _in_both(abs(next(iter(curves.values())).difference), pair)
                table(f"Power at {ALPHA} for {of.format(size)}, by the number of people", power_table(curves))
        for m in pair.metrics:
            say(sentence(pair, m))
    for line in (*explained(found), *found.notes):
        say(line)
    say(f"page {page}")


def difference_table(pair: SystemPair) -> tuple[list[str], list[list[str]]]:
    """Both figures of each metric, their difference with its interval over people, p-values, optimism if measured."""
    measured = any(math.isfinite(v) for m in pair.metrics for v in m.optimism)
    rows = [
        [
            REPORTED[m.metric].heading,
            _figure(m.metric, m.a),
            _figure(m.metric, m.b),
            _figure(m.metric, m.interval.value, signed=True),
            _span(m.metric, m.interval) or NOTHING,
            p_value(_known(m.p_value)),
            p_value(_known(m.p_holm)),
            *([", ".join(_figure(m.metric, v, signed=True) for v in m.optimism)] if measured else []),
        ]
        for m in pair.metrics
    ]
    return ["metric", "A", "B", "A − B", "95 %, people", "p", "Holm", *(["optimism"] if measured else [])], rows


def training_table(pair: SystemPair) -> tuple[list[str], list[list[str]]]:
    """The mean difference over trainings, with its interval, and the interval that equivalence goes by."""
    rows = []
    over = next((m.trainings.basis for m in pair.metrics if m.trainings), "one training")
    for m in pair.metrics:
        t = m.trainings
        row = [REPORTED[m.metric].heading]
        mean = t.interval if t else Interval(math.nan, math.nan, math.nan)
        row += [_figure(m.metric, mean.value, signed=True), _span(m.metric, mean) or NOTHING]
        if m.within is not None and m.margin is not None:
            row += [_span(m.metric, m.within) or NOTHING, "yes" if m.equivalent else "not shown"]
        rows.append(row)
    margin = pair.metrics[0].margin
    heading = ["metric", "mean", f"95 %, {over}"]
    return [*heading, *(["90 %, people", f"within ±{_in_both(margin, pair)}"] if margin is not None else [])], rows


def power_table(curves: dict[str, Power]) -> tuple[list[str], list[list[str]]]:
    """Power with its interval, a row a number of people and a column a metric."""
    people = next(iter(curves.values())).people
    rows = [
        [
            f"{n:,}",
            *(f"{c.value[k]:.2f} {c.low[k]:.2f}–{c.high[k]:.2f}" if c.known else NOTHING for c in curves.values()),
        ]
        for k, n in enumerate(people)
    ]
    return ["people", *(REPORTED[name].heading for name in curves)], rows


def _given(pair: SystemPair) -> dict[str, Power]:
    return {m.metric: m.at_difference for m in pair.metrics if m.at_difference is not None}


def _measured(pair: SystemPair) -> dict[str, Power]:
    return {m.metric: m.at_measured for m in pair.metrics if m.at_measured is not None}


def sentence(pair: SystemPair, m: MetricDifference) -> str:
    """What is known of one metric, for people."""
    name = REPORTED[m.metric].heading
    points = " points" if _in_points(m) else ""
    difference = f"{_figure(m.metric, m.interval.value, signed=True)}{points}"
    at = f"{difference} {_span(m.metric, m.interval)}".strip()
    adjusted = not math.isnan(m.p_holm) and m.p_holm != m.p_value
    p = f"adjusted p {p_value(m.p_holm)}" if adjusted else f"p {p_value(_known(m.p_value))}"
    if math.isnan(m.interval.value):
        return f"{name}: undefined on these clips."
    if m.verdict == "equivalent" and m.within is not None and m.margin is not None:
        margin = f"{100 * m.margin:g}{points}" if points else f"{m.margin:g}"
        on = f"{difference}, 90 % interval {_span(m.metric, m.within)}"
        return f"{name}: {pair.a} and {pair.b} are within ±{margin} of each other ({on})."
    if m.verdict == "open":
        least = f"; no result could have been below {m.smallest_holm:.3f}" if m.smallest_holm >= NOTABLE_P else ""
        return f"{name}: {pair.a} and {pair.b} are not told apart ({at}, {p}{least})."
    words = f"{name}: {pair.a} is {m.verdict} than {pair.b} ({at}, {p})"
    t = m.trainings
    if t is not None and t.interval.low <= 0.0 <= t.interval.high:
        return f"{words}; other trainings could turn that: their interval {_span(m.metric, t.interval)} holds 0."
    return f"{words}."


def explained(found: Comparison) -> list[str]:
    """What intervals hold and what tests say, a sentence each."""
    everything = [m for pair in found.pairs for m in pair.metrics]
    words = [f"95 % interval, people: {HOLDS}"]
    overs = {m.trainings.over for m in everything if m.trainings}
    words += [f"95 % interval, trainings: {text}" for over, text in INCLUDES.items() if over in overs]
    if (tested := sum(not math.isnan(m.p_holm) for m in everything)) > 1:
        words.append(f"Holm: adjusted for the {tested} differences that are tested here; metric=… asks for fewer")
    if any(math.isfinite(v) for m in everything for v in m.optimism):
        words.append(f"optimism of A and of B: {TOLD_OPTIMISM}")
    curves = [m.at_difference for m in everything if m.at_difference is not None and m.at_difference.known]
    if curves and not all(curve.trainings for curve in curves):
        words.append(LUCK)
    return [*words, POST_HOC] if curves else words


def _in_points(m: MetricDifference) -> bool:
    """Whether a difference is shown in points of percent, and not in parts of one."""
    return REPORTED[m.metric].unit == "%"


def _in_both(size: float, pair: SystemPair) -> str:
    """A difference in the units of the metrics that are shown: ``5 points``, ``0.05``, or both."""
    units = {_in_points(m) for m in pair.metrics}
    points = f"{100 * size:.3g} points"
    if units == {True}:
        return points
    return f"{size:.3g} ({points})" if True in units else f"{size:.3g}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _figure(metric: str, value: float, *, signed: bool = False) -> str:
    """A figure of a table, without the sign of percent."""
    return number(metric, _known(value), signed).removesuffix(" %")


def _span(metric: str, interval: Interval) -> str:
    return span(metric, {"low": _known(interval.low), "high": _known(interval.high)}, signed=True)


def _plain(found: Comparison) -> dict[str, Any]:
    def values(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: values(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [values(inner) for inner in value]
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else value

    made: dict[str, Any] = values({"systems": dict(found.systems), "pairs": [asdict(p) for p in found.pairs]})
    for pair, rows in zip(found.pairs, made["pairs"], strict=True):
        for m, row in zip(pair.metrics, rows["metrics"], strict=True):
            row |= {"equivalent": m.equivalent, "verdict": m.verdict}
    return {**made, "notes": list(found.notes), "explained": explained(found)}


def _shown(found: Comparison, pictures: Sequence[tuple[str, Path]]) -> dict[str, Any]:
    pairs = [
        {
            "title": f"{p.a} against {p.b}",
            "a": p.a,
            "b": p.b,
            "size": p.size,
            "parts": p.parts,
            "sentences": [sentence(p, m) for m in p.metrics],
            "differences": difference_table(p),
            "trainings": training_table(p) if any(m.trainings or m.within for m in p.metrics) else None,
            "power": [
                (title, power_table(curves))
                for title, curves in (
                    ("For the difference that was asked for", _given(p)), ("For the measured difference", _measured(p))
                )
                if curves
            ],
        }
        for p in found.pairs
    ]  # fmt: skip
    metrics = dict.fromkeys(m.metric for p in found.pairs for m in p.metrics)
    return {
        "title": "Comparison of " + (" and " if len(found.systems) == 2 else ", ").join(found.systems),
        "pairs": pairs,
        "pictures_of": pictures,
        "notes": found.notes,
        "explained": explained(found),
        "systems": [(name, folders) for name, folders in found.systems.items()],
        "words": [(REPORTED[name].heading, REPORTED[name].words) for name in metrics],
    }
