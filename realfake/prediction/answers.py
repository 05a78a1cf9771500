"""What prediction knows of an input while it works, and what is needed to draw or explain the result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realfake.data.faces import Box
from realfake.prediction.film import Film
from realfake.prediction.predicted import Failure, Prediction
from realfake.streams.stream import StreamSet, StreamValues, take


@dataclass(frozen=True)
class Samples:
    """The samples that labels stand on."""

    streams: StreamSet
    times: np.ndarray
    """(N, T) moments in seconds."""
    spans: np.ndarray
    """(N, 2) start and end in seconds."""

    def values(self, rows: slice) -> dict[str, StreamValues]:
        """Some of them as a network takes them."""
        return take(self.streams, np.zeros(len(self.times[rows]), np.int64), self.times[rows], self.spans[rows])


@dataclass(frozen=True)
class Seen:
    """A picture whose faces were found."""

    path: Path | None
    width: int
    height: int
    boxes: list[Box]
    jpegs: list[bytes]
    picture: np.ndarray | None
    """The picture itself, scaled to be drawn on, if it is wanted."""


@dataclass(frozen=True)
class Answer:
    """What became of an input, and what is needed to draw or explain it."""

    item: Prediction | Failure
    picture: np.ndarray | None = None
    """RGB (H, W, 3) uint8 of an image, scaled to be drawn on, if it was asked for."""
    film: Film | None = None
    """Frames of a video, if they were asked for."""
    samples: Samples | None = None
    """What the labels stand on."""


def numbered(streams: StreamSet, numbers: range) -> Samples:
    """Pictures by their numbers, a sample each."""
    times = np.array(numbers, np.float64)[:, None]
    return Samples(streams, times, np.repeat(times, 2, axis=1))
