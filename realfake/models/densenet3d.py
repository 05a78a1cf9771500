"""A DenseNet over pixels and time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Layer(nn.Module):
    """Bottleneck of four times the growth, then 3 × 3 × 3; what comes in goes on beside what is added."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm3d(channels), nn.Conv3d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm3d(4 * growth)
        self.conv2 = nn.Conv3d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))
        return torch.cat([x, new], dim=1)


class _Halved(nn.Module):
    """Means of 2 × 2 × 2; along an axis that has no two left, nothing changes."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool3d(x, [min(2, side) for side in x.shape[2:]])


class DenseNet3d(nn.Module):
    """DenseNet-BC (Huang et al. 2017, https://arxiv.org/abs/1608.06993) with kernels over time as well.

    As Hara et al. 2018 (https://arxiv.org/abs/1711.09577) extend it: 7 × 7 × 7 with a spatial stride of 2, all else as
    many moments wide as pixels. Growth 32 with layers [6, 12, 24, 16] is DenseNet-121.

    Args:
        growth: Channels that each layer adds.
        layers: Of each block; all blocks but the last are followed by half of the channels at half of the size.
    """

    def __init__(self, growth: int, layers: Sequence[int]) -> None:
        super().__init__()
        channels = 2 * growth
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv3d(3, channels, 7, stride=(1, 2, 2), padding=3, bias=False)
        parts["norm"], parts["relu"] = nn.BatchNorm3d(channels), nn.ReLU()
        parts["pool"] = nn.MaxPool3d(3, stride=2, padding=1)
        for number, count in enumerate(layers):
            if number:
                parts[f"transition{number}"] = nn.Sequential(
                    nn.BatchNorm3d(channels),
                    nn.ReLU(),
                    nn.Conv3d(channels, channels // 2, 1, bias=False),
                    _Halved(),
                )
                channels //= 2
            parts[f"block{number + 1}"] = nn.Sequential(*(_Layer(channels + k * growth, growth) for k in range(count)))
            channels += count * growth
        parts["norm_last"] = nn.BatchNorm3d(channels)
        self.layers, self.features = nn.Sequential(parts), channels

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pixels ``(B, 3, T, H, W)`` → ``(B, features)``."""
        return F.relu(self.layers(x)).mean(dim=(2, 3, 4))
