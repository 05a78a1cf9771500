"""Which of several systems is better, by how much, and how sure that is: on the same people, over folds and seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.comparison.paired_runs import PairedRuns, ReadClips
from realfake.comparison.power import ALPHA, PEOPLE, Power, power_curves
from realfake.comparison.systems import Place, System, missing_of_sweeps, runs_at, same_folder, system_of
from realfake.composing.messages import validate
from realfake.config import CompareConfig, require
from realfake.errors import UserError, nearest
from realfake.pages import SYNTHETIC, counted
from realfake.reports.finished import FinishedRun
from realfake.reports.leaderboard import track
from realfake.reports.spread import Spread, spread_of
from realfake.runs.settings import look_up
from realfake.scoring.metric_table import METRICS, REPORTED
from realfake.scoring.statistics import PERMUTATIONS, RESAMPLES, Interval, compare, difference_limits, holm
from realfake.scoring.wording import NOTHING, decimals, p_value

if TYPE_CHECKING:
    import pandas as pd

USUAL = ("joint_accuracy", "authenticity_accuracy", "authenticity_auroc", "pair_accuracy")
"""Metrics that are compared unless others are asked for, as far as the systems are measured by them."""
EQUIVALENCE_LEVEL = 0.90
"""Two one-sided tests at 0.05 find a difference within the margin just if this interval is (Schuirmann 1987)."""
DIFFERENCE = 0.05
"""True difference whose power is told beside that of the measured one."""


@dataclass(frozen=True)
class MetricDifference:
    """One metric of two systems, and what is known of its difference."""

    metric: str
    a: float
    b: float
    interval: Interval
    """The first system's figure minus the second's, with its 95 % interval over people; NaN with one person."""
    p_value: float
    """Two-sided, of the permutation test by person."""
    smallest_p: float
    """The smallest one that the test could have given."""
    p_holm: float
    """The first adjusted for all differences that were tested together (Holm 1979); NaN of runs against themselves."""
    smallest_holm: float
    """The smallest adjusted one that the tests could have given."""
    trainings: Spread | None
    """Mean over runs of the difference, with an interval that includes training; ``None`` = one run."""
    optimism: tuple[float, float] = (math.nan, math.nan)
    """What the best test epochs of either would have claimed too much (:meth:`System.optimism`); NaN: not measured."""
    within: Interval | None = None
    """The 90 % interval over people, if a margin was given."""
    margin: float | None = None
    at_measured: Power | None = None
    """Power for the measured difference; ``None`` = no difference, fewer than two people, or not asked for."""
    at_difference: Power | None = None
    """Power for another difference."""

    @property
    def equivalent(self) -> bool | None:
        """Whether the difference is shown to be within the margin; ``None`` without one."""
        if self.within is None or self.margin is None:
            return None
        return -self.margin < self.within.low and self.within.high < self.margin

    @property
    def verdict(self) -> str:
        """Of the first system: ``better``, ``worse``, ``equivalent`` (within the margin), or ``open``."""
        if self.p_holm <= ALPHA:
            return "better" if (self.interval.value > 0) != METRICS[self.metric].smaller else "worse"
        return "equivalent" if self.equivalent else "open"


@dataclass(frozen=True)
class SystemPair:
    """Two systems on the same test clips."""

    a: str
    b: str
    people: int
    clips: int
    """Different test clips."""
    parts: tuple[str, ...]
    """Folds and seeds whose runs were paired."""
    metrics: tuple[MetricDifference, ...]

    @property
    def size(self) -> str:
        """What it rests on, for a reader."""
        people = "person" if self.people == 1 else "people"
        pairs = "pair" if len(self.parts) == 1 else "pairs"
        return f"{len(self.parts)} {pairs} of runs, {self.people:,} {people}, {counted(self.clips, 'clip')}"


@dataclass(frozen=True, repr=False)
class Comparison:
    """All pairs of the systems."""

    systems: Mapping[str, tuple[str, ...]]
    """Name → folders of its runs."""
    pairs: tuple[SystemPair, ...]
    notes: tuple[str, ...]
    """What is missing, left out, or has to be said beside the figures."""

    def __repr__(self) -> str:
        lines = []
        for pair in self.pairs:
            lines.append(f"{pair.a} − {pair.b}: {pair.size}")
            lines += [
                f"  {m.metric:31}{decimals(m.interval.value, signed=True)}"
                + (f" [{m.interval.low:+.3f}, {m.interval.high:+.3f}]" if math.isfinite(m.interval.low) else "")
                + f"  p {NOTHING if math.isnan(m.p_value) else p_value(m.p_value)}  {m.verdict}"
                for m in pair.metrics
            ]
        return "\n".join([*lines, *self.notes])

    def to_frame(self) -> pd.DataFrame:
        """A row for each pair of systems and metric."""
        import pandas as pd

        return pd.DataFrame([_row(pair, m) for pair in self.pairs for m in pair.metrics])

    def power_frame(self) -> pd.DataFrame:
        """A row for each pair of systems, metric, true difference and number of people."""
        import pandas as pd

        columns = ["a", "b", "metric", "of", "difference", "people", "power", "low", "high"]
        rows = [
            (pair.a, pair.b, m.metric, of, curve.difference, *point)
            for pair in self.pairs
            for m in pair.metrics
            for of, curve in (("measured", m.at_measured), ("given", m.at_difference))
            if curve is not None
            for point in zip(curve.people, curve.value, curve.low, curve.high, strict=True)
        ]
        return pd.DataFrame(rows, columns=columns)


def _row(pair: SystemPair, m: MetricDifference) -> dict[str, Any]:
    trainings = m.trainings.interval if m.trainings else None
    return {
        "a": pair.a, "b": pair.b, "metric": m.metric, "value a": m.a, "value b": m.b, "difference": m.interval.value,
        "low": m.interval.low, "high": m.interval.high, "p": m.p_value, "smallest p": m.smallest_p, "p holm": m.p_holm,
        "smallest p holm": m.smallest_holm, "verdict": m.verdict,
        "mean over": m.trainings.basis if m.trainings else None,
        "mean": trainings.value if trainings else math.nan, "mean low": trainings.low if trainings else math.nan,
        "mean high": trainings.high if trainings else math.nan, "margin": m.margin,
        "low 90": m.within.low if m.within else math.nan, "high 90": m.within.high if m.within else math.nan,
        **{f"optimism {side}": v for side, v in zip("ab", m.optimism, strict=True) if math.isfinite(v)},
        "equivalent": m.equivalent, "pairs of runs": len(pair.parts), "people": pair.people, "clips": pair.clips,
    }  # fmt: skip


def compare_runs(
    systems: Mapping[str, Sequence[Place | FinishedRun] | Place],
    *,
    metrics: Sequence[str] | str | None = None,
    margin: float | None = None,
    people: Sequence[int] | None = None,
    seed: int = 0,
    difference: float = DIFFERENCE,
    same_data: bool = True,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> Comparison:
    """Compare each system with each later one, on the runs of the same fold and seed.

    Args:
        systems: Name → its runs: folders of runs, sweeps, patterns of such, or runs that were read already.
        metrics: Names as in ``docs/metrics.md``, or one; ``None`` = :data:`USUAL`.
        margin: Differences smaller than this do not matter; ``None`` = equivalence is not asked for.
        people: Numbers of people whose power is told; ``None`` = 10 to 320, empty = none.
        seed: Of everything that is drawn.
        difference: True difference whose power is told beside that of the measured one.
        same_data: Refuse runs that read other prepared data (another size, window or face detector), even of the same
            clips.
        resamples: Of the bootstrap over people.
        permutations: How many exchanges are tried; all of them if there are no more.

    Raises:
        UserError: If there are fewer than two systems, they cannot be compared, or a value is none of its kind: the
            line says why.
    """
    if not isinstance(systems, Mapping) or not all(isinstance(name, str) for name in systems):
        raise UserError(
            f"systems={systems!r}: expected names and runs, as in {{'new': 'multirun/x', 'old': 'multirun/y'}}"
        )
    if len(systems) < 2:
        raise UserError(f"{', '.join(systems) or 'no system'}: nothing to compare it with; give at least two systems")
    metrics = [metrics] if isinstance(metrics, str) else metrics
    people = [n.item() if isinstance(n, np.generic) else n for n in people] if isinstance(people, Iterable) else people
    options = {
        "metric": list(metrics) if isinstance(metrics, Iterable) else metrics, "margin": margin, "people": people,
        "seed": seed, "difference": difference, "same_data": same_data, "resamples": resamples,
        "permutations": permutations,
    }  # fmt: skip
    others: dict[str, Any] = {**dict.fromkeys(CompareConfig.model_fields), "a": "a", "b": "b", "plugins": []}
    validate(others | options, CompareConfig)
    found = {name: runs_at(places, name) for name, places in systems.items()}
    for run in itertools.chain(*found.values()):  # plugins may measure what is asked for
        for name in metrics or ():
            require(run.config.get("plugins"), run.folder, only=f"metric={name}")
    wanted = None if metrics is None else [_known(name) for name in metrics]
    made = [system_of(name, runs) for name, runs in found.items()]
    clips = ReadClips()
    brought = [PairedRuns.of(a, b, clips, same_data) for a, b in itertools.combinations(made, 2)]
    draws = {"resamples": resamples, "permutations": permutations, "seed": seed}
    tested = [_tested(t, _chosen(t, wanted), margin, draws) for t in track(brought, "resampling people")]
    tested = _adjusted(tested, [t.own for t in brought])
    numbers = PEOPLE if people is None else tuple(people)
    jobs = [(i, k) for i, pair in enumerate(tested) for k in range(len(pair)) if numbers and brought[i].people > 1]
    for i, k in track(jobs, "simulating power"):
        m = tested[i][k]
        shares = brought[i].shares(m.metric)
        if np.isfinite(shares.value).all():
            own, other = power_curves(shares, m.interval.value, difference, numbers, seed)
            tested[i][k] = replace(m, at_measured=own if m.interval.value else None, at_difference=other)
    pairs = [
        SystemPair(t.a.name, t.b.name, t.people, t.clips, t.described, tuple(ms))
        for t, ms in zip(brought, tested, strict=True)
    ]
    every = list(dict.fromkeys(itertools.chain(*found.values())))
    notes = [*missing_of_sweeps(every), *itertools.chain(*(s.unfinished for s in made))]
    notes += [*itertools.chain(*(t.notes for t in brought))]
    notes += [*filter(None, map(_without_power, pairs)), *same_folder(made), *clips.people(), *_synthetic(made)]
    folders = {s.name: tuple(str(run.folder) for run in s.runs.values()) for s in made}
    return Comparison(folders, tuple(pairs), tuple(dict.fromkeys(notes)))


def _known(name: str) -> str:
    short = name.removeprefix("test/clip/")
    if short in METRICS:
        return short
    if short in REPORTED:
        raise UserError(f"metric={name}: takes more than predictions; expected one of {', '.join(METRICS)}")
    raise UserError(f"metric={name}: no such metric{nearest(short, list(METRICS))} (there are: {', '.join(METRICS)})")


def _adjusted(tested: Sequence[list[MetricDifference]], own: Sequence[bool]) -> list[list[MetricDifference]]:
    """The differences of each two systems with adjusted p-values, but for those of runs against themselves."""
    found = [list(pair) for pair in tested]
    places = [
        (i, k) for i, pair in enumerate(found) if not own[i] for k, m in enumerate(pair) if not math.isnan(m.p_value)
    ]
    # Holm's p only grows with any of the p-values: none of its own could be smaller than with the smallest of all.
    p, smallest = (holm([getattr(found[i][k], name) for i, k in places]) for name in ("p_value", "smallest_p"))
    for (i, k), adjusted, least in zip(places, p, smallest, strict=True):
        found[i][k] = replace(found[i][k], p_holm=adjusted, smallest_holm=least)
    return found


def _without_power(pair: SystemPair) -> str | None:
    """What has to be said of metrics whose power cannot be told."""
    alike = [REPORTED[m.metric].heading for m in pair.metrics if m.at_difference and not m.at_difference.known]
    if not alike:
        return None
    return (
        f"{pair.a} against {pair.b}: all people show the same difference in {', '.join(alike)}: power cannot be told."
    )


def _synthetic(systems: Sequence[System]) -> list[str]:
    drawn = any(look_up(run.config, "data") == "synthetic" for s in systems for run in s.runs.values())
    return [SYNTHETIC] if drawn else []


def _chosen(runs: PairedRuns, wanted: Sequence[str] | None) -> list[str]:
    if lacking := [name for name in wanted or () if name not in runs.names]:
        raise UserError(
            f"metric={lacking[0]}: {runs.a.name} and {runs.b.name} are not both measured by it; expected one of "
            f"{', '.join(runs.names)}"
        )
    usual = [name for name in USUAL if name in runs.names]
    return list(wanted or usual or [name for name in runs.names if METRICS[name].main])  # emotions may be all they tell


def _tested(
    runs: PairedRuns, names: Sequence[str], margin: float | None, draws: Mapping[str, Any]
) -> list[MetricDifference]:
    """Difference, intervals and test of each metric; the p-values are not adjusted yet."""
    both = (runs.of_b, runs.of_a, runs.subject, runs.pair)
    found = compare(*both, run=runs.run, names=names, **draws)
    once: Mapping[str, Any] = {**draws, "permutations": 1, "level": EQUIVALENCE_LEVEL}
    narrow = {} if margin is None else compare(*both, run=runs.run, names=names, **once)
    return [
        MetricDifference(
            metric=name,
            a=d.second,
            b=d.first,
            interval=Interval(d.value, d.low, d.high),
            p_value=d.p_value,
            smallest_p=d.smallest_p,
            p_holm=math.nan,
            smallest_holm=math.nan,
            optimism=(runs.a.optimism(name), runs.b.optimism(name)),
            trainings=spread_of(runs.differences(name), difference_limits(name)),
            within=Interval(d.value, narrow[name].low, narrow[name].high) if narrow else None,
            margin=margin,
        )
        for name, d in found.items()
    ]
