"""Networks over streams of numbers, and over several streams: one encoder each, whose features are fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from realfake.config import StreamInfo
from realfake.streams.stream import StreamValues


class Standardise(nn.Module):
    """Numbers of a stream by mean and standard deviation of the training part; what is not valid becomes 0, the mean.

    Args:
        info: Of the stream.
        fixed: Whether they are left as they are.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, info: StreamInfo, *, fixed: bool = False) -> None:
        super().__init__()
        self.stream, self.fixed = info.name, fixed
        self.register_buffer("mean", torch.zeros(info.size))
        self.register_buffer("scale", torch.ones(info.size))

    @torch.no_grad()
    def take(self, mean: Tensor, deviation: Tensor) -> None:
        """Note the statistics (size,) of the training part; what does not vary there is left unscaled."""
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(deviation > 1e-8, 1.0 / deviation.clamp(min=1e-8), 1.0))

    def forward(self, stream: StreamValues) -> Tensor:
        """(B, T, *shape) → (B, T, size)."""
        values = (stream.values.flatten(2) - self.mean) * self.scale
        return torch.where(stream.valid[..., None], values, 0.0)


class NumberEncoder(nn.Module):
    """A sequence encoder over the standardised numbers of a stream.

    Args:
        info: Of the stream.
        encoder: (B, T, size) and, where not everything is valid, (B, T) bool → (B, features).
        standardise: Whether by the training part, or not at all.
    """

    def __init__(self, info: StreamInfo, encoder: nn.Module, *, standardise: bool = True) -> None:
        super().__init__()
        self.standardise, self.encoder = Standardise(info, fixed=not standardise), encoder

    def forward(self, stream: StreamValues) -> Tensor:
        """A stream of numbers → (B, features)."""
        features: Tensor = self.encoder(self.standardise(stream), stream.valid)
        return features


class Numbers(nn.Module):
    """Streams of numbers at a single moment, standardised and side by side.

    Args:
        infos: Of the streams.
        standardise: Whether by the training part, or not at all.
    """

    def __init__(self, infos: Sequence[StreamInfo], *, standardise: bool = True) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({info.name: Standardise(info, fixed=not standardise) for info in infos})

    def forward(self, streams: dict[str, StreamValues]) -> Tensor:
        """Streams of one moment (B, 1, *shape) → (B, Σ size)."""
        return torch.cat([standardise(streams[name])[:, 0] for name, standardise in self.streams.items()], dim=1)


class FrameEncoder(nn.Module):
    """A sequence encoder over what a frame backbone makes of each frame.

    Args:
        frame: (N, 3, H, W) → (N, features).
        encoder: (B, T, features) → (B, features).
    """

    def __init__(self, frame: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.frame, self.encoder = frame, encoder

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pixels (B, 3, T, H, W) → (B, features)."""
        features: Tensor = self.encoder(frame_features(self.frame, x), None)
        return features


def encoded_size(encoder: nn.Module, size: int) -> int:
    """Number of features that a sequence encoder makes of moments (B, T, size), which a stream's gaps do not change.

    Raises:
        ValueError: If it does not make (B, features) of them.
    """
    training = encoder.training
    with torch.no_grad():
        found = [tuple(encoder.eval()(torch.zeros(2, 3, size), v).shape) for v in (None, torch.ones(2, 3) > 0)]
    encoder.train(training)
    if found[0] != found[1] or len(found[0]) != 2 or found[0][0] != 2:
        raise ValueError(
            f"it gives {found[0]}, {found[1]} for (2, 3, {size}) with all moments valid: expected (2, features)"
        )
    return found[0][1]


def frame_features(frame: nn.Module, x: Tensor) -> Tensor:
    """(B, 3, T, H, W) → (B, T, features) by a frame backbone; what it gave before stays."""
    if x.ndim == 3:
        return x
    batch, frames = x.shape[0], x.shape[2]
    features: Tensor = frame(x.transpose(1, 2).flatten(0, 1))
    return features.unflatten(0, (batch, frames))


class Fused(nn.Module):
    """One encoder a stream; their features ``x_s`` (B, F_s) become one vector.

    - ``concatenate``: side by side, (B, Σ F_s).
    - ``gate``: ``Σ_s g_s tanh(W_s x_s)``, ``g = softmax(V [x_1, …])`` over the streams (B, largest F_s); the gated
      multimodal unit (Arevalo et al. 2017, https://arxiv.org/abs/1702.01992, eq. 1-4) for any number of streams.
    - ``multiply``: ``Π_s tanh(W_s x_s)`` (B, largest F_s); the low-rank bilinear model (Kim et al. 2017,
      https://arxiv.org/abs/1610.04325, eq. 9) before its last projection, which is the head.

    Args:
        encoders: Stream → its encoder, of normalised pixels (B, 3, T, H, W), or of :class:`StreamValues`.
        sizes: Stream → number of its features.
        fusion: How.
    """

    def __init__(self, encoders: Mapping[str, nn.Module], sizes: Mapping[str, int], fusion: str) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion if len(encoders) > 1 else "concatenate"
        if self.fusion == "concatenate":
            self.features = sum(sizes.values())
            return
        self.features = max(sizes.values())
        self.projections = nn.ModuleDict({name: nn.Linear(size, self.features) for name, size in sizes.items()})
        self.gate = nn.Linear(sum(sizes.values()), len(sizes)) if self.fusion == "gate" else None

    def forward(self, streams: dict[str, StreamValues]) -> Tensor:
        """Streams by their names, pixels normalised → (B, features)."""
        found = [e(streams[n].values if n == "pixels" else streams[n]) for n, e in self.encoders.items()]
        if self.fusion == "concatenate":
            return torch.cat(found, dim=1)
        projected = torch.stack(
            [torch.tanh(p(x)) for p, x in zip(self.projections.values(), found, strict=True)], dim=1
        )
        if self.gate is None:
            return projected.prod(dim=1)
        weights = self.gate(torch.cat(found, dim=1)).softmax(dim=1)
        return (weights[:, :, None] * projected).sum(dim=1)
