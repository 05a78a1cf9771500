"""The files of a dataset's clips, and how it is known whether they have changed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realfake.data.clips import Clip
from realfake.data.sources.listing import image_files
from realfake.data.work import Hung, bounded, time_limit_sec
from realfake.errors import UserError


@dataclass(frozen=True)
class Job:
    """The file of one clip."""

    clip: str
    path: Path
    size: int
    """In bytes; -1 = the file cannot be looked at."""
    mtime_ns: int
    """Time of change; of a folder of images, a number that stands for names, sizes and times of these."""
    limit_sec: float
    """How long preparing it may take."""
    known: tuple[str, Path] | None = None
    """Checksum of a file of this name in another store with the same settings, and its JPEG file there."""


def list_jobs(root: Path, clips: Sequence[Clip], patience_sec: float) -> list[Job]:
    """The file of each clip; paths are below ``root``."""
    jobs = []
    for clip in clips:
        path = root / clip.path
        try:
            size, mtime_ns = _state(path)
        except OSError:
            size, mtime_ns = -1, 0
        jobs.append(Job(clip.clip, path, size, mtime_ns, time_limit_sec(size, patience_sec)))
    return jobs


def file_size(path: Path) -> int:
    """Of a file, or of all images of a folder, in bytes; -1 = it cannot be looked at."""
    try:
        return _state(path)[0]
    except OSError:
        return -1


def try_again(job: Job, sha256: str, reason: str) -> bool:
    """Whether a clip that could not be prepared may be now: its file can be read, or there is more time."""
    given_sec = Hung.given_sec(reason)
    return (not sha256 and os.access(job.path, os.R_OK)) or (given_sec is not None and job.limit_sec > given_sec + 0.1)


def _state(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change of a file; of a folder of images, what changes if any of them does."""
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size, status.st_mtime_ns
    files = [(file.name, file.stat()) for file in image_files(path)]
    known = repr([(name, s.st_size, s.st_mtime_ns) for name, s in files])
    return sum(s.st_size for _, s in files), int(hashlib.sha256(known.encode()).hexdigest()[:15], 16)


def sha256_in_time(job: Job) -> str:
    """Checksum of a clip's file; empty if it cannot be read, or not in time."""
    try:
        return bounded(file_sha256, job.limit_sec, job.path)
    except (OSError, UserError, Hung):
        return ""


def file_sha256(path: Path) -> str:
    """Checksum of a file as hexadecimal digits (of a folder of images: of these, in their order).

    Raises:
        UserError: If it is neither a file nor a folder.
        OSError: If it cannot be read.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError("not a regular file")
    digest = hashlib.sha256()
    for file in image_files(path) if path.is_dir() else [path]:
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
