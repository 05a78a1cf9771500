"""Backbones that see frames or clips of pixels: options of the group ``backbone``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from realfake.config.base import Count, Positive, Strict, check_three

if TYPE_CHECKING:
    from torch import nn

FRAME_BACKBONES = (
    "small_cnn",
    "tiny_cnn",
    "alexnet",
    "resnet18",
    "vgg16",
    "efficientnet_v2_m",
    "vit_b_16",
    "inception_resnet_v1",
    "inception_resnet_v1_wide",
    "pixels",
)

FRAME_FEATURES = {
    "small_cnn": 84,
    "tiny_cnn": 64,
    "alexnet": 4096,
    "resnet18": 512,
    "vgg16": 4096,
    "efficientnet_v2_m": 1280,
    "vit_b_16": 768,
    "inception_resnet_v1": 512,
    "inception_resnet_v1_wide": 512,
}
"""Frame backbone → numbers that it gives, of those whose number does not depend on their input."""

FRAME_MAPS = {
    "tiny_cnn": (64, 4, 4),
    "alexnet": (256, 6, 6),
    "resnet18": (512, 7, 7),
    "vgg16": (512, 7, 7),
    "efficientnet_v2_m": (1280, 7, 7),
    "inception_resnet_v1": (1792, 3, 3),
    "inception_resnet_v1_wide": (1792, 3, 3),
}
"""Frame backbone → channels, height and width of its last maps, at the input that its file says."""

CLIP_BACKBONES = (
    "cnn3d",
    "cnn3d_thesis",
    "lstm_thesis",
    "gru_thesis",
    "slow_r50",
    "x3d_s",
    "efficient_x3d_s",
    "r3d_18",
    "mc3_18",
    "r2plus1d_18",
    "s3d",
    "mvit_v2_s",
    "swin3d_t",
    "real_smile_net",
)

CLIP_FEATURES = {
    "cnn3d": 512,
    "cnn3d_thesis": 512,
    "lstm_thesis": 256,
    "gru_thesis": 256,
    "slow_r50": 2048,
    "x3d_s": 2048,
    "efficient_x3d_s": 2048,
    "r3d_18": 512,
    "mc3_18": 512,
    "r2plus1d_18": 512,
    "s3d": 1024,
    "mvit_v2_s": 768,
    "swin3d_t": 768,
    "real_smile_net": 250,
}
"""Clip backbone → numbers that it gives; of transformers for video, their variant says it."""

TRAINED_STRIDE_SEC = {
    "slow_r50": 8 / 30,
    "x3d_s": 6 / 30,
    "efficient_x3d_s": 6 / 30,
    "r3d_18": 1 / 15,
    "mc3_18": 1 / 15,
    "r2plus1d_18": 1 / 15,
    "s3d": 1 / 15,
    "mvit_v2_s": 2 / 15,
    "swin3d_t": 1 / 15,
    "videomae": 4 / 30,
    "vjepa2": 4 / 30,
    "marlin": 2 / 24,
}
"""Time between the frames with which a clip network's published weights were trained.

Those of pytorchvideo's model zoo saw every 6th or 8th frame of 30 a second; torchvision's state their ``frame_rate``.
VideoMAE saw every 4th frame of Kinetics, as the probes of V-JEPA 2 do; MARLIN every 2nd of YouTube Faces, 24 a second.
"""

BATCH_NORM_OF_VECTORS = ("inception_resnet_v1", "inception_resnet_v1_wide")
"""Backbones that normalise one vector a sample, which a batch of one sample has no statistics for."""


class InputSpec(Strict):
    """What a backbone eats; preprocessing for train, validation, test, predict and export obeys it alone."""

    size: Annotated[int, Field(ge=16, le=1024)]
    """Side of the square input in pixels."""
    mean: list[float]
    """Per channel in ``channel_order``, of values scaled to 0-1."""
    std: list[Positive]
    channel_order: Literal["rgb", "bgr"]
    frames: Count | None
    """Clip backbones: frames of a sample; null = a single frame."""
    stride_sec: Positive | None
    """Clip backbones: time between two frames; null = spread evenly over the sampled window."""
    repeat_crops: bool
    """Clip backbones, where a sampled window is too short for ``stride_sec``: repeat its last crop; false = spread the
    frames evenly over it, and refuse a store with too few crops a second."""

    @model_validator(mode="after")
    def _check(self) -> InputSpec:
        check_three(self.mean, "backbone.input.mean")
        check_three(self.std, "backbone.input.std")
        return self


def check_rate(rate_fps: float, stride_sec: float | None, network: str, key: str) -> None:
    """Raise ``ValueError`` if prepared crops are further apart than the frames that a network looks at.

    Args:
        rate_fps: Crops a second.
        stride_sec: Between two frames, which ``key`` says; ``None`` = they spread over what there is.
        network: Its name.
        key: Of the configuration.
    """
    if stride_sec is not None and rate_fps * stride_sec < 1.0 - 1e-6:
        raise ValueError(
            f"data.rate_fps={rate_fps:g}: too few crops a second for {network}, whose frames are {stride_sec:.4g} s "
            f"apart; expected data.rate_fps={math.ceil(1.0 / stride_sec - 1e-6)} or more, or {key}=null, which spreads "
            "the frames over the clip"
        )


class AnyBackbone(Strict):
    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the streams that the network looks at."""
        return ("pixels",)

    weights: str
    """``none``, ``default``, the name of published weights, or the path of a local file."""
    freeze: bool
    """Train the heads only; the backbone's parameters, statistics and dropout stay still."""
    normalize: bool
    """Scale each feature vector to length 1, as FaceNet does with its embedding."""


class _OfFrames(AnyBackbone):
    cache_features: bool
    """With ``freeze``, frames and no augmentation: compute features once and reuse them in later epochs."""


class FrameNetwork(_OfFrames):
    """A network that sees single frames; plugins derive theirs from it."""

    kind: Literal["frame"]
    name: str
    input: InputSpec

    def build(self) -> nn.Module:
        """The network of a plugin: (B, 3, H, W) → (B, features)."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _check_input(self) -> FrameNetwork:
        if self.input.frames is not None or self.input.stride_sec is not None:
            raise ValueError(
                f"backbone.input.frames={self.input.frames}, stride_sec={self.input.stride_sec}: {self.name} sees "
                "single frames, expected null"
            )
        return self


class FrameBackbone(FrameNetwork):
    name: Literal[FRAME_BACKBONES]  # type: ignore[valid-type]
    channels: list[Count] | None = None
    """``tiny_cnn`` only: channels of its blocks, each of which halves the side; null = its own."""

    @model_validator(mode="after")
    def _check(self) -> FrameBackbone:
        if self.channels is not None and (self.name != "tiny_cnn" or not self.channels):
            raise ValueError(f"backbone.channels={self.channels}: only tiny_cnn has this key, at least one block")
        return self


class TimmBackbone(_OfFrames):
    """Any timm model by name; ``size``, ``mean`` and ``std`` null = what timm declares for the model."""

    kind: Literal["timm"]
    name: str
    size: Count | None
    mean: list[float] | None
    std: list[Positive] | None

    @model_validator(mode="after")
    def _check(self) -> TimmBackbone:
        check_three(self.mean, "backbone.mean")
        check_three(self.std, "backbone.std")
        return self


class ClipNetwork(AnyBackbone):
    """A network that sees clips; plugins derive theirs from it."""

    kind: Literal["clip", "video_transformer"]
    name: str
    input: InputSpec
    """Here ``stride_sec`` may also say ``trained``: that of the published weights (:data:`TRAINED_STRIDE_SEC`) for a
    network that starts from weights, null for one that does not."""

    def build(self) -> nn.Module:
        """The network of a plugin: (B, 3, T, H, W) → (B, features)."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _resolve_stride(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(spec := values.get("input"), dict):
            return values
        stride = spec.get("stride_sec")
        if not isinstance(stride, str):
            return values
        name = values.get("name")
        if stride != "trained" or name not in TRAINED_STRIDE_SEC:
            known = "trained, " if name in TRAINED_STRIDE_SEC else ""
            raise ValueError(
                f"backbone.input.stride_sec={stride}: expected {known}a number of seconds or null ({name})"
            )
        seconds = None if values.get("weights", "none") == "none" else TRAINED_STRIDE_SEC[name]
        return {**values, "input": {**spec, "stride_sec": seconds}}

    @model_validator(mode="after")
    def _check_input(self) -> ClipNetwork:
        if self.input.frames is None:
            raise ValueError(f"backbone.input.frames=null: {self.name} sees clips, expected a number of frames")
        return self


class ClipBackbone(ClipNetwork):
    kind: Literal["clip"]
    name: Literal[CLIP_BACKBONES]  # type: ignore[valid-type]
