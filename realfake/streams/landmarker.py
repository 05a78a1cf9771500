"""The published MediaPipe Face Landmarker, run in LiteRT: 478 points, 52 blendshapes and the pose of a face."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from realfake.config.landmarks import BLENDSHAPES
from realfake.data.faces import Box
from realfake.data.pictures import Frame
from realfake.errors import UserError, install
from realfake.published import file_digest, obtain
from realfake.streams.blendshapes import INPUT_POINTS
from realfake.streams.landmark_geometry import FaceGeometry

URL = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
TIMEOUT_SEC = 30.0
"""How long the network may be silent when the file is downloaded."""
POINTS = 478
"""Those of the canonical face, then five of each iris."""
PIECE = 512
"""Frames of which points are held: three megabytes."""

_PARTS = ("face_detector", "face_landmarks_detector", "face_blendshapes")
_ANCHORS = np.concatenate(
    [
        np.repeat(np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2), -1).reshape(-1, 2), each, axis=0)
        for n, each in ((16, 2), (8, 6))
    ]
)
"""(896, 2) where the detector's anchors lie, in parts of its image's side: two in each cell of 8 pixels, six of 16."""
_INPUT = np.array(INPUT_POINTS)
_NO_POINTS = np.zeros((POINTS, 3), np.float32)
_NO_SHAPES = np.zeros(len(BLENDSHAPES), np.float32)
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
    """What is seen of a face: in one image, or in the n images of a clip, then with n as the first axis."""

    points: np.ndarray
    """(478, 3) float32: x and y in pixels of the image, z in the same scale, smaller = nearer to the camera."""
    blendshapes: np.ndarray
    """(52,) float32 in the order of :data:`realfake.config.landmarks.BLENDSHAPES`, 0 to 1."""
    pose: np.ndarray
    """(4, 4) float32, :meth:`realfake.streams.landmark_geometry.FaceGeometry.pose`."""
    presence: np.ndarray
    """() float32, probability that there is a face: 0.5 to 1; 0 = there is none, and all else is 0."""


class _Seen(NamedTuple):
    """What the networks see in a region: see :class:`Landmarks`."""

    points: np.ndarray
    blendshapes: np.ndarray
    presence: float


class _Region(NamedTuple):
    """A rectangle of an image that may be turned."""

    x: float
    """Its centre, in pixels."""
    y: float
    width: float
    height: float
    angle: float
    """In radians, clockwise in the image."""

    def onto(self, size: int) -> np.ndarray:
        """(3, 3) from pixels of the image to those of a crop of ``size`` pixels."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        a, b, c, d = (size / side * v for side in (self.width, self.height) for v in (cos, sin))
        x, y = size / 2 - a * self.x - b * self.y, size / 2 + d * self.x - c * self.y
        return np.array([[a, b, x], [-d, c, y], [0.0, 0.0, 1.0]])

    def rectangle(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the pixels that interpolation within it looks at, and a few around them."""
        cos, sin = abs(math.cos(self.angle)) / 2, abs(math.sin(self.angle)) / 2
        across, down = self.width * cos + self.height * sin + 2.0, self.width * sin + self.height * cos + 2.0
        left, top = math.floor(self.x - across), math.floor(self.y - down)
        return left, top, math.ceil(self.x + across) + 1, math.ceil(self.y + down) + 1

    def place(self, points: np.ndarray, size: int = 1) -> np.ndarray:
        """Points (n, 3) float32 of a crop of ``size`` pixels as pixels of the image; z goes with the width."""
        cos, sin = math.cos(self.angle) / size, math.sin(self.angle) / size
        w, h = self.width, self.height
        turn = np.array([[w * cos, w * sin, 0.0], [-h * sin, h * cos, 0.0], [0.0, 0.0, w / size]], np.float32)
        return points @ turn + (np.array([self.x, self.y, 0.0], np.float32) - turn[:2].sum(0) * np.float32(size / 2))


class FaceLandmarker:
    """Landmarks, blendshapes and pose of one face, on one thread; the same image and box give the same bytes.

    Args:
        weights: The published file, :func:`landmarker_file`.
        key: What an error calls the option that names it, if one does.

    Raises:
        UserError: If the file is missing or another one, or LiteRT is not installed.
    """

    def __init__(self, weights: Path, key: str = "") -> None:
        _check(weights, f"{key}={weights}" if key else str(weights))
        with zipfile.ZipFile(weights) as parts:
            self.networks = tuple(_Network(parts.read(f"{name}.tflite")) for name in _PARTS)
            """Detector, landmarks, blendshapes."""
            self._detector, self._landmarks, self._blendshapes = self.networks
            self.geometry = FaceGeometry.read(parts.read("geometry_pipeline_metadata_landmarks.binarypb"))

    def find(self, image: np.ndarray, box: Box) -> Landmarks | None:
        """What is seen of a face in an image that nothing came before.

        Args:
            image: uint8 (H, W, 3), RGB.
            box: Where the face is, in pixels; it is looked for in twice as large a square, since the published detector
                misses faces that are smaller than about a tenth of the picture.

        Returns:
            ``None`` if there is no face.
        """
        found = self.follow([(Frame(0.0, image), box)])
        return Landmarks(*(value[0] for value in found)) if found.presence[0] else None

    def follow(self, frames: Iterable[tuple[Frame, Box]]) -> Landmarks:
        """What is seen of one face in each frame of a clip.

        A frame's region follows from the landmarks of the frame before, as long as its middle lies in the tracked box
        and a face is in it; else from the detector, as if nothing came before. What is found in a frame depends on the
        frames before it, and on nothing else: begin where the clip begins.

        Args:
            frames: Each, and the tracked face in it, as for :meth:`find`.
        """
        return Landmarks(*map(np.concatenate, zip(*self.pieces(frames), strict=True)))

    def pieces(self, frames: Iterable[tuple[Frame, Box]]) -> Iterator[Landmarks]:
        """The same, :data:`PIECE` frames after the other, each piece as soon as its last frame was looked at; the last
        one holds the rest, which may be none.

        Args:
            frames: As for :meth:`follow`.
        """
        last: _Seen | None = None
        track: list[_Seen | None] = []
        sizes: list[tuple[int, ...]] = []
        for image, box in frames:
            region = _around(last.points) if last else None
            inside = region and 0 <= region.x - box.x <= box.width and 0 <= region.y - box.y <= box.height
            last = self._read(image, region) if region and inside else None
            if last is None and (region := self._detect(image, box)):
                last = self._read(image, region)
            track.append(last)
            sizes.append(image.shape)
            if len(track) == PIECE:
                yield self._landmarks_of(track, sizes)
                track, sizes = [], []
        yield self._landmarks_of(track, sizes)

    def _landmarks_of(self, track: list[_Seen | None], sizes: list[tuple[int, ...]]) -> Landmarks:
        """What is seen in images of these heights and widths, with the poses."""
        points = np.array([s.points if s else _NO_POINTS for s in track], np.float32).reshape(-1, POINTS, 3)
        shapes = np.array([s.blendshapes if s else _NO_SHAPES for s in track], np.float32).reshape(-1, len(BLENDSHAPES))
        presence = np.array([s.presence if s else 0.0 for s in track], np.float32)
        pose = np.zeros((len(track), 4, 4), np.float32)
        there = presence > 0
        height, width = np.array(sizes).reshape(-1, 2)[there].T
        pose[there] = self.geometry.pose(points[there], width, height)
        return Landmarks(points, shapes, pose, presence)

    def _detect(self, image: Frame, box: Box) -> _Region | None:
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
        return _Region(float(middle[0]), float(middle[1]), width, height, _angle(left_eye, right_eye))

    def _read(self, image: Frame, region: _Region) -> _Seen | None:
        """What the networks see in a region; ``None`` if that is no face."""
        _sample(image, region, self._landmarks, (1.0 / 255.0, 0.0), cv2.BORDER_REPLICATE)
        raw, logit, _ = self._landmarks.run()
        presence = 1.0 / (1.0 + math.exp(-logit.item()))
        if presence < _PRESENCE:
            return None
        points = region.place(raw.reshape(POINTS, 3), self._landmarks.size)
        self._blendshapes.input[0] = points[_INPUT, :2]
        (blendshapes,) = self._blendshapes.run()
        return _Seen(points, blendshapes, presence)


class _Network:
    """One network in LiteRT, on one thread."""

    def __init__(self, content: bytes) -> None:
        with without_information():
            self.interpreter = _interpreter()(model_content=content, num_threads=1)
            self.interpreter.allocate_tensors()
        entry = self.interpreter.get_input_details()[0]
        self.size = int(entry["shape"][1])
        """Side of the input in pixels, where that is an image."""
        self.crop = np.empty((self.size, self.size, 3), np.uint8)
        """What becomes the input, of the networks that look at images; memory that is used again."""
        self._input = self.interpreter.tensor(entry["index"])
        self._exits = [result["index"] for result in self.interpreter.get_output_details()]

    @property
    def input(self) -> np.ndarray:
        """What the next run gets, in the network's own memory: filled in place, and let go before that run."""
        return self._input()

    def run(self) -> list[np.ndarray]:
        """All results for the input."""
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


def _check(path: Path, said: str) -> None:
    if not path.is_file():
        raise UserError(f"{said}: no such file; get the face landmarker from {URL}")
    if (found := file_digest(path)) != SHA256:
        raise UserError(f"{said}: sha256 {found}, expected {SHA256}; get the face landmarker from {URL}")


@contextmanager
def without_information() -> Iterator[None]:
    """Keep lines that begin with ``INFO:`` from the error stream; all others come out after the block.

    LiteRT writes such lines past Python, to the file descriptor, and has no switch for them.
    """
    try:
        stream = os.dup(2)
    except OSError:  # there is no such stream
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stream, 2)
            os.close(stream)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not line.startswith(b"INFO:")))


def _interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UserError(f"signals=[mediapipe] needs LiteRT, which is not installed: {install('signals')}") from None
    return Interpreter


def _sample(image: Frame, region: _Region, network: _Network, values: tuple[float, float], border: int) -> None:
    """Fill a network's input with a region; ``values`` = factor of 0 to 255, and what is added."""
    size = (network.size, network.size)
    part, left, top = image.part(*region.rectangle())
    matrix, crop = region._replace(x=region.x - left, y=region.y - top).onto(network.size), network.crop
    # Not warpAffine, which rounds places in the image more coarsely: landmarks would differ ten times as much.
    cv2.warpPerspective(part, matrix, size, dst=crop, flags=cv2.INTER_LINEAR, borderMode=border)
    filled = network.input
    np.multiply(crop, np.float32(values[0]), out=filled[0])
    if values[1]:
        filled += np.float32(values[1])


def _around(points: np.ndarray) -> _Region:
    """The region of a face whose landmarks (478, 3) are known."""
    places = points[:, :2].T.copy()
    left, top = np.minimum.reduce(places, 1).tolist()
    right, bottom = np.maximum.reduce(places, 1).tolist()
    side = _REGION * max(right - left, bottom - top)
    return _Region((left + right) / 2, (top + bottom) / 2, side, side, _angle(points[_EYES[0]], points[_EYES[1]]))


def _angle(left: np.ndarray, right: np.ndarray) -> float:
    """Of the line from the eye at the image's left to the one at its right, clockwise in radians."""
    across, down = (right[:2] - left[:2]).tolist()
    return math.atan2(down, across)


def _overlaps(middles: np.ndarray, sizes: np.ndarray, one: int) -> np.ndarray:
    """Intersection over union of all boxes with one of them."""
    least, most = middles - sizes / 2, middles + sizes / 2
    common = (np.minimum(most, most[one]) - np.maximum(least, least[one])).clip(0).prod(1)
    area = sizes.prod(1)
    return np.asarray(common / (area + area[one] - common))
