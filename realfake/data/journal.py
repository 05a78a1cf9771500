"""The journal of a store that is being written: which clips are done, a line each, and the rows of their crops."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from realfake.data.store import CROP, jpeg_path

JOURNAL = "journal"
"""Name of the one that a store is finished from; a shard's bears its name as well."""


@dataclass(frozen=True)
class Record:
    """What preparation found out about the file of one clip."""

    clip: str
    mtime_ns: int
    sha256: str = ""
    """Empty if the file could not be read at all."""
    reason: str = ""
    """Why there are no crops; empty = there are."""
    fps: float = 0.0
    frames: int = 0
    duration_sec: float = 0.0
    width: int = 0
    height: int = 0
    sampled: int = 0
    detected: int = 0
    stored: int = 0
    remarks: tuple[str, ...] = ()
    """What somebody should look at before trusting the crops, a line each."""
    roll_deg: tuple[float, ...] = ()
    """By how much each crop was turned; empty = none was."""


@dataclass
class Noted:
    """What a journal says, read without touching it."""

    records: dict[str, Record]
    starts: dict[str, int]
    """First row of each clip's crops."""
    rows: int = 0
    """Of all crops."""
    good: int = 0
    """Bytes of the lines that are whole and true; what follows was being written when its process was killed."""

    def keep(self, record: Record) -> None:
        """Take in a further record, whose rows follow those that are there."""
        self.records[record.clip] = record
        self.starts[record.clip] = self.rows
        self.rows += record.stored


def read_journal(lines: Path, rows: Path) -> Noted:
    """What a journal says, also while another process writes it.

    Args:
        lines: File of the records.
        rows: File of the rows of crops.
    """
    noted = Noted({}, {})
    content = lines.read_bytes() if lines.exists() else b""
    stored = rows.stat().st_size // CROP.itemsize if rows.exists() else 0
    for line in content.splitlines(keepends=True):
        try:
            known = json.loads(line)
            record = Record(**known | {name: tuple(known.get(name, ())) for name in ("remarks", "roll_deg")})
        except (ValueError, TypeError, AttributeError):
            break
        if not line.endswith(b"\n") or noted.rows + record.stored > stored:
            break
        noted.keep(record)
        noted.good += len(line)
    return noted


class Journal:
    """A journal that is written; used by one process at a time, which holds a lock.

    Args:
        folder: Of the store.
        name: Of the journal's files, without the dot before it and their endings.
    """

    def __init__(self, folder: Path, name: str = JOURNAL) -> None:
        self.folder = folder
        self.lines, self.rows = journal_files(folder, name)
        self._noted = read_journal(self.lines, self.rows)
        if self.lines.exists():
            os.truncate(self.lines, self._noted.good)
        if self.rows.exists():
            os.truncate(self.rows, self._noted.rows * CROP.itemsize)
        self._line_file: BinaryIO = self.lines.open("ab")
        self._row_file: BinaryIO = self.rows.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line_file.close()
        self._row_file.close()

    @property
    def records(self) -> dict[str, Record]:
        """Of the clips that are done."""
        return self._noted.records

    def rows_of(self, clip: str) -> np.ndarray:
        """(stored,) of :data:`realfake.data.store.CROP`: the crops of a clip that is done."""
        start, stored = self._noted.starts[clip], self.records[clip].stored
        return np.fromfile(self.rows, CROP, stored, offset=start * CROP.itemsize)

    def add(self, record: Record, rows: np.ndarray) -> None:
        """Note that a clip is done; its JPEG file is in place already.

        Args:
            record: With ``stored`` equal to the number of rows.
            rows: (stored,) of :data:`realfake.data.store.CROP`.
        """
        assert record.stored == len(rows)
        self._row_file.write(np.ascontiguousarray(rows, dtype=CROP).tobytes())
        self._row_file.flush()  # the line is only true once the rows are there
        self._line_file.write(json.dumps(asdict(record), ensure_ascii=False).encode() + b"\n")
        self._line_file.flush()
        self._noted.keep(record)

    def forget(self, clips: Iterable[str]) -> None:
        """Take clips for not done."""
        for clip in clips:
            self.records.pop(clip, None)

    def missing_jpegs(self) -> Iterator[str]:
        """Clips that are done, but whose JPEG file is not there."""
        for clip, record in self.records.items():
            if not record.reason and not (self.folder / jpeg_path(clip)).is_file():
                yield clip

    def remove(self) -> None:
        """Delete its files."""
        self.lines.unlink(missing_ok=True)
        self.rows.unlink(missing_ok=True)


def journal_files(folder: Path, name: str = JOURNAL) -> tuple[Path, Path]:
    """The files of a journal: records, and rows of crops."""
    return folder / f".{name}.jsonl", folder / f".{name}.crops"


def journal_names(folder: Path) -> list[str]:
    """Of the journals that are there."""
    return sorted(path.name[1 : -len(".jsonl")] for path in all_journal_files(folder) if path.suffix == ".jsonl")


def all_journal_files(folder: Path) -> list[Path]:
    """What is there of any journal."""
    return sorted(folder.glob(f".{JOURNAL}*"))
