"""What the streams of a dataset are like: how much there is of them, and their mean course in real and fake clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.config import BOX, StreamInfo
from realfake.data.derived_streams import box_clips
from realfake.data.media import moments_a_second
from realfake.data.stream_sets import usual_spacing
from realfake.description.dataset_statistics import UNLABELLED
from realfake.labels import ABSENT, AUTHENTICITIES, LabelSpace, several
from realfake.scoring.predictions import subject_numbers
from realfake.scoring.statistics import means_over_people
from realfake.streams.stream import Extracted

if TYPE_CHECKING:
    from realfake.data.store import PreparedStore
    from realfake.data.stored_streams import StoredStream

POINTS = 50
"""Of a curve, from the start of a clip to its end."""
GAP_SEC = 0.2
"""Longest gap that is interpolated over; of streams with moments further apart, their usual distance."""
MOST_COMPONENTS = 40
"""Streams with more have no curves."""
MOST_EMOTIONS = 8
"""With more, emotions have no curves of their own."""
EVERY = "all clips"
_DIGITS, _CURVE_DIGITS = 6, 4
"""Significant ones of what is written."""


def describe_streams(
    store: PreparedStore, stored: dict[str, StoredStream], space: LabelSpace
) -> dict[str, dict[str, Any]]:
    """What ``description.json`` holds of each stream of numbers, ``box`` among them.

    Args:
        store: The prepared dataset.
        stored: Streams of its signals, by their names.
        space: Names the emotions.

    Returns:
        Name → ``words``, ``unit``, ``clips`` (that have it) and ``coverage`` (their part), ``sound`` (part of the
        moments that are no gaps), ``quality`` (of these: mean and lowest tenth; null if all are equally good),
        ``per_second`` (moments), of a signal's ``rounding``
        (:attr:`realfake.data.signal_store.StoredStream.rounding`) and, of a stream of up to :data:`MOST_COMPONENTS`
        numbers, ``curves``: component → ``all clips`` or an emotion → real or fake → people, and mean, low and high at
        each of :data:`POINTS` moments.
    """
    panels, subject = _panels(store, space), subject_numbers(store.table)
    found = {BOX.name: _described(store, BOX, list(box_clips(store)), panels, subject, has_quality=False)}
    for name, stream in stored.items():
        found[name] = _described(store, stream.info, list(stream.clips()), panels, subject)
        found[name]["rounding"] = stream.rounding
    return found


def _described(
    store: PreparedStore, info: StreamInfo, clips: list[Extracted], panels: dict[str, dict[str, np.ndarray]],
    subject: np.ndarray, *, has_quality: bool = True,
) -> dict[str, Any]:  # fmt: skip
    quality = np.concatenate([clip.quality for clip in clips])
    good = quality[quality > 0]
    having = sum(bool((clip.quality > 0).any()) for clip in clips)
    described: dict[str, Any] = {
        "words": info.words,
        "unit": info.unit,
        "clips": having,
        "coverage": round(having / len(clips), _DIGITS),
        "sound": round(len(good) / max(1, len(quality)), _DIGITS),
        "quality": None,
        "per_second": None,
        "curves": None,
    }
    if not info.of_clip:
        described["per_second"] = _plain(moments_a_second(np.concatenate([clip.times_sec for clip in clips])))
    if has_quality and len(good):
        described["quality"] = {"mean": _plain(good.mean(dtype=np.float64)), "p10": _plain(np.quantile(good, 0.1))}
    if info.size <= MOST_COMPONENTS and any(len(clip.times_sec) > 1 for clip in clips):
        durations = store.table["duration_sec"].to_numpy(np.float64)
        courses = np.stack([course(clip, sec) for clip, sec in zip(clips, durations, strict=True)])
        described["curves"] = _curves(info, courses, panels, subject)
    return described


def course(clip: Extracted, duration_sec: float) -> np.ndarray:
    """A stream of a clip at :data:`POINTS` moments, evenly from its start to its end.

    Args:
        clip: Its n moments.
        duration_sec: Of the clip.

    Returns:
        float64 (points, size): interpolated linearly between moments that are no gaps and no further apart than
        :data:`GAP_SEC`, held as long before the first and after the last one, and NaN elsewhere.
    """
    sound = clip.quality > 0
    times = clip.times_sec[sound].astype(np.float64)
    size = int(np.prod(clip.values.shape[1:]))
    if not len(times):
        return np.full((POINTS, size), np.nan)
    values = clip.values[sound].reshape(-1, size).astype(np.float64)
    points = np.linspace(0.0, 1.0, POINTS) * duration_sec
    spacing = usual_spacing(clip.times_sec)
    most = max(GAP_SEC, spacing if np.isfinite(spacing) else 0.0) + 1e-6
    after = np.searchsorted(times, points)
    before, after = np.maximum(0, after - 1), np.minimum(after, len(times) - 1)
    apart = times[after] - times[before]
    share = ((points - times[before]) / np.where(apart > 0, apart, 1.0)).clip(0.0, 1.0)
    beyond = np.maximum(times[0] - points, points - times[-1])
    course = values[before] + share[:, None] * (values[after] - values[before])
    course[np.maximum(apart, beyond) > most] = np.nan
    return course


def _panels(store: PreparedStore, space: LabelSpace) -> dict[str, dict[str, np.ndarray]]:
    """``all clips`` and emotions, if they are few → real, fake or ``unlabelled`` → whether a clip is one (clips,)."""
    emotion, authenticity = (store.table[name].to_numpy() for name in ("emotion", "authenticity"))
    names = {EVERY: np.ones(len(emotion), bool)}
    present = [e for e in np.unique(emotion).tolist() if e != ABSENT]
    if several(store.table["emotion"]) and len(present) <= MOST_EMOTIONS:
        names |= {space.emotions[e]: emotion == e for e in present}
    kinds = {name: authenticity == number for number, name in enumerate(AUTHENTICITIES)}
    kinds[UNLABELLED] = authenticity == ABSENT
    return {
        panel: {kind: rows & wanted for kind, wanted in kinds.items() if (rows & wanted).any()}
        for panel, rows in names.items()
    }


def _curves(
    info: StreamInfo, courses: np.ndarray, panels: dict[str, dict[str, np.ndarray]], subject: np.ndarray
) -> dict[str, Any]:
    """Component → panel → kind → its curve; ``courses`` are (clips, points, size)."""
    found: dict[str, Any] = {name: {panel: {} for panel in panels} for name in info.names()}
    for panel, kinds in panels.items():
        for kind, rows in kinds.items():
            over_people = means_over_people(courses[rows].reshape(int(rows.sum()), -1), subject[rows])
            mean, low, high, people = (values.reshape(courses.shape[1:]).T for values in over_people)
            for k, name in enumerate(info.names()):
                found[name][panel][kind] = {
                    "people": int(people[k].max()),
                    **{
                        word: [_plain(value, _CURVE_DIGITS) for value in values[k]]
                        for word, values in (("mean", mean), ("low", low), ("high", high))
                    },
                }
    return found


def _plain(value: float, digits: int = _DIGITS) -> float | None:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
