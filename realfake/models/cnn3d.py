"""A small 3D-CNN."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class Cnn3d(nn.Module):
    """Three blocks of 3×3×3 convolution, batch norm and max pooling (16, 32, 64 channels), then 512 features.

    Args:
        size: Side of the input in pixels.
        frames: Length of the input; the linear layer depends on both.
    """

    features = 512

    def __init__(self, size: int, frames: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in pairwise((3, 16, 32, 64)):
            blocks += [
                nn.Conv3d(before, after, 3, padding=1, bias=False),
                nn.BatchNorm3d(after),
                nn.ReLU(),
                # Rounded up, so that clips of a few frames pass through all three blocks.
                nn.MaxPool3d(2, ceil_mode=True),
            ]
            size, frames = (size + 1) // 2, (frames + 1) // 2
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(64 * frames * size * size, self.features)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, T, H, W)`` → ``(B, 512)``."""
        return nn.functional.relu(self.linear(self.blocks(x).flatten(1)))
