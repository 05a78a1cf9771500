"""What a run takes, by phases, in all, and of the processor."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Phases(dict[str, float]):
    """Seconds of each phase of a run, which begins now."""

    def __init__(self) -> None:
        super().__init__()
        self._started, self._used = time.monotonic(), _processor_sec()

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the phase ``name``."""
        start = time.monotonic()
        try:
            yield
        finally:
            self[name] = self.get(name, 0.0) + time.monotonic() - start

    def spent(self) -> dict[str, float]:
        """Seconds of all phases, those of the ``processor``, and in ``total``."""
        return {**self, "processor": _processor_sec() - self._used, "total": time.monotonic() - self._started}


def _processor_sec() -> float:
    """Processor time of this process, and of those that it started and that have ended."""
    return sum(os.times()[:4])
