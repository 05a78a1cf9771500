"""How many people a comparison needs: how often it would find a difference, simulated from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from realfake.scoring.metrics import SubjectSums
from realfake.scoring.predictions import Predictions

PEOPLE = (10, 20, 40, 80, 160, 320)
"""Numbers of people whose power is told unless others are asked for."""
ALPHA = 0.05
_BOOTSTRAPS = 200
_FEWEST, _MOST = 500, 4000
_WORK = 2_000_000
"""People × parts × simulations, which bound the time."""


@dataclass(frozen=True)
class Power:
    """How often the permutation test gives p ≤ 0.05 in the direction of a true difference."""

    difference: float
    """The true difference."""
    people: tuple[int, ...]
    """Numbers of test people, altogether (K,)."""
    value: np.ndarray
    """Of each number of people (K,)."""
    low: np.ndarray
    """Ends of the 95 % interval (K,), from drawing the measured people with replacement."""
    high: np.ndarray
    trainings: bool
    """Whether the luck of a training is in it, which takes several seeds of one part to be seen."""

    @property
    def known(self) -> bool:
        """Whether it can be told; else its values are NaN, since all measured people show the same difference."""
        return bool(np.isfinite(self.value).all())


@dataclass(frozen=True)
class Shares:
    """What each person adds to the difference of two systems, in each pair of runs (M rows)."""

    person: np.ndarray
    """Number of the person (M,), from 0."""
    part: np.ndarray
    """Number of the part that the run tested (M,), e.g. the fold."""
    run: np.ndarray
    """Number of the pair of runs (M,)."""
    value: np.ndarray
    """(M,); its mean over the people of a run is about the run's difference."""


def pseudo_values(p: Predictions, subject: np.ndarray, pair: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """What each subject adds to a metric: ``n θ − (n − 1) θ₋ᵢ`` (Tukey 1958), whose mean is about the metric.

    Args:
        p: Predictions of one run, N rows.
        subject: Number of the subject of each row (N,), 0 to n - 1, none left out.
        pair: Number of the pair of each row (N,), -1 = none.
        names: Which metrics.

    Returns:
        Metric → (n,); NaN where the metric is undefined. For an accuracy it is the subject's own, if all have equally
        many clips.
    """
    sums = SubjectSums(p, subject, pair)
    n = sums.subjects
    whole, without = sums.metrics(np.ones((1, n)), names), sums.metrics(1.0 - np.eye(n), names)
    return {
        name: n * whole[name] - (n - 1) * np.where(np.isnan(without[name]), whole[name], without[name])
        for name in names
    }


@dataclass(frozen=True)
class Luck:
    """What a training adds to the difference of its run, for all people of the run: a normal number."""

    between: float = 0.0
    """Variance between the seeds of one part, averaged over parts."""
    people: float = 0.0
    """What comes of people who do better with one seed than with another."""
    freedom: int = 0
    """Degrees of freedom of the former; 0 = no part has two seeds, so that nothing is known."""

    @property
    def variance(self) -> float:
        """Of the luck of one training."""
        return max(0.0, self.between - self.people)

    def drawn(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """The variance as others would have measured it (size,)."""
        if not self.freedom:
            return np.zeros(size)
        return np.maximum(0.0, self.between * rng.chisquare(self.freedom, size) / self.freedom - self.people)


def luck_of(shares: Shares) -> Luck:
    """How far runs of one part differ by their seeds alone.

    ``σ² = s²(D) − MS / n`` of a two-way layout of n people and the seeds, people × seeds the residual (Searle, Casella
    and McCulloch 1992, section 4.3), averaged over parts.
    """
    between, rest, freedom = [], [], 0
    for part in np.unique(shares.part):
        rows = shares.part == part
        runs, people = len(np.unique(shares.run[rows])), len(np.unique(shares.person[rows]))
        if runs < 2 or people < 2 or rows.sum() != runs * people:
            continue
        order = np.lexsort((shares.person[rows], shares.run[rows]))
        table = shares.value[rows][order].reshape(runs, people)
        residual = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
        between.append(np.var(table.mean(axis=1), ddof=1))
        rest.append((residual**2).sum() / ((people - 1) * (runs - 1)) / people)
        freedom += runs - 1
    return Luck(float(np.mean(between)), float(np.mean(rest)), freedom) if freedom else Luck()


def power_curves(
    shares: Shares, measured: float, difference: float, people: Sequence[int] = PEOPLE, seed: int = 0
) -> tuple[Power, Power]:
    """Power of the paired permutation test by person, for the measured difference and for another one.

    In each simulation people are drawn from those measured, each with his or her share of the difference, moved so that
    their mean is the true difference; the people of each part get the luck of its trainings on top (:class:`Luck`),
    over as many seeds as there are. The test of N people is Student's, which permutations come to, at the largest level
    that their exchanges can reach (0.031 for six people, none for five), and half a step on the safe side where shares
    come in steps, as parts of the same number of clips do, since a permutation test counts ties against a difference.
    The interval repeats all of this with people drawn from the measured ones and luck as others would have measured it.
    Where the measured people do not differ, nothing shows how others would: all values are NaN.

    Args:
        shares: What was measured, of at least two people.
        measured: The difference that was measured.
        difference: Size of a difference, in the direction of the measured one.
        people: Numbers of people.
        seed: Of the draws.
    """
    rng = np.random.default_rng([seed, 2])
    luck = luck_of(shares)
    own, apart = _people(shares, luck)
    direction = -1.0 if measured < 0 else 1.0
    if not apart.round(9).any():
        nothing = np.full(len(people), np.nan)
        unknown = Power(measured, tuple(people), nothing, nothing, nothing, luck.freedom > 0)
        return unknown, replace(unknown, difference=direction * difference)
    runs = np.array([len(np.unique(shares.run[shares.part == part])) for part in np.unique(shares.part)])
    variance = np.concatenate([[luck.variance], luck.drawn(rng, _BOOTSTRAPS)]) * np.mean(1.0 / runs)
    parts = len(runs) if luck.freedom else 1
    steps = np.diff(np.unique(own.round(9)))
    others = rng.integers(0, len(own), (_BOOTSTRAPS, len(own)))
    centre = np.concatenate([[own.mean()], own[others].mean(axis=1)])
    again = (apart[others].T - apart[others].mean(axis=1)) * np.sqrt(len(own) / (len(own) - 1.0))
    spread = np.hstack([apart[:, None], again])
    simulations = int(np.clip(_WORK // (len(own) * parts), _FEWEST, _MOST))
    # The measured difference is itself a mean over people: others would have measured another one.
    true = (measured + centre - centre[0], np.full(len(centre), direction * difference))
    found = np.empty((2, len(people), len(centre)))
    for column, number in enumerate(people):
        total, squares = np.zeros((2, simulations, len(centre)))
        for members in (len(chunk) for chunk in np.array_split(np.arange(number), min(parts, number))):
            counts = rng.multinomial(members, np.full(len(own), 1.0 / len(own)), simulations).astype(float)
            shift = np.sqrt(variance) * rng.standard_normal((simulations, 1))
            sums = counts @ spread
            total += sums + members * shift
            squares += counts @ spread**2 + 2.0 * shift * sums + members * shift**2
        for row in range(2):
            found[row, column] = _found(total, squares, number, true[row], direction, float(min(steps, default=0.0)))
    low, high = np.quantile(found[..., 1:], [0.025, 0.975], axis=-1)
    at_measured, at_other = (
        Power(float(true[row][0]), tuple(people), found[row, :, 0], low[row], high[row], luck.freedom > 0)
        for row in range(2)
    )
    return at_measured, at_other


def _people(shares: Shares, luck: Luck) -> tuple[np.ndarray, np.ndarray]:
    """Each person's share over all runs, and how far it is from a mean that is measured on many more people (people,).

    Where luck is known it is that of the part alone, whose people have their luck in common.
    """
    first = np.unique(shares.person, return_index=True)[1]
    own = np.array([shares.value[shares.person == i].mean() for i in shares.person[first]])
    part = shares.part[first]
    once = all(len(np.unique(shares.part[shares.person == i])) == 1 for i in shares.person[first])
    if not (luck.freedom and once and np.unique(part, return_counts=True)[1].min() > 1):
        part = np.zeros_like(part)
    apart = np.empty(len(own))
    for number in np.unique(part):
        members = part == number
        # Deviations from a mean of few are too small.
        scale = np.sqrt(members.sum() / (members.sum() - 1.0))
        apart[members] = (own[members] - own[members].mean()) * scale
    return own, apart


def _found(
    total: np.ndarray, squares: np.ndarray, people: int, true: np.ndarray, direction: float, step: float
) -> np.ndarray:
    """Part of the simulations that the test calls a difference in its direction (replicates,).

    Args:
        total: Sum over people of what they differ by, apart from the true difference (simulations, replicates).
        squares: The same of squares.
        people: How many they are.
        true: The true difference (replicates,).
        direction: 1 or -1.
        step: In which people's shares come.
        step: In which people's shares come.
    """
    exchanges = 2.0 ** min(people - 1, 60)
    reached = np.floor(ALPHA * exchanges) / exchanges  # a permutation test's p is a multiple of this
    if reached == 0.0:
        return np.zeros(total.shape[1])
    mean = total / people + true
    variance = np.maximum((squares - total**2 / people) / (people - 1), 0.0)
    beyond = student.ppf(1.0 - reached / 2.0, people - 1) * np.sqrt(variance / people)
    # Each exchange moves the sum by twice a share.
    return (direction * mean - step / people > beyond).mean(axis=0)
