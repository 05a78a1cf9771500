"""Networks for smiles that look at the points of a face: MeshSmileNet and HadaSmileNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realfake.config import HadaSmileNetBackbone, MeshNetwork, MeshSmileNetBackbone, StreamInfo
from realfake.models.curve_net import CurveNet
from realfake.models.fusion import Standardise
from realfake.models.kept_frames import of_kept
from realfake.models.recurrent import masked_mean
from realfake.models.sequence_encoders import positions
from realfake.streams.stream import StreamValues


class AttentionLayer(nn.Module):
    """Attention among some vectors, then a small network on each; normalised before, added after.

    As in the public code of MeshSmileNet, every layer sees the normalised input twice: with the positions, and without.

    Args:
        width: Of the vectors.
        heads: Of the attention.
        hidden: Of the network.
        dropout: Of the positions' sum, of the attention's output, and in the network.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, n, width), and which of them may be attended to, bool (B, n) → (B, n, width)."""
        seen = self.norm(x)
        seen = seen + self.dropout(seen + positions(x.shape[1], x.shape[2], x))
        split = self.queries_keys_values(seen).unflatten(2, (3, self.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        # A sample without any valid moment attends to all alike, where a mask of minus infinity would give no number.
        ignored = None
        if valid is not None:
            ignored = torch.zeros_like(valid, dtype=queries.dtype)
            ignored = ignored.masked_fill(~valid, torch.finfo(queries.dtype).min)
            ignored = ignored[:, None, None, :]
        found = F.scaled_dot_product_attention(queries, keys, values, ignored)
        x = x + self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        added: Tensor = self.network(x)
        return x + added


class PointsOverTime(nn.Module):
    """Points of each moment by CurveNet, some tokens of them, attention over moments and tokens in turn, then moments.

    Faroque et al. 2022, https://arxiv.org/abs/2210.04240, sec. 3. A gap is not attended to, and no part of any mean.

    Args:
        info: Of the stream of points.
        cfg: The group ``backbone``.
    """

    lowest: Tensor
    extent: Tensor

    def __init__(self, info: StreamInfo, cfg: MeshNetwork) -> None:
        super().__init__()
        points, axes = info.shape
        self.stream, width = info.name, cfg.channels[-1]
        lowest, highest = torch.tensor(cfg.lowest), torch.tensor(cfg.highest)
        self.register_buffer("lowest", lowest, persistent=False)
        self.register_buffer("extent", highest - lowest, persistent=False)
        self.curve_net = CurveNet(axes, cfg.channels, cfg.neighbours, cfg.curves, cfg.steps)
        self.dropout = nn.Dropout(cfg.dropout)
        self.tokens = nn.Sequential(nn.Conv1d(points, cfg.tokens, 1, bias=False), nn.BatchNorm1d(cfg.tokens))
        self.alternating, self.over_time = (
            nn.ModuleList(AttentionLayer(width, cfg.heads, cfg.hidden, cfg.dropout) for _ in range(layers))
            for layers in (cfg.layers, cfg.time_layers)
        )

    def _tokens(self, points: Tensor) -> Tensor:
        """(B, N, D) → (B, tokens, width)."""
        found: Tensor = self.tokens(self.dropout(self.curve_net(points)))
        return found

    def forward(self, stream: StreamValues) -> Tensor:
        """Points (B, T, N, D) → (B, width)."""
        values, valid = stream.values, stream.valid
        batch, steps = valid.shape
        points = torch.where(valid[..., None, None], (values - self.lowest) / self.extent, 0.0)
        x = of_kept(self._tokens, points.flatten(0, 1), valid.flatten(), training=self.training)
        tokens, width = x.shape[1:]
        x = x.view(batch, steps, tokens, width)
        for number, layer in enumerate(self.alternating):
            if number % 2:
                x = layer(x.flatten(0, 1)).view(batch, steps, tokens, width)
            else:
                of_token = x.transpose(1, 2).flatten(0, 1)
                x = layer(of_token, valid.repeat_interleave(tokens, dim=0)).view(batch, tokens, steps, width)
                x = x.transpose(1, 2)
        x = x.mean(dim=2)
        for layer in self.over_time:
            x = layer(x, valid)
        return masked_mean(x, valid)


class MeshSmileNet(nn.Module):
    """MeshSmileNet before its last layer.

    Args:
        cfg: The group ``backbone``.
        infos: Of the stream of points.
    """

    def __init__(self, cfg: MeshSmileNetBackbone, infos: Sequence[StreamInfo]) -> None:
        super().__init__()
        self.moving = PointsOverTime(infos[0], cfg)
        self.norm = nn.LayerNorm(cfg.channels[-1])

    def forward(self, streams: dict[str, StreamValues]) -> Tensor:
        """Streams by their names → (B, width)."""
        features: Tensor = self.norm(self.moving(streams[self.moving.stream]))
        return features


class HadaSmileNet(nn.Module):
    """MeshSmileNet's vector times that of numbers that describe the clip, before the last layer.

    Hasan et al. 2025, https://arxiv.org/abs/2509.18550. Of the numbers, the mean of the valid moments counts: there is
    one a clip.

    Args:
        cfg: The group ``backbone``.
        infos: Of the stream of points, and of that of numbers.
    """

    def __init__(self, cfg: HadaSmileNetBackbone, infos: Sequence[StreamInfo]) -> None:
        super().__init__()
        points, numbers = infos
        width = cfg.channels[-1]
        self.moving = PointsOverTime(points, cfg)
        self.standardise = Standardise(numbers, fixed=not cfg.standardise)
        self.of_numbers, self.of_points = nn.Linear(numbers.size, width), nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(cfg.dropout), nn.Linear(width, width), nn.ReLU()
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, streams: dict[str, StreamValues]) -> Tensor:
        """Streams by their names → (B, width)."""
        numbers = streams[self.standardise.stream]
        described = masked_mean(self.standardise(numbers), numbers.valid)
        product = self.of_points(self.moving(streams[self.moving.stream])) * self.of_numbers(described)
        features: Tensor = self.norm(self.network(product))
        return features
