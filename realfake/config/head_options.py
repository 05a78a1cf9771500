"""Heads: the group ``head``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realfake.config.base import Count, Strict


class LinearHead(Strict):
    name: Literal["linear"]
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]


class MlpHead(Strict):
    name: Literal["mlp"]
    hidden: list[Count]
    """Sizes of the hidden layers."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    batch_norm: bool


HeadConfig = Annotated[LinearHead | MlpHead, Field(discriminator="name")]
