"""Work on many files: processes and a progress bar."""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Generic, TypeVar

from realfake.errors import UserError
from realfake.registry import as_word, files_of, load_files

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")
R = TypeVar("R")

_NOT_STARTED = (
    "a process that works on files died while it was started, of what it says above; a file with the name of a module "
    "of Python in the folder of the command takes that one's place: give it another"
)


class Crashed(Exception):
    """The process that worked on an item died, in most cases inside of a decoder."""


class Hung(Exception):
    """The work on an item took longer than it may, in most cases inside of a decoder that never ends."""

    def __init__(self, limit_sec: float) -> None:
        super().__init__(limit_sec)
        self.limit_sec = limit_sec

    def __str__(self) -> str:
        return f"given up after {self.limit_sec:.1f} s: its decoder hangs, or it needs more time (patience_sec)"

    @staticmethod
    def given_sec(reason: str) -> float | None:
        """The limit that the text of such an exception names; ``None`` if it is another text."""
        match = re.match(r"given up after ([0-9.]+) s: ", reason)
        return float(match[1]) if match else None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def time_limit_sec(size_bytes: int, patience_sec: float) -> float:
    """How long the work on a file may take: the patience, and as long again for each 10 MB."""
    return patience_sec * (1.0 + max(0, size_bytes) / 10e6)


def bounded(function: Callable[..., R], limit_sec: float, *arguments: object) -> R:
    """Call a function in a thread of its own, which is left to itself if it takes too long (see :func:`given_up`).

    Raises:
        Hung: If it takes longer than ``limit_sec``; otherwise whatever the function raises.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function(*arguments))
        except BaseException as error:
            errors.append(error)

    thread = _Bounded(target=work, daemon=True)
    thread.start()
    thread.join(limit_sec)
    if errors:
        raise errors[0]
    if not results:
        thread.given_up = True
        raise Hung(limit_sec)
    return results[0]


class _Bounded(threading.Thread):
    given_up = False


def given_up() -> bool:
    """Whether nobody waits any more for what this thread does in :func:`bounded`: it must not write anything."""
    thread = threading.current_thread()
    return isinstance(thread, _Bounded) and thread.given_up


def run_all(
    function: Callable[[T], R], items: Sequence[T], workers: int, limit_sec: Callable[[T], float] | None = None
) -> Generator[tuple[T, R | Exception]]:
    """Call ``function`` on every item in several processes; yield items with results as they come.

    An exception of the function is yielded as the item's result, and so are :class:`Crashed` if its process died
    twice, the second time alone, and :class:`Hung` if it took too long, whose process is ended and replaced: one bad
    item costs nothing but itself. With one worker, or where no process can be started (daemons may have none, and
    workers of joblib start others in a way of their own), all happens in this process. Leaving the iteration early
    ends the workers, and so does the death of this process.

    Args:
        function: Importable by its name from a module that is not the main script; like the items, picklable.
        items: What to work on.
        workers: Number of processes.
        limit_sec: How long an item may take; ``None`` = as long as it likes.
    """
    workers = min(workers, len(items))
    if workers <= 1 or not _can_have_children():
        with _one_opencv_thread():
            for item in items:
                yield item, _outcome(function, item, limit_sec(item) if limit_sec else None)
        return
    suspects: list[T] = []
    yield from _run_pool(function, items, workers, limit_sec, suspects)
    for item in suspects:  # something else may have killed the process, want of memory, say
        again: list[T] = []
        yield from _run_pool(function, [item], 1, limit_sec, again)
        if again:
            yield item, Crashed("the process that worked on it died")


class _Worker(Generic[T]):
    """A process that works on one item after the other."""

    def __init__(self, function: Callable[[T], object]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        pickled = pickle.dumps(function)
        self.process = spawn.Process(target=_serve, args=(theirs, pickled, files_of(pickled)), daemon=True)
        with _hidden_main(), _no_interrupt_for_children():
            self.process.start()
        theirs.close()
        self.items: list[T] = []
        """What it works on: nothing or one."""
        self.started = False
        self.limit_sec, self.deadline = math.inf, math.inf

    def give(self, item: T, limit_sec: float) -> None:
        with suppress(OSError):  # a process that has died is noticed where its results are read
            self.connection.send(item)
        self.items = [item]
        self.limit_sec, self.deadline = limit_sec, time.monotonic() + limit_sec

    def end(self) -> None:
        if self.items or not self.started:  # one that is starting would tell nobody that it is ready
            self.process.kill()
        self.connection.close()
        self.process.join()


def _run_pool(
    function: Callable[[T], R],
    items: Sequence[T],
    workers: int,
    limit_sec: Callable[[T], float] | None,
    suspects: list[T],
) -> Generator[tuple[T, R | Exception], None, None]:
    """Work on items in processes; those whose process dies become ``suspects``."""
    waiting = deque(items)
    pool: list[_Worker[T]] = []
    try:
        while waiting or any(worker.items for worker in pool):
            while len(pool) < workers and sum(not worker.items for worker in pool) < len(waiting):
                pool.append(_Worker(function))
            soonest = min(worker.deadline for worker in pool) - time.monotonic()
            ready = wait_for([w.connection for w in pool], None if math.isinf(soonest) else max(0.0, soonest))
            for worker in [w for w in pool if w.connection in ready]:
                done, result = worker.items, None
                try:
                    result = worker.connection.recv()
                except (EOFError, OSError):
                    pool.remove(worker)
                    worker.end()
                    if not worker.started:
                        raise UserError(_NOT_STARTED) from None
                    suspects.extend(done)
                    continue
                except Exception as error:  # a result that cannot be read back
                    result = error
                if not worker.started and isinstance(result, Exception):
                    raise result
                worker.started, worker.items, worker.deadline = True, [], math.inf
                if waiting:
                    item = waiting.popleft()
                    worker.give(item, limit_sec(item) if limit_sec else math.inf)
                for item in done:
                    yield item, result
            for worker in [w for w in pool if w.deadline < time.monotonic() and not w.connection.poll()]:
                pool.remove(worker)
                worker.end()
                for item in worker.items:
                    yield item, Hung(worker.limit_sec)
    finally:
        for worker in pool:
            worker.end()


def _serve(connection: Connection, pickled: bytes, plugins: list[str]) -> None:
    """Call a function, which is unpickled once the plugins are loaded that it is made of, on all that comes."""
    _start_worker()
    try:
        load_files(plugins)
        function: Callable[[object], object] = pickle.loads(pickled)
    except UserError as error:
        connection.send(error)
        return
    except ModuleNotFoundError:  # the name of a plugin's module holds the digest of its content
        connection.send(UserError(f"{as_word(plugins)}: changed after this command had loaded it; start it again"))
        return
    connection.send(None)  # ready: time counts from here
    with suppress(EOFError):
        while True:
            result = _outcome(function, connection.recv())
            try:
                connection.send(result)
            except Exception as error:
                connection.send(TypeError(f"a result that cannot be sent ({error})"))


def _can_have_children() -> bool:
    method = multiprocessing.get_start_method(allow_none=True)
    known = method is None or method in multiprocessing.get_all_start_methods()
    return known and not multiprocessing.current_process().daemon


def _outcome(function: Callable[[T], R], item: T, limit_sec: float | None = None) -> R | Exception:
    try:
        return function(item) if limit_sec is None else bounded(function, limit_sec, item)
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
def _no_interrupt_for_children() -> Iterator[None]:
    """Processes that are started here never hear of Ctrl-C, from their first moment on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
