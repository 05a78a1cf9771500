"""What each saving in the training step brings: epochs of one trainer, in turns with all savings and without one.

Processor time, since wall time on a busy machine says little; more cycles narrow the intervals.

    python -m benchmarks.savings --approach single_task --cycles 30 trainer.threads=1
"""

from __future__ import annotations

import argparse
import ctypes
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything

from benchmarks.results import add_out, report
from realfake.approaches import build_datamodule, step_means
from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.batch import Batch
from realfake.data.samples import ClipSamples
from realfake.experiments.callbacks import MetricsTable
from realfake.experiments.overhead import spare_overhead
from realfake.experiments.training import build_trainer, quiet_warnings
from realfake.runs.devices import choose_devices
from realfake.runs.folder import RunFolder

_gather = ClipSamples.__getitems__


def _one_by_one(samples: ClipSamples, keys: Sequence[int]) -> Batch:
    parts: list[Any] = [_gather(samples, [key]) for key in keys]
    return Batch(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})  # type: ignore[typeddict-item]


def _log_always(self: ApproachModule, batch: Batch, batch_idx: int) -> torch.Tensor:
    loss = self._step(batch, "train")
    self.log("train/step_loss", loss.detach(), on_step=True, on_epoch=False, batch_size=len(batch["clip"]))
    return loss


@contextmanager
def _tensors_filled() -> Iterator[None]:
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    yield
    spare_overhead()


@contextmanager
def _memory_given_back() -> Iterator[None]:
    """The thresholds that glibc comes to by itself when a process frees large blocks."""
    libc = ctypes.CDLL(None)
    libc.mallopt(-1, 2**26)
    libc.mallopt(-3, 2**25)
    yield
    spare_overhead()


WITHOUT: dict[str, Callable[[], Any]] = {
    "steps counted together": lambda: patch.object(step_means, "STEPS_AT_ONCE", 1),
    "logging asked for first": lambda: patch.object(ApproachModule, "training_step", _log_always),
    "new tensors left unfilled": _tensors_filled,
    "freed memory kept": _memory_given_back,
    "samples drawn a batch at once": lambda: patch.object(ClipSamples, "__getitems__", _one_by_one),
}
"""Saving → what an epoch does without it."""


class Turns(Callback):
    """Runs each epoch with all savings (``""``) or without one, and takes its processor time."""

    def __init__(self, order: list[str]) -> None:
        self.order = order
        self.seconds: dict[str, list[float]] = {name: [] for name in ("", *WITHOUT)}
        self._left: Any = None
        self._start = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out what this epoch is to do without."""
        name = self.order[trainer.current_epoch]
        self._left = WITHOUT[name]() if name else None
        if self._left:
            self._left.__enter__()
        self._start = time.process_time()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after the last batch; the first epoch warms up."""
        if batch_idx + 1 == trainer.num_training_batches:
            if trainer.current_epoch:
                self.seconds[self.order[trainer.current_epoch]].append(time.process_time() - self._start)
            if self._left:
                self._left.__exit__(None, None, None)


def measure(approach: str, cycles: int, extra: list[str]) -> dict[str, list[float]]:
    """Processor time of an epoch without each saving over one with all: median, and its 95 % bootstrap interval."""
    quiet_warnings()
    spare_overhead()
    rng = np.random.default_rng(0)
    order = ["", *(name for _ in range(cycles) for name in rng.permutation(["", *WITHOUT]).tolist())]
    words = [f"approach={approach}", "callbacks=quiet", "data.workers=0", f"trainer.max_epochs={len(order)}"]
    cfg = compose("train", [*words, f"trainer.check_val_every_n_epoch={len(order)}", *extra], TrainConfig)
    torch.set_num_threads(cfg.trainer.threads or torch.get_num_threads())
    seed_everything(0, verbose=False)
    data = build_datamodule(cfg)
    data.prepare_data()
    data.setup()
    turns = Turns(order)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        trainer = build_trainer(cfg, run, choose_devices(cfg.trainer), [MetricsTable(run.metrics), turns])
        trainer.fit(ApproachModule(cfg, data.class_counts()), data)
    found = {}
    for name in WITHOUT:
        ratios = np.array(turns.seconds[name]) / np.array(turns.seconds[""])
        drawn = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
        found[name] = [float(np.median(ratios)), *np.quantile(drawn, [0.025, 0.975]).tolist()]
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--approach", default="single_task")
    parser.add_argument("--cycles", type=int, default=12)
    parser.add_argument("overrides", nargs="*", help="of the configuration, e.g. data.subjects=6")
    add_out(parser)
    args = parser.parse_args()
    found = measure(args.approach, args.cycles, args.overrides)
    rows = [(f"without: {name}", "{:.3f} [{:.3f}, {:.3f}]".format(*ratio), "1.02") for name, ratio in found.items()]
    report(f"Savings in a step, {args.approach}", rows, {"savings": found}, args.out)


if __name__ == "__main__":
    main()
