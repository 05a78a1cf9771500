"""What every backbone is: a network with a declared input and a feature vector as its output."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from realfake.config import InputSpec
from realfake.models.fusion import Standardise
from realfake.streams.stream import SampleSpec, StreamValues

Inputs = Tensor | dict[str, StreamValues]
"""What a backbone is called with: normalised pixels ``(B, 3, H, W)`` or ``(B, 3, T, H, W)`` if it looks at them alone;
else streams by their names, pixels among them normalised ``(B, 3, T, H, W)``, numbers ``(B, T, *shape)``. In place of
pixels, what its network of frames made of them before: ``(B, F)``, ``(B, T, F)``."""


class Backbone(nn.Module):
    """A network that turns samples into one feature vector each, of length 1 once ``normalize`` is set.

    Args:
        name: The backbone's name in the configuration, for messages.
        net: Maps :data:`Inputs` to ``(B, features)``.
        spec: What ``net`` eats, of pixels alone or of several streams; preprocessing obeys it.
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
        spec: InputSpec | SampleSpec,
        features: int | None = None,
        *,
        classifier: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.name = name
        self.net = net
        self.spec = SampleSpec.of_pixels(spec) if isinstance(spec, InputSpec) else spec
        self.classifier = classifier
        self.normalize = False
        self.frozen = False
        shape = output_shape(net, blank := self.blank(2, "meta"))
        if shape != (2, features or shape[-1]):
            of = tuple(blank.shape) if isinstance(blank, Tensor) else f"of {', '.join(blank)}"
            raise ValueError(f"{name} gives {shape} for an input {of}: expected (2, {features})")
        self.features = shape[-1]

    @property
    def pixels(self) -> InputSpec:
        """How the pixels that it looks at are scaled and normalised."""
        assert self.spec.pixels is not None
        return self.spec.pixels

    def forward(self, x: Inputs) -> Tensor:
        """Features ``(B, features)`` of normalised input, or of what they are already."""
        if isinstance(x, Tensor) and x.ndim == 2:
            return x
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

    @property
    def standardised(self) -> set[str]:
        """Streams whose statistics :meth:`take_statistics` takes."""
        return {m.stream for m in self.modules() if isinstance(m, Standardise) and not m.fixed}

    def take_statistics(self, statistics: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Standardise numbers by mean and standard deviation (size,) of each stream in the training part."""
        for module in self.modules():
            if isinstance(module, Standardise) and not module.fixed:
                module.take(*statistics[module.stream])

    def blank(self, batch: int, device: str | torch.device = "cpu") -> Inputs:
        """An input of zeros."""
        time = () if self.spec.frames is None else (self.spec.moments,)

        def pixels() -> Tensor:
            return torch.zeros(batch, 3, *time, self.pixels.size, self.pixels.size, device=device)

        if self.spec.pixels_alone:
            return pixels()
        steps = self.spec.moments
        when, valid = (
            torch.zeros(batch, steps, device=device),
            torch.ones(batch, steps, dtype=torch.bool, device=device),
        )
        shapes = {info.name: torch.zeros(batch, steps, *info.shape, device=device) for info in self.spec.numbers}
        return {n: StreamValues(shapes[n] if n in shapes else pixels(), when, valid) for n in self.spec.names}


def output_shape(net: nn.Module, example: Inputs) -> tuple[int, ...]:
    """Shape of ``net``'s output for an input on ``meta``, in evaluation mode: nothing is computed."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    tensors = {name: t.to("meta") for name, t in [*net.named_parameters(), *net.named_buffers()]}
    try:
        with torch.no_grad():
            output: Tensor = torch.func.functional_call(net, tensors, (example,))
    finally:
        for module, training in modes:
            module.training = training
    return tuple(output.shape)
