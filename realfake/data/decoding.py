"""From the packets of a video to the frames that are wanted, in the order of time, the same on every machine.

Decoders conceal damage, some of it without telling. What they make of it depends on which frames they were given and,
with several threads, on which thread is ahead. So one thread decodes, and frames are passed over only as long as
nothing at all is wrong; from the first sign of damage on, every frame of the file is decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.data.packets import Index, holds_frame, open_video, read_packets
from realfake.data.pictures import Converters, DecodedFrame, Frame, Matrix, Placement

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream

HELD_BYTES = 2**27
"""Frames of a damaged stream that came before their turn are held up to about this much memory."""

_REFERENCES_TOLD = ("h264", "hevc")
"""Codecs whose decoder knows which frames are not referred to."""
_TOLD_WITHIN = 20
"""Packets after a frame within which it is told that something which the frame refers to is damaged: a frame may refer
to one that is shown up to 16 frames later (ISO/IEC 14496-10, A.3.1)."""


class _Damaged(Exception):
    """Something is wrong with the stream."""


def decode(path: Path, index: Index, wanted: np.ndarray, remarks: list[str]) -> Iterator[Frame]:
    """Decode some frames.

    Args:
        path: The video.
        index: Of it.
        wanted: (m,) which frames, rising.
        remarks: Added to, if frames of another size are met.
    """
    numbers = wanted if index.packet_of is None else index.packet_of[wanted]
    times = dict(zip(numbers.tolist(), index.times_sec[wanted].tolist(), strict=True))
    order = list(times)
    done = 0
    sizes = _Sizes(index, remarks)
    frames = _attempt(path, index, times, sizes, whole=True)
    with closing(frames), suppress(_Damaged):
        for number, frame in _if_sound(frames):
            if number != order[done]:
                break
            done += 1
            yield frame
    if done < len(order):
        frames = _attempt(path, index, times, sizes, whole=False)
        with closing(frames):
            yield from in_order((f for f in frames if f is not None), order, done)


def _if_sound(frames: Iterable[tuple[int, DecodedFrame] | None]) -> Iterator[tuple[int, DecodedFrame]]:
    """Hold frames back until what they refer to is known to be sound; otherwise an exception comes first."""
    held: deque[tuple[int, tuple[int, DecodedFrame]]] = deque()
    packets = 0
    for item in frames:
        if item is None:
            packets += 1
        else:
            held.append((packets, item))
        while held and held[0][0] + _TOLD_WITHIN <= packets:
            yield held.popleft()[1]
    yield from (item for _, item in held)


class _Sizes:
    """Frames in the size of the first; others are told."""

    def __init__(self, index: Index, remarks: list[str]) -> None:
        self.size, self.remarks = (index.info.width, index.info.height), remarks
        self.told = False
        self._matrices: dict[int, Matrix] = {}
        self._converters = Converters()

    def place(self, decoded: VideoFrame, stream: VideoStream, time_sec: float) -> DecodedFrame:
        placement = Placement.of(decoded, stream, self._matrices)
        if placement.shown != self.size and not self.told:
            self.told = True
            (width, height), (own_width, own_height) = self.size, placement.shown
            self.remarks.append(
                f"frames of {own_width} × {own_height} pixels from {time_sec:.1f} s on are scaled to {width} × {height}"
            )
        return DecodedFrame(time_sec, decoded, placement, self.size, self._converters)


def in_order(
    frames: Iterable[tuple[int, DecodedFrame]], order: Sequence[int], first: int = 0, held_bytes: int = HELD_BYTES
) -> Iterator[Frame]:
    """Put frames into their order; one that comes after its turn is given up is left out.

    Args:
        frames: Each with its number, in any order.
        order: The numbers in their order.
        first: Place in ``order`` of the first that is still to come; earlier ones are left out.
        held_bytes: Memory up to which frames wait for one that is missing.
    """
    place = {number: i for i, number in enumerate(order)}
    held: dict[int, DecodedFrame] = {}
    size, turn = 0, first
    for number, frame in frames:
        if place[number] < turn or place[number] in held:
            continue
        held[place[number]] = frame
        size += frame.held_bytes
        if size > held_bytes:
            turn = min(held)
        while turn in held:
            size -= held[turn].held_bytes
            yield held.pop(turn)
            turn += 1
    for i in sorted(held):
        yield held[i]


def _attempt(
    path: Path, index: Index, times: dict[int, float], sizes: _Sizes, *, whole: bool
) -> Generator[tuple[int, DecodedFrame] | None]:
    """Decode the frames of these numbers as they come, and give ``None`` after each packet.

    Args:
        path: The video.
        index: Of it.
        times: Moment of each number.
        sizes: Frames are brought to.
        whole: Taken for undamaged: what no wanted frame needs is not decoded, and the first sign of damage is raised
            as :class:`_Damaged`.
    """
    import av
    from av.video.codeccontext import VideoCodecContext

    needed = needed_packets(index, times) if whole else np.ones(len(index.keys), bool)
    spare = whole and index.packet_of is not None and index.codec in _REFERENCES_TOLD
    with open_video(path) as container:
        stream = next(s for s in container.streams.video if s.index == index.stream)
        # What FFmpeg's own decoder makes of damaged VP8 depends on what lay in the memory before.
        context = stream.codec_context
        if index.codec == "vp8":
            context = VideoCodecContext.create("libvpx", "r")
        context.thread_type, context.thread_count = "NONE", 1
        if whole:
            context.options = {"err_detect": "explode"}
        sent = came = 0
        left = len(times)
        try:
            for packet in read_packets(container, stream):
                if packet.is_corrupt and whole:
                    raise _Damaged
                if holds_frame(packet):
                    number = sent
                    sent += 1
                    if number >= len(needed) or not needed[number]:
                        continue
                    if spare:
                        context.skip_frame = "DEFAULT" if number in times else "NONREF"
                    # A frame bears the stamp of its packet: the number tells which, where time stamps come twice.
                    packet.pts = number
                try:
                    frames = context.decode(packet)
                except av.error.FFmpegError:
                    if whole:
                        raise _Damaged from None
                    continue  # a damaged frame costs itself
                for frame in frames:
                    stamp = came if index.packet_of is None else frame.pts
                    came += 1
                    if frame.is_corrupt and whole:
                        raise _Damaged
                    if stamp is not None and stamp in times and not frame.is_corrupt:
                        left -= 1
                        yield stamp, sizes.place(frame, stream, times[stamp])
                yield None
                if not left:
                    if whole:
                        with suppress(av.error.EOFError):  # it gave all already
                            if any(frame.is_corrupt for frame in context.decode(None)):
                                raise _Damaged
                    return
        except av.error.FFmpegError:
            if whole:
                raise _Damaged from None


def needed_packets(index: Index, wanted: Iterable[int]) -> np.ndarray:
    """Which packets to decode: from the key frame before each wanted frame up to it, in the order of the file.

    Args:
        index: Of the video.
        wanted: Numbers of packets.

    Returns:
        (packets,) bool.
    """
    if index.packet_of is None:
        return np.ones(len(index.keys), bool)
    numbers = np.fromiter(wanted, np.int64)
    moment = np.full(len(index.keys), np.nan)
    moment[index.packet_of] = index.times_sec
    starts = np.unique(np.concatenate([[0], np.flatnonzero(index.keys)]))
    ends = np.append(starts[1:], len(index.keys))
    group = np.searchsorted(starts, numbers, side="right") - 1
    last = starts.copy()
    np.maximum.at(last, group, numbers + 1)
    # Frames that are shown before their group's key frame may refer to the group before.
    early = np.unique(group[moment[numbers] < moment[starts[group]]])
    early = early[early > 0]
    last[early - 1] = ends[early - 1]
    of_packet = np.searchsorted(starts, np.arange(len(index.keys)), side="right") - 1
    used = np.arange(len(index.keys)) < last[of_packet]
    # Without that group nothing refers to them, and they cannot be decoded.
    broken = np.append(False, last[:-1] < ends[:-1])
    used[broken[of_packet] & (moment < moment[starts[of_packet]])] = False
    return used
