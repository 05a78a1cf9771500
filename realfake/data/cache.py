"""Decoded crops at one size in a memory-mapped file: built once, shared by all workers and all jobs of a machine."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from realfake.data.store import PreparedStore, StoreReader
from realfake.data.work import cores, shown
from realfake.files import DiskError, disk_errors, only_one, open_whole, remove_parts, reserve, shown_bytes

log = logging.getLogger(__name__)

CHUNK = 256
"""Crops that one thread decodes at once."""
WAY_OUT = "use data.cache=none, a smaller input or another data.prepared"


def open_cache(
    store: PreparedStore, size: int, *, if_room: bool = False, progress: bool = True
) -> MemmapCache | StoreReader:
    """Open the cache of a store at a size; the first to ask for it builds it, others wait.

    The file ``decoded-<size>-<fingerprint>.npy`` lies in the store's folder and takes ``crops × size × size × 3``
    bytes. Where that folder is read-only and has no such file, the store itself is read instead, which is said.

    Args:
        store: The prepared dataset.
        size: Side of a crop in pixels.
        if_room: Build it only where it leaves as much room on the disk as it takes; else the store is read too.
        progress: Whether to show a progress bar.

    Raises:
        DiskError: If there is too little room on the disk, but with ``if_room``.
    """
    path = cache_path(store, size)
    if path.exists():
        return MemmapCache(store, size, path)
    try:
        with disk_errors(path.parent), only_one(path.parent):
            needed = len(store.crops) * size * size * 3
            if path.exists() or not if_room or 2 * needed <= shutil.disk_usage(path.parent).free:
                if not path.exists():
                    _build(store, size, path, progress)
                return MemmapCache(store, size, path)
        why = f"{shown_bytes(needed)} of decoded crops would take more than half of the room there"
    except DiskError as error:
        if error.full and not if_room:
            raise
        why = "the disk is full" if error.full else "cannot be written"
    log.warning("%s: %s: crops are decoded as they are needed", path.parent, why)
    return store.reader(size)


def cache_path(store: PreparedStore, size: int) -> Path:
    """Where the decoded crops of a store lie; content that changes gets another name."""
    return store.folder / f"decoded-{size}-{store.fingerprint[:12]}.npy"


def _build(store: PreparedStore, size: int, path: Path, progress: bool) -> None:
    shape = (len(store.crops), size, size, 3)
    remove_parts(path.parent, deep=False)
    needed = int(np.prod(shape))
    if needed > shutil.disk_usage(path.parent).free:
        raise DiskError(path, errno.ENOSPC, needed, WAY_OUT)
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    reader = store.reader(size)
    starts = range(0, shape[0], CHUNK)
    # Written, not mapped: a full disk kills a process that writes to a mapping.
    with disk_errors(path, WAY_OUT), open_whole(path, needed) as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        begin = file.tell()
        reserve(file, path, begin + needed)

        def fill(start: int) -> None:
            rows = np.arange(start, min(start + CHUNK, shape[0]))
            crops, place = memoryview(reader.gather(rows)).cast("B"), begin + start * size * size * 3
            while crops:
                count = os.pwrite(file.fileno(), crops, place)
                crops, place = crops[count:], place + count

        with ThreadPoolExecutor(cores()) as pool:
            try:
                for _ in shown(
                    pool.map(fill, starts), len(starts), f"decoding crops at {size} px", progress, after_sec=2.0
                ):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


class MemmapCache:
    """Reads decoded crops; the same interface and the same pixels as :class:`realfake.data.store.StoreReader`.

    Cheap to pickle and to share with forked workers: the file is mapped by each process when it first reads.

    Args:
        store: The prepared dataset.
        size: Side of a crop in pixels.
        path: Of the decoded crops.
    """

    def __init__(self, store: PreparedStore, size: int, path: Path) -> None:
        self.store, self.size, self.path = store, size, path

    def __getstate__(self) -> dict[str, Any]:
        return {"store": self.store, "size": self.size, "path": self.path}

    @cached_property
    def decoded(self) -> np.ndarray:
        """All crops, uint8 (crops, size, size, 3), RGB, read-only."""
        return np.load(self.path, mmap_mode="r")

    def read(self, i: int, indices: np.ndarray | Sequence[int]) -> np.ndarray:
        """Crops of clip ``i``: uint8 (n, size, size, 3), RGB."""
        span = self.store.span(i)
        return self.gather(np.arange(span.start, span.stop)[np.asarray(indices, dtype=np.int64)])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Crops by their row in :attr:`PreparedStore.crops`: (n,) → uint8 (n, size, size, 3), RGB."""
        return np.take(self.decoded, rows, axis=0)
