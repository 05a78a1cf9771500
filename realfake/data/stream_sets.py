"""The streams of a prepared dataset, or of one clip, as samples take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from realfake.config import BOX, PIXELS, DataConfig, FaceConfig, NoFace, SignalConfig, StreamInfo, signals_of
from realfake.data.clip_rows import computed_fault
from realfake.data.derived_streams import derived_streams
from realfake.data.media import Media, box_stream, spacing_sec
from realfake.data.samples import CropReader
from realfake.data.signal_store import prepare_signal
from realfake.data.store import CROP, PreparedStore, decode_crops
from realfake.data.stored_streams import StoredStream
from realfake.data.video import VideoInfo
from realfake.errors import UserError
from realfake.streams.derivation import derivation
from realfake.streams.stream import (
    Extracted,
    Gather,
    SampleSpec,
    Signal,
    StreamRows,
    StreamSet,
    StreamSpec,
    Translation,
)


class CropRows(StreamRows):
    """``pixels`` or ``box`` of a store; cheap to pickle, as the store is.

    Args:
        store: The prepared dataset.
        spec: Of the stream.
        reader: Gives decoded crops, if it is pixels.
    """

    def __init__(self, store: PreparedStore, spec: StreamSpec, reader: CropReader | None) -> None:
        self.store, self.spec, self.reader = store, spec, reader
        table = store.table
        self.first = table["first_crop"].to_numpy(np.int64)
        self.stored = table["stored"].to_numpy(np.int64)
        self.spacing_sec = spacing_sec(table["fps"].to_numpy(np.float64), store.settings["extraction"]["rate_fps"])
        self.quality = None

    def __reduce__(self) -> Any:
        return CropRows, (self.store, self.spec, self.reader)

    @property
    def times_sec(self) -> np.ndarray:  # type: ignore[override]
        """(crops,) moments."""
        return np.asarray(self.store.crops["time_sec"])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Crops, or boxes, by their rows."""
        if self.reader is not None:
            return self.reader.gather(rows)
        clips = np.searchsorted(self.first, rows, side="right") - 1
        width, height = (self.store.table[name].to_numpy()[clips] for name in ("width", "height"))
        return box_stream(self.store.crops[rows], width, height)


class SignalRows(StreamRows):
    """A stream that a signal has computed; cheap to pickle."""

    def __init__(self, stored: StoredStream, spec: StreamSpec, translation: Translation | None = None) -> None:
        self.source, self.translation = stored, translation
        self.spec = replace(spec, info=translation.own) if translation else spec
        self.stored = stored.counts
        self.first = np.cumsum(self.stored) - self.stored
        self.spacing_sec = np.array([self._spacing(i) for i in range(len(self.stored))])

    def __reduce__(self) -> Any:
        return SignalRows, (self.source, self.spec, self.translation)

    @cached_property
    def _rows(self) -> np.ndarray:
        return self.source.rows

    @property
    def times_sec(self) -> np.ndarray:  # type: ignore[override]
        """(rows,) moments."""
        return self._rows["time_sec"]

    @property
    def quality(self) -> np.ndarray:  # type: ignore[override]
        """(rows,); 0 = a gap."""
        return self._rows["quality"]

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Values by their rows."""
        values = np.ascontiguousarray(self._rows["values"][rows], np.float32)
        return self.translation(values) if self.translation else values

    def _spacing(self, clip: int) -> float:
        times = self._rows["time_sec"][self.first[clip] : self.first[clip] + self.stored[clip]]
        return usual_spacing(times)


class ValueReader:
    """Gives values of a stream that has one for each crop; cheap to pickle."""

    def __init__(self, stored: StoredStream) -> None:
        self.source = stored

    def __reduce__(self) -> Any:
        return ValueReader, (self.source,)

    @cached_property
    def _values(self) -> np.ndarray:
        return self.source.rows["values"]

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Values by the rows of their crops: (n,) → float32 (n, *shape)."""
        return np.ascontiguousarray(self._values[rows], np.float32)


def usual_spacing(times_sec: np.ndarray) -> float:
    """Median distance of moments (n,) in seconds; of a single one, any distance counts."""
    return float(np.median(np.diff(times_sec))) + 1e-6 if len(times_sec) > 1 else np.inf


def stream_set(
    store: PreparedStore,
    spec: SampleSpec,
    reader: CropReader | None = None,
    computed: dict[str, StoredStream] | None = None,
    translations: Mapping[str, Translation] | None = None,
) -> StreamSet:
    """The streams that a network takes.

    Args:
        store: The prepared dataset.
        spec: What the network takes.
        reader: Of the crops; ``None`` = the store's own.
        computed: Streams besides pixels and box, by their names: :func:`compute_streams`.
        translations: Of those that come from another tracker, by their names.
    """
    found: StreamSet = {}
    for stream in spec.streams:
        if stream.name == PIXELS.name:
            assert spec.pixels is not None
            found[stream.name] = CropRows(store, stream, reader or store.reader(spec.pixels.size))
        elif stream.name == BOX.name:
            found[stream.name] = CropRows(store, stream, None)
        else:
            translation = (translations or {}).get(stream.name)
            found[stream.name] = SignalRows((computed or {})[stream.name], stream, translation)
    return found


def compute_streams(
    store: PreparedStore, spec: SampleSpec, data: DataConfig, face: FaceConfig, signals: dict[str, SignalConfig]
) -> dict[str, StoredStream]:
    """Open or compute those streams of signals that a network takes, and what is derived, by their names.

    Raises:
        UserError: If one cannot be computed.
    """
    found: dict[str, StoredStream] = {}
    for options in signals_of(signals, spec.numbers).values():
        found |= prepare_signal(store, data, face, options)
    return found | derived_streams(store, spec.numbers, signals, found)


def clip_values(media: Media, infos: Iterable[StreamInfo], signals: Sequence[Signal]) -> dict[str, Extracted]:
    """Streams of numbers of one clip, by their names.

    Args:
        media: The clip.
        infos: Of the streams.
        signals: Those that give them, or what they are derived from.

    Raises:
        UserError: If one cannot be computed.
    """
    infos, rows = list(infos), media.rows
    bases: dict[str, Extracted] = {}
    if any(info.source == BOX.name for info in infos):
        boxes = box_stream(rows, media.info.width, media.info.height)
        bases[BOX.name] = Extracted(rows["time_sec"], boxes, np.ones(len(rows), np.float32))
    for signal in signals:
        wanted = [given for given in signal.infos() if any(given.name == info.source for info in infos)]
        if not wanted:
            continue
        computed = signal.extract(media)
        if fault := computed_fault(computed, signal.infos()):
            raise UserError(fault)
        for given in wanted:
            as_stored = computed[given.name].values.astype(given.dtype).astype(np.float32)
            bases[given.name] = computed[given.name]._replace(values=as_stored)
    found: dict[str, Extracted] = {}
    for info in infos:
        found[info.name] = bases[info.source]
        if info.rules:
            found[info.name] = derivation(info, signals)(bases[info.source])
            if fault := computed_fault(found, [info]):
                raise UserError(fault)
    return found


def clip_streams(
    media: Media,
    spec: SampleSpec,
    signals: Sequence[Signal],
    translations: Mapping[str, Translation] | None = None,
) -> StreamSet:
    """The streams that a network takes of one clip, which is number 0 in them.

    Args:
        media: The clip.
        spec: What the network takes, as these signals give it.
        signals: As of :func:`clip_values`.
        translations: As of :func:`stream_set`.

    Raises:
        UserError: If a stream cannot be computed.
    """
    rows, spacing = media.rows, float(spacing_sec(media.info.fps, media.data.rate_fps))
    values = clip_values(media, spec.numbers, signals)
    found: StreamSet = {}
    for stream in spec.streams:
        if stream.name == PIXELS.name:
            assert spec.pixels is not None
            reader = JpegReader(media.jpegs(), spec.pixels.size)
            found[stream.name] = _of_one(stream, rows["time_sec"], reader.gather, spacing)
        elif stream.name == BOX.name:
            found[stream.name] = _of_one(stream, rows["time_sec"], values[stream.name].values.__getitem__, spacing)
        else:
            taken, (times, numbers, quality) = stream, values[stream.name]
            if translation := (translations or {}).get(stream.name):
                taken, numbers = replace(stream, info=translation.own), translation(numbers)
            found[stream.name] = _of_one(taken, times, numbers.__getitem__, usual_spacing(times), quality)
    return found


def _of_one(
    stream: StreamSpec, times_sec: np.ndarray, gather: Gather, spacing: float, quality: np.ndarray | None = None
) -> StreamRows:
    times = np.ascontiguousarray(times_sec)
    return StreamRows(
        stream, times, np.zeros(1, np.int64), np.array([len(times)]), gather, np.array([spacing]), quality
    )


def pictures(jpegs: list[bytes], spec: SampleSpec, signals: Sequence[Signal], data: DataConfig) -> StreamSet:
    """Crops that belong to no clip, as one whose moments are their numbers; for streams that need crops alone."""
    from realfake.data.extraction import Crops  # which finds faces, too

    rows = np.zeros(len(jpegs), CROP)
    rows["time_sec"] = np.arange(len(jpegs))
    info = VideoInfo(fps=1.0, frames=len(jpegs), duration_sec=float(len(jpegs)), width=0, height=0)
    crops = Crops(info, jpegs, rows, np.zeros(len(rows), np.float32), looked=len(jpegs))
    return clip_streams(Media.of_crops(crops, None, data, NoFace(name="none")), spec, signals)


@dataclass(frozen=True)
class JpegReader:
    """Decodes crops that are held in memory as JPEG, as those of a store are."""

    jpegs: Sequence[bytes]
    size: int
    """Side of the result in pixels."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Crops by their number: (n,) → uint8 (n, size, size, 3), RGB."""
        return decode_crops([self.jpegs[i] for i in rows.tolist()], self.size)
