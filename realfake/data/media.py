"""One clip as signals see it: its frames with the face in them, and its face crops."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from realfake.config import DataConfig, FaceConfig
from realfake.data.extraction import Crops
from realfake.data.faces import Box, crop
from realfake.data.sources.listing import IMAGE_ENDINGS, split_ending
from realfake.data.stills import ARRAY_ENDING, read_frames
from realfake.data.store import PreparedStore, decode_crops
from realfake.data.video import Frame, VideoInfo
from realfake.errors import UserError
from realfake.streams.stream import EVERY

FINE = 4.0
"""Moments for each of a video's frames on average, so that none is passed over where they are close together."""


class Media:
    """See :class:`realfake.streams.stream.ClipMedia`.

    Args:
        path: Of the file; ``None`` for an array.
        info: What the file tells.
        rows: Moments and boxes of its crops, at least one.
        roll_deg: (n,) by how much each was turned.
        jpegs: Gives some of the crops.
        data: Window, rate and size of the crops, and the decoder.
        face: How crops are cut.
        array: Frames of an array, in the order of time.
    """

    def __init__(
        self,
        path: Path | None,
        info: VideoInfo,
        rows: np.ndarray,
        roll_deg: np.ndarray,
        jpegs: Callable[[slice], list[bytes]],
        data: DataConfig,
        face: FaceConfig,
        array: Callable[[], Iterator[Frame]] | None = None,
    ) -> None:
        self.path, self.info, self.rows, self.data, self.face_config = path, info, rows, data, face
        self.roll_deg, self._jpegs, self._array = roll_deg, jpegs, array

    @classmethod
    def of_store(cls, store: PreparedStore, row: int, path: Path, data: DataConfig, face: FaceConfig) -> Media:
        """A clip of a prepared dataset."""
        table = store.table
        names = ("fps", "frames", "duration_sec", "width", "height")
        info = VideoInfo(*(table[name].array[row].item() for name in names))
        rows, rolls = store.rows(row), store.roll_deg(row)
        return cls(path, info, rows, rolls, lambda some: store.jpegs(row, np.arange(len(rows))[some]), data, face)

    @classmethod
    def of_crops(
        cls,
        crops: Crops,
        path: Path | None,
        data: DataConfig,
        face: FaceConfig,
        array: Callable[[], Iterator[Frame]] | None = None,
    ) -> Media:
        """A clip whose crops were just made."""
        return cls(
            path, crops.info, crops.rows, crops.roll_deg, lambda some: list(crops.jpegs[some]), data, face, array
        )

    def jpegs(self, some: slice = EVERY) -> list[bytes]:
        """The face crops, or some of them, as they are stored."""
        return self._jpegs(some)

    def crops(self, size: int | None = None, some: slice = EVERY) -> np.ndarray:
        """The face crops, or some of them, uint8 (n, size, size, 3) RGB."""
        return decode_crops(self.jpegs(some), size or self.data.size)

    def frames(self, rate_fps: float | None = None) -> Iterator[tuple[float, np.ndarray, Box]]:
        """Frames of the prepared window in which the face is, with its box, turned as the crops are."""
        return ((frame.time_sec, frame.image, box) for frame, box in self.pictures(rate_fps))

    def pictures(self, rate_fps: float | None = None) -> Iterator[tuple[Frame, Box]]:
        """As :meth:`frames`, of which nothing is converted before it is asked for."""
        rolls = np.unwrap(self.roll_deg.astype(np.float64), period=360.0)
        times = self.rows["time_sec"].astype(np.float64).tolist()
        boxes = np.column_stack([box_columns(self.rows), rolls]).tolist()
        spacing = float(spacing_sec(self.info.fps, self.data.rate_fps))
        for frame in self._frames(rate_fps):
            after = bisect_left(times, frame.time_sec)
            near = range(max(0, after - 1), min(after + 1, len(times)))
            if min(abs(times[i] - frame.time_sec) for i in near) <= spacing:
                x, y, width, height, roll = _between(frame.time_sec, times, boxes, near)
                yield frame, Box(x, y, width, height, roll_deg=roll)

    def _frames(self, rate_fps: float | None) -> Iterator[Frame]:
        window = (self.data.window[0], self.data.window[1])
        if self._array is not None:
            yield from self._array()
            return
        if self.path is None:
            raise UserError("the file itself is needed")
        # Images and arrays count as taken at the rate of the crops.
        still = self.path.is_dir() or split_ending(self.path.name)[1] in (ARRAY_ENDING, *IMAGE_ENDINGS)
        rate = self.data.rate_fps if still else rate_fps or FINE * self.info.fps
        yield from read_frames(self.path, rate, window, self.data.decoder)[1]

    def face(self, image: np.ndarray, box: Box, size: int) -> np.ndarray:
        """The square around a face as crops are cut, uint8 (size, size, 3)."""
        return crop(image, box, self.face_config, size)


def _between(time_sec: float, times_sec: list[float], boxes: list[list[float]], near: range) -> list[float]:
    """The box at a moment, from those of the moments around it; before the first and after the last, theirs."""
    first, last = near[0], near[-1]
    if first == last or time_sec == times_sec[last]:
        return boxes[last]
    step, on = times_sec[last] - times_sec[first], time_sec - times_sec[first]
    return (
        boxes[last] if on > step else [(b - a) / step * on + a for a, b in zip(boxes[first], boxes[last], strict=True)]
    )


def box_columns(rows: np.ndarray) -> np.ndarray:
    """Boxes of crops in pixels, float64 (n, 4): x, y, width, height."""
    return np.stack([rows[name].astype(np.float64) for name in ("x", "y", "width", "height")], axis=1)


def box_stream(rows: np.ndarray, width: np.ndarray | int, height: np.ndarray | int) -> np.ndarray:
    """The stream ``box`` of crops, float32 (n, 4), see :data:`realfake.config.BOX`.

    Args:
        rows: (n,) of :data:`realfake.data.store.CROP`.
        width: Of the picture of each, in pixels.
        height: Of the picture of each, in pixels.
    """
    x, y, wide, high = box_columns(rows).T
    values = ((x + wide / 2) / width - 0.5, (y + high / 2) / height - 0.5, wide / width, high / height)
    return np.stack(values, axis=1).astype(np.float32)


def moments_a_second(times_sec: np.ndarray) -> float:
    """How many a second are usual, of the moments (n,) of clips one after the other; NaN if there is one a clip."""
    apart = np.diff(times_sec)
    return float(1.0 / np.median(apart[apart > 0])) if (apart > 0).any() else float("nan")


def spacing_sec(fps: np.ndarray | float, rate_fps: float) -> np.ndarray:
    """Usual distance of crops, in seconds, of videos with some rates of frames."""
    return np.maximum(1.0 / rate_fps, 1.0 / np.maximum(np.asarray(fps, np.float64), 1e-3)) + 1e-6
