"""Optimisers, schedulers and augmentation: the groups ``optimizer``, ``scheduler`` and ``augmentation``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from realfake.config.base import BelowOne, Fraction, NonNegative, Positive, Strict


class _Optimizer(Strict):
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0.0)]
    decay_norms: bool
    """Decay the scales of norms, and biases, too."""


class Sgd(_Optimizer):
    name: Literal["sgd"]
    momentum: BelowOne
    nesterov: bool

    @model_validator(mode="after")
    def _check(self) -> Sgd:
        if self.nesterov and not self.momentum:
            raise ValueError("optimizer.nesterov=true: expected optimizer.momentum above 0, which it looks ahead with")
        return self


Betas = Annotated[list[BelowOne], Field(min_length=2, max_length=2)]


class Adam(_Optimizer):
    name: Literal["adam"]
    betas: Betas


class AdamW(_Optimizer):
    name: Literal["adamw"]
    betas: Betas


class RmsProp(_Optimizer):
    name: Literal["rmsprop"]
    momentum: BelowOne
    alpha: BelowOne


class Adagrad(_Optimizer):
    name: Literal["adagrad"]
    lr_decay: Annotated[float, Field(ge=0.0)]


OptimizerConfig = Annotated[Sgd | Adam | AdamW | RmsProp | Adagrad, Field(discriminator="name")]


class NoScheduler(Strict):
    name: Literal["none"]


class Plateau(Strict):
    """Reduce on plateau of a validation metric that means the same for every loss mix."""

    name: Literal["plateau"]
    monitor: str
    factor: Annotated[float, Field(gt=0.0, lt=1.0)]
    patience: NonNegative
    """Validations without a gain before the rate is reduced."""
    min_lr: Annotated[float, Field(ge=0.0)]


class Cosine(Strict):
    name: Literal["cosine"]
    warmup_epochs: NonNegative
    min_lr: Annotated[float, Field(ge=0.0)]


class OneCycle(Strict):
    """Peaks at ``optimizer.lr``."""

    name: Literal["onecycle"]
    warmup: Annotated[float, Field(gt=0.0, lt=1.0)]


SchedulerConfig = Annotated[NoScheduler | Plateau | Cosine | OneCycle, Field(discriminator="name")]


class Augmentation(Strict):
    """Random changes of the training samples, drawn per sample and the same for all frames of a clip."""

    name: str
    flip: Fraction
    """Probability of a horizontal flip."""
    rotate_deg: Annotated[float, Field(ge=0.0, le=180.0)]
    scale: Annotated[float, Field(ge=0.0, lt=1.0)]
    """Largest relative change of size."""
    translate: Annotated[float, Field(ge=0.0, lt=1.0)]
    """Largest shift, as a part of the side."""
    brightness: Annotated[float, Field(ge=0.0, lt=1.0)]
    contrast: Annotated[float, Field(ge=0.0, lt=1.0)]
    saturation: Annotated[float, Field(ge=0.0, le=1.0)]
    erase: Fraction
    """Probability that a random rectangle is blanked."""
    jitter: BelowOne
    """Of points of a face: largest shift and relative change of width and height, each in the points' own unit."""

    @property
    def active(self) -> bool:
        """Whether anything at all is changed."""
        return any(value for key, value in self.model_dump().items() if key != "name")
