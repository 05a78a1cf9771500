"""Backbones that look at the maps of a frozen network over time: options of the group ``backbone``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from realfake.config.base import BelowOne, Count, Seed
from realfake.config.face_options import FaceConfig
from realfake.config.stream_info import StreamInfo
from realfake.config.stream_networks import StreamNetwork
from realfake.config.trackers import IN_BOX


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
                f"backbone.frames={self.frames}: expected a multiple of backbone.frames_per_step={self.frames_per_step}"
            )
        return self


class TrajectoryFeaturesBackbone(StreamNetwork):
    """Maps where points of the face are, pooled over time."""

    kind: Literal["trajectory_features"]
    name: Literal["trajectory_features"]
    gather: Literal["moments"]
    margin: Annotated[float, Field(ge=0.0)]
    """Of the crops that the maps are of, as ``face.margin``."""
    normalise: Literal["channel", "spatiotemporal", "none"]
    """Maps by the largest value at each place, or of each channel in the sample."""
    pool: Annotated[list[Literal["mean", "max", "deviation"]], Field(min_length=1)]
    """Over the moments of each point's trajectory, side by side."""

    @model_validator(mode="after")
    def _check_frozen(self) -> TrajectoryFeaturesBackbone:
        if not self.freeze:
            raise ValueError("backbone.freeze=false: backbone=trajectory_features has nothing to train; expected true")
        return self

    def check(self, streams: Mapping[str, StreamInfo], face: FaceConfig) -> None:
        """Refuse streams that are not one of maps and one of points that can be laid onto them."""
        shown = f"backbone.streams=[{','.join(self.streams)}]: backbone=trajectory_features"
        maps = [name for name, info in streams.items() if len(info.shape) == 3 and not info.points]
        points = [name for name, info in streams.items() if info.points]
        if len(maps) != 1 or len(points) != 1 or len(streams) != 2:
            raise ValueError(
                f"{shown} takes maps and the points of the face, such as [maps,landmarks] or [maps,mesh]; the maps "
                "come from signals=[features] signals.features.streams=[maps]"
            )
        if streams[points[0]].unit != IN_BOX:
            raise ValueError(
                f"{shown} has to know where in the crop {points[0]} lie; expected them as they are found, of a tracker "
                "with relative_to=box (signals.<tracker>.relative_to=box)"
            )
        if getattr(face, "align", False):
            raise ValueError(f"{shown} lays points onto crops that are not turned; expected face.align=false")
