"""Streams of the published face landmarker: mesh, blendshapes, units and pose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from realfake.config import MediapipeSignal, StreamInfo, as_plain
from realfake.data.faces import Box
from realfake.data.pictures import Frame
from realfake.streams.blendshapes import units_of
from realfake.streams.landmark_geometry import FaceGeometry
from realfake.streams.landmarker import SHA256, FaceLandmarker, landmarker_file
from realfake.streams.stream import ClipMedia, Extracted

VERSION = 1
"""Of how values are computed."""


class Mediapipe:
    """The face of each frame, followed from the start of the prepared window; quality is the face's presence.

    Args:
        options: Weights and rate.

    Raises:
        UserError: If the weights are missing or others, or LiteRT is not installed.
    """

    def __init__(self, options: MediapipeSignal) -> None:
        self.options = options
        key = "signals.mediapipe.weights"
        self.landmarker = FaceLandmarker(landmarker_file(options.weights, key), key)

    def identity(self) -> dict[str, Any]:
        """The options, with the checksum of the weights for their place."""
        return {**as_plain(self.options), "weights": SHA256, "version": VERSION}

    def infos(self) -> tuple[StreamInfo, ...]:
        """``mesh``, ``blendshapes``, ``units``, ``pose``."""
        return self.options.infos()

    def canonical(self) -> FaceGeometry:
        """The face that the points are numbered as."""
        return self.landmarker.geometry

    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """What is seen of the face in each frame; a gap where none is seen."""
        pieces = list(self.pieces(media))
        columns = {name: zip(*(piece[name] for piece in pieces), strict=True) for name in pieces[0]}
        return {name: Extracted(*map(np.concatenate, parts)) for name, parts in columns.items()}

    def pieces(self, media: ClipMedia) -> Iterator[dict[str, Extracted]]:
        """The same, piece after piece."""
        rate = self.options.rate_fps
        times: list[float] = []
        boxes: list[Box] = []

        def frames() -> Iterator[tuple[Frame, Box]]:
            for frame, box in media.pictures(None if rate == "full" else rate):
                times.append(frame.time_sec)
                boxes.append(box)
                yield frame, box

        for seen in self.landmarker.pieces(frames()):
            values = {
                "mesh": mesh_of(seen.points, boxes),
                "blendshapes": seen.blendshapes,
                "units": units_of(seen.blendshapes),
                "pose": seen.pose,
            }
            moments = np.array(times, np.float32)
            times.clear()
            boxes.clear()
            yield {name: Extracted(moments, value, seen.presence) for name, value in values.items()}


def mesh_of(points: np.ndarray, boxes: list[Box]) -> np.ndarray:
    """Landmarks (n, p, 3) in pixels, from the middle of their boxes and in parts of the longer side, float32."""
    middles = np.array([(b.x + b.width / 2, b.y + b.height / 2, 0.0) for b in boxes]).reshape(-1, 1, 3)
    sides = np.array([max(b.width, b.height) for b in boxes]).reshape(-1, 1, 1)
    return ((points - middles) / sides).astype(np.float32)
