"""Files of the streams beside a prepared dataset: ``<stream>.npy``, ``counts.npy``, and ``stream.json`` at last."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realfake.config import StreamInfo
from realfake.data.clip_rows import as_rows, row_type
from realfake.files import open_whole, write_whole
from realfake.streams.stream import Extracted

STREAMS, MARK, COUNTS = "streams", "stream.json", "counts.npy"


@dataclass(frozen=True)
class StoredStream:
    """One stream of all clips of a store, memory-mapped."""

    info: StreamInfo
    folder: Path

    @property
    def rows(self) -> np.ndarray:
        """(rows,) with fields ``time_sec``, ``quality``, ``values``, one clip after another."""
        return np.load(self.folder / f"{self.info.name}.npy", mmap_mode="r")

    @property
    def counts(self) -> np.ndarray:
        """(clips of the store,) int64: rows of each clip; 0 = the stream could not be computed."""
        return np.load(self.folder / COUNTS)[self.info.name]

    @property
    def rounding(self) -> dict[str, float] | None:
        """Of values in 16 bits: ``largest`` and ``mean`` of :func:`realfake.data.signal_parts.rounding_of`."""
        found: dict[str, float] | None = (
            json.loads((self.folder / MARK).read_text()).get("rounding", {}).get(self.info.name)
        )
        return found

    def clips(self) -> Iterator[Extracted]:
        """What each clip of the store has of it; nothing at all of those where it could not be computed."""
        rows, counts = self.rows, self.counts
        for end, count in zip(np.cumsum(counts).tolist(), counts.tolist(), strict=True):
            own = rows[end - count : end]
            yield Extracted(own["time_sec"], own["values"], own["quality"])


def write_stream(folder: Path, info: StreamInfo, total: int, clips: Iterable[Extracted]) -> None:
    """Write the file of a stream.

    Args:
        folder: Of the stream.
        info: What it is.
        total: Moments of all clips together.
        clips: One after another, each in one piece or several.
    """
    dtype = row_type(info)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (total,)}
    with open_whole(folder / f"{info.name}.npy", total * dtype.itemsize) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for clip in clips:
            file.write(as_rows(clip, dtype).tobytes())


def mark_complete(folder: Path, counts: np.ndarray, mark: dict[str, Any]) -> None:
    """Write down how many moments each clip has, with a field a stream, and at last what the streams are."""
    content = io.BytesIO()
    np.save(content, counts)
    write_whole(folder / COUNTS, content.getvalue())
    write_whole(folder / MARK, json.dumps(mark, indent=2, ensure_ascii=False).encode() + b"\n")
