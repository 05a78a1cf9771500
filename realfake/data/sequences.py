"""The data module for approaches that look at sequences of frames."""

from __future__ import annotations

from realfake.data.datamodule import ClipDataModule
from realfake.data.samples import WindowSamples


class SequenceDataModule(ClipDataModule):
    """Batches of windows, uint8 (B, T, H, W, 3): ``sampling.windows_per_clip`` of each clip in an epoch."""

    samples_class = WindowSamples
