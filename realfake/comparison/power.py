"""How many people a comparison needs: how often it would find a difference, simulated from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def training_variance(shares: Shares) -> float | None:
    """Variance of a run's difference that comes from the seed of its training; ``None`` if no part has two seeds.

    The variance between seeds of one part, less what a person who does better with one seed than with another adds to
    it: ``σ² = s²(D) − MS / n`` of a two-way layout of n people and the seeds (people × seeds the residual), averaged
    over parts, at least 0.
    """
    found = []
    for part in np.unique(shares.part):
        rows = shares.part == part
        runs, people = np.unique(shares.run[rows]), np.unique(shares.person[rows])
        if len(runs) < 2 or len(people) < 2 or rows.sum() != len(runs) * len(people):
            continue
        order = np.lexsort((shares.person[rows], shares.run[rows]))
        table = shares.value[rows][order].reshape(len(runs), len(people))
        of_runs = table.mean(axis=1)
        rest = table - table.mean(axis=0) - of_runs[:, None] + table.mean()
        residual = (rest**2).sum() / ((len(people) - 1) * (len(runs) - 1))
        found.append(float(np.var(of_runs, ddof=1) - residual / len(people)))
    return max(0.0, float(np.mean(found))) if found else None


def power_curves(
    shares: Shares, measured: float, difference: float, people: Sequence[int] = PEOPLE, seed: int = 0
) -> tuple[Power, Power]:
    """Power of the paired permutation test by person, for the measured difference and for another one.

    In each simulation people are drawn from those measured, each with his or her share of the difference, moved so that
    their mean is the true difference; the people of each part get the luck of its trainings on top, a normal number
    with the variance of :func:`training_variance` over as many seeds as there are. The test of N people is Student's,
    which permutations come to, at the largest level that their exchanges can reach (0.031 for six people, none for
    five). The interval repeats all of this with people drawn from the measured ones.

    Args:
        shares: What was measured, of at least two people.
        measured: The difference that was measured.
        difference: Size of a difference, in the direction of the measured one.
        people: Numbers of people.
        seed: Of the draws.
    """
    rng = np.random.default_rng([seed, 2])
    own = np.array([shares.value[shares.person == i].mean() for i in np.unique(shares.person)])
    runs = np.array([len(np.unique(shares.run[shares.part == part])) for part in np.unique(shares.part)])
    variance = training_variance(shares)
    luck = np.sqrt((variance or 0.0) * np.mean(1.0 / runs))
    parts = len(runs) if luck > 0 else 1
    drawn = own[np.vstack([np.arange(len(own)), rng.integers(0, len(own), (_BOOTSTRAPS, len(own)))])]
    centre = drawn.mean(axis=1)
    # Deviations from a mean of few are too small.
    spread = (drawn - centre[:, None]).T * np.sqrt(len(own) / (len(own) - 1.0))
    simulations = int(np.clip(_WORK // (len(own) * parts), _FEWEST, _MOST))
    direction = -1.0 if measured < 0 else 1.0
    # The measured difference is itself a mean over people: others would have measured another one.
    true = (measured + centre - centre[0], np.full(len(centre), direction * difference))
    found = np.empty((2, len(people), len(centre)))
    for column, number in enumerate(people):
        total, squares = np.zeros((2, simulations, len(centre)))
        for members in (len(chunk) for chunk in np.array_split(np.arange(number), min(parts, number))):
            counts = rng.multinomial(members, np.full(len(own), 1.0 / len(own)), simulations).astype(float)
            shift = luck * rng.standard_normal((simulations, 1))
            sums = counts @ spread
            total += sums + members * shift
            squares += counts @ spread**2 + 2.0 * shift * sums + members * shift**2
        for row in range(2):
            found[row, column] = _found(total, squares, number, true[row], direction)
    low, high = np.quantile(found[..., 1:], [0.025, 0.975], axis=-1)
    at_measured, at_other = (
        Power(float(true[row][0]), tuple(people), found[row, :, 0], low[row], high[row], variance is not None)
        for row in range(2)
    )
    return at_measured, at_other


def _found(total: np.ndarray, squares: np.ndarray, people: int, true: np.ndarray, direction: float) -> np.ndarray:
    """Part of the simulations that the test calls a difference in its direction (replicates,).

    Args:
        total: Sum over people of what they differ by, apart from the true difference (simulations, replicates).
        squares: The same of squares.
        people: How many they are.
        true: The true difference (replicates,).
        direction: 1 or -1.
    """
    exchanges = 2.0 ** min(people - 1, 60)
    reached = np.floor(ALPHA * exchanges) / exchanges  # a permutation test's p is a multiple of this
    if reached == 0.0:
        return np.zeros(total.shape[1])
    mean = total / people + true
    variance = np.maximum((squares - total**2 / people) / (people - 1), 0.0)
    beyond = student.ppf(1.0 - reached / 2.0, people - 1) * np.sqrt(variance / people)
    return (direction * mean > beyond).mean(axis=0)
