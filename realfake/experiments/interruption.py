"""Ctrl-C and SIGTERM: end cleanly after the batch, and say so in the results."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from realfake.errors import Interrupted


class StopBetweenBatches(Callback):
    """Raises :class:`Interrupted` at the next border of two batches once a signal came.

    Raised inside of a batch it could be lost in compiled code that calls back into Python, and a second signal in a
    hurry could tear a checkpoint; between batches neither can happen.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.working = False

    @contextmanager
    def listening(self) -> Iterator[StopBetweenBatches]:
        """Handle SIGINT and SIGTERM while the block runs: outside of batches at once, within at the next border."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        previous = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

        def handle(number: int, frame: FrameType | None) -> None:
            again, self.number = self.number is not None, number
            if not self.working or again:
                raise Interrupted(number)

        for s in previous:
            signal.signal(s, handle)
        try:
            yield self
        finally:
            for s, handler in previous.items():
                signal.signal(s, handler)

    def _look(self) -> None:
        if self.number is not None:
            raise Interrupted(self.number)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """The trainer works from here on."""
        self.working = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """The trainer has ended."""
        self.working = False

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """A border of two batches."""
        self._look()

    def on_validation_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """A border of two batches."""
        self._look()

    def on_test_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """A border of two batches."""
        self._look()
