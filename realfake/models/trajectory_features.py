"""Deep features along the trajectories of a face's points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realfake.config import StreamInfo, TrajectoryFeaturesBackbone
from realfake.models.fusion import Standardise
from realfake.models.recurrent import masked_mean, pooled
from realfake.models.tensor_sketch import signed_root
from realfake.streams.stream import StreamValues


class TrajectoryFeatures(nn.Module):
    """Maps read at the points of the face at each moment, pooled over time point by point; nothing is learned.

    After Kulkarni et al. 2018, https://arxiv.org/abs/1707.04061; maps are normalised as by Wang et al. 2015
    (https://arxiv.org/abs/1505.04868), and what is pooled by its signed root and to length 1.

    Args:
        cfg: The group ``backbone`` of the configuration.
        infos: Of maps (C, h, w) and of points (p, 2 or 3), in whichever order.
    """

    def __init__(self, cfg: TrajectoryFeaturesBackbone, infos: Sequence[StreamInfo]) -> None:
        super().__init__()
        (maps,) = (info for info in infos if not info.points)
        (points,) = (info for info in infos if info.points)
        self.maps, self.points, self.shape = maps.name, points.name, maps.shape
        self.margin, self.normalise, self.pool = cfg.margin, cfg.normalise, cfg.pool
        self.standardise = Standardise(maps, fixed=not cfg.standardise)

    def forward(self, streams: dict[str, StreamValues]) -> Tensor:
        """Maps ``(B, T, C, h, w)`` and points ``(B, T, p, …)`` → ``(B, len(pool) · p · C)``."""
        maps, points = self.standardise(streams[self.maps]).unflatten(2, self.shape), streams[self.points]
        valid = streams[self.maps].valid & points.valid
        places = torch.where(valid[..., None, None], points.values[..., :2], 0.0)
        # (B, T, p, C), as trajectories of vectors.
        found = sampled(normalised(maps, self.normalise), on_crop(places, self.margin))
        course = found.flatten(2)
        each = [self._pooled(course, valid, how) for how in self.pool]
        return F.normalize(signed_root(torch.cat(each, dim=1)))

    @staticmethod
    def _pooled(course: Tensor, valid: Tensor, how: str) -> Tensor:
        if how == "deviation":
            apart = course - masked_mean(course, valid)[:, None]
            return masked_mean(apart.square(), valid).sqrt()
        return pooled(course, valid, how)


def on_crop(places: Tensor, margin: float) -> Tensor:
    """Places from the middle of the face's box, in parts of its longer side, as those on its crop: -1 to 1 from edge to
    edge. The crop is a square with ``margin`` sides of the box more on each side (:func:`realfake.data.faces.crop`)."""
    return 2.0 * places / (1.0 + 2.0 * margin)


def sampled(maps: Tensor, places: Tensor) -> Tensor:
    """Maps ``(B, T, C, h, w)``, which reach from edge to edge, at places ``(B, T, p, 2)``, -1 to 1: ``(B, T, p, C)``.

    Interpolated linearly between the middles of cells; what lies beyond them is that of the nearest one.
    """
    batch = maps.shape[:2]
    found = F.grid_sample(
        maps.flatten(0, 1), places.flatten(0, 1)[:, :, None], mode="bilinear", padding_mode="border",
        align_corners=False,
    )  # fmt: skip
    return found[..., 0].transpose(1, 2).unflatten(0, batch)


def normalised(maps: Tensor, how: str) -> Tensor:
    """Maps ``(B, T, C, h, w)`` by the largest value at each place (``channel``) or of each channel in the sample
    (``spatiotemporal``), or as they are (``none``)."""
    axes = {"channel": (2,), "spatiotemporal": (1, 3, 4), "none": ()}[how]
    return maps / maps.abs().amax(dim=axes, keepdim=True).clamp(min=1e-6) if axes else maps
