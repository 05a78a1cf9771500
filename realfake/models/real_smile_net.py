"""RealSmileNet: differences of frames, a recurrent network of convolutions over them, and a non-local block.

Yang et al. 2020, https://arxiv.org/abs/2010.03203.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realfake.models.kept_frames import of_kept


def _convolved(inputs: int, outputs: int, kernel: int, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU())


class Differences(nn.Module):
    """Frames that are brighter where something has moved: x + x · conv₃(x_t − x_{t−1}); at first conv₃ changes nothing
    but adds up the colours."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.conv.weight.copy_(torch.zeros(3, 3).index_put((torch.tensor(1), torch.tensor(1)), torch.tensor(1.0)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 3, H, W) → (B, T, 3, H, W)."""
        before = torch.cat([x[:, :1], x[:, :-1]], dim=1)
        moved = self.conv((x - before).flatten(0, 1)).view_as(x)
        return x + x * moved


class ConvLstm(nn.Module):
    """An LSTM whose products are convolutions of 3 × 3 (Shi et al. 2015, https://arxiv.org/abs/1506.04214, without
    peepholes)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.conv = nn.Conv2d(inputs + hidden, 4 * hidden, 3, padding=1)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """(B, T, C, H, W), and which frames count, bool (B, T) → its output after the last that does."""
        batch, steps, _, height, width = x.shape
        output = cell = x.new_zeros(batch, self.hidden, height, width)
        for step in range(steps):
            gates = self.conv(torch.cat([x[:, step], output], dim=1))
            enter, keep, show, new = gates.chunk(4, dim=1)
            next_cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
            next_output = show.sigmoid() * next_cell.tanh()
            counts = kept[:, step, None, None, None]
            cell, output = torch.where(counts, next_cell, cell), torch.where(counts, next_output, output)
        return output


class NonLocal(nn.Module):
    """What all places of a picture say to each (Wang et al. 2018, https://arxiv.org/abs/1711.07971, its dot product),
    added; at first nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.values = nn.Conv2d(channels, inner, 1)
        self.out = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        nn.init.zeros_(self.out[1].weight)  # type: ignore[arg-type]
        self.queries, self.keys = nn.Conv2d(channels, inner, 1), nn.Conv2d(channels, inner, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        queries = self.queries(x).flatten(2)
        keys, values = (F.max_pool2d(layer(x), 2).flatten(2) for layer in (self.keys, self.values))
        said = values @ (queries.transpose(1, 2) @ keys / keys.shape[2]).transpose(1, 2)
        found: Tensor = self.out(said.unflatten(2, x.shape[2:]))
        return x + found


class RealSmileNet(nn.Module):
    """RealSmileNet before its last layer; 250 features of frames of 48 pixels.

    A clip ends where its last new frame is: frames that only repeat it fill the sample up and count for nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.BatchNorm2d(3),
            _convolved(3, 4, 3, 1),
            nn.AvgPool2d(2),
            _convolved(4, 6, 3, 1),
            nn.AvgPool2d(2),
            nn.Dropout2d(0.2),
        )
        self.differences = Differences()
        self.over_time = ConvLstm(6, 8)
        self.last = nn.Sequential(NonLocal(8), nn.AvgPool2d(2), _convolved(8, 10, 2), nn.Dropout(0.5), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (B, 3, T, H, W) from 0 to 1 → (B, features)."""
        frames = x.transpose(1, 2)
        kept = until_the_last_new(frames)
        seen = self.differences(frames)
        maps = of_kept(self.encoder, seen.flatten(0, 1), kept.flatten(), training=self.training)
        features: Tensor = self.last(self.over_time(maps.unflatten(0, kept.shape), kept))
        return features


def until_the_last_new(frames: Tensor) -> Tensor:
    """Which frames (B, T, …) are not behind the last that differs from the one before it, bool (B, T)."""
    new = (frames[:, 1:] != frames[:, :-1]).flatten(2).any(dim=2)
    later = new.flip(1).to(torch.int64).cumsum(dim=1).flip(1) > 0
    return torch.cat([torch.ones_like(later[:, :1]), later], dim=1) if new.shape[1] else new.new_ones(len(frames), 1)
