"""How surely samples are called real: scores whose order alone means something, and what real ones win over fake ones.

Two rules hold for every statistic of ranks (AUROC, its curve, pairs, permutation tests). Scores are compared within a
run only, since what 0.6 means differs from one trained model to the next. And scores that differ by no more than
rounding are equal: a network gives the same input another last digit in another place of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from realfake.labels import ABSENT, Authenticity
from realfake.scoring.predictions import Predictions

RESOLUTION = 2.0**-15
"""Log-odds closer than this are equal (relative to their size, if that is above 1): 256 steps of a 32-bit number.

At a probability of 0.5 it is a difference of 0.000008. Equal inputs were seen to differ by a fifth of it, in recurrent
networks that are fed with differences of equal frames.
"""
_BLOCK = 512
"""Subjects whose wins over all others are held at once."""


def log_odds(p_authenticity: np.ndarray) -> np.ndarray:
    """``log(p_real / p_fake)`` (N,) of probabilities (N, 2).

    Both probabilities are asked, so that sure predictions keep their order: 0.9999999 and 0.99999999 are one number in
    32 bits, and 1e-7 and 1e-8 are two.
    """
    logs = np.log(np.maximum(p_authenticity, np.finfo(np.float64).tiny))
    return logs[:, Authenticity.REAL] - logs[:, Authenticity.FAKE]


def levels(score: np.ndarray) -> np.ndarray:
    """Number of the level of each score (N,) int64, from 0, in their order; scores of one level are equal.

    From the lowest one on, a level holds all scores within :data:`RESOLUTION` of its first, so that it is never wider,
    however many scores there are, and no border runs through scores that differ by less and lie apart from others (as
    borders of rounding would).
    """
    order = np.argsort(score, kind="stable")
    starts, end = [], -np.inf
    for value in score[order].tolist():
        starts.append(value > end)
        if starts[-1]:
            end = value + RESOLUTION * max(1.0, abs(value))
    found = np.empty(len(score), dtype=np.int64)
    found[order] = np.cumsum(starts, dtype=np.int64) - 1
    return found


def real_levels(p: Predictions, run: np.ndarray | None = None) -> np.ndarray:
    """Level of each row's score of real (N,) int64, to be compared within a run only.

    Args:
        p: Predictions, N rows.
        run: Number of the run of each row (N,); None = one run.
    """
    score = log_odds(p.p_authenticity)
    if run is None:
        return levels(score)
    found = np.empty(len(p), dtype=np.int64)
    for number in np.unique(run):
        found[run == number] = levels(score[run == number])
    return found


def against_median(level: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Where scores lie: above the median of their group 1, at it 0, below it -1, without a group 0; (N,) int64.

    The median of an even number of scores is any value between the two in the middle.

    Args:
        level: Of each score (N,).
        group: Number of the group of each (N,), -1 = none.
    """
    order = np.lexsort((level, group))
    _, first, number, count = np.unique(group[order], return_index=True, return_inverse=True, return_counts=True)
    ordered = level[order]
    twice_median = ordered[first + (count - 1) // 2] + ordered[first + count // 2]
    found = np.empty(len(level), dtype=np.int64)
    found[order] = np.sign(2 * ordered - twice_median[number])
    return np.where(group == ABSENT, 0, found)


def exchangeable_levels(p: Predictions, run: np.ndarray | None = None) -> np.ndarray:
    """Level of each row's score of real among those of its system and run (N,) int64, on a scale that systems share.

    Twice the midrank among the labelled rows of the run, 0 for the others: what a permutation test exchanges between
    two systems that scored the same rows, since their scores themselves have no common order (Bandos, Rockette and Gur
    2005, Statistics in Medicine 24, 2873-2893). Within one system and run the order, and so every statistic of ranks,
    is the same.

    Args:
        p: Predictions, N rows.
        run: Number of the run of each row (N,); None = one run.
    """
    known = np.isin(p.authenticity, (Authenticity.REAL, Authenticity.FAKE))
    found = np.zeros(len(p), dtype=np.int64)
    for number in [None] if run is None else np.unique(run):
        rows = known if number is None else known & (run == number)
        found[rows] = np.round(2.0 * rankdata(levels(log_odds(p.p_authenticity[rows])))).astype(np.int64)
    return found


@dataclass(frozen=True, eq=False)
class RunScores:
    """Real and fake samples of one run, by subject."""

    subjects: np.ndarray
    """Numbers of the subjects that have any (T,), rising; below, they are numbered by their places here."""
    real: tuple[np.ndarray, np.ndarray]
    """Level and subject of the real samples."""
    fake: tuple[np.ndarray, np.ndarray]
    """Level and subject of the fake samples; sorted by subject, then level."""

    @classmethod
    def of(cls, level: np.ndarray, authenticity: np.ndarray, subject: np.ndarray) -> RunScores:
        """Sort the rows of one run (N,)."""
        known = (authenticity == Authenticity.REAL) | (authenticity == Authenticity.FAKE)
        subjects, number = np.unique(subject[known], return_inverse=True)
        level, real = level[known], authenticity[known] == Authenticity.REAL
        order = np.flatnonzero(~real)[np.lexsort((level[~real], number[~real]))]
        return cls(subjects, (level[real], number[real]), (level[order], number[order]))

    def won(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of a real and a fake sample in which the real one scores higher, ties counting half, and all pairs.

        Args:
            weights: How often each subject of all counts (R, S).

        Returns:
            Both (R,).
        """
        size, weights = len(self.subjects), weights[:, self.subjects]
        real, fake = (np.bincount(of[1], minlength=size).astype(float) for of in (self.real, self.fake))
        ends = np.concatenate(([0], np.cumsum(fake).astype(int)))
        won = np.zeros(len(weights))
        for start in range(0, size, _BLOCK):
            block = range(start, min(start + _BLOCK, size))
            wins = np.stack([self._wins(self.fake[0][ends[t] : ends[t + 1]]) for t in block], axis=1)
            won += ((weights @ wins) * weights[:, block.start : block.stop]).sum(axis=1)
        return won, (weights @ real) * (weights @ fake)

    def _wins(self, fakes: np.ndarray) -> np.ndarray:
        """Of each subject's real samples against these sorted fake levels: pairs won, ties counting half (T,)."""
        level, subject = self.real
        beaten = np.searchsorted(fakes, level, "left") + np.searchsorted(fakes, level, "right")
        return np.bincount(subject, beaten / 2.0, minlength=len(self.subjects))
