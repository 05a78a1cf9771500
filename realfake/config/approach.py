"""What a run looks at and tells: the group ``approach``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ValidationInfo, model_validator

from realfake.config.base import Strict, is_new
from realfake.errors import nearest
from realfake.labels import TASKS

APPROACHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "single_task": ("frames", ("joint",)),
    "multi_task": ("frames", ("emotion", "authenticity")),
    "temporal": ("sequences", ("joint",)),
    "temporal_multi_task": ("sequences", ("emotion", "authenticity")),
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
