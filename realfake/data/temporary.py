"""What is held of one clip: in memory while it is small, then in a file that nobody else sees."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import overload

from realfake.files import disk_errors

HELD_BYTES = 2**24
"""Kept in memory; a larger file lies on the disk until it is let go."""


def temporary_file(owner: object, folder: Path | None) -> SpooledTemporaryFile[bytes]:
    """A file that is closed, and then gone, when ``owner`` is.

    Args:
        owner: Whose file it is.
        folder: Where it lies once it is large; ``None`` = the system's folder for temporary files.
    """
    place = None if folder is None else str(folder)
    file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(HELD_BYTES, dir=place)  # noqa: SIM115
    weakref.finalize(owner, file.close)
    return file


class JpegFile(Sequence[bytes]):
    """Encoded images one after the other.

    Args:
        folder: As for :func:`temporary_file`.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file = temporary_file(self, folder)
        self._ends = [0]

    def append(self, jpeg: bytes) -> None:
        """Add one.

        Raises:
            DiskError: If there is no room.
        """
        with disk_errors(self._folder or Path(tempfile.gettempdir())):
            self._file.seek(self._ends[-1])
            self._file.write(jpeg)
        self._ends.append(self._ends[-1] + len(jpeg))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, i: int) -> bytes: ...
    @overload
    def __getitem__(self, i: slice) -> list[bytes]: ...
    def __getitem__(self, i: int | slice) -> bytes | list[bytes]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        k = range(len(self))[i]
        self._file.seek(self._ends[k])
        return self._file.read(self._ends[k + 1] - self._ends[k])
