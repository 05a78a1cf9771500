"""What a batch holds: declared once, used by data modules, approaches, benchmarks and tests."""

from __future__ import annotations

from typing import TypedDict

import torch

from realfake.labels import ABSENT, LabelSpace
from realfake.streams.stream import StreamValues


class Batch(TypedDict, total=False):
    """A batch of samples; a sample is one frame of a clip, or one window of several moments."""

    streams: dict[str, StreamValues]
    """What the network looks at, and what auxiliary terms need, by its name; of single frames, T is 1."""
    emotion: torch.Tensor
    """int64 (B,); -1 = absent."""
    authenticity: torch.Tensor
    """int64 (B,), 0 or 1; -1 = absent."""
    clip: torch.Tensor
    """int64 (B,): row of the clip table."""
    pair: torch.Tensor
    """int64 (B,): the same number for both clips of a pair; -1 = none."""
    sample: torch.Tensor
    """int64 (B,): the same number means the same frame or window, so that none is counted twice."""


def target_of(batch: Batch, task: str, space: LabelSpace) -> torch.Tensor:
    """Class of each sample in a task, (B,) int64; -1 = absent."""
    if task == "emotion":
        return batch["emotion"]
    if task == "authenticity":
        return batch["authenticity"]
    known = (batch["emotion"] != ABSENT) & (batch["authenticity"] != ABSENT)
    return torch.where(known, space.joint_classes(batch["emotion"], batch["authenticity"]), ABSENT)
