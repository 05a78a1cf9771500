"""Shards: many machines prepare one folder, each its part of the clips, and whoever ends last completes it.

A shard holds a lock of its own while it works, and the folder's lock only to begin and to end, so that none waits for
another. Who works on the whole folder holds its lock and those of all shards: it waits for those that are at work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from realfake.files import LOCK, Locked, only_one


@dataclass(frozen=True)
class Shard:
    """One of several parts of the work on a dataset: every ``count``-th clip in the order of the listing."""

    number: int
    """From 0."""
    count: int

    @property
    def name(self) -> str:
        """Stands in the names of its files, e.g. ``shard-1-of-4``."""
        return f"shard-{self.number}-of-{self.count}"

    @property
    def lock(self) -> str:
        """File that it holds locked while it works."""
        return f"{LOCK}-{self.name}"

    def has(self, i: int) -> bool:
        """Whether clip number ``i`` is in its part."""
        return i % self.count == self.number

    def lacking(self, missing: Iterable[int]) -> list[Shard]:
        """The shards whose part lacks something; ``missing`` are the numbers of clips that are not done."""
        return [Shard(number, self.count) for number in sorted({i % self.count for i in missing})]


WHOLE = Shard(0, 1)
"""Everything, by one process."""


@contextmanager
def alone(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the folder's lock and those of all its shards; what is left of their locks is gone after the block.

    Args:
        folder: Exists already.
        on_wait: Called before waiting for another process.
    """
    with only_one(folder, on_wait), ExitStack() as held:
        locks = shard_locks(folder)
        for lock in locks:
            held.enter_context(only_one(folder, on_wait, lock.name))
        yield
        for lock in locks:
            with suppress(OSError):  # a folder that is only read
                lock.unlink()


def shard_locks(folder: Path) -> list[Path]:
    """The locks of shards that are there: of those at work, of those that others wait for, and what a kill left."""
    return sorted(folder.glob(f"{LOCK}-shard-*"))


@contextmanager
def at_work(folder: Path, shard: Shard, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a shard; begins while nobody works on the whole folder, or on the same shard.

    The folder may be complete by then.

    Args:
        folder: Exists already.
        shard: Whose part is worked on.
        on_wait: Called before waiting for another process.
    """
    with ExitStack() as held:
        while True:
            with only_one(folder, on_wait):
                try:
                    held.enter_context(only_one(folder, None, shard.lock))
                    break
                except Locked:
                    pass
            with only_one(folder, on_wait, shard.lock):  # not within the folder's lock, which other shards need
                pass
        yield


def working(folder: Path, shards: Sequence[Shard]) -> list[Shard]:
    """Those of the shards that a process works on at this moment."""
    found = []
    for shard in shards:
        if (folder / shard.lock).exists():
            try:
                with only_one(folder, None, shard.lock):
                    pass
            except Locked:
                found.append(shard)
    return found


def wait_for(folder: Path, shards: Sequence[Shard], on_wait: Callable[[], None]) -> None:
    """Wait until no process works on any of the shards."""
    for shard in shards:
        if (folder / shard.lock).exists():
            with only_one(folder, on_wait, shard.lock):
                pass


def left_to_others(shard: Shard, busy: Sequence[Shard], missing: Sequence[Shard]) -> str:
    """What a shard says that ends before all is done.

    Args:
        shard: The one that is done.
        busy: Those that are worked on.
        missing: Those whose part lacks something, the busy ones among them.
    """
    idle = [other.number for other in missing if other not in busy]
    said = [f"shard={shard.number} shards={shard.count} is done"]
    if busy:
        said.append(f"{_numbers(other.number for other in busy)} of {shard.count} in work")
    if idle:
        said.append(
            f"{_numbers(idle)} of {shard.count} missing: the same command with shard={','.join(map(str, idle))} does it"
        )
    return "; ".join(said)


def _numbers(numbers: Iterable[int]) -> str:
    return f"shard {', '.join(map(str, numbers))}"
