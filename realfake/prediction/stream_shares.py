"""What each stream of a network, each number of it and each moment adds to a verdict, by taking its movement away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realfake.approaches.module import ApproachModule
from realfake.config import PIXELS, StreamInfo
from realfake.models.fusion import Standardise
from realfake.streams.stream import StreamValues

MOST_NUMBERS = 128
"""Of a stream that are looked at one by one; of larger ones, the points along the first axis."""

Streams = dict[str, StreamValues]


@dataclass(frozen=True, eq=False)
class StreamShare:
    """By how much the decided class's probability falls if a part of a stream stands still, at its mean over time; of a
    stream with one value a clip, if that is the mean of the training part."""

    whole: dict[str, float]
    """Task → all of the stream."""
    points: dict[str, np.ndarray]
    """Task → each point (P,) float64; empty for pixels, which have maps."""
    names: tuple[str, ...]
    """Of the points."""
    time: dict[str, np.ndarray]
    """Task → each moment (T,) float64."""
    times_sec: np.ndarray
    """(T,) float32; of moments without a value, NaN."""


def of_task(module: ApproachModule, logits: dict[str, Tensor], task: str) -> Tensor:
    """Probabilities of emotion or authenticity (B, K), marginals if the network has a joint head."""
    return module.space.complete({name: values.softmax(dim=1) for name, values in logits.items()})[task]


def some(streams: Streams, rows: slice) -> Streams:
    """Some of the samples of a batch."""
    return {name: StreamValues(*(t[rows] for t in stream)) for name, stream in streams.items()}


@torch.no_grad()
def shares_of(
    module: ApproachModule, x: Streams, decided: dict[str, Tensor], at_once: int = 16
) -> dict[str, list[StreamShare]]:
    """Stream → what it adds in each of N samples.

    Args:
        module: In evaluation mode.
        x: What its backbone takes.
        decided: Task → class of each sample (N,).
        at_once: Changed samples that are computed together.
    """
    infos = {info.name: info for info in module.spec.numbers}
    means = {
        m.stream: m.mean for m in module.backbone.modules() if isinstance(m, Standardise) and infos[m.stream].of_clip
    }
    found: dict[str, list[StreamShare]] = {}
    for name, stream in x.items():
        names, points = points_of(infos[name]) if name != PIXELS.name else ((), None)
        found[name] = []
        for i in range(len(stream.values)):
            one = some(x, slice(i, i + 1))
            of_sample = {t: int(k[i]) for t, k in decided.items()}
            falls = _falls(module, one, name, points, means.get(name), of_sample, at_once)
            p, valid = len(names), one[name].valid[0].cpu().numpy()
            found[name].append(
                StreamShare(
                    {t: float(f[0]) for t, f in falls.items()},
                    {t: f[1 : 1 + p] for t, f in falls.items()},
                    names,
                    {t: f[1 + p :] for t, f in falls.items()},
                    np.where(valid, one[name].times_sec[0].cpu().numpy(), np.nan),
                )
            )
    return found


def points_of(info: StreamInfo) -> tuple[tuple[str, ...], Tensor]:
    """Names of P points of a stream, and which of its numbers are theirs, bool (P, size)."""
    if info.size <= MOST_NUMBERS:
        return info.names(), torch.eye(info.size, dtype=torch.bool)
    each = info.size // info.shape[0]
    mask = torch.eye(info.shape[0], dtype=torch.bool).repeat_interleave(each, dim=1)
    names = info.names()
    return tuple(_name(names[k : k + each]) for k in range(0, info.size, each)), mask


def _name(numbers: tuple[str, ...]) -> str:
    """Of a point: what the names of its numbers share, such as 12 of ``x_12`` and ``y_12``; else that of the first."""
    heads, _, tails = (set(parts) for parts in zip(*(name.rpartition("_") for name in numbers), strict=True))
    if len(tails) == 1:
        return f"point {tails.pop()}"
    return (heads.pop() if len(heads) == 1 else "") or numbers[0]


def _falls(
    module: ApproachModule,
    one: Streams,
    name: str,
    points: Tensor | None,
    mean: Tensor | None,
    decided: dict[str, int],
    at_once: int,
) -> dict[str, np.ndarray]:
    """Task → falls of the probability: of all of a stream, of each of P points, of each of T moments (1 + P + T,);
    ``mean`` (size,) in place of that over time."""
    stream, device = one[name], one[name].values.device
    time_axis = 2 if name == PIXELS.name else 1
    values = stream.values.movedim(time_axis, 1)
    flat = values.flatten(2)
    steps = flat.shape[1]
    weights = stream.valid[..., None].to(flat.dtype)
    still = ((flat * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0))[:, None]
    if mean is not None:
        still = mean.expand_as(still)
    number = 0 if points is None else len(points)

    def changed(k: int) -> Tensor:
        if k == 0:
            return still.expand_as(flat)
        if k <= number:
            assert points is not None
            return torch.where(points[k - 1].to(device), still, flat)
        return torch.where((torch.arange(steps, device=device) == k - 1 - number)[None, :, None], still, flat)

    def probabilities(copies: list[Tensor]) -> dict[str, Tensor]:
        new = torch.cat(copies).unflatten(2, values.shape[2:]).movedim(1, time_axis)
        many = {n: StreamValues(*(torch.cat([t] * len(copies)) for t in s)) for n, s in one.items()}
        logits = module.logits({**many, name: many[name]._replace(values=new)})
        return {task: of_task(module, logits, task)[:, k] for task, k in decided.items()}

    before = probabilities([flat])
    after: dict[str, list[Tensor]] = {task: [] for task in decided}
    for start in range(0, 1 + number + steps, at_once):
        block = range(start, min(start + at_once, 1 + number + steps))
        for task, p in probabilities([changed(k) for k in block]).items():
            after[task].append(p)
    return {task: (before[task] - torch.cat(p)).double().cpu().numpy() for task, p in after.items()}
