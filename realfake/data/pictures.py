"""One frame: its moment, and its picture as it is shown, upright, with square pixels, in the size of the video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

Matrix = tuple[int, int, int, int]
"""The part (a, b, c, d) of a display matrix that turns and mirrors."""

_SAME_SHAPE = 0.02
"""Relative difference of two ratios of width to height up to which a picture is scaled without borders."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file tells about itself."""

    fps: float
    """Mean frames per second; of images and arrays, the rate that was assumed."""
    frames: int
    duration_sec: float
    """From the appearance of the first frame to the end of the last."""
    width: int
    """As shown: upright, and with square pixels; of a video whose frames differ in size, that of the first."""
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

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._image.shape[:2]

    def part(self, left: int, top: int, right: int, bottom: int) -> tuple[np.ndarray, int, int]:
        """A part of the picture that holds a rectangle: uint8 (h, w, 3), RGB, and its first column and row.

        Args:
            left: First column of the rectangle.
            top: First row.
            right: The column after its last one.
            bottom: The row after its last one.
        """
        return self.image, 0, 0

    def reduced(self, width: int, height: int) -> np.ndarray:
        """The frame at a smaller size in pixels, uint8 (height, width, 3), RGB."""
        import cv2

        return cv2.resize(self.image, (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Placement:
    """How a decoded picture is shown: size with square pixels, then transposed, then mirrored."""

    width: int
    """With square pixels, before it is turned."""
    height: int
    transposed: bool
    left_right: bool
    upside_down: bool

    @classmethod
    def of(cls, decoded: VideoFrame, stream: VideoStream, matrices: dict[int, Matrix] | None = None) -> Placement:
        """By the pixels' aspect ratio and the display matrix (ISO/IEC 14496-12, 8.3.2), quarter turns and mirrors.

        Args:
            decoded: The picture.
            stream: It belongs to.
            matrices: Of the pictures of this stream before, by their rotation; added to. A picture whose matrix was
                looked at keeps its memory until the next garbage collection, so few are.
        """
        ratio = float(stream.sample_aspect_ratio or 1)
        width, height = max(1, round(decoded.width * ratio)), decoded.height
        matrices = {} if matrices is None else matrices
        if decoded.rotation not in matrices:
            found: Any = decoded.side_data.get("DISPLAYMATRIX")
            a, b, _, c, d = np.frombuffer(bytes(found), "=i4", 5).tolist() if found is not None else (1, 0, 0, 0, 1)
            matrices[decoded.rotation] = a, b, c, d
        # A pixel at (p, q) is shown at (a p + c q, b p + d q).
        a, b, c, d = matrices[decoded.rotation]
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(width, height, True, c < 0, b < 0)
        return cls(width, height, False, a < 0, d < 0)

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height as shown, in pixels."""
        return (self.height, self.width) if self.transposed else (self.width, self.height)

    @property
    def mirrored(self) -> bool:
        """Whether it is more than a turn."""
        return (self.left_right != self.upside_down) != self.transposed

    def turned(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) as decoded → as shown."""
        if not (self.transposed or self.left_right or self.upside_down):
            return image
        if self.transposed:
            image = image.swapaxes(0, 1)
        if self.left_right:
            image = image[:, ::-1]
        return np.ascontiguousarray(image[::-1] if self.upside_down else image)


class Converters:
    """From the decoder's pictures to RGB, for frames that one thread converts."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, str | None] | None, VideoReformatter] = {}

    def rgb(self, decoded: VideoFrame, width: int, height: int, interpolation: str | None) -> np.ndarray:
        """A picture at a size in pixels, uint8 (height, width, 3)."""
        return self._rgb((width, height, interpolation), decoded, width, height, interpolation)

    def _rgb(self, key: Any, decoded: VideoFrame, width: int, height: int, interpolation: str | None) -> np.ndarray:
        from av.video.reformatter import VideoReformatter

        if key not in self._known:
            self._known[key] = VideoReformatter()
        converted = self._known[key].reformat(decoded, width, height, "rgb24", interpolation=interpolation)
        return converted.to_ndarray()

    def part(self, decoded: VideoFrame, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Some columns and rows of a picture of :data:`CONVERTED_BY_PARTS`, uint8 (rows, columns, 3)."""
        from av import VideoFrame

        some = VideoFrame(right - left, bottom - top, decoded.format.name)
        for k, (plane, own) in enumerate(zip(decoded.planes, some.planes, strict=True)):
            share = 2 if k else 1
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            into = np.frombuffer(own, np.uint8).reshape(-1, own.line_size)
            columns, high = slice(left // share, -(-right // share)), slice(top // share, -(-bottom // share))
            into[: own.height, : own.width] = rows[high, columns]
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            setattr(some, name, getattr(decoded, name))
        return self._rgb(None, some, some.width, some.height, None)


CONVERTED_BY_PARTS = ("yuv420p", "yuvj420p")
"""Formats of which a part is converted as it is within the whole: 8 bits, 2 × 2 pixels of one colour."""
_STEP = 64
"""Columns and rows in which parts begin and end, so that few sizes are met."""
_WORTH = 0.5
"""Share of the picture up to which a part alone takes less time than the whole."""


class DecodedFrame(Frame):
    """A frame of a video, converted to RGB at the size that is asked for.

    Args:
        time_sec: Counted from the first frame of the video.
        decoded: The decoder's picture.
        placement: How it is shown.
        size: Width and height of the video in pixels; a picture of another shape gets black borders.
        converters: Those of the video's other frames, so that each is not set up anew.
    """

    def __init__(
        self,
        time_sec: float,
        decoded: VideoFrame,
        placement: Placement,
        size: tuple[int, int],
        converters: Converters | None = None,
    ) -> None:
        self.time_sec = time_sec
        self._converters = Converters() if converters is None else converters
        self._decoded: VideoFrame | None = decoded
        self._placement, self._size = placement, size

    @property
    def image(self) -> np.ndarray:
        """uint8 (H, W, 3), RGB; the decoder's picture is given back for it."""
        if self._decoded is not None:
            self._image, self._decoded = self._convert(self._decoded, *self._size), None
        return self._image

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._size[1], self._size[0]

    def part(self, left: int, top: int, right: int, bottom: int) -> tuple[np.ndarray, int, int]:
        """As :meth:`Frame.part`, without converting much more than the rectangle; the decoder's picture is kept."""
        decoded, width, height = self._decoded, *self._size
        plain = Placement(width, height, False, False, False)
        if decoded is None or decoded.format.name not in CONVERTED_BY_PARTS or self._placement != plain:
            return super().part(left, top, right, bottom)
        left, top = (max(0, first) // _STEP * _STEP for first in (left, top))
        right, bottom = min(width, -(-right // _STEP) * _STEP), min(height, -(-bottom // _STEP) * _STEP)
        share = max(0, right - left) * max(0, bottom - top) / (width * height)
        if (decoded.width, decoded.height) != self._size or not 0 < share < _WORTH:
            return super().part(left, top, right, bottom)
        return self._converters.part(decoded, left, top, right, bottom), left, top

    @property
    def held_bytes(self) -> int:
        """About the memory that the decoder's picture takes."""
        return self._decoded.width * self._decoded.height * 3 // 2 if self._decoded is not None else 0

    def reduced(self, width: int, height: int) -> np.ndarray:
        """As :meth:`Frame.reduced`, without converting more pixels than are asked for."""
        if self._decoded is None:
            return super().reduced(width, height)
        return self._convert(self._decoded, width, height, "AREA")

    def _convert(self, decoded: VideoFrame, width: int, height: int, interpolation: str | None = None) -> np.ndarray:
        own_width, own_height = self._placement.shown
        scale = width / own_width, height / own_height
        inner = width, height
        if max(scale) > (1.0 + _SAME_SHAPE) * min(scale) and (own_width, own_height) != self._size:
            inner = max(1, round(min(scale) * own_width)), max(1, round(min(scale) * own_height))
        across, down = reversed(inner) if self._placement.transposed else inner
        picture = self._converters.rgb(decoded, across, down, interpolation)
        image = self._placement.turned(picture)
        if inner == (width, height):
            return image
        canvas = np.zeros((height, width, 3), np.uint8)
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        canvas[top : top + inner[1], left : left + inner[0]] = image
        return canvas
