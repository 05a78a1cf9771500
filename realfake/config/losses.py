"""Losses of tasks and how they are mixed: the groups ``loss`` and ``loss_mix``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realfake.config.base import Fraction, Positive, Strict


class _Loss(Strict):
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)]
    class_weights: Literal["none", "balanced"] | list[Positive]
    """``balanced`` = inversely proportional to the training part's class counts."""


class CrossEntropyLoss(_Loss):
    name: Literal["cross_entropy"]


class FocalLoss(_Loss):
    """Lin et al. 2017 on the softmax probability of the true class."""

    name: Literal["focal"]
    gamma: Annotated[float, Field(ge=0.0)]


class MultiFocalLoss(_Loss):
    """Multi-label focal loss, thesis eq. 3.2."""

    name: Literal["multi_focal"]
    alpha: Fraction
    gamma: Annotated[float, Field(ge=0.0)]


LossConfig = Annotated[CrossEntropyLoss | FocalLoss | MultiFocalLoss, Field(discriminator="name")]


class Losses(Strict):
    """One loss a task; an approach uses the tasks that it has heads for."""

    joint: LossConfig
    emotion: LossConfig
    authenticity: LossConfig


class SumMix(Strict):
    name: Literal["sum"]


class WeightedMix(Strict):
    name: Literal["weighted"]
    emotion: Annotated[float, Field(ge=0.0)]
    authenticity: Annotated[float, Field(ge=0.0)]
    joint: Annotated[float, Field(ge=0.0)]


class PrecisionMix(Strict):
    """Thesis eq. 3.3; ``macro`` = the equation, ``accuracy`` = what its code did."""

    name: Literal["precision"]
    mode: Literal["macro", "accuracy"]


class UncertaintyMix(Strict):
    """Kendall et al. 2018: learned homoscedastic uncertainty."""

    name: Literal["uncertainty"]


class DwaMix(Strict):
    """Liu et al. 2019: dynamic weight average over epochs."""

    name: Literal["dwa"]
    temperature: Positive


MixConfig = Annotated[SumMix | WeightedMix | PrecisionMix | UncertaintyMix | DwaMix, Field(discriminator="name")]
