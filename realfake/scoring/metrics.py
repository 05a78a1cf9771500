"""The metrics of the project, as functions of how often each subject counts.

Every metric is a function of sums over subjects: of right samples, of true, predicted and hit classes, of confidence
per bin, and of the wins of real over fake scores for each two subjects of a run. The sums are taken once; the metrics
of a resampled set of subjects then cost a product of small matrices (see :mod:`realfake.scoring.statistics`). The
plain metrics are those of a single group that counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realfake.labels import ABSENT, Authenticity
from realfake.scoring.metric_table import METRICS
from realfake.scoring.predictions import TASKS, Predictions
from realfake.scoring.scores import RunScores, real_levels

DEFINITIONS = 2
"""Number of the definitions below; results carry it as ``metric_definitions``, and those that have none were 1.

1: of each task the most probable class by itself was predicted; scores of equal inputs were ranked by their rounding.
2: one decision a sample, the most probable joint class; scores that differ by rounding are equal; the joint
probability of a clip from two heads is the product of their means, not the mean of their products.
"""
ECE_BINS = 15
REPORTED = (*METRICS, "loss")
"""What every run reports at both levels; the loss needs to know what was trained."""


def metrics(p: Predictions, pair: np.ndarray | None = None, run: np.ndarray | None = None) -> dict[str, float]:
    """All metrics of some predictions.

    A sample whose label is absent does not count for a metric that needs the label; a metric for which nothing counts
    is NaN.

    - ``joint_accuracy``, ``emotion_accuracy``, ``authenticity_accuracy``: part of the samples whose decision (the most
      probable joint class, see :class:`~realfake.scoring.predictions.Predictions`), or that part of it, is right.
    - ``joint_f1``, ``emotion_f1``: F1 of the decision, or that part of it, averaged over the classes that are true or
      predicted at least once (the labels that scikit-learn's ``f1_score(average="macro")`` takes by default).
    - ``authenticity_auroc``: probability that a real sample gets a higher probability of real than a fake one of the
      same run, ties counting half (Mann-Whitney): ``Σ_r wins_r / Σ_r real_r fake_r`` over runs r, since scores of
      different models have no order (see :mod:`realfake.scoring.scores`, also for what is a tie). NaN unless there
      are both.
    - ``pair_accuracy``: the same over real and fake samples of one pair only, i.e. of one subject and emotion.
    - ``authenticity_ece``: expected calibration error, ``Σ_b n_b / n |accuracy_b − confidence_b|`` over 15 equal bins
      of the higher of the two probabilities, whose own class is right or not, whatever the decision (Guo et al. 2017,
      https://arxiv.org/abs/1706.04599, eq. 3). Bins are closed below, the last one on both sides.

    Args:
        p: Predictions, one row a sample or a clip.
        pair: Number of the pair of each row (N,) int64, -1 = none; None = no pairs.
        run: Number of the run of each row (N,) int64, from 0; None = one run.
    """
    sums = SubjectSums.of(p, np.zeros(len(p), dtype=np.int64), pair, run)
    return {name: float(values[0]) for name, values in sums.metrics(np.ones((1, sums.subjects))).items()}


def confusion_matrix(p: Predictions, task: str) -> np.ndarray:
    """How many rows of each true class (rows) were given each class (columns) of a task, (K, K) int64."""
    y, size = p.true(task), p.probabilities(task).shape[1]
    known = y != ABSENT
    return np.bincount(y[known] * size + p.predicted(task)[known], minlength=size * size).reshape(size, size)


@dataclass(frozen=True, eq=False)
class SubjectSums:
    """What the metrics need to know of each of S subjects."""

    hits: dict[str, np.ndarray]
    """Task → samples of each class that are right (S, K)."""
    predicted: dict[str, np.ndarray]
    """Task → samples that are said to be of each class (S, K)."""
    true: dict[str, np.ndarray]
    """Task → labelled samples of each class (S, K)."""
    gap: np.ndarray
    """Right samples minus sum of confidences, per bin (S, bins)."""
    scores: tuple[RunScores, ...]
    """Real and fake samples of each run."""
    pair_wins: np.ndarray
    """Pairs of samples in which real scores higher, ties counting half (S,)."""
    pair_count: np.ndarray
    """Pairs of samples (S,)."""

    @classmethod
    def of(
        cls,
        p: Predictions,
        subject: np.ndarray,
        pair: np.ndarray | None = None,
        run: np.ndarray | None = None,
        level: np.ndarray | None = None,
    ) -> SubjectSums:
        """Sum up predictions.

        Args:
            p: Predictions (N rows).
            subject: Number of the subject of each row (N,), 0 to S - 1.
            pair: Number of the pair of each row (N,), -1 = none; None = no pairs. Rows of different runs are never one.
            run: Number of the run of each row (N,), from 0; None = one run.
            level: Level of each row's score of real (N,), not negative; None = :func:`real_levels`.
        """
        size = int(subject.max(initial=-1)) + 1
        run = np.zeros(len(p), dtype=np.int64) if run is None else run
        hits, predicted, true = {}, {}, {}
        for task in TASKS:
            y, guess, k = p.true(task), p.predicted(task), p.probabilities(task).shape[1]
            known = y != ABSENT
            true[task] = _count(subject[known], y[known], size, k)
            predicted[task] = _count(subject[known], guess[known], size, k)
            right = known & (y == guess)
            hits[task] = _count(subject[right], y[right], size, k)
        level, y = real_levels(p, run) if level is None else level, p.authenticity
        scores = tuple(RunScores.of(level[rows], y[rows], subject[rows]) for rows in _each(run))
        own = None if pair is None else np.where(pair < 0, -1, pair * (run.max(initial=0) + 1) + run)
        wins, count = _pairs(level, y, subject, own, size)
        return cls(hits, predicted, true, _confidence_gaps(p, subject, size), scores, wins, count)

    @property
    def subjects(self) -> int:
        """Number of subjects S."""
        return len(self.pair_count)

    def metrics(self, weights: np.ndarray, names: Sequence[str] = METRICS) -> dict[str, np.ndarray]:
        """Metrics when each subject counts as often as ``weights`` say.

        Args:
            weights: (R, S), not negative.
            names: Which of :data:`METRICS`.

        Returns:
            Metric → (R,), NaN where it is undefined.
        """
        return {name: self._metric(name, weights) for name in names}

    def _metric(self, name: str, weights: np.ndarray) -> np.ndarray:
        task, _, kind = name.partition("_")
        if name == "pair_accuracy":
            return _ratio(weights @ self.pair_wins, weights @ self.pair_count)
        if name == "authenticity_auroc":
            return self._auroc(weights)
        total = weights @ self.true[task].sum(axis=1)
        if kind == "accuracy":
            return _ratio(weights @ self.hits[task].sum(axis=1), total)
        if kind == "f1":
            both = weights @ (self.true[task] + self.predicted[task])
            f1 = _ratio(2.0 * (weights @ self.hits[task]), both, undefined=0.0)
            return _ratio(f1.sum(axis=1), (both > 0).sum(axis=1))
        if name == "authenticity_ece":
            return _ratio(np.abs(weights @ self.gap).sum(axis=1), total)
        raise ValueError(f"metric {name!r}: expected one of {', '.join(METRICS)}")

    def _auroc(self, weights: np.ndarray) -> np.ndarray:
        won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for scores in self.scores:
            of_run, all_of_run = scores.won(weights)
            won, pairs = won + of_run, pairs + all_of_run
        return _ratio(won, pairs)


def calibration_bins(confidence: np.ndarray) -> np.ndarray:
    """Bin (N,) of each confidence: 15 equal ones from 0 to 1, closed below, the last one on both sides."""
    inner = np.linspace(0.0, 1.0, ECE_BINS + 1)[1:-1]
    return np.searchsorted(inner, confidence, side="right")


def _confidence_gaps(p: Predictions, subject: np.ndarray, size: int) -> np.ndarray:
    known = p.authenticity != ABSENT
    confidence = p.p_authenticity[known].max(axis=1)
    right = p.most_probable("authenticity")[known] == p.authenticity[known]
    return _count(subject[known], calibration_bins(confidence), size, ECE_BINS, right - confidence)


def _pairs(
    level: np.ndarray, y: np.ndarray, subject: np.ndarray, pair: np.ndarray | None, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of samples that real wins, and their number, for each subject (size,)."""
    if pair is None:
        return np.zeros(size), np.zeros(size)
    # One number that sorts by pair first and by level second, so that all pairs are counted in one search.
    above = level.max(initial=0) + 1
    key = pair * above + level
    real = np.flatnonzero((y == Authenticity.REAL) & (pair >= 0))
    fakes = np.sort(key[(y == Authenticity.FAKE) & (pair >= 0)])
    first = np.searchsorted(fakes, pair[real] * above)
    last = np.searchsorted(fakes, (pair[real] + 1) * above)
    beaten = (np.searchsorted(fakes, key[real], "left") + np.searchsorted(fakes, key[real], "right")) / 2.0 - first
    return (
        np.bincount(subject[real], beaten, minlength=size),
        np.bincount(subject[real], last - first, minlength=size).astype(float),
    )


def _each(run: np.ndarray) -> list[np.ndarray]:
    """Rows of each run."""
    return [np.flatnonzero(run == number) for number in np.unique(run)]


def _count(
    subject: np.ndarray, column: np.ndarray, size: int, columns: int, values: np.ndarray | None = None
) -> np.ndarray:
    """Number (or sum of values) of the samples of each subject and column (size, columns) float64."""
    flat = np.bincount(subject * columns + column, values, minlength=size * columns)
    return flat.astype(float).reshape(size, columns)


def _ratio(top: np.ndarray, bottom: np.ndarray, undefined: float = np.nan) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), undefined), where=bottom > 0)
