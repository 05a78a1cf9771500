"""Prepares a dataset: every clip's file becomes face crops in a store, which is then opened."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.config import DataConfig, FaceConfig
from realfake.data.clips import Listing
from realfake.data.decoders import require_decoder
from realfake.data.face_choice import face_identity, resolved_face
from realfake.data.jobs import Job, file_sha256, list_jobs, sha256_in_time, try_again
from realfake.data.low_yield import LOW_YIELD, draw_low_yield, low_yield
from realfake.data.sources import list_clips
from realfake.data.store import CROP, MARK, PreparedStore, jpeg_path
from realfake.data.store_writing import MTIMES, Record, StoreWriter, finished_record, unfinish, write_mtimes
from realfake.data.work import Crashed, Hung, cores, given_up, run_all, shown
from realfake.errors import UserError
from realfake.files import DiskError, disk_error, disk_errors, only_one, part_path, remove_parts

if TYPE_CHECKING:
    from realfake.data.faces import Detector

log = logging.getLogger(__name__)

NO_ROWS = np.empty(0, CROP)

PREPARATION_VERSION = 2
"""Counted up whenever the same settings would give other crops, so that no old store passes for new."""


def prepare(
    data: DataConfig, face: FaceConfig, *, progress: bool = True, check: Callable[[Listing], None] | None = None
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
        progress: Whether to show progress bars.
        check: Of the listing, before any work; raises an error.

    Raises:
        UserError: If the dataset cannot be listed, the detector cannot be built, or no clip at all can be prepared.
    """
    source, listing = list_clips(data, progress=progress)
    if check is not None:
        check(listing)
    store = _prepared(data, resolved_face(face), listing, Path(source.root), progress)
    store.root = Path(source.root)
    return store


def _prepared(data: DataConfig, face: FaceConfig, listing: Listing, root: Path, progress: bool) -> PreparedStore:
    jobs = list_jobs(root, listing.clips, data.patience_sec)
    settings = store_settings(data, face, listing, jobs)
    folder = Path(data.prepared).expanduser() / f"{data.name}-{settings['digest']}"
    store = _up_to_date(folder, jobs)
    if store is not None:
        return store
    # A missing weights file or package is told before anything is written.
    _detector(face)
    require_decoder(data.decoder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"data.prepared={data.prepared}: {error.strerror}; give a folder that can be written") from None
    with (
        disk_errors(folder, "give another data.prepared"),
        only_one(folder, lambda: log.warning("waiting for another process that prepares %s", folder)),
    ):
        store = _up_to_date(folder, jobs) or _refreshed(folder, jobs)
        if store is None:
            store = _fill(folder, data, face, listing, jobs, settings, progress)
    return store


def store_settings(data: DataConfig, face: FaceConfig, listing: Listing, jobs: Sequence[Job]) -> dict[str, Any]:
    """What ``store.json`` says of a store before it is made: everything that shapes it, and the digest of that."""
    extraction = {
        "version": PREPARATION_VERSION,
        "window": data.window,
        "rate_fps": data.rate_fps,
        "size": data.size,
        "jpeg_quality": data.jpeg_quality,
        "face": face_identity(face),
    }
    if data.decoder != "pyav":  # colours of 10 bits, and pixels that are made square, come out otherwise
        extraction["decoder"] = data.decoder
    digest = hashlib.sha256(json.dumps([data.name, extraction, data.duplicates], sort_keys=True).encode())
    for clip, job in zip(listing.clips, jobs, strict=True):
        digest.update(repr((*vars(clip).values(), job.size)).encode())
    for problem in listing.problems:
        digest.update(repr(problem).encode())
    return {
        "dataset": data.name,
        "size": data.size,
        "extraction": extraction,
        "duplicates": data.duplicates,
        "digest": digest.hexdigest()[:12],
    }


def _up_to_date(folder: Path, jobs: Sequence[Job]) -> PreparedStore | None:
    """The complete store in ``folder``, if no file changed since."""
    if not (folder / MARK).exists():
        return None
    store = PreparedStore.open(folder)
    return None if _suspects(store, jobs) else store


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


def _refreshed(folder: Path, jobs: Sequence[Job]) -> PreparedStore | None:
    """A complete store whose files were only touched or copied; one with changed files is taken for unfinished."""
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
        with suppress(DiskError):  # a store that is only read: it is compared again the next time
            write_mtimes(folder, [job.mtime_ns for job in jobs])
        return store
    log.warning("%d files have changed since they were prepared and are prepared again", len(changed))
    unfinish(store, changed, {job.clip: job.mtime_ns for job in jobs})
    return None


def _fill(
    folder: Path,
    data: DataConfig,
    face: FaceConfig,
    listing: Listing,
    jobs: Sequence[Job],
    settings: dict[str, Any],
    progress: bool,
) -> PreparedStore:
    """Prepare the clips that the folder's journal lacks, and finish the store; the folder is locked."""
    with StoreWriter(folder) as writer:
        writer.forget([j.clip for j in jobs if (r := writer.records.get(j.clip)) and r.mtime_ns != j.mtime_ns])
        writer.forget(list(writer.missing_jpegs()))
        failed = {clip: r for clip, r in writer.records.items() if r.reason}
        again = [j.clip for j in jobs if (r := failed.get(j.clip)) and try_again(j, r.sha256, r.reason)]
        writer.forget(again)
        todo = [job for job in jobs if job.clip not in writer.records]
        elsewhere = _prepared_elsewhere(folder, settings["extraction"], todo)
        todo = [
            replace(job, known=elsewhere[job.clip].known(job.clip)) if job.clip in elsewhere else job for job in todo
        ]
        work = partial(prepare_clip, folder=folder, data=data, face=face)
        try:
            with closing(run_all(work, todo, data.prepare_workers or cores(), attrgetter("limit_sec"))) as results:
                for job, result in shown(results, len(todo), f"preparing {data.name}", progress):
                    if isinstance(result, Crashed | Hung):  # what has killed a process is only hashed here
                        _detector.cache_clear()  # it may be in use until the end
                        writer.add(Record(job.clip, job.mtime_ns, sha256_in_time(job), str(result)), NO_ROWS)
                    elif isinstance(result, OSError):
                        line = f"{folder}: cannot be written ({result.strerror or result})"
                        raise disk_error(result, folder) or UserError(line) from result
                    elif isinstance(result, Exception):
                        raise result
                    else:
                        writer.add(*(result or elsewhere[job.clip].record(job)))
        except BaseException:
            remove_parts(folder)
            raise
        lost = [writer.records[job.clip] for job in jobs if writer.records[job.clip].reason]
        if len(lost) == len(jobs):
            raise UserError(
                f"data={data.name}: none of {len(jobs)} clips could be prepared; the first, {lost[0].clip}: "
                f"{lost[0].reason}"
            )
        store = writer.finish(listing.clips, listing.problems, settings, data.duplicates)
    if pictures := draw_low_yield(store):
        number, share = len(low_yield(store)), f"{LOW_YIELD:.0%}"
        log.warning("%d clips: face found in less than %s of the looks; look at %s", number, share, pictures)
    return store


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
        if job.known and job.known[0] == sha256 and not given_up() and _take_over(job.known[1], part):
            part.replace(target)
            return None
        crops = extract_crops(job.path, data, face, detector)
    except UserError as error:
        return Record(job.clip, job.mtime_ns, sha256, str(error)), NO_ROWS
    except OSError as error:
        return Record(job.clip, job.mtime_ns, sha256, f"cannot be read ({error.strerror or error})"), NO_ROWS
    except Exception as error:  # whatever a decoder does with a strange file, the other clips go on
        reason = " ".join(f"cannot be prepared ({type(error).__name__}: {error})".split())
        return Record(job.clip, job.mtime_ns, sha256, reason), NO_ROWS
    if not given_up():
        part.write_bytes(b"".join(crops.jpegs))
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
    )
    return record, crops.rows


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


def _prepared_elsewhere(folder: Path, extraction: dict[str, Any], todo: Sequence[Job]) -> dict[str, Elsewhere]:
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


def _take_over(source: Path, part: Path) -> bool:
    try:
        os.link(source, part)
    except OSError:
        try:
            shutil.copyfile(source, part)
        except OSError:
            return False
    return True


@lru_cache(maxsize=4)
def _detector(face: FaceConfig) -> Detector | None:
    from realfake.data.faces import build_detector

    return build_detector(face)
