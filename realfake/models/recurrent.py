"""Recurrent networks over the features of a frame backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realfake.config import RecurrentBackbone
from realfake.models.backbone import Backbone

CELLS: dict[str, type[nn.LSTM | nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(nn.Module):
    """LSTM or GRU over frame features, pooled over time.

    Args:
        frame: Gives the features of a single frame.
        cfg: The group ``backbone`` of the configuration.
    """

    def __init__(self, frame: Backbone, cfg: RecurrentBackbone) -> None:
        super().__init__()
        self.frame = frame
        self.pool = cfg.pool
        self.motion = cfg.motion
        self.dropout = nn.Dropout(cfg.dropout)
        self.rnn = CELLS[cfg.name](
            frame.features,
            cfg.hidden,
            cfg.layers,
            batch_first=True,
            bidirectional=cfg.bidirectional,
            dropout=cfg.dropout if cfg.layers > 1 else 0.0,
        )
        self.features = cfg.hidden * (2 if cfg.bidirectional else 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, T, H, W)`` → ``(B, features)``."""
        batch, frames = x.shape[0], x.shape[2]
        features = self.frame(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, frames))
        if self.motion:
            features = features - features.mean(dim=1, keepdim=True)
        outputs, _ = self.rnn(self.dropout(features))
        return pool_time(outputs, self.pool, bidirectional=self.rnn.bidirectional)


def pool_time(outputs: Tensor, pool: str, *, bidirectional: bool) -> Tensor:
    """Reduce a recurrent layer's outputs ``(B, T, D)`` to ``(B, D)``.

    Args:
        outputs: Backward direction, if there is one, in the second half of ``D``.
        pool: ``mean`` or ``max`` over time, or ``last``: what each direction says after its last step.
        bidirectional: Whether there is a backward direction, whose last step is the first frame.
    """
    if pool == "mean":
        return outputs.mean(dim=1)
    if pool == "max":
        return outputs.amax(dim=1)
    if pool != "last":
        raise ValueError(f"pool={pool}: expected last, mean or max")
    if not bidirectional:
        return outputs[:, -1]
    half = outputs.shape[2] // 2
    return torch.cat([outputs[:, -1, :half], outputs[:, 0, half:]], dim=1)
