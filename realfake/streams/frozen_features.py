"""What a frozen frame backbone makes of each face crop, computed once."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from realfake.composing.composition import option
from realfake.config import (
    AnyBackbone,
    ClipBackbone,
    FeaturesSignal,
    FrameBackbone,
    FrameNetwork,
    StreamInfo,
    TimmBackbone,
    VideoTransformer,
    as_plain,
    features_info,
)
from realfake.data.jobs import file_sha256
from realfake.errors import UserError
from realfake.models import Backbone, build_backbone
from realfake.registry import content_of
from realfake.streams.preprocess import normalise
from realfake.streams.stream import ClipMedia, Extracted

VERSION = 1
NAME = "features"
"""Of the stream, and what its folder's name begins with."""


class _Features(ABC):
    """The features of each crop, of whatever network."""

    batch: ClassVar[int] = 32
    """Crops that are computed at once."""
    backbone: Backbone
    device: torch.device

    @abstractmethod
    def infos(self) -> tuple[StreamInfo, ...]:
        """``features``."""

    def uses_gpu(self) -> bool:
        """Whether it computes on one."""
        return self.device.type == "cuda"

    def context(self) -> AbstractContextManager[Any]:
        """Of each computation."""
        return nullcontext()

    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """The features of every crop of a clip."""
        return self.extract_all([media])[0]

    @torch.inference_mode()
    def extract_all(self, media: Sequence[ClipMedia]) -> list[dict[str, Extracted]]:
        """The features of every crop of some clips, in batches that clips share."""
        pixels, found = self.backbone.pixels, []
        with self.context():
            for crops in self._batches(media):
                x = normalise(torch.from_numpy(crops).to(self.device), pixels)
                found.append(self.backbone(x).float().cpu().numpy())
        times = [np.ascontiguousarray(clip.rows["time_sec"]) for clip in media]
        each = np.split(np.concatenate(found), np.cumsum([len(t) for t in times])[:-1])
        return [
            {NAME: Extracted(t, values, np.ones(len(t), np.float32))} for t, values in zip(times, each, strict=True)
        ]

    def _batches(self, media: Sequence[ClipMedia]) -> Iterator[np.ndarray]:
        """Crops of clips, one clip after the other, uint8 (n, S, S, 3); of no more than a batch is there any memory."""
        size = self.backbone.pixels.size
        batch, held = np.empty((self.batch, size, size, 3), np.uint8), 0
        for clip in media:
            start = 0
            while start < len(clip.rows):
                crops = clip.crops(size, slice(start, start + self.batch - held))
                batch[held : held + len(crops)] = crops
                start, held = start + len(crops), held + len(crops)
                if held == self.batch:
                    yield batch
                    held = 0
        if held:
            yield batch[:held]


class FrozenFeatures(_Features):
    """Those of a network that is described by its name and weights, on the GPU if there is one.

    Args:
        options: Backbone, weights and bits.

    Raises:
        UserError: If there are no such weights, or they cannot be had.
    """

    def __init__(self, options: FeaturesSignal) -> None:
        self.options = options
        try:
            self.config = self._described()
        except UserError as error:
            raise UserError(str(error).replace("backbone.input.", "signals.features.")) from None

    def _described(self) -> FrameBackbone | ClipBackbone | VideoTransformer:
        """The network's configuration."""
        o = self.options
        size = {"input": {"size": o.size}} if o.size else {}
        return option(FrameBackbone, name=o.backbone, weights=o.weights, freeze=True, **size)

    def identity(self) -> dict[str, Any]:
        """The backbone as configured; of a file, its content and not its place."""
        return network_identity(self.config, self.options.dtype, named_weights(self.options.weights))

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

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The GPU, if there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def backbone(self) -> Backbone:  # type: ignore[override]
        """The network."""
        return described_network(self.config).to(self.device).eval()


class FeaturesOf(_Features):
    """Those of a network that is at hand, where it is.

    The same network as an option of :class:`FrozenFeatures` has the same identity, hence the same file.

    Args:
        config: Of the network.
        backbone: That it was built to; frozen.
        device: Where the network is.
        described: Whether its weights are those that the configuration names.
        precision: In which it computes: ``32``, or another one whose context is given.
        context: Of each computation.
    """

    def __init__(
        self,
        config: FrameNetwork | TimmBackbone,
        backbone: Backbone,
        device: torch.device,
        *,
        described: bool,
        precision: str = "32",
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.config, self.backbone, self.device, self._context = config, backbone, device, context
        weights = named_weights(config.weights) if described else f"state {state_digest(backbone)}"
        self._identity = network_identity(config, 32, weights)
        if isinstance(config, TimmBackbone):  # whose input timm may say
            self._identity["pixels"] = as_plain(backbone.pixels)
        elif not isinstance(config, FrameBackbone):
            self._identity["plugin"] = content_of(type(config))
        if precision != "32":
            self._identity["precision"] = precision

    def identity(self) -> dict[str, Any]:
        """The network as configured, and its weights."""
        return self._identity

    def infos(self) -> tuple[StreamInfo, ...]:
        """``features``."""
        return (features_info(self.config.name, self.backbone.features),)

    def context(self) -> AbstractContextManager[Any]:
        """Of each computation."""
        return self._context()


def described_network(config: FrameBackbone | ClipBackbone | VideoTransformer) -> Backbone:
    """The network that a configuration describes; what of it is drawn at random is always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_backbone(config)


def network_identity(config: AnyBackbone, dtype: int, weights: str) -> dict[str, Any]:
    """What shapes the features of a network, by its configuration; ``weights`` say what is in it."""
    plain = {**as_plain(config), "freeze": True, "cache_features": True}
    return {**plain, "weights": weights, "dtype": dtype, "version": VERSION}


def named_weights(weights: str) -> str:
    """Weights by their name; of a file or of files in a folder, their content and not their place."""
    path = Path(weights).expanduser()
    if path.is_dir():
        return " ".join(file_sha256(file) for file in sorted(path.iterdir()) if file.is_file())
    return file_sha256(path) if path.is_file() else weights


def state_digest(network: nn.Module) -> str:
    """Of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
