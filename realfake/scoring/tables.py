"""Metrics of parts of the predictions: each emotion, each subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from realfake.labels import ABSENT, several
from realfake.scoring.metric_table import METRICS, told_metrics
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.statistics import RESAMPLES, Interval, bootstrap, wilson


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
    told = [name for name in told_metrics(p.tasks) if METRICS[name].within_emotion]
    parts = {name: p.emotion == k for k, name in enumerate(p.space.emotions)}
    return by_part(p, parts, subject, pair, names=told, resamples=resamples, seed=seed)


def by_part(
    p: Predictions, parts: Mapping[str, np.ndarray], subject: np.ndarray, pair: np.ndarray | None = None,
    *, names: Sequence[str], resamples: int = RESAMPLES, seed: int = 0,
) -> dict[str, dict[str, Interval]]:  # fmt: skip
    """Metrics of parts of the rows, with intervals over subjects; parts without rows are left out.

    Args:
        p: Predictions, N rows.
        parts: Name → whether a row belongs to it (N,).
        subject: Number of the subject of each row (N,).
        pair: Number of the pair of each row (N,), -1 = none.
        names: Of the metrics.
        resamples: Of the bootstrap.
        seed: Of the draws.
    """
    found = {}
    for part, rows in parts.items():
        if rows.any():
            some = None if pair is None else pair[rows]
            found[part] = bootstrap(p.select(rows), subject[rows], some, names=names, resamples=resamples, seed=seed)
    return found


def thirds(values: np.ndarray) -> dict[str, np.ndarray]:
    """The rows with the smallest, middle and largest values (N,), by their range, e.g. ``61 to 75``.

    Empty if too few values differ. A row whose value is NaN belongs to none.
    """
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, (1 / 3, 2 / 3)) if len(known) else (0.0, 0.0)
    parts = (values <= low, (values > low) & (values <= high), values > high)
    if not all(part.any() for part in parts):
        return {}
    return {f"{values[part].min():.3g} to {values[part].max():.3g}": part for part in parts}


def proportion(p: Predictions, task: str) -> tuple[int, int, Interval]:
    """Rows that are rightly decided, rows with the label, and the part with Wilson's interval.

    Rows are taken as independent, which makes it too narrow rather than too wide; but rows that a protocol compared
    count a half each, since of two clips of a pair both are right or both are wrong.
    """
    known = p.true(task) != ABSENT
    right = known & (p.predicted(task) == p.true(task))
    answers = np.ones(len(p))
    if p.given is not None and task != "emotion":
        answers[p.given != ABSENT] = 0.5
    hits, total = int(right.sum()), int(known.sum())
    ends = wilson(float(answers[right].sum()), float(answers[known].sum()))
    return hits, total, Interval(hits / total if total else float("nan"), *ends)


def by_subject(p: Predictions, subject: np.ndarray, pair: np.ndarray | None = None) -> dict[int, SubjectRow]:
    """How the model did on each person: subject → row.

    The interval is that of :func:`proportion`, as within a person there is nothing to resample.
    """
    found = {}
    for number in np.unique(subject):
        rows = subject == number
        one = p.select(rows)
        accuracy = {task: proportion(one, task)[2] for task in p.tasks}
        pairs = None if pair is None else pair[rows]
        found[int(number)] = SubjectRow(len(one), accuracy, metrics(one, pairs).get("pair_accuracy", float("nan")))
    return found
