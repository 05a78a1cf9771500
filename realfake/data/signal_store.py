"""Streams of a prepared dataset that signals compute: a folder a signal beside the crops, a file a stream.

``streams/<kind>-<digest>/<stream>.npy`` holds all clips' values, one clip after another. The digest is that of the
signal's options and of the store's content, so that a further stream never prepares the others again. Until all clips
are done, each has a file of its own in ``parts/``: whoever is killed is taken up, by any number of processes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from realfake.config import DataConfig, FaceConfig, SignalConfig
from realfake.data.shards import WHOLE, Shard, alone, at_work, left_to_others, shard_locks, working
from realfake.data.signal_parts import (
    PARTS,
    Part,
    compute_clips,
    compute_part,
    grouped,
    look_at_part,
    merge_parts,
    part_file,
    rounding_words,
    write_part,
)  # fmt: skip
from realfake.data.store import PreparedStore
from realfake.data.stored_streams import MARK, STREAMS, StoredStream, mark_complete
from realfake.data.work import Crashed, Hung, cores, run_all, shown, time_limit_sec
from realfake.errors import UserError
from realfake.files import DiskError, disk_error, disk_errors, only_one, remove_parts
from realfake.streams.kinds import build_signal
from realfake.streams.stream import OnDevice, OverClips, ReadsFiles, Requires, Signal

log = logging.getLogger(__name__)

ELSEWHERE = "give another data.prepared"


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
    return _prepared(_planned(store, data, face, build_signal(options), options.name, progress, options))


def prepare_here(
    store: PreparedStore, data: DataConfig, face: FaceConfig, signal: Signal, name: str, *, needed: int,
    progress: bool = True,
) -> dict[str, StoredStream]:  # fmt: skip
    """As :func:`prepare_signal`, of a signal that is no option but an object, which this process alone computes.

    Args:
        store: The prepared dataset.
        data: How it was prepared.
        face: How crops are cut.
        signal: Computes the streams.
        name: Of the kind, which the folder's name begins with.
        needed: Bytes that the streams take, for some time twice; with less room on the disk nothing is begun.
        progress: Whether to show a progress bar.

    Raises:
        UserError: As :func:`prepare_signal`.
    """
    with disk_errors(store.folder, ELSEWHERE):
        work = _planned(store, data, face, signal, name, progress)
        try:
            if not work.written and 2 * needed > shutil.disk_usage(work.folder).free:
                raise DiskError(work.folder, errno.ENOSPC, 2 * needed, ELSEWHERE)
            return _prepared(work)
        except DiskError:
            shutil.rmtree(work.folder, ignore_errors=True)  # others need the room
            raise


def _prepared(work: Work) -> dict[str, StoredStream]:
    if not work.complete:
        with disk_errors(work.folder, ELSEWHERE):
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
    work = _planned(store, data, face, build_signal(options), options.name, progress, options)
    folder = work.folder
    if not work.complete:
        with disk_errors(folder, ELSEWHERE):
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
        _require(build_signal(options), options.name, videos)


def _require(signal: Signal, name: str, videos: Sequence[Path]) -> None:
    if isinstance(signal, Requires) and (reason := signal.require(videos)):
        raise UserError(f"signals=[{name}]: none of {len(videos)} clips has it; the first, {reason}")


@dataclass(frozen=True)
class Work:
    """Streams of a signal that are to be computed, and of what."""

    store: PreparedStore
    data: DataConfig
    face: FaceConfig
    signal: Signal
    name: str
    progress: bool
    options: SignalConfig | None
    """From which other processes can make the signal; ``None`` = only this one has it."""
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
        return [row for row in range(len(self.store)) if not part_file(self.folder, row).exists()]

    def wait(self) -> None:
        """Say that another process works there."""
        log.warning("waiting for another process that computes %s", self.folder)


def _planned(
    store: PreparedStore, data: DataConfig, face: FaceConfig, signal: Signal, name: str, progress: bool,
    options: SignalConfig | None = None,
) -> Work:  # fmt: skip
    identity, remarks = _identity(signal, store, name)
    folder = store.folder / STREAMS / _name(name, identity)
    work = Work(store, data, face, signal, name, progress, options, folder, identity, remarks)
    if not work.written:
        if store.root is None:
            raise UserError(f"{folder}: not computed yet; the videos are needed for it")
        _require(signal, name, _videos(store))  # the crops may be older than the options
        folder.mkdir(parents=True, exist_ok=True)
    return work


def _complete(work: Work) -> None:
    with alone(work.folder, work.wait):
        if not work.written:
            remove_parts(work.folder)
            for remark in work.remarks:
                log.warning("signals=[%s]: %s", work.name, remark)
            _compute(work)
            _finish(work)
        shutil.rmtree(work.folder / PARTS, ignore_errors=True)  # they may be there in a folder that is only read


def _streams(work: Work) -> dict[str, StoredStream]:
    name, folder = work.name, work.folder
    if lost := json.loads((folder / MARK).read_text())["failed"]:
        clip, reason = next(iter(lost.items()))
        number = f"{len(lost)} of {len(work.store)} clips"
        log.warning("signals=[%s]: %s have none, e.g. %s: %s", name, number, clip, reason)
    return {info.name: StoredStream(info, folder) for info in work.signal.infos()}


def signal_digest(store: PreparedStore, options: SignalConfig) -> str:
    """What a signal gives of a dataset, by its options and by content, wherever files lie: the name of its folder."""
    return _name(options.name, _identity(build_signal(options), store, options.name)[0])


def _name(name: str, identity: dict[str, Any]) -> str:
    return f"{name}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"


def _identity(signal: Signal, store: PreparedStore, name: str) -> tuple[dict[str, Any], Sequence[str]]:
    """All that shapes the streams of a dataset, and remarks on the files that they are read from."""
    identity = {"signal": signal.identity(), "data": store.fingerprint}
    if not isinstance(signal, ReadsFiles):
        return identity, ()
    if store.root is not None:
        inputs, remarks = signal.inputs(_videos(store))
        return {**identity, "inputs": inputs}, remarks
    # Nobody knows where the files lie: what was computed last counts.
    marks = sorted((store.folder / STREAMS).glob(f"{name}-*/{MARK}"), key=lambda path: path.stat().st_mtime)
    known = [found for mark in marks if (found := json.loads(mark.read_text())).items() >= identity.items()]
    return {**identity, "inputs": known[-1]["inputs"] if known else ""}, ()


def _compute(work: Work, shard: Shard = WHOLE) -> None:
    store, folder, data = work.store, work.folder, work.data
    (folder / PARTS).mkdir(parents=True, exist_ok=True)  # one of whose clips none had it may have taken all away
    missing = set(work.missing())
    todo = [part for part in _parts(work, shard) if missing.intersection(part.rows)]
    compute: partial[None]
    if work.options is None:
        compute = partial(compute_clips, signal=work.signal, opened=store)
    else:
        compute = partial(compute_part, store=store.folder, options=work.options)
    compute = partial(compute, data=data, face=work.face, folder=folder)
    workers = 1 if work.options is None or _on_gpu(work.signal) else data.prepare_workers or cores()
    clips = sum(len(part.rows) for part in todo)
    with closing(run_all(compute, todo, workers, attrgetter("limit_sec"))) as results:
        each = ((part, row, result) for part, result in results for row in part.rows)
        for _, row, result in shown(each, clips, f"{work.name} of {data.title}", work.progress, after_sec=2.0):
            if isinstance(result, Crashed | Hung):
                write_part(part_file(folder, row), {}, str(result))
            elif isinstance(result, OSError):
                raise disk_error(result, folder) or UserError(f"{folder}: {result.strerror or result}") from result
            elif isinstance(result, Exception):
                raise result


def _videos(store: PreparedStore) -> list[Path]:
    assert store.root is not None
    return [store.root / path for path in store.table["path"].tolist()]


def _on_gpu(signal: Signal) -> bool:
    return isinstance(signal, OnDevice) and signal.uses_gpu()


def _parts(work: Work, shard: Shard) -> list[Part]:
    """The work on all clips of a shard, whatever of it is done: what is computed together is always the same."""
    store = work.store
    paths = _videos(store)
    limits = [time_limit_sec(path.stat().st_size if path.exists() else 0, work.data.patience_sec) for path in paths]
    rows = [row for row in range(len(store)) if shard.has(row)]
    least = work.signal.batch if isinstance(work.signal, OverClips) and _on_gpu(work.signal) else 1
    groups = grouped(rows, store.table["stored"].to_numpy(), least)
    return [Part(rows, tuple(paths[r] for r in rows), sum(limits[r] for r in rows)) for rows in groups]


def _finish(work: Work) -> None:
    store, folder = work.store, work.folder
    infos, names = work.signal.infos(), store.table["clip"].tolist()
    counts = np.zeros(len(store), [(info.name, "<i8") for info in infos])
    failed = {}
    for row, clip in enumerate(names):
        reason, moments = look_at_part(folder, row, infos)
        if reason:
            failed[clip] = reason
        for name, count in moments.items():
            counts[name][row] = count
    if len(failed) == len(names):
        clip, reason = next(iter(failed.items()))
        shutil.rmtree(folder)
        raise UserError(f"signals=[{work.name}]: none of {len(names)} clips has it; the first, {clip}: {reason}")
    rounding: dict[str, dict[str, float]] = {}
    for info in infos:
        if found := merge_parts(folder, info, counts[info.name]):
            rounding[info.name] = found
            log.info("signals=[%s]: %s, %s", work.name, info.name, rounding_words(found))
    mark = {**work.identity, "streams": {info.name: info.words for info in infos}, "failed": failed}
    mark_complete(folder, counts, mark | ({"rounding": rounding} if rounding else {}))
