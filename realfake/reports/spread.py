"""How far the runs of a group lie apart: an interval of their mean that includes training.

The intervals of :mod:`realfake.reports.pooling` keep the trained models as they are. What another training would
have given shows only between trainings, and what these differ in decides what their spread includes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from realfake.config import SplitConfig
from realfake.data.splits import tested_share
from realfake.reports.finished import FinishedRun
from realfake.reports.ranking import Leaderboard, RunGroup
from realfake.runs.settings import look_up
from realfake.scoring.metric_table import METRICS, REPORTED
from realfake.scoring.statistics import Interval, t_interval

INCLUDES = {
    "datasets": "Student's t over datasets of other people (the mean of the runs on each): includes whom a model is "
    "trained and tested on",
    "splits": "Student's t over the parts tested (the mean of the seeds of each), its variance corrected for "
    "the people that the trainings share (Nadeau and Bengio 2003): includes whom a model is trained on",
    "seeds": "Student's t over seeds: includes the random numbers of training, but all runs were trained and tested on "
    "the same people",
}
"""What the runs of a group differ in → what the interval of their mean is, and includes."""


@dataclass(frozen=True)
class Spread:
    """The mean of a metric over the trainings of a group, with its interval."""

    interval: Interval
    over: str
    """What the trainings differ in, a key of :data:`INCLUDES`."""
    number: int
    """How many of these there are."""

    @property
    def basis(self) -> str:
        """What it rests on, e.g. ``5 splits``."""
        return f"{self.number} {self.over}"


def spread(group: RunGroup, metric: str) -> Spread | None:
    """Interval of a metric's mean over the completed runs of a group; ``None`` if there is nothing to see a spread in.

    Runs on one part that differ by their seeds are no further people: their mean counts once.
    """
    runs = [run for run in group.completed if np.isfinite(run.metric(metric))]
    splits = {run: _split(run) for run in runs}
    if len(runs) < 2 or None in splits.values():
        return None
    people = {run: look_up(run.config, "data.seed") for run in runs}
    if len(set(people.values())) > 1:
        means = _means(runs, metric, people)
        return Spread(_possible(t_interval(means), metric), "datasets", len(means))
    parts = {run: json.dumps(split.model_dump(), sort_keys=True) for run, split in splits.items()}
    means = _means(runs, metric, parts)
    if len(means) == 1:
        values = group.values(metric)
        return Spread(_possible(t_interval(values), metric), "seeds", len(values))
    # Of subjects left out one at a time there are at least as many as there are parts.
    share = tested_share(splits[runs[0]], len(means))
    return Spread(_possible(t_interval(means, share / (1.0 - share)), metric), "splits", len(means))


def _possible(interval: Interval, metric: str) -> Interval:
    """The part of an interval that the metric can be."""
    limits = METRICS.get(metric.rpartition("/")[2], REPORTED["loss"]).limits
    return Interval(interval.value, *(float(np.clip(end, *limits)) for end in (interval.low, interval.high)))


def explained(board: Leaderboard) -> list[str]:
    """What the intervals of a board's groups are and include, a sentence each."""
    found = [spread(group, board.metric) for group in board.groups if not group.outdated]
    return [words for over, words in INCLUDES.items() if over in {s.over for s in found if s is not None}]


def _means(runs: list[FinishedRun], metric: str, keys: dict[FinishedRun, Any]) -> np.ndarray:
    """Mean of the metric over the runs of each key (keys,)."""
    values: dict[Hashable, list[float]] = defaultdict(list)
    for run in runs:
        values[keys[run]].append(run.metric(metric))
    return np.array([np.mean(v) for v in values.values()])


def _split(run: FinishedRun) -> Any:
    try:
        return _SPLIT.validate_python(run.config.get("split"))
    except ValidationError:
        return None


_SPLIT: TypeAdapter[Any] = TypeAdapter(SplitConfig)
