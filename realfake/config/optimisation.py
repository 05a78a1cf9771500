"""Optimisers, schedulers and augmentation: the groups ``optimizer``, ``scheduler`` and ``augmentation``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from realfake.config.base import BelowOne, Fraction, NonNegative, Positive, Strict


class _Optimizer(Strict):
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    decay_norms: bool = True
    """Decay the scales of norms, and biases, too. Runs from before this key did."""


class Sgd(_Optimizer):
    name: Literal["sgd"]
    momentum: BelowOne = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _check(self) -> Sgd:
        if self.nesterov and not self.momentum:
            raise ValueError("optimizer.nesterov=true: expected optimizer.momentum above 0, which it looks ahead with")
        return self


Betas = Annotated[list[BelowOne], Field(min_length=2, max_length=2)]


class Adam(_Optimizer):
    name: Literal["adam"]
    betas: Betas = [0.9, 0.999]


class AdamW(_Optimizer):
    name: Literal["adamw"]
    betas: Betas = [0.9, 0.999]


class RmsProp(_Optimizer):
    name: Literal["rmsprop"]
    momentum: BelowOne = 0.0
    alpha: BelowOne = 0.99


class Adagrad(_Optimizer):
    name: Literal["adagrad"]
    lr_decay: Annotated[float, Field(ge=0.0)] = 0.0


OptimizerConfig = Annotated[Sgd | Adam | AdamW | RmsProp | Adagrad, Field(discriminator="name")]


class NoScheduler(Strict):
    name: Literal["none"]


class Plateau(Strict):
    """Reduce on plateau of a validation metric that means the same for every loss mix."""

    name: Literal["plateau"]
    monitor: str = "val/frame/loss"
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    patience: NonNegative = 2
    """Validations without a gain before the rate is reduced."""
    min_lr: Annotated[float, Field(ge=0.0)] = 0.0


class Cosine(Strict):
    name: Literal["cosine"]
    warmup_epochs: NonNegative = 0
    min_lr: Annotated[float, Field(ge=0.0)] = 0.0


class OneCycle(Strict):
    """Peaks at ``optimizer.lr``."""

    name: Literal["onecycle"]
    warmup: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3


SchedulerConfig = Annotated[NoScheduler | Plateau | Cosine | OneCycle, Field(discriminator="name")]


class Augmentation(Strict):
    """Random changes of the training samples, drawn per sample and the same for all frames of a clip."""

    name: str
    flip: Fraction = 0.0
    """Probability of a horizontal flip."""
    rotate_deg: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest relative change of size."""
    translate: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest shift, as a part of the side."""
    brightness: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    contrast: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    saturation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    erase: Fraction = 0.0
    """Probability that a random rectangle is blanked."""

    @property
    def active(self) -> bool:
        """Whether anything at all is changed."""
        return any(value for key, value in self.model_dump().items() if key != "name")
