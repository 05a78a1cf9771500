"""From one file to its face crops: what prepares a dataset and what predicts a single file both call this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

from realfake.config import DataConfig, FaceConfig, NoFace
from realfake.data.faces import Box, Detector, crop, whole
from realfake.data.stills import read_frames
from realfake.data.store import CROP
from realfake.data.tracking import Located, Track, locate
from realfake.data.video import Frame, VideoInfo
from realfake.errors import UserError

SEGMENT_BYTES = 2**28
"""Decoded frames that are held at once. A longer clip is worked on in segments, one track following the other."""


@dataclass(frozen=True)
class Crops:
    """The face crops of one file."""

    info: VideoInfo
    jpegs: list[bytes]
    rows: np.ndarray
    """(n,) of :data:`realfake.data.store.CROP`: time, box, and whether the detector ran and found the face there."""
    looked: int
    """Frames that the detector looked at."""

    @property
    def found(self) -> int:
        """Frames in which it found the face."""
        return int(self.rows["detected"].sum())


def extract_crops(
    path: Path | str, data: DataConfig, face: FaceConfig, detector: Detector | None, *, threads: int = 0
) -> Crops:
    """Find the face through a file and crop it.

    Args:
        path: A video, image, folder of images, or array.
        data: Window, rate, size and quality of the crops.
        face: Detection settings.
        detector: Of :func:`realfake.data.faces.build_detector`.
        threads: Of the video decoder; 0 = as many as it likes. The result does not depend on it.

    Raises:
        UserError: If the file cannot be read, or no face is in it; the reason does not name the file.
    """
    info, frames = read_frames(Path(path), data.rate_fps, (data.window[0], data.window[1]), threads)
    return crop_frames(info, frames, data, face, detector)


def crop_frames(
    info: VideoInfo, frames: Iterator[Frame], data: DataConfig, face: FaceConfig, detector: Detector | None
) -> Crops:
    """Find the face through frames and crop it; otherwise as :func:`extract_crops`.

    Args:
        info: Of the video that the frames belong to.
        frames: Those of the window, at the rate of the crops.
        data: Size and quality of the crops.
        face: Detection settings.
        detector: Of :func:`realfake.data.faces.build_detector`.
    """
    jpegs: list[bytes] = []
    rows: list[np.ndarray] = []
    looked = seen = 0
    previous: Track | None = None
    for segment in _segments(frames):
        seen += len(segment)
        if isinstance(face, NoFace) or detector is None:
            every = np.ones(len(segment), bool)
            found = Located([whole(frame.image) for frame in segment], every, every, len(segment), None)
        else:
            found = locate(segment, detector, face.detect_every_sec, previous)
        previous = found.track
        looked += found.looks
        if found.boxes is None:
            continue
        for frame, box, present, detected in zip(segment, found.boxes, found.present, found.detected, strict=True):
            if present:
                jpegs.append(encode_crop(frame.image, box, data, face))
                row = (frame.time_sec, box.x, box.y, box.width, box.height, detected, 0, len(jpegs[-1]))
                rows.append(np.array(row, CROP))
    if not seen:
        raise UserError("no frame of the window can be decoded")
    if not jpegs:
        raise UserError(f"no face found in {looked} frames that were looked at")
    table = np.array(rows, dtype=CROP)
    table["offset"][1:] = np.cumsum(table["bytes"][:-1])
    return Crops(info, jpegs, table, looked)


def encode_crop(image: np.ndarray, box: Box, data: DataConfig, face: FaceConfig) -> bytes:
    """The square around a face as JPEG, as every store holds it."""
    square = crop(image, box, face, data.size)
    jpeg: bytes = simplejpeg.encode_jpeg(square, quality=data.jpeg_quality, colorspace="RGB")
    return jpeg


def _segments(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    segment: list[Frame] = []
    held = 0
    for frame in frames:
        segment.append(frame)
        held += frame.image.nbytes
        if held >= SEGMENT_BYTES:
            yield segment
            segment, held = [], 0
    if segment:
        yield segment
