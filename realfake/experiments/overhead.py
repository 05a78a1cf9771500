"""What a step costs beside the network, and can do without."""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loops.optimization.automatic import _AutomaticOptimization
from pytorch_lightning.profilers import PassThroughProfiler
from torch.optim import Optimizer

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NOTHING: AbstractContextManager[None] = nullcontext()


def spare_overhead() -> None:
    """Set this process up for many equal steps.

    On a CPU the C library gives large blocks back to the system when they are freed and asks for them again in the
    next step, which then clears every page: up to a seventh of a step. Kept instead, the most that a step needs is
    what the process holds, as it would at its peak anyway.

    Without a GPU, optimisers look for one in every step; the trainer's way of looking loads a library each time.
    """
    if torch.cuda.is_available():
        return
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_MMAP_THRESHOLD, 2**30)


class Unprofiled(PassThroughProfiler):
    """Measures nothing, without making a context for each of the trainer's sixty hooks of a step."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """The same empty context every time."""
        return _NOTHING


class PlainOptimization(_AutomaticOptimization):
    """A step as one would write it by hand, for the common case: one process, one batch a step, no loss scaling.

    The trainer's own asks every callback and the module ten times in between, which none of them here answers; that
    takes as long as the network itself if this is small. Results are the same, bit by bit.
    """

    @classmethod
    def install(cls, trainer: Trainer) -> None:
        """Use it in ``trainer``, unless its setting is not the common case."""
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        if trainer.world_size == 1 and trainer.accumulate_grad_batches == 1 and not scaled:
            trainer.fit_loop.epoch_loop.automatic_optimization = cls(trainer)

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """Compute the loss of a batch and its gradients, and move the parameters.

        Args:
            optimizer: Moves them.
            batch_idx: Number of the batch in the epoch.
            kwargs: Arguments of the module's ``training_step``.
        """
        trainer, module = self.trainer, self.trainer.lightning_module
        module._current_fx_name = "training_step"
        with trainer.precision_plugin.train_step_context():
            loss = module.training_step(*kwargs.values())
        module._current_fx_name = None
        assert isinstance(loss, torch.Tensor)
        optimizer.zero_grad()
        loss.backward()
        if trainer.gradient_clip_val:
            trainer.precision_plugin.clip_gradients(optimizer, trainer.gradient_clip_val)
        optimizer.step()
        self.optim_progress.optimizer.step.increment_ready()
        self.optim_progress.optimizer.step.increment_completed()
        return {"loss": loss.detach()}
