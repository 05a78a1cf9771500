"""The data module for approaches that look at single frames."""

from __future__ import annotations

from realfake.data.datamodule import ClipDataModule
from realfake.data.samples import FrameSamples


class FrameDataModule(ClipDataModule):
    """Batches of single frames, uint8 (B, H, W, 3): ``sampling.frames_per_clip`` of each clip in an epoch."""

    samples_class = FrameSamples
