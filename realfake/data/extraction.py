"""From one file to its face crops: what prepares a dataset and what predicts a single file both call this."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import simplejpeg

from realfake.config import DataConfig, FaceConfig, NoFace
from realfake.data.faces import Box, Detector, crop, too_small, whole
from realfake.data.locating import Located, Memory, locate
from realfake.data.stills import read_frames
from realfake.data.store import CROP
from realfake.data.temporary import JpegFile
from realfake.data.video import Frame, Frames, VideoInfo
from realfake.errors import UserError

SEGMENT_BYTES = 2**28
"""Decoded frames that are held at once. A longer clip is worked on in segments, one track following the other."""

_SEARCHED = 8
"""Frames without a face in which smaller faces are looked for, to say why there is none."""
_TOLD = 4
"""Moments that a remark names."""


@dataclass(frozen=True)
class Crops:
    """The face crops of one file."""

    info: VideoInfo
    jpegs: Sequence[bytes]
    rows: np.ndarray
    """(n,) of :data:`realfake.data.store.CROP`: time, box, and whether the detector ran and found the face there."""
    roll_deg: np.ndarray
    """(n,) float32: the roll of each box, by which its crop was turned; 0 unless ``face.align``."""
    looked: int
    """Frames that the detector looked at."""
    remarks: tuple[str, ...] = ()
    """What somebody should look at before trusting the crops, a line each."""

    @property
    def found(self) -> int:
        """Frames in which it found the face."""
        return int(self.rows["detected"].sum())


def extract_crops(
    path: Path | str, data: DataConfig, face: FaceConfig, detector: Detector | None, folder: Path | None = None
) -> Crops:
    """Find the face through a file and crop it.

    Args:
        path: A video, image, folder of images, or array.
        data: Window, rate, size and quality of the crops, and the decoder.
        face: Detection settings.
        detector: Of :func:`realfake.data.faces.build_detector`.
        folder: Where crops lie, in a file without a name, once they are many; ``None`` = that of the system.

    Raises:
        UserError: If the file cannot be read, or no face is in it; the reason does not name the file.
        DiskError: If there is no room for the crops.
    """
    info, frames = read_frames(Path(path), data.rate_fps, (data.window[0], data.window[1]), data.decoder)
    return crop_frames(info, frames, data, face, detector, folder)


def crop_frames(
    info: VideoInfo,
    frames: Frames[Frame],
    data: DataConfig,
    face: FaceConfig,
    detector: Detector | None,
    folder: Path | None = None,
) -> Crops:
    """Find the face through frames and crop it; otherwise as :func:`extract_crops`.

    Args:
        info: Of the video that the frames belong to.
        frames: Those of the window, at the rate of the crops; their remarks become those of the crops.
        data: Size and quality of the crops.
        face: Detection settings.
        detector: Of :func:`realfake.data.faces.build_detector`.
        folder: As in :func:`extract_crops`.
    """
    jpegs = JpegFile(folder)
    rows: list[np.ndarray] = []
    rolls: list[float] = []
    looked = seen = 0
    previous: Memory | None = None
    changes: list[float] = []
    others: list[tuple[float, float]] = []
    unseen: list[Frame] = []
    waiting: list[Frame] = []

    def add(known: Iterable[tuple[Frame, Box, bool, bool]]) -> None:
        for frame, box, present, detected in known:
            if present:
                jpeg = encode_crop(frame.image, box, data, face)
                jpegs.append(jpeg)
                row = (frame.time_sec, box.x, box.y, box.width, box.height, detected, 0, len(jpeg))
                rows.append(np.array(row, CROP))
                rolls.append(box.roll_deg)

    for new, final in _segments(frames):
        seen += len(new)
        segment = [*waiting, *new]
        if isinstance(face, NoFace) or detector is None:
            every = np.ones(len(segment), bool)
            boxes = [whole(frame.image) for frame in segment]
            found = Located(boxes, every, every, len(segment), None, len(segment))
        else:
            found = locate(segment, detector, face.detect_every_sec, previous)
        decided = len(segment) if final else found.decided
        waiting = segment[decided:]
        if sum(frame.image.nbytes for frame in waiting) > SEGMENT_BYTES:
            decided, waiting = len(segment), []
        previous = found.memory
        looked += found.looks
        changes += found.changes_sec
        others += found.others_sec
        if found.boxes is None:
            unseen = segment
            continue
        add(islice(zip(segment, found.boxes, found.present, found.detected, strict=True), decided))
        del new, segment  # before the next ones are decoded
    if not seen:
        raise UserError("no frame of the window can be decoded")
    if not jpegs:
        shown = [frame.image for frame in unseen[:: max(1, len(unseen) // _SEARCHED)]]
        why = too_small(detector, face, shown) if detector else ""
        raise UserError(f"no face found in {looked} frames that were looked at{why}")
    table = np.array(rows, dtype=CROP)
    table["offset"][1:] = np.cumsum(table["bytes"][:-1])
    return Crops(info, jpegs, table, np.array(rolls, np.float32), looked, (*frames.remarks, *_remarks(changes, others)))


def _remarks(changes: list[float], others: list[tuple[float, float]]) -> Iterator[str]:
    """What is doubtful about the face, in words."""
    if changes:
        moments = ", ".join(f"{t:.1f}" for t in changes[:_TOLD]) + (", …" if len(changes) > _TOLD else "")
        yield f"perhaps another person's face from {moments} s on: look at its crops"
    if others:
        parts = ", ".join(f"{a:.1f}-{b:.1f}" for a, b in others[:_TOLD]) + (", …" if len(others) > _TOLD else "")
        yield f"another face is alone in the picture ({parts} s), which was left out"


def encode_crop(image: np.ndarray, box: Box, data: DataConfig, face: FaceConfig) -> bytes:
    """The square around a face as JPEG, as every store holds it."""
    square = crop(image, box, face, data.size)
    jpeg: bytes = simplejpeg.encode_jpeg(square, quality=data.jpeg_quality, colorspace="RGB")
    return jpeg


def give_back_memory() -> None:
    """Let the system have the memory of what is not needed any more.

    The C library keeps it between pieces that are still in use, and over a long video these gaps grow to gigabytes.
    """
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # GNU's library alone has it
        trim(0)


def _segments(frames: Iterator[Frame]) -> Iterator[tuple[list[Frame], bool]]:
    """Frames in lists of limited size, and whether it is the last one."""
    segment: list[Frame] = []
    held = 0
    for frame in frames:
        if held >= SEGMENT_BYTES:
            full, segment, held = segment, [], 0
            yield full, False
            del full
            give_back_memory()
        segment.append(frame)
        held += frame.image.nbytes
    if segment:
        yield segment, True
