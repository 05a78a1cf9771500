"""What every backbone is: a network with a declared input and a feature vector as its output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realfake.config import InputSpec


class Backbone(nn.Module):
    """A network that turns frames or clips into one feature vector each, of length 1 once ``normalize`` is set.

    Args:
        name: The backbone's name in the configuration, for messages.
        net: Maps ``(B, 3, H, W)``, or ``(B, 3, T, H, W)`` where ``spec.frames`` is set, to ``(B, features)``.
        spec: What ``net`` eats; preprocessing obeys it.
        features: Length of the feature vector; null = whatever ``net`` gives.
        classifier: Prefixes of the keys in published files that belong to the classifier, which ``net`` lacks.

    Raises:
        ValueError: If ``net`` does not give ``(B, features)`` for an input of ``spec``'s shape. A network whose
            classifier was not really replaced (1000 or 400 outputs) is found here, before any training.
    """

    def __init__(
        self,
        name: str,
        net: nn.Module,
        spec: InputSpec,
        features: int | None = None,
        *,
        classifier: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.name = name
        self.net = net
        self.spec = spec
        self.classifier = classifier
        self.normalize = False
        self.frozen = False
        shape = output_shape(net, self.input_shape(2))
        if shape != (2, features or shape[-1]):
            raise ValueError(f"{name} gives {shape} for an input {self.input_shape(2)}: expected (2, {features})")
        self.features = shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(B, features)`` of normalised input, ``(B, 3, H, W)`` or ``(B, 3, T, H, W)``."""
        features: Tensor = self.net(x)
        return nn.functional.normalize(features) if self.normalize else features

    def freeze(self) -> None:
        """Keep parameters, batch-norm statistics and dropout still from now on, whatever :meth:`train` is told."""
        self.frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """Set training mode, which a frozen backbone refuses: its batch norm and dropout stay in evaluation mode."""
        super().train(mode and not self.frozen)
        return self

    def input_shape(self, batch: int) -> tuple[int, ...]:
        """Shape of a batch of this backbone's input."""
        side = self.spec.size
        return (batch, 3, side, side) if self.spec.frames is None else (batch, 3, self.spec.frames, side, side)


def output_shape(net: nn.Module, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of ``net``'s output in evaluation mode, from the layers' shape arithmetic alone: nothing is computed."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    tensors = {name: t.to("meta") for name, t in [*net.named_parameters(), *net.named_buffers()]}
    try:
        with torch.no_grad():
            output: Tensor = torch.func.functional_call(net, tensors, torch.empty(input_shape, device="meta"))
    finally:
        for module, training in modes:
            module.training = training
    return tuple(output.shape)
