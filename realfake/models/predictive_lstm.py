"""LSTM with parametric bias: a network that predicts how the points of a face go on, and is asked what it missed.

Kim & Huynh 2017, https://doi.org/10.1109/ICCVW.2017.362, after Tani 2003. One vector for real clips and one for fake
ones, the parametric bias, is an input at every moment and is learned with the weights. Of a clip that nobody knows, the
bias is taken to be 0, and what one step of gradient descent on the clip's error would make of it is its descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from realfake.config import POINT_SCALES, PredictiveLstmBackbone, StreamInfo
from realfake.labels import AUTHENTICITIES
from realfake.models.fusion import Standardise
from realfake.streams.stream import StreamValues

POINTS = (*range(17, 27), *range(30, 48), 48, 50, 51, 52, 54, 56, 57, 58)
"""The 36 landmarks of 300-W that are looked at: brows, tip of the nose and nostrils, eyes, and of the outer lips the
corners and the middle three above and below. Jaw, bridge of the nose and inner lips are left out (fig. 2)."""
MIDPOINTS = ((0, 17), (26, 16), (2, 29), (14, 29))
"""Pairs of landmarks in whose middle another one is put: beyond the ends of the brows, and on the cheeks (fig. 2)."""
CANONICAL = {
    0: 162, 2: 93, 14: 323, 16: 389,
    17: 71, 18: 63, 19: 105, 20: 66, 21: 107, 22: 336, 23: 296, 24: 334, 25: 293, 26: 301,
    29: 5, 30: 4, 31: 75, 32: 97, 33: 2, 34: 326, 35: 305,
    36: 33, 37: 160, 38: 158, 39: 133, 40: 153, 41: 144, 42: 362, 43: 385, 44: 387, 45: 263, 46: 373, 47: 380,
    48: 61, 50: 37, 51: 0, 52: 267, 54: 291, 56: 314, 57: 17, 58: 84,
}  # fmt: skip
"""Landmark of 300-W → the point of MediaPipe's canonical face at the same place, of those that are looked at."""

STEP = 0.9
"""Length of the step from 0, as a multiple of the gradient: the published rate of the parametric bias."""
_STANDARDISED = 0.25
"""So that four standard deviations lie in −1…1, where the predictions are."""


class FacePoints(nn.Module):
    """40 points of a face, about −1…1: 36 landmarks, and four midpoints.

    Args:
        info: Of the stream, whose points are numbered.
        standardise: By the training part; false = by the stream's unit.
    """

    first: Tensor
    second: Tensor

    def __init__(self, info: StreamInfo, *, standardise: bool) -> None:
        super().__init__()
        self.standardise = Standardise(info, fixed=not standardise)
        self.shape, self.stream = info.shape, info.name
        self.scale = _STANDARDISED if standardise else POINT_SCALES[info.unit]
        numbers = CANONICAL if info.points == "canonical" else range(info.shape[0])
        both = [(numbers[i], numbers[k]) for i, k in (*((p, p) for p in POINTS), *MIDPOINTS)]
        self.register_buffer("first", torch.tensor([i for i, _ in both]), persistent=False)
        self.register_buffer("second", torch.tensor([k for _, k in both]), persistent=False)
        self.size = 2 * len(both)

    def forward(self, stream: StreamValues) -> Tensor:
        """Points (B, T, p, 2 or 3) → (B, T, 80); 0 where they are not valid."""
        points = self.standardise(stream).unflatten(2, self.shape)[..., :2]
        middles = (points[:, :, self.first] + points[:, :, self.second]) / 2
        return middles.flatten(2) * self.scale


class PredictiveLstm(nn.Module):
    """Predicts the points of each next moment from those of this one, a parametric bias and a memory.

    The hidden layer is ``relu(W x_t) + relu(V p) + m_t``, the prediction ``tanh(U h_t)``. The memory is a Grid LSTM of
    two dimensions (Kalchbrenner et al. 2016, https://arxiv.org/abs/1507.01526), whose cells over depth share their
    weights, ``m_t = relu(…)`` is what comes out of it, and a linear map of ``m_t`` is its next input (figs. 3, 4): it
    begins at 0 and sees neither points nor bias, so that it is the same for all clips. With ``joined``,
    ``h_t = relu(W x_t + V p + m_t)`` instead, and a linear map of ``h_t`` is the memory's next input, as in the network
    of Jordan's kind that the bias comes from: then the memory knows the clip.

    Args:
        cfg: The group ``backbone`` of the configuration.
        infos: The one stream of points.
    """

    def __init__(self, cfg: PredictiveLstmBackbone, infos: Sequence[StreamInfo]) -> None:
        super().__init__()
        self.points = FacePoints(infos[0], standardise=cfg.standardise)
        self.joined, self.features = cfg.joined, cfg.bias
        # A parameter that is multiplied by r moves the product r² times as fast, if steps go by the gradient.
        self.stretch = cfg.bias_rate**0.5
        self.seen = nn.Linear(self.points.size, cfg.hidden)
        self.biased = nn.Linear(cfg.bias, cfg.hidden)
        self.recalled = nn.Linear(cfg.context, cfg.hidden)
        self.over_time = nn.ModuleList(nn.LSTMCell(cfg.hidden, cfg.hidden) for _ in range(cfg.layers))
        self.over_depth = nn.LSTMCell(cfg.hidden, cfg.hidden)
        self.context = nn.Linear(cfg.hidden, cfg.context)
        self.next = nn.Linear(cfg.hidden, self.points.size)
        for cell in self.over_time:
            nn.init.ones_(cell.get_parameter("bias_hh"))  # as published, of all gates
        self.parametric_bias = nn.Parameter(torch.zeros(len(AUTHENTICITIES), cfg.bias))

    @torch.compiler.disable  # a gradient within it, and a step after another, are nothing to compile
    def forward(self, streams: dict[str, StreamValues]) -> Tensor:
        """The stream of points → descriptors (B, bias), without a graph: heads move no weight of this network.

        ``−0.9 ∂E/∂p`` at ``p = 0``, E the clip's error (:meth:`errors`).
        """
        stream = streams[self.points.stream]
        device = "cuda" if stream.values.is_cuda else "cpu"  # a blank on meta has no autocast
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
            # Copies, since of what was made in inference mode no gradient can be taken.
            stream = StreamValues(*(t.clone() for t in stream))
            bias = stream.values.new_zeros(len(stream.values), self.features, requires_grad=True)
            (gradient,) = torch.autograd.grad(self._errors(stream, bias).sum(), bias)
        return -STEP * gradient

    def errors(self, streams: dict[str, StreamValues], authenticity: Tensor) -> Tensor:
        """Mean squared error of the points of all moments that follow a valid one, (B,); 0 if there is none.

        Args:
            streams: The stream of points.
            authenticity: Whose parametric bias each sample has, (B,).
        """
        return self._errors(streams[self.points.stream], self.stretch * self.parametric_bias[authenticity])

    def _errors(self, stream: StreamValues, bias: Tensor) -> Tensor:
        x = self.points(stream)
        counted = (stream.valid[:, 1:] & stream.valid[:, :-1]).to(x.dtype)
        each = (self._predictions(x[:, :-1], bias) - x[:, 1:]).square().mean(dim=2)
        return (each * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1.0)

    def _predictions(self, x: Tensor, bias: Tensor) -> Tensor:
        """Points (B, T, size) and bias (B, bias) → the points of each next moment (B, T, size)."""
        seen, biased = self.seen(x), self.biased(bias)[:, None]
        if self.joined:
            hidden = self._course(seen + biased)
        else:
            hidden = seen.relu() + biased.relu() + self._course(x.new_zeros(1, x.shape[1], seen.shape[2]))
        predicted: Tensor = self.next(hidden).tanh()
        return predicted

    def _course(self, added: Tensor) -> Tensor:
        """What the memory gives at each moment, plus what is added (B, T, hidden) before the nonlinearity."""
        nothing = torch.zeros_like(added[:, 0]) if added.shape[1] else added.sum(dim=1)
        memory = [(nothing, nothing)] * len(self.over_time)
        context = nothing.new_zeros(len(nothing), self.context.out_features)
        found = []
        for now in added.unbind(dim=1):
            below = (self.recalled(context), nothing)
            for layer, cell in enumerate(self.over_time):
                memory[layer] = cell(below[0], memory[layer])
                below = self.over_depth(memory[layer][0], below)
            found.append((below[0] + now).relu())
            context = self.context(found[-1])
        return torch.stack(found, dim=1) if found else added
