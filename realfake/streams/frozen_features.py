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
from torch import Tensor, nn

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
NAME, MAPS = "features", "maps"
"""Of the streams; the first is what the folder's name begins with, too."""
MAP_LAYERS = {
    "tiny_cnn": "blocks",
    "alexnet": "features",
    "resnet18": "layer4",
    "vgg16": "features",
    "efficientnet_v2_m": "features",
    "inception_resnet_v1": "block8",
    "inception_resnet_v1_wide": "block8",
}
"""Frame backbone → its module that gives the last maps, :data:`realfake.config.networks.FRAME_MAPS`."""


class _Features(ABC):
    """The features of each crop, of whatever network."""

    batch: ClassVar[int] = 32
    """Crops that are computed at once."""
    backbone: Backbone
    device: torch.device

    @abstractmethod
    def infos(self) -> tuple[StreamInfo, ...]:
        """``features``, and what else it gives."""

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
        pixels, found = self.backbone.pixels, list[dict[str, np.ndarray]]()
        with self.context():
            for crops in self._batches(media):
                x = normalise(torch.from_numpy(crops).to(self.device), pixels)
                found.append({name: values.float().cpu().numpy() for name, values in self._given(x).items()})
        times = [np.ascontiguousarray(clip.rows["time_sec"]) for clip in media]
        ends, every = np.cumsum([len(t) for t in times])[:-1], [np.ones(len(t), np.float32) for t in times]
        answers: list[dict[str, Extracted]] = [{} for _ in media]
        for name in found[0]:
            each = np.split(np.concatenate([batch[name] for batch in found]), ends)
            for answer, *extracted in zip(answers, times, each, every, strict=True):
                answer[name] = Extracted(*extracted)
        return answers

    def _given(self, x: Tensor) -> dict[str, Tensor]:
        """Streams of normalised crops (B, 3, S, S)."""
        return {NAME: self.backbone(x)}

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
        identity = network_identity(self.config, self.options.dtype, named_weights(self.options.weights))
        return identity if self.options.streams == [NAME] else {**identity, "streams": self.options.streams}

    def infos(self) -> tuple[StreamInfo, ...]:
        """``features``, ``maps``, or both."""
        return self.options.infos()

    def _given(self, x: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        if MAPS in self.options.streams:
            layer = self.backbone.net.get_submodule(MAP_LAYERS[self.options.backbone])
            hook = layer.register_forward_hook(lambda _module, _inputs, output: found.update({MAPS: output}))
            found[NAME] = self.backbone(x)
            hook.remove()
        else:
            found[NAME] = self.backbone(x)
        return {name: found[name] for name in self.options.streams}

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
