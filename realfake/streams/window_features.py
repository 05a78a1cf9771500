"""What a frozen clip backbone makes of windows that slide over the face crops of a clip, computed once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from realfake.composing.composition import option
from realfake.config import ClipBackbone, VideoTransformer
from realfake.data.sampling import TOLERANCE_SEC, nearest, window_times
from realfake.streams.frozen_features import NAME, FrozenFeatures
from realfake.streams.preprocess import normalise
from realfake.streams.stream import ClipMedia, Extracted


class WindowFeatures(FrozenFeatures):
    """Features of windows of ``frames`` crops, ``stride_sec`` apart, ``rate_fps`` of them a second.

    A value stands at the middle of its window. A clip that is shorter than a window has one, over which the frames
    spread.
    """

    batch = 64

    def _described(self) -> ClipBackbone | VideoTransformer:
        o = self.options
        given: dict[str, Any] = {"stride_sec": o.seconds, "size": o.size, "frames": o.frames}
        values = {key: value for key, value in given.items() if value is not None or key == "stride_sec"}
        common: dict[str, Any] = {"name": o.backbone, "weights": o.weights, "freeze": True, "input": values}
        if o.variant is None:
            return option(ClipBackbone, **common)
        return option(VideoTransformer, variant=o.variant, **common)

    def identity(self) -> dict[str, Any]:
        """The backbone as configured, and how many windows there are."""
        return {**super().identity(), "rate_fps": self.options.rate_fps}

    def extract_all(self, media: Sequence[ClipMedia]) -> list[dict[str, Extracted]]:
        """The features of the windows of some clips, one clip after another."""
        return [self._of_clip(clip) for clip in media]

    @torch.inference_mode()
    def _of_clip(self, media: ClipMedia) -> dict[str, Extracted]:
        pixels, found = self.backbone.pixels, []
        assert pixels.frames is not None
        moments, rows = windows(media.rows["time_sec"], pixels.frames, pixels.stride_sec, self.options.rate_fps)
        at_once = max(1, self.batch // pixels.frames)
        with self.context():
            for first in range(0, len(rows), at_once):
                some = rows[first : first + at_once]
                low, high = int(some.min()), int(some.max())
                crops = torch.from_numpy(media.crops(pixels.size, slice(low, high + 1))[some - low])
                found.append(self.backbone(normalise(crops.to(self.device), pixels)).float().cpu().numpy())
        return {NAME: Extracted(moments, np.concatenate(found), np.ones(len(moments), np.float32))}


def windows(
    times_sec: np.ndarray, frames: int, stride_sec: float | None, rate_fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """The windows of a clip.

    Args:
        times_sec: (n,) moments of its crops, rising.
        frames: Of a window.
        stride_sec: Between two of them; ``None`` = they spread over the clip.
        rate_fps: Windows a second.

    Returns:
        Their middles in seconds (m,) float32, the first of them as early as can be, and the numbers of their crops
        (m, frames).
    """
    start, end = float(times_sec[0]), float(times_sec[-1])
    width = end - start if stride_sec is None else min(end - start, (frames - 1) * stride_sec)
    count = 1 + math.floor((end - start - width) * rate_fps + TOLERANCE_SEC)
    begin = start + np.arange(count)[:, None] / rate_fps
    times = window_times(begin, begin + width, frames, stride_sec, 0.0, repeat=False)
    middles = (begin[:, 0] + width / 2).astype(np.float32)
    return middles, nearest(times_sec, times.reshape(-1)).reshape(times.shape)
