"""The canonical face of the published landmarker, and the pose of a head in front of a virtual camera."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from realfake.streams.derived import fit_similarity

CANONICAL = 468
"""Points of the canonical face; the landmarks after them are those of the irises."""
VERTICAL_FIELD_DEG = 63.0
"""Of the virtual camera, whose picture is the image; its centre is the image's."""

_VERTEX_FLOATS = 5
"""Three of position, two of texture."""


@dataclass(frozen=True)
class FaceGeometry:
    """What the published file says of the face's shape."""

    canonical: np.ndarray
    """(468, 3) float64 in centimetres: x to the person's left, y up, z towards the camera; the midline is at x = 0."""
    weights: np.ndarray
    """(468,) float64: how much a point tells of the head's pose."""

    @classmethod
    def read(cls, content: bytes) -> FaceGeometry:
        """From the metadata in the file, a message ``GeometryPipelineMetadata`` of Protocol Buffers.

        Raises:
            ValueError: If it is none with 468 points.
        """
        vertices: list[float] = []
        weights = np.zeros(CANONICAL)
        for field, value in _fields(content):
            if field == 1 and isinstance(value, bytes):
                vertices = [v for f, v in _fields(value) if f == 3 and isinstance(v, float)]
            elif field == 2 and isinstance(value, bytes):
                point = dict(_fields(value))
                weights[int(point[1])] = point[2]
        if len(vertices) != CANONICAL * _VERTEX_FLOATS:
            raise ValueError(f"expected {CANONICAL} points of a canonical face")
        return cls(np.array(vertices).reshape(-1, _VERTEX_FLOATS)[:, :3], weights)

    def pose(self, landmarks: np.ndarray, width: np.ndarray | int, height: np.ndarray | int) -> np.ndarray:
        """The transform from the canonical face to the one that a camera would see in this image.

        As MediaPipe's face geometry module does it: landmarks as points on the picture plane of a perspective camera,
        scaled to the canonical face's size (first as they are, then put into depth by that scale), put into depth, and
        fitted by weighted Procrustes.

        Args:
            landmarks: (..., 468 or more, 3) x, y in pixels of the image, z in the same scale, smaller = nearer.
            width: (...) of the image in pixels.
            height: (...) of the image in pixels.

        Returns:
            (..., 4, 4) float32: rotation, scale and translation in centimetres; x to the image's right, y up, z towards
            the camera, which stands at the origin.
        """
        plane = 2.0 * np.tan(np.deg2rad(VERTICAL_FIELD_DEG) / 2.0)
        aspect = np.asarray(width / np.asarray(height, np.float64))[..., None]
        size = (plane / np.asarray(height, np.float64))[..., None]
        middle = (landmarks[..., :CANONICAL, 2] * size).mean(-1, dtype=np.float64)[..., None]
        used = np.flatnonzero(self.weights)
        x, y, z = np.moveaxis((landmarks[..., used, :] * size[..., None]).astype(np.float64), -1, 0)
        x, y, z = x - 0.5 * plane * aspect, 0.5 * plane - y, z - middle
        # The first fit is one of the picture plane, since nothing is known of depth yet.
        placed, scale = np.stack([x, y, -z], -1), np.ones_like(middle)
        for _ in range(3):
            fit = fit_similarity(self.canonical[used], placed, self.weights[used])
            scale = scale * fit.scale[..., None]
            depth = (z + 1.0) / scale
            placed = np.stack([x * depth, y * depth, -depth], -1)
        found = np.zeros((*landmarks.shape[:-2], 4, 4), np.float32)
        found[..., :3, :3], found[..., :3, 3] = fit.scale[..., None, None] * fit.rotation, fit.translation
        found[..., 3, 3] = 1.0
        return found


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Fields of a message in the wire format of Protocol Buffers: number, and an integer, a float32, or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif key & 7 == 2:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        elif key & 7 == 5:
            yield key >> 3, struct.unpack_from("<f", message, at)[0]
            at += 4
        else:
            raise ValueError("not a message of the kinds that are expected")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("the message ends in the middle of a number")
