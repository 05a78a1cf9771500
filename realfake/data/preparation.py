"""Prepares a dataset: every clip's file becomes face crops in a store, which is then opened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.config import DataConfig, FaceConfig, SignalConfig
from realfake.data.clips import Listing
from realfake.data.decoders import require_decoder
from realfake.data.elsewhere import prepared_elsewhere, take_over
from realfake.data.jobs import Job, file_sha256, sha256_in_time, try_again
from realfake.data.journal import (
    JOURNAL,
    Journal,
    Record,
    all_journal_files,
    journal_files,
    journal_names,
    read_journal,
)
from realfake.data.low_yield import LOW_YIELD, draw_low_yield, low_yield
from realfake.data.planning import Plan, planned
from realfake.data.shards import Shard, alone, at_work, left_to_others, shard_locks, wait_for, working
from realfake.data.store import CROP, MARK, PreparedStore, jpeg_path
from realfake.data.store_writing import MTIMES, StoreWriter, unfinish, write_mtimes
from realfake.data.work import Crashed, Hung, cores, given_up, run_all, shown
from realfake.errors import UserError
from realfake.files import DiskError, disk_error, disk_errors, only_one, part_path, remove_parts

if TYPE_CHECKING:
    from realfake.data.faces import Detector

log = logging.getLogger(__name__)

NO_ROWS = np.empty(0, CROP)


def prepare(
    data: DataConfig,
    face: FaceConfig,
    signals: Iterable[SignalConfig] = (),
    *,
    progress: bool = True,
    check: Callable[[Listing], None] | None = None,
) -> PreparedStore:
    """Open the prepared store of a dataset; what of it is missing or out of date is prepared first.

    The store lies in ``<data.prepared>/<dataset>-<digest>``. The digest is that of the settings that shape crops and
    of the listing: names, labels and sizes of all files, but not the place where they lie. So data that was moved
    finds its store, and data that changed gets a new one, into which clips of the same content are taken over. Files
    whose time of change is another are compared by checksum.

    Any number of processes may ask for the same store: one works, the others wait.

    Args:
        data: The dataset and how it is prepared.
        face: How faces are found.
        signals: Those that are to be computed afterwards: what they need has to be there before any work.
        progress: Whether to show progress bars.
        check: Of the listing, before any work; raises an error.

    Raises:
        UserError: If the dataset cannot be listed, the detector cannot be built, a signal cannot be computed, or no
            clip at all can be prepared.
    """
    plan = planned(data, face, signals, progress, check)
    store = _up_to_date(plan) or _prepared(plan)
    assert store is not None  # only shards leave it to others
    store.root = plan.root
    return store


def prepare_shard(
    data: DataConfig,
    face: FaceConfig,
    shard: Shard,
    signals: Iterable[SignalConfig] = (),
    *,
    progress: bool = True,
    together: bool = False,
) -> PreparedStore | None:
    """Do a shard's part of what :func:`prepare` does; the shard that ends last completes the store.

    Any number of shards work at once, on any number of machines that share ``data.prepared`` and see the same files.
    One that was killed is done again by whoever is started on it. The bytes of the store are those of :func:`prepare`.

    Args:
        data: The dataset and how it is prepared.
        face: How faces are found.
        shard: Which part is done.
        signals: As for :func:`prepare`.
        progress: Whether to show progress bars.
        together: Wait for the shards that are at work, so that all of them go on with the complete store.

    Returns:
        The store; ``None`` if it is not complete, since other shards are missing or at work, which is said.

    Raises:
        UserError: As :func:`prepare`.
    """
    plan = planned(data, face, signals, progress)
    store = _up_to_date(plan) or _prepared(plan, shard, together)
    if store is not None:
        store.root = plan.root
    return store


def _prepared(plan: Plan, shard: Shard | None = None, together: bool = False) -> PreparedStore | None:
    """Make what is missing of the store, or of a shard's part of it."""
    from realfake.data.signal_store import require_signals  # and with it a decoder, which opening again needs not

    # What is missing, such as a file of weights or a package, is told before anything is written.
    _detector(plan.face)
    require_decoder(plan.data.decoder)
    require_signals(plan.signals, [job.path for job in plan.jobs])
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        prepared = plan.data.prepared
        raise UserError(f"data.prepared={prepared}: {error.strerror}; give a folder that can be written") from None
    with disk_errors(plan.folder, "give another data.prepared"):
        if shard is not None and (plan.folder / MARK).exists():  # files have changed: it is no store, or remains one
            with alone(plan.folder, plan.wait):
                if store := _up_to_date(plan) or _refreshed(plan):
                    return store
        if shard is not None and not _part_done(plan, shard, together):
            return None
        with alone(plan.folder, plan.wait):
            return _up_to_date(plan) or _refreshed(plan) or _fill(plan)


def _part_done(plan: Plan, shard: Shard, together: bool) -> bool:
    """Do a shard's part; whether the others are done as well, so that the store can be completed."""
    folder = plan.folder
    with at_work(folder, shard, plan.wait):
        if not (folder / MARK).exists():
            name = f"{JOURNAL}-{shard.name}"
            done = _done(plan, but=name)
            with Journal(folder, name) as journal:
                part = [job for i, job in enumerate(plan.jobs) if shard.has(i)]
                todo = [job for job in _todo(journal, part) if job.clip not in done]
                _work(plan, journal, todo)
    while True:
        with only_one(folder, plan.wait):
            done = _done(plan)
            missing = shard.lacking(i for i, job in enumerate(plan.jobs) if job.clip not in done)
            if not missing or (folder / MARK).exists():
                return True
            busy = working(folder, missing)
        if not (together and busy):
            log.warning("%s: %s", folder, left_to_others(shard, busy, missing))
            return False
        wait_for(folder, busy, plan.wait)


def _done(plan: Plan, but: str | None = None) -> set[str]:
    """Clips that a journal, other than ``but``, says are done, as their files are now."""
    mtimes = {job.clip: job.mtime_ns for job in plan.jobs}
    return {
        clip
        for name in journal_names(plan.folder)
        if name != but
        for clip, record in read_journal(*journal_files(plan.folder, name)).records.items()
        if record.mtime_ns == mtimes.get(clip) and (record.reason or (plan.folder / jpeg_path(clip)).is_file())
    }


def _up_to_date(plan: Plan) -> PreparedStore | None:
    """The complete store, if no file changed since, and nothing is left there by a process that was killed."""
    folder = plan.folder
    if not (folder / MARK).exists() or all_journal_files(folder) or shard_locks(folder):
        return None
    store = PreparedStore.open(folder)
    return None if _suspects(store, plan.jobs) else store


def _suspects(store: PreparedStore, jobs: Sequence[Job]) -> list[Job]:
    """Files whose time of change is another than when they were prepared, or that are worth another try."""
    if not (store.folder / MTIMES).is_file():
        return list(jobs)
    before = np.load(store.folder / MTIMES)
    failed = _failed(store)
    return [
        job
        for job, mtime in zip(jobs, before.tolist(), strict=True)
        if job.mtime_ns != mtime or (job.clip in failed and try_again(job, *failed[job.clip]))
    ]


def _failed(store: PreparedStore) -> dict[str, tuple[str, str]]:
    """Checksum and reason of the clips that could not be prepared."""
    names = ("clip", "sha256", "reason")
    rows = zip(*(store.skipped[name].tolist() for name in names), strict=True)
    return {clip: (sha256, reason) for clip, sha256, reason in rows if clip}


def _refreshed(plan: Plan) -> PreparedStore | None:
    """A complete store whose files were only touched or copied; one with changed files is taken for unfinished."""
    folder, jobs = plan.folder, plan.jobs
    if not (folder / MARK).exists():
        return None
    store = PreparedStore.open(folder)
    before = dict(zip(store.table["clip"], store.table["sha256"], strict=True))
    before |= dict(zip(store.skipped["clip"], store.skipped["sha256"], strict=True))
    suspects, failed = _suspects(store, jobs), _failed(store)
    with ThreadPoolExecutor(cores()) as pool:
        now = pool.map(sha256_in_time, suspects)
        changed = [
            job.clip
            for job, sha256 in zip(suspects, now, strict=True)
            if sha256 != before.get(job.clip) or (sha256 and try_again(job, *failed.get(job.clip, ("-", ""))))
        ]
    if not changed:
        with suppress(OSError, DiskError):  # a store that is only read: it is compared again the next time
            for left in all_journal_files(folder):
                left.unlink()
            if suspects:
                write_mtimes(folder, [job.mtime_ns for job in jobs])
        return store
    log.warning("%d files have changed since they were prepared and are prepared again", len(changed))
    unfinish(store, changed, {job.clip: job.mtime_ns for job in jobs})
    return None


def _fill(plan: Plan) -> PreparedStore:
    """Prepare the clips that the journals lack, and finish the store; nobody else works in the folder."""
    data, jobs = plan.data, plan.jobs
    with StoreWriter(plan.folder) as writer:
        writer.absorb({job.clip: job.mtime_ns for job in jobs})
        try:
            _work(plan, writer, _todo(writer, jobs))
        except BaseException:
            remove_parts(plan.folder)
            raise
        lost = [writer.records[job.clip] for job in jobs if writer.records[job.clip].reason]
        if len(lost) == len(jobs):
            raise UserError(
                f"data={data.name}: none of {len(jobs)} clips could be prepared; the first, {lost[0].clip}: "
                f"{lost[0].reason}"
            )
        store = writer.finish(plan.listing.clips, plan.listing.problems, plan.settings, data.duplicates)
    if pictures := draw_low_yield(store):
        number, share = len(low_yield(store)), f"{LOW_YIELD:.0%}"
        log.warning("%d clips: face found in less than %s of the looks; look at %s", number, share, pictures)
    return store


def _todo(journal: Journal, jobs: Sequence[Job]) -> list[Job]:
    """Those of the jobs that a journal lacks, or that are worth another try; it forgets these."""
    journal.forget([j.clip for j in jobs if (r := journal.records.get(j.clip)) and r.mtime_ns != j.mtime_ns])
    journal.forget(list(journal.missing_jpegs()))
    failed = {clip: r for clip, r in journal.records.items() if r.reason}
    again = [j.clip for j in jobs if (r := failed.get(j.clip)) and try_again(j, r.sha256, r.reason)]
    journal.forget(again)
    return [job for job in jobs if job.clip not in journal.records]


def _work(plan: Plan, journal: Journal, todo: list[Job]) -> None:
    """Prepare clips and note them in a journal."""
    folder, data, face = plan.folder, plan.data, plan.face
    elsewhere = prepared_elsewhere(folder, plan.settings["extraction"], todo)
    todo = [replace(job, known=elsewhere[job.clip].known(job.clip)) if job.clip in elsewhere else job for job in todo]
    work = partial(prepare_clip, folder=folder, data=data, face=face)
    with closing(run_all(work, todo, data.prepare_workers or cores(), attrgetter("limit_sec"))) as results:
        for job, result in shown(results, len(todo), f"preparing {data.title}", plan.progress):
            if isinstance(result, Crashed | Hung):  # what has killed a process is only hashed here
                _detector.cache_clear()  # it may be in use until the end
                journal.add(Record(job.clip, job.mtime_ns, sha256_in_time(job), str(result)), NO_ROWS)
            elif isinstance(result, OSError):
                line = f"{folder}: cannot be written ({result.strerror or result})"
                raise disk_error(result, folder) or UserError(line) from result
            elif isinstance(result, Exception):
                raise result
            else:
                journal.add(*(result or elsewhere[job.clip].record(job)))


def prepare_clip(job: Job, *, folder: Path, data: DataConfig, face: FaceConfig) -> tuple[Record, np.ndarray] | None:
    """Make the JPEG file of one clip; what cannot be read is said in the record.

    Returns:
        The record and the rows of its crops; ``None`` if the same content is known from another store, whose JPEG
        file was taken over.
    """
    from realfake.data.extraction import extract_crops

    detector = _detector(face)  # now: once this is given up, another one takes its place
    sha256 = ""
    target = folder / jpeg_path(job.clip)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(target)
    try:
        sha256 = file_sha256(job.path)
        if job.known and job.known[0] == sha256 and not given_up() and take_over(job.known[1], part):
            part.replace(target)
            return None
        crops = extract_crops(job.path, data, face, detector, target.parent)
    except DiskError:
        raise
    except UserError as error:
        return Record(job.clip, job.mtime_ns, sha256, str(error)), NO_ROWS
    except OSError as error:
        return Record(job.clip, job.mtime_ns, sha256, f"cannot be read ({error.strerror or error})"), NO_ROWS
    except Exception as error:  # whatever a decoder does with a strange file, the other clips go on
        reason = " ".join(f"cannot be prepared ({type(error).__name__}: {error})".split())
        return Record(job.clip, job.mtime_ns, sha256, reason), NO_ROWS
    if not given_up():
        with part.open("wb") as file:
            file.writelines(crops.jpegs)
        part.replace(target)
    record = Record(
        job.clip,
        job.mtime_ns,
        sha256,
        **vars(crops.info),
        sampled=crops.looked,
        detected=crops.found,
        stored=len(crops.rows),
        remarks=crops.remarks,
        roll_deg=tuple(crops.roll_deg.tolist()) if crops.roll_deg.any() else (),
    )
    return record, crops.rows


@lru_cache(maxsize=4)
def _detector(face: FaceConfig) -> Detector | None:
    from realfake.data.faces import build_detector

    return build_detector(face)
