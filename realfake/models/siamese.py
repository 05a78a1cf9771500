"""The clip against its own neutral face: one encoder for both, whose features are compared."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realfake.config import SiameseBackbone
from realfake.models.densenet3d import DenseNet3d
from realfake.models.recurrent import pooled, prepared


class Siamese(nn.Module):
    """Features ``a`` of the window and ``n`` of the neutral moments before it, by the same encoder, become

    - ``difference``: ``a − n``;
    - ``absolute_product``: ``|a − n|`` and ``a n`` side by side, which do not depend on who is who;
    - ``cosine``: the cosine of the two, a single number.

    Args:
        size: Numbers of a moment; of ``densenet3d`` all pixels of a frame.
        cfg: The group ``backbone`` of the configuration.
    """

    def __init__(self, size: int, cfg: SiameseBackbone) -> None:
        super().__init__()
        self.neutral, self.compare = cfg.neutral_frames, cfg.compare
        self.encoder = Volume(size, cfg) if cfg.encoder == "densenet3d" else Course(size, cfg)
        of_one = self.encoder.features
        self.features = {"difference": of_one, "absolute_product": 2 * of_one, "cosine": 1}[cfg.compare]

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """``(B, neutral + T, size)``, and which moments are valid ``(B, neutral + T)`` → ``(B, features)``."""
        parts = (slice(None, self.neutral), slice(self.neutral, None))
        n, a = (self.encoder(x[:, part], None if valid is None else valid[:, part]) for part in parts)
        if self.compare == "difference":
            return a - n
        if self.compare == "absolute_product":
            return torch.cat([(a - n).abs(), a * n], dim=1)
        return F.cosine_similarity(a, n)[:, None]


class Course(nn.Module):
    """A bidirectional GRU, the mean of whose outputs over the valid moments is the feature."""

    def __init__(self, size: int, cfg: SiameseBackbone) -> None:
        super().__init__()
        self.dropout = nn.Dropout(cfg.dropout)
        self.rnn = nn.GRU(size, cfg.hidden, batch_first=True, bidirectional=True)
        self.features = 2 * cfg.hidden

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """``(B, T, size)`` → ``(B, features)``."""
        x, valid = prepared(x, valid, motion=False)
        return pooled(self.rnn(self.dropout(x))[0], valid, "mean")


class Volume(nn.Module):
    """A 3D DenseNet over the pixels of all moments."""

    def __init__(self, size: int, cfg: SiameseBackbone) -> None:
        super().__init__()
        self.side = math.isqrt(size // 3)
        self.net = DenseNet3d(cfg.growth, cfg.layers)
        self.features = self.net.features

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Pixels ``(B, T, 3 · side · side)`` → ``(B, features)``; every moment has its crop."""
        features: Tensor = self.net(x.unflatten(2, (3, self.side, self.side)).transpose(1, 2))
        return features
