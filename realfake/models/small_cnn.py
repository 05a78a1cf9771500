"""Small frame networks that train from scratch in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

TINY_CHANNELS = (16, 32, 64, 64)


class SmallCnn(nn.Module):
    """The thesis's small CNN, after LeNet-5 (LeCun et al. 1998): two convolutions and two linear layers.

    Args:
        size: Side of the input in pixels, at least 16; the first linear layer depends on it.
    """

    features = 84

    def __init__(self, size: int) -> None:
        super().__init__()
        side = ((size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, self.features)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, H, W)`` → ``(B, 84)``."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))


class TinyCnn(nn.Module):
    """Strided 3×3 convolutions with batch norm, then one linear layer over what is left of the picture.

    The frame encoder of the small clip networks: about 4 million multiplications at 64 pixels. The last layer sees
    positions, since an eyebrow and a mouth that move mean different things.

    Args:
        size: Side of the input in pixels.
        channels: Channels of the blocks; each halves the side (rounded up).
        features: Length of the feature vector.
    """

    def __init__(self, size: int, channels: Sequence[int] = TINY_CHANNELS, features: int = 64) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before, side = 3, size
        for after in channels:
            blocks += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
            before, side = after, (side + 1) // 2
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(before * side * side, features)
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, H, W)`` → ``(B, features)``."""
        out: Tensor = self.linear(self.blocks(x).flatten(1))
        return out
