"""How a prediction changes over the time of a clip."""

from __future__ import annotations

import numpy as np

from realfake.prediction.predicted import Curve
from realfake.scoring.predictions import Predictions

FRAME_WINDOW_SEC = 1.0
"""Over which the probabilities of single frames are averaged."""


def running_mean(times_sec: np.ndarray, p: Predictions, window_sec: float | None) -> Curve:
    """The curve of a network that sees single frames: the mean over a window around each.

    Args:
        times_sec: (N,) rising.
        p: One row a frame, (N,).
        window_sec: Width of the window; ``None`` = :data:`FRAME_WINDOW_SEC`.
    """
    times, width = np.asarray(times_sec, np.float64), window_sec or FRAME_WINDOW_SEC
    first = np.searchsorted(times, times - width / 2 - 1e-6)
    end = np.searchsorted(times, times + width / 2 + 1e-6, side="right")

    def mean(values: np.ndarray) -> np.ndarray:
        sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        return (sums[end] - sums[first]) / (end - first)[:, None]

    return Curve(times, p.mean_of(mean), p.space, p.two_heads, width)


def clip_curve(middles_sec: np.ndarray, p: Predictions, width_sec: float) -> Curve:
    """The curve of the windows of :func:`realfake.data.sampling.sliding_windows`, one row of ``p`` each."""
    return Curve(middles_sec, p.p, p.space, p.two_heads, width_sec)
