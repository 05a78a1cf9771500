"""Descriptors of whole clips: statistics of how each number of a stream moves."""

from __future__ import annotations

import numpy as np

from realfake.config.clip_descriptors import SQUARED, STATISTICS
from realfake.streams.derived import at_rest, smoothed

MOMENTS = 4
"""That a descriptor needs, so that two differences of differences are there."""
_ODD_SAMPLES = 3
"""By which a curve is continued at both ends, turned about its end, before it is filtered: as MATLAB does it, three
times the order of the filter."""


def dynamics(curves: np.ndarray, rate_hz: float, cutoff_hz: float) -> np.ndarray:
    """The descriptor of Saxen, Werner & Al-Hamadi, "Real vs. fake emotion challenge" (ICCV Workshops 2017).

    A curve is low-passed (Butterworth of first order, forwards and backwards; theirs at 1 Hz), so is its difference
    over time, and the difference of that. Of the three, 17 statistics each; of the curve's values, variability and
    areas the squares as well. What the paper leaves open is as in the authors' code
    (https://github.com/fsaxen/NIT-ICCV17Challenge). Their videos have 100 frames a second, in which they count time;
    here it is in seconds, so that the rate does not matter, and equal at theirs up to a factor of each number: speeds
    are a second, areas are ∫ dt times their factors at 100 frames a second.

    Args:
        curves: (n, c), n at least :data:`MOMENTS`, evenly spaced.
        rate_hz: Moments a second; of twice the cut-off or fewer, which hold nothing above it, none is low-passed.
        cutoff_hz: Of the low-pass.

    Returns:
        (c, 62) float64 in the order of :data:`realfake.config.clip_descriptors.DYNAMICS`.
    """
    smooth = low_passed(np.asarray(curves, np.float64), rate_hz, cutoff_hz)
    speed = low_passed(np.diff(smooth, axis=0) * rate_hz, rate_hz, cutoff_hz)
    acceleration = low_passed(np.diff(speed, axis=0) * rate_hz, rate_hz, cutoff_hz)
    of_curve, *others = (_statistics(x, rate_hz) for x in (smooth, speed, acceleration))
    squares = of_curve[[STATISTICS.index(name) for name in SQUARED]] ** 2
    return np.concatenate([of_curve, *others, squares]).T


def apex(curves: np.ndarray, step_sec: float, neutral_sec: float, smooth_sec: float) -> np.ndarray:
    """How strong what a clip shows is at its height, and when that is.

    The height is where the mean distance of the smoothed numbers from the neutral face is largest; of several moments,
    the first.

    Args:
        curves: (n, c), evenly spaced.
        step_sec: Between two moments.
        neutral_sec: How long the face is neutral at first.
        smooth_sec: Standard deviation of a Gaussian.

    Returns:
        (2,): the distance, in the units of the curves; the moment as a share of the clip, 0 to 1.
    """
    distance = np.abs(smoothed(curves, smooth_sec / step_sec) - at_rest(curves, step_sec, neutral_sec)).mean(axis=1)
    height = int(distance.argmax())
    return np.array([distance[height], height / (len(curves) - 1)])


def low_passed(curves: np.ndarray, rate_hz: float, cutoff_hz: float) -> np.ndarray:
    """Curves (n, c) without what is faster than a cut-off, not delayed; see :func:`dynamics`."""
    from scipy.signal import butter, filtfilt

    if rate_hz <= 2.0 * cutoff_hz:
        return curves
    b, a = butter(1, cutoff_hz, fs=rate_hz)
    # From the first value on, so that what does not vary stays as it is to the digit.
    return np.asarray(filtfilt(b, a, curves - curves[0], axis=0, padlen=min(_ODD_SAMPLES, len(curves) - 1)) + curves[0])


def _statistics(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """Curves (n, c) → (17, c), :data:`STATISTICS`; of a curve that does not vary, the last two are 0."""
    low, mean = x.min(axis=0), x.mean(axis=0)
    above = x - low
    extent, area = above.max(axis=0), above.sum(axis=0) / rate_hz
    over_mean = above > above.mean(axis=0)
    over_middle = above > 0.5 * above.mean(axis=0)
    # Percentiles as MATLAB takes them.
    p10, p25, p75, p90 = np.percentile(x, (10, 25, 75, 90), axis=0, method="hazen")
    changes = [over[1:] != over[:-1] for over in (over_mean, over_middle)]
    first_crossing = (changes[0].argmax(axis=0) + 1) / rate_hz
    highest = x.argmax(axis=0) / rate_hz
    return np.stack(
        [
            mean,
            np.median(x, axis=0),
            low,
            x.max(axis=0),
            extent,
            x.std(axis=0, ddof=1),
            p75 - p25,
            p90 - p10,
            np.abs(x - mean).mean(axis=0),
            highest,
            over_mean.mean(axis=0),
            over_middle.mean(axis=0),
            *(np.ceil(change.sum(axis=0) / 2) for change in changes),
            0.1 * area,
            np.divide(area, extent, out=np.zeros_like(area), where=extent > 0),
            np.where(changes[0].any(axis=0), highest - first_crossing, 0.0),
        ]
    )
