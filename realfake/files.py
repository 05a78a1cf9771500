"""Files that are whole or absent, folders that one process works in, and disks that are full or closed, in one line."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from realfake.errors import UserError

LOCK = ".lock"
"""File in a folder that whoever works there holds locked."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_MISPLACED = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Something else has the name, or nothing can."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

NAME_BYTES = 200
"""Of a name without its ending; file systems take 255 with it."""

_LITTLE = 2**24
"""Bytes: a disk with less room is the one that an error of no name is about."""

STORY = "realfake.story"
"""Logger of what is told to ``run.log`` alone."""

_held: set[int] = set()
"""Descriptors of the locks that this process holds."""


class DiskError(UserError):
    """A file could not be written: the disk is full, or closed to this user. Nothing else is wrong with the work.

    Args:
        path: What was being written.
        number: The ``errno``.
        needed: Bytes that the file takes, as far as known.
        fix: What to do about it; ``""`` = choose another folder.
    """

    def __init__(self, path: Path, number: int, needed: int = 0, fix: str = "") -> None:
        self.path, self.number, self.needed, self.fix = path, number, needed, fix
        fix = fix or "give another folder"
        if self.full:
            room = f"{shown_bytes(needed)} needed, " if needed else ""
            super().__init__(f"{path}: no room: {room}{shown_bytes(_free(path))} free; make room there, or {fix}")
        else:
            super().__init__(f"{path}: {os.strerror(number)}; change that, or {fix}")

    @property
    def full(self) -> bool:
        """Whether there is no room; else the place is closed to writing."""
        return self.number in _FULL

    def __reduce__(self) -> tuple[type[DiskError], tuple[Path, int, int, str]]:
        return DiskError, (self.path, self.number, self.needed, self.fix)


@contextmanager
def disk_errors(folder: Path, fix: str = "") -> Iterator[None]:
    """Say in one line, as :class:`DiskError`, if the block cannot write because a disk is full or read-only.

    Args:
        folder: Named if the error itself names no file.
        fix: What to do, beside making room.
    """
    try:
        yield
    except Exception as error:
        found = disk_error(error, folder, fix)
        if found is None:
            raise
        raise found from error


def disk_error(error: BaseException, folder: Path, fix: str = "") -> DiskError | None:
    """What a full or read-only disk has to do with an exception or with what led to it; ``None`` = nothing."""
    cause: BaseException | None = error
    refusals: tuple[int, ...] = _FULL + _CLOSED
    while cause is not None:
        if isinstance(cause, DiskError):
            return cause if cause.fix or not fix else DiskError(cause.path, cause.number, cause.needed, fix)
        if isinstance(cause, UserError):
            return None  # described already
        if isinstance(cause, OSError) and cause.errno in refusals:
            path = Path(str(cause.filename or folder))
            # Shared memory and temporary folders fill up too, and do not say so by name.
            named = cause.filename is not None or cause.errno not in (errno.ENOSPC, errno.EDQUOT)
            return DiskError(path, cause.errno, fix=fix) if named or _free(path) < _LITTLE else None
        if cause.__cause__ is None and not cause.__suppress_context__:
            refusals = (*_FULL, errno.EROFS)  # what went wrong before may have been a mere try to open something
            cause = cause.__context__
        else:
            cause = cause.__cause__
    return None


@contextmanager
def one_line(out: Path) -> Iterator[None]:
    """As :func:`disk_errors`, and say as :class:`UserError` if a path that the block uses cannot be what it has to be.

    Args:
        out: Folder that the block writes into.
    """
    try:
        with disk_errors(out):
            yield
    except OSError as error:
        if error.errno not in _MISPLACED or error.filename is None:
            raise
        path = error.filename2 or error.filename  # of a rename it is the new name that counts
        raise UserError(f"{path}: {os.strerror(error.errno)}; change that, or give another path") from error


def require_folder(out: str) -> None:
    """Raise :class:`UserError` if ``out`` is no folder and cannot become one, since something else has the name."""
    path = Path(out).expanduser()
    with suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()  # raises if no file can have the name
    there = next(p for p in (path, *path.parents) if os.path.lexists(p))
    if not there.is_dir():
        raise UserError(f"out={out}: {there} is no folder; expected a folder, or a new name for one")


def require_inside(out: Path, folders: Iterable[Path]) -> None:
    """Raise :class:`UserError` if one of the folders, which are to be written to below ``out``, is elsewhere."""
    for folder in folders:
        if not folder.resolve().is_relative_to(out.resolve()):
            raise UserError(f"out={out}: {folder} is a link that leads out of it; remove it, or give another out=")


def shown_bytes(count: int) -> str:
    """A number of bytes as people say it, e.g. ``1.5 GiB``."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 2**10:.0f} KiB" if count >= 2**10 else f"{count} bytes"


def safe_name(name: str) -> str:
    """One name, that leads nowhere else, with room for an ending and a number; what is cut off leaves its digest."""
    name = "_" * max(1, len(name)) if name in ("", ".", "..") else name.replace("/", "_")
    if len(name.encode()) <= NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: NAME_BYTES - 9].decode(errors='ignore')}_{digest}"


def part_path(path: Path) -> Path:
    """Temporary name beside ``path``, not shared with any other process."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def remove_parts(folder: Path, *, deep: bool = True) -> None:
    """Delete what killed processes left under temporary names in ``folder``, and anywhere below it if ``deep``."""
    for left in folder.rglob(".*.part") if deep else folder.glob(".*.part"):
        left.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path, size: int = 0) -> Iterator[Path]:
    """Write a file so that, whenever the process is killed or the power fails, it is the old one, the new one, or none.

    It is written beside its place (a rename is only one step within a file system), is on the disk before it gets its
    name, and does not get it if the block raises. A link of that name is replaced, not followed.

    Args:
        path: Of the file.
        size: Bytes that it will take, as far as known; only said if there is no room for them.

    Yields:
        The name under which the block has to write it.

    Raises:
        DiskError: If there is no room, or the folder is read-only.
    """
    part = part_path(path)
    try:
        yield part
        _sync(part)
        part.replace(path)
        _sync(path.parent)
    except BaseException as error:
        with suppress(OSError):  # in a read-only file system; what went wrong before is what counts
            part.unlink(missing_ok=True)
        found = disk_error(error, path) if isinstance(error, Exception) else None
        if found is None:
            raise
        raise DiskError(path, found.number, size) from error


@contextmanager
def open_whole(path: Path, size: int = 0) -> Iterator[BinaryIO]:
    """As :func:`written_whole`, opened."""
    with written_whole(path, size) as part, part.open("wb") as file:
        yield file


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file as :func:`open_whole` does; text is UTF-8."""
    content = content.encode() if isinstance(content, str) else content
    with open_whole(path, len(content)) as file:
        file.write(content)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # of folders some network file systems cannot; the name is theirs to keep
        if not path.is_dir():
            raise
    finally:
        os.close(handle)


def _free(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def reserve(file: BinaryIO, path: Path, size: int) -> None:
    """Have the disk set ``size`` bytes aside for a file that is being written, so that none of them can be refused.

    Raises:
        DiskError: If there is no room for them.
    """
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskError(path, error.errno, size) from error
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


class LogFile(logging.FileHandler):
    """A log that a full disk does not fill the screen with tracebacks about: that is said once, in one line."""

    def __init__(self, filename: str, mode: str = "a", encoding: str = "utf-8") -> None:
        super().__init__(filename, mode, encoding)
        self.full = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by ``emit`` for what a write raised."""
        error = sys.exception()
        if not isinstance(error, OSError) or error.errno not in _FULL:
            super().handleError(record)
        elif not self.full:
            self.full = True
            print(f"{DiskError(Path(self.baseFilename), error.errno)} (the log has a gap)", file=sys.stderr)

    def close(self) -> None:
        """End the log; what it could not write by now was said."""
        with suppress(OSError):
            super().close()


class WithoutStory(logging.Filter):
    """Keeps off a screen what :mod:`realfake.experiments.story` tells ``run.log``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        return record.name != STORY


class WithoutJobs(logging.Filter):
    """Keeps off a screen Hydra's line for each run of a sweep, also for those that are left as they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        return not record.getMessage().startswith("\t#")


class Locked(Exception):
    """Another process works in the folder."""


@contextmanager
def only_one(folder: Path, on_wait: Callable[[], None] | None = lambda: None, name: str = LOCK) -> Iterator[int | None]:
    """Let one process at a time work in ``folder``; the lock ends with the process, however it ends.

    In a folder that is read-only and was never locked there is nothing to guard, and where the file system has no
    locks nothing can be: there the block runs without.

    Args:
        folder: Exists already.
        on_wait: Called once if another process holds the lock, before waiting for it; ``None`` = do not wait.
        name: Of the file that is locked, where several processes share the folder.

    Yields:
        The descriptor that holds the lock, also on behalf of a process that inherits it; ``None`` without a lock.

    Raises:
        Locked: If another process holds the lock and ``on_wait`` is ``None``.
    """
    handle = _open_lock(folder / name)
    if handle is None:
        yield None
        return
    _held.add(handle)
    try:
        try:
            if not lock_descriptor(handle, blocking=False):
                if on_wait is None:
                    raise Locked(f"{folder}: another process works there")
                on_wait()
                lock_descriptor(handle, poll_interval=0.1)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield handle
    finally:
        _held.discard(handle)
        os.close(handle)


def _open_lock(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _close_inherited() -> None:
    """Forked processes, such as those that load data, would hold the locks of a parent that was killed."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_close_inherited)
