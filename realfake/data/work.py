"""Work on many files: processes and a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import wait as wait_for
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Crashed(Exception):
    """The process that worked on an item died, in most cases inside of a decoder."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(function: Callable[[T], R], items: Sequence[T], workers: int) -> Generator[tuple[T, R | Exception]]:
    """Call ``function`` on every item in several processes; yield items with results as they come.

    An exception of the function is yielded as the item's result, and so is :class:`Crashed` if its process died: one
    bad item costs nothing but itself. With one worker, or where no process can be started (daemons may have none, and
    workers of joblib start others in a way of their own), all happens in this process. Leaving the iteration early
    ends the workers, and so does the death of this process.

    Args:
        function: Importable by its name from a module that is not the main script; like the items, picklable.
        items: What to work on.
        workers: Number of processes.
    """
    workers = min(workers, len(items))
    if workers <= 1 or not _can_have_children():
        with _one_opencv_thread():
            for item in items:
                yield item, _outcome(function, item)
        return
    suspects: list[T] = []
    waiting = list(reversed(items))
    while waiting:
        yield from _run_pool(function, waiting, workers, suspects)
        for item in suspects:  # one of these killed its process; alone, each is judged by itself
            alone, again = [item], list[T]()
            yield from _run_pool(function, alone, 1, again)
            if again:
                yield item, Crashed("the process that worked on it died")
        suspects.clear()


def _run_pool(
    function: Callable[[T], R], waiting: list[T], workers: int, suspects: list[T]
) -> Generator[tuple[T, R | Exception], None, None]:
    """Work ``waiting`` off from its end; if a process dies, the items in work become ``suspects``."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker)
    pending: dict[Future[R | Exception], T] = {}
    try:
        while waiting or pending:
            while waiting and len(pending) < 2 * workers:
                item = waiting.pop()
                with _hidden_main():
                    pending[pool.submit(_outcome, function, item)] = item
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                item, result = pending[future], future.result()
                del pending[future]
                yield item, result
    except BrokenProcessPool:
        suspects.extend(item for future, item in pending.items() if not future.done() or future.exception())
        finished = [(item, f.result()) for f, item in pending.items() if f.done() and not f.exception()]
        pending.clear()
        yield from finished
    finally:
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=not pending, cancel_futures=True)
        if pending:  # the iteration was left early: what is in work is thrown away
            for process in processes:
                process.terminate()
            for process in processes:
                process.join()


def _can_have_children() -> bool:
    method = multiprocessing.get_start_method(allow_none=True)
    known = method is None or method in multiprocessing.get_all_start_methods()
    return known and not multiprocessing.current_process().daemon


def _outcome(function: Callable[[T], R], item: T) -> R | Exception:
    try:
        return function(item)
    except Exception as error:
        return error.with_traceback(None)


def _start_worker() -> None:
    """One OpenCV thread per process, Ctrl-C left to the parent, and no worker that outlives a killed parent."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait_for([parent.sentinel]), os._exit(1)), daemon=True).start()


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Start processes that do not import the main script again.

    They need nothing of it, and a script without the ``__name__`` guard would start its work a second time.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    for name in hidden:
        delattr(main, name)
    main.__spec__ = None
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def shown(
    items: Iterable[T], total: int, description: str, show: bool = True, *, after_sec: float = 0.0
) -> Iterator[T]:
    """Pass ``items`` on under a progress bar with their rate and the time that is left, on the error stream.

    Args:
        items: What is worked off.
        total: Their number.
        description: Stands before the bar.
        show: ``False`` = no bar.
        after_sec: The bar appears if the work takes longer than this.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), disable=not show or not total)
    start = time.monotonic()
    task = bar.add_task(description, total=total, rate="")
    with ExitStack() as stack:
        for item in items:
            if not bar.live.is_started and time.monotonic() - start >= after_sec:
                stack.enter_context(bar)
            bar.advance(task)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.1f}/s" if speed else "")
            yield item
