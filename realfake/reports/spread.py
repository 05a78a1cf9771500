"""How far the runs of a group lie apart: an interval of their mean that includes training.

The intervals of :mod:`realfake.reports.pooling` keep the trained models as they are. What another training would
have given shows only between trainings, and what these differ in decides what their spread includes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Mapping
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
    """Interval of a metric's mean over the completed runs of a group, see :func:`spread_of`."""
    values = {run: run.metric(metric) for run in group.completed}
    return spread_of(values, METRICS.get(metric.rpartition("/")[2], REPORTED["loss"]).limits)


def spread_of(values: Mapping[FinishedRun, float], limits: tuple[float, float]) -> Spread | None:
    """Interval of the mean of what each run came to; ``None`` if there is nothing to see a spread in.

    Runs on one part that differ by their seeds are no further people: their mean counts once.

    Args:
        values: A figure of each run, or its difference to its counterpart's; NaN = unknown.
        limits: What the figure can be.
    """
    values = {run: value for run, value in values.items() if np.isfinite(value)}
    splits = {run: split_of(run) for run in values}
    if len(values) < 2 or None in splits.values():
        return None
    people = {run: look_up(run.config, "data.seed") for run in values}
    if len(set(people.values())) > 1:
        means = _means(values, people)
        return Spread(_possible(t_interval(means), limits), "datasets", len(means))
    parts = {run: json.dumps(split.model_dump(), sort_keys=True) for run, split in splits.items()}
    means = _means(values, parts)
    if len(means) == 1:
        return Spread(_possible(t_interval(np.array(list(values.values()))), limits), "seeds", len(values))
    # Of subjects left out one at a time there are at least as many as there are parts.
    share = tested_share(next(iter(splits.values())), len(means))
    return Spread(_possible(t_interval(means, share / (1.0 - share)), limits), "splits", len(means))


def _possible(interval: Interval, limits: tuple[float, float]) -> Interval:
    """The part of an interval that the figure can be; what shows no spread has no interval."""
    if interval.low == interval.high:
        return Interval(interval.value, np.nan, np.nan)
    return Interval(interval.value, *(float(np.clip(end, *limits)) for end in (interval.low, interval.high)))


def explained(board: Leaderboard) -> list[str]:
    """What the intervals of a board's groups are and include, a sentence each."""
    found = [spread(group, board.metric) for group in board.groups if not group.outdated]
    return [words for over, words in INCLUDES.items() if over in {s.over for s in found if s is not None}]


def _means(values: Mapping[FinishedRun, float], keys: dict[FinishedRun, Any]) -> np.ndarray:
    """Mean of the values of the runs of each key (keys,)."""
    found: dict[Hashable, list[float]] = defaultdict(list)
    for run, value in values.items():
        found[keys[run]].append(value)
    return np.array([np.mean(v) for v in found.values()])


def split_of(run: FinishedRun) -> Any:
    """The group ``split`` of a run's configuration; ``None`` if it is none of today's."""
    try:
        return _SPLIT.validate_python(run.config.get("split"))
    except ValidationError:
        return None


_SPLIT: TypeAdapter[Any] = TypeAdapter(SplitConfig)
