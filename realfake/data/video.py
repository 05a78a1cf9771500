"""Frames of videos by time: what is wanted is decoded and converted, the rest is passed over as far as can be.

Every frame since a key frame may be needed to decode the next one, so that sparse reading is bound by decoding. Two
things are saved: frames that no other frame refers to are not decoded unless they are wanted, and what follows the last
wanted frame before a key frame is never given to the decoder. decord gives the same pixels; it takes as long for a few
frames of a long video, and longer for ten frames a second of 1080p at 100 fps (python -m benchmarks.preparation).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.data.sampling import nearest
from realfake.errors import UserError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MOST_PIXELS = 2**28
"""Larger frames are refused: one would take a gigabyte in memory."""

_REFERENCES_TOLD = ("h264", "hevc")
"""Codecs whose decoder knows which frames are not referred to."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file tells about itself."""

    fps: float
    """Mean frames per second; of images and arrays, the rate that was assumed."""
    frames: int
    duration_sec: float
    """From the appearance of the first frame to the end of the last."""
    width: int
    """As shown: after rotation, and with square pixels."""
    height: int


class Frame:
    """One frame and its moment.

    Args:
        time_sec: Counted from the first frame of the video.
        image: uint8 (H, W, 3), RGB.
    """

    def __init__(self, time_sec: float, image: np.ndarray) -> None:
        self.time_sec, self._image = time_sec, image

    @property
    def image(self) -> np.ndarray:
        """uint8 (H, W, 3), RGB."""
        return self._image

    def reduced(self, width: int, height: int) -> np.ndarray:
        """The frame at a smaller size in pixels, uint8 (height, width, 3), RGB."""
        import cv2

        return cv2.resize(self.image, (width, height), interpolation=cv2.INTER_AREA)


class _DecodedFrame(Frame):
    """A frame of a video, converted to RGB at the size that is asked for."""

    def __init__(self, time_sec: float, decoded: VideoFrame, stream: VideoStream) -> None:
        self.time_sec = time_sec
        self._decoded: VideoFrame | None = decoded
        self._shape = _shape(decoded, stream)

    @property
    def image(self) -> np.ndarray:
        """uint8 (H, W, 3), RGB; the decoder's picture is given back for it."""
        if self._decoded is not None:
            width, height, _ = self._shape
            self._image, self._decoded = self._convert(self._decoded, width, height), None
        return self._image

    def reduced(self, width: int, height: int) -> np.ndarray:
        """As :meth:`Frame.reduced`, without converting more pixels than are asked for."""
        if self._decoded is None:
            return super().reduced(width, height)
        if self._shape[2] % 2:
            width, height = height, width
        return self._convert(self._decoded, width, height, "AREA")

    def _convert(self, decoded: VideoFrame, width: int, height: int, interpolation: str | None = None) -> np.ndarray:
        turns = self._shape[2]
        image = decoded.reformat(width=width, height=height, format="rgb24", interpolation=interpolation).to_ndarray()
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


@dataclass(frozen=True)
class _Index:
    """All frames of a video, known without decoding them."""

    info: VideoInfo
    times_sec: np.ndarray
    """(n,) float64, in the order of appearance, the first is 0."""
    pts: list[int] | None
    """Time stamp of each; ``None`` if the file has none, so that frames have to be counted."""
    packets: list[tuple[int | None, bool]]
    """Time stamp and key flag in the order of the file."""
    codec: str


def probe(path: Path) -> VideoInfo:
    """What a video tells about itself, from its packets; headers are not believed.

    Raises:
        UserError: If it is no video that can be decoded; the reason does not name the file.
    """
    return _index(Path(path)).info


def read_video(
    path: Path, rate_fps: float, window: tuple[float, float] = (0.0, 1.0), threads: int = 0
) -> tuple[VideoInfo, Iterator[Frame]]:
    """Frames nearest to evenly spaced moments; those that are damaged are left out.

    Args:
        path: The video.
        rate_fps: Frames wanted per second of video; at least one is.
        window: Part of the duration that they are taken from, as fractions.
        threads: Of the decoder; 0 = as many as it likes. The frames do not depend on it.

    Returns:
        What the file tells, and the frames in the order of time.

    Raises:
        UserError: If it is no video that can be decoded, or has a single frame; the reason does not name the file.
    """
    info, frames = read_video_once(path, ((rate_fps, window),), threads)
    return info, (frame for frame, _ in frames)


def read_video_once(
    path: Path, wishes: Sequence[tuple[float, tuple[float, float]]], threads: int = 0
) -> tuple[VideoInfo, Iterator[tuple[Frame, tuple[bool, ...]]]]:
    """Frames for several purposes at the cost of decoding once.

    Args:
        path: The video.
        wishes: Rate and window of each purpose, as in :func:`read_video`.
        threads: Of the decoder; 0 = as many as it likes.

    Returns:
        What the file tells, and the frames in the order of time, each with the wishes that it belongs to.

    Raises:
        UserError: As :func:`read_video`.
    """
    index = _index(Path(path))
    if index.info.frames < 2:
        raise UserError("the video has only one frame")
    wanted = [wanted_frames(index.times_sec, index.info.duration_sec, rate, window) for rate, window in wishes]
    times = [set(index.times_sec[w].tolist()) for w in wanted]
    frames = _decode(Path(path), index, np.unique(np.concatenate(wanted)), threads)
    return index.info, ((frame, tuple(frame.time_sec in t for t in times)) for frame in frames)


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


def _open(path: Path) -> InputContainer:
    import av

    if not path.is_file():
        raise UserError("no such file")
    if path.stat().st_size == 0:
        raise UserError("the file is empty")
    try:
        return av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise UserError(f"no video that can be read ({error.strerror})") from None


def _index(path: Path) -> _Index:
    import av

    with _open(path) as container:
        if not container.streams.video:
            raise UserError("there is no video stream in it")
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_count = 1
        packets: list[tuple[int | None, bool]] = []
        first: VideoFrame | None = None
        try:
            for packet in container.demux(stream):
                if first is None:
                    with suppress(av.error.FFmpegError):
                        first = next(iter(packet.decode()), None)
                if packet.size and not packet.is_discard:
                    packets.append((packet.pts, packet.is_keyframe))
        except av.error.FFmpegError:
            pass  # a file cut short: what came before counts
        if first is None:
            raise UserError(f"no frame can be decoded ({len(packets)} frames announced)")
        unit = float(stream.time_base or 0) or 1.0 / 90_000
        told = float(stream.average_rate or stream.guessed_rate or 25)
        pts = sorted({p for p, _ in packets if p is not None})
        counted = not pts or any(p is None for p, _ in packets)
        if counted:
            times = np.arange(len(packets)) / told
        else:
            times = (np.array(pts, dtype=np.float64) - pts[0]) * unit
        fps = (len(times) - 1) / times[-1] if len(times) > 1 and times[-1] > 0 else told
        width, height, turns = _shape(first, stream)
        if turns % 2:
            width, height = height, width
        if width * height > MOST_PIXELS:
            raise UserError(f"frames of {width} × {height} pixels are too large: at most {MOST_PIXELS} pixels")
        info = VideoInfo(float(fps), len(times), float(times[-1] + 1.0 / fps), width, height)
        return _Index(info, times, None if counted else pts, packets, context.name)


def _decode(path: Path, index: _Index, wanted: np.ndarray, threads: int) -> Iterator[Frame]:
    import av

    places = {(int(i) if index.pts is None else index.pts[i]): float(index.times_sec[i]) for i in wanted}
    needed = iter(_needed_packets(index, set(places)))
    spare = index.pts is not None and index.codec in _REFERENCES_TOLD
    with _open(path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_type, context.thread_count = "AUTO", threads
        count, left = 0, len(places)
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard and not next(needed, True):
                    continue
                if spare and packet.size:
                    context.skip_frame = "DEFAULT" if packet.pts in places else "NONREF"
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    continue  # a damaged frame costs itself
                for frame in frames:
                    key = count if index.pts is None else frame.pts
                    count += 1
                    if key in places and not frame.is_corrupt:
                        left -= 1
                        yield _DecodedFrame(places[key], frame, stream)
                if not left:
                    return
        except av.error.FFmpegError:
            return


def _needed_packets(index: _Index, wanted: set[int]) -> list[bool]:
    """Which packets to decode: from the key frame before each wanted frame up to it, in the order of the file."""
    if index.pts is None:
        return [True] * len(index.packets)
    groups: list[list[int]] = [[]]
    for pts, key in index.packets:
        assert pts is not None
        if key:
            groups.append([])
        groups[-1].append(pts)
    used = [max((k + 1 for k, pts in enumerate(group) if pts in wanted), default=0) for group in groups]
    for i, group in enumerate(groups[1:], 1):
        # Frames that are shown before their group's key frame may refer to the group before.
        if any(pts in wanted and pts < group[0] for pts in group):
            used[i - 1] = len(groups[i - 1])
    return [k < count for count, group in zip(used, groups, strict=True) for k in range(len(group))]


def _shape(frame: VideoFrame, stream: VideoStream) -> tuple[int, int, int]:
    """Width and height with square pixels, before a number of quarter turns against the clock."""
    ratio = float(stream.sample_aspect_ratio or 1)
    return max(1, round(frame.width * ratio)), frame.height, round(frame.rotation / 90) % 4
