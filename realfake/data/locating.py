"""The one face of a clip: which frames the detector looks at, whose face counts, and in which frames it is there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from realfake.data.faces import Box, Detector
from realfake.data.likeness import LOOKS_ALIKE, OTHER_LOOKS, SURELY_ALIKE, View, likeness, still_there
from realfake.data.shots import cuts, reduced
from realfake.data.tracking import Track, follow
from realfake.data.video import Frame

BRIDGED_LOOKS = 5
"""A face that the detector misses between two finds is still there for at most so many detection intervals, in those
frames in which its place looks like it."""

MEMORY_LOOKS = 5
"""Detections that are carried over from one segment of a long clip into the next."""

WHOLE_LOOKS = 4
"""One in so many looks searches the whole frame, in case that somebody else comes in."""

_SAMPLES = 3
"""Finds of a track that are compared with those of another."""
_APART = 0.7
"""Finds of one track are compared if they are so many detection intervals apart."""


@dataclass(frozen=True)
class Memory:
    """What the next segment of a long clip has to know of this one."""

    track: Track
    face: View
    """Its last find."""
    last: np.ndarray
    """Last picture that was decided on, of :func:`realfake.data.shots.reduced`."""
    looks: dict[float, list[Box]]
    """Detections in the frames that are not decided yet, by their time in seconds."""


@dataclass(frozen=True)
class Located:
    """What is known of the face in some frames."""

    boxes: list[Box] | None
    """One a frame; ``None`` = no face at all."""
    present: np.ndarray
    """(n,) bool: the face is in the frame."""
    detected: np.ndarray
    """(n,) bool: the detector looked at this very frame and found the face."""
    looks: int
    """Frames that the detector looked at."""
    memory: Memory | None
    """What the next segment starts from."""
    decided: int
    """Frames of which all is known; whether the face is in those after them, the next segment shows."""
    changes_sec: list[float] = field(default_factory=list)
    """Moments from which it may be another person's face."""
    others_sec: list[tuple[float, float]] = field(default_factory=list)
    """From when to when another face was alone in the picture, which was left out."""


def locate(frames: Sequence[Frame], detector: Detector, every_sec: float, previous: Memory | None = None) -> Located:
    """Find the face that is largest and most often there, its box in each frame, and the frames that it is in.

    A face is there from its first find to its last in a shot, both known to a frame; a gap of finds is bridged if it
    is no longer than ``BRIDGED_LOOKS`` intervals, in those frames in which the place looks like the face.

    Args:
        frames: In the order of time; after ``previous``, beginning with the frames that were not decided.
        detector: Looks at the first and the last frame of each shot, at one every ``every_sec``, after a miss at every
            one, and in between to find out when a face comes or goes.
        every_sec: Time between two looks.
        previous: What is known from the frames before these.
    """
    search = _Search(frames, detector, every_sec, previous)
    tracks, others = search.choose()
    while missing := search.unsure(tracks):
        for i in missing:
            search.look(i)
        tracks, others = search.choose()
    none = np.zeros(len(frames), bool)
    decided = search.decided(tracks)
    looks = {float(search.times[i]): found for i, found in search.looks.items() if i >= decided}
    last = search.pictures[decided - 1] if decided else previous.last if previous else search.pictures[0]
    if not tracks:
        kept = Memory(previous.track, previous.face, last, looks) if previous else None
        return Located(None, none, none, search.asked, kept, decided, [], others)
    boxes = [tracks[0].boxes[0]] * len(frames)
    present, detected = none.copy(), none.copy()
    for track in tracks:
        for i, box in search.boxes(track).items():
            boxes[i] = box
        present[search.present(track)] = True
        detected[search.hits(track)] = True
    end = tracks[-1]
    memory = Memory(end, View(frames[search.hits(end)[-1]].image, end.boxes[-1]), last, looks)
    return Located(boxes, present, detected, search.asked, memory, decided, search.changes(tracks), others)


class _Search:
    """Looks and their tracks, while the detector is asked."""

    def __init__(self, frames: Sequence[Frame], detector: Detector, every_sec: float, previous: Memory | None) -> None:
        self.frames, self.every_sec, self.previous = frames, every_sec, previous
        self.times = np.array([frame.time_sec for frame in frames])
        self.pictures = [reduced(frame.image) for frame in frames]
        before = [previous.last] if previous else []
        begins = cuts([*before, *self.pictures])[len(before) :]
        self.begins = np.flatnonzero(begins)
        """Frames that begin a shot."""
        self.shot = np.cumsum(begins)
        """Number of each frame's shot."""
        known = previous.looks if previous else {}
        self.looks = {i: known[t] for i, t in enumerate(self.times.tolist()) if t in known}
        """Detections of the frames that were looked at."""
        self.detector, self.asked = detector, 0
        self.doubtful: list[int] = []
        """Frames with a find that may be chance."""
        self._views: dict[tuple[int, Box], View] = {}
        self._look_first()

    def look(self, i: int, nearby: Box | None = None) -> list[Box]:
        """Have the detector look at a frame, unless it has; at first only where the face was."""
        if i not in self.looks:
            self.asked += 1
            image = self.frames[i].image
            boxes = _nearby(image, nearby, self.detector) if nearby is not None else []
            self.looks[i] = boxes or self.detector.detect(image)
        return self.looks[i]

    def _look_first(self) -> None:
        due_sec, last = self.times[0], None
        for i, frame in enumerate(self.frames):
            first = i in self.begins
            ends = i + 1 == len(self.frames) or i + 1 in self.begins
            if frame.time_sec < due_sec - 1e-6 and not first and not ends and i not in self.looks:
                continue
            known = last and not first and len(last) == 1 and self.asked % WHOLE_LOOKS
            last = self.look(i, last[0] if last and known else None)
            due_sec = frame.time_sec + self.every_sec if last else frame.time_sec

    def choose(self) -> tuple[list[Track], list[tuple[float, float]]]:
        """Tracks of the face in the order of time, and when another one was alone in the same shot."""
        memory = self.previous.track if self.previous else None
        known = list(zip(memory.times, memory.boxes, strict=True))[-MEMORY_LOOKS:] if memory else []
        looks = [(float(self.times[i]), self.looks[i]) for i in sorted(self.looks)]
        found = follow(
            [*((t, [box]) for t, box in known), *looks],
            self.times[self.begins].tolist(),
            self.bridged_sec,
        )
        chosen: list[Track] = []
        others: list[tuple[float, float]] = []
        for track in found:
            if not len(self.hits(track)) or self._chance(track):
                continue
            if any(c.spans(track) for c in chosen):
                continue  # somebody beside it
            beside = [c for c in chosen if self._shot_of(c) == self._shot_of(track)]
            if not beside or any(self._alike(c, track) for c in beside):
                chosen.append(track)
            else:
                others.append((track.times[0], track.times[-1]))
        alone = [t for t in found if self._chance(t) and not any(c.spans(t) for c in chosen)]
        self.doubtful = [int(i) for track in alone for i in self.hits(track)]
        return sorted(chosen, key=lambda t: t.times[0]), sorted(others)

    def _chance(self, track: Track) -> bool:
        """Found once in many looks at its shot: no face, but chance."""
        if len(track.times) > 1 or not len(self.hits(track)):
            return False
        return sum(self.shot[i] == self._shot_of(track) for i in self.looks) > 2

    def decided(self, tracks: Sequence[Track]) -> int:
        """Number of the first frame of which the next segment may show that the face is in it; else their number."""
        n = len(self.frames)
        track = tracks[-1] if tracks else self.previous.track if self.previous else None
        if track is None or self.times[-1] - track.times[-1] > self.bridged_sec:
            return n
        after = int(np.searchsorted(self.times, track.times[-1], side="right"))
        return n if (self.begins >= max(after, 1)).any() or (not after and 0 in self.begins) else after

    def hits(self, track: Track) -> np.ndarray:
        """Numbers of the frames in which the track was found (those of the segment before have none)."""
        return np.flatnonzero(np.isin(self.times, track.times))

    def _shot_of(self, track: Track) -> int:
        return int(self.shot[self.hits(track)[0]])

    def boxes(self, track: Track) -> dict[int, Box]:
        """The face in each frame from the track's first find to its last."""
        inside = np.flatnonzero((self.times >= track.times[0]) & (self.times <= track.times[-1]))
        rows = track.at(self.times[inside], self.every_sec).tolist()
        return {
            i: Box(x, y, width, height, roll_deg=roll)
            for i, (x, y, width, height, roll) in zip(inside.tolist(), rows, strict=True)
        }

    def _gaps(self, track: Track) -> list[tuple[int, int]]:
        """Frames between which the track was not found: the finds on both sides, or -1 and n."""
        hits = self.hits(track).tolist()
        carried = track.times[0] < self.times[0]
        return [*([] if carried else [(-1, hits[0])]), *itertools.pairwise(hits), (hits[-1], len(self.frames))]

    def unsure(self, tracks: Sequence[Track]) -> set[int]:
        """Frames to look at next.

        They are beside a find that may be chance, halfway between a find and a miss, or between two finds where the
        place does not surely look like the face.
        """
        n = len(self.frames)
        asked = {k for i in self.doubtful for k in (i - 1, i + 1) if 0 <= k < n and self.shot[k] == self.shot[i]}
        for track in tracks:
            for between, ends in self._bridges(track):
                asked |= {i for i, view in between.items() if still_there(ends, view) < SURELY_ALIKE}
            shot = self._shot_of(track)
            for left, right in self._gaps(track):
                if left >= 0 and right < n and self.times[right] - self.times[left] <= self.bridged_sec:
                    continue
                known = [i for i in self.looks if left < i < right and self.shot[i] == shot]
                if left >= 0 and known:
                    asked.add((left + min(known)) // 2)
                if right < n and known:
                    asked.add((right + max(known) + 1) // 2)
        return asked - self.looks.keys()

    def present(self, track: Track) -> list[int]:
        """Numbers of the frames that the face is in."""
        found = set(self.hits(track).tolist())
        for between, ends in self._bridges(track):
            missed = any(i in self.looks for i in between)
            found |= {i for i, view in between.items() if not missed or still_there(ends, view) >= LOOKS_ALIKE}
        return sorted(found)

    def _bridges(self, track: Track) -> Iterator[tuple[dict[int, View], list[View]]]:
        """The frames of each gap that is bridged, as the place of the face in them, and the finds at its ends."""
        boxes, hits = self.boxes(track), self.hits(track).tolist()

        def view(i: int) -> View:
            key = (i, boxes[i])
            return self._views.setdefault(key, View(self.frames[i].image, boxes[i]))

        before = [t for t in track.times if t < self.times[0]]
        if before and self.previous and self.times[hits[0]] - before[-1] <= self.bridged_sec:
            yield {i: view(i) for i in range(hits[0])}, [self.previous.face, view(hits[0])]
        for left, right in itertools.pairwise(hits):
            if self.times[right] - self.times[left] <= self.bridged_sec:
                yield {i: view(i) for i in range(left + 1, right)}, [view(left), view(right)]

    @property
    def bridged_sec(self) -> float:
        """Longest gap that is bridged."""
        return BRIDGED_LOOKS * self.every_sec + 1e-6

    def _alike(self, a: Track, b: Track) -> bool:
        """Whether two tracks may be of one person."""
        return _mean_likeness(self._samples(a), self._samples(b)) >= LOOKS_ALIKE

    def _samples(self, track: Track) -> list[View]:
        finds = self._finds(track)
        picked = np.unique(np.linspace(0, len(finds) - 1, _SAMPLES).round().astype(int))
        return [finds[i] for i in picked]

    def _finds(self, track: Track) -> list[View]:
        boxes = dict(zip(track.times, track.boxes, strict=True))
        return [View(self.frames[i].image, boxes[float(self.times[i])]) for i in self.hits(track)]

    def changes(self, tracks: Sequence[Track]) -> list[float]:
        """Moments from which the face may be another person's: after a cut, where two faces cross, or it turns into
        one that looks different."""
        found = [t for track in tracks for t in track.crossings[:1] if t >= self.times[0]]
        first = tracks[0]
        before = [self.previous.face] if self.previous and first.times[0] >= self.times[0] else []
        if before and _mean_likeness(before, self._samples(first)) < LOOKS_ALIKE:
            found.append(first.times[0])
        found += [b.times[0] for a, b in itertools.pairwise(tracks) if not self._alike(a, b)]
        return sorted({*found, *(t for track in tracks for t in self._turns_into_other(track))})

    def _turns_into_other(self, track: Track) -> list[float]:
        """Moments of finds before which the face looks different from after them, the last of several in a row."""
        times, finds = [], []
        if self.previous and track.times[0] < self.times[0]:
            times.append(max(t for t in track.times if t < self.times[0]))
            finds.append(self.previous.face)
        for i, find in zip(self.hits(track), self._finds(track), strict=True):
            if not times or self.times[i] - times[-1] >= _APART * self.every_sec:
                times.append(float(self.times[i]))
                finds.append(find)
        other = [
            0 < k < len(finds) - 1 and _mean_likeness(finds[max(0, k - 2) : k], finds[k + 1 : k + 3]) < OTHER_LOOKS
            for k in range(len(finds))
        ]
        return [t for t, (here, after) in zip(times[:-1], itertools.pairwise(other), strict=True) if here and not after]


def _mean_likeness(a: Sequence[View], b: Sequence[View]) -> float:
    return float(np.mean([likeness(x, y) for x in a for y in b]))


def _nearby(image: np.ndarray, box: Box, detector: Detector) -> list[Box]:
    """The face around where it was last, of about the size it had; nothing unless there is exactly one."""
    side = max(box.width, box.height)
    left, top = max(0, int(box.x - side / 2)), max(0, int(box.y - side / 2))
    right, bottom = int(box.x + box.width + side / 2), int(box.y + box.height + side / 2)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    found = detector.detect(part, least_px=0.7 * side) if part.size else []
    return [replace(b, x=b.x + left, y=b.y + top) for b in found] if len(found) == 1 else []
