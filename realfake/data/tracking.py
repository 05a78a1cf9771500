"""Detections of faces linked through time: who is who, as far as places and sizes tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from realfake.data.faces import Box


@dataclass
class Track:
    """One person's face through the frames that the detector looked at, within one shot."""

    times: list[float]
    """Rising, in seconds."""
    boxes: list[Box]
    crossings: list[float] = field(default_factory=list)
    """Moments at which another face could have been taken for this one, in seconds."""

    @property
    def weight(self) -> float:
        """Large and often found: the sum of the boxes' sides in pixels."""
        return sum(box.area**0.5 for box in self.boxes)

    def spans(self, other: Track) -> bool:
        """Whether the two have moments in common."""
        return other.times[0] <= self.times[-1] and self.times[0] <= other.times[-1]

    def at(self, times: np.ndarray, spread_sec: float) -> np.ndarray:
        """Box at any times: smoothed over the looks, then interpolated; still before the first and after the last.

        Args:
            times: (n,) seconds.
            spread_sec: Standard deviation of the smoothing.

        Returns:
            (n, 5) float64: x, y, width, height, roll in degrees.
        """
        looks = np.array(self.times)
        raw = np.array([[b.x + b.width / 2, b.y + b.height / 2, b.width, b.height] for b in self.boxes])
        weights = np.exp(-0.5 * ((looks[:, None] - looks[None, :]) / spread_sec) ** 2)
        smooth = weights @ raw / weights.sum(axis=1, keepdims=True)
        x, y, width, height = (np.interp(times, looks, column) for column in smooth.T)
        # Of directions, so that 179 and -179 degrees are neighbours.
        roll = np.radians([b.roll_deg for b in self.boxes])
        rise, run = (np.interp(times, looks, weights @ part(roll)) for part in (np.sin, np.cos))
        return np.stack([x - width / 2, y - height / 2, width, height, np.degrees(np.arctan2(rise, run))], axis=1)


def follow(
    looks: Sequence[tuple[float, Sequence[Box]]], cuts_sec: Sequence[float] = (), gap_sec: float = np.inf
) -> list[Track]:
    """Link detections into tracks, the weightiest first; of two that fit, the nearer one is linked.

    Args:
        looks: Time in seconds and the detected boxes, in the order of time.
        cuts_sec: Times of the frames that begin a new shot; no track goes on over one.
        gap_sec: Longest time between two detections that are linked.
    """
    tracks: list[Track] = []
    for time_sec, boxes in looks:
        since = max((cut for cut in cuts_sec if cut <= time_sec), default=-np.inf)
        pairs = [
            (distance, t, b)
            for t, track in enumerate(tracks)
            if since <= track.times[-1] and time_sec - track.times[-1] <= gap_sec + 1e-6
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
        for _, t, b in pairs:
            # One box that fits two tracks, one of which therefore gets none: one face is before the other.
            if t not in grown and len(tracks[t].times) > 1 and b in taken:
                for other in (o for _, o, c in pairs if c == b and o in grown and len(tracks[o].times) > 2):
                    tracks[other].crossings.append(time_sec)
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
