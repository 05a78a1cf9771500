"""What a stream is, from a clip to a batch; ``pixels`` and every other one alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from realfake.config import PIXELS, InputSpec, StreamInfo

if TYPE_CHECKING:
    from torch import Tensor

    from realfake.data.faces import Box
    from realfake.data.pictures import Frame
    from realfake.data.video import VideoInfo
    from realfake.streams.landmark_geometry import FaceGeometry


EVERY = slice(None)


class StreamValues(NamedTuple):
    """One stream of the samples of a batch."""

    values: Tensor
    """(B, T, *shape): uint8 (B, T, S, S, 3) RGB of pixels, or float32 (B, T, F) where a frozen network has seen them
    before; float32 of others; what is not valid means nothing."""
    times_sec: Tensor
    """float32 (B, T): when in the clip each value was."""
    valid: Tensor
    """bool (B, T): whether there is a value; not in gaps, and not behind the end of a sample that is shorter."""


def as_pixels(frames: Tensor | np.ndarray) -> dict[str, StreamValues]:
    """Face crops uint8 (B, S, S, 3), or (B, T, S, S, 3), RGB as the streams of a batch; a second a frame."""
    import torch

    values = torch.as_tensor(frames)
    values = values if values.ndim == 5 else values[:, None]
    times = torch.arange(values.shape[1], device=values.device).expand(values.shape[:2])
    return {PIXELS.name: StreamValues(values, times.float(), torch.ones_like(times, dtype=torch.bool))}


class Extracted(NamedTuple):
    """One stream of a clip."""

    times_sec: np.ndarray
    """(n,) float32, rising."""
    values: np.ndarray
    """(n, *shape) float32."""
    quality: np.ndarray
    """(n,) float32: how far the values can be trusted, in the signal's own measure; 0 = a gap."""


class ClipMedia(Protocol):
    """What a signal can look at in one clip."""

    path: Path | None
    """Of the file; ``None`` for an array."""
    info: VideoInfo
    rows: np.ndarray
    """(n,) of :data:`realfake.data.store.CROP`: moments and boxes of the face crops."""

    def crops(self, size: int | None = None, some: slice = EVERY) -> np.ndarray:
        """Face crops, uint8 (n, size, size, 3) RGB; all those of a long clip do not fit into memory.

        Args:
            size: Side in pixels; ``None`` = as they are stored.
            some: Which of them.
        """
        ...

    def frames(self, rate_fps: float | None = None) -> Iterator[tuple[float, np.ndarray, Box]]:
        """Frames of the prepared window in which the face is: moment, uint8 (H, W, 3) RGB, box of the face with its
        roll, by which its crops are turned.

        Args:
            rate_fps: How many a second; ``None`` = all that the file has.
        """
        ...

    def pictures(self, rate_fps: float | None = None) -> Iterator[tuple[Frame, Box]]:
        """The same; of a picture no more is converted to RGB than is asked for."""
        ...

    def face(self, image: np.ndarray, box: Box, size: int) -> np.ndarray:
        """The square around a face as crops are cut and turned, uint8 (size, size, 3)."""
        ...


class Signal(Protocol):
    """A kind of signal: computes one or more streams of a clip."""

    def identity(self) -> dict[str, Any]:
        """All that shapes the values, wherever files lie: options, checksums of weights, a number of the formula."""
        ...

    def infos(self) -> tuple[StreamInfo, ...]:
        """The streams that it gives."""
        ...

    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """Compute the streams of a clip; raises :class:`UserError` if that cannot be."""
        ...


@runtime_checkable
class InPieces(Protocol):
    """A signal that need not hold what it computes of a clip: a long one takes no more memory than a short one."""

    def pieces(self, media: ClipMedia) -> Iterator[dict[str, Extracted]]:
        """What ``extract`` gives, piece after piece in the order of time."""
        ...


def pieces_of(signal: Signal, media: ClipMedia) -> Iterator[dict[str, Extracted]]:
    """The streams of a clip, piece after piece; all at once if the signal knows nothing of pieces."""
    return signal.pieces(media) if isinstance(signal, InPieces) else iter((signal.extract(media),))


@runtime_checkable
class ReadsFiles(Protocol):
    """A signal that reads files besides the videos, whose content shapes the values too."""

    def inputs(self, videos: Sequence[Path]) -> tuple[str, Sequence[str]]:
        """Digest of these files for all videos of a dataset, and remarks on them, a line each."""
        ...


@runtime_checkable
class Requires(Protocol):
    """A signal that needs more than the videos, which can be told before any work on them."""

    def require(self, videos: Sequence[Path]) -> str:
        """Why none of the videos has it, empty if one may; raises :class:`UserError` if none whatever can."""
        ...


@runtime_checkable
class OnDevice(Protocol):
    """A signal that may compute on a GPU, which one process has to itself."""

    def uses_gpu(self) -> bool:
        """Whether it does so here."""
        ...


@runtime_checkable
class KnowsCanonical(Protocol):
    """A signal with points of a face that are numbered as those of a canonical one, which it knows."""

    def infos(self) -> tuple[StreamInfo, ...]:
        """The streams that it gives."""
        ...

    def canonical(self) -> FaceGeometry:
        """The canonical face."""
        ...


@runtime_checkable
class OverClips(OnDevice, Protocol):
    """One that fills the device better with several short clips at once."""

    batch: int
    """Crops that it computes at once."""

    def extract_all(self, media: Sequence[ClipMedia]) -> list[dict[str, Extracted]]:
        """As :meth:`Signal.extract`, of each of several clips."""
        ...


@dataclass(frozen=True)
class StreamSpec:
    """What a network takes of one stream."""

    info: StreamInfo
    gather: Literal["moments", "interval"] = "moments"
    """The values nearest to the sample's moments, or all that the stream has from the first to the last of them."""

    @property
    def name(self) -> str:
        """Of the stream."""
        return self.info.name


@dataclass(frozen=True)
class SampleSpec:
    """What a network takes of a clip; preprocessing for train, validation, test, predict and export obeys it alone."""

    frames: int | None
    """Moments of a sample's window; ``None`` = a single frame."""
    stride_sec: float | None
    """Between two moments; ``None`` = spread evenly over the sampled window."""
    repeat_crops: bool
    """As :attr:`realfake.config.InputSpec.repeat_crops`."""
    pixels: InputSpec | None
    """How pixels are scaled and normalised; ``None`` = they are not looked at."""
    streams: tuple[StreamSpec, ...] = (StreamSpec(PIXELS),)
    neutral: int = 0
    """Moments of the clip's neutral beginning, which come before those of the window."""

    @classmethod
    def of_pixels(cls, spec: InputSpec) -> SampleSpec:
        """That of a network that looks at pixels alone."""
        return cls(spec.frames, spec.stride_sec, spec.repeat_crops, spec)

    def steps(self, info: StreamInfo) -> int:
        """Moments of a sample in a stream, where they do not differ from sample to sample."""
        return 1 if info.of_clip else self.moments

    @property
    def moments(self) -> int:
        """Of a sample, neutral ones included."""
        return self.neutral + (self.frames or 1)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the streams."""
        return tuple(stream.name for stream in self.streams)

    @property
    def pixels_alone(self) -> bool:
        """Whether the network takes a tensor of pixels, and not several streams by their names."""
        return self.names == (PIXELS.name,)

    @property
    def numbers(self) -> tuple[StreamInfo, ...]:
        """Streams besides pixels."""
        return tuple(stream.info for stream in self.streams if stream.name != PIXELS.name)


Gather = Callable[[np.ndarray], np.ndarray]
"""From rows (n,) of all clips' values to these, (n, *shape)."""


@dataclass(frozen=True)
class Translation:
    """From a stream of one tracker to that of another, which a network was trained on, by the names of components."""

    own: StreamInfo
    """What the network was trained on."""
    given: StreamInfo
    """What there is instead."""
    columns: tuple[int, ...]
    """For each number of ``own``, that of ``given`` that is called alike; -1 = none is."""
    fill: tuple[float, ...]
    """What stands for those without."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values (n, \\*shape of given) → float32 (n, \\*shape of own)."""
        columns = np.array(self.columns)
        found = np.where(columns >= 0, values.reshape(len(values), -1)[:, columns], np.array(self.fill))
        return found.reshape(len(values), *self.own.shape).astype(np.float32)


class StreamRows:
    """One stream of many clips, one clip after the other; what training reads and what prediction computes alike.

    Args:
        spec: What is taken of it.
        times_sec: (rows,) moments, rising within each clip.
        first: (clips,) row at which each clip begins.
        stored: (clips,) rows of each clip.
        gather: Gives values by their rows.
        quality: (rows,), 0 = a gap; ``None`` = there are none.
        spacing_sec: (clips,) usual distance of two values; one that is further from a moment by more than that is none
            of that moment's.
    """

    def __init__(
        self,
        spec: StreamSpec,
        times_sec: np.ndarray,
        first: np.ndarray,
        stored: np.ndarray,
        gather: Gather,
        spacing_sec: np.ndarray,
        quality: np.ndarray | None = None,
    ) -> None:
        self.spec, self.times_sec, self.first, self.stored = spec, times_sec, first, stored
        self.gather, self.spacing_sec, self.quality = gather, spacing_sec, quality

    def take(self, clips: np.ndarray, times: np.ndarray, span: np.ndarray) -> StreamValues:
        """The values of samples; of a stream with one value a clip this one, whatever part of the clip they are.

        Args:
            clips: (B,) rows of the first axis of ``first``.
            times: (B, T) moments in seconds.
            span: (B, 2) start and end of the sample in seconds.
        """
        import torch

        moments = self.spec.gather == "moments" and not self.spec.info.of_clip
        rows, valid = self.at(clips, times) if moments else self.within(clips, span)
        values = torch.from_numpy(self.gather(rows.reshape(-1))).unflatten(0, rows.shape)
        when = torch.from_numpy(np.asarray(self.times_sec[rows], np.float32))
        return StreamValues(values, when, torch.from_numpy(valid))

    def at(self, clips: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (B, T) nearest to moments, and whether they are near enough and no gap (B, T)."""
        from realfake.data.sampling import nearest_rows  # which imports this module

        # Of a clip without values, behind the last of all there may be no row to point to.
        first, stored = np.minimum(self.first[clips], len(self.times_sec) - 1), self.stored[clips]
        if self.spec.info.windows:
            earliest, latest = self.times_sec[first], self.times_sec[first + np.maximum(1, stored) - 1]
            times = np.clip(times, earliest[:, None], latest[:, None])
        rows = nearest_rows(self.times_sec, first, np.maximum(1, stored), times)
        near = np.abs(self.times_sec[rows] - times) <= self.spacing_sec[clips][:, None]
        return rows, self._sound(rows, near & (stored > 0)[:, None])

    def within(self, clips: np.ndarray, span: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (B, T) from start to end of samples, T that of the longest, and whether there is a value (B, T)."""
        if self.spec.info.of_clip:
            span = np.tile([-np.inf, np.inf], (len(span), 1))
        bounds = []
        for clip, (start, end) in zip(clips.tolist(), span, strict=True):
            low = int(self.first[clip])
            own = self.times_sec[low : low + int(self.stored[clip])]
            bounds.append((low + np.searchsorted(own, start - 1e-6), low + np.searchsorted(own, end + 1e-6, "right")))
        begin, after = np.array(bounds).T
        steps = np.arange(max(1, int((after - begin).max(initial=0))))
        rows = begin[:, None] + steps
        there = rows < after[:, None]
        return (rows := np.minimum(rows, len(self.times_sec) - 1)), self._sound(rows, there)

    def values_of(self, clips: np.ndarray) -> np.ndarray:
        """All values (n, *shape) of some clips that are no gaps."""
        spans = zip(self.first[clips].tolist(), self.stored[clips].tolist(), strict=True)
        rows = np.concatenate([np.arange(first, first + stored) for first, stored in spans])
        return self.gather(rows[self._sound(rows, np.ones(len(rows), bool))])

    def _sound(self, rows: np.ndarray, valid: np.ndarray) -> np.ndarray:
        return valid if self.quality is None else valid & (self.quality[rows] > 0)


StreamSet = dict[str, StreamRows]
"""The streams that a network takes, by their names."""


def take(streams: StreamSet, clips: np.ndarray, times: np.ndarray, span: np.ndarray) -> dict[str, StreamValues]:
    """The values of samples in each stream; arguments as of :meth:`StreamRows.take`."""
    return {name: rows.take(clips, times, span) for name, rows in streams.items()}
