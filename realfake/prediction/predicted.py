"""What a prediction is: plain, typed values that keep no network and no picture alive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realfake.data.faces import Box
from realfake.labels import AUTHENTICITIES, EMOTIONS, JOINTS, Authenticity, averaged, decide, split_joint


@dataclass(frozen=True, eq=False)
class Probabilities:
    """What a network says about one face or one clip."""

    p_joint: np.ndarray
    """(12,) float64, in the order of :data:`realfake.labels.JOINTS`."""
    p_emotion: np.ndarray
    """(6,) float64, in the order of :data:`realfake.labels.EMOTIONS`."""
    p_authenticity: np.ndarray
    """(2,) float64: fake, real."""

    @property
    def decision(self) -> int:
        """The most probable joint class, 0 to 11, the first of equal ones; everything that is said is a part of it."""
        return int(decide({"joint": self.p_joint}))

    @property
    def emotion(self) -> str:
        """Name of the decision's emotion."""
        return split_joint(self.decision)[0].name.lower()

    @property
    def authenticity(self) -> str:
        """``fake`` or ``real``, as the decision is."""
        return split_joint(self.decision)[1].name.lower()

    @property
    def joint(self) -> str:
        """Name of the decision."""
        return JOINTS[self.decision]

    @property
    def sure_of_emotion(self) -> float:
        """Probability of the decided emotion; a 12-class network can find another one, by itself, more probable."""
        return float(self.p_emotion[split_joint(self.decision)[0]])

    @property
    def sure_of_authenticity(self) -> float:
        """Probability of the decided authenticity, likewise."""
        return float(self.p_authenticity[split_joint(self.decision)[1]])

    @property
    def p_real(self) -> float:
        """Probability that the emotion is genuinely felt."""
        return float(self.p_authenticity[Authenticity.REAL])

    def by_name(self) -> dict[str, float]:
        """Probability of each of the twenty classes by its name."""
        values = np.concatenate([self.p_joint, self.p_emotion, self.p_authenticity])
        return dict(zip(JOINTS + EMOTIONS + AUTHENTICITIES, values.tolist(), strict=True))


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
    p_joint: np.ndarray
    """(N, 12) float64."""
    p_emotion: np.ndarray
    """(N, 6) float64."""
    p_authenticity: np.ndarray
    """(N, 2) float64."""
    two_heads: bool
    """Whether emotion and authenticity have a head each, see :func:`realfake.labels.averaged`."""
    window_sec: float
    """Length of the window that each point looks at."""

    @property
    def p_real(self) -> np.ndarray:
        """Probability that the emotion is genuinely felt (N,) float64."""
        return self.p_authenticity[:, Authenticity.REAL]

    def at(self, time_sec: float) -> Probabilities:
        """What is said at a moment, interpolated; before the first and after the last point, what these say."""
        after = min(int(np.searchsorted(self.time_sec, time_sec)), len(self.time_sec) - 1)
        before = max(0, after - 1)
        start, end = self.time_sec[[before, after]]
        share = min(1.0, max(0.0, (time_sec - start) / (end - start))) if end > start else 0.0

        def between(p: np.ndarray) -> np.ndarray:
            return p[before] + share * (p[after] - p[before])

        return Probabilities(*averaged(between, self.p_joint, self.p_emotion, self.p_authenticity, self.two_heads))


@dataclass(frozen=True, eq=False)
class Track:
    """Where the face of a clip was."""

    time_sec: np.ndarray
    """(N,) float64, rising."""
    boxes: np.ndarray
    """(N, 4) float64: x, y, width, height in pixels of the video; the crops are a margin wider."""

    def at(self, time_sec: float) -> Box:
        """The box at a moment, interpolated; before the first and after the last one, these."""
        values = [float(np.interp(time_sec, self.time_sec, self.boxes[:, i])) for i in range(4)]
        return Box(*values)


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
        faces = [{"box": _box(f.box), **_labels(f)} for f in item.faces]
        return {**head, "kind": "image", "faces": faces}
    curve, track = item.curve, item.track
    return {
        **head,
        "kind": "video",
        "fps": item.fps,
        "duration_sec": item.duration_sec,
        "samples": item.samples,
        **_labels(item),
        "curve": {
            "window_sec": curve.window_sec,
            "time_sec": curve.time_sec.tolist(),
            "joint": [JOINTS[k] for k in decide({"joint": curve.p_joint})],
            "p_real": curve.p_real.tolist(),
            **{f"p_{name}": curve.p_emotion[:, i].tolist() for i, name in enumerate(EMOTIONS)},
        },
        "track": {"time_sec": track.time_sec.tolist(), "boxes": track.boxes.tolist()},
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


COLUMNS = (
    "path", "kind", "face", "x", "y", "width", "height", "duration_sec", "emotion", "authenticity", "joint",
    *(f"p_{name}" for name in JOINTS + EMOTIONS + AUTHENTICITIES), "error",
)  # fmt: skip
"""Columns of ``predictions.csv``."""


def _labels(p: Probabilities) -> dict[str, Any]:
    names = {"emotion": p.emotion, "authenticity": p.authenticity, "joint": p.joint}
    return {**names, "probabilities": p.by_name()}


def _labels_flat(p: Probabilities) -> dict[str, Any]:
    names = {"emotion": p.emotion, "authenticity": p.authenticity, "joint": p.joint}
    return names | {f"p_{name}": value for name, value in p.by_name().items()}


def _box(box: Box) -> dict[str, float]:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
