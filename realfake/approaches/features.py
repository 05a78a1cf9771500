"""Features of a frozen backbone, computed once and reused in every epoch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import torch

from realfake.config import PIXELS, FrameNetwork, TimmBackbone, TrainConfig
from realfake.data.sampling import nearest_rows, sampled_intervals
from realfake.streams.preprocess import normalise

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.data.datamodule import ClipDataModule
    from realfake.data.samples import ClipSamples

log = logging.getLogger(__name__)

MAX_BYTES = 8 * 2**30
"""More features than this are not kept: they are computed in every epoch instead."""


def caches_features(cfg: TrainConfig) -> bool:
    """Whether features may be kept: a frozen frame backbone, and nothing that changes its input at random."""
    return (
        isinstance(cfg.backbone, FrameNetwork | TimmBackbone)
        and cfg.backbone.freeze
        and cfg.backbone.cache_features
        and cfg.approach.samples == "frames"
        and not cfg.augmentation.active
    )


def compute_features(module: ApproachModule, data: ClipDataModule, device: torch.device) -> None:
    """Compute the features of every crop that training and validation may draw, and let ``data`` give them.

    Args:
        module: Its backbone is frozen.
        data: Set up; gives features instead of frames afterwards.
        device: Where to compute.
    """
    from rich.progress import track

    store = data.opened()
    crops = int(store.table["stored"].sum())
    if crops * module.backbone.features * 4 > MAX_BYTES:
        log.warning("backbone.cache_features: %d crops are too many to keep, features are computed every epoch", crops)
        return
    # Only the rows that are written take memory.
    features = np.zeros((crops, module.backbone.features), dtype=np.float32)
    wanted = np.concatenate([_crops_in_window(data.sets[part]) for part in ("train", "val")])
    size = data.data.eval_batch_size or data.data.batch_size
    backbone = module.backbone.to(device).eval()
    starts = range(0, len(wanted), size)
    with torch.inference_mode():
        for i in track(starts, "features of the frozen backbone", transient=True):
            rows = wanted[i : i + size]
            frames = torch.from_numpy(data.sets["train"].streams[PIXELS.name].gather(rows)).to(device)
            features[rows] = backbone(normalise(frames, backbone.pixels)).float().cpu().numpy()
    data.use_features(features)


def _crops_in_window(samples: ClipSamples) -> np.ndarray:
    """Rows of the store's index that a phase from 0 to 1 can reach."""
    known = samples.stored > 0
    ends = np.stack(sampled_intervals(samples.duration_sec[known], samples.sampling.window), axis=1)
    timestamps = np.asarray(samples.store.crops["time_sec"])
    reached = nearest_rows(timestamps, samples.first_crop[known], samples.stored[known], ends)
    return np.concatenate([np.arange(low, high + 1) for low, high in reached])
