"""What a prediction is: plain, typed values that keep no network and no picture alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realfake.data.faces import Box
from realfake.labels import TASKS, Authenticity, LabelSpace, Told


@dataclass(frozen=True, eq=False)
class Probabilities(Told):
    """What a network says about one face or one clip: labels, or ``None`` where it has no head for them."""

    p: Mapping[str, np.ndarray]
    """Task that is told → probability of each class (classes,) float64; of ``authenticity`` first fake, then real."""
    space: LabelSpace
    """The classes."""

    @property
    def decision(self) -> int:
        """The most probable joint class, or class of the one task that is told; all that is said is a part of it."""
        return int(self.space.decide(self.p)[self.tasks[0]])

    def decided(self, task: str) -> str | None:
        """Name of the decision's part of a task."""
        decision = self.space.decide(self.p)
        return self.space.names(task)[decision[task]] if task in decision else None

    @property
    def emotion(self) -> str | None:
        """Name of the decision's emotion."""
        return self.decided("emotion")

    @property
    def authenticity(self) -> str | None:
        """``fake`` or ``real``, as the decision is."""
        return self.decided("authenticity")

    @property
    def joint(self) -> str | None:
        """Name of the decision, if both labels are told."""
        return self.decided("joint")

    def sure_of(self, task: str) -> float:
        """Probability of the decided class of a task that is told.

        A network with a joint head can find another emotion, by itself, more probable.
        """
        return float(self.p[task][self.space.decide(self.p)[task]])

    @property
    def p_real(self) -> float:
        """Probability that the emotion is genuinely felt."""
        return float(self.p_authenticity[Authenticity.REAL])

    def labels(self) -> dict[str, str | None]:
        """Task that is told → name of the decided class."""
        return {task: self.decided(task) for task in LABELS if task in self.p}

    def by_name(self) -> dict[str, float]:
        """Probability of each class of all that is told, by its name."""
        return {n: float(v) for task in self.tasks for n, v in zip(self.space.names(task), self.p[task], strict=True)}


@dataclass(frozen=True, eq=False)
class FacePrediction(Probabilities):
    """One face of a picture."""

    box: Box
    """Where it was found, in pixels of the picture; the crop that the network saw is a margin wider."""


@dataclass(frozen=True, eq=False)
class ImagePrediction:
    """All faces of a picture, the largest first."""

    path: Path | None
    """``None`` for an array."""
    width: int
    height: int
    faces: tuple[FacePrediction, ...]


@dataclass(frozen=True, eq=False)
class Curve:
    """How a prediction changes over the time of a clip."""

    time_sec: np.ndarray
    """(N,) float64, rising: the middle of each window."""
    p: Mapping[str, np.ndarray]
    """Task that is told → probabilities (N, classes) float64."""
    space: LabelSpace
    """The classes."""
    two_heads: bool
    """Whether emotion and authenticity have a head each, see :meth:`realfake.labels.LabelSpace.averaged`."""
    window_sec: float
    """Length of the window that each point looks at."""

    @property
    def p_real(self) -> np.ndarray:
        """Probability that the emotion is genuinely felt (N,) float64."""
        return self.p["authenticity"][:, Authenticity.REAL]

    def at(self, time_sec: float) -> Probabilities:
        """What is said at a moment, interpolated; before the first and after the last point, what these say."""
        after = min(int(np.searchsorted(self.time_sec, time_sec)), len(self.time_sec) - 1)
        before = max(0, after - 1)
        start, end = self.time_sec[[before, after]]
        share = min(1.0, max(0.0, (time_sec - start) / (end - start))) if end > start else 0.0

        def between(p: np.ndarray) -> np.ndarray:
            return p[before] + share * (p[after] - p[before])

        return Probabilities(self.space.averaged(between, self.p, self.two_heads), self.space)


@dataclass(frozen=True, eq=False)
class Track:
    """Where the face of a clip was."""

    time_sec: np.ndarray
    """(N,) float64, rising."""
    boxes: np.ndarray
    """(N, 4) float64: x, y, width, height in pixels of the video; the crops are a margin wider."""
    roll_deg: np.ndarray
    """(N,) float64: by how much the crops were turned, 0 unless ``face.align``."""

    def at(self, time_sec: float) -> Box:
        """The box at a moment, interpolated; before the first and after the last one, these."""
        roll = np.unwrap(self.roll_deg, period=360.0)
        columns = (*self.boxes.T, roll)
        x, y, width, height, turn = (float(np.interp(time_sec, self.time_sec, values)) for values in columns)
        return Box(x, y, width, height, roll_deg=turn)


@dataclass(frozen=True, eq=False)
class VideoPrediction(Probabilities):
    """The verdict on a clip, which is what testing would say of it, and its course over time."""

    path: Path | None
    """``None`` for an array."""
    width: int
    height: int
    fps: float
    duration_sec: float
    samples: int
    """Frames or windows whose mean the verdict is."""
    curve: Curve
    track: Track
    remarks: tuple[str, ...] = ()
    """What somebody should look at before trusting the verdict, a line each."""


Prediction = ImagePrediction | VideoPrediction


@dataclass(frozen=True)
class Failure:
    """An input that gave no prediction, and why, in one line."""

    path: Path
    reason: str


def as_plain(item: Prediction | Failure) -> dict[str, Any]:
    """An item as what JSON can hold, with every probability and, of videos, the curve and the boxes."""
    if isinstance(item, Failure):
        return {"path": str(item.path), "error": item.reason}
    head = {"path": str(item.path) if item.path else None, "width": item.width, "height": item.height}
    if isinstance(item, ImagePrediction):
        faces = [{"box": _box(f.box) | _roll(f.box), **f.labels(), "probabilities": f.by_name()} for f in item.faces]
        return {**head, "kind": "image", "faces": faces}
    curve, track = item.curve, item.track
    decided, first = curve.space.decide(curve.p), item.tasks[0]
    over_time: dict[str, Any] = {first: [curve.space.names(first)[k] for k in decided[first]]}
    if "authenticity" in curve.p:
        over_time["p_real"] = curve.p_real.tolist()
    if "emotion" in curve.p:
        over_time |= {f"p_{e}": curve.p["emotion"][:, i].tolist() for i, e in enumerate(curve.space.emotions)}
    return {
        **head,
        "kind": "video",
        "fps": item.fps,
        "duration_sec": item.duration_sec,
        "samples": item.samples,
        **item.labels(),
        "probabilities": item.by_name(),
        "curve": {"window_sec": curve.window_sec, "time_sec": curve.time_sec.tolist(), **over_time},
        "track": {"time_sec": track.time_sec.tolist(), "boxes": track.boxes.tolist()}
        | ({"roll_deg": track.roll_deg.tolist()} if track.roll_deg.any() else {}),
        "remarks": list(item.remarks),
    }


def as_rows(item: Prediction | Failure) -> list[dict[str, Any]]:
    """An item as rows of a table: one a face of a picture, one a video, one a failure."""
    if isinstance(item, Failure):
        return [{"path": str(item.path), "error": item.reason}]
    path = str(item.path) if item.path else None
    if isinstance(item, ImagePrediction):
        return [
            {"path": path, "kind": "image", "face": number, **_box(face.box), **_labels_flat(face)}
            for number, face in enumerate(item.faces)
        ]
    return [{"path": path, "kind": "video", "duration_sec": item.duration_sec, **_labels_flat(item)}]


LABELS = ("emotion", "authenticity", "joint")
"""Tasks in the order in which labels are written."""


def columns(space: LabelSpace, tasks: Sequence[str]) -> list[str]:
    """Columns of ``predictions.csv``, for a network that tells some tasks."""
    probabilities = [f"p_{name}" for task in TASKS if task in tasks for name in space.names(task)]
    place = ["path", "kind", "face", "x", "y", "width", "height", "duration_sec"]
    return [*place, *(task for task in LABELS if task in tasks), *probabilities, "error"]


def _labels_flat(p: Probabilities) -> dict[str, Any]:
    return {**p.labels()} | {f"p_{name}": value for name, value in p.by_name().items()}


def _box(box: Box) -> dict[str, float]:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def _roll(box: Box) -> dict[str, float]:
    """By how much the crop was turned, if it was."""
    return {"roll_deg": box.roll_deg} if box.roll_deg else {}
