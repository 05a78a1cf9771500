"""Streams of one clip as rows, gathered piece after piece: a long clip takes no more memory than a short one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from realfake.config import StreamInfo
from realfake.data.temporary import temporary_file
from realfake.errors import UserError
from realfake.files import disk_errors
from realfake.streams.stream import ClipMedia, Extracted, Signal, pieces_of

LARGEST = float(np.finfo(np.float16).max)
_READ_BYTES = 2**22
"""About as much of a stream is read at once."""


def row_type(info: StreamInfo, *, exact: bool = False) -> np.dtype:
    """Of a moment of a stream in a file: ``time_sec``, ``quality``, ``values``; ``exact``: in 32 bits, whatever of."""
    values = "<f4" if exact or info.dtype == "float32" else "<f2"
    return np.dtype([("time_sec", "<f4"), ("quality", "<f4"), ("values", values, info.shape)])


class ClipRows:
    """The rows of one stream of a clip.

    Args:
        info: The stream.
        folder: Where they lie once they are many.
    """

    def __init__(self, info: StreamInfo, folder: Path) -> None:
        self.info, self.folder = info, folder
        self._dtype = row_type(info, exact=True)
        self._file = temporary_file(self, folder)

    def add(self, found: Extracted) -> None:
        """Rows that follow those before.

        Raises:
            DiskError: If there is no room.
        """
        with disk_errors(self.folder):
            self._file.write(as_rows(found, self._dtype).tobytes())

    def read(self) -> Iterator[Extracted]:
        """All rows as the signal gave them, some at once."""
        self._file.seek(0)
        while content := self._file.read(rows_at_once(self._dtype) * self._dtype.itemsize):
            yield as_extracted(np.frombuffer(content, self._dtype))

    def copy(self, file: IO[bytes]) -> None:
        """Write all rows into another file, in 32 bits."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)


def rows_at_once(dtype: np.dtype) -> int:
    """How many rows are read at once."""
    return max(1, _READ_BYTES // dtype.itemsize)


def as_rows(found: Extracted, dtype: np.dtype) -> np.ndarray:
    """What a signal gives as rows of :func:`row_type`."""
    rows = np.zeros(len(found.times_sec), dtype)
    rows["time_sec"], rows["values"], rows["quality"] = found
    return rows


def as_extracted(rows: np.ndarray) -> Extracted:
    """Rows of :func:`row_type` as a signal gives them."""
    return Extracted(rows["time_sec"], rows["values"], rows["quality"])


def gathered(signal: Signal, media: ClipMedia, folder: Path) -> dict[str, ClipRows]:
    """Compute the streams of a clip.

    Args:
        signal: What computes them.
        media: The clip.
        folder: Where they lie once they are large.

    Raises:
        UserError: If they cannot be computed, or are not what the signal says.
        DiskError: If there is no room.
    """
    check = _Check(signal.infos())
    found = {info.name: ClipRows(info, folder) for info in signal.infos()}
    for piece in pieces_of(signal, media):
        if fault := check.fault(piece):
            raise UserError(fault)
        for name, rows in found.items():
            rows.add(piece[name])
    if fault := check.lack():
        raise UserError(fault)
    return found


def computed_fault(found: dict[str, Extracted], infos: Sequence[StreamInfo]) -> str:
    """What is wrong with the streams computed of a clip; empty if nothing is."""
    check = _Check(infos)
    return check.fault(found) or check.lack()


class _Check:
    """Looks at the streams of a clip, piece after piece."""

    def __init__(self, infos: Sequence[StreamInfo]) -> None:
        self.infos = infos
        self.last_sec = {info.name: -np.inf for info in infos}
        self.sound: set[str] = set()

    def fault(self, piece: dict[str, Extracted]) -> str:
        """What is wrong with the next piece."""
        for info in self.infos:
            if info.name not in piece:
                return f"the stream {info.name} was not computed"
            times, values, quality = piece[info.name]
            n = len(times)
            if values.shape != (n, *info.shape) or quality.shape != (n,):
                found = f"values {values.shape}, quality {quality.shape}"
                return f"{info.name}: {found}: expected {(n, *info.shape)}, {(n,)}"
            rising = (np.diff(np.append(self.last_sec[info.name], times)) > 0).all()
            if not np.isfinite(values[quality > 0]).all() or not rising:
                return f"{info.name}: values have to be finite where there is no gap, and times rising"
            if info.dtype == "float16" and (most := np.abs(values[quality > 0]).max(initial=0)) > LARGEST:
                room = f"{most:g} does not fit into 16 bits, whose largest number is {LARGEST:g}"
                return f"{info.name}: {room}; use dtype=32"
            if n:
                self.last_sec[info.name] = float(times[-1])
            if (quality > 0).any():
                self.sound.add(info.name)
        return ""

    def lack(self) -> str:
        """What is missing at the end."""
        lacking = [info.name for info in self.infos if info.name not in self.sound]
        return f"no moment has a value of {lacking[0]}" if lacking else ""
