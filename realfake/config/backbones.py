"""All backbones: the group ``backbone``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from realfake.config.guests import Guests
from realfake.config.map_networks import CompactBilinearBackbone, TrajectoryFeaturesBackbone
from realfake.config.mesh_networks import HadaSmileNetBackbone, MeshSmileNetBackbone
from realfake.config.networks import (
    CLIP_BACKBONES,
    FRAME_BACKBONES,
    ClipBackbone,
    ClipNetwork,
    FrameBackbone,
    FrameNetwork,
    TimmBackbone,
)
from realfake.config.stream_networks import (
    RECURRENT_BACKBONES,
    NumbersBackbone,
    PredictiveLstmBackbone,
    RecurrentBackbone,
    SequenceBackbone,
    SequenceEncoder,
    SiameseBackbone,
    StreamNetwork,
    TcnBackbone,
    TransformerBackbone,
)
from realfake.config.video_transformer_options import VIDEO_TRANSFORMERS, VideoTransformer

SEQUENCE_BACKBONES = (*RECURRENT_BACKBONES, "tcn", "transformer", "siamese")
"""Those that encode one stream or several over the moments of a sample."""

STREAM_NETWORKS = ("compact_bilinear", "trajectory_features", "lstm_pb", "mesh_smile_net", "hada_smile_net")
"""Those that say themselves what they make of several streams of numbers."""

ClipSeeing = ClipNetwork | SequenceBackbone | StreamNetwork
"""Classes of those that see sequences."""

_OverTime = RecurrentBackbone | TcnBackbone | TransformerBackbone | SiameseBackbone
_OfPoints = PredictiveLstmBackbone | MeshSmileNetBackbone | HadaSmileNetBackbone
_OfStreams = CompactBilinearBackbone | TrajectoryFeaturesBackbone | _OfPoints
BackboneConfig = Annotated[
    FrameBackbone | TimmBackbone | NumbersBackbone | ClipBackbone | VideoTransformer | _OverTime | _OfStreams,
    Field(discriminator="kind"),
    Guests("backbone"),
]


def choices(*, clips: bool) -> tuple[str, ...]:
    """Names of the backbones that see clips, or single frames, those of plugins last."""
    seeing_clips = (*SEQUENCE_BACKBONES, *CLIP_BACKBONES, *VIDEO_TRANSFORMERS, *STREAM_NETWORKS)
    own = seeing_clips if clips else (*FRAME_BACKBONES, "timm", "numbers")
    bases = (ClipNetwork, SequenceEncoder) if clips else (FrameNetwork,)
    return (*own, *(name for base in bases for name in Guests("backbone", base).classes()))
