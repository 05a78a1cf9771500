"""Features of a frozen network of frames: stored beside the crops, and read in place of them in every epoch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from realfake.config import (
    PIXELS,
    ApproachConfig,
    FrameBackbone,
    FrameNetwork,
    SequenceBackbone,
    TimmBackbone,
    TrainConfig,
)
from realfake.errors import UserError
from realfake.models import frame_network
from realfake.streams.frozen_features import FeaturesOf, described_network, state_digest

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.data.datamodule import ClipDataModule

log = logging.getLogger(__name__)


def stored_network(cfg: TrainConfig) -> FrameNetwork | TimmBackbone | None:
    """The network of frames whose features are stored: frozen, and nothing changes its input at random; or ``None``."""
    network = cfg.backbone
    frozen = cfg.backbone.freeze
    if isinstance(network, SequenceBackbone):
        # In half precision a sequence goes on with what is rounded already, which nothing that is stored says.
        if PIXELS.name not in network.streams or cfg.precision.name != "32":
            return None
        network = network.frame
        frozen = frozen or network.freeze
    if not isinstance(network, FrameNetwork | TimmBackbone) or not network.cache_features:
        return None
    return network if frozen and not cfg.augmentation.active and not cfg.trainer.fast_dev_run else None


def use_features(
    cfg: TrainConfig,
    module: ApproachModule,
    data: ClipDataModule,
    device: torch.device,
    *,
    begun: bool = False,
    context: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """Let the network's features be read in place of pixels; those of a dataset are computed once and stored.

    They are the stream ``features`` of the prepared dataset. Where they cannot be stored, pixels stay, which is said.

    Args:
        cfg: Of the run; :func:`stored_network` is not ``None``.
        module: Of the run.
        data: Set up; gives features instead of frames afterwards.
        device: Where to compute.
        begun: Whether the network has taken weights from a checkpoint.
        context: Of each computation, such as another precision.
    """
    config = stored_network(cfg)
    assert config is not None
    network = frame_network(module.backbone).to(device).eval()
    # An approach of a plugin may have done anything to it.
    described = False
    if isinstance(config, FrameBackbone) and config.weights != "none" and type(cfg.approach) is ApproachConfig:
        described = not begun or state_digest(described_network(config)) == state_digest(network)
    signal = FeaturesOf(config, network, device, described=described, precision=cfg.precision.name, context=context)
    try:
        data.use_features(signal)
    except (UserError, OSError) as error:
        log.warning("backbone.cache_features: features are computed in every epoch, since %s", error)
