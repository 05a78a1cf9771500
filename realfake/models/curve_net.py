"""CurveNet over the points of a face: what is near each point, and what lies on curves that wander over the surface.

Xiang et al. 2021, https://arxiv.org/abs/2105.01288, without its downsampling, in the form of Faroque et al. 2022,
https://arxiv.org/abs/2210.04240. All tensors have their channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Of every leaky ReLU."""
BOTTLENECKS = (2, 4)
"""By how much the blocks narrow their channels inside, in turn."""


class ChannelNorm(nn.BatchNorm1d):
    """Batch norm of the last dimension, however many are before it."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) → (…, C)."""
        return super().forward(x.flatten(0, -2)).view_as(x)


def mixed(inputs: int, outputs: int) -> nn.Sequential:
    """A linear layer of the channels without a bias, and batch norm."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), ChannelNorm(outputs))


def gathered(x: Tensor, index: Tensor) -> Tensor:
    """Rows of each cloud: (B, N, C) by (B, …) → (B, …, C)."""
    flat = index.flatten(1)
    return x.gather(1, flat[:, :, None].expand(-1, -1, x.shape[2])).unflatten(1, index.shape[1:])


@torch.no_grad()
def nearest_points(points: Tensor, count: int) -> Tensor:
    """Numbers of the ``count`` nearest points of each, (B, N, D) → (B, N, count), the nearest first: itself.

    Differences are squared, not multiplied out, so that no rounding of a product swaps two neighbours.
    """
    squared = torch.zeros((), device=points.device)
    for axis in points.unbind(dim=2):
        squared = squared + (axis[:, :, None] - axis[:, None, :]).square()
    return squared.topk(count, dim=2, largest=False).indices


def edges(points: Tensor, nearest: Tensor) -> Tensor:
    """Each point, its neighbour, and the way to it: (B, N, D) by (B, N, k) → (B, N, k, 3 D)."""
    there = gathered(points, nearest)
    here = points[:, :, None].expand_as(there)
    return torch.cat([here, there, there - here], dim=3)


class Surroundings(nn.Module):
    """Features of the points around each ("local point-feature aggregation").

    Args:
        channels: Of the features, in and out.
        axes: Of the points.
    """

    def __init__(self, channels: int, axes: int) -> None:
        super().__init__()
        self.of_edges, self.mix = mixed(3 * axes, channels), mixed(channels, channels)

    def forward(self, x: Tensor, nearest: Tensor, ways: Tensor) -> Tensor:
        """Features (B, N, C), neighbours (B, N, k) and their :func:`edges` → (B, N, C)."""
        around = gathered(x, nearest) - x[:, :, None]
        around = F.leaky_relu(around + self.of_edges(ways), SLOPE)
        return F.leaky_relu(self.mix(around), SLOPE).mean(dim=2)


class Walk(nn.Module):
    """Curves that start where attention is highest and go on from neighbour to neighbour (sec. 3.2).

    The next point is the likeliest, with the gradient of the softmax; where a curve would turn back, it is less likely.

    Args:
        channels: Of the features.
        curves: How many.
        steps: Points of a curve, at least 2.
    """

    def __init__(self, channels: int, curves: int, steps: int) -> None:
        super().__init__()
        self.curves, self.steps = curves, steps
        self.attention = nn.Linear(channels, 1, bias=False)
        self.agent, self.momentum = mixed(2 * channels, 1), mixed(2 * channels, 2)

    def forward(self, x: Tensor, nearest: Tensor) -> Tensor:
        """Features (B, N, C) and neighbours (B, N, k), without the point itself → (B, curves, steps, C)."""
        attention = self.attention(x).sigmoid()
        x = x * attention
        here = attention[..., 0].topk(self.curves, dim=1, sorted=False).indices
        past = current = gathered(x, here)
        curve: list[Tensor] = []
        for step in range(self.steps):
            candidates = gathered(nearest, here)
            values = gathered(x, candidates)
            if step:
                weights = self.momentum(torch.cat([current, past], dim=2)).softmax(dim=2)
                # The published networks read the two rows of weights as if they were rows of curves.
                weights = weights.transpose(1, 2).reshape(weights.shape)
                past = weights[..., :1] * current + weights[..., 1:] * past
            scores = self.agent(torch.cat([values, past[:, :, None].expand_as(values)], dim=3))[..., 0]
            if step:
                scores = scores * self._forwards(current - past, values - current[:, :, None])
            soft = scores.softmax(dim=2)
            chosen = soft.argmax(dim=2, keepdim=True)
            hard = torch.arange(soft.shape[2], device=x.device) == chosen
            current = (values * (hard.to(soft.dtype) - soft.detach() + soft)[..., None]).sum(dim=2)
            here = candidates.gather(2, chosen)[..., 0]
            curve.append(current)
        return torch.stack(curve, dim=2)

    @staticmethod
    @torch.no_grad()
    def _forwards(course: Tensor, ways: Tensor) -> Tensor:
        """0 for a way (B, M, k, C) against the course (B, M, C), 1 for one along or across it, (B, M, k)."""
        product = (ways @ course[..., None])[..., 0]
        lengths = ways.norm(dim=3) * course.norm(dim=2, keepdim=True)
        return (1.0 + product / lengths.clamp(min=1e-8)).clamp(0.0, 1.0)


class Along(nn.Module):
    """What points take from curves: from each as a whole, and from each of their steps ("curve aggregation").

    Args:
        channels: Of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.curve_keys, self.step_keys, self.queries = (nn.Linear(channels, inner, bias=False) for _ in range(3))
        self.curve_values, self.step_values = (nn.Linear(inner, inner, bias=False) for _ in range(2))
        self.mix = mixed(2 * inner, channels)
        self.attention = nn.Linear(channels, 1, bias=False)

    def forward(self, x: Tensor, curves: Tensor) -> Tensor:
        """Features (B, N, C), curves (B, M, L, C) → (B, N, C)."""
        attention, queries = self.attention(curves), self.queries(x)
        found = []
        for dim, keys_of, values_of in (
            (2, self.curve_keys, self.curve_values),
            (1, self.step_keys, self.step_values),
        ):
            keys = keys_of((curves * attention.softmax(dim=dim)).sum(dim=dim))
            found.append((queries @ keys.transpose(1, 2)).softmax(dim=2) @ values_of(keys))
        return F.leaky_relu(x + self.mix(torch.cat(found, dim=2)), SLOPE)


class CurveBlock(nn.Module):
    """A residual block, narrow inside: curves, then surroundings ("curve intervention convolution").

    Args:
        inputs: Channels.
        outputs: Channels.
        bottleneck: By how much the inputs are narrowed.
        axes: Of the points.
        curves: As of :class:`Walk`.
        steps: As of :class:`Walk`.
    """

    def __init__(self, inputs: int, outputs: int, bottleneck: int, axes: int, curves: int, steps: int) -> None:
        super().__init__()
        inner = inputs // bottleneck
        self.along, self.walk = Along(inner), Walk(inner, curves, steps)
        self.narrow, self.widen = mixed(inputs, inner), mixed(inner, outputs)
        self.shortcut = mixed(inputs, outputs) if inputs != outputs else nn.Identity()
        self.surroundings = Surroundings(inner, axes)

    def forward(self, x: Tensor, nearest: Tensor, ways: Tensor) -> Tensor:
        """Features (B, N, inputs), k + 1 nearest points (B, N, k + 1), :func:`edges` to k → (B, N, outputs)."""
        inner = F.leaky_relu(self.narrow(x), SLOPE)
        inner = self.along(inner, self.walk(inner, nearest[:, :, 1:]))
        inner = self.surroundings(inner, nearest[:, :, :-1], ways)
        return F.leaky_relu(self.widen(inner) + self.shortcut(x), SLOPE)


class CurveNet(nn.Module):
    """Features of points that know of their surroundings and of curves through them.

    Args:
        axes: Of the points.
        channels: Of the first layer and of each block; the first block has those of the layer.
        neighbours: Points around each, itself included.
        curves: Of each block.
        steps: Points of a curve.
    """

    def __init__(self, axes: int, channels: Sequence[int], neighbours: int, curves: int, steps: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.first = mixed(3 * axes, channels[0])
        self.blocks = nn.ModuleList(
            CurveBlock(inputs, outputs, BOTTLENECKS[number % len(BOTTLENECKS)], axes, curves, steps)
            for number, (inputs, outputs) in enumerate(pairwise((channels[0], *channels)))
        )
        self.last = mixed(channels[-1], channels[-1])

    def forward(self, points: Tensor) -> Tensor:
        """Points (B, N, D) → their features (B, N, last of the channels)."""
        nearest = nearest_points(points, self.neighbours + 1)
        ways = edges(points, nearest[:, :, :-1])
        x = F.leaky_relu(self.first(ways), SLOPE).amax(dim=2)
        for block in self.blocks:
            x = block(x, nearest, ways)
        return F.relu(self.last(x))
