"""Optimisers and learning rate schedulers of the configuration: what is configured is what trains."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from realfake.config import (
    Adagrad,
    Adam,
    AdamW,
    Cosine,
    NoScheduler,
    OneCycle,
    OptimizerConfig,
    Plateau,
    RmsProp,
    SchedulerConfig,
    Sgd,
)

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def parameter_groups(cfg: OptimizerConfig, networks: Iterable[nn.Module], mix: nn.Module) -> list[dict[str, Any]]:
    """What is trained, in groups by weight decay.

    Decay draws weights towards 0, which means nothing for the scale of a norm, for an offset, or for the learned
    weights of a loss mix (it would draw them towards equal ones): these are spared, the first two unless
    ``optimizer.decay_norms`` says otherwise. (He et al. 2019, https://arxiv.org/abs/1812.01187, sec. 3.1.)

    Args:
        cfg: The group ``optimizer``.
        networks: Backbone and heads.
        mix: The loss mix.

    Returns:
        Groups with their ``weight_decay``; none is empty.
    """
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for network in networks:
        of_norms = {p for m in network.modules() if isinstance(m, NORMS) for p in m.parameters(recurse=False)}
        for name, parameter in network.named_parameters():
            # All vectors of a network are scales and offsets, those of other packages' norms too.
            small = parameter.ndim < 2 or parameter in of_norms or "bias" in name.rpartition(".")[2]
            if parameter.requires_grad:
                (spared if small and not cfg.decay_norms and cfg.weight_decay else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": cfg.weight_decay},
        {"params": [*spared, *mix.parameters()], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(cfg: OptimizerConfig, parameters: Iterable[Any], *, fused: bool = False) -> Optimizer:
    """Make the optimiser.

    Args:
        cfg: The group ``optimizer``.
        parameters: What is trained, or groups of it.
        fused: One kernel for all parameters, where the optimiser has one.

    Raises:
        ValueError: If there is no such optimiser.
    """
    common: dict[str, Any] = {"lr": cfg.lr, "weight_decay": cfg.weight_decay}
    quick: dict[str, Any] = {"fused": True} if fused else {}
    if isinstance(cfg, Adam | AdamW):
        kind = torch.optim.AdamW if isinstance(cfg, AdamW) else torch.optim.Adam
        return kind(parameters, betas=(cfg.betas[0], cfg.betas[1]), **common, **quick)
    if isinstance(cfg, RmsProp):
        return torch.optim.RMSprop(parameters, alpha=cfg.alpha, momentum=cfg.momentum, **common)
    if isinstance(cfg, Adagrad):
        return torch.optim.Adagrad(parameters, lr_decay=cfg.lr_decay, **common, **quick)
    if isinstance(cfg, Sgd):
        return torch.optim.SGD(parameters, momentum=cfg.momentum, nesterov=cfg.nesterov, **common, **quick)
    raise ValueError(f"optimizer={cfg}: no such optimiser")


def build_scheduler(cfg: SchedulerConfig, optimizer: Optimizer, steps: int, epochs: int) -> LRScheduler | None:
    """Make a scheduler that moves with every optimiser step; ``None`` for ``none`` and for ``plateau``.

    ``plateau`` waits for a validation metric and is a callback, :mod:`realfake.experiments.callbacks`. All of them
    change the learning rate and nothing else: momentum and betas stay what the optimiser was configured with.

    Args:
        cfg: The group ``scheduler``.
        optimizer: Whose learning rate is changed.
        steps: Optimiser steps of the whole training.
        epochs: Epochs of the whole training.

    Raises:
        ValueError: If there is no such scheduler.
    """
    lr = optimizer.param_groups[0]["lr"]
    if isinstance(cfg, OneCycle):
        return _OneCycle(optimizer, max_lr=lr, total_steps=steps + 1, pct_start=cfg.warmup, cycle_momentum=False)
    if isinstance(cfg, Cosine):
        warmup, lowest = round(steps * min(1.0, cfg.warmup_epochs / max(1, epochs))), cfg.min_lr / lr

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            done = min(1.0, (step - warmup) / max(1, steps - warmup))
            return lowest + (1.0 - lowest) * 0.5 * (1.0 + math.cos(math.pi * done))

        return _Lambda(optimizer, factor)
    if isinstance(cfg, NoScheduler | Plateau):
        return None
    raise ValueError(f"scheduler={cfg}: no such scheduler")


def stay_as_configured(optimizer: Optimizer, scheduler: SchedulerConfig) -> None:
    """Keep the settings that the optimiser and its scheduler have now when a checkpoint's state is loaded.

    Torch loads the settings of the run that wrote the checkpoint along with the moments. Only the learning rate that
    a plateau has come to is state; those of the other schedulers follow from the step.
    """
    state = ("params", "lr") if isinstance(scheduler, Plateau) else ("params",)
    settings = [{key: value for key, value in group.items() if key not in state} for group in optimizer.param_groups]

    def restore(loaded: Optimizer) -> None:
        for group, own in zip(loaded.param_groups, settings, strict=True):
            group.update(own)

    optimizer.register_load_state_dict_post_hook(restore)


class _AsConfigured(LRScheduler):
    """Takes nothing but the step from a checkpoint, which holds the plan of the run that wrote it."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at the step of ``state_dict``."""
        self.last_epoch, self._step_count = state_dict["last_epoch"] - 1, state_dict["_step_count"] - 1
        self.step()


class _OneCycle(_AsConfigured, OneCycleLR):
    pass


class _Lambda(_AsConfigured, LambdaLR):
    pass
