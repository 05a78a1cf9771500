"""Heads: shapes, and names of their parameters that other files rely on."""

from __future__ import annotations

import pytest
import torch
from model_cases import CONF
from omegaconf import OmegaConf
from pydantic import TypeAdapter

from realfake.composing.composition import option
from realfake.config import HeadConfig, LinearHead, MlpHead
from realfake.models import build_head


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_shipped_heads(name: str) -> None:
    cfg = TypeAdapter(HeadConfig).validate_python(OmegaConf.to_object(OmegaConf.load(CONF / "head" / f"{name}.yaml")))
    assert build_head(cfg, 84, 12)(torch.randn(5, 84)).shape == (5, 12)


def test_sizes_of_layers() -> None:
    head = build_head(option(MlpHead, hidden=[256, 128], dropout=0.5, batch_norm=True), 512, 6)
    shapes = {key: tuple(value.shape) for key, value in head.state_dict().items() if key.endswith(".weight")}
    assert shapes == {
        "hidden0.weight": (256, 512),
        "norm0.weight": (256,),
        "hidden1.weight": (128, 256),
        "norm1.weight": (128,),
        "output.weight": (6, 128),
    }
    assert [type(m).__name__ for m in head] == [*["Linear", "BatchNorm1d", "ReLU", "Dropout"] * 2, "Linear"]


def test_dropout_does_not_change_names() -> None:
    for dropout in (0.0, 0.5):
        assert list(build_head(option(LinearHead, dropout=dropout), 8, 2).state_dict()) == [
            "output.weight",
            "output.bias",
        ]
