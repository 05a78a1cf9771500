"""Optimisers and learning rate schedulers of the configuration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from realfake.config import Adagrad, Adam, AdamW, Cosine, OneCycle, OptimizerConfig, RmsProp, SchedulerConfig


def build_optimizer(cfg: OptimizerConfig, parameters: Iterable[Any], *, fused: bool = False) -> Optimizer:
    """Make the optimiser.

    Args:
        cfg: The group ``optimizer``.
        parameters: What is trained, or groups of it.
        fused: One kernel for all parameters, where the optimiser has one.
    """
    parameters = [group for group in parameters if not isinstance(group, dict) or group["params"]]
    extra = {"fused": True} if fused else {}
    if isinstance(cfg, Adam | AdamW):
        kind = torch.optim.AdamW if isinstance(cfg, AdamW) else torch.optim.Adam
        betas = (cfg.betas[0], cfg.betas[1])
        return kind(parameters, lr=cfg.lr, betas=betas, weight_decay=cfg.weight_decay, **extra)
    if isinstance(cfg, RmsProp):
        return torch.optim.RMSprop(
            parameters, lr=cfg.lr, alpha=cfg.alpha, momentum=cfg.momentum, weight_decay=cfg.weight_decay
        )
    if isinstance(cfg, Adagrad):
        return torch.optim.Adagrad(parameters, lr=cfg.lr, lr_decay=cfg.lr_decay, weight_decay=cfg.weight_decay, **extra)
    return torch.optim.SGD(
        parameters,
        lr=cfg.lr,
        momentum=cfg.momentum,
        nesterov=cfg.nesterov,
        weight_decay=cfg.weight_decay,
        **extra,
    )


def build_scheduler(cfg: SchedulerConfig, optimizer: Optimizer, steps: int, epochs: int) -> LRScheduler | None:
    """Make a scheduler that moves with every optimiser step; ``None`` for ``none`` and for ``plateau``.

    ``plateau`` waits for a validation metric and is a callback, :mod:`realfake.experiments.callbacks`.

    Args:
        cfg: The group ``scheduler``.
        optimizer: Whose learning rate is changed.
        steps: Optimiser steps of the whole training.
        epochs: Epochs of the whole training.
    """
    if isinstance(cfg, OneCycle):
        return _OneCycle(optimizer, max_lr=optimizer.param_groups[0]["lr"], total_steps=steps + 1, pct_start=cfg.warmup)
    if isinstance(cfg, Cosine):
        warmup = round(steps * min(1.0, cfg.warmup_epochs / max(1, epochs)))
        lowest = cfg.min_lr / optimizer.param_groups[0]["lr"]

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            done = min(1.0, (step - warmup) / max(1, steps - warmup))
            return lowest + (1.0 - lowest) * 0.5 * (1.0 + math.cos(math.pi * done))

        return LambdaLR(optimizer, factor)
    return None


class _OneCycle(OneCycleLR):
    """One cycle over the training that is configured now, also for a run that was begun with another length."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at the step of ``state_dict``, which holds the old plan too."""
        plan = ("total_steps", "_schedule_phases")
        super().load_state_dict({key: value for key, value in state_dict.items() if key not in plan})
