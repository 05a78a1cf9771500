"""Finished runs side by side: ranked, reduced to the overrides that vary, and grouped over seeds and folds."""

from __future__ import annotations

import difflib
import json
import math
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from realfake.config import require
from realfake.data.sources.listing import printable
from realfake.errors import UserError
from realfake.pages import SYNTHETIC
from realfake.reports.finished import EMPTY, FinishedRun
from realfake.runs.settings import EXECUTION_GROUPS, NOT_COMPUTED, look_up, without
from realfake.scoring.metric_table import REPORTED, minimised

PROTOCOL = "protocol"
"""Key that rows show if it differs, whoever has set it."""


@dataclass(frozen=True, eq=False)
class RunGroup:
    """Runs that differ only in the pooled keys (seeds and folds), the best first."""

    runs: tuple[FinishedRun, ...]
    settings: dict[str, str | None]
    """The varying overrides without the pooled ones."""

    @property
    def completed(self) -> tuple[FinishedRun, ...]:
        """Those that have results."""
        return tuple(run for run in self.runs if run.completed)

    @property
    def outdated(self) -> bool:
        """Whether the figures are of older definitions; runs of different ones never share a group."""
        return any(run.outdated for run in self.runs)

    def mean(self, metric: str) -> float:
        """Mean over the completed runs that have the metric, NaN without any."""
        values = self.values(metric)
        return float(values.mean()) if len(values) else math.nan

    def deviation(self, metric: str) -> float:
        """Sample standard deviation over those runs, NaN for fewer than two."""
        values = self.values(metric)
        return float(values.std(ddof=1)) if len(values) > 1 else math.nan

    def values(self, metric: str) -> np.ndarray:
        """The completed runs' values of a metric, (n,), without NaN."""
        values = np.array([run.metric(metric) for run in self.completed], dtype=np.float64)
        return values[np.isfinite(values)]


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Runs in the order of a metric; those without it come last, those of older definitions of metrics behind them."""

    metric: str
    runs: tuple[FinishedRun, ...]
    varying: tuple[str, ...]
    """Override keys whose value is not the same in all runs."""
    groups: tuple[RunGroup, ...]
    """In the order of the mean of the metric."""
    metrics: tuple[str, ...]
    """The main metrics that at least one run has, the ranking one first."""
    notes: tuple[str, ...] = field(default=())
    """What makes figures incomparable, one sentence each."""

    @property
    def selection(self) -> str:
        """The validation metric beside the ranking one, by which a row may be chosen."""
        return "val/" + self.metric.partition("/")[2]

    @property
    def chosen(self) -> RunGroup | None:
        """The group that validation prefers, which is what may be chosen without looking at test figures."""
        known = [g for g in self.groups if math.isfinite(g.mean(self.selection)) and not g.outdated]
        return min(known, key=lambda group: _order(group.mean(self.selection), self.selection), default=None)

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs of each status."""
        return dict(Counter(run.status for run in self.runs))

    @property
    def failures(self) -> tuple[FinishedRun, ...]:
        """Runs that did not come to a result."""
        return tuple(run for run in self.runs if not run.completed)


def rank(runs: Sequence[FinishedRun], metric: str | None = None, pool: Sequence[str] = ()) -> Leaderboard:
    """Put runs in order.

    Args:
        runs: Any number, in any state.
        metric: What ranks them; ``None`` = the test figure of the metric that most of the runs were selected on.
        pool: Keys in which the runs of a group may differ, e.g. ``["seed", "split.fold"]``.

    Raises:
        UserError: If no completed run has the metric.
    """
    known = list(dict.fromkeys(name for run in runs for name in run.metrics))
    if metric is None:
        metric = _usual_metric(runs)
    elif known and metric not in known:
        near = difflib.get_close_matches(metric, known, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UserError(f"metric={metric}: no run has it{hint}")
    for run in runs:  # which way it is better is not known without its plugin
        require(run.config.get("plugins"), run.folder, only=f"metric={metric.rpartition('/')[2]}")
    ranked = sorted(
        runs, key=lambda run: (run.outdated, _order(run.metric(metric), metric), not run.completed, run.name)
    )
    varying = varying_keys(ranked)
    if len(_protocols(ranked)) > 1:  # which an experiment can set, too
        varying = tuple(dict.fromkeys((*varying, PROTOCOL)))
    groups = sorted(
        _groups(ranked, varying, pool), key=lambda group: (group.outdated, _order(group.mean(metric), metric))
    )
    usual = (f"test/clip/{name}" for name in REPORTED)
    shown = [metric, *(name for name in usual if name in known and name != metric)]
    return Leaderboard(metric, tuple(ranked), varying, tuple(groups), tuple(shown), tuple(_notes(ranked)))


def _protocols(runs: Sequence[FinishedRun]) -> list[str]:
    """What decided real or fake in the completed runs."""
    return sorted({run.protocol for run in runs if run.completed})


def _usual_metric(runs: Sequence[FinishedRun]) -> str:
    optimized = Counter(run.optimized_metric for run in runs if run.optimized_metric)
    usual = optimized.most_common(1)[0][0] if optimized else "val/clip/joint_accuracy"
    return "test/" + usual.partition("/")[2]


def _order(value: float, metric: str) -> tuple[bool, float]:
    if not math.isfinite(value):
        return True, 0.0
    return False, value if minimised(metric) else -value


def varying_keys(runs: Iterable[FinishedRun]) -> tuple[str, ...]:
    """Override keys whose value differs between runs; a run that does not override one counts with its own setting."""
    runs = [run for run in runs if run.config or run.overrides]
    given = dict.fromkeys(key for run in runs for key in run.settings)
    keys = dict.fromkeys(key for each in given for key in _computed(each, runs))
    return tuple(key for key in keys if len({run.setting(key) for run in runs}) > 1)


def _computed(key: str, runs: Sequence[FinishedRun]) -> list[str]:
    """The keys of an override that say what is computed; of a group that says how to execute, those that lie in it."""
    if key in EXECUTION_GROUPS:
        inside = dict.fromkeys(name for run in runs for name in _leaves(run.config.get(key), key))
        return [name for name in inside if name not in NOT_COMPUTED]
    return [] if any(f"{key}.".startswith(f"{name}.") for name in NOT_COMPUTED if name != "experiment_name") else [key]


def _leaves(block: object, key: str) -> list[str]:
    """Dotted keys of the values in a block."""
    if not isinstance(block, dict):
        return [key]
    return [leaf for name, value in block.items() for leaf in _leaves(value, f"{key}.{name}")]


def _groups(runs: Sequence[FinishedRun], varying: Sequence[str], pool: Sequence[str]) -> list[RunGroup]:
    members: dict[tuple[bool, str], list[FinishedRun]] = {}
    for run in (run for run in runs if run.status != EMPTY):
        members.setdefault((run.outdated, _identity(run, pool)), []).append(run)
    shown = [key for key in varying if key not in pool]
    return [RunGroup(tuple(group), {key: group[0].setting(key) for key in shown}) for group in members.values()]


def _identity(run: FinishedRun, pool: Sequence[str]) -> str:
    """What a run computes, but for the pooled keys."""
    if not run.config:
        return json.dumps(sorted((k, v) for k, v in run.settings.items() if k not in pool))
    return json.dumps(without(run.config, (*NOT_COMPUTED, *pool)), sort_keys=True, default=str)


def _notes(runs: Sequence[FinishedRun]) -> Iterable[str]:
    completed = [run for run in runs if run.completed]
    if outdated := [run for run in completed if run.outdated]:
        yield (
            f"{len(outdated)} of the runs are not ranked: their figures follow older definitions of the metrics; bring "
            f"each up to date with `realfake evaluate run={printable(str(outdated[0].folder))}`, and repeat "
            "the report."
        )
    for key, what in (("data_fingerprint", "prepared datasets"), ("git_commit", "states of the code")):
        found = {run.results.get(key) for run in completed} - {None}
        if len(found) > 1:
            yield f"The runs come from {len(found)} different {what}: compare only rows that share one."
    threads = sorted({n for run in completed if isinstance(n := run.results.get("threads"), int)})
    if len(threads) > 1:
        yield (
            f"The runs computed with {', '.join(map(str, threads[:-1]))} and {threads[-1]} threads, which round "
            "differently: the same run comes to other figures with another number."
        )
    if any(look_up(run.config, "data") == "synthetic" for run in completed):
        yield SYNTHETIC
    if len(protocols := _protocols(runs)) > 1:
        yield (
            f"Real or fake is decided by different protocols ({', '.join(protocols)}): accuracies and F1 of rows that "
            "differ in it answer different questions, while AUROC, pairs, Brier score and calibration compare."
        )
    metrics = {run.optimized_metric for run in completed} - {None}
    if len(metrics) > 1:
        yield f"The runs were selected on different metrics: {', '.join(sorted(map(str, metrics)))}."


def command(run: FinishedRun) -> str:
    """The command that repeats a run by itself, quoted for a shell."""
    return shlex.join(["realfake", "train", *run.overrides])


def short_name(metric: str) -> str:
    """A metric's name for the head of a column: without the stage and level where they go without saying."""
    name = metric.removeprefix("test/clip/").replace("_", " ").replace("accuracy", "acc.")
    for long, short in (("authenticity auroc", "AUROC"), ("authenticity ece", "ECE"), ("authenticity brier", "Brier")):
        name = name.replace(long, short)
    return name


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Key → its last part, e.g. ``fold`` for ``split.fold``, as far as that is the part of no other key."""
    last = {key: key.rpartition(".")[2] for key in keys}
    count = Counter(last.values())
    return {key: name if count[name] == 1 else key for key, name in last.items()}


def explanation(metric: str) -> str:
    """A metric's name with what it is, as far as that is known."""
    entry = REPORTED.get(metric.rpartition("/")[2])
    return metric if entry is None else f"{metric}: {entry.words}"
