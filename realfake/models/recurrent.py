"""Recurrent networks over the moments of a stream."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from realfake.config import RecurrentBackbone
from realfake.models.backbone import Backbone
from realfake.models.fusion import frame_features

CELLS: dict[str, type[nn.LSTM | nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentEncoder(nn.Module):
    """LSTM or GRU over what is known at each moment, pooled over time.

    Args:
        size: Numbers of a moment.
        cfg: The group ``backbone`` of the configuration.
    """

    def __init__(self, size: int, cfg: RecurrentBackbone) -> None:
        super().__init__()
        self._over_time(size, cfg)

    def _over_time(self, size: int, cfg: RecurrentBackbone) -> None:
        self.pool, self.padded = cfg.pool, cfg.gather == "interval"
        self.motion = cfg.motion
        self.dropout = nn.Dropout(cfg.dropout)
        self.rnn = CELLS[cfg.name](
            size,
            cfg.hidden,
            cfg.layers,
            batch_first=True,
            bidirectional=cfg.bidirectional,
            dropout=cfg.dropout if cfg.layers > 1 else 0.0,
        )
        self.features = cfg.hidden * (2 if cfg.bidirectional else 1)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """``(B, T, size)``, and which moments are valid ``(B, T)`` → ``(B, features)``.

        A gap is the mean. With ``gather=interval``, what lies behind the last valid moment is padding that fills the
        sample up to the longest of its batch, and changes nothing.
        """
        if valid is None:
            if self.motion:
                x = x - x.mean(dim=1, keepdim=True)
            outputs, _ = self.rnn(self.dropout(x))
            return pool_time(outputs, self.pool, bidirectional=self.rnn.bidirectional)
        x, valid = prepared(x, valid, motion=self.motion)
        x = self.dropout(x)
        steps = torch.arange(1, valid.shape[1] + 1, device=valid.device)
        length = (valid * steps).amax(dim=1).clamp(min=1)
        if not self.padded or x.is_meta:
            outputs, _ = self.rnn(x)
        else:
            packed = pack_padded_sequence(x, length.cpu(), batch_first=True, enforce_sorted=False)
            outputs, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=x.shape[1])
        return pool_valid(outputs, valid, length, self.pool, bidirectional=self.rnn.bidirectional)


class Recurrent(RecurrentEncoder):
    """LSTM or GRU over the features of a frame backbone.

    Args:
        frame: Gives the features of a single frame.
        cfg: The group ``backbone`` of the configuration.
    """

    def __init__(self, frame: Backbone, cfg: RecurrentBackbone) -> None:
        nn.Module.__init__(self)
        self.frame = frame  # before the layers over time, in whose order optimisers keep their state
        self._over_time(frame.features, cfg)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """``(B, 3, T, H, W)`` → ``(B, features)``."""
        return super().forward(frame_features(self.frame, x), valid)


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid moments of ``(B, T, D)`` → ``(B, D)``; 0 if there is none."""
    weights = valid[..., None].to(x.dtype)
    return (x * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def prepared(x: Tensor, valid: Tensor | None, *, motion: bool) -> tuple[Tensor, Tensor]:
    """Moments ``(B, T, D)``, with ``motion`` as differences to their mean; gaps are 0. And which are valid."""
    if valid is None:
        valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    if motion:
        x = x - masked_mean(x, valid)[:, None]
    return torch.where(valid[..., None], x, 0.0), valid


def pooled(outputs: Tensor, valid: Tensor, pool: str) -> Tensor:
    """Mean or maximum over the valid moments of ``(B, T, D)``; 0 if there is none."""
    if pool == "mean":
        return masked_mean(outputs, valid)
    largest = outputs.masked_fill(~valid[..., None], torch.finfo(outputs.dtype).min).amax(dim=1)
    return torch.where(valid.any(dim=1)[:, None], largest, 0.0)


def pool_valid(outputs: Tensor, valid: Tensor, length: Tensor, pool: str, *, bidirectional: bool) -> Tensor:
    """:func:`pool_time` over the valid moments ``(B, T)`` of samples that end after ``length`` ``(B,)`` moments."""
    if pool != "last":
        return pooled(outputs, valid, pool)
    last = outputs.gather(1, (length - 1)[:, None, None].expand(-1, 1, outputs.shape[2]))[:, 0]
    return _last(last, outputs[:, 0], bidirectional=bidirectional)


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
    return _last(outputs[:, -1], outputs[:, 0], bidirectional=bidirectional)


def _last(last: Tensor, first: Tensor, *, bidirectional: bool) -> Tensor:
    """What each direction says after its last step, (B, D)."""
    half = last.shape[1] // 2
    return torch.cat([last[:, :half], first[:, half:]], dim=1) if bidirectional else last
