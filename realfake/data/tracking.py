"""One face through the frames of a clip: looked for on some of them, followed, smoothed and interpolated in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realfake.data.faces import Box, Detector
from realfake.data.video import Frame

BRIDGED_LOOKS = 2
"""A face counts as present up to this many detection intervals away from its nearest detection."""

MEMORY_LOOKS = 5
"""Detections that are carried over from one segment of a long clip into the next."""

WHOLE_LOOKS = 4
"""One in so many looks searches the whole frame, in case that somebody else comes in."""


@dataclass
class Track:
    """One person's face through the frames that the detector looked at."""

    times: list[float]
    """Rising, in seconds."""
    boxes: list[Box]

    @property
    def weight(self) -> float:
        """Large and often found: the sum of the boxes' sides in pixels."""
        return sum(box.area**0.5 for box in self.boxes)

    def at(self, times: np.ndarray, spread_sec: float) -> np.ndarray:
        """Box at any times: smoothed over the looks, then interpolated; still before the first and after the last.

        Args:
            times: (n,) seconds.
            spread_sec: Standard deviation of the smoothing.

        Returns:
            (n, 4) float64: x, y, width, height.
        """
        looks = np.array(self.times)
        raw = np.array([[b.x + b.width / 2, b.y + b.height / 2, b.width, b.height] for b in self.boxes])
        weights = np.exp(-0.5 * ((looks[:, None] - looks[None, :]) / spread_sec) ** 2)
        smooth = weights @ raw / weights.sum(axis=1, keepdims=True)
        x, y, width, height = (np.interp(times, looks, column) for column in smooth.T)
        return np.stack([x - width / 2, y - height / 2, width, height], axis=1)


@dataclass(frozen=True)
class Located:
    """What is known of the face in some frames."""

    boxes: list[Box] | None
    """One a frame; ``None`` = no face at all."""
    present: np.ndarray
    """(n,) bool: a detection is near in time."""
    detected: np.ndarray
    """(n,) bool: the detector looked at this very frame and found the face."""
    looks: int
    """Frames that the detector looked at."""
    track: Track | None
    """What the next segment starts from."""


def locate(frames: Sequence[Frame], detector: Detector, every_sec: float, previous: Track | None = None) -> Located:
    """Find the one face that is largest and most often there, and its box in each frame.

    Args:
        frames: In the order of time.
        detector: Looks at the first and the last frame, at one every ``every_sec``, and after a miss at every one.
        every_sec: Time between two looks.
        previous: The face's track in the frames before these.
    """
    looks = _look(frames, detector, every_sec)
    memory = list(zip(previous.times, previous.boxes, strict=True))[-MEMORY_LOOKS:] if previous else []
    tracks = follow([*((time, [box]) for time, box in memory), *looks])
    # Seen once in many looks is no face, but chance.
    if not tracks or (len(tracks[0].times) < 2 and len(looks) > 2):
        none = np.zeros(len(frames), bool)
        return Located(None, none, none, len(looks), previous)
    track = tracks[0]
    times = np.array([frame.time_sec for frame in frames])
    boxes = [Box(*row) for row in track.at(times, every_sec).tolist()]
    away_sec = np.abs(times[:, None] - np.array(track.times)).min(axis=1)
    present = away_sec <= BRIDGED_LOOKS * every_sec + 1e-6
    return Located(boxes, present, np.isin(times, track.times), len(looks), track)


def _look(frames: Sequence[Frame], detector: Detector, every_sec: float) -> list[tuple[float, list[Box]]]:
    """Times and detections of the frames that the detector looks at."""
    looks: list[tuple[float, list[Box]]] = []
    due_sec = frames[0].time_sec
    for frame in frames:
        if frame.time_sec < due_sec - 1e-6 and frame is not frames[-1]:
            continue
        boxes: list[Box] = []
        if looks and len(looks[-1][1]) == 1 and len(looks) % WHOLE_LOOKS:
            boxes = _nearby(frame.image, looks[-1][1][0], detector)
        boxes = boxes or detector.detect(frame.image)
        looks.append((frame.time_sec, boxes))
        due_sec = frame.time_sec + every_sec if boxes else frame.time_sec
    return looks


def _nearby(image: np.ndarray, box: Box, detector: Detector) -> list[Box]:
    """The face around where it was last, of about the size it had; nothing unless there is exactly one."""
    side = max(box.width, box.height)
    left, top = max(0, int(box.x - side / 2)), max(0, int(box.y - side / 2))
    right, bottom = int(box.x + box.width + side / 2), int(box.y + box.height + side / 2)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    found = detector.detect(part, least_px=0.7 * side) if part.size else []
    return [Box(b.x + left, b.y + top, b.width, b.height, b.score) for b in found] if len(found) == 1 else []


def follow(looks: Sequence[tuple[float, Sequence[Box]]]) -> list[Track]:
    """Link detections into tracks, the weightiest first; of two that fit, the nearer one is linked.

    Args:
        looks: Time in seconds and the detected boxes, in the order of time.
    """
    tracks: list[Track] = []
    for time_sec, boxes in looks:
        pairs = [
            (distance, t, b)
            for t, track in enumerate(tracks)
            for b, box in enumerate(boxes)
            if (distance := _distance(track, time_sec, box)) is not None
        ]
        grown: set[int] = set()
        taken: set[int] = set()
        for _, t, b in sorted(pairs):
            if t not in grown and b not in taken:
                tracks[t].times.append(time_sec)
                tracks[t].boxes.append(boxes[b])
                grown.add(t)
                taken.add(b)
        tracks += [Track([time_sec], [box]) for b, box in enumerate(boxes) if b not in taken]
    return sorted(tracks, key=lambda t: (-t.weight, t.times[0], t.boxes[0].x))


def _distance(track: Track, time_sec: float, box: Box) -> float | None:
    """How far a box is from the last one of a track, in its sides; ``None`` if it cannot be the same face.

    A head moves by at most its own size in half a second, and does not change its size by much.
    """
    last = track.boxes[-1]
    side = last.area**0.5
    if not 0.6 < box.area**0.5 / side < 1.67:
        return None
    x = box.x + box.width / 2 - last.x - last.width / 2
    y = box.y + box.height / 2 - last.y - last.height / 2
    distance = float(np.hypot(x, y)) / side
    return distance if distance <= 0.3 + 1.5 * (time_sec - track.times[-1]) else None
