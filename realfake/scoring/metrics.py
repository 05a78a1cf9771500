"""The metrics of the project, as functions of how often each subject counts.

Every metric of :mod:`realfake.scoring.metric_table` is a function of sums over subjects: of true, predicted
and hit classes, of confidence per bin, of the wins of real over fake scores for each two subjects of a run, or of any
value of a sample. The sums are taken once; the metrics of a resampled set of subjects then cost a product of small
matrices (see :mod:`realfake.scoring.statistics`). The plain metrics are those of a single group that counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from realfake.labels import ABSENT, Authenticity
from realfake.scoring.metric_table import METRICS, told_metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.scores import RunScores, against_median, real_levels

ECE_BINS = 15


def metrics(p: Predictions, pair: np.ndarray | None = None, run: np.ndarray | None = None) -> dict[str, float]:
    """All metrics of what some predictions tell, see :mod:`realfake.scoring.metric_table`.

    A sample whose label is absent does not count for a metric that needs the label; a metric for which nothing counts
    is NaN. Right or wrong is the decision (the most probable joint class, see
    :class:`~realfake.scoring.predictions.Predictions`), or a part of it.

    Args:
        p: Predictions, one row a sample or a clip.
        pair: Number of the pair of each row (N,) int64, -1 = none; None = no pairs.
        run: Number of the run of each row (N,) int64, from 0; None = one run.
    """
    sums = SubjectSums(p, np.zeros(len(p), dtype=np.int64), pair, run)
    return {name: float(values[0]) for name, values in sums.metrics(np.ones((1, sums.subjects))).items()}


def confusion_matrix(p: Predictions, task: str) -> np.ndarray:
    """How many rows of each true class (rows) were given each class (columns) of a task, (K, K) int64."""
    y, size = p.true(task), p.probabilities(task).shape[1]
    known = y != ABSENT
    return np.bincount(y[known] * size + p.predicted(task)[known], minlength=size * size).reshape(size, size)


@dataclass(frozen=True, eq=False)
class SubjectSums:
    """Predictions of S subjects (N rows), each sum of which is taken when a metric first needs it.

    The methods that compute metrics take how often each subject counts (R, S), not negative, and give (R,), NaN where
    the metric is undefined.
    """

    p: Predictions
    subject: np.ndarray
    """Number of the subject of each row (N,), 0 to S - 1."""
    pair: np.ndarray | None = None
    """Number of the pair of each row (N,), -1 = none; None = no pairs. Rows of different runs are never one."""
    run: np.ndarray | None = None
    """Number of the run of each row (N,), from 0; None = one run."""
    given_level: np.ndarray | None = None
    """Level of each row's score of real (N,), not negative; None = :func:`real_levels`."""

    def metrics(self, weights: np.ndarray, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Metrics when each subject counts as often as ``weights`` say.

        Args:
            weights: (R, S), not negative.
            names: Which of :data:`METRICS`, of tasks that are told; None = all of these.

        Returns:
            Metric → (R,), NaN where it is undefined.
        """
        found = {}
        for name in told_metrics(self.p.tasks) if names is None else names:
            if name not in METRICS or (formula := METRICS[name].of) is None:
                raise ValueError(f"metric {name!r}: expected one of {', '.join(METRICS)}")
            found[name] = formula(self, weights)
        return found

    # --- what metrics are made of --------------------------------------------------------------------------------

    def accuracy(self, weights: np.ndarray, task: str) -> np.ndarray:
        """Part of the samples whose decision, or that part of it, is right."""
        return _ratio(weights @ self._classes[task][2].sum(axis=1), self._labelled(weights, task))

    def balanced_accuracy(self, weights: np.ndarray, task: str) -> np.ndarray:
        """Recall of the decision, averaged over the classes that are true at least once.

        As scikit-learn's ``balanced_accuracy_score``.
        """
        true, _, hits = self._classes[task]
        samples = weights @ true
        recall = _ratio(weights @ hits, samples, undefined=0.0)
        return _ratio(recall.sum(axis=1), (samples > 0).sum(axis=1))

    def f1(self, weights: np.ndarray, task: str) -> np.ndarray:
        """F1 of the decision, averaged over the classes that are true or predicted at least once.

        These are the labels that scikit-learn's ``f1_score(average="macro")`` takes by default.
        """
        true, predicted, hits = self._classes[task]
        both = weights @ (true + predicted)
        f1 = _ratio(2.0 * (weights @ hits), both, undefined=0.0)
        return _ratio(f1.sum(axis=1), (both > 0).sum(axis=1))

    def auroc(self, weights: np.ndarray) -> np.ndarray:
        """Probability that a real sample scores higher than a fake one of the same run, ties counting half.

        ``Σ_r wins_r / Σ_r real_r fake_r`` over runs r (Mann-Whitney), since scores of different models have no order
        (see :mod:`realfake.scoring.scores`, also for what is a tie). NaN unless there are both.
        """
        won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for scores in self._scores:
            of_run, all_of_run = scores.won(weights)
            won, pairs = won + of_run, pairs + all_of_run
        return _ratio(won, pairs)

    def pair_accuracy(self, weights: np.ndarray) -> np.ndarray:
        """As :meth:`auroc`, over real and fake samples of one pair only, i.e. of one subject and emotion."""
        wins, count = self._pairs
        return _ratio(weights @ wins, weights @ count)

    def median_accuracy(self, weights: np.ndarray) -> np.ndarray:
        """Part of the samples on the right side of the median score of their pair; at it they count half.

        Of pairs that have real and fake samples, within a run. Of one real and one fake sample it is
        :meth:`pair_accuracy`.
        """
        right, count = self._medians
        return _ratio(weights @ right, weights @ count)

    def ece(self, weights: np.ndarray) -> np.ndarray:
        """Expected calibration error of authenticity, ``Σ_b n_b / n |accuracy_b − confidence_b|``.

        Over 15 equal bins of the higher of the two probabilities, whose own class is right or not, whatever the
        decision (Guo et al. 2017, https://arxiv.org/abs/1706.04599, eq. 3). Bins are closed below, the last one on both
        sides.
        """
        return _ratio(np.abs(weights @ self._gap).sum(axis=1), self._labelled(weights, "authenticity"))

    def mean(self, weights: np.ndarray, task: str, value: Callable[[Predictions], np.ndarray]) -> np.ndarray:
        """Mean of a value of each sample, over those with the task's label; ``value`` is given these alone (n,)."""
        known = self.p.true(task) != ABSENT
        sums = np.bincount(self.subject[known], value(self.p.select(known)), minlength=self.subjects)
        return _ratio(weights @ sums, self._labelled(weights, task))

    def of(self, weights: np.ndarray, task: str, function: Callable[[Predictions], Any]) -> np.ndarray:
        """Whatever a function makes of the samples with the task's label.

        Args:
            weights: (R, S) whole numbers.
            task: Whose label a sample needs.
            function: From n samples to a figure, or to a value of each (n,), whose mean is the figure. A figure is
                asked for once for each R, of samples that stand there as often as their subject counts.
        """
        known = self.p.true(task) != ABSENT
        p, subject = self.p.select(known), self.subject[known]
        if not len(p):
            return np.full(len(weights), np.nan)
        if np.ndim(function(p)):
            return self.mean(weights, task, function)
        rows = (np.repeat(np.arange(len(p)), row[subject].astype(int)) for row in weights)
        return np.array([function(p.select(r)) if len(r) else np.nan for r in rows], dtype=float)

    def _labelled(self, weights: np.ndarray, task: str) -> np.ndarray:
        return weights @ self._classes[task][0].sum(axis=1)

    # --- sums ----------------------------------------------------------------------------------------------------

    @cached_property
    def subjects(self) -> int:
        """Number of subjects S."""
        return int(self.subject.max(initial=-1)) + 1

    @cached_property
    def _classes(self) -> dict[str, tuple[np.ndarray, ...]]:
        """Task → labelled samples of each class, those said to be of it, and those that are rightly so, (S, K) each."""
        found = {}
        for task in self.p.tasks:
            y, guess, k = self.p.true(task), self.p.predicted(task), self.p.probabilities(task).shape[1]
            known = y != ABSENT
            right = known & (y == guess)
            columns = ((known, y), (known, guess), (right, y))
            found[task] = tuple(_count(self.subject[rows], c[rows], self.subjects, k) for rows, c in columns)
        return found

    @cached_property
    def _gap(self) -> np.ndarray:
        """Right samples minus sum of confidences, per bin (S, bins)."""
        p, known = self.p, self.p.authenticity != ABSENT
        confidence = p.p_authenticity[known].max(axis=1)
        right = p.most_probable("authenticity")[known] == p.authenticity[known]
        return _count(self.subject[known], calibration_bins(confidence), self.subjects, ECE_BINS, right - confidence)

    @cached_property
    def _runs(self) -> np.ndarray:
        return np.zeros(len(self.p), dtype=np.int64) if self.run is None else self.run

    @cached_property
    def _level(self) -> np.ndarray:
        return real_levels(self.p, self._runs) if self.given_level is None else self.given_level

    @cached_property
    def _scores(self) -> list[RunScores]:
        """Real and fake samples of each run."""
        rows = [np.flatnonzero(self._runs == number) for number in np.unique(self._runs)]
        return [RunScores.of(self._level[r], self.p.authenticity[r], self.subject[r]) for r in rows]

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of samples in which real scores higher, ties counting half, and all pairs of samples, each (S,)."""
        if self.pair is None:
            return np.zeros(self.subjects), np.zeros(self.subjects)
        return _pair_wins(self._level, self.p.authenticity, self.subject, self._own_pair(self.pair), self.subjects)

    @cached_property
    def _medians(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples on the right side of their pair's median, and all that are asked, each (S,)."""
        if self.pair is None:
            return np.zeros(self.subjects), np.zeros(self.subjects)
        right, asked = median_sides(self._level, self.p.authenticity, self._own_pair(self.pair))
        sums = (np.bincount(self.subject[asked], values, self.subjects) for values in (right, np.ones(len(right))))
        return next(sums), next(sums)

    def _own_pair(self, pair: np.ndarray) -> np.ndarray:
        """Number of each row's pair within its run (N,), -1 = none."""
        return np.where(pair < 0, -1, pair * (self._runs.max(initial=0) + 1) + self._runs)


def calibration_bins(confidence: np.ndarray) -> np.ndarray:
    """Bin (N,) of each confidence: 15 equal ones from 0 to 1, closed below, the last one on both sides."""
    inner = np.linspace(0.0, 1.0, ECE_BINS + 1)[1:-1]
    return np.searchsorted(inner, confidence, side="right")


def median_sides(level: np.ndarray, y: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How right samples are that are called real above the median of their pair: 1, at it 0.5, or 0 (n,); and which.

    Args:
        level: Of each sample's score (N,).
        y: True authenticity (N,), -1 = absent.
        pair: Number of the pair (N,), -1 = none.

    Returns:
        Of the labelled samples of pairs that have real and fake ones (n,), and their rows (n,).
    """
    both = np.intersect1d(pair[y == Authenticity.REAL], pair[y == Authenticity.FAKE])
    asked = np.flatnonzero((y != ABSENT) & (pair != ABSENT) & np.isin(pair, both))
    return (1.0 + against_median(level, pair)[asked] * np.where(y[asked] == Authenticity.REAL, 1, -1)) / 2.0, asked


def _pair_wins(
    level: np.ndarray, y: np.ndarray, subject: np.ndarray, pair: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of samples that real wins, and their number, for each subject (size,)."""
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


def _count(
    subject: np.ndarray, column: np.ndarray, size: int, columns: int, values: np.ndarray | None = None
) -> np.ndarray:
    """Number (or sum of values) of the samples of each subject and column (size, columns) float64."""
    flat = np.bincount(subject * columns + column, values, minlength=size * columns)
    return flat.astype(float).reshape(size, columns)


def _ratio(top: np.ndarray, bottom: np.ndarray, undefined: float = np.nan) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), undefined), where=bottom > 0)
