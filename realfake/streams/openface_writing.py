"""Writes streams as a table with OpenFace's columns where they mean the same, a row a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.config import StreamInfo
from realfake.config.trackers import tracker_info
from realfake.files import write_whole
from realfake.streams.stream import Extracted
from realfake.streams.tracker_formats import OPENFACE

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 4
"""Behind the point, in a CSV file."""


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
        values = found.values.reshape(len(found.values), -1).astype(np.float64)
        values[found.quality <= 0] = np.nan
        index = pd.Index(found.times_sec.astype(np.float64).round(6), name="timestamp")
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


def openface_text(table: pd.DataFrame) -> str:
    """A table as CSV."""
    return str(table.to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n"))


def write_openface_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV or, by the ending ``.parquet``, as Parquet; whole or not at all.

    Raises:
        DiskError: If there is no room.
    """
    write_whole(path, table.to_parquet(index=False) if path.suffix == ".parquet" else openface_text(table))
