"""Temporal: twelve joint classes from a sequence of frames."""

from __future__ import annotations

from realfake.approaches.base import ApproachModule
from realfake.config import APPROACHES


class Temporal(ApproachModule):
    """One head over a clip backbone; a sample is a window of the clip."""

    tasks = APPROACHES["temporal"][1]
