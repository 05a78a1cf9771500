"""Clip networks of the thesis exactly as its code runs them; names of the layers are those of its files."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from realfake.models.recurrent import CELLS

KERNEL, PADDING = (3, 5, 5), (1, 2, 2)


class ThesisCnn3d(nn.Module):
    """Three blocks of 3×5×5 convolution, batch norm, ReLU and max pooling (16, 32, 64 channels), then 512 features.

    The first convolution and all pools halve the side, the last pool also the number of frames.

    Args:
        size: Side of the input in pixels, at least 16; the linear layer depends on it, and on ``frames``.
        frames: Length of the input, at least 2.
    """

    features = 512

    def __init__(self, size: int, frames: int) -> None:
        super().__init__()
        for i, (before, after) in enumerate(pairwise((3, 16, 32, 64)), start=1):
            stride = (1, 2, 2) if i == 1 else (1, 1, 1)
            self.add_module(f"conv{i}", nn.Conv3d(before, after, KERNEL, stride, PADDING))
            self.add_module(f"bn{i}", nn.BatchNorm3d(after))
            self.add_module(f"pool{i}", nn.MaxPool3d((2, 2, 2) if i == 3 else (1, 2, 2)))
        side = (size + 1) // 2 // 2 // 2 // 2
        self.fc1 = nn.Linear(64 * (frames // 2) * side * side, self.features)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, T, H, W)`` → ``(B, 512)``."""
        for i in (1, 2, 3):
            x = nn.functional.relu(self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)))
            x = self.get_submodule(f"pool{i}")(x)
        return nn.functional.relu(self.fc1(x.flatten(1)))


class ThesisRecurrent(nn.Module):
    """LSTM whose steps are the three colour channels of a clip, or GRU whose only step is the clip, over raw pixels.

    That is no sequence of frames, but it is what its code trains, so it is what its files need.

    Args:
        cell: ``lstm`` or ``gru``.
        size: Side of the input in pixels.
        frames: Length of the input.
    """

    features = 256

    def __init__(self, cell: str, size: int, frames: int) -> None:
        super().__init__()
        self.steps, layers = {"lstm": (3, 2), "gru": (1, 1)}[cell]
        inputs = 3 * frames * size * size // self.steps
        self.layer_name = f"{cell}1"
        self.add_module(self.layer_name, CELLS[cell](inputs, self.features, layers, batch_first=True))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, T, H, W)`` → ``(B, 256)``, the output of the last step."""
        outputs, _ = self.get_submodule(self.layer_name)(x.reshape(len(x), self.steps, -1))
        last: Tensor = outputs[:, -1]
        return last
