"""What the framework costs: a run's training epochs against the network's step alone and a hand-written loop.

The five take turns, epoch by epoch, in one process and on the same data, so that a noisy machine disturbs all alike:

- step alone: batches that are in memory already;
- loader alone: batches that nobody uses;
- by hand: a plain loop over the same loader with the same network, augmentation, loss and optimiser;
- bare trainer: the same as a Lightning module of two methods, in a trainer without callbacks, logger and checkpoints,
  which is what Lightning costs by itself;
- run: the project's trainer with its callbacks, logger and checkpoints.

A last epoch runs under torch.profiler, which says what part of each step waits for the loader.

    python -m benchmarks.throughput --approach temporal --epochs 8
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric.utilities.apply_func import move_data_to_device
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from torch.nn import functional as F

from benchmarks.results import add_out, report
from realfake.approaches import build_datamodule
from realfake.approaches.module import ApproachModule, target_of
from realfake.approaches.optimization import build_optimizer, parameter_groups
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.batch import Batch
from realfake.experiments.callbacks import MetricsTable
from realfake.experiments.interruption import StopBetweenBatches
from realfake.experiments.overhead import spare_overhead
from realfake.experiments.training import build_trainer, quiet_warnings
from realfake.runs.devices import Devices, choose_devices, trainer_precision
from realfake.runs.folder import RunFolder
from realfake.streams.augment import augment
from realfake.streams.preprocess import network_input


class ByHand:
    """A plain loop over batches."""

    def __init__(self, cfg: TrainConfig, module: ApproachModule, device: torch.device) -> None:
        self.cfg, self.module, self.device = cfg, module.to(device).train(), device
        groups = parameter_groups(cfg.optimizer, (module.backbone, module.heads), module.mix)
        self.optimizer = build_optimizer(cfg.optimizer, groups, fused=True)
        self.total = torch.zeros((), device=device)

    def loss(self, batch: Batch) -> torch.Tensor:
        """What is minimised."""
        x = network_input(augment(batch["streams"], self.module.spec.streams, self.cfg.augmentation), self.module.spec)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.cfg.precision.name == "bf16"):
            logits = self.module.compiled(x)[1]["joint"].float()
        return F.cross_entropy(logits, target_of(batch, "joint", self.module.space))

    def step(self, batch: Batch) -> None:
        """One optimiser step, with the sum that any training script keeps."""
        loss = self.loss(to_device(batch, self.device))
        self.optimizer.zero_grad()
        loss.backward()
        if self.cfg.trainer.gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.cfg.trainer.gradient_clip_val)
        self.optimizer.step()
        self.total += loss.detach()


class Bare(LightningModule):
    """The same in Lightning's smallest form."""

    def __init__(self, work: ByHand) -> None:
        super().__init__()
        self.work, self.network = work, work.module

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Loss of a batch."""
        return self.work.loss(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The same optimiser in every epoch."""
        return self.work.optimizer


class EpochClock(Callback):
    """Times a trainer's epochs."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        """Seconds of each."""
        self._start = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop it after the last batch; validation and checkpoints are no part of the step."""
        if batch_idx + 1 == trainer.num_training_batches:
            finish(pl_module.device)
            self.epochs.append(time.perf_counter() - self._start)


def bare_epoch(module: Bare, loader: Any, cfg: TrainConfig, devices: Devices) -> float:
    """Seconds of an epoch of a bare trainer, after one that warms it up."""
    clock = EpochClock()
    Trainer(
        accelerator=devices.accelerator,
        devices=devices.devices,
        max_epochs=2,
        precision=trainer_precision(cfg.precision, devices),  # type: ignore[arg-type]
        deterministic="warn" if cfg.trainer.deterministic else False,
        benchmark=not cfg.trainer.deterministic,
        gradient_clip_val=cfg.trainer.gradient_clip_val,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, loader)
    return clock.epochs[-1]


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device; as it is, if it lies there."""
    moved: Batch = move_data_to_device(batch, device)
    return moved


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Interleave(EpochClock):
    """Lets the others run between the trainer's epochs."""

    def __init__(self, others: dict[str, Callable[[], float | None]], device: torch.device) -> None:
        super().__init__()
        self.others, self.device = others, device
        self.seconds: dict[str, list[float]] = {"run": self.epochs, **{name: [] for name in others}}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The others' turn; one that knows better how long it took returns that."""
        with torch.enable_grad():
            for name, work in self.others.items():
                start = time.perf_counter()
                seconds = work()
                finish(self.device)
                self.seconds[name].append(seconds or time.perf_counter() - start)


class Waiting(Callback):
    """Profiles the steps of the last epoch."""

    def __init__(self) -> None:
        self.profile: torch.profiler.profile | None = None
        self.parts: list[float] = []
        """Part of each step that waited for the loader."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Begin with the second step of the last epoch."""
        if trainer.current_epoch + 1 == trainer.max_epochs and batch_idx == 0:
            self.profile = torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CPU],
                schedule=lambda _: torch.profiler.ProfilerAction.RECORD,  # without a schedule, it marks no steps
            )
            self.profile.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A border of two steps; the end after the last, or after many."""
        if self.profile is None:
            return
        if batch_idx + 1 < min(trainer.num_training_batches, 60):
            self.profile.step()
            return
        profile, self.profile = self.profile, None
        profile.stop()
        events = profile.events() or []
        steps = [e.time_range for e in events if e.name.startswith("ProfilerStep")]
        waits = [e.time_range for e in events if e.name.startswith("enumerate(DataLoader)")]
        for step in steps[1:]:
            waited = sum(w.elapsed_us() for w in waits if step.start <= w.start < step.end)
            self.parts.append(waited / step.elapsed_us())


def measure(approach: str, cache: str, epochs: int, extra: list[str]) -> dict[str, Any]:
    """Seconds an epoch of each, and their ratios with a bootstrap interval over epochs."""
    quiet_warnings()
    spare_overhead()
    words = [f"approach={approach}", f"data.cache={cache}", f"trainer.max_epochs={epochs + 1}", "callbacks=quiet"]
    cfg = compose("train", [*words, *extra], TrainConfig)
    seed_everything(0, verbose=False)
    data = build_datamodule(cfg)
    data.prepare_data()
    data.setup()
    module = ApproachModule(cfg, data.class_counts())
    devices = choose_devices(cfg.trainer)
    device = torch.device("cuda" if devices.accelerator == "gpu" else "cpu")
    hand, alone, inner = (ByHand(cfg, ApproachModule(cfg, data.class_counts()), device) for _ in range(3))
    bare = Bare(inner)
    loader = data.train_dataloader()
    held = [to_device(batch, device) for batch in loader]

    def with_loader() -> None:
        for batch in loader:
            hand.step(batch)

    def without() -> None:
        for batch in held:
            alone.step(batch)

    def only_loader() -> None:
        for _ in loader:
            pass

    others = {
        "by hand": with_loader,
        "step alone": without,
        "loader alone": only_loader,
        "bare trainer": lambda: bare_epoch(bare, loader, cfg, devices),
    }
    timing = Interleave(others, device)
    waiting = Waiting()
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        callbacks = [StopBetweenBatches(), MetricsTable(run.metrics), timing, waiting]
        build_trainer(cfg, run, devices, callbacks).fit(module, data)
    seconds = {name: values[1:-1] for name, values in timing.seconds.items()}  # the first epoch warms up
    samples, moments = held[0]["streams"]["pixels"].values.shape[:2]
    frames = len(held) * samples * moments
    return {
        "approach": approach,
        "cache": cache,
        "frames_per_second": frames / statistics.median(seconds["run"]),
        "of_step_alone": _ratio(seconds["step alone"], seconds["run"]),
        "over_by_hand": _ratio(seconds["run"], seconds["by hand"]),
        "bare_over_by_hand": _ratio(seconds["bare trainer"], seconds["by hand"]),
        "loader_share": _ratio(seconds["loader alone"], seconds["run"]),
        "waiting": [float(np.median(waiting.parts)), float(np.max(waiting.parts))],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peak_gpu_memory_mib": torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None,
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
                (f"{name}: bare trainer over by hand", _words(found["bare_over_by_hand"]), ""),
                (f"{name}: loader alone, part of run", _words(found["loader_share"]), ""),
                (
                    f"{name}: part of a profiled step that waits for the loader, median and most",
                    "{:.3f}, {:.3f}".format(*found["waiting"]),
                    "0.02" if cache != "none" else "",
                ),
                (f"{name}: peak memory, MiB", f"{found['peak_memory_mib']:,.0f}", ""),
            ]
    report("Throughput of training", rows, {"throughput": figures}, args.out)


def _words(ratio: list[float]) -> str:
    return f"{ratio[0]:.3f} [{ratio[1]:.3f}, {ratio[2]:.3f}]"


if __name__ == "__main__":
    main()
