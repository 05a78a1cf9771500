"""Clips that another store of the same settings has already, e.g. of a dataset before it grew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realfake.data.jobs import Job
from realfake.data.journal import Record
from realfake.data.store import MARK, PreparedStore, jpeg_path
from realfake.data.store_writing import finished_record
from realfake.errors import UserError


@dataclass(frozen=True)
class Elsewhere:
    """A clip in another finished store with the same settings."""

    store: PreparedStore
    row: int

    def known(self, clip: str) -> tuple[str, Path]:
        """Checksum of its file, and its JPEG file."""
        return self.store.table["sha256"].array[self.row], self.store.folder / jpeg_path(clip)

    def record(self, job: Job) -> tuple[Record, np.ndarray]:
        """Its record and rows, as if it was just prepared."""
        return finished_record(self.store, self.row, job.mtime_ns)


def prepared_elsewhere(folder: Path, extraction: dict[str, Any], todo: Sequence[Job]) -> dict[str, Elsewhere]:
    """Clips of these names in other stores of the same settings, e.g. before the dataset grew."""
    names = {job.clip for job in todo}
    found: dict[str, Elsewhere] = {}
    for mark in sorted(folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*/{MARK}")) if names else ():
        try:
            store = PreparedStore.open(mark.parent)
            if store.settings["extraction"] == extraction:
                clips = enumerate(store.table["clip"].tolist())
                found |= {clip: Elsewhere(store, row) for row, clip in clips if clip in names}
        except (UserError, OSError, KeyError):
            continue  # a damaged neighbour is no reason to fail
    return found


def take_over(source: Path, part: Path) -> bool:
    """Make ``part`` a link to a file, or a copy of it; whether that was possible."""
    try:
        os.link(source, part)
    except OSError:
        try:
            shutil.copyfile(source, part)
        except OSError:
            return False
    return True
