"""Networks that look at the points of a face: options of the group ``backbone``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from realfake.config.base import BelowOne, Count
from realfake.config.face_options import FaceConfig
from realfake.config.stream_info import StreamInfo
from realfake.config.stream_networks import StreamNetwork


class MeshNetwork(StreamNetwork):
    """What networks have that put CurveNet and attention over points, the first of their streams."""

    lowest: list[float]
    """A value an axis of the points, which becomes 0; the neighbours of a point are told by these scaled axes."""
    highest: list[float]
    """That which becomes 1."""
    neighbours: Annotated[int, Field(ge=2)]
    """Points around each, itself included."""
    curves: Count
    """Through the points, of each block of CurveNet."""
    steps: Annotated[int, Field(ge=2)]
    """Points of a curve."""
    channels: Annotated[list[Annotated[int, Field(ge=8, multiple_of=8)]], Field(min_length=1)]
    """Of the blocks of CurveNet, narrowed to a quarter, and that to half; the last is the attention's width."""
    tokens: Count
    """That a moment's points become."""
    heads: Count
    layers: Count
    """Attention over moments and over tokens in turn, moments first."""
    time_layers: Count
    """Attention over moments after that."""
    hidden: Count
    """Of the small network in each of these layers."""
    dropout: BelowOne

    @model_validator(mode="after")
    def _check_mesh(self) -> MeshNetwork:
        if self.channels[-1] % self.heads:
            raise ValueError(
                f"backbone.channels=[{','.join(map(str, self.channels))}]: expected the last of them, the width of the "
                f"attention, to be a multiple of backbone.heads={self.heads}"
            )
        if len(self.lowest) != len(self.highest) or any(
            low >= high for low, high in zip(self.lowest, self.highest, strict=True)
        ):
            raise ValueError(
                f"backbone.lowest={self.lowest}, backbone.highest={self.highest}: expected a lower and a higher value "
                "for each axis of the points"
            )
        return self

    def check(self, streams: Mapping[str, StreamInfo], face: FaceConfig) -> None:
        """Raise ``ValueError`` if the first stream has no points, or too few of them."""
        info = next(iter(streams.values()))
        if not info.points:
            raise ValueError(
                f"backbone.streams=[{','.join(self.streams)}]: {info.name} has no points of a face; backbone="
                f"{self.name} takes a stream of points first, such as mesh (signals=[mediapipe]) or landmarks"
            )
        points, axes = info.shape
        if len(self.lowest) != axes:
            raise ValueError(
                f"backbone.lowest={self.lowest}, backbone.highest={self.highest}: {info.name} has {axes} axes; "
                "expected a value for each"
            )
        for key, value, most in (("neighbours", self.neighbours, points - 1), ("curves", self.curves, points)):
            if value > most:
                raise ValueError(
                    f"backbone.{key}={value}: {info.name} has {points} points; expected backbone.{key}={most} or fewer"
                )


class MeshSmileNetBackbone(MeshNetwork):
    """MeshSmileNet (Faroque et al. 2022, https://arxiv.org/abs/2210.04240)."""

    kind: Literal["mesh_smile_net"]
    name: Literal["mesh_smile_net"]

    @model_validator(mode="after")
    def _check_one(self) -> MeshSmileNetBackbone:
        if len(self.streams) != 1:
            raise ValueError(
                f"backbone.streams=[{','.join(self.streams)}]: backbone=mesh_smile_net takes one stream of points; "
                "expected [mesh] or another"
            )
        if self.standardise:
            raise ValueError(
                "backbone.standardise=true: points keep their shape; backbone=mesh_smile_net scales them by "
                "backbone.lowest and backbone.highest; expected false"
            )
        return self


class HadaSmileNetBackbone(MeshNetwork):
    """HadaSmileNet (Hasan et al. 2025, https://arxiv.org/abs/2509.18550); ``standardise`` is of its numbers alone."""

    kind: Literal["hada_smile_net"]
    name: Literal["hada_smile_net"]

    @model_validator(mode="after")
    def _check_two(self) -> HadaSmileNetBackbone:
        if len(self.streams) != 2:
            raise ValueError(
                f"backbone.streams=[{','.join(self.streams)}]: backbone=hada_smile_net takes a stream of points and "
                "one of numbers; expected [mesh,mesh_markers] or others"
            )
        return self
