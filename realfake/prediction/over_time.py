"""How a prediction changes over the time of a clip."""

from __future__ import annotations

import numpy as np

from realfake.data.sampling import window_times
from realfake.prediction.predicted import Curve
from realfake.scoring.predictions import Predictions
from realfake.streams.stream import SampleSpec

FRAME_WINDOW_SEC = 1.0
"""Over which the probabilities of single frames are averaged."""

MOST_WINDOWS = 25
"""Points of the curve of a network that sees clips."""


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


def sliding_windows(
    times_sec: np.ndarray, interval: tuple[float, float], spec: SampleSpec, window_sec: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The windows that the curve of a network that sees clips is made of.

    Args:
        times_sec: (n,) of the crops, rising.
        interval: Start and end of what the network samples of the clip, in seconds.
        spec: What the network takes.
        window_sec: Width of a window, from its first to its last frame; ``None`` = what the spec's stride makes of
            its frames, or half of the interval if it has none.

    Returns:
        Middles (M,), moments of each window (M, frames), its start and end (M, 2), and the width, all in seconds.
    """
    assert spec.frames is not None
    start, end = interval
    width = window_sec or (spec.stride_sec * (spec.frames - 1) if spec.stride_sec else (end - start) / 2)
    width = min(width, end - start)
    count = min(MOST_WINDOWS, max(2, len(times_sec))) if width < end - start else 1
    middles = np.linspace(start + width / 2, end - width / 2, count) if count > 1 else np.array([(start + end) / 2])
    spans = np.stack([middles - width / 2, middles + width / 2], axis=1)
    return middles, window_times(spans[:, :1], spans[:, 1:], spec.frames, None, 0.5), spans, float(width)


def clip_curve(middles_sec: np.ndarray, p: Predictions, width_sec: float) -> Curve:
    """The curve of the windows of :func:`sliding_windows`, one row of ``p`` each."""
    return Curve(middles_sec, p.p, p.space, p.two_heads, width_sec)
