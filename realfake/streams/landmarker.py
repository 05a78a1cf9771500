"""The published MediaPipe Face Landmarker, its networks run in LiteRT: 478 points, 52 blendshapes and the pose of a face."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from realfake.data.faces import Box
from realfake.errors import UserError, install
from realfake.published import file_digest, obtain
from realfake.streams.blendshapes import BLENDSHAPES, INPUT_POINTS
from realfake.streams.landmark_geometry import FaceGeometry

URL = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
TIMEOUT_SEC = 30.0
POINTS = 478
"""Those of the canonical face, then five of each iris."""

_ANCHORS = np.concatenate(
    [
        np.repeat(np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2), -1).reshape(-1, 2), each, axis=0)
        for n, each in ((16, 2), (8, 6))
    ]
)
"""(896, 2) where the detector's anchors lie, in parts of its image's side: two in each cell of 8 pixels, six of 16."""
_EYES = (33, 263)
"""Outer corners of the eyes, at the image's left and right."""
_REGION = 1.5
"""Side of the square around a face, in parts of what was found of it."""
_AROUND = 2.0
"""Side of the square that the detector looks at, in parts of the tracked box: it expects room around a face."""
_PRESENCE = 0.5
"""Least probability of a face; that of the detector too."""
_SAME_FACE = 0.3
"""Overlap from which two finds of the detector are of one face."""


class Landmarks(NamedTuple):
    """What is seen of a face in one image."""

    points: np.ndarray
    """(478, 3) float32: x and y in pixels of the image, z in the same scale, smaller = nearer to the camera."""
    blendshapes: np.ndarray
    """(52,) float32 in the order of :data:`realfake.streams.blendshapes.BLENDSHAPES`, 0 to 1."""
    pose: np.ndarray
    """(4, 4) float32, :meth:`realfake.streams.landmark_geometry.FaceGeometry.pose`."""
    presence: float
    """Probability that there is a face, 0.5 to 1."""


class _Region(NamedTuple):
    """A rectangle of an image that may be turned."""

    x: float
    """Its centre, in pixels."""
    y: float
    width: float
    height: float
    angle: float
    """In radians, clockwise in the image."""

    def affine(self, size: int) -> np.ndarray:
        """(2, 3) from pixels of the image to those of a crop of ``size`` pixels."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cos, sin], [-sin, cos]]) * (size / np.array([[self.width], [self.height]]))
        return np.column_stack([turn, size / 2 - turn @ (self.x, self.y)])

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3) of the crop, in parts of its side, as pixels of the image; z goes with the width."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = (points[:, 0] - 0.5) * self.width, (points[:, 1] - 0.5) * self.height
        return np.stack([self.x + x * cos - y * sin, self.y + x * sin + y * cos, points[:, 2] * self.width], axis=1)


class FaceLandmarker:
    """Landmarks, blendshapes and pose of one face, on one thread; the same image and box give the same bytes.

    Args:
        weights: The published file, :func:`landmarker_file`.

    Raises:
        UserError: If the file is missing or another one, or LiteRT is not installed.
    """

    def __init__(self, weights: Path) -> None:
        _check(weights)
        with zipfile.ZipFile(weights) as parts:
            self._detector = _Network(parts.read("face_detector.tflite"))
            self._landmarks = _Network(parts.read("face_landmarks_detector.tflite"))
            self._blendshapes = _Network(parts.read("face_blendshapes.tflite"))
            self.geometry = FaceGeometry.read(parts.read("geometry_pipeline_metadata_landmarks.binarypb"))

    def find(self, image: np.ndarray, box: Box) -> Landmarks | None:
        """What is seen of a face in an image that nothing came before.

        Args:
            image: uint8 (H, W, 3), RGB.
            box: Where a face is, as :mod:`realfake.data.faces` and the tracking tell it.

        Returns:
            ``None`` if there is no face.
        """
        region = self._detect(image, box)
        return self._read(image, region) if region else None

    def follow(self, frames: Iterable[tuple[np.ndarray, Box | None]]) -> Iterator[Landmarks | None]:
        """What is seen of one face in each frame of a clip, from its beginning.

        A frame's crop follows from the landmarks of the frame before, as long as its middle lies in the tracked box;
        where that fails, the frame is looked at as if nothing came before. What is found in a frame depends on the
        frames before it: begin where the clip begins.

        Args:
            frames: Image and tracked face of each, as for :meth:`find`; without a box, there is no face.
        """
        last: Landmarks | None = None
        for image, box in frames:
            seen = None
            if box is not None:
                region = _around(last.points) if last else None
                if region and box.x <= region.x <= box.x + box.width and box.y <= region.y <= box.y + box.height:
                    seen = self._read(image, region)
                seen = seen or self.find(image, box)
            last = seen
            yield seen

    def _detect(self, image: np.ndarray, box: Box) -> _Region | None:
        """The region of the face that lies most in the box, by the detector."""
        side = _AROUND * max(box.width, box.height)
        look = _Region(box.x + box.width / 2, box.y + box.height / 2, side, side, 0.0)
        _sample(image, look, self._detector, (2.0 / 255.0, -1.0), cv2.BORDER_CONSTANT)
        found, logits = (out[0] for out in self._detector.run())
        logits = logits[:, 0].astype(np.float64)
        likely = np.flatnonzero(logits >= np.log(_PRESENCE / (1.0 - _PRESENCE)))
        score = 1.0 / (1.0 + np.exp(-logits[likely]))
        # Centre, size, and six points of each face, in parts of the look's side; all but the size count from an anchor.
        faces = found[likely].reshape(-1, 8, 2) / self._detector.size
        faces[:, [0, *range(2, 8)]] += _ANCHORS[likely, None]
        middle = look.place(np.pad(faces[:, 0], ((0, 0), (0, 1))))[:, :2] - (box.x, box.y)
        inside = ((middle >= 0) & (middle <= (box.width, box.height))).all(1)
        if not inside.any():
            return None
        best = int(np.argmax(np.where(inside, score, -1.0)))
        same = _overlaps(faces[:, 0], faces[:, 1], best) > _SAME_FACE
        face = np.average(faces[same], axis=0, weights=score[same])
        middle, left_eye, right_eye = look.place(np.pad(face[[0, 2, 3]], ((0, 0), (0, 1))))[:, :2]
        width, height = _REGION * side * face[1]
        return _Region(*middle, width, height, _angle(left_eye, right_eye))

    def _read(self, image: np.ndarray, region: _Region) -> Landmarks | None:
        """What the networks see in a region."""
        _sample(image, region, self._landmarks, (1.0 / 255.0, 0.0), cv2.BORDER_REPLICATE)
        raw, logit, _ = self._landmarks.run()
        presence = 1.0 / (1.0 + np.exp(-float(logit.item())))
        if presence < _PRESENCE:
            return None
        points = region.place(raw.reshape(POINTS, 3) / np.float32(self._landmarks.size)).astype(np.float32)
        self._blendshapes.input[0] = points[INPUT_POINTS, :2]
        (blendshapes,) = self._blendshapes.run()
        height, width = image.shape[:2]
        return Landmarks(points, blendshapes, self.geometry.pose(points, width, height), presence)


class _Network:
    """One network in LiteRT, on one thread."""

    def __init__(self, content: bytes) -> None:
        self.interpreter = _interpreter()(model_content=content, num_threads=1)
        self.interpreter.allocate_tensors()
        entry = self.interpreter.get_input_details()[0]
        self.input: np.ndarray = np.zeros(entry["shape"], np.float32)
        """What the next run gets; filled in place."""
        self.size = int(entry["shape"][1])
        """Side of the input in pixels, where that is an image."""
        self._entry = entry["index"]
        self._exits = [exit["index"] for exit in self.interpreter.get_output_details()]

    def run(self) -> list[np.ndarray]:
        """All results for the input."""
        self.interpreter.set_tensor(self._entry, self.input)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(index) for index in self._exits]


def landmarker_file(weights: str, key: str) -> Path:
    """The published file: at a path, or, for ``default``, in the folder of published files, downloaded if need be.

    Args:
        weights: ``default`` or a path.
        key: What an error calls the option, such as ``signals.mediapipe.weights``.

    Raises:
        UserError: If it is not there, cannot be downloaded, or is another file.
    """
    if weights == "default":
        return obtain(URL, SHA256, timeout_sec=TIMEOUT_SEC)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"{key}={weights}: no such file; get {path.name} from {URL}, or give {key}=default")
    return path


def _check(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path}: no such file; get the face landmarker from {URL}")
    if (found := file_digest(path)) != SHA256:
        raise UserError(f"{path}: sha256 {found}, expected {SHA256}; get the face landmarker from {URL}")


def _interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UserError(f"the face landmarker needs LiteRT, which is not installed: {install('signals')}") from None
    return Interpreter


def _sample(image: np.ndarray, region: _Region, network: _Network, values: tuple[float, float], border: int) -> None:
    """Fill a network's input with a region; ``values`` = factor of 0 to 255, and what is added."""
    size = (network.size, network.size)
    crop = cv2.warpAffine(image, region.affine(network.size), size, flags=cv2.INTER_LINEAR, borderMode=border)
    np.multiply(crop, np.float32(values[0]), out=network.input[0])
    if values[1]:
        network.input += np.float32(values[1])


def _around(points: np.ndarray) -> _Region:
    """The region of a face whose landmarks (478, 3) are known."""
    least, most = points[:, :2].min(0).astype(np.float64), points[:, :2].max(0).astype(np.float64)
    side = _REGION * float((most - least).max())
    return _Region(*((least + most) / 2), side, side, _angle(*points[list(_EYES), :2]))


def _angle(left: np.ndarray, right: np.ndarray) -> float:
    """Of the line from the eye at the image's left to the one at its right, clockwise in radians."""
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))


def _overlaps(middles: np.ndarray, sizes: np.ndarray, one: int) -> np.ndarray:
    """Intersection over union of all boxes with one of them."""
    least, most = middles - sizes / 2, middles + sizes / 2
    common = (np.minimum(most, most[one]) - np.maximum(least, least[one])).clip(0).prod(1)
    area = sizes.prod(1)
    return np.asarray(common / (area + area[one] - common))
