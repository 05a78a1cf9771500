"""Writes a prepared store so that it can be killed at any moment and taken up again, with the same bytes at the end.

While a store is written, a journal in its folder says which clips are done; each shard has its own. When all are, the
tables are made of it in the order of the listing, ``store.json`` is written last, and the journal is deleted. Nothing
in the finished store depends on the order in which clips were done.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from realfake.data.clips import Clip, Problem, clip_frame
from realfake.data.journal import JOURNAL, Journal, Record, journal_files, journal_names
from realfake.data.store import CLIPS, CROP, CROPS, JPEGS, MARK, ROLLS, SKIPPED, TURNED, PreparedStore, jpeg_path
from realfake.files import open_whole, remove_parts, write_whole

if TYPE_CHECKING:
    import pandas as pd

MTIMES = ".mtimes.npy"


class StoreWriter(Journal):
    """The journal that a store is finished from; used by one process at a time, which holds the folder's lock.

    Args:
        folder: Of the store; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        (folder / JPEGS).mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
        super().__init__(folder)

    def absorb(self, mtimes: Mapping[str, int]) -> None:
        """Take over what shards have done; their journals are deleted.

        Args:
            mtimes: Time of change of every listed file now, by clip, in nanoseconds.
        """
        for name in journal_names(self.folder):
            if name == JOURNAL:
                continue
            with Journal(self.folder, name) as theirs:
                for clip, record in theirs.records.items():
                    ours = self.records.get(clip)
                    stale = ours is None or ours.mtime_ns != record.mtime_ns or bool(ours.reason)
                    if record.mtime_ns == mtimes.get(clip) and stale and ours != record:
                        self.add(record, theirs.rows_of(clip))
            theirs.remove()

    def finish(
        self,
        clips: Sequence[Clip],
        problems: Sequence[Problem],
        settings: Mapping[str, Any],
        duplicates: Literal["exclude", "keep"] = "exclude",
    ) -> PreparedStore:
        """Make the tables, mark the store as complete, and open it.

        Args:
            clips: All clips of the dataset, each of them done, in the order of the table.
            problems: What the source left out.
            settings: Everything that shaped the store; goes into ``store.json`` and into the fingerprint.
            duplicates: Whether identical files under different labels are left out.
        """
        records = [self.records[c.clip] for c in clips]
        if duplicates == "exclude":
            records = _without_contradictions(clips, records)
        kept = [(c, r) for c, r in zip(clips, records, strict=True) if not r.reason]
        table = _table(kept)
        self._write_crops(kept)
        if settings["extraction"].get(TURNED):
            self._write_rolls(kept)
        _write_table(self.folder / CLIPS, table)
        _write_table(self.folder / SKIPPED, _skipped(clips, records, problems))
        write_mtimes(self.folder, [r.mtime_ns for r in records])
        for clip, record in zip(clips, records, strict=True):
            if record.reason and self.records[clip.clip].stored:
                (self.folder / jpeg_path(clip.clip)).unlink(missing_ok=True)
        remarks = [{"path": p.path, "reason": p.reason} for p in problems if p.kept]
        remarks += [{"path": c.path, "reason": remark} for c, r in kept for remark in r.remarks]
        mark = {**settings, "remarks": remarks, "fingerprint": fingerprint(table, settings)}
        write_whole(self.folder / MARK, json.dumps(mark, indent=2, ensure_ascii=False).encode() + b"\n")
        self.remove()
        return PreparedStore.open(self.folder)

    def _write_crops(self, kept: Sequence[tuple[Clip, Record]]) -> None:
        total = sum(r.stored for _, r in kept)
        header = {"descr": np.lib.format.dtype_to_descr(CROP), "fortran_order": False, "shape": (total,)}
        # Written, not mapped: a full disk kills a process that writes to a mapping.
        with open_whole(self.folder / CROPS, total * CROP.itemsize) as file:
            np.lib.format.write_array_header_1_0(file, header)
            for clip, _ in kept:
                file.write(self.rows_of(clip.clip).tobytes())

    def _write_rolls(self, kept: Sequence[tuple[Clip, Record]]) -> None:
        rolls = [np.array(r.roll_deg or np.zeros(r.stored), np.float32) for _, r in kept]
        content = io.BytesIO()
        np.save(content, np.concatenate(rolls))
        write_whole(self.folder / ROLLS, content.getvalue())


def write_mtimes(folder: Path, mtimes: Sequence[int]) -> None:
    """Note the time of change of each listed file, in nanoseconds, in the order of the listing."""
    content = io.BytesIO()
    np.save(content, np.array(mtimes, dtype=np.int64))
    write_whole(folder / MTIMES, content.getvalue())


def fingerprint(table: pd.DataFrame, settings: Mapping[str, Any]) -> str:
    """Digest of what was prepared and how, whatever the place: settings, names, labels and contents of the files."""
    digest = hashlib.sha256(json.dumps(settings["extraction"], sort_keys=True).encode())
    names = ("clip", "dataset", "subject", "emotion", "authenticity", "pair", "part", "fold", "sha256")
    for row in zip(*(table[n].tolist() for n in names), strict=True):
        digest.update(repr(row).encode())
    return digest.hexdigest()[:32]


def unfinish(store: PreparedStore, changed: Iterable[str], mtimes: Mapping[str, int]) -> None:
    """Turn a complete store into one that only lacks the clips in ``changed``.

    Args:
        store: Complete.
        changed: Names of clips whose files are others than before.
        mtimes: Time of change of every listed file now, by clip, in nanoseconds.
    """
    dropped = set(changed)
    for file in journal_files(store.folder):
        file.unlink(missing_ok=True)
    with StoreWriter(store.folder) as writer:
        for row, clip in enumerate(store.table["clip"].tolist()):
            if clip not in dropped:
                writer.add(*finished_record(store, row, mtimes[clip]))
        # Read back by the next writer only once the mark is gone; until then the store counts as complete.
        (store.folder / MARK).unlink()


def finished_record(store: PreparedStore, row: int, mtime_ns: int) -> tuple[Record, np.ndarray]:
    """The record of a clip of a complete store and the rows of its crops, as if it was just prepared."""
    names = ("clip", "sha256", "fps", "frames", "duration_sec", "width", "height", "sampled", "stored")
    values = {name: store.table[name].array[row] for name in names}
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()}
    rows = np.array(store.rows(row))
    remarks, rolls = tuple(filter(None, store.table["remarks"].array[row].split("\n"))), store.roll_deg(row)
    seen, turned = int(rows["detected"].sum()), tuple(rolls.tolist()) if rolls.any() else ()
    return Record(**plain, remarks=remarks, mtime_ns=mtime_ns, detected=seen, roll_deg=turned), rows


def _without_contradictions(clips: Sequence[Clip], records: Sequence[Record]) -> list[Record]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        if record.sha256 and not record.reason:
            groups[record.sha256].append(i)
    result = list(records)
    for group in groups.values():
        if len({(clips[i].emotion, clips[i].authenticity) for i in group}) > 1:
            for i in group:
                others = ", ".join(clips[k].path for k in group if k != i)
                reason = f"identical to {others}, which has another label (data.duplicates=keep keeps both)"
                result[i] = replace(records[i], reason=reason)
    return result


def _table(kept: Sequence[tuple[Clip, Record]]) -> pd.DataFrame:
    table = clip_frame(c for c, _ in kept)

    def column(name: str, dtype: Any) -> np.ndarray:
        return np.array([getattr(r, name) for _, r in kept], dtype=dtype)

    for name, dtype in (("fps", "f8"), ("frames", "i4"), ("duration_sec", "f8"), ("width", "i4"), ("height", "i4")):
        table[name] = column(name, dtype)
    table["sha256"] = [r.sha256 for _, r in kept]
    sampled, stored = column("sampled", "i4"), column("stored", "i4")
    table["sampled"], table["stored"] = sampled, stored
    table["yield"] = (column("detected", "f8") / np.maximum(sampled, 1)).astype("f4")
    table["remarks"] = ["\n".join(r.remarks) for _, r in kept]
    table["first_crop"] = np.cumsum(stored, dtype=np.int64) - stored
    return table


def _skipped(clips: Sequence[Clip], records: Sequence[Record], problems: Sequence[Problem]) -> pd.DataFrame:
    import pandas as pd

    rows = [(c.clip, c.path, r.reason, r.sha256) for c, r in zip(clips, records, strict=True) if r.reason]
    rows += [("", p.path, p.reason, "") for p in problems if not p.kept]
    return pd.DataFrame(rows, columns=["clip", "path", "reason", "sha256"], dtype="str")


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with open_whole(path) as file:
        table.to_parquet(file, index=False)
