"""Single task: twelve joint classes from one frame."""

from __future__ import annotations

from realfake.approaches.base import ApproachModule
from realfake.config import APPROACHES


class SingleTask(ApproachModule):
    """One head over a frame backbone; emotion and authenticity are marginals of the twelve classes."""

    tasks = APPROACHES["single_task"][1]
