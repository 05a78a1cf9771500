"""What a run looks at and tells: the group ``approach``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, model_validator

from realfake.config.base import Strict, is_new
from realfake.config.losses import AuxiliaryConfig
from realfake.errors import nearest
from realfake.labels import TASKS, THRESHOLD, Protocol, told_by

APPROACHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "single_task": ("frames", ("joint",)),
    "multi_task": ("frames", ("emotion", "authenticity")),
    "temporal": ("sequences", ("joint",)),
    "temporal_multi_task": ("sequences", ("emotion", "authenticity")),
    "ranking": ("sequences", ("authenticity",)),
}
"""Samples of each approach, and its tasks (``approach.tasks=auto``) where the data have several emotions."""
AUTO = "auto"

AUTO_METRICS = {
    "joint": "val/clip/joint_accuracy",
    "emotion": "val/clip/emotion_accuracy",
    "authenticity": "val/clip/authenticity_auroc",
}
"""First task that is told → what selects the best epoch with ``optimized_metric=auto``."""

TASK_SETS = ("joint", "emotion,authenticity", "emotion", "authenticity")
"""What ``approach.tasks`` may be, but for its order."""


class Approach(Strict):
    """What a run looks at and tells; plugins derive theirs from it."""

    name: str
    samples: Literal["frames", "sequences"]
    tasks: Literal["auto"] | list[str]
    """``auto`` = those of :attr:`means`; ``[authenticity]`` where the data have one emotion, or none."""
    brought: ClassVar[tuple[str, tuple[str, ...]] | None] = None
    """Samples and tasks of an approach that a plugin brings."""

    @property
    def means(self) -> tuple[str, tuple[str, ...]]:
        """Its samples, and its tasks (``approach.tasks=auto``) where the data have several emotions."""
        return self.brought or APPROACHES[self.name]

    def taught(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """Those of a run's tasks whose heads learn by the loss of their task."""
        return tuple(tasks)

    def build(self, cfg: Any, class_counts: dict[str, list[int]] | None) -> Any:
        """The :class:`realfake.approaches.module.ApproachModule` of a run; ``None`` = that class itself.

        Args:
            cfg: The run's :class:`realfake.config.TrainConfig`.
            class_counts: Training clips of each class of each task; None = the network is not to be trained.
        """
        return None

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Approach:
        if not is_new(info):
            return self
        samples = self.means[0]
        if self.samples != samples:
            raise ValueError(f"approach.samples={self.samples}: approach={self.name} has {samples}; leave it out")
        if self.tasks != AUTO and ",".join(sorted(self.tasks, reverse=True)) not in TASK_SETS:
            near = "".join(nearest(task, TASKS) for task in self.tasks if task not in TASKS)
            shown = ",".join(self.tasks)
            raise ValueError(f"approach.tasks=[{shown}]: expected auto, or one of [{'], ['.join(TASK_SETS)}]{near}")
        return self


class ApproachConfig(Approach):
    name: Literal["single_task", "multi_task", "temporal", "temporal_multi_task"]


class RankingApproach(Approach):
    """Real and fake clips of a pair are compared in training, by ``auxiliary.pair_ranking``."""

    name: Literal["ranking"]
    task_loss: bool
    """Whether the head for authenticity learns by its loss too, clip by clip."""

    def taught(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """All, or all but authenticity, which the comparisons teach."""
        return tuple(task for task in tasks if self.task_loss or task != "authenticity")


ApproachOptions = Annotated[ApproachConfig | RankingApproach, Field(discriminator="name")]


def auto_metric(tasks: Sequence[str], protocol: Protocol) -> str:
    """What selects the best epoch of a run with heads for ``tasks`` with ``optimized_metric=auto``.

    Where clips are compared, right is what ranks above others: the AUROC, which no protocol changes, says how well.
    """
    told = told_by(tasks)
    return AUTO_METRICS["authenticity" if protocol != THRESHOLD and "authenticity" in told else told[0]]


def check_comparison(approach: Approach, protocol: Protocol, auxiliary: AuxiliaryConfig, tasks: Sequence[str]) -> None:
    """Raise ``ValueError`` if there is nothing to compare clips by, in training or in decisions."""
    shown = f"approach.tasks=[{','.join(tasks)}]"
    if protocol != THRESHOLD and "authenticity" not in told_by(tasks):
        raise ValueError(
            f"protocol={protocol}: {shown} tells no authenticity, by which clips of a pair are compared; expected "
            f"protocol={THRESHOLD}, or a head for it"
        )
    if not isinstance(approach, RankingApproach):
        return
    if auxiliary.pair_ranking is None:
        chosen = ",".join(["pair_ranking", *auxiliary.chosen])
        raise ValueError(f"approach=ranking learns by auxiliary.pair_ranking; expected auxiliary=[{chosen}]")
    if not approach.task_loss and "joint" in tasks:
        raise ValueError(
            f"approach.task_loss=false: {shown} tells the emotion by the head that would have no loss of its own; "
            "expected approach.task_loss=true, or approach.tasks=[emotion,authenticity]"
        )
