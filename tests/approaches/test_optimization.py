"""Optimisers and schedulers: what is configured is what trains."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from pydantic import TypeAdapter
from pytorch_lightning import LightningModule, Trainer
from torch import nn

from realfake.approaches.module import ApproachModule
from realfake.approaches.optimization import (
    build_optimizer,
    build_scheduler,
    parameter_groups,
    stay_as_configured,
)
from realfake.composing.composition import compose, conf_dir, option
from realfake.config import OptimizerConfig, Plateau, SchedulerConfig, TrainConfig
from realfake.experiments.callbacks import ReduceOnPlateau

STEPS = 20
OPTIMIZERS, SCHEDULERS = (
    {path.stem: yaml.safe_load(path.read_text()) for path in sorted((conf_dir() / group).glob("*.yaml"))}
    for group in ("optimizer", "scheduler")
)


class Training:
    """A few weights that are trained by an optimiser and a scheduler of the configuration."""

    def __init__(self, optimizer: str, scheduler: str, **changes: Any) -> None:
        self.cfg = TypeAdapter(OptimizerConfig).validate_python({**OPTIMIZERS[optimizer], **changes})
        plan = TypeAdapter(SchedulerConfig).validate_python(SCHEDULERS[scheduler])
        self.weights = nn.Parameter(torch.ones(4))
        self.optimizer = build_optimizer(self.cfg, [self.weights])
        self.settings = self.group
        self.scheduler = build_scheduler(plan, self.optimizer, STEPS, 2)
        stay_as_configured(self.optimizer, plan)

    @property
    def group(self) -> dict[str, Any]:
        """Settings of the optimiser."""
        return {key: value for key, value in self.optimizer.param_groups[0].items() if key != "params"}

    def train(self, steps: int) -> list[float]:
        """The learning rate of each step."""
        rates = []
        for _ in range(steps):
            self.optimizer.zero_grad()
            ((self.weights * torch.arange(1.0, 5.0)) ** 2).sum().backward()
            rates.append(self.group["lr"])
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
        return rates

    def resume(self, other: Training) -> None:
        """As the trainer does: weights, optimiser, scheduler."""
        self.weights.data.copy_(other.weights.data)
        self.optimizer.load_state_dict(deepcopy(other.optimizer.state_dict()))
        if self.scheduler is not None and other.scheduler is not None:
            self.scheduler.load_state_dict(other.scheduler.state_dict())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_scheduler_changes_the_learning_rate_and_nothing_else(optimizer: str, scheduler: str) -> None:
    training = Training(optimizer, scheduler)
    rates = training.train(STEPS)
    kept = {key: value for key, value in training.group.items() if key in training.settings and key != "lr"}
    assert kept == {key: value for key, value in training.settings.items() if key != "lr"}
    assert max(rates) == pytest.approx(training.cfg.lr, rel=0.01)
    assert (len(set(rates)) > 1) == (scheduler in ("onecycle", "cosine"))


def test_an_unknown_one_is_refused() -> None:
    training = Training("sgd", "none")
    unknown: Any = SimpleNamespace(lr=0.1, weight_decay=0.0)
    with pytest.raises(ValueError, match="no such optimiser"):
        build_optimizer(unknown, [training.weights])
    with pytest.raises(ValueError, match="no such scheduler"):
        build_scheduler(unknown, training.optimizer, STEPS, 2)


@pytest.mark.parametrize(
    ("optimizer", "setting", "values"),
    [
        ("sgd", "momentum", (0.0, 0.5)),
        ("rmsprop", "momentum", (0.0, 0.5)),
        ("adam", "betas", ([0.5, 0.999], [0.9, 0.999])),
        ("adamw", "betas", ([0.9, 0.9], [0.9, 0.999])),
    ],
)
def test_another_momentum_trains_another_way_under_one_cycle(
    optimizer: str, setting: str, values: tuple[Any, Any]
) -> None:
    ends = []
    for value in values:
        training = Training(optimizer, "onecycle", **{setting: value}, lr=0.01)
        training.train(STEPS)
        ends.append(training.weights.detach())
    assert not torch.equal(*ends)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_resumed_run_trains_as_it_is_configured_now(scheduler: str) -> None:
    first, again = (Training("sgd", scheduler, lr=0.01) for _ in range(2))
    other = Training("sgd", scheduler, lr=0.01, momentum=0.5)
    first.train(STEPS // 2)
    for training in (again, other):
        training.resume(first)
    assert again.group == first.group
    assert other.group["momentum"] == 0.5
    expected = first.train(STEPS // 2)
    assert again.train(STEPS // 2) == expected
    assert torch.equal(again.weights, first.weights)
    assert other.train(STEPS // 2) == expected
    assert not torch.equal(other.weights, first.weights)


@pytest.mark.parametrize("scheduler", ["none", "cosine", "onecycle"])
def test_a_resumed_run_takes_the_learning_rate_that_is_configured_now(scheduler: str) -> None:
    before, whole, resumed = (Training("sgd", scheduler, lr=lr) for lr in (0.01, 0.02, 0.02))
    before.train(STEPS // 2)
    resumed.resume(before)
    assert resumed.train(STEPS // 2) == pytest.approx(whole.train(STEPS)[STEPS // 2 :])


def test_a_plateau_keeps_the_learning_rate_that_it_has_come_to() -> None:
    first, again = (Training("sgd", "plateau") for _ in range(2))
    first.optimizer.param_groups[0]["lr"] = 1e-5
    again.resume(first)
    assert again.group["lr"] == 1e-5


def test_a_resumed_plateau_counts_on_with_the_settings_of_now() -> None:
    trainer, module = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False), LightningModule()
    trainer.strategy.optimizers = [Training("sgd", "plateau").optimizer]
    before = ReduceOnPlateau(option(Plateau, factor=0.5))
    before.on_fit_start(trainer, module)
    assert before.scheduler is not None
    for figure in (2.0, 1.0, 1.5):
        before.scheduler.step(figure)
    now = ReduceOnPlateau(option(Plateau, factor=0.2, patience=5, min_lr=1e-5))
    now.load_state_dict(before.state_dict())
    now.on_fit_start(trainer, module)
    assert now.scheduler is not None
    assert (now.scheduler.best, now.scheduler.num_bad_epochs) == (1.0, 1)
    assert (now.scheduler.factor, now.scheduler.patience, now.scheduler.min_lrs) == (0.2, 5, [1e-5])


# --- weight decay ----------------------------------------------------------------------------------------------------


@cache
def network(*overrides: str) -> ApproachModule:
    """Two heads with batch norm over a recurrent network with batch norm, and learned weights of the losses."""
    words = ["approach=temporal_multi_task", "loss_mix=uncertainty", "head=mlp", "head.batch_norm=true", *overrides]
    cfg = compose("train", words, TrainConfig)
    return ApproachModule(cfg)


def decayed_and_spared(module: ApproachModule, **changes: Any) -> tuple[set[str], set[str]]:
    """Names of the parameters that decay, and of those that do not."""
    cfg = TypeAdapter(OptimizerConfig).validate_python({**OPTIMIZERS["adamw"], **changes})
    groups = parameter_groups(cfg, (module.backbone, module.heads), module.mix)
    names = {parameter: name for name, parameter in module.named_parameters()}
    found: dict[bool, list[str]] = {True: [], False: []}
    for group in groups:
        found[group["weight_decay"] > 0] += [names[p] for p in group["params"]]
    assert sorted(found[True] + found[False]) == sorted(n for n, p in module.named_parameters() if p.requires_grad)
    return set(found[True]), set(found[False])


def test_weight_decay_spares_norms_biases_and_the_weights_of_a_mix() -> None:
    decayed, spared = decayed_and_spared(network())
    norms = {
        f"{path}.{kind}"
        for path, module in network().named_modules()
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d)
        for kind in ("weight", "bias")
    }
    assert len(norms) > 8
    biases = {name for name, _ in network().named_parameters() if "bias" in name.rpartition(".")[2]}
    assert any("bias_hh" in name for name in biases)
    assert spared == norms | biases | {"mix.log_variances"}
    assert {"backbone.net.frame.net.blocks.0.weight", "heads.emotion.output.weight"} <= decayed


def test_decay_norms_decays_all_but_the_weights_of_a_mix() -> None:
    assert decayed_and_spared(network(), decay_norms=True)[1] == {"mix.log_variances"}
    frozen = network("backbone.freeze=true")
    assert all(name.startswith("heads.") for name in decayed_and_spared(frozen, decay_norms=True)[0])


def test_norms_of_several_dimensions_are_norms() -> None:
    cfg = TypeAdapter(OptimizerConfig).validate_python(OPTIMIZERS["adamw"])
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LayerNorm([2, 4, 4]))
    groups = parameter_groups(cfg, [layers], nn.Module())
    assert [len(group["params"]) for group in groups] == [1, 3]
    assert groups[0]["params"][0] is layers[0].weight
