"""Videos decoded by decord or torchcodec (``data.decoder``): the frames that PyAV gives, or a refusal.

PyAV tells which frames a file holds, when and how each is shown (:mod:`realfake.data.packets`); the library decodes
those that are wanted. Both libraries turn pictures by quarters, but neither mirrors them nor makes pixels square, which
is done here. Where their seeking is known to end at another frame than they say, it is not used or the file is refused.
"""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from realfake.config import Decoder
from realfake.data.packets import Index
from realfake.data.pictures import Frame, Placement
from realfake.errors import UserError, install

_CONTAINERS = ("mov", "matroska", "avi", "asf")
"""Kinds that were tried; in MPEG streams both miss the first frames, decord without telling."""
_TOLERANCE_SEC = 2e-3
"""Between a moment as PyAV and as another library tells it: float32 for hours of video."""


class _Refused(Exception):
    """Why a library does not give the frames that are wanted."""


def require_decoder(decoder: Decoder) -> None:
    """Raise ``UserError`` unless the decoder can be used on this machine."""
    if decoder == "pyav":
        return
    try:
        package = importlib.import_module(decoder)
    except ImportError:
        remedy = "pip install decord" if decoder == "decord" else install(decoder)
        raise UserError(f"data.decoder={decoder}: the package is not installed: {remedy}") from None
    if decoder == "torchcodec" and not package.ffmpeg_major_version:
        raise UserError(
            "data.decoder=torchcodec: FFmpeg is not installed; it needs its shared libraries, version 4 to 9"
        )


def decode_by(decoder: Decoder, path: Path, index: Index, wanted: np.ndarray) -> Iterator[Frame]:
    """Decode some frames with another library than PyAV.

    Args:
        decoder: Which.
        path: The video.
        index: Of it.
        wanted: (m,) which frames, rising.

    Raises:
        UserError: If it does not give these very frames; the reason does not name the file.
    """
    require_decoder(decoder)
    numbers = wanted.tolist()
    try:
        if index.packet_of is None:
            raise _Refused("it has no time stamps")
        if index.container not in _CONTAINERS:
            raise _Refused(f"it is not known to be exact in files of the kind {index.container}")
        frames = (_by_decord if decoder == "decord" else _by_torchcodec)(path, index, numbers)
        for number, (time_sec, image) in zip(numbers, frames, strict=True):
            if abs(time_sec - index.times_sec[number]) > _TOLERANCE_SEC:
                raise _Refused("it has other time stamps")
            yield Frame(float(index.times_sec[number]), _shown(image, index.placement))
    except MemoryError:
        raise
    except Exception as error:  # decord's own are plain ones; texts of both differ from one try to the next
        reason = str(error) if isinstance(error, _Refused) else "it does not decode"
        raise UserError(f"{decoder}: {reason}; give data.decoder=pyav (of predict: decoder=pyav)") from error


def _by_decord(path: Path, index: Index, numbers: list[int]) -> Iterator[tuple[float, np.ndarray]]:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    reader = decord.VideoReader(str(path), num_threads=1)
    _same_count(len(reader), index)
    times = reader.get_frame_timestamp(list(range(len(reader))))[:, 0]
    keys = sorted(reader.get_key_indices())
    turn = 0
    for number in numbers:
        # It would seek if a key frame was skipped, and take another frame for it where frame rates are uneven, or
        # frames are shown before the key frame that they follow in the file.
        for read in [*(key - 1 for key in keys[bisect_right(keys, turn) : bisect_right(keys, number)]), number]:
            if read > turn:
                reader.skip_frames(read - turn)
            image = reader.next()
            turn = read + 1
        yield float(times[number] - times[0]), image.asnumpy()


def _by_torchcodec(path: Path, index: Index, numbers: list[int]) -> Iterator[tuple[float, np.ndarray]]:
    from torchcodec.decoders import VideoDecoder

    reader = VideoDecoder(path, stream_index=index.stream, dimension_order="NHWC", num_ffmpeg_threads=1, device="cpu")
    _same_count(len(reader), index)
    start_sec = reader.metadata.begin_stream_seconds
    for number in numbers:
        frame = reader.get_frame_at(number)
        yield frame.pts_seconds - start_sec, frame.data.numpy()


def _same_count(count: int, index: Index) -> None:
    if count != len(index.times_sec):
        raise _Refused(f"it counts {count} frames of {len(index.times_sec)}")


def _shown(image: np.ndarray, placement: Placement) -> np.ndarray:
    """A picture that is turned by quarters → as shown."""
    import cv2

    if placement.mirrored:
        image = np.ascontiguousarray(image[:, ::-1] if placement.transposed else image[::-1])
    width, height = placement.shown
    if image.shape[1 if placement.transposed else 0] != placement.height or image.shape[2] != 3:
        raise _Refused("its frames are of another shape")
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image
