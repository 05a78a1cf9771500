"""Devices, epochs and limits, and the precision of the arithmetic: the groups ``trainer`` and ``precision``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from realfake.config.base import Count, Fraction, NonNegative, Parallel, PositiveFraction, Strict, is_new
from realfake.errors import nearest

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true")
"""The trainer's strategies that fit processes started by torchrun, with gradients clipped by their norm."""


class TrainerConfig(Strict):
    gpus: Literal["auto"] | NonNegative | list[NonNegative]
    """``auto`` = one GPU if there is one, else CPU; 0; a number; or a list of ids."""
    require_gpu: bool
    """Fail, instead of going on on the CPU, if no CUDA device is visible."""
    cpu_processes: Parallel
    """Without GPUs: processes of a distributed run (gloo)."""
    num_nodes: Count
    strategy: str
    """One of :data:`STRATEGIES`."""
    max_epochs: Count
    min_epochs: NonNegative
    accumulate_grad_batches: Count
    gradient_clip_val: Annotated[float, Field(gt=0.0)] | None
    deterministic: bool
    """Deterministic algorithms; excludes cuDNN's benchmark mode."""
    threads: Parallel | None
    """Intra-op threads of torch on the CPU, of each process; null = those of the checkpoint or of the sweep's earlier
    runs, else a parallel launcher's share, else torch's default."""
    log_every_n_steps: Count
    check_val_every_n_epoch: Count
    num_sanity_val_steps: NonNegative
    limit_train_batches: Count | PositiveFraction | None
    limit_val_batches: Count | PositiveFraction | None
    limit_test_batches: Count | PositiveFraction | None
    overfit_batches: NonNegative | Fraction
    fast_dev_run: bool
    profiler: Literal["simple", "advanced", "pytorch"] | None

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> TrainerConfig:
        if not is_new(info):
            return self
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"trainer.strategy={self.strategy}: expected one of {', '.join(STRATEGIES)}"
                f"{nearest(self.strategy, STRATEGIES)}"
            )
        if isinstance(self.gpus, list):
            shown = f"trainer.gpus=[{','.join(map(str, self.gpus))}]"
            if not self.gpus:
                raise ValueError(f"{shown}: no GPU in the list; expected auto, a number, ids, or 0 for the CPU")
            if repeated := sorted({i for i in self.gpus if self.gpus.count(i) > 1}):
                raise ValueError(f"{shown}: GPU {repeated[0]} twice; expected each id once")
        if not self.fast_dev_run and self.min_epochs > self.max_epochs:
            raise ValueError(
                f"trainer.min_epochs={self.min_epochs}: expected at most trainer.max_epochs={self.max_epochs}"
            )
        return self


class PrecisionConfig(Strict):
    name: Literal["32", "bf16", "16"]
