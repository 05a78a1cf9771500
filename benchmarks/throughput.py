"""What the framework costs: a run's training epochs against the network's step alone and a hand-written loop.

The four take turns, epoch by epoch, in one process and on the same data, so that a noisy machine disturbs all alike:

- step alone: batches that are in memory already;
- loader alone: batches that nobody uses;
- by hand: a plain loop over the same loader with the same network, augmentation, loss and optimiser;
- run: the project's trainer with its callbacks, logger and checkpoints.

    python -m benchmarks.throughput --approach temporal --epochs 8
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from torch.nn import functional as F

from benchmarks.results import add_out, report
from realfake.approaches import approach_class, build_datamodule
from realfake.approaches.base import ApproachModule, target_of
from realfake.approaches.optimization import build_optimizer
from realfake.cli import compose
from realfake.config import TrainConfig
from realfake.data.augment import augment
from realfake.data.batch import Batch
from realfake.data.preprocess import normalise
from realfake.experiments.callbacks import MetricsTable
from realfake.experiments.devices import choose_devices
from realfake.experiments.folder import RunFolder
from realfake.experiments.interruption import StopBetweenBatches
from realfake.experiments.training import build_trainer, quiet_warnings


class ByHand:
    """A plain loop over batches."""

    def __init__(self, cfg: TrainConfig, module: ApproachModule) -> None:
        self.cfg, self.module = cfg, module.train()
        self.optimizer = build_optimizer(cfg.optimizer, module.parameters())

    def step(self, batch: Batch) -> None:
        """One optimiser step, with the sums that any training script keeps."""
        target = target_of(batch, "joint")
        x = normalise(augment(batch["frames"], self.cfg.augmentation), self.module.spec)
        logits = self.module.logits(x)["joint"]
        loss = F.cross_entropy(logits, target)
        self.optimizer.zero_grad()
        loss.backward()
        if self.cfg.trainer.gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.cfg.trainer.gradient_clip_val)
        self.optimizer.step()


class Interleave(Callback):
    """Times the trainer's epochs, and lets the others run between them."""

    def __init__(self, others: dict[str, Any]) -> None:
        self.others = others
        self.seconds: dict[str, list[float]] = {name: [] for name in ("run", *others)}
        self._start = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop it after the last batch; validation and checkpoints are no part of the step."""
        if batch_idx + 1 == trainer.num_training_batches:
            self.seconds["run"].append(time.perf_counter() - self._start)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The others' turn."""
        with torch.enable_grad():
            for name, work in self.others.items():
                start = time.perf_counter()
                work()
                self.seconds[name].append(time.perf_counter() - start)


def measure(approach: str, cache: str, epochs: int, extra: list[str]) -> dict[str, Any]:
    """Seconds an epoch of each, and their ratios with a bootstrap interval over epochs."""
    quiet_warnings()
    words = [f"approach={approach}", f"data.cache={cache}", f"trainer.max_epochs={epochs}", "callbacks=quiet"]
    cfg = compose("train", [*words, *extra], TrainConfig)
    seed_everything(0, verbose=False)
    data = build_datamodule(cfg)
    data.prepare_data()
    data.setup()
    make = approach_class(cfg.approach.name)
    module = make(cfg, data.class_counts())
    hand, alone = (ByHand(cfg, make(cfg, data.class_counts())) for _ in range(2))
    loader = data.train_dataloader()
    held = list(loader)

    def with_loader() -> None:
        for batch in loader:
            hand.step(batch)

    def without() -> None:
        for batch in held:
            alone.step(batch)

    def only_loader() -> None:
        for _ in loader:
            pass

    timing = Interleave({"by hand": with_loader, "step alone": without, "loader alone": only_loader})
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        devices = choose_devices(cfg.trainer)
        build_trainer(cfg, run, devices, [StopBetweenBatches(), MetricsTable(run.metrics), timing]).fit(module, data)
    seconds = {name: values[1:] for name, values in timing.seconds.items()}  # the first epoch warms up
    frames = (
        len(held) * held[0]["frames"].shape[0] * (held[0]["frames"].shape[1] if cfg.approach.samples != "frames" else 1)
    )
    return {
        "approach": approach,
        "cache": cache,
        "frames_per_second": frames / statistics.median(seconds["run"]),
        "of_step_alone": _ratio(seconds["step alone"], seconds["run"]),
        "over_by_hand": _ratio(seconds["run"], seconds["by hand"]),
        "loader_share": _ratio(seconds["loader alone"], seconds["run"]),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": {name: statistics.median(values) for name, values in seconds.items()},
    }


def _ratio(first: list[float], second: list[float]) -> list[float]:
    """Median of the paired ratios, and a 95 % bootstrap interval of it."""
    ratios = np.array(first) / np.array(second)
    drawn = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return [float(np.median(ratios)), float(low), float(high)]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--approach", nargs="+", default=["single_task", "temporal"])
    parser.add_argument("--cache", nargs="+", default=["memmap", "none"])
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("overrides", nargs="*", help="of the configuration, e.g. data.subjects=6")
    add_out(parser)
    args = parser.parse_args()
    rows, figures = [], []
    for approach in args.approach:
        for cache in args.cache:
            found = measure(approach, cache, args.epochs, args.overrides)
            figures.append(found)
            name = f"{approach}, cache={cache}"
            rows += [
                (f"{name}: frames a second", f"{found['frames_per_second']:,.0f}", ""),
                (f"{name}: run, part of step alone", _words(found["of_step_alone"]), "0.95" if cache != "none" else ""),
                (f"{name}: run over by hand", _words(found["over_by_hand"]), "1.03" if cache != "none" else ""),
                (f"{name}: loader alone, part of run", _words(found["loader_share"]), ""),
            ]
    report("Throughput of training", rows, {"throughput": figures}, args.out)


def _words(ratio: list[float]) -> str:
    return f"{ratio[0]:.3f} [{ratio[1]:.3f}, {ratio[2]:.3f}]"


if __name__ == "__main__":
    main()
