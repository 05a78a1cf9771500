"""The metrics of the project, as functions of how often each subject counts.

Every metric is a function of sums over subjects: of right samples, of true, predicted and hit classes, of confidence
per bin, and of the wins of real over fake scores for each two subjects. The sums are taken once; the metrics of a
resampled set of subjects then cost a product of small matrices (see :mod:`realfake.evaluation.statistics`). The plain
metrics are those of a single group that counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realfake.evaluation.predictions import TASKS, Predictions
from realfake.labels import ABSENT, Authenticity

ECE_BINS = 15
METRICS = (
    "joint_accuracy",
    "emotion_accuracy",
    "authenticity_accuracy",
    "authenticity_auroc",
    "joint_f1",
    "emotion_f1",
    "pair_accuracy",
    "authenticity_ece",
)
_BLOCK = 512
"""Subjects whose wins over all others are held at once."""


def metrics(p: Predictions, pair: np.ndarray | None = None) -> dict[str, float]:
    """All metrics of some predictions.

    A sample whose label is absent does not count for a metric that needs the label; a metric for which nothing counts
    is NaN.

    - ``joint_accuracy``, ``emotion_accuracy``, ``authenticity_accuracy``: part of the samples whose most probable
      class is right.
    - ``joint_f1``, ``emotion_f1``: F1 averaged over the classes that are true or predicted at least once (the labels
      that scikit-learn's ``f1_score(average="macro")`` takes by default).
    - ``authenticity_auroc``: probability that a real sample gets a higher probability of real than a fake one, ties
      counting half (Mann-Whitney); NaN unless there are both.
    - ``pair_accuracy``: the same over real and fake samples of one pair only, i.e. of one subject and emotion.
    - ``authenticity_ece``: expected calibration error, ``Σ_b n_b / n |accuracy_b − confidence_b|`` over 15 equal bins
      of the higher of the two probabilities (Guo et al. 2017, https://arxiv.org/abs/1706.04599, eq. 3). Bins are
      closed below, the last one on both sides.

    Args:
        p: Predictions, one row a sample or a clip.
        pair: Number of the pair of each row (N,) int64, -1 = none; None = no pairs.
    """
    sums = SubjectSums.of(p, np.zeros(len(p), dtype=np.int64), pair)
    return {name: float(values[0]) for name, values in sums.metrics(np.ones((1, sums.subjects))).items()}


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
    real: tuple[np.ndarray, np.ndarray]
    """Probability of real, and subject, of the real samples."""
    fake: tuple[np.ndarray, np.ndarray]
    """Probability of real, and subject, of the fake samples; sorted by subject, then probability."""
    pair_wins: np.ndarray
    """Pairs of samples in which real scores higher, ties counting half (S,)."""
    pair_count: np.ndarray
    """Pairs of samples (S,)."""

    @classmethod
    def of(cls, p: Predictions, subject: np.ndarray, pair: np.ndarray | None = None) -> SubjectSums:
        """Sum up predictions.

        Args:
            p: Predictions (N rows).
            subject: Number of the subject of each row (N,), 0 to S - 1.
            pair: Number of the pair of each row (N,), -1 = none; None = no pairs.
        """
        size = int(subject.max(initial=-1)) + 1
        hits, predicted, true = {}, {}, {}
        for task in TASKS:
            y, guess, k = p.true(task), p.predicted(task), p.probabilities(task).shape[1]
            known = y != ABSENT
            true[task] = _count(subject[known], y[known], size, k)
            predicted[task] = _count(subject[known], guess[known], size, k)
            right = known & (y == guess)
            hits[task] = _count(subject[right], y[right], size, k)
        score, y = p.p_authenticity[:, Authenticity.REAL], p.authenticity
        real, fake = y == Authenticity.REAL, y == Authenticity.FAKE
        order = np.flatnonzero(fake)[np.lexsort((score[fake], subject[fake]))]
        wins, count = _pairs(score, y, subject, pair, size)
        return cls(
            hits,
            predicted,
            true,
            _confidence_gaps(p, subject, size),
            (score[real], subject[real]),
            (score[order], subject[order]),
            wins,
            count,
        )

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
        real = np.bincount(self.real[1], minlength=self.subjects).astype(float)
        fake = np.bincount(self.fake[1], minlength=self.subjects).astype(float)
        ends = np.concatenate(([0], np.cumsum(fake).astype(int)))
        won = np.zeros(len(weights))
        for start in range(0, self.subjects, _BLOCK):
            block = range(start, min(start + _BLOCK, self.subjects))
            wins = np.stack([self._wins(self.fake[0][ends[t] : ends[t + 1]]) for t in block], axis=1)
            won += ((weights @ wins) * weights[:, block.start : block.stop]).sum(axis=1)
        return _ratio(won, (weights @ real) * (weights @ fake))

    def _wins(self, fakes: np.ndarray) -> np.ndarray:
        """Of each subject's real samples against these sorted fake scores: pairs won, ties counting half (S,)."""
        score, subject = self.real
        beaten = np.searchsorted(fakes, score, "left") + np.searchsorted(fakes, score, "right")
        return np.bincount(subject, beaten / 2.0, minlength=self.subjects)


def calibration_bins(confidence: np.ndarray) -> np.ndarray:
    """Bin (N,) of each confidence: 15 equal ones from 0 to 1, closed below, the last one on both sides."""
    inner = np.linspace(0.0, 1.0, ECE_BINS + 1)[1:-1]
    return np.searchsorted(inner, confidence, side="right")


def _confidence_gaps(p: Predictions, subject: np.ndarray, size: int) -> np.ndarray:
    known = p.authenticity != ABSENT
    confidence = p.p_authenticity[known].max(axis=1)
    right = p.predicted("authenticity")[known] == p.authenticity[known]
    return _count(subject[known], calibration_bins(confidence), size, ECE_BINS, right - confidence)


def _pairs(
    score: np.ndarray, y: np.ndarray, subject: np.ndarray, pair: np.ndarray | None, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of samples that real wins, and their number, for each subject (size,)."""
    if pair is None:
        return np.zeros(size), np.zeros(size)
    # One number that sorts by pair first and by score second, so that all pairs are counted in one search.
    ranks, rank = np.unique(score, return_inverse=True)
    key = pair * (len(ranks) + 1) + rank
    real = np.flatnonzero((y == Authenticity.REAL) & (pair >= 0))
    fakes = np.sort(key[(y == Authenticity.FAKE) & (pair >= 0)])
    first = np.searchsorted(fakes, pair[real] * (len(ranks) + 1))
    last = np.searchsorted(fakes, (pair[real] + 1) * (len(ranks) + 1))
    beaten = (np.searchsorted(fakes, key[real], "left") + np.searchsorted(fakes, key[real], "right")) / 2.0 - first
    return (
        np.bincount(subject[real], beaten, minlength=size),
        np.bincount(subject[real], last - first, minlength=size).astype(float),
    )


def _count(
    subject: np.ndarray, column: np.ndarray, size: int, columns: int, values: np.ndarray | None = None
) -> np.ndarray:
    """Number (or sum of values) of the samples of each subject and column (size, columns) float64."""
    flat = np.bincount(subject * columns + column, values, minlength=size * columns)
    return flat.astype(float).reshape(size, columns)


def _ratio(top: np.ndarray, bottom: np.ndarray, undefined: float = np.nan) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), undefined), where=bottom > 0)
