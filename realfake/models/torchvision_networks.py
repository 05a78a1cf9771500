"""Frame and clip networks of torchvision, as published but for their last layer."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision import models

from realfake.config import InputSpec
from realfake.errors import UserError
from realfake.models.backbone import Backbone

LAST_LAYER = {
    "alexnet": ("classifier.6", 4096),
    "resnet18": ("fc", 512),
    "vgg16": ("classifier.6", 4096),
    "efficientnet_v2_m": ("classifier.1", 1280),
    "vit_b_16": ("heads.head", 768),
    "r3d_18": ("fc", 512),
    "mc3_18": ("fc", 512),
    "r2plus1d_18": ("fc", 512),
    "s3d": ("classifier.1", 1024),
    "mvit_v2_s": ("head.1", 768),
    "swin3d_t": ("head", 768),
}
"""Name → the classifier's last layer, which is left out, and the number of features that it would get."""


def build_torchvision(name: str, spec: InputSpec) -> Backbone:
    """Make a network of torchvision without weights.

    Raises:
        UserError: If the architecture cannot take an input of ``spec``'s size.
    """
    options: dict[str, Any] = {}
    if name == "vit_b_16":
        if spec.size % 16:
            near = max(16, round(spec.size / 16) * 16)
            raise UserError(f"backbone.input.size={spec.size}: vit_b_16 needs a multiple of 16, such as {near}")
        options["image_size"] = spec.size
    if name == "mvit_v2_s" and (spec.size, spec.frames) != (224, 16):
        raise UserError(
            f"backbone.input.size={spec.size}, frames={spec.frames}: mvit_v2_s knows positions of 16 frames of 224 "
            "pixels only"
        )
    net = models.get_model(name, weights=None, **options)
    layer, features = LAST_LAYER[name]
    net.set_submodule(layer, nn.Identity())
    if name == "s3d":
        # The same mean at the published size, and defined for every other one.
        net.avgpool = nn.AdaptiveAvgPool3d(1)
    return Backbone(name, net, spec, features, classifier=(f"{layer}.",))
