"""Multi task: emotion and authenticity from one frame, two heads on a shared backbone."""

from __future__ import annotations

from realfake.approaches.base import ApproachModule
from realfake.config import APPROACHES


class MultiTask(ApproachModule):
    """Two heads over a frame backbone, which runs once a batch; the joint probability is the heads' product."""

    tasks = APPROACHES["multi_task"][1]
