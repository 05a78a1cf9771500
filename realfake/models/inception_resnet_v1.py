"""InceptionResnetV1 (Szegedy et al. 2017, arXiv:1602.07261, figures 10-15) in FaceNet's form.

Module names are those of facenet-pytorch's files, so that its published weights load as they are. Layer sizes and
residual scales are FaceNet's, whose blocks differ a little from the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ConvBn(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class Residual(nn.Module):
    """Parallel branches, joined by a 1×1 convolution whose output is scaled and added to the input.

    Args:
        channels: Of input and output.
        branches: Two or three branches that keep the size.
        joined: Channels of all branches together.
        scale: Of the residual; small values keep the training of deep stacks stable (section 3.3 of the paper).
        relu: Whether a ReLU follows; the network's last block has none.
    """

    def __init__(
        self, channels: int, branches: Sequence[nn.Module], joined: int, scale: float, *, relu: bool = True
    ) -> None:
        super().__init__()
        self.branch_names = [f"branch{i}" for i in range(len(branches))]
        for name, branch in zip(self.branch_names, branches, strict=True):
            self.add_module(name, branch)
        self.conv2d = nn.Conv2d(joined, channels, 1)
        self.scale = scale
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([getattr(self, name)(x) for name in self.branch_names], dim=1)
        out = x + self.scale * self.conv2d(joined)
        return torch.relu(out) if self.relu else out


class Reduction(nn.Module):
    """Parallel branches of stride 2 and a max pooling, all concatenated: halves the side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branch_names = [f"branch{i}" for i in range(len(branches) + 1)]
        for name, branch in zip(self.branch_names, [*branches, nn.MaxPool2d(3, stride=2)], strict=True):
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([getattr(self, name)(x) for name in self.branch_names], dim=1)


def block35(scale: float) -> Residual:
    """Inception-ResNet-A over a 35 × 35 grid (for an input of 299 pixels)."""
    branches = [
        ConvBn(256, 32, 1),
        nn.Sequential(ConvBn(256, 32, 1), ConvBn(32, 32, 3, padding=1)),
        nn.Sequential(ConvBn(256, 32, 1), ConvBn(32, 32, 3, padding=1), ConvBn(32, 32, 3, padding=1)),
    ]
    return Residual(256, branches, 96, scale)


def block17(scale: float) -> Residual:
    """Inception-ResNet-B over a 17 × 17 grid."""
    branches = [
        ConvBn(896, 128, 1),
        nn.Sequential(
            ConvBn(896, 128, 1), ConvBn(128, 128, (1, 7), padding=(0, 3)), ConvBn(128, 128, (7, 1), padding=(3, 0))
        ),
    ]
    return Residual(896, branches, 256, scale)


def block8(scale: float, *, relu: bool = True) -> Residual:
    """Inception-ResNet-C over an 8 × 8 grid."""
    branches = [
        ConvBn(1792, 192, 1),
        nn.Sequential(
            ConvBn(1792, 192, 1), ConvBn(192, 192, (1, 3), padding=(0, 1)), ConvBn(192, 192, (3, 1), padding=(1, 0))
        ),
    ]
    return Residual(1792, branches, 384, scale, relu=relu)


class InceptionResnetV1(nn.Module):
    """The embedding network of FaceNet; its output is the embedding before it is normalised to length 1.

    Args:
        stem_width: Factor of the stem's channels.
        repeats: Numbers of the three kinds of residual blocks, one further block of the third kind apart.
        dropout: Of the pooled features, before the embedding.
        features: Length of the embedding.
    """

    def __init__(
        self,
        *,
        stem_width: int = 1,
        repeats: tuple[int, int, int] = (5, 10, 5),
        dropout: float = 0.6,
        features: int = 512,
    ) -> None:
        super().__init__()
        w = stem_width
        self.conv2d_1a = ConvBn(3, 32 * w, 3, stride=2)
        self.conv2d_2a = ConvBn(32 * w, 32 * w, 3)
        self.conv2d_2b = ConvBn(32 * w, 64 * w, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = ConvBn(64 * w, 80 * w, 1)
        self.conv2d_4a = ConvBn(80 * w, 192 * w, 3)
        self.conv2d_4b = ConvBn(192 * w, 256, 3, stride=2)
        # More blocks get a smaller share each, so that a deeper stack adds as much as the published one.
        self.repeat_1 = nn.Sequential(*(block35(0.17 * 5 / repeats[0]) for _ in range(repeats[0])))
        self.mixed_6a = Reduction(
            ConvBn(256, 384, 3, stride=2),
            nn.Sequential(ConvBn(256, 192, 1), ConvBn(192, 192, 3, padding=1), ConvBn(192, 256, 3, stride=2)),
        )
        self.repeat_2 = nn.Sequential(*(block17(0.10 * 10 / repeats[1]) for _ in range(repeats[1])))
        self.mixed_7a = Reduction(
            nn.Sequential(ConvBn(896, 256, 1), ConvBn(256, 384, 3, stride=2)),
            nn.Sequential(ConvBn(896, 256, 1), ConvBn(256, 256, 3, stride=2)),
            nn.Sequential(ConvBn(896, 256, 1), ConvBn(256, 256, 3, padding=1), ConvBn(256, 256, 3, stride=2)),
        )
        self.repeat_3 = nn.Sequential(*(block8(0.20 * 5 / repeats[2]) for _ in range(repeats[2])))
        self.block8 = block8(1.0, relu=False)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1792, features, bias=False)
        self.last_bn = nn.BatchNorm1d(features, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, H, W)``, at least 75 pixels a side → ``(B, features)``."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(self.maxpool_3a(x))))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x))
        x = self.dropout(self.avgpool_1a(x).flatten(1))
        embedding: Tensor = self.last_bn(self.last_linear(x))
        return embedding


def inception_resnet_v1_wide() -> InceptionResnetV1:
    """A stem of twice the channels and twice as many residual blocks, after the thesis's ChimeraNetV2."""
    return InceptionResnetV1(stem_width=2, repeats=(10, 20, 10))
