"""Losses of tasks, auxiliary terms and how all are mixed: the groups ``loss``, ``auxiliary`` and ``loss_mix``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from realfake.config.backbones import BackboneConfig
from realfake.config.base import Fraction, Positive, PositiveFraction, Strict
from realfake.config.guests import Guests
from realfake.config.signal_options import SignalConfig, streams_named
from realfake.config.stream_info import StreamInfo
from realfake.config.stream_networks import PredictiveLstmBackbone
from realfake.labels import LabelSpace, told_by

if TYPE_CHECKING:
    import torch


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


class Loss(_Loss):
    """A loss that a plugin brings."""

    name: str

    def per_sample(self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        """Loss of each sample, (B,).

        Args:
            logits: (B, K).
            target: (B,) int64; -1 = no label, whose loss does not count, whatever it is.
            weight: Of each class (K,); None = 1.
        """
        raise NotImplementedError


LossConfig = Annotated[CrossEntropyLoss | FocalLoss | MultiFocalLoss, Field(discriminator="name"), Guests("loss")]


class Losses(Strict):
    """One loss a task; an approach uses the tasks that it has heads for."""

    joint: LossConfig
    emotion: LossConfig
    authenticity: LossConfig


class _Term(Strict):
    weight: Positive
    """Factor of the term before the mix."""

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of streams that it needs, whatever the network looks at."""
        return ()

    def check(self, key: str, tasks: Sequence[str], frozen: bool) -> None:
        """Raise ``ValueError`` where the term has nothing to say.

        Args:
            key: Of the term.
            tasks: Of the heads.
            frozen: Whether the backbone is.
        """


_OF_APEX = {"intensity": "intensity", "apex": "time"}
"""Target → the number of a stream's ``_apex`` that it is."""


class PairRankingTerm(_Term):
    """Burges et al. 2005 (``logistic``), Joachims 2002 (``hinge``)."""

    loss: Literal["logistic", "hinge"]
    margin: Positive

    def check(self, key: str, tasks: Sequence[str], frozen: bool) -> None:
        """Raise ``ValueError`` if authenticity is not told."""
        if "authenticity" not in told_by(tasks):
            raise ValueError(
                f"{key}: approach.tasks=[{','.join(tasks)}] tells no authenticity, by which clips of a pair are "
                "ranked; expected a head for it, or joint"
            )


class CenterTerm(_Term):
    """Wen et al. 2016."""

    task: Literal["auto", "joint", "emotion", "authenticity"]
    """Whose classes have centers; ``auto`` = the first that is told."""
    rate: PositiveFraction

    def of(self, tasks: Sequence[str]) -> str:
        """The task whose classes have centers, of a network with heads for ``tasks``."""
        return told_by(tasks)[0] if self.task == "auto" else self.task

    def check(self, key: str, tasks: Sequence[str], frozen: bool) -> None:
        """Raise ``ValueError`` if the features cannot move, or the task is not told."""
        if frozen:
            raise ValueError(f"{key}: backbone.freeze=true leaves the features as they are; expected freeze=false")
        if self.of(tasks) not in told_by(tasks):
            raise ValueError(f"{key}.task={self.task}: expected auto, or one of {', '.join(told_by(tasks))}")


class NextFrameTerm(_Term):
    """Squared error of ``backbone=lstm_pb``, which learns by it alone."""

    def check(self, key: str, tasks: Sequence[str], frozen: bool) -> None:
        """Raise ``ValueError`` if nothing can learn by it."""
        if frozen:
            raise ValueError(f"{key}: backbone.freeze=true leaves nothing to learn by it; expected to do without")


class RegressionTerm(_Term):
    """Huber 1964 between what a linear layer makes of the features and a continuous target."""

    target: str
    """``intensity`` and ``apex`` are told of ``stream``; else a stream with one value a clip, all of its numbers."""
    stream: str
    delta: Positive
    """From which error on, in standard deviations of the target in the training part, the loss grows linearly."""

    @property
    def streams(self) -> tuple[str, ...]:
        """The stream that holds the target."""
        return (f"{self.stream}_apex" if self.target in _OF_APEX else self.target,)

    @property
    def component(self) -> str | None:
        """Name of the number of it that is the target; ``None`` = all are."""
        return _OF_APEX.get(self.target)

    def check(self, key: str, tasks: Sequence[str], frozen: bool) -> None:
        """Raise ``ValueError`` if the features cannot move."""
        if frozen:
            raise ValueError(f"{key}: backbone.freeze=true leaves the features as they are; expected freeze=false")


class Term(_Term):
    """A term that a plugin brings."""

    def build(self, space: LabelSpace, tasks: Sequence[str], features: int) -> Any:
        """A :class:`realfake.losses.auxiliary.AuxiliaryTerm`.

        Args:
            space: The classes.
            tasks: Of the heads.
            features: Length of the feature vector.
        """
        raise NotImplementedError


class AuxiliaryConfig(Strict):
    """What is minimised beside the losses of the heads; several at once."""

    pair_ranking: PairRankingTerm | None = None
    center: CenterTerm | None = None
    next_frame: NextFrameTerm | None = None
    regression: RegressionTerm | None = None

    @property
    def chosen(self) -> dict[str, _Term]:
        """Name → options of the terms in use, in the order of all vectors."""
        return {name: term for name, term in self if term is not None}

    def targets(self, signals: dict[str, SignalConfig]) -> dict[str, StreamInfo]:
        """Streams that terms need, with some signals, by their names.

        Raises:
            ValueError: If one is none that they give, or none that its term can take.
        """
        found: dict[str, StreamInfo] = {}
        for key, term in self.chosen.items():
            try:
                own = streams_named(term.streams, signals)
            except ValueError as error:
                raise ValueError(f"auxiliary.{key}: {error}") from None
            many = [name for name, info in own.items() if not info.of_clip]
            if many and isinstance(term, RegressionTerm):
                raise ValueError(
                    f"auxiliary.{key}.target={many[0]}: it has many values a clip; expected intensity, apex, or a "
                    f"stream with one, such as {many[0]}_dynamics"
                )
            found |= own
        return found


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


class GradNormMix(Strict):
    """Chen et al. 2018: gradient normalisation."""

    name: Literal["gradnorm"]
    alpha: Annotated[float, Field(ge=0.0)]
    lr: Positive


class Mix(Strict):
    """A loss mix that a plugin brings."""

    name: str

    def build(self, tasks: Sequence[str], auxiliary: Mapping[str, float]) -> Any:
        """A :class:`realfake.losses.mixes.LossMix` of two or more terms, whose arguments these are."""
        raise NotImplementedError


MixConfig = Annotated[
    SumMix | WeightedMix | PrecisionMix | UncertaintyMix | DwaMix | GradNormMix,
    Field(discriminator="name"),
    Guests("loss_mix"),
]


def check_terms(auxiliary: AuxiliaryConfig, mix: MixConfig, tasks: Sequence[str], backbone: BackboneConfig) -> None:
    """Raise ``ValueError`` if a term has nothing to say of a network with heads for ``tasks``, or a mix of them."""
    for name, term in auxiliary.chosen.items():
        term.check(f"auxiliary.{name}", tasks, backbone.freeze)
    predicts = isinstance(backbone, PredictiveLstmBackbone)
    if auxiliary.next_frame is not None and not predicts:
        raise ValueError(f"auxiliary.next_frame: backbone={backbone.name} predicts no frames; expected lstm_pb")
    if auxiliary.next_frame is None and predicts and not backbone.freeze:
        raise ValueError(
            "backbone=lstm_pb: it learns by its own error alone; expected auxiliary=[next_frame], or "
            "backbone.freeze=true and init_from=…"
        )
    if isinstance(mix, GradNormMix) and (backbone.freeze or backbone.name == "pixels"):
        which = "backbone.freeze=true" if backbone.freeze else "backbone=pixels"
        raise ValueError(
            f"loss_mix=gradnorm: {which} leaves no trained weights that the terms share; expected another mix"
        )
