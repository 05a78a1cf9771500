"""Backbones that look at the maps of a frozen network over time: options of the group ``backbone``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from realfake.config.base import BelowOne, Count, Seed
from realfake.config.stream_networks import StreamNetwork


class CompactBilinearBackbone(StreamNetwork):
    """Compact bilinear pooling of maps, then an LSTM."""

    kind: Literal["compact_bilinear"]
    name: Literal["compact_bilinear"]
    gather: Literal["moments"]
    frames_per_step: Count
    """Moments over whose places one bilinear vector is pooled."""
    sketch: Annotated[int, Field(ge=2)]
    """Numbers of such a vector."""
    hidden: Count
    """Size of the LSTM."""
    dropout_in: BelowOne
    """Of the LSTM's input."""
    dropout_out: BelowOne
    """Of its last output."""
    descriptor: Annotated[int, Field(ge=2)] | None
    """Numbers of the sketch of the LSTM's last output, which are the features; null = that output itself."""
    hash_seed: Seed
    """Of the sketches' places and signs."""

    @model_validator(mode="after")
    def _check_shape(self) -> CompactBilinearBackbone:
        if len(self.streams) > 1:
            shown = f"backbone.streams=[{','.join(self.streams)}]"
            raise ValueError(f"{shown}: backbone=compact_bilinear takes one stream, such as [maps_centred]")
        if self.frames % self.frames_per_step:
            raise ValueError(
                f"backbone.frames={self.frames}: expected a multiple of backbone.frames_per_step="
                f"{self.frames_per_step}"
            )
        return self
