"""Which stored crops make a sample. All times are in seconds of the clip; no function here counts frames.

A *phase* from 0 to 1 places a sample: drawn at random in training, fixed in validation and test. The same function
serves both, so that the two can only differ in their phase.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realfake.config import InputSpec, Sampling

FIXED_PHASE = 0.5
"""Phase of frames in validation and test: the middle of their segments."""


def frame_times(start_sec: float, end_sec: float, count: int, phases: np.ndarray) -> np.ndarray:
    """One moment in each of ``count`` equal segments of ``[start_sec, end_sec]``.

    Args:
        start_sec: Where the first segment starts.
        end_sec: Where the last one ends.
        count: Number of segments.
        phases: (count,) or a scalar, 0 to 1: place within the segment.

    Returns:
        (count,) float64, rising.
    """
    length = (end_sec - start_sec) / count
    return start_sec + (np.arange(count) + phases) * length


def window_times(start_sec: float, end_sec: float, frames: int, stride_sec: float | None, phase: float) -> np.ndarray:
    """Moments of a window of ``frames`` evenly spaced frames.

    With a stride, the window slides from the start (phase 0) to the end (phase 1) of the interval; one that is longer
    than the interval starts with it. Without, the frames spread over the whole interval, and the phase moves all of
    them within their segments.

    Returns:
        (frames,) float64, rising.
    """
    if stride_sec is None:
        return frame_times(start_sec, end_sec, frames, np.asarray(phase))
    first = start_sec + phase * max(0.0, end_sec - start_sec - (frames - 1) * stride_sec)
    return first + np.arange(frames) * stride_sec


def nearest(timestamps: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Index of the timestamp that is nearest to each time.

    Args:
        timestamps: (n,) rising, n ≥ 1.
        times: (m,).

    Returns:
        (m,) int64; times outside of the timestamps get the first or last one.
    """
    middles = (timestamps[1:] + timestamps[:-1]) / 2
    return np.searchsorted(middles, times)


def fixed_phases(count: int) -> np.ndarray:
    """Phases of ``count`` samples in validation and test: evenly spread and never at a border, (count,)."""
    return (np.arange(count) + 0.5) / count


def sampled_interval(duration_sec: float, window: Sequence[float]) -> tuple[float, float]:
    """Start and end in seconds of a window that is given in fractions of the clip.

    The duration counts with the 24 bits of the clip table, so that a clip that is predicted from its file has the
    very moments that it has in a dataset.
    """
    duration = float(np.float32(duration_sec))
    return window[0] * duration, window[1] * duration


def frame_crops(timestamps: np.ndarray, interval: tuple[float, float], count: int, phase: float) -> np.ndarray:
    """Which crops are the samples of a clip whose samples are single frames, (count,) int64; two may be the same.

    Args:
        timestamps: (n,) seconds of the clip's crops.
        interval: Start and end of what is sampled, in seconds.
        count: Number of segments, out of each of which one frame is taken.
        phase: 0 to 1, place within each segment.
    """
    return nearest(timestamps, frame_times(*interval, count, np.asarray(phase)))


def window_crops(timestamps: np.ndarray, interval: tuple[float, float], spec: InputSpec, phase: float) -> np.ndarray:
    """Which crops make one window of ``spec.frames`` frames, (frames,) int64; see :func:`window_times`."""
    assert spec.frames is not None
    return nearest(timestamps, window_times(*interval, spec.frames, spec.stride_sec, phase))


def fixed_crops(timestamps: np.ndarray, duration_sec: float, sampling: Sampling, spec: InputSpec) -> np.ndarray:
    """Which crops make the samples of a clip in validation, test and prediction.

    Args:
        timestamps: (n,) seconds of the clip's crops, n ≥ 1.
        duration_sec: Of the clip.
        sampling: Window and number of samples.
        spec: Input of the backbone.

    Returns:
        (samples, frames) int64, one row a sample; a frame counts once, so samples of one frame are all different.
    """
    interval = sampled_interval(duration_sec, sampling.window)
    if spec.frames is None:
        count = min(sampling.frames_per_clip, len(timestamps))
        return np.unique(frame_crops(timestamps, interval, count, FIXED_PHASE))[:, None]
    phases = fixed_phases(sampling.windows_per_clip)
    return np.stack([window_crops(timestamps, interval, spec, float(phase)) for phase in phases])
