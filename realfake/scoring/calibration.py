"""Whether probabilities mean what they say, and the temperature that makes them do so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar

from realfake.labels import ABSENT
from realfake.scoring.metrics import ECE_BINS, calibration_bins
from realfake.scoring.predictions import Predictions

TEMPERATURES = (0.02, 50.0)
"""Range in which a temperature is sought."""
LEAST_PEOPLE = 5
"""People that a temperature rests on, at least: of fewer, a single one decides."""
LEAST_ERRORS = 10
"""Clips with a mistake that it rests on, at least: without any, the sharpest probabilities are the likeliest."""
_FOLDS = 10
"""Groups of people of the cross-validation, at most."""
_AT_THE_END = 1.01
"""Factor to an end of the range below which a fit counts as ended there: the search never returns the very end."""
_SMALLEST = 1e-30
"""Stands for a probability of 0, which has no logarithm."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: 15 equal bins of the most probable class's probability."""

    count: np.ndarray
    """Samples in each bin (15,)."""
    confidence: np.ndarray
    """Mean probability in each bin (15,), NaN if empty."""
    accuracy: np.ndarray
    """Part of the bin's samples that are right (15,), NaN if empty."""

    @property
    def ece(self) -> float:
        """Expected calibration error ``Σ_b n_b / n |accuracy_b − confidence_b|`` (Guo et al. 2017, eq. 3)."""
        if not self.count.sum():
            return float("nan")
        return float(np.nansum(self.count * np.abs(self.accuracy - self.confidence)) / self.count.sum())


def reliability(p: Predictions, task: str) -> Reliability:
    """Reliability of a task's probabilities, over the samples that have its label.

    A probability answers for its own class, the most probable one of the task, whatever the joint decision was.
    """
    known = p.true(task) != ABSENT
    confidence = p.probabilities(task)[known].max(axis=1)
    right = (p.most_probable(task) == p.true(task))[known]
    bins = calibration_bins(confidence)
    count = np.bincount(bins, minlength=ECE_BINS)
    sums = [np.bincount(bins, values, minlength=ECE_BINS) for values in (confidence, right)]
    means = [np.divide(s, count, out=np.full(ECE_BINS, np.nan), where=count > 0) for s in sums]
    return Reliability(count, *means)


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log probability of the true class; ``p`` (N, K), ``y`` (N,); NaN without samples."""
    if not len(y):
        return float("nan")
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], _SMALLEST)).mean())


def fit_temperature(p: np.ndarray, y: np.ndarray) -> float:
    """Temperature T that minimises the negative log likelihood of ``p^(1/T)``, normalised (Guo et al. 2017, sec. 4.2).

    Args:
        p: Probabilities (N, K); their logarithms are logits up to a constant, which the softmax does not see.
        y: True classes (N,); -1 = absent, which does not count.

    Returns:
        T, above 1 for a model that is too sure of itself; 1 without labels.
    """
    known = y != ABSENT
    if not known.any():
        return 1.0
    p, y = p[known], y[known]
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(
        lambda t: log_loss(sharpen(p, np.exp(t)), y), bounds=(low, high), method="bounded", options={"xatol": 1e-5}
    )
    return float(np.exp(found.x))


def sharpen(p: np.ndarray, temperature: float) -> np.ndarray:
    """``p^(1/T)``, normalised, (N, K)."""
    scaled = np.log(np.maximum(p, _SMALLEST)) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperatures(validation: Predictions) -> dict[str, float]:
    """Temperature of each task, from validation data: the test data must not be seen."""
    return {task: fit_temperature(validation.probabilities(task), validation.true(task)) for task in validation.tasks}


@dataclass(frozen=True)
class Temperature:
    """A task's temperature, and whether it may be used."""

    used: float
    """The fitted one, or 1 if that is refused."""
    fitted: float
    refused: str | None = None
    """Why, in a few words."""


def choose_temperatures(validation: Predictions, subject: np.ndarray) -> dict[str, Temperature]:
    """Temperature of each task where it can be relied on; 1, which changes nothing, where it cannot.

    A fit is refused if it rests on fewer than :data:`LEAST_PEOPLE` people or :data:`LEAST_ERRORS` wrong clips, if it
    ended at an end of :data:`TEMPERATURES`, or if it raises the log loss of people on whom it was not fitted.

    Args:
        validation: Predictions of the validation part, N rows, samples or clips.
        subject: Number of the person of each row (N,).
    """
    found = {}
    for task, fitted in fit_temperatures(validation).items():
        reason = _refusal(validation, task, fitted, subject)
        found[task] = Temperature(fitted if reason is None else 1.0, fitted, reason)
    return found


def cross_validated_loss(p: np.ndarray, y: np.ndarray, subject: np.ndarray) -> float:
    """Log loss of every row at the temperature that is fitted on other people: ten groups of people, or one each.

    Args:
        p: Probabilities (N, K).
        y: True classes (N,), all known.
        subject: Number of the person of each row (N,), at least two people.
    """
    fold = np.unique(subject, return_inverse=True)[1] % _FOLDS
    losses = [
        log_loss(sharpen(p[fold == k], fit_temperature(p[fold != k], y[fold != k])), y[fold == k]) * (fold == k).sum()
        for k in np.unique(fold)
    ]
    return float(sum(losses) / len(y))


def _refusal(validation: Predictions, task: str, fitted: float, subject: np.ndarray) -> str | None:
    known = validation.true(task) != ABSENT
    p, y, clip = validation.probabilities(task)[known], validation.true(task)[known], validation.clip[known]
    people, clips = len(np.unique(subject[known])), len(np.unique(clip))
    if people < LEAST_PEOPLE:
        return f"a fit needs at least {LEAST_PEOPLE} validation people: found {people}"
    wrong = len(np.unique(clip[validation.most_probable(task)[known] != y]))
    if wrong < LEAST_ERRORS:
        return f"a fit needs at least {LEAST_ERRORS} validation clips with a mistake: found {wrong} of {clips}"
    low, high = TEMPERATURES
    if not low * _AT_THE_END < fitted < high / _AT_THE_END:
        return f"the fit ended at an end of its range, {low:g} to {high:g}"
    before, after = log_loss(p, y), cross_validated_loss(p, y, subject[known])
    if after >= before:
        return f"it raises the log loss of validation people on whom it is not fitted from {before:.3f} to {after:.3f}"
    return None


def apply_temperatures(p: Predictions, temperatures: Mapping[str, float]) -> Predictions:
    """Scale each task's probabilities; a temperature of 1 leaves them exactly as they are.

    No order within a row changes, so that every prediction stays what it was. Scaled marginals are no longer exactly
    the marginals of the scaled joint probabilities.
    """
    scaled = {task: sharpen(p.probabilities(task), t) for task, t in temperatures.items() if t != 1.0}
    return replace(p, p={**p.p, **scaled})
