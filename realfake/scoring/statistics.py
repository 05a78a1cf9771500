"""Intervals and tests that respect that clips of one person are not independent.

The unit is the subject with all of his or her clips, in resampling and in permutation alike. Both need a metric for
thousands of sets of subjects, which :class:`realfake.scoring.metrics.SubjectSums` gives as matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from realfake.scoring.metric_table import METRICS, told_metrics
from realfake.scoring.metrics import SubjectSums
from realfake.scoring.predictions import Predictions
from realfake.scoring.scores import exchangeable_levels

RESAMPLES = 2000
PERMUTATIONS = 10_000
LEVEL = 0.95
_ROUNDING = 1e-12
"""Sums in another order differ in the last digit: what is equal has to count as equal."""
HOLDS = (
    "resamples the test people, each with all clips; the trained models, and the draw of people that they were trained "
    "on, stay as they are"
)
"""What an interval of :func:`bootstrap` and of :func:`compare` holds: said wherever one is shown."""
ONE_PERSON = "none, since people are resampled, and the test part has one person alone"
"""What is said where there is no interval."""


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval; NaN where undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """Difference of a metric between two systems, with its interval."""

    first: float
    second: float
    p_value: float
    """Two-sided, of the hypothesis that it does not matter which system is which."""
    smallest_p: float
    """The smallest p-value that the test can give: 2 / 2^n if the systems differ on n people, all in one direction."""


def bootstrap(
    p: Predictions,
    subject: np.ndarray,
    pair: np.ndarray | None = None,
    *,
    run: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Metrics with confidence intervals, by drawing subjects with replacement, each with all clips.

    The interval is BCa (Efron 1987), at quantiles widened as in Hesterberg's expanded percentile interval (2015,
    https://doi.org/10.1080/00031305.2015.1089789): with few subjects the plain percentiles are too narrow, as a
    normal interval without Student's factor is. The calibration error, which every resampling raises, gets the basic
    (reflected) interval at the same quantiles instead. A metric that is the same for every set of subjects, as of a
    model that always says the same, shows no spread: its ends are where it would be if as many people as Wilson's
    bound leaves room for (one trial per subject) were at the far end. Of a
    metric that is 1, or 0, this is Wilson's own.

    Args:
        p: Predictions, N rows.
        subject: Number of the subject of each row (N,).
        pair: Number of the pair of each row (N,), -1 = none; None = no pairs.
        run: Number of the run of each row (N,), whose scores are compared with each other alone; None = one run.
        names: Which metrics; None = all of what is told.
        resamples: How many sets of subjects are drawn.
        level: Confidence, between 0 and 1.
        seed: Of the draws.

    Returns:
        Metric → interval; its ends are NaN with fewer than two subjects.
    """
    names = told_metrics(p.tasks) if names is None else names
    sums = SubjectSums(p, _dense(subject), pair, run)
    weights = _draws(sums.subjects, resamples, seed)
    plain = sums.metrics(np.ones((1, sums.subjects)), names)
    drawn, left_out = sums.metrics(weights, names), sums.metrics(1.0 - np.eye(sums.subjects), names)
    return {
        name: Interval(float(v[0]), *_interval(name, float(v[0]), drawn[name], left_out[name], sums.subjects, level))
        for name, v in plain.items()
    }


def compare(
    first: Predictions,
    second: Predictions,
    subject: np.ndarray,
    pair: np.ndarray | None = None,
    *,
    run: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two systems on the same rows, subject by subject.

    The p-value is that of a paired permutation test: if the systems do not differ, exchanging all predictions of a
    subject between them changes nothing but chance (for an accuracy this flips the sign of the subject's difference;
    of scores, ranks are exchanged, see :func:`realfake.scoring.scores.exchangeable_levels`). Every exchange is tried
    if there are no more than ``permutations``, else so many random ones, counting the observed one (Phipson and Smyth
    2010). The interval is that of :func:`bootstrap`, for the difference.

    Args:
        first: Predictions, N rows.
        second: Predictions of the same rows, in the same tasks and classes.
        subject: Number of the subject of each row (N,).
        pair: Number of the pair of each row (N,), -1 = none; None = no pairs.
        run: Number of the run of each row (N,), in both systems, whose scores are compared with each other alone; None
            = one run. A subject is drawn and exchanged with the rows of all runs.
        names: Which metrics; None = all of what is told.
        resamples: How many sets of subjects are drawn.
        permutations: How many exchanges are tried.
        level: Confidence, between 0 and 1.
        seed: Of the draws.

    Returns:
        Metric → second minus first.

    Raises:
        ValueError: If the rows of the two are not the same.
    """
    for field in ("emotion", "authenticity"):
        if not np.array_equal(getattr(first, field), getattr(second, field)):
            raise ValueError(f"the two predictions differ in their true {field}: expected the same rows")
    names = told_metrics(first.tasks) if names is None else names
    subject = _dense(subject)
    size = int(subject.max(initial=-1)) + 1
    # The second system's subjects stand behind the first's, so that a weight chooses the system for each subject.
    both = SubjectSums(
        Predictions.concatenated([first, second]),
        np.concatenate([subject, subject + size]),
        None if pair is None else np.concatenate([pair, np.where(pair < 0, -1, pair + pair.max(initial=0) + 1)]),
        None if run is None else np.concatenate([run, run]),
        np.concatenate([exchangeable_levels(p, run) for p in (first, second)]) if "authenticity" in first.p else None,
    )

    def difference(of_first: np.ndarray, of_second: np.ndarray) -> dict[str, np.ndarray]:
        a, b = both.metrics(of_first, names), both.metrics(of_second, names)
        found = {name: b[name] - a[name] for name in names}
        return {name: np.where(np.abs(values) < _ROUNDING, 0.0, values) for name, values in found.items()}

    def chosen(weights: np.ndarray) -> dict[str, np.ndarray]:
        none = np.zeros_like(weights)
        return difference(np.hstack([weights, none]), np.hstack([none, weights]))

    one = np.ones((1, size))
    observed = chosen(one)
    drawn, left_out = chosen(_draws(size, resamples, seed)), chosen(1.0 - np.eye(size))
    exchanged, complete = _exchanges(size, permutations, seed)
    null = difference(np.hstack([1.0 - exchanged, exchanged]), np.hstack([exchanged, 1.0 - exchanged]))
    alone = [both.metrics(np.hstack(w), names) for w in ([one, np.zeros_like(one)], [np.zeros_like(one), one])]
    found = {}
    for name in names:
        value = float(observed[name][0])
        low, high = _interval(name, value, drawn[name], left_out[name], size, level, difference=True)
        a, b = float(alone[0][name][0]), float(alone[1][name][0])
        size_of = np.abs(null[name])
        p, smallest = (
            _p_value(size_of, v, complete) for v in (abs(value), np.fmax.reduce(size_of, initial=abs(value)))
        )
        found[name] = Difference(value, low, high, a, b, p, smallest)
    return found


def t_interval(values: np.ndarray, test_to_train: float = 0.0, level: float = LEVEL) -> Interval:
    """Mean of the values of several trainings, with an interval that includes what differs between these.

    Student's interval with J − 1 degrees of freedom at the variance ``(1 / J + n_test / n_train) s²`` of the mean of J
    values, ``s²`` their sample variance (Nadeau and Bengio 2003, https://doi.org/10.1023/A:1024068626366): models that
    are tested on different parts of the same people were trained on much the same people, so that their values differ
    by less than those of models of new people would, and ``s² / J`` is too small.

    Args:
        values: One a training (J,), without NaN.
        test_to_train: People tested for each person trained on; 0 = the trainings share nobody.
        level: Confidence, between 0 and 1.

    Returns:
        The mean and the ends, NaN for fewer than two values; the ends may lie beyond what the metric can be.
    """
    count = len(values)
    mean = float(np.mean(values)) if count else float("nan")
    if count < 2:
        return Interval(mean, float("nan"), float("nan"))
    error = np.sqrt((1.0 / count + test_to_train) * np.var(values, ddof=1))
    half = float(student.ppf((1.0 + level) / 2.0, count - 1) * error)
    return Interval(mean, mean - half, mean + half)


def means_over_people(
    values: np.ndarray, subject: np.ndarray, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean over people of their own means, with Student's interval over people, of many quantities at once.

    Args:
        values: (N, K), a row a clip; NaN = unknown.
        subject: Number of the subject of each row (N,).
        level: Confidence, between 0 and 1.

    Returns:
        Means, low and high ends, and how many people are in each (K,); NaN without a person, ends with fewer than two.
    """
    number = _dense(subject)
    member = (number == np.arange(int(number.max(initial=-1)) + 1)[:, None]).astype(float)
    known = np.isfinite(values)
    clips = member @ known
    there = clips > 0
    each = np.where(there, member @ np.where(known, values, 0.0) / np.maximum(clips, 1.0), 0.0)
    people = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = each.sum(axis=0) / people
        variance = (there * (each - mean) ** 2).sum(axis=0) / np.where(people > 1, people - 1.0, np.nan)
        half = student.ppf((1.0 + level) / 2.0, people - 1) * np.sqrt(variance / people)
    return mean, mean - half, mean + half, people


def wilson(successes: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion of independent trials (Wilson 1927); NaN without trials.

    Args:
        successes: From 0 to ``trials``.
        trials: Number of trials.
        level: Confidence, between 0 and 1.
    """
    if trials <= 0:
        return float("nan"), float("nan")
    z2 = float(norm.ppf((1.0 + level) / 2.0)) ** 2
    rate = successes / trials
    middle = (rate + z2 / (2.0 * trials)) / (1.0 + z2 / trials)
    half = np.sqrt(z2 * (rate * (1.0 - rate) + z2 / (4.0 * trials)) / trials) / (1.0 + z2 / trials)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of several tests, by the step-down method of Holm (1979, Scandinavian Journal of Statistics 6).

    Rejecting where one is at most a level keeps the probability of any false alarm at that level, whatever the tests
    have to do with each other.

    Args:
        p_values: Without NaN.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(p) for p in adjusted]


def difference_limits(name: str) -> tuple[float, float]:
    """The values that the difference of a metric can have."""
    lowest, highest = METRICS[name].limits
    return lowest - highest, highest - lowest


def _dense(subject: np.ndarray) -> np.ndarray:
    """Renumber the subjects that occur, without gaps: one without rows must not be drawn."""
    return np.unique(subject, return_inverse=True)[1]


def _draws(subjects: int, resamples: int, seed: int) -> np.ndarray:
    """How often each subject is drawn (resamples, subjects)."""
    if subjects == 0:
        return np.zeros((resamples, 0))
    rng = np.random.default_rng([seed, 0])
    return rng.multinomial(subjects, np.full(subjects, 1.0 / subjects), resamples).astype(float)


def _exchanges(subjects: int, permutations: int, seed: int) -> tuple[np.ndarray, bool]:
    """Which subjects change systems (permutations, subjects), 0 or 1; and whether these are all possibilities."""
    if subjects < 63 and 2**subjects <= permutations:
        return ((np.arange(2**subjects)[:, None] >> np.arange(subjects)) & 1).astype(float), True
    return np.random.default_rng([seed, 1]).integers(0, 2, (permutations, subjects)).astype(float), False


def _p_value(null: np.ndarray, observed: float, complete: bool) -> float:
    if np.isnan(observed):
        return float("nan")
    extreme = int((null >= observed - _ROUNDING).sum())
    defined = int((~np.isnan(null)).sum())
    return extreme / defined if complete else (extreme + 1) / (defined + 1)


def _interval(
    name: str,
    value: float,
    drawn: np.ndarray,
    left_out: np.ndarray,
    subjects: int,
    level: float,
    difference: bool = False,
) -> tuple[float, float]:
    """Ends of the interval; ``drawn`` (R,) are resampled values, ``left_out`` (S,) those without one subject."""
    drawn = drawn[~np.isnan(drawn)]
    if subjects < 2 or np.isnan(value) or not len(drawn):
        return float("nan"), float("nan")
    if np.ptp(drawn) < _ROUNDING:
        return _without_spread(value, difference_limits(name) if difference else METRICS[name].limits, subjects, level)
    tail = np.sqrt(subjects / (subjects - 1)) * student.ppf((1.0 - level) / 2.0, subjects - 1)
    lowest = -1.0 if difference else 0.0
    if METRICS[name].biased:
        high, low = 2.0 * value - np.quantile(drawn, norm.cdf([tail, -tail]))
        return max(lowest, float(low)), min(1.0, float(high))
    low, high = np.quantile(drawn, _bca_levels(value, drawn, left_out, tail))
    return float(low), float(high)


def _without_spread(value: float, limits: tuple[float, float], subjects: int, level: float) -> tuple[float, float]:
    """Ends of the interval of what no subject changes; NaN where there is no limit to what others could be."""
    lowest, highest = limits
    if not np.isfinite(lowest + highest):
        return float("nan"), float("nan")
    seldom, often = wilson(0, subjects, level)[1], wilson(subjects, subjects, level)[0]
    return lowest + (value - lowest) * often, value + (highest - value) * seldom


def _bca_levels(value: float, drawn: np.ndarray, left_out: np.ndarray, tail: float) -> np.ndarray:
    """Quantiles (2,) for normal quantiles ``±tail``, corrected for bias and skewness (Efron 1987, eq. 4.2)."""
    below = ((drawn < value).sum() + 0.5 * (drawn == value).sum()) / len(drawn)
    bias = norm.ppf(np.clip(below, 0.5 / len(drawn), 1.0 - 0.5 / len(drawn)))
    influence = np.nanmean(left_out) - left_out[~np.isnan(left_out)]
    spread = (influence**2).sum() ** 1.5
    acceleration = (influence**3).sum() / (6.0 * spread) if spread > 0 else 0.0
    shifted = bias + np.array([tail, -tail])
    return norm.cdf(bias + shifted / (1.0 - acceleration * shifted))
