"""From the group ``backbone`` of a configuration to a network."""

from __future__ import annotations

from torch import nn

from realfake.composing.messages import changed
from realfake.config import BackboneConfig, ClipBackbone, FrameBackbone, InputSpec, RecurrentBackbone, TimmBackbone
from realfake.errors import UserError
from realfake.models.backbone import Backbone
from realfake.models.cnn3d import Cnn3d
from realfake.models.inception_resnet_v1 import InceptionResnetV1, inception_resnet_v1_wide
from realfake.models.pytorchvideo_networks import FEATURES as PYTORCHVIDEO
from realfake.models.pytorchvideo_networks import build_pytorchvideo
from realfake.models.recurrent import Recurrent
from realfake.models.small_cnn import TINY_CHANNELS, SmallCnn, TinyCnn
from realfake.models.thesis_networks import ThesisCnn3d, ThesisRecurrent
from realfake.models.timm_networks import build_timm, timm_spec
from realfake.models.torchvision_networks import LAST_LAYER as TORCHVISION
from realfake.models.torchvision_networks import build_torchvision
from realfake.models.weights import load_weights


def input_spec(cfg: BackboneConfig) -> InputSpec:
    """What the backbone eats, known without building it.

    Raises:
        UserError: If a timm model is asked for and timm is missing or knows no such model.
    """
    if isinstance(cfg, RecurrentBackbone):
        frame = input_spec(cfg.frame)
        return changed(frame, {"frames": cfg.frames, "stride_sec": cfg.stride_sec, "repeat_crops": cfg.repeat_crops})
    return timm_spec(cfg) if isinstance(cfg, TimmBackbone) else cfg.input


def build_backbone(cfg: BackboneConfig) -> Backbone:
    """Make the network of a configuration, with its weights loaded, and frozen if asked.

    Initial values come from torch's global generator: seed it first.

    Raises:
        UserError: If the network cannot take such an input, or its weights are unknown, cannot be had or do not fit.
    """
    spec = input_spec(cfg)
    try:
        backbone = _build(cfg, spec)
    except RuntimeError as error:
        # Layers complain about an input that is smaller than their kernels.
        frames = f", frames={spec.frames}" if spec.frames else ""
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"backbone.input.size={spec.size}{frames}: too small for {cfg.name} ({reason})") from None
    backbone.normalize = cfg.normalize
    if not isinstance(cfg, TimmBackbone):
        load_weights(backbone, cfg.name, cfg.weights)
    if cfg.freeze:
        backbone.freeze()
    return backbone


def _build(cfg: BackboneConfig, spec: InputSpec) -> Backbone:
    if isinstance(cfg, TimmBackbone):
        return build_timm(cfg, spec)
    if isinstance(cfg, RecurrentBackbone):
        recurrent = Recurrent(build_backbone(cfg.frame), cfg)
        return Backbone(cfg.name, recurrent, spec, recurrent.features)
    if cfg.name in TORCHVISION:
        return build_torchvision(cfg.name, spec)
    if cfg.name in PYTORCHVIDEO:
        return build_pytorchvideo(cfg.name, spec)
    return _build_own(cfg, spec)


def _build_own(cfg: FrameBackbone | ClipBackbone, spec: InputSpec) -> Backbone:
    if cfg.name == "small_cnn":
        return Backbone(cfg.name, SmallCnn(spec.size), spec, SmallCnn.features)
    if cfg.name == "tiny_cnn":
        assert isinstance(cfg, FrameBackbone)
        tiny = TinyCnn(spec.size, cfg.channels or TINY_CHANNELS)
        return Backbone(cfg.name, tiny, spec, tiny.features)
    if cfg.name == "inception_resnet_v1":
        return Backbone(cfg.name, InceptionResnetV1(), spec, 512, classifier=("logits.",))
    if cfg.name == "inception_resnet_v1_wide":
        return Backbone(cfg.name, inception_resnet_v1_wide(), spec, 512)
    if cfg.name == "cnn3d":
        assert spec.frames is not None
        return Backbone(cfg.name, Cnn3d(spec.size, spec.frames), spec, Cnn3d.features)
    if cfg.name == "cnn3d_thesis":
        assert spec.frames is not None
        return Backbone(cfg.name, ThesisCnn3d(spec.size, spec.frames), spec, ThesisCnn3d.features)
    if cfg.name in ("lstm_thesis", "gru_thesis"):
        assert spec.frames is not None
        cell = cfg.name.removesuffix("_thesis")
        return Backbone(cfg.name, ThesisRecurrent(cell, spec.size, spec.frames), spec, ThesisRecurrent.features)
    if cfg.name == "pixels":
        return Backbone(cfg.name, nn.Flatten(), spec, 3 * spec.size**2)
    raise ValueError(f"backbone.name={cfg.name}: no network of this name")
