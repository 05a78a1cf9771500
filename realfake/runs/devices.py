"""Where a run computes: GPUs if they are asked for and there, the CPU otherwise."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from realfake.config import PrecisionConfig, TrainerConfig
from realfake.data.work import cores
from realfake.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Devices:
    """What a trainer is told."""

    accelerator: str
    devices: int | list[int]
    """Number of processes, or ids of GPUs."""

    @property
    def count(self) -> int:
        """Processes on this machine."""
        return self.devices if isinstance(self.devices, int) else len(self.devices)

    @property
    def name(self) -> str:
        """For people: the model of the GPU, or of the CPU."""
        if self.accelerator == "gpu":
            return f"{self.count} x {torch.cuda.get_device_name(0)}"
        return f"CPU, {cores()} cores, {torch.get_num_threads()} threads"


@contextmanager
def use_threads(count: int | None) -> Iterator[int]:
    """Compute with so many threads of torch while the block runs.

    Args:
        count: ``None`` = as many as torch takes by itself, whatever an earlier run of this process had.

    Yields:
        The number in use.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def choose_devices(cfg: TrainerConfig) -> Devices:
    """Choose as ``trainer.gpus`` says.

    Raises:
        UserError: If GPUs are visible but fewer than asked for, or none is and ``trainer.require_gpu`` is set.
    """
    visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    asked = cfg.gpus
    if asked == "auto":
        asked = min(1, visible)
        if cfg.require_gpu and not visible:
            raise UserError("trainer.require_gpu=true: no CUDA device is visible; check the driver and the torch build")
    if asked in (0, []) or isinstance(asked, str):
        return Devices("cpu", cfg.cpu_processes)
    if not visible:
        if cfg.require_gpu:
            raise UserError(
                f"trainer.gpus={asked}, trainer.require_gpu=true: no CUDA device is visible; check the driver and the "
                "torch build, or set trainer.require_gpu=false to go on on the CPU"
            )
        log.warning("trainer.gpus=%s, but NO CUDA DEVICE IS VISIBLE: this run goes on on the CPU, which is slow", asked)
        return Devices("cpu", cfg.cpu_processes)
    if isinstance(asked, list):
        wrong = [i for i in asked if i >= visible]
        if wrong:
            raise UserError(
                f"trainer.gpus={asked}: there is no GPU {wrong[0]}; the visible ones are 0 to {visible - 1}"
            )
        return Devices("gpu", asked)
    if asked > visible:
        raise UserError(f"trainer.gpus={asked}: only {visible} visible; ask for at most {visible}")
    return Devices("gpu", int(asked))


def trainer_precision(cfg: PrecisionConfig, devices: Devices) -> str:
    """The trainer's name of a precision; float16 needs a GPU, bf16 stands in for it on the CPU."""
    if cfg.name == "16" and devices.accelerator == "cpu":
        log.warning("precision=16 needs a GPU: bf16 is used on the CPU")
        return "bf16-mixed"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[cfg.name]
