"""Compact bilinear pooling: a short vector whose inner products are about those of all products of two numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TensorSketch(nn.Module):
    """The tensor sketch of degree 2 of vectors: ``⟨s(x), s(y)⟩`` has the mean ``⟨x, y⟩²``.

    Two count sketches of a vector, each of which adds every number, by a random sign, to a random place, are convolved
    in a circle by the FFT (Pham & Pagh 2013, https://doi.org/10.1145/2487575.2487591). The variance is at most
    ``(3² − 1) |x|⁴ |y|⁴ / size``.

    Args:
        inputs: Numbers of a vector.
        size: Of the sketch.
        seed: Of places and signs, which stay as they are.
    """

    hashes: Tensor

    def __init__(self, inputs: int, size: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        places = torch.randint(size, (2, inputs, 1), generator=generator)
        signs = 2.0 * torch.randint(2, (2, inputs, 1), generator=generator) - 1.0
        self.size = size
        self.register_buffer("hashes", torch.zeros(2, inputs, size).scatter(2, places, signs))

    def forward(self, x: Tensor, mean_of: int | None = None) -> Tensor:
        """``(…, inputs)`` → ``(…, size)``; the mean over the axis ``mean_of``, where there is one.

        With that axis being places of a map, this is compact bilinear pooling (Gao et al. 2016,
        https://arxiv.org/abs/1511.06062).
        """
        # Half precision has no FFT, and too few digits for sums over places.
        with torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False):
            first, second = (torch.fft.rfft(x.float() @ sketch) for sketch in self.hashes)
            product = first * second
            if mean_of is not None:  # of the products, since the transform back is linear
                product = product.mean(dim=mean_of)
            return torch.fft.irfft(product, n=self.size)


def signed_root(x: Tensor) -> Tensor:
    """``x / √(|x| + ε)``: about ``sign(x) √|x|``, with a gradient at 0."""
    return x / (x.abs() + 1e-6).sqrt()
