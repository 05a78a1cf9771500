"""Networks: backbones turn frames or clips into features, heads turn features into logits."""

from __future__ import annotations

from realfake.models.backbone import Backbone
from realfake.models.build import build_backbone, frame_network, sample_spec
from realfake.models.heads import build_fitted_head, build_head
from realfake.models.weight_files import load_backbone_state, read_checkpoint, unusable

__all__ = [
    "Backbone",
    "build_backbone",
    "build_fitted_head",
    "build_head",
    "frame_network",
    "load_backbone_state",
    "read_checkpoint",
    "sample_spec",
    "unusable",
]
