"""What a video file holds, known from its packets without decoding more than one frame; headers are not believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.data.pictures import Placement, VideoInfo
from realfake.errors import UserError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

MOST_PIXELS = 2**28
"""Larger frames are refused: one would take a gigabyte in memory."""

_LEAP = 20.0
"""In a stream whose clock is not believed: steps longer than this many usual ones count as one."""
_LONGEST = 100.0
"""A clock is not believed if it makes the video this many times as long as usual steps between its frames do."""
_GAP_SEC, _GAP_STEPS = 1.0, 10.0
"""A time without frames is told if it is longer than this, in seconds and in usual steps."""
_SEARCHED = 1000
"""Packets among which a stream with more than one frame is looked for."""
_TOLD = 4
"""Moments that a remark names."""


@dataclass(frozen=True)
class Index:
    """All frames of a video, known without decoding them."""

    info: VideoInfo
    stream: int
    """Number of the stream in the file."""
    times_sec: np.ndarray
    """(n,) float64, in the order of appearance, the first is 0."""
    packet_of: np.ndarray | None
    """(n,) number of the packet of each; ``None`` if the file has no time stamps, so that frames have to be counted."""
    keys: np.ndarray
    """(packets,) which of them are key frames, in the order of the file."""
    codec: str
    container: str
    """First of FFmpeg's names for its kind: ``mov``, ``matroska``, ``avi``, …"""
    placement: Placement
    """How the first frame is shown."""
    remarks: tuple[str, ...]
    """What somebody should know about the times, a line each."""


def open_video(path: Path) -> InputContainer:
    """Open a file to read it.

    Raises:
        UserError: If it is no video; the reason does not name the file.
    """
    import av

    if not path.is_file():
        raise UserError("not a regular file" if path.exists() else "no such file")
    if path.stat().st_size == 0:
        raise UserError("the file is empty")
    try:
        return av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise UserError(f"no video that can be read ({error.strerror})") from None


def holds_frame(packet: Packet) -> bool:
    """Whether a packet counts: it is not empty, and shown."""
    return bool(packet.size) and not packet.is_discard


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Packets of a stream, up to where damage makes another one begin that PyAV does not know of."""
    with suppress(IndexError):
        yield from container.demux(stream)


def build_index(path: Path) -> Index:
    """Read all packets of a video.

    Raises:
        UserError: If it is no video that can be decoded; the reason does not name the file.
    """
    import av

    with open_video(path) as container:
        stream = _moving_picture(container, path)
        context: VideoCodecContext | None = stream.codec_context
        if context is None:
            raise UserError("no decoder for its video stream: it is damaged, or of a kind that FFmpeg does not read")
        context.thread_count = 1
        packets: list[tuple[int | None, int | None, bool]] = []
        first: VideoFrame | None = None
        try:
            for packet in read_packets(container, stream):
                if first is None:
                    with suppress(av.error.FFmpegError):
                        first = next(iter(packet.decode()), None)
                if holds_frame(packet):
                    packets.append((packet.pts, packet.dts, packet.is_keyframe))
        except av.error.FFmpegError:
            pass  # a file cut short: what came before counts
        if first is None:
            raise UserError(f"no frame can be decoded ({len(packets)} frames announced)")
        unit = float(stream.time_base or 0) or 1.0 / 90_000
        told = float(stream.average_rate or stream.guessed_rate or 25)
        times, packet_of, remarks = _moments(packets, unit, told)
        fps = (len(times) - 1) / times[-1] if len(times) > 1 and times[-1] > 0 else told
        placement = Placement.of(first, stream)
        width, height = placement.shown
        if width * height > MOST_PIXELS:
            raise UserError(f"frames of {width} × {height} pixels are too large: at most {MOST_PIXELS} pixels")
        info = VideoInfo(float(fps), len(times), float(times[-1] + 1.0 / fps), width, height)
        keys = np.array([key for _, _, key in packets], bool)
        kind = container.format.name.partition(",")[0]
        return Index(info, stream.index, times, packet_of, keys, context.name, kind, placement, remarks)


def _moving_picture(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is no cover picture, whether it is marked as one or has a single frame."""
    from av.error import FFmpegError
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        covers = len(container.streams.video)
        raise UserError(f"there is no video stream in it{', only a cover picture' if covers else ''}")
    if len(streams) == 1:
        return streams[0]
    count = dict.fromkeys((s.index for s in streams), 0)
    with open_video(path) as other, suppress(FFmpegError):
        for packet in islice(other.demux(video=list(range(len(other.streams.video)))), _SEARCHED):
            if packet.stream.index in count and holds_frame(packet):
                count[packet.stream.index] += 1
    return next((s for s in streams if count[s.index] > 1), streams[0])


def _moments(
    packets: list[tuple[int | None, int | None, bool]], unit: float, told_fps: float
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Times in the order of appearance, the packet of each, and what is to be said about them."""
    if not packets or any(pts is None for pts, _, _ in packets):
        return np.arange(len(packets)) / told_fps, None, ()
    shown = np.array([pts for pts, _, _ in packets], np.float64) * unit
    back = np.empty(0, np.int64)
    if all(dts is not None for _, dts, _ in packets):
        decoded = np.array([dts for _, dts, _ in packets], np.float64) * unit
        steady, back = steady_clock(decoded)
        shown += steady - decoded
    # Of two frames of one moment the first counts.
    times, packet_of = np.unique(np.round(shown / unit).astype(np.int64), return_index=True)
    times = (times - times[0]) * unit
    remarks = []
    if len(back):
        moments = _listed([f"{t:.1f}" for t in np.sort(shown[back] - shown.min())])
        remarks.append(f"its clock is set back at {moments} s: what follows is counted on from there")
    steps = np.diff(times)
    if len(steps) and times[-1] > _LONGEST * len(steps) * (usual := float(np.median(steps))):
        leaps = steps > _LEAP * usual
        moments = _listed([f"{t:.1f} s by {by:.1f} s" for t, by in zip(times[:-1][leaps], steps[leaps], strict=True)])
        remarks.append(f"its clock leaps at {moments}, which is not believed: what follows is counted on from there")
        steps[leaps] = usual
        times = np.concatenate([[0.0], np.cumsum(steps)])
    elif len(steps):
        gaps = np.flatnonzero(steps > max(_GAP_SEC, _GAP_STEPS * float(np.median(steps))))
        if len(gaps):
            parts = _listed([f"{times[i]:.1f}-{times[i + 1]:.1f}" for i in gaps])
            remarks.append(f"there are no frames in {parts} s")
    return times, packet_of, tuple(remarks)


def steady_clock(times_sec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times of decoding that never run back.

    A stream whose clock starts again (two recordings in one file) goes on at its usual step; a single time that does
    not fit between its neighbours is put between them. Times that rise are returned as they are, whatever their steps.

    Args:
        times_sec: (n,) in the order of the file.

    Returns:
        The times, and the places (m,) at which the clock was set back.
    """
    steps = np.diff(times_sec)
    if not (steps < 0).any():
        return times_sec, np.empty(0, np.int64)
    times = times_sec.copy()
    for n in range(1, len(times) - 1):
        if times[n - 1] <= times[n + 1] and not times[n - 1] <= times[n] <= times[n + 1]:
            times[n] = (times[n - 1] + times[n + 1]) / 2
    steps = np.diff(times)
    rising = steps[steps > 0]
    usual = float(np.median(rising)) if len(rising) else 0.0
    back = np.flatnonzero(steps < 0)
    # A clock that is set back is not believed in its leaps either: one may be the way there.
    steps[(steps < 0) | ((steps > _LEAP * usual) & bool(len(back)))] = usual
    return times[0] + np.concatenate([[0.0], np.cumsum(steps)]), back + 1


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:_TOLD]) + (", …" if len(parts) > _TOLD else "")
