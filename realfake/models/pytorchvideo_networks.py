"""Clip networks of pytorchvideo's model hub, as published but for their last layer."""

from __future__ import annotations

import warnings

from torch import nn

from realfake.config import InputSpec
from realfake.models.backbone import Backbone

FEATURES = {"slow_r50": 2048, "x3d_s": 2048, "efficient_x3d_s": 2048}


def build_pytorchvideo(name: str, spec: InputSpec) -> Backbone:
    """Make a network of pytorchvideo without weights; any size and number of frames."""
    with warnings.catch_warnings():
        # Its import scripts a few functions, which current torch announces as deprecated.
        warnings.simplefilter("ignore")
        from pytorchvideo.models import hub

    net = getattr(hub, name)(pretrained=False)
    if name == "efficient_x3d_s":
        net.projection.model = nn.Identity()
        return Backbone(name, net, spec, FEATURES[name], classifier=("projection.model.",))
    head = net.blocks[-1]
    head.proj = nn.Identity()
    # X3D's softmax follows its classifier; features are no probabilities.
    head.activation = None
    pooled = head.pool if name == "x3d_s" else head
    # Published kernels have the size of the whole map, so this is the same mean, defined for every size.
    pooled.pool = nn.AdaptiveAvgPool3d(1)
    return Backbone(name, net, spec, FEATURES[name], classifier=(f"blocks.{len(net.blocks) - 1}.proj.",))
