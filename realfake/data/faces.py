"""Where faces are in one image, and the square crop around one, which is never squashed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from realfake.config import FaceConfig, HaarFace, NoFace, YunetFace
from realfake.data.face_choice import checked_weights, resolved_face
from realfake.errors import UserError

HAAR_FILE = "haarcascade_frontalface_alt2.xml"

_EYES_SIZE, _EYES_ROOM = 448, 1.6
"""Side in pixels of the picture in which YuNet looks for the eyes, and how many faces wide it is."""
_TURNS, _LEVEL_DEG = 5, 2.0
"""It is turned at most so often, until the line between the eyes falls by less than this."""


@dataclass(frozen=True)
class Box:
    """A face in pixels of the image; may reach beyond its edges."""

    x: float
    y: float
    width: float
    height: float
    score: float = 1.0
    """Confidence of the detector; comparable between boxes of one detector only."""
    roll_deg: float = 0.0
    """By how much the line between the eyes falls to the right, -180 to 180; 0 unless ``face.align``."""

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        common = max(0.0, wide) * max(0.0, high)
        return common / (self.area + other.area - common) if common else 0.0


class Detector(Protocol):
    """Finds faces in one image."""

    def detect(self, image: np.ndarray, least_px: float | None = None) -> list[Box]:
        """All faces in an image, the largest first.

        Args:
            image: uint8 (H, W, 3), RGB; reduced to ``face.detect_width`` if it is wider.
            least_px: Side of the smallest face; ``None`` = ``face.min_face``, of the image's shorter side.
        """
        ...


def build_detector(face: FaceConfig) -> Detector | None:
    """The detector of a configuration; ``None`` for ``face=none``, where the whole frame is the face.

    Raises:
        UserError: If the weights of ``yunet`` are missing or are not the expected file.
    """
    face = resolved_face(face)
    if isinstance(face, HaarFace):
        return HaarDetector(face)
    if isinstance(face, YunetFace):
        return YunetDetector(face)
    return None


class HaarDetector:
    """OpenCV's ``haarcascade_frontalface_alt2`` (Lienhart and Maydt 2002) on the equalised grey image."""

    def __init__(self, face: HaarFace) -> None:
        self.face = face
        self.cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / HAAR_FILE))

    def detect(self, image: np.ndarray, least_px: float | None = None) -> list[Box]:
        """All faces, the largest first."""
        grey, scale = reduce(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), self.face.detect_width)
        least = round(scale * least_px) if least_px else round(self.face.min_face * min(grey.shape))
        found = self.cascade.detectMultiScale(
            cv2.equalizeHist(grey), scaleFactor=1.1, minNeighbors=3, minSize=(max(20, least), max(20, least))
        )
        return _largest_first([Box(*(float(v) / scale for v in box)) for box in found])


class YunetDetector:
    """OpenCV's ``FaceDetectorYN`` (Wu et al. 2023), which gives the eyes as well."""

    def __init__(self, face: YunetFace) -> None:
        self.face = face
        path = checked_weights(face)
        try:
            self.network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), score_threshold=face.score)
        except cv2.error as error:
            raise UserError(f"face.weights={path}: OpenCV cannot load it ({error.err or error})") from None

    def detect(self, image: np.ndarray, least_px: float | None = None) -> list[Box]:
        """All faces, the largest first."""
        small, scale = reduce(image, self.face.detect_width)
        boxes = [
            Box(row[0] / scale, row[1] / scale, row[2] / scale, row[3] / scale, row[-1]) for row in self._rows(small)
        ]
        least = least_px or self.face.min_face * min(image.shape[:2])
        boxes = _largest_first([b for b in boxes if min(b.width, b.height) >= least])
        return [replace(b, roll_deg=self._roll_deg(image, b)) for b in boxes] if self.face.align else boxes

    def _rows(self, image: np.ndarray) -> list[list[float]]:
        """Box, x and y of right eye, left eye, nose, and corners of the mouth, and score of each face."""
        self.network.setInputSize((image.shape[1], image.shape[0]))
        _, found = self.network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return [] if found is None else found.tolist()

    def _roll_deg(self, image: np.ndarray, box: Box) -> float:
        """Direction of the left eye seen from the right one.

        Of a small face the network draws the eyes level, however it is tilted, and of a large one it tells three
        quarters of the tilt. So the face is enlarged and turned by what is known until the eyes are level.
        """
        roll = 0.0
        for _ in range(_TURNS):
            side = _EYES_ROOM * max(box.width, box.height)
            rows = self._rows(_turned(image, replace(box, roll_deg=roll), side, _EYES_SIZE))
            if not rows:
                break
            right_x, right_y, left_x, left_y = max(rows, key=lambda row: row[2] * row[3])[4:8]
            rest = math.degrees(math.atan2(left_y - right_y, left_x - right_x))
            roll += rest
            if abs(rest) < _LEVEL_DEG:
                break
        return roll


def too_small(detector: Detector, face: FaceConfig, images: Sequence[np.ndarray]) -> str:
    """Why no face was found in pictures, if there are smaller ones than are looked for; else nothing.

    Args:
        detector: That found no face.
        face: Its settings.
        images: uint8 (H, W, 3), RGB, some of those that it looked at.

    Returns:
        The end of a sentence that begins with "no face found".
    """
    if isinstance(face, NoFace):
        return ""
    found = [(box, min(image.shape[:2])) for image in images for box in detector.detect(image, least_px=1.0)]
    if not found:
        return ""
    box, shorter = max(found, key=lambda pair: min(pair[0].width, pair[0].height) / pair[1])
    side = min(box.width, box.height)
    part = side / shorter
    if part >= face.min_face:  # by chance: it was not there in the looks
        return ""
    fitting = max(0.001, np.floor(900.0 * part) / 1000.0)
    return (
        f"; what looks like a face is {side:.0f} pixels wide, {part:.3f} of the picture's shorter side, and "
        f"face.min_face={face.min_face:g} leaves it out: face.min_face={fitting:g} takes it in"
    )


def reduce(image: np.ndarray, width: int) -> tuple[np.ndarray, float]:
    """``image`` reduced to ``width`` pixels if it is wider, and the factor."""
    height, wide = image.shape[:2]
    if wide <= width:
        return image, 1.0
    scale = width / wide
    return cv2.resize(image, (width, max(1, round(height * scale))), interpolation=cv2.INTER_AREA), scale


def _largest_first(boxes: list[Box]) -> list[Box]:
    return sorted(boxes, key=lambda b: (-b.area, b.x, b.y))


def whole(image: np.ndarray) -> Box:
    """The largest centred square of an image, which is the face of ``face=none``."""
    height, width = image.shape[:2]
    side = min(height, width)
    return Box((width - side) / 2, (height - side) / 2, side, side)


def squared(box: Box) -> Box:
    """The square around the middle of a box whose side is the longer one of the box."""
    side = max(box.width, box.height)
    return replace(box, x=box.x + (box.width - side) / 2, y=box.y + (box.height - side) / 2, width=side, height=side)


def crop(image: np.ndarray, box: Box, face: FaceConfig, size: int) -> np.ndarray:
    """The square around a face.

    Its side is the longer one of the box plus the margin on each side; beyond the image's edge, the border is
    repeated, so that the face is neither squashed nor moved. It is turned about its middle by the box's roll.

    Args:
        image: uint8 (H, W, 3).
        box: The face, in pixels of the image.
        face: For the margin.
        size: Side of the result in pixels.

    Returns:
        uint8 (size, size, 3).
    """
    margin = 0.0 if isinstance(face, NoFace) else face.margin
    side = max(box.width, box.height) * (1.0 + 2.0 * margin)
    if box.roll_deg:
        return _turned(image, box, side, size)
    left, top = box.x + (box.width - side) / 2, box.y + (box.height - side) / 2
    if side <= size:
        # Enlarging, whole pixels would make the face jump from frame to frame.
        scale = size / side
        shift = scale * (0.5 - np.array([left, top])) - 0.5
        matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
        return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    x, y, n = round(left), round(top), max(1, round(side))
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + n), min(height, y + n)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f"box {box}: outside of the image of {width} × {height} pixels")
    square = image[y0:y1, x0:x1]
    if square.shape[:2] != (n, n):
        square = cv2.copyMakeBorder(square, y0 - y, y + n - y1, x0 - x, x + n - x1, cv2.BORDER_REPLICATE)
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)


def _turned(image: np.ndarray, box: Box, side: float, size: int) -> np.ndarray:
    """The square of a side around a box, turned so that the eyes are level: uint8 (size, size, 3)."""
    # Turning looks at a few pixels only, so that a larger square is turned at its own size and then reduced by areas.
    between = max(size, round(side))
    middle = box.x + box.width / 2 - 0.5, box.y + box.height / 2 - 0.5
    matrix: np.ndarray = cv2.getRotationMatrix2D(middle, box.roll_deg, between / side)
    matrix[:, 2] += (between - 1) / 2 - np.array(middle)
    square = cv2.warpAffine(image, matrix, (between, between), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return square if between == size else cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
