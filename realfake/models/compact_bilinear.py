"""Compact bilinear pooling of maps over time, and an LSTM."""

from __future__ import annotations

from torch import Tensor, nn

from realfake.config import CompactBilinearBackbone, StreamInfo
from realfake.models.fusion import Standardise
from realfake.models.recurrent import masked_mean
from realfake.models.tensor_sketch import TensorSketch, signed_root
from realfake.streams.stream import StreamValues


class CompactBilinear(nn.Module):
    """Maps of some moments → a bilinear vector; these → LSTM; its last output, of length 1 → a sketch of its products.

    After Ozkan & Akar 2017, https://arxiv.org/abs/1708.07335, and the code that they published for the challenge.

    Args:
        cfg: The group ``backbone`` of the configuration.
        info: The stream: (C, …), channels first, all other axes are places.
    """

    def __init__(self, cfg: CompactBilinearBackbone, info: StreamInfo) -> None:
        super().__init__()
        self.stream, self.shape, self.per_step = info.name, (info.shape[0], -1), cfg.frames_per_step
        self.standardise = Standardise(info, fixed=not cfg.standardise)
        self.pool = TensorSketch(info.shape[0], cfg.sketch, cfg.hash_seed)
        self.dropout_in, self.dropout_out = nn.Dropout(cfg.dropout_in), nn.Dropout(cfg.dropout_out)
        self.lstm = nn.LSTM(cfg.sketch, cfg.hidden, batch_first=True)
        self.descriptor = TensorSketch(cfg.hidden, cfg.descriptor, cfg.hash_seed + 1) if cfg.descriptor else None

    def forward(self, streams: dict[str, StreamValues]) -> Tensor:
        """Maps ``(B, T, C, …)`` → ``(B, descriptor)``; a step whose moments are all gaps is 0."""
        stream = streams[self.stream]
        places = self.standardise(stream).unflatten(2, self.shape).transpose(2, 3)
        moments = self.pool(places, mean_of=2)
        steps = masked_mean(
            moments.unflatten(1, (-1, self.per_step)).flatten(0, 1),
            stream.valid.unflatten(1, (-1, self.per_step)).flatten(0, 1),
        )
        outputs, _ = self.lstm(self.dropout_in(steps.unflatten(0, (len(moments), -1))))
        last = nn.functional.normalize(self.dropout_out(outputs[:, -1]))
        return last if self.descriptor is None else signed_root(self.descriptor(last))
