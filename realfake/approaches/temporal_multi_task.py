"""Temporal multi task: emotion and authenticity from a sequence of frames, the thesis's future work."""

from __future__ import annotations

from realfake.approaches.base import ApproachModule
from realfake.config import APPROACHES


class TemporalMultiTask(ApproachModule):
    """Two heads over a clip backbone; a sample is a window of the clip."""

    tasks = APPROACHES["temporal_multi_task"][1]
