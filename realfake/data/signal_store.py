"""Streams of a prepared dataset that signals compute: a folder a signal beside the crops, a file a stream.

``streams/<kind>-<digest>/<stream>.npy`` holds all clips' values, one clip after another. The digest is that of the
signal's options and of the store's content, so that a further stream never prepares the others again. Until all clips
are done, each has a file of its own in ``parts/``: whoever is killed is taken up, by any number of processes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from realfake.config import DataConfig, FaceConfig, SignalConfig, StreamInfo
from realfake.data.clip_rows import ClipRows, as_extracted, gathered, row_type, rows_at_once
from realfake.data.media import Media
from realfake.data.shards import WHOLE, Shard, alone, at_work, left_to_others, shard_locks, working
from realfake.data.store import PreparedStore
from realfake.data.stored_streams import MARK, STREAMS, StoredStream, mark_complete, write_stream
from realfake.data.work import Crashed, Hung, cores, run_all, shown, time_limit_sec
from realfake.errors import UserError
from realfake.files import DiskError, disk_error, disk_errors, only_one, open_whole, remove_parts
from realfake.streams.kinds import build_signal
from realfake.streams.stream import Extracted, OnDevice, ReadsFiles, Requires, Signal

log = logging.getLogger(__name__)

PARTS = "parts"
_REASON = ".reason"
"""In the file of a clip: why there are no streams."""


@dataclass(frozen=True)
class Part:
    """The work on one clip."""

    row: int
    path: Path
    limit_sec: float


def prepare_signal(
    store: PreparedStore, data: DataConfig, face: FaceConfig, options: SignalConfig, *, progress: bool = True
) -> dict[str, StoredStream]:
    """Open the streams of a signal; what is missing is computed first. Any number of processes may ask for them.

    Args:
        store: The prepared dataset.
        data: How it was prepared.
        face: How crops are cut.
        options: Of the signal.
        progress: Whether to show a progress bar.

    Raises:
        UserError: If the signal cannot be computed of any clip, its weights or packages are missing, or nobody knows
            where the videos lie.
    """
    work = _planned(store, data, face, options, progress)
    if not work.complete:
        with disk_errors(work.folder, "give another data.prepared"):
            _complete(work)
    return _streams(work)


def prepare_signal_shard(
    store: PreparedStore,
    data: DataConfig,
    face: FaceConfig,
    options: SignalConfig,
    shard: Shard,
    *,
    progress: bool = True,
    rest: bool = False,
) -> dict[str, StoredStream] | None:
    """Do a shard's part of what :func:`prepare_signal` does; the shard that ends last completes the streams.

    Args:
        store: The prepared dataset.
        data: How it was prepared.
        face: How crops are cut.
        options: Of the signal.
        shard: Which part is done.
        progress: Whether to show a progress bar.
        rest: Do the parts of shards, too, that nobody works on, since they had ended before the crops were complete, or
            were lost.

    Returns:
        The streams; ``None`` if others have to do their parts first, which is said.

    Raises:
        UserError: As :func:`prepare_signal`.
    """
    work = _planned(store, data, face, options, progress)
    folder = work.folder
    if not work.complete:
        with disk_errors(folder, "give another data.prepared"):
            parts = [shard]
            while parts:
                with at_work(folder, parts[0], work.wait):
                    if not work.written:
                        _compute(work, parts[0])
                with only_one(folder, work.wait):
                    missing = [] if work.written else shard.lacking(work.missing())
                    busy = working(folder, missing)
                parts = [part for part in missing if part not in busy] if rest else []
            if missing:
                log.warning("%s: %s", folder, left_to_others(shard, busy, missing))
                return None
            _complete(work)
    return _streams(work)


def require_signals(signals: Iterable[SignalConfig], videos: Sequence[Path]) -> None:
    """Make sure that signals can be computed, before the work on crops, which may take hours.

    Raises:
        UserError: If weights, packages or tables are missing, or no video at all has its table.
    """
    for options in signals:
        signal = build_signal(options)
        if isinstance(signal, Requires) and (reason := signal.require(videos)):
            raise UserError(f"signals=[{options.name}]: none of {len(videos)} clips has it; the first, {reason}")


@dataclass(frozen=True)
class Work:
    """Streams of a signal that are to be computed, and of what."""

    store: PreparedStore
    data: DataConfig
    face: FaceConfig
    options: SignalConfig
    progress: bool
    folder: Path
    identity: dict[str, Any]
    remarks: Sequence[str]

    @property
    def written(self) -> bool:
        """Whether the streams of all clips are there."""
        return (self.folder / MARK).exists()

    @property
    def complete(self) -> bool:
        """Whether they are, and nothing is left there by a process that was killed."""
        return self.written and not (self.folder / PARTS).exists() and not shard_locks(self.folder)

    def missing(self) -> list[int]:
        """Clips, by their row, that are not done."""
        return [row for row in range(len(self.store)) if not _part(self.folder, row).exists()]

    def wait(self) -> None:
        """Say that another process works there."""
        log.warning("waiting for another process that computes %s", self.folder)


def _planned(store: PreparedStore, data: DataConfig, face: FaceConfig, options: SignalConfig, progress: bool) -> Work:
    identity, remarks = _identity(build_signal(options), store, options.name)
    folder = store.folder / STREAMS / _name(options, identity)
    work = Work(store, data, face, options, progress, folder, identity, remarks)
    if not work.written:
        if store.root is None:
            raise UserError(f"{folder}: not computed yet; the videos are needed for it")
        folder.mkdir(parents=True, exist_ok=True)
    return work


def _complete(work: Work) -> None:
    with alone(work.folder, work.wait):
        if not work.written:
            remove_parts(work.folder)
            for remark in work.remarks:
                log.warning("signals=[%s]: %s", work.options.name, remark)
            _compute(work)
            _finish(work.store, work.options, work.folder, work.identity)
        shutil.rmtree(work.folder / PARTS, ignore_errors=True)  # they may be there in a folder that is only read


def _streams(work: Work) -> dict[str, StoredStream]:
    name, folder = work.options.name, work.folder
    if lost := json.loads((folder / MARK).read_text())["failed"]:
        clip, reason = next(iter(lost.items()))
        number = f"{len(lost)} of {len(work.store)} clips"
        log.warning("signals=[%s]: %s have none, e.g. %s: %s", name, number, clip, reason)
    return {info.name: StoredStream(info, folder) for info in work.options.infos()}


def signal_digest(store: PreparedStore, options: SignalConfig) -> str:
    """What a signal gives of a dataset, by its options and by content, wherever files lie: the name of its folder."""
    return _name(options, _identity(build_signal(options), store, options.name)[0])


def _name(options: SignalConfig, identity: dict[str, Any]) -> str:
    return f"{options.name}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"


def _identity(signal: Signal, store: PreparedStore, name: str) -> tuple[dict[str, Any], Sequence[str]]:
    """All that shapes the streams of a dataset, and remarks on the files that they are read from."""
    identity = {"signal": signal.identity(), "data": store.fingerprint}
    if not isinstance(signal, ReadsFiles):
        return identity, ()
    if store.root is not None:
        inputs, remarks = signal.inputs([store.root / path for path in store.table["path"].tolist()])
        return {**identity, "inputs": inputs}, remarks
    # Nobody knows where the files lie: what was computed last counts.
    marks = sorted((store.folder / STREAMS).glob(f"{name}-*/{MARK}"), key=lambda path: path.stat().st_mtime)
    known = [found for mark in marks if (found := json.loads(mark.read_text())).items() >= identity.items()]
    return {**identity, "inputs": known[-1]["inputs"] if known else ""}, ()


def _part(folder: Path, row: int) -> Path:
    return folder / PARTS / f"{row:08d}.zip"


def _compute(work: Work, shard: Shard = WHOLE) -> None:
    store, folder, options, data = work.store, work.folder, work.options, work.data
    assert store.root is not None
    (folder / PARTS).mkdir(parents=True, exist_ok=True)  # one of whose clips none had it may have taken all away
    paths = [store.root / path for path in store.table["path"].tolist()]
    todo = [
        Part(
            row, paths[row], time_limit_sec(paths[row].stat().st_size if paths[row].exists() else 0, data.patience_sec)
        )
        for row in work.missing()
        if shard.has(row)
    ]
    compute = partial(compute_part, store=store.folder, data=data, face=work.face, options=options, folder=folder)
    signal = build_signal(options)
    workers = 1 if isinstance(signal, OnDevice) and signal.uses_gpu() else data.prepare_workers or cores()
    with closing(run_all(compute, todo, workers, attrgetter("limit_sec"))) as results:
        for part, result in shown(results, len(todo), f"{options.name} of {data.name}", work.progress, after_sec=2.0):
            if isinstance(result, Crashed | Hung):
                _write_part(_part(folder, part.row), {}, str(result))
            elif isinstance(result, OSError):
                raise disk_error(result, folder) or UserError(f"{folder}: {result.strerror or result}") from result
            elif isinstance(result, Exception):
                raise result


def compute_part(
    part: Part, *, store: Path, data: DataConfig, face: FaceConfig, options: SignalConfig, folder: Path
) -> None:
    """Compute the streams of one clip and write them down, or why that cannot be."""
    signal, opened = _opened(store, options)
    found: dict[str, ClipRows] = {}
    reason = ""
    try:
        found = gathered(signal, Media.of_store(opened, part.row, part.path, data, face), folder)
    except DiskError:
        raise
    except UserError as error:
        reason = str(error)
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
    except Exception as error:  # whatever a strange file does, the other clips go on
        reason = " ".join(f"cannot be computed ({type(error).__name__}: {error})".split())
    _write_part(_part(folder, part.row), found, reason)


@lru_cache(maxsize=2)
def _opened_by_text(store: Path, options: type, text: str) -> tuple[Any, PreparedStore]:
    return build_signal(options.model_validate_json(text)), PreparedStore.open(store)  # type: ignore[attr-defined]


def _opened(store: Path, options: SignalConfig) -> tuple[Any, PreparedStore]:
    return _opened_by_text(store, type(options), options.model_dump_json())


def _write_part(path: Path, found: dict[str, ClipRows], reason: str) -> None:
    with open_whole(path) as file, zipfile.ZipFile(file, "w") as part:
        part.writestr(_REASON, reason)
        for name, rows in found.items():
            with part.open(name, "w", force_zip64=True) as member:
                rows.copy(member)


def _finish(store: PreparedStore, options: SignalConfig, folder: Path, identity: dict[str, Any]) -> None:
    infos, names = options.infos(), store.table["clip"].tolist()
    types = {info.name: row_type(info) for info in infos}
    counts = np.zeros(len(store), [(name, "<i8") for name in types])
    failed = {}
    for row, clip in enumerate(names):
        with zipfile.ZipFile(_part(folder, row)) as part:
            if reason := part.read(_REASON).decode():
                failed[clip] = reason
            for name, dtype in types.items() if not reason else ():
                counts[name][row] = part.getinfo(name).file_size // dtype.itemsize
    if len(failed) == len(names):
        clip, reason = next(iter(failed.items()))
        shutil.rmtree(folder)
        raise UserError(f"signals=[{options.name}]: none of {len(names)} clips has it; the first, {clip}: {reason}")
    for info in infos:
        write_stream(folder, info, int(counts[info.name].sum()), _parts(folder, info, counts[info.name]))
    mark = {**identity, "streams": {info.name: info.words for info in infos}, "failed": failed}
    mark_complete(folder, counts, mark)


def _parts(folder: Path, info: StreamInfo, counts: np.ndarray) -> Iterator[Extracted]:
    dtype = row_type(info)
    for row in np.flatnonzero(counts).tolist():
        with zipfile.ZipFile(_part(folder, row)) as part, part.open(info.name) as rows:
            while content := rows.read(rows_at_once(dtype) * dtype.itemsize):
                yield as_extracted(np.frombuffer(content, dtype))
