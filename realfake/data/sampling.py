"""Which stored crops make a sample. All times are in seconds of the clip; no function here counts frames.

A *phase* from 0 to 1 places a sample: drawn at random in training, fixed in validation and test. The same function
serves both, so that the two can only differ in their phase.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realfake.config import Sampling
from realfake.config.derivations import NEUTRAL_SEC
from realfake.streams.stream import SampleSpec

FIXED_PHASE = 0.5
"""Phase of frames in validation and test: the middle of their segments."""


TOLERANCE_SEC = 1e-6
"""By which an interval may be shorter than a window without being too short for it."""

MOST_WINDOWS = 25
"""Points of the curve of a network that sees clips."""

Number = float | np.ndarray
"""One value, or an array that broadcasts with the others: one function serves a clip and a batch of clips."""


def segment_times(start_sec: Number, end_sec: Number, count: Number, place: Number, phase: Number) -> np.ndarray:
    """Moments in segments number ``place`` of ``count`` equal ones of ``[start_sec, end_sec]``.

    Args:
        start_sec: Where the first segment starts.
        end_sec: Where the last one ends.
        count: Number of segments.
        place: 0 to ``count - 1``.
        phase: 0 to 1, place within the segment.
    """
    length = (end_sec - start_sec) / count
    return np.asarray(start_sec + (place + phase) * length)


def frame_times(start_sec: Number, end_sec: Number, count: int, phases: Number) -> np.ndarray:
    """One moment in each of ``count`` segments, (…, count) float64, rising; see :func:`segment_times`."""
    return segment_times(start_sec, end_sec, count, np.arange(count), phases)


def window_times(
    start_sec: Number,
    end_sec: Number,
    frames: int,
    stride_sec: float | None,
    phase: Number,
    *,
    repeat: bool = True,
) -> np.ndarray:
    """Moments of a window of ``frames`` evenly spaced frames.

    With a stride, the window slides from the start (phase 0) to the end (phase 1) of the interval. Without, the frames
    spread over the whole interval, and the phase moves all of them within their segments. A window that is longer than
    the interval starts with it and goes on beyond its end with ``repeat``; otherwise its frames are spread.

    Returns:
        (…, frames) float64, rising.
    """
    if stride_sec is None:
        return frame_times(start_sec, end_sec, frames, phase)
    spare = np.asarray(end_sec - start_sec - (frames - 1) * stride_sec)
    apart = start_sec + phase * np.maximum(0.0, spare) + np.arange(frames) * stride_sec
    if repeat:
        return np.asarray(apart)
    return np.where(spare < -TOLERANCE_SEC, frame_times(start_sec, end_sec, frames, phase), apart)


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


def nearest_rows(timestamps: np.ndarray, first: np.ndarray, stored: np.ndarray, times: np.ndarray) -> np.ndarray:
    """:func:`nearest` in many clips at once.

    Args:
        timestamps: (n,) of all clips, one clip after another, rising within each.
        first: (B,) where the timestamps of each clip begin.
        stored: (B,) how many it has, at least 1.
        times: (B, m), moments in these clips.

    Returns:
        (B, m) int64, rows of ``timestamps``.
    """
    # Shorter clips are filled up with their last timestamp, which no moment up to it counts as passed.
    last = stored[:, None] - 1
    own = timestamps[first[:, None] + np.minimum(np.arange(stored.max(initial=1)), last)]
    middles = (own[:, 1:] + own[:, :-1]) / 2
    passed = (middles[:, None, :] < times[:, :, None]).sum(axis=2)
    return first[:, None] + np.minimum(passed, last)


def after_neutral(times: np.ndarray, first_sec: Number, spec: SampleSpec) -> np.ndarray:
    """Moments of windows with those of the clip's neutral face before them, of a network that compares the two.

    Args:
        times: (…, T) moments of windows.
        first_sec: When the face is first there, a number or (…, 1).
        spec: What the network takes.

    Returns:
        (…, spec.neutral + T), the first ones spread over :data:`realfake.config.derivations.NEUTRAL_SEC`.
    """
    if not spec.neutral:
        return times
    neutral = frame_times(first_sec, first_sec + NEUTRAL_SEC, spec.neutral, FIXED_PHASE)
    return np.concatenate([np.broadcast_to(neutral, (*times.shape[:-1], spec.neutral)), times], axis=-1)


def uniform(stream: int, keys: np.ndarray) -> np.ndarray:
    """A random number from 0 to below 1 for each key, the same in whatever company the key is drawn.

    SplitMix64 (Steele et al. 2014, https://doi.org/10.1145/2660193.2660195), whose n-th number needs no other.

    Args:
        stream: 64 bits that name the sequence.
        keys: Which numbers of the sequence, integers.

    Returns:
        float64, the shape of ``keys``.
    """
    x = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(stream)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def fixed_phases(count: int) -> np.ndarray:
    """Phases of ``count`` samples in validation and test: evenly spread and never at a border, (count,)."""
    return (np.arange(count) + 0.5) / count


def sampled_interval(duration_sec: float, window: Sequence[float]) -> tuple[float, float]:
    """Start and end in seconds of a window that is given in fractions of the clip."""
    start, end = sampled_intervals(np.array(duration_sec), window)
    return float(start), float(end)


def sampled_intervals(duration_sec: np.ndarray, window: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """:func:`sampled_interval` of many clips at once.

    Durations count with the 24 bits that data sets keep of them, so that a clip that is predicted from its file has
    the very moments that it has in a dataset.
    """
    duration = duration_sec.astype(np.float32).astype(np.float64)
    return window[0] * duration, window[1] * duration


def fixed_moments(
    timestamps: np.ndarray, duration_sec: float, sampling: Sampling, spec: SampleSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Moments that make the samples of a clip in validation, test and prediction.

    Args:
        timestamps: (n,) seconds of the clip's crops, n ≥ 1.
        duration_sec: Of the clip.
        sampling: Window and number of samples.
        spec: What the network takes.

    Returns:
        Moments (samples, T) in seconds, one row a sample, and its start and end (samples, 2). A frame counts once, so
        the nearest crops of samples of one frame are all different.
    """
    interval = sampled_interval(duration_sec, sampling.window)
    if spec.frames is None:
        times = frame_times(*interval, min(sampling.frames_per_clip, len(timestamps)), FIXED_PHASE)
        _, first = np.unique(nearest(timestamps, times), return_index=True)
        times = times[first][:, None]
    else:
        phases = fixed_phases(sampling.windows_per_clip)[:, None]
        times = window_times(*interval, spec.frames, spec.stride_sec, phases, repeat=spec.repeat_crops)
        times = after_neutral(times, timestamps[0], spec)
    start, end = np.full((2, len(times)), np.array(interval)[:, None])
    return times, sample_spans(start, end, times, spec)


def sample_spans(start_sec: np.ndarray, end_sec: np.ndarray, times: np.ndarray, spec: SampleSpec) -> np.ndarray:
    """Start and end of samples (B, 2): of what is sampled of the clip (B,) where moments (B, T) spread over that, else
    the first and the last of these."""
    return np.stack([start_sec, end_sec], axis=1) if spec.stride_sec is None else times[:, [spec.neutral, -1]]


def sliding_windows(
    times_sec: np.ndarray,
    interval: tuple[float, float],
    spec: SampleSpec,
    window_sec: float | None = None,
    most: int = MOST_WINDOWS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The windows that the curve of a network that sees clips is made of.

    Args:
        times_sec: (n,) of the crops, rising.
        interval: Start and end of what the network samples of the clip, in seconds.
        spec: What the network takes.
        window_sec: Width of a window, from its first to its last frame; ``None`` = what the spec's stride makes of
            its frames, or half of the interval if it has none.
        most: Windows.

    Returns:
        Middles (M,), moments of each window (M, neutral + frames), its start and end (M, 2), and the width, all in
        seconds.
    """
    assert spec.frames is not None
    start, end = interval
    width = window_sec or (spec.stride_sec * (spec.frames - 1) if spec.stride_sec else (end - start) / 2)
    width = min(width, end - start)
    count = min(most, max(2, len(times_sec))) if width < end - start else 1
    middles = np.linspace(start + width / 2, end - width / 2, count) if count > 1 else np.array([(start + end) / 2])
    spans = np.stack([middles - width / 2, middles + width / 2], axis=1)
    moments = after_neutral(window_times(spans[:, :1], spans[:, 1:], spec.frames, None, 0.5), times_sec[0], spec)
    return middles, moments, spans, float(width)
