"""From the group ``backbone`` of a configuration to a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from realfake.config import (
    PIXELS,
    BackboneConfig,
    ClipBackbone,
    ClipNetwork,
    CompactBilinearBackbone,
    FrameBackbone,
    FrameNetwork,
    HadaSmileNetBackbone,
    InputSpec,
    MeshSmileNetBackbone,
    NumbersBackbone,
    PredictiveLstmBackbone,
    RecurrentBackbone,
    SequenceBackbone,
    SequenceEncoder,
    SiameseBackbone,
    StreamInfo,
    StreamNetwork,
    TcnBackbone,
    TimmBackbone,
    TrajectoryFeaturesBackbone,
    TransformerBackbone,
    VideoTransformer,
)
from realfake.errors import UserError
from realfake.models.backbone import Backbone
from realfake.models.cnn3d import Cnn3d
from realfake.models.compact_bilinear import CompactBilinear
from realfake.models.fusion import FrameEncoder, Fused, NumberEncoder, Numbers, OfClip, encoded_size
from realfake.models.inception_resnet_v1 import InceptionResnetV1, inception_resnet_v1_wide
from realfake.models.mesh_smile_nets import HadaSmileNet, MeshSmileNet
from realfake.models.predictive_lstm import PredictiveLstm
from realfake.models.pytorchvideo_networks import FEATURES as PYTORCHVIDEO
from realfake.models.pytorchvideo_networks import build_pytorchvideo
from realfake.models.real_smile_net import RealSmileNet
from realfake.models.recurrent import Recurrent, RecurrentEncoder
from realfake.models.sequence_encoders import Tcn, Transformer
from realfake.models.siamese import Siamese
from realfake.models.small_cnn import TINY_CHANNELS, SmallCnn, TinyCnn
from realfake.models.thesis_networks import ThesisCnn3d, ThesisRecurrent
from realfake.models.timm_networks import build_timm, timm_spec
from realfake.models.torchvision_networks import LAST_LAYER as TORCHVISION
from realfake.models.torchvision_networks import build_torchvision
from realfake.models.trajectory_features import TrajectoryFeatures
from realfake.models.video_transformer_weights import load_video_transformer
from realfake.models.video_transformers import build_video_transformer
from realfake.models.weights import load_weights
from realfake.streams.stream import SampleSpec, StreamSpec

STREAM_NETWORKS: dict[type[StreamNetwork], Callable[[Any, Sequence[StreamInfo]], nn.Module]] = {
    CompactBilinearBackbone: lambda cfg, infos: CompactBilinear(cfg, infos[0]),
    TrajectoryFeaturesBackbone: TrajectoryFeatures,
    PredictiveLstmBackbone: PredictiveLstm,
    MeshSmileNetBackbone: MeshSmileNet,
    HadaSmileNetBackbone: HadaSmileNet,
}
"""Options → what makes their network, of streams by their names to (B, features)."""


def sample_spec(cfg: BackboneConfig, streams: Mapping[str, StreamInfo] | None = None) -> SampleSpec:
    """What the backbone takes of a clip, known without building it.

    Args:
        cfg: The group ``backbone``.
        streams: Those that it takes, :attr:`realfake.config.TrainConfig.streams`; ``None`` = pixels alone.

    Raises:
        UserError: If a timm model is asked for and timm is missing or knows no such model.
    """
    if isinstance(cfg, NumbersBackbone):
        assert streams is not None
        return SampleSpec(None, None, True, None, tuple(StreamSpec(info) for info in streams.values()))
    if isinstance(cfg, SequenceBackbone):
        infos = {PIXELS.name: PIXELS} if streams is None else streams
        pixels = _input_spec(cfg.frame) if PIXELS.name in infos else None
        taken = [StreamSpec(i, "moments" if i == PIXELS else cfg.gather) for i in infos.values()]
        neutral = cfg.neutral_frames if isinstance(cfg, SiameseBackbone) else 0
        return SampleSpec(cfg.frames, cfg.stride_sec, cfg.repeat_crops, pixels, tuple(taken), neutral)
    if isinstance(cfg, StreamNetwork):
        assert streams is not None
        numbers = tuple(StreamSpec(info, cfg.gather) for info in streams.values())
        return SampleSpec(cfg.frames, cfg.stride_sec, True, None, numbers)
    return SampleSpec.of_pixels(_input_spec(cfg))


def _input_spec(cfg: FrameNetwork | ClipNetwork | TimmBackbone) -> InputSpec:
    return timm_spec(cfg) if isinstance(cfg, TimmBackbone) else cfg.input


def build_backbone(cfg: BackboneConfig, streams: Mapping[str, StreamInfo] | None = None) -> Backbone:
    """Make the network of a configuration, with its weights loaded, and frozen if asked.

    Initial values come from torch's global generator: seed it first. Arguments as of :func:`sample_spec`.

    Raises:
        UserError: If the network cannot take such an input, or its weights are unknown, cannot be had or do not fit.
    """
    spec = sample_spec(cfg, streams)
    try:
        backbone = _build(cfg, spec)
    except RuntimeError as error:
        # Layers complain about an input that is smaller than their kernels.
        frames = f", frames={spec.frames}" if spec.frames else ""
        reason = str(error).strip().splitlines()[0]
        size = spec.pixels.size if spec.pixels else None
        raise UserError(f"backbone.input.size={size}{frames}: too small for {cfg.name} ({reason})") from None
    backbone.normalize = cfg.normalize
    if isinstance(cfg, VideoTransformer):
        load_video_transformer(backbone, cfg)
    elif not isinstance(cfg, TimmBackbone):
        load_weights(backbone, cfg.name, cfg.weights)
    if cfg.freeze:
        backbone.freeze()
    return backbone


def frame_network(backbone: Backbone) -> Backbone:
    """The part of a backbone that sees single frames: all of it, or what is below a sequence network."""
    return next(m for m in backbone.modules() if isinstance(m, Backbone) and m.spec.frames is None)


def _build(cfg: BackboneConfig, sample: SampleSpec) -> Backbone:
    if isinstance(cfg, SequenceBackbone):
        return _build_sequence(cfg, sample)
    if isinstance(cfg, NumbersBackbone):
        return Backbone(cfg.name, Numbers(sample.numbers, standardise=cfg.standardise), sample)
    if isinstance(cfg, StreamNetwork):
        return Backbone(cfg.name, STREAM_NETWORKS[type(cfg)](cfg, sample.numbers), sample)
    assert sample.pixels is not None
    spec = sample.pixels
    if isinstance(cfg, TimmBackbone):
        return build_timm(cfg, spec)
    if isinstance(cfg, VideoTransformer):
        return build_video_transformer(cfg, spec)
    if not isinstance(cfg, FrameBackbone | ClipBackbone):
        return _build_brought(cfg, spec)
    if cfg.name in TORCHVISION:
        return build_torchvision(cfg.name, spec)
    if cfg.name in PYTORCHVIDEO:
        return build_pytorchvideo(cfg.name, spec)
    return _build_own(cfg, spec)


def _build_brought(cfg: FrameNetwork | ClipNetwork, spec: InputSpec) -> Backbone:
    """The network of a plugin."""
    with _one_line(cfg.name):
        return Backbone(cfg.name, cfg.build(), spec)


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Say in one line whatever is wrong with the network of a plugin."""
    try:
        yield
    except Exception as error:
        raise UserError(f"backbone={name}: {type(error).__name__}: {' '.join(str(error).split())}") from error


def _build_sequence(cfg: SequenceBackbone, spec: SampleSpec) -> Backbone:
    """One encoder a stream, fused; of pixels alone, that of the frames."""
    encoders: dict[str, nn.Module] = {}
    sizes: dict[str, int] = {}
    for stream in spec.streams:
        if stream.name == PIXELS.name:
            frame = build_backbone(cfg.frame)
            if isinstance(cfg, RecurrentBackbone):
                encoder: nn.Module = Recurrent(frame, cfg)
                sizes[stream.name] = encoder.features  # type: ignore[assignment]
            else:
                over_time, sizes[stream.name] = _sequence_encoder(frame.features, cfg)
                encoder = FrameEncoder(frame, over_time)
        elif stream.info.of_clip:  # nothing moves in it
            encoder = NumberEncoder(stream.info, OfClip(), standardise=cfg.standardise)
            sizes[stream.name] = stream.info.size
        else:
            over_time, sizes[stream.name] = _sequence_encoder(stream.info.size, cfg)
            encoder = NumberEncoder(stream.info, over_time, standardise=cfg.standardise)
        encoders[stream.name] = encoder
    if spec.pixels_alone:
        return Backbone(cfg.name, encoders[PIXELS.name], spec, sizes[PIXELS.name])
    fused = Fused(encoders, sizes, cfg.fusion)
    return Backbone(cfg.name, fused, spec, fused.features)


def _sequence_encoder(size: int, cfg: SequenceBackbone) -> tuple[nn.Module, int]:
    """What turns moments (B, T, size) into features, and the number of these."""
    encoder: RecurrentEncoder | Tcn | Transformer | Siamese
    if isinstance(cfg, RecurrentBackbone):
        encoder = RecurrentEncoder(size, cfg)
    elif isinstance(cfg, TcnBackbone):
        encoder = Tcn(size, cfg)
    elif isinstance(cfg, TransformerBackbone):
        encoder = Transformer(size, cfg)
    elif isinstance(cfg, SiameseBackbone):
        encoder = Siamese(size, cfg)
    elif isinstance(cfg, SequenceEncoder):
        with _one_line(cfg.name):
            return (brought := cfg.build(size)), encoded_size(brought, size)
    else:
        raise ValueError(f"backbone.name={cfg.name}: no encoder of this name")
    return encoder, encoder.features


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
    if cfg.name == "real_smile_net":
        return Backbone(cfg.name, RealSmileNet(), spec)
    if cfg.name == "pixels":
        return Backbone(cfg.name, nn.Flatten(), spec, 3 * spec.size**2)
    raise ValueError(f"backbone.name={cfg.name}: no network of this name")
