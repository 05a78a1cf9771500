"""What a frozen frame backbone makes of each face crop, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from realfake.composing.composition import option
from realfake.config import FeaturesSignal, FrameBackbone, StreamInfo, as_plain
from realfake.data.jobs import file_sha256
from realfake.errors import UserError
from realfake.models import Backbone, build_backbone
from realfake.streams.preprocess import normalise
from realfake.streams.stream import ClipMedia, Extracted

VERSION = 1
BATCH = 32
"""Crops that are computed at once."""


class FrozenFeatures:
    """The features of each crop, on the GPU if there is one.

    Args:
        options: Backbone, weights and bits.

    Raises:
        UserError: If there are no such weights, or they cannot be had.
    """

    def __init__(self, options: FeaturesSignal) -> None:
        self.options = options
        self.config = option(FrameBackbone, name=options.backbone, weights=options.weights, freeze=True)

    def identity(self) -> dict[str, Any]:
        """The backbone as configured; of a file, its content and not its place."""
        path = Path(self.options.weights).expanduser()
        weights = file_sha256(path) if path.is_file() else self.options.weights
        return {**as_plain(self.config), "weights": weights, "dtype": self.options.dtype, "version": VERSION}

    def infos(self) -> tuple[StreamInfo, ...]:
        """``features``."""
        return self.options.infos()

    def require(self, videos: Sequence[Path]) -> str:
        """Nothing but weights; raises :class:`UserError` if they are missing or others."""
        try:
            self.backbone  # noqa: B018 - built once, here
        except UserError as error:
            said = str(error).replace("backbone.weights=", "signals.features.weights=")
            raise UserError(f"signals=[features]: {said}") from None
        return ""

    def uses_gpu(self) -> bool:
        """Whether there is one."""
        return torch.cuda.is_available()

    @cached_property
    def backbone(self) -> Backbone:
        """The network; what of it is drawn at random is the same in every process."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            backbone = build_backbone(self.config)
        return backbone.to("cuda" if self.uses_gpu() else "cpu").eval()

    @torch.inference_mode()
    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """The features of every crop of a clip."""
        backbone, crops = self.backbone, media.crops(self.backbone.pixels.size)
        device = next(backbone.parameters()).device
        found = [
            backbone(normalise(torch.from_numpy(crops[i : i + BATCH]).to(device), backbone.pixels))
            .float()
            .cpu()
            .numpy()
            for i in range(0, len(crops), BATCH)
        ]
        times = np.ascontiguousarray(media.rows["time_sec"])
        return {"features": Extracted(times, np.concatenate(found), np.ones(len(times), np.float32))}
