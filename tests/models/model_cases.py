"""What the tests of networks share: configurations of the shipped files, and reproducible random values."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
from omegaconf import OmegaConf
from pydantic import TypeAdapter
from torch import Tensor

from realfake.config import CLIP_BACKBONES, FRAME_BACKBONES, SEQUENCE_BACKBONES, VIDEO_TRANSFORMERS, BackboneConfig

CONF = Path(__file__).resolve().parents[2] / "conf"
ALL_BACKBONES = (*FRAME_BACKBONES, *CLIP_BACKBONES, *VIDEO_TRANSFORMERS, *SEQUENCE_BACKBONES, "timm")


def backbone_config(name: str, *overrides: str) -> Any:
    """The checked configuration of ``conf/backbone/<name>.yaml``; overrides as on the command line."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        raw = hydra.compose(f"backbone/{name}", list(overrides))
    return TypeAdapter(BackboneConfig).validate_python(OmegaConf.to_container(raw.backbone, resolve=True))


def numbers(key: str, shape: tuple[int, ...], scale: float = 1.0, offset: float = 0.0) -> Tensor:
    """Normal random numbers that depend on ``key`` alone, in every version of every library."""
    values = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)
    return torch.from_numpy((values * scale + offset).astype(np.float32))


def random_state(like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with these keys and shapes; batch-norm statistics are away from their initial 0 and 1.

    Weights have a variance of 2 / inputs, which keeps activations of ReLU networks at the same size.
    """
    state = {}
    for key, value in like.items():
        shape = tuple(value.shape)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros(shape, dtype=torch.int64)
        elif key.endswith("running_var"):
            state[key] = numbers(key, shape, 0.2).exp()
        elif len(shape) >= 2:
            state[key] = numbers(key, shape, (2.0 / np.prod(shape[1:])) ** 0.5)
        elif key.endswith("weight"):
            state[key] = numbers(key, shape, 0.1, offset=1.0)
        else:
            state[key] = numbers(key, shape, 0.1)
    return state
