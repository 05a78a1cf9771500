"""Heads: the group ``head``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from realfake.config.base import Count, Positive, PositiveFraction, Strict

if TYPE_CHECKING:
    from realfake.config.running import TrainConfig


class LinearHead(Strict):
    name: Literal["linear"]
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]


class MlpHead(Strict):
    name: Literal["mlp"]
    hidden: list[Count]
    """Sizes of the hidden layers."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    batch_norm: bool


Groups = Annotated[int, Field(ge=2)] | None
"""Groups of training people, each of which is left out once; null = none is."""


class FittedHead(Strict):
    """A learner that is fitted on the features of all training samples at the end of an epoch."""

    name: str
    per_emotion: bool
    """Of a joint task: one learner tells the emotion, and one for each emotion whether it is real."""

    def check(self, run: TrainConfig) -> None:
        """Raise ``ValueError`` if such a learner cannot tell a run's tasks, or would pass over what is asked for."""
        if self.per_emotion and "joint" not in run.tasks:
            raise ValueError(
                f"head.per_emotion=true: approach.tasks=[{','.join(run.tasks)}] has no joint classes, of which each "
                "emotion has a learner of its own; expected approach.tasks=[joint], such as approach=single_task"
            )
        if not run.fits_only:
            return
        t = run.trainer
        idle = [f"auxiliary.{name}" for name in run.auxiliary.chosen]
        idle += [] if run.loss_mix.name == "sum" else [f"loss_mix={run.loss_mix.name}"]
        idle += [
            f"loss.{task}.class_weights={weights}"
            for task in run.tasks
            if (weights := getattr(run.loss, task).class_weights) != "none"
        ]
        if t.check_val_every_n_epoch > 1 and not t.fast_dev_run:
            idle.append(f"trainer.check_val_every_n_epoch={t.check_val_every_n_epoch}")
        if idle:
            raise ValueError(
                f"{idle[0]}: head={self.name} is fitted once, in one epoch, since backbone.freeze=true leaves nothing "
                "to train; expected to do without, or a head that is trained, such as head=linear"
            )


class LogisticHead(FittedHead):
    name: Literal["logistic"]
    C: Positive
    """Inverse strength of the L2 penalty on the weights of standardised features."""


class LinearSvmHead(FittedHead):
    name: Literal["linear_svm"]
    C: Positive
    """Weight of the hinge loss against that of the margin, over standardised features."""
    folds: Groups
    """By people left out decision values become log-odds; null = they are log-odds as they are."""


class PairSvmHead(FittedHead):
    """Saxen, Werner, Al-Hamadi 2017."""

    name: Literal["pair_svm"]
    C: Positive
    """Weight of the hinge loss against that of the margin, over standardised differences."""
    members: Count
    share: PositiveFraction
    """Part of the differences of either sign that each member is fitted on."""
    folds: Groups
    """Of the support vector machine that tells the emotion: as :attr:`LinearSvmHead.folds`."""

    def check(self, run: TrainConfig) -> None:
        """Raise ``ValueError`` also if there is nothing to rank."""
        super().check(run)
        if "authenticity" not in run.tasks and not self.per_emotion:
            raise ValueError(
                f"head=pair_svm: approach.tasks=[{','.join(run.tasks)}] has no head that ranks real against fake "
                "clips; expected approach.tasks=[authenticity], or head.per_emotion=true with approach.tasks=[joint]"
            )


class BoostedTreesHead(FittedHead):
    name: Literal["boosted_trees"]
    rounds: Count
    """Of boosting, at most."""
    depth: Annotated[int, Field(ge=1, le=8)]
    learning_rate: PositiveFraction
    l2: Annotated[float, Field(ge=0.0)]
    """Penalty on the values of the leaves, λ."""
    subsample: PositiveFraction
    """Part of the samples that each round sees."""
    columns: PositiveFraction
    """Part of the features that each tree sees."""
    folds: Groups
    """People left out choose the number of rounds; null = ``rounds``."""
    patience: Count
    """Rounds without improvement after which the choice ends."""


HeadConfig = Annotated[
    LinearHead | MlpHead | LogisticHead | LinearSvmHead | PairSvmHead | BoostedTreesHead, Field(discriminator="name")
]
