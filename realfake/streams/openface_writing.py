"""Writes streams as a table with OpenFace's columns where they mean the same, a row a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from realfake.config import StreamInfo
from realfake.config.trackers import tracker_info
from realfake.files import open_whole
from realfake.streams.stream import Extracted
from realfake.streams.tracker_formats import OPENFACE

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 4
"""Behind the point, in a CSV file."""
_GROUP_ROWS = 4096
"""Of a Parquet file, which describes each group of rows for each column."""


def column_names(info: StreamInfo) -> list[str]:
    """Columns of a stream along its flattened shape: OpenFace's own, where it has such components in that unit."""
    columns = OPENFACE.streams.get(info.name)
    known = tracker_info(info.name, "OpenFace 2") if columns else None
    if columns is None or known is None or (known.components, known.unit) != (info.components, info.unit):
        return [f"{info.name}_{component}" for component in info.names()]
    return [columns.names[k] for k in columns.convert(np.arange(len(columns.names))[None]).ravel()]


def openface_table(streams: Mapping[str, Extracted], names: Mapping[str, Sequence[str]], fps: float) -> pd.DataFrame:
    """Streams side by side, a row a moment of any of them.

    Args:
        streams: Of one clip.
        names: Stream → its columns, see :func:`column_names`.
        fps: Frames a second, to number the rows.

    Returns:
        ``frame`` (from 1), ``face_id``, ``timestamp`` in seconds, ``confidence`` (the best of the streams there),
        ``success``, and the columns of all streams; empty where a stream has a gap or no such moment.
    """
    import pandas as pd

    parts, qualities = [], []
    for stream, found in streams.items():
        values = found.values.reshape(len(found.values), len(names[stream])).astype(np.float64)
        values[found.quality <= 0] = np.nan
        index = pd.Index(_moments(found), name="timestamp")
        parts.append(pd.DataFrame(values, columns=list(names[stream]), index=index))
        qualities.append(pd.Series(found.quality.astype(np.float64), index=index))
    table = pd.concat(parts, axis=1).sort_index()
    quality = pd.concat(qualities, axis=1).max(axis=1).reindex(table.index).fillna(0.0)
    head = {
        "frame": np.rint(table.index.to_numpy() * fps).astype(int) + OPENFACE.first_frame,
        "face_id": 0,
        "timestamp": table.index,
        "confidence": quality,
        "success": (quality > 0).astype(int),
    }
    return pd.concat([pd.DataFrame(head, index=table.index), table], axis=1).reset_index(drop=True)


def openface_text(table: pd.DataFrame, *, header: bool = True) -> str:
    """A table as CSV, with or without the line of its columns."""
    return str(table.to_csv(index=False, header=header, float_format=f"%.{_DIGITS}f", lineterminator="\n"))


def write_openface_table(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """Write a table as CSV or, by the ending ``.parquet``, as Parquet; whole or not at all.

    Args:
        path: Of the file.
        tables: Its parts, one below the other, with the same columns.

    Raises:
        DiskError: If there is no room.
    """
    with open_whole(path) as file:
        if path.suffix == ".parquet":
            _write_parquet(file, tables)
            return
        for number, table in enumerate(tables):
            file.write(openface_text(table, header=not number).encode())


def _write_parquet(file: BinaryIO, tables: Iterable[pd.DataFrame]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    with ExitStack() as stack:
        writer: ParquetWriter | None = None
        held: list[pa.Table] = []
        for table in tables:
            held.append(pa.Table.from_pandas(table, preserve_index=False))
            writer = writer or stack.enter_context(ParquetWriter(file, held[0].schema))
            if sum(map(len, held)) >= _GROUP_ROWS:
                writer.write_table(pa.concat_tables(held))
                held = []
        if writer and held:
            writer.write_table(pa.concat_tables(held))


def in_step(streams: Mapping[str, Iterable[Extracted]]) -> Iterator[dict[str, Extracted]]:
    """Streams of one clip, which come in pieces of their own, in pieces of the same span of time.

    Args:
        streams: The pieces of each in the order of time, none of them empty.
    """
    readers = {name: iter(pieces) for name, pieces in streams.items()}
    held: dict[str, Extracted] = {}
    while True:
        for name in [name for name in readers if name not in held or not len(held[name].times_sec)]:
            if piece := next(readers[name], None):
                held[name] = piece
            else:
                del readers[name]
        if not readers:
            return
        until = min(_moments(held[name])[-1] for name in readers)
        ends = {name: int(np.searchsorted(_moments(found), until, "right")) for name, found in held.items()}
        yield {name: Extracted(*(part[: ends[name]] for part in found)) for name, found in held.items()}
        held = {name: Extracted(*(part[ends[name] :] for part in found)) for name, found in held.items()}


def _moments(found: Extracted) -> np.ndarray:
    """(n,) float64 in seconds, by which rows of several streams are one."""
    return found.times_sec.astype(np.float64).round(6)
