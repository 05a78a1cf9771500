"""Metrics of parts of the predictions: each emotion, each subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realfake.labels import ABSENT, several
from realfake.scoring.metric_table import METRICS, told_metrics
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.statistics import RESAMPLES, Interval, bootstrap, wilson

"""The emotion's accuracy is its recall."""


@dataclass(frozen=True)
class SubjectRow:
    """How a model did on one person."""

    clips: int
    accuracy: dict[str, Interval]
    """Task → accuracy with Wilson's interval."""
    pair_accuracy: float


def by_emotion(
    p: Predictions, subject: np.ndarray, pair: np.ndarray | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, dict[str, Interval]]:
    """Metrics of the rows of each true emotion, with intervals over subjects.

    Returns:
        Emotion → metric that is told and means something within an emotion → interval; emotions without rows are left
        out, and all of them where a network that tells none was shown one alone.
    """
    if "emotion" not in p.p and not several(p.emotion):
        return {}
    found, told = {}, [name for name in told_metrics(p.tasks) if METRICS[name].within_emotion]
    for k, name in enumerate(p.space.emotions):
        rows = p.emotion == k
        if rows.any():
            some = None if pair is None else pair[rows]
            found[name] = bootstrap(p.select(rows), subject[rows], some, names=told, resamples=resamples, seed=seed)
    return found


def by_subject(p: Predictions, subject: np.ndarray, pair: np.ndarray | None = None) -> dict[int, SubjectRow]:
    """How the model did on each person: subject → row.

    The interval is Wilson's, as within a person there is nothing to resample; clips of one person are taken as
    independent, which makes it too narrow rather than too wide.
    """
    found = {}
    for number in np.unique(subject):
        rows = subject == number
        one = p.select(rows)
        accuracy = {}
        for task in p.tasks:
            known = one.true(task) != ABSENT
            right, total = int((one.predicted(task) == one.true(task))[known].sum()), int(known.sum())
            accuracy[task] = Interval(right / total if total else float("nan"), *wilson(right, total))
        pairs = None if pair is None else pair[rows]
        found[int(number)] = SubjectRow(len(one), accuracy, metrics(one, pairs).get("pair_accuracy", float("nan")))
    return found
