"""What a run looks at and tells: the group ``approach``."""

from __future__ import annotations

from typing import Literal

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


class ApproachConfig(Strict):
    name: Literal["single_task", "multi_task", "temporal", "temporal_multi_task"]
    samples: Literal["frames", "sequences"]
    tasks: Literal["auto"] | list[str]
    """``auto`` = those of :data:`APPROACHES`; ``[authenticity]`` where the data have one emotion, or none."""

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> ApproachConfig:
        if not is_new(info):
            return self
        samples = APPROACHES[self.name][0]
        if self.samples != samples:
            raise ValueError(f"approach.samples={self.samples}: approach={self.name} has {samples}; leave it out")
        if self.tasks != AUTO and ",".join(sorted(self.tasks, reverse=True)) not in TASK_SETS:
            near = "".join(nearest(task, TASKS) for task in self.tasks if task not in TASKS)
            shown = ",".join(self.tasks)
            raise ValueError(f"approach.tasks=[{shown}]: expected auto, or one of [{'], ['.join(TASK_SETS)}]{near}")
        return self
