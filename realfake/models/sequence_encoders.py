"""Encoders over the moments of a stream that are not recurrent: temporal convolutions and a small transformer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realfake.config import TcnBackbone, TransformerBackbone
from realfake.models.recurrent import pooled, prepared


class Tcn(nn.Module):
    """Residual blocks of dilated convolutions over time, not causal.

    After Bai et al. 2018, https://arxiv.org/abs/1803.01271, sec. 3, with layer norm in place of weight norm. Block
    number ``i`` looks ``2^i`` moments to each side twice. Gaps and padding stay 0 throughout, so that they say nothing.

    Args:
        size: Numbers of a moment.
        cfg: The group ``backbone`` of the configuration.
    """

    def __init__(self, size: int, cfg: TcnBackbone) -> None:
        super().__init__()
        self.pool, self.motion, self.features = cfg.pool, cfg.motion, cfg.channels
        self.dropout = nn.Dropout(cfg.dropout)
        self.embed = nn.Linear(size, cfg.channels)
        self.first, self.second = (
            nn.ModuleList(
                nn.Conv1d(cfg.channels, cfg.channels, 3, padding=2**i, dilation=2**i) for i in range(cfg.levels)
            )
            for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(cfg.channels) for _ in range(cfg.levels))

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """``(B, T, size)``, and which moments are valid ``(B, T)`` → ``(B, features)``."""
        x, valid = prepared(x, valid, motion=self.motion)
        there = valid[..., None].to(x.dtype)
        h = self.embed(self.dropout(x)) * there
        for first, second, norm in zip(self.first, self.second, self.norms, strict=True):
            y = norm(h) * there
            y = F.relu(first(y.transpose(1, 2)).transpose(1, 2)) * there
            h = h + self.dropout(second(y.transpose(1, 2)).transpose(1, 2)) * there
        return pooled(h, valid, self.pool)


class Transformer(nn.Module):
    """A small pre-norm transformer encoder (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762) with sine positions.

    Args:
        size: Numbers of a moment.
        cfg: The group ``backbone`` of the configuration.
    """

    def __init__(self, size: int, cfg: TransformerBackbone) -> None:
        super().__init__()
        self.pool, self.motion, self.features = cfg.pool, cfg.motion, cfg.width
        self.dropout = nn.Dropout(cfg.dropout)
        self.embed = nn.Linear(size, cfg.width)
        layer = nn.TransformerEncoderLayer(
            cfg.width, cfg.heads, 2 * cfg.width, cfg.dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, cfg.layers, nn.LayerNorm(cfg.width), enable_nested_tensor=False)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """``(B, T, size)``, and which moments are valid ``(B, T)`` → ``(B, features)``."""
        x, valid = prepared(x, valid, motion=self.motion)
        h = self.embed(self.dropout(x)) + positions(x.shape[1], self.features, x)
        # A sample without any value would attend to nothing, which is no number.
        ignored = ~valid & valid.any(dim=1, keepdim=True)
        return pooled(self.layers(h, src_key_padding_mask=ignored), valid, self.pool)


def positions(steps: int, width: int, like: Tensor) -> Tensor:
    """Sines and cosines of the number of a moment (steps, width), Vaswani et al. 2017, sec. 3.5."""
    step = torch.arange(steps, device=like.device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000.0) / width))
    return torch.stack([torch.sin(step * rate), torch.cos(step * rate)], dim=2).flatten(1)[:, :width].to(like.dtype)
