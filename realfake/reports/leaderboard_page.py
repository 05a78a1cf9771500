"""What the report's page, ``templates/report.html``, shows, and what its script draws."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from realfake.pages import render
from realfake.reports.finished import CURVE_POINTS, FinishedRun
from realfake.reports.pooling import Figures
from realfake.reports.ranking import Leaderboard, RunGroup, command, explanation, short_keys, short_name
from realfake.reports.run_page import bring_up_to_date
from realfake.reports.spread import explained, spread
from realfake.scoring.metric_table import OPTIMISM, minimised
from realfake.scoring.statistics import HOLDS, Interval
from realfake.scoring.wording import decimals

CURVES = 12
"""Learning curves that the page offers for choice."""
POINT_BUDGET = 250_000
"""Points of learning curves that the page holds altogether, so that a browser opens it at once."""

TOLD_OPTIMISM = (
    "how much more the epoch that is best on the test clips would have claimed, by samples drawn at random, than the "
    "one that validation chose"
)


@dataclass(frozen=True)
class PageOptions:
    """What the page says beside the runs themselves."""

    title: str
    out: Path
    """Folder of the page, from which it links to those of runs."""
    pool: tuple[str, ...]
    log_lines: int
    draws: int


def render_page(board: Leaderboard, figures: Figures, options: PageOptions) -> str:
    """The page's HTML.

    Args:
        board: The runs, ranked.
        figures: What was computed from their predictions.
        options: Title and settings.
    """
    varied = any(group.completed for group in board.groups if len(group.runs) > 1 and not group.outdated)
    scale = _scale([found[board.metric] for found in figures.groups.values() if board.metric in found])
    heads, group_keys = short_keys(board.varying), [key for key in board.varying if key not in options.pool]
    return render(
        "report.html",
        figure=figure,
        short=short_name,
        told=explanation,
        title=options.title,
        created=time.strftime("%Y-%m-%d %H:%M"),
        metric=board.metric,
        smaller=minimised(board.metric),
        selection=board.selection,
        metrics=board.metrics,
        counts=board.counts,
        notes=board.notes,
        chosen=_chosen(board, figures),
        rows=[_row(board, run, figures, options.out) for run in board.runs],
        heads=heads,
        has_optimism=board.optimism,
        told_optimism=TOLD_OPTIMISM,
        has_intervals=bool(figures.runs),
        groups=[_group_row(board, g, figures, scale) for g in board.groups if not g.outdated] if varied else [],
        group_keys=group_keys,
        group_heads=[heads[key] for key in group_keys],
        scale=scale,
        holds=HOLDS,
        includes=explained(board),
        has_confusions=bool(figures.confusions),
        has_emotions=any(name.startswith("test/clip/joint") for name in board.metrics),
        published=_published(board),
        failures=[_failure(board, run, options.log_lines) for run in board.failures],
        data=_data(board, figures),
        pool=options.pool,
        draws=f"{options.draws:,}",
        curve_points=CURVE_POINTS,
    )


def figure(value: float | None) -> str:
    """A metric for a reader: three decimals, or a dash."""
    large = value is not None and math.isfinite(value) and abs(value) >= 1e4
    return f"{value:.1e}" if large else decimals(value)


def label(board: Leaderboard, run: FinishedRun) -> str:
    """What tells a run from the others."""
    settings = ((key, run.setting(key)) for key in board.varying)
    return ", ".join(f"{key}={_capped(value)}" for key, value in settings if value is not None) or run.name


def _capped(value: str, most: int = 32) -> str:
    """A value of an override as a line has room for, its end among it."""
    return value if len(value) <= most else f"{value[: most // 3]}…{value[-(most - most // 3) :]}"


def _chosen(board: Leaderboard, figures: Figures) -> dict[str, Any] | None:
    group = board.chosen
    if group is None:
        return None
    number = len(group.completed)
    settings = ", ".join(f"{key}={value}" for key, value in group.settings.items() if value is not None)
    return {
        "value": group.mean(board.metric),
        "interval": figures.groups.get(group, {}).get(board.metric),
        "spread": spread(group, board.metric),
        "several": number > 1,
        "runs": f"mean of {number} runs" if number > 1 else group.completed[0].name,
        "settings": settings,
    }


def _row(board: Leaderboard, run: FinishedRun, figures: Figures, out: Path) -> dict[str, Any]:
    results = run.results
    facts = {
        "approach": results.get("approach"),
        "experiment": results.get("experiment"),
        "seed": results.get("seed"),
        "epochs": results.get("epochs"),
        "samples a second": results.get("samples_per_second"),
        "parameters": results.get("parameters"),
        "device": results.get("device"),
        "metric definitions": run.definitions if run.completed else None,
        "threads": results.get("threads"),
        "config": results.get("config_digest"),
        "data": results.get("data_fingerprint"),
        "commit": (results.get("git_commit") or "")[:12] or None,
        "folder": run.name,
    }
    return {
        "name": run.name,
        "page": _link(run, out),
        "outdated": run.outdated,
        "status": run.status,
        "error": run.error,
        "settings": [{"text": run.setting(key), "given": key in run.settings} for key in board.varying],
        "selection": run.metric(board.selection),
        "metrics": [run.metric(name) for name in board.metrics],
        "optimism": run.optimism(board.metric),
        "interval": figures.runs.get(run),
        "best_epoch": results.get("best_epoch"),
        "seconds": run.seconds,
        "command": command(run),
        "facts": [(key, _fact(value)) for key, value in facts.items() if value is not None],
    }


def _link(run: FinishedRun, out: Path) -> str | None:
    """From the folder of the report to the page of a run, as a browser takes it; ``None`` if there is none."""
    page = bring_up_to_date(run) if run.completed and not run.outdated else None
    return None if page is None else quote(os.fsencode(Path(os.path.relpath(page.resolve(), out.resolve())).as_posix()))


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_fact(v)} {k}" for k, v in value.items())
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def _group_row(board: Leaderboard, group: RunGroup, figures: Figures, scale: dict[str, float] | None) -> dict[str, Any]:
    found = figures.groups.get(group, {}).get(board.metric)
    return {
        "words": ", ".join(f"{key}={value}" for key, value in group.settings.items()),
        "told": ["–" if value is None else _capped(value) for value in group.settings.values()],
        "runs": len(group.runs),
        "completed": len(group.completed),
        "subjects": figures.subjects.get(group),
        "metrics": [{"mean": group.mean(name), "deviation": group.deviation(name)} for name in board.metrics],
        "spread": spread(group, board.metric),
        "optimism": group.optimism(board.metric),
        "interval": found,
        "bar": _bar(found, scale),
    }


def _scale(intervals: Sequence[Interval]) -> dict[str, float] | None:
    ends = [v for i in intervals for v in (i.low, i.high) if math.isfinite(v)]
    return {"low": min(ends), "high": max(ends)} if ends else None


def _bar(interval: Interval | None, scale: dict[str, float] | None) -> dict[str, float] | None:
    """Where an interval lies in a bar of width 100."""
    if interval is None or scale is None or not math.isfinite(interval.low + interval.high):
        return None
    width = scale["high"] - scale["low"] or 1.0
    low, high, at = (
        round(100 * (value - scale["low"]) / width, 1) for value in (interval.low, interval.high, interval.value)
    )
    return {"low": low, "width": round(high - low, 1), "at": at}


def _published(board: Leaderboard) -> list[dict[str, Any]]:
    rows = []
    for run in (run for run in board.runs if not run.outdated):
        published = run.results.get("published")
        if not isinstance(published, dict) or not isinstance(published.get("metrics"), dict) or not run.completed:
            continue
        for name, value in published["metrics"].items():
            if isinstance(value, int | float):
                rows.append(
                    {
                        "experiment": run.results.get("experiment"),
                        "name": run.name,
                        "source": published.get("source", ""),
                        "row": published.get("row", ""),
                        "note": published.get("note"),
                        "metric": name,
                        "published": value,
                        "ours": run.metric(name),
                        "difference": run.metric(name) - value,
                    }
                )
    return rows


def _failure(board: Leaderboard, run: FinishedRun, lines: int) -> dict[str, Any]:
    return {
        "name": run.name,
        "status": run.status,
        "error": run.error,
        "label": label(board, run) if run.settings else "",
        "log": run.log_tail(lines),
        "command": command(run),
    }


def _data(board: Leaderboard, figures: Figures) -> dict[str, Any]:
    """What the script draws; strings and finite numbers only."""
    curves = _curve_names(board)
    per_curve = max(20, POINT_BUDGET // max(1, len(board.runs) * len(curves)))
    index = {run: i for i, run in enumerate(board.runs)}
    runs = [
        {
            "label": label(board, run),
            "completed": run.completed,
            "settings": {key: run.setting(key) for key in board.varying},
            # No plot shows figures of older definitions beside others.
            "metrics": {
                name: None if run.outdated else _json(run.metric(name)) for name in (*board.metrics, board.selection)
            },
            "curves": {name: _thin(*run.curves[name], per_curve) for name in curves if name in run.curves},
            "confusions": {task: counts.ravel().tolist() for task, counts in figures.confusions.get(run, {}).items()},
        }
        for run in board.runs
    ]
    drawn = [run for run in board.runs if run in figures.confusions]
    pooled = [{"label": label(board, run), "runs": [index[run]], "classes": figures.classes[run]} for run in drawn]
    for group in board.groups:
        inside = [run for run in group.runs if run in figures.confusions]
        if len(inside) > 1:
            settings = ", ".join(f"{key}={value}" for key, value in group.settings.items()) or "everything"
            together = {"label": f"{settings}: {len(inside)} runs together", "runs": [index[run] for run in inside]}
            pooled.append({**together, "classes": figures.classes[inside[0]]})
    return {
        "runs": runs,
        "varying": list(board.varying),
        "values": {key: _levels([run.setting(key) for run in board.runs]) for key in board.varying},
        "metrics": [*board.metrics, board.selection],
        "curves": curves,
        "pooled": pooled,
    }


def _curve_names(board: Leaderboard) -> list[str]:
    """The curves worth a look first: what selected the epoch, then losses, then the rest as they come."""
    every = dict.fromkeys(name for run in board.runs for name in run.curves)
    names = [name for name in every if not name.startswith(f"{OPTIMISM}/")]  # by which nobody is to choose
    wanted = [board.selection, *(n for n in names if n.endswith("/loss")), *(n for n in names if "/clip/" in n), *names]
    return [n for n in dict.fromkeys(wanted) if n in names and n != "seconds"][:CURVES]


def _thin(epochs: np.ndarray, values: np.ndarray, most: int) -> list[list[float | None]]:
    rows = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), most)).round().astype(int))
    return [[int(e) for e in epochs[rows]], [_json(v) for v in values[rows]]]


def _json(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _levels(values: Sequence[str | None]) -> list[str | None]:
    """Distinct values in the order of an axis: numbers by size, then texts, then nothing."""

    def order(value: str | None) -> tuple[int, float, str]:
        if value is None:
            return 2, 0.0, ""
        try:
            return 0, float(value), ""
        except ValueError:
            return 1, 0.0, value

    return sorted(set(values), key=order)
