"""Frames of videos by time: what is wanted is decoded and converted, the rest is passed over as far as can be.

Every frame since a key frame may be needed to decode the next one, so that sparse reading is bound by decoding. Two
things are saved, unless the file is damaged: frames that no other frame refers to are not decoded unless they are
wanted, and what follows the last wanted frame before a key frame is never given to the decoder. Other libraries give
the same frames (:mod:`realfake.data.decoders`) in other times (python -m benchmarks.decoders).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from realfake.config import Decoder
from realfake.data.decoders import decode_by
from realfake.data.decoding import decode
from realfake.data.packets import build_index
from realfake.data.pictures import Frame, VideoInfo
from realfake.data.sampling import nearest
from realfake.errors import UserError

T = TypeVar("T")


class Frames(Iterator[T]):
    """Frames as they are decoded, and remarks on the file, which are complete after the last one."""

    def __init__(self, frames: Iterator[T], remarks: list[str] | None = None) -> None:
        self._frames = frames
        self.remarks: list[str] = [] if remarks is None else remarks

    def __next__(self) -> T:
        return next(self._frames)


def read_video(
    path: Path,
    rate_fps: float,
    window: tuple[float, float] = (0.0, 1.0),
    decoder: Decoder = "pyav",
) -> tuple[VideoInfo, Frames[Frame]]:
    """Frames nearest to evenly spaced moments; those that are damaged are left out.

    Args:
        path: The video.
        rate_fps: Frames wanted per second of video; at least one is.
        window: Part of the duration that they are taken from, as fractions.
        decoder: Which library decodes; others than PyAV refuse, as frames are read, what they do not read exactly.

    Returns:
        What the file tells, and the frames in the order of time, with remarks on it.

    Raises:
        UserError: If it is no video that can be decoded, or has a single frame; the reason does not name the file.
    """
    info, frames = read_video_once(path, ((rate_fps, window),), decoder)
    return info, Frames((frame for frame, _ in frames), frames.remarks)


def read_video_once(
    path: Path, wishes: Sequence[tuple[float, tuple[float, float]]], decoder: Decoder = "pyav"
) -> tuple[VideoInfo, Frames[tuple[Frame, tuple[bool, ...]]]]:
    """Frames for several purposes at the cost of decoding once.

    Args:
        path: The video.
        wishes: Rate and window of each purpose, as in :func:`read_video`; the remarks speak of the first.
        decoder: As in :func:`read_video`.

    Returns:
        What the file tells, and the frames in the order of time, each with the wishes that it belongs to.

    Raises:
        UserError: As :func:`read_video`.
    """
    index = build_index(Path(path))
    if index.info.frames < 2:
        raise UserError("the video has only one frame")
    wanted = [wanted_frames(index.times_sec, index.info.duration_sec, rate, window) for rate, window in wishes]
    times = [set(index.times_sec[w].tolist()) for w in wanted]
    remarks = list(index.remarks)

    def frames() -> Iterator[tuple[Frame, tuple[bool, ...]]]:
        decoded = 0
        every = np.unique(np.concatenate(wanted))
        found = (
            decode(Path(path), index, every, remarks)
            if decoder == "pyav"
            else decode_by(decoder, Path(path), index, every)
        )
        for frame in found:
            belongs = tuple(frame.time_sec in t for t in times)
            decoded += belongs[0]
            yield frame, belongs
        if decoded < len(times[0]):
            remarks.append(f"{decoded} of {len(times[0])} frames decoded: the file is damaged")

    return index.info, Frames(frames(), remarks)


def wanted_frames(
    times_sec: np.ndarray, duration_sec: float, rate_fps: float, window: tuple[float, float]
) -> np.ndarray:
    """Which of the frames at ``times_sec`` are nearest to ``rate_fps`` moments a second of a window; at least one.

    A moment right between two frames gets the earlier one, whatever rounding says.

    Returns:
        (m,) int64, rising, without repetition.
    """
    start, end = window[0] * duration_sec, window[1] * duration_sec
    count = max(1, int(np.ceil((end - start) * rate_fps - 1e-6)))
    return np.unique(nearest(times_sec, start + np.arange(count) / rate_fps - 1e-6))
