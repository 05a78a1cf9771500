"""What a stream is called, and what it holds: known before any data is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realfake.config.base import Strict


@dataclass(frozen=True)
class StreamInfo:
    """A stream, as it is known before any data is read."""

    name: str
    shape: tuple[int, ...]
    """Of one moment; of ``pixels`` empty, since networks choose the size."""
    words: str
    """What it is and how it is computed, in half a sentence."""
    components: tuple[str, ...] = ()
    """Names along the flattened shape; empty = numbers."""
    unit: str = ""
    dtype: Literal["float32", "float16"] = "float32"
    """In which values are stored; networks are given float32."""
    mirrored: tuple[tuple[int, float], ...] = ()
    """What a mirrored face has, for each component the one that takes its place and the factor; empty = the same."""
    windows: bool = False
    """Each value is of a window around its moment: before the first one and after the last one, these count."""
    points: Literal["", "canonical", "300-W"] = ""
    """Of points (p, 2 or 3) of a face: numbered as MediaPipe's canonical face, or as 300-W's 68; empty = none."""
    base: StreamInfo | None = None
    """The stream that it is derived from; ``None`` = it is no derived one."""
    rules: tuple[str, ...] = ()
    """By which it is derived, one after another: :mod:`realfake.config.derivations`."""
    of_clip: bool = False
    """A single value a clip, made of all of its moments, which stands at the middle one of them."""

    def __post_init__(self) -> None:
        """Points have a place in space and a partner each."""
        of_points = self.shape == (68, 2) if self.points == "300-W" else self.shape[1:] == (3,)
        if self.points and not (of_points and self.mirrored):
            raise ValueError(f"stream {self.name}: points={self.points}: expected (68, 2), or (p, 3), and mirrored")

    @property
    def source(self) -> str:
        """Name of the stream that something computes: of the base, or its own."""
        return self.base.name if self.base else self.name

    @property
    def size(self) -> int:
        """Numbers of a moment."""
        size = 1
        for side in self.shape:
            size *= side
        return size

    def names(self) -> tuple[str, ...]:
        """Of the components, one for each of :attr:`size`."""
        return self.components or tuple(map(str, range(self.size)))


PIXELS = StreamInfo("pixels", (), "face crops, uint8 RGB", unit="0 to 255")
BOX = StreamInfo(
    "box",
    (4,),
    "the face's path: middle of its box, from the middle of the picture, and its sides",
    ("x", "y", "width", "height"),
    "parts of the picture's width (x, width) and height (y, height)",
    mirrored=((0, -1.0), (1, 1.0), (2, 1.0), (3, 1.0)),
)
PREPARED = (PIXELS, BOX)
"""Streams of every prepared dataset; others come from signals."""


class SignalOptions(Strict):
    """Base of the options of a kind of signal, which gives one or more streams."""

    def infos(self) -> tuple[StreamInfo, ...]:
        """The streams that it gives."""
        raise NotImplementedError
