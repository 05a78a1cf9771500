"""What is exported of a trained network: preprocessing, the network, probabilities and the decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from realfake.approaches.module import ApproachModule
from realfake.config import PIXELS
from realfake.streams.preprocess import network_input
from realfake.streams.stream import StreamValues, as_pixels

FRAMES = "frames"
"""The input of a network that looks at pixels alone; those of others are named by their streams."""
BESIDE = ("valid", "times_sec")
"""What else each stream of such a network has, as ``box_valid``; what the network does not use may be missing."""
DECISION = "decision"
"""The output behind those of the tasks that are told: the one decision on each sample."""
Arrays = tuple[np.ndarray, ...]
"""A batch, one array for each of :attr:`Served.inputs`."""


class Served(nn.Module):
    """What is exported: preprocessing, network, the probabilities of the tasks that are told, and the decision.

    Args:
        module: In evaluation mode.
    """

    def __init__(self, module: ApproachModule) -> None:
        super().__init__()
        self.backbone, self.heads, self.spec, self.space = module.backbone, module.heads, module.spec, module.space
        self.outputs = [*module.told, DECISION]
        named = [(name, *(f"{name}_{field}" for field in BESIDE)) for name in self.spec.names]
        self.inputs = [FRAMES] if self.spec.pixels_alone else [name for names in named for name in names]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Probabilities of every task that is told, and the decision (:meth:`realfake.labels.LabelSpace.decide`).

        Args:
            inputs: Those of :attr:`inputs`: pixels alone, uint8 (B, S, S, 3) or (B, T, S, S, 3), RGB; else of each
                stream its values (B, T, …), which of them are valid (B, T), and their times in seconds (B, T).

        Returns:
            joint, emotion, authenticity (B, classes) float32, as far as they are told; class of the decision in the
            first of them (B,) int64.
        """
        features = self.backbone(network_input(self.streams(inputs), self.spec))
        heads = {task: head(features).softmax(dim=1) for task, head in self.heads.items()}
        p, decided = self.space.complete(heads), self.space.decide(heads)
        return *p.values(), decided[self.outputs[0]]

    def streams(self, inputs: Sequence[Tensor]) -> dict[str, StreamValues]:
        """The streams of a batch from its inputs."""
        if self.spec.pixels_alone:
            return as_pixels(inputs[0])
        return {
            name: StreamValues(values, times, valid)
            for name, values, valid, times in zip(self.spec.names, inputs[::3], inputs[1::3], inputs[2::3], strict=True)
        }

    def arrays(self, streams: dict[str, StreamValues]) -> Arrays:
        """The inputs from the streams of a batch."""
        if self.spec.pixels_alone:
            frames = streams[PIXELS.name].values.numpy()
            return (frames if self.spec.frames is not None else frames[:, 0],)
        return tuple(getattr(streams[name], field).numpy() for name in self.spec.names for field in ("values", *BESIDE))

    def example(self, batch: int) -> Arrays:
        """Random input of the right shape."""
        steps = self.spec.moments
        times = torch.arange(steps).expand(batch, -1) / 10.0
        beside = times, torch.ones(batch, steps, dtype=torch.bool)
        streams = {i.name: StreamValues(torch.randn(batch, steps, *i.shape), *beside) for i in self.spec.numbers}
        if self.spec.pixels is not None:
            shape = (batch, steps, self.spec.pixels.size, self.spec.pixels.size, 3)
            streams[PIXELS.name] = StreamValues(torch.randint(0, 256, shape, dtype=torch.uint8), *beside)
        return self.arrays(streams)
