"""Backbones that see any streams: options of the group ``backbone``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from realfake.config.base import BelowOne, Count, Positive
from realfake.config.guests import Guests
from realfake.config.networks import AnyBackbone, FrameBackbone, FrameNetwork, TimmBackbone
from realfake.config.stream_info import PIXELS

if TYPE_CHECKING:
    from torch import nn

    from realfake.config.face_options import FaceConfig
    from realfake.config.stream_info import StreamInfo

RECURRENT_BACKBONES = ("lstm", "gru")


class _OfStreams(AnyBackbone):
    name: str
    streams: list[str]
    """What the network looks at: ``pixels``, ``box``, and what ``signals`` give."""
    standardise: bool
    """Numbers by mean and standard deviation of the training part; false = as they are."""

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the streams that the network looks at."""
        return tuple(self.streams)

    @model_validator(mode="after")
    def _check_streams(self) -> _OfStreams:
        shown = f"backbone.streams=[{','.join(self.streams)}]"
        if not self.streams:
            raise ValueError(f"{shown}: expected at least one, such as pixels or box")
        if twice := [name for name in self.streams if self.streams.count(name) > 1]:
            raise ValueError(f"{shown}: {twice[0]} twice; expected each stream once")
        return self


class StreamNetwork(_OfStreams):
    """A network of its own over all moments of streams of numbers, which says itself what it makes of them together."""

    gather: Literal["moments", "interval"]
    """As :attr:`SequenceBackbone.gather`."""
    frames: Count
    stride_sec: Positive | None

    def check(self, streams: Mapping[str, StreamInfo], face: FaceConfig) -> None:
        """Raise ``ValueError``, in one line, if the network cannot take streams of crops that are cut so."""

    @model_validator(mode="after")
    def _check_numbers(self) -> StreamNetwork:
        if PIXELS.name in self.streams:
            shown = f"backbone.streams=[{','.join(self.streams)}]"
            raise ValueError(f"{shown}: backbone={self.name} takes streams of numbers; expected it without pixels")
        return self


class NumbersBackbone(_OfStreams):
    """No network: what streams of numbers say at the moment of a frame, side by side."""

    kind: Literal["numbers"]
    name: Literal["numbers"]

    @model_validator(mode="after")
    def _check_numbers(self) -> NumbersBackbone:
        if PIXELS.name in self.streams:
            shown = f"backbone.streams=[{','.join(self.streams)}]"
            raise ValueError(f"{shown}: backbone=numbers takes streams of numbers, no pixels; expected it without them")
        if not self.freeze:
            raise ValueError("backbone.freeze=false: backbone=numbers has nothing to train; expected true")
        return self


class SequenceBackbone(_OfStreams):
    """One encoder a stream over the moments of a sample, whose features are fused.

    Pixels pass through a frame backbone first, numbers are standardised by the training part.
    """

    fusion: Literal["concatenate", "gate", "multiply"]
    """How the features of several streams become one vector, see :mod:`realfake.models.fusion`."""
    gather: Literal["moments", "interval"]
    """Of numbers: those at the sample's moments, or all that the stream has between the first and the last of them."""
    frame: Annotated[FrameBackbone | TimmBackbone, Field(discriminator="kind"), Guests("backbone", FrameNetwork)]
    frames: Count
    stride_sec: Positive | None
    repeat_crops: bool
    """As :attr:`InputSpec.repeat_crops`."""


class SequenceEncoder(SequenceBackbone):
    """An encoder that a plugin brings, one over each stream."""

    kind: Literal["encoder"]

    def build(self, size: int) -> nn.Module:
        """What makes one vector of a sequence.

        Args:
            size: Numbers of a moment.

        Returns:
            A module from (B, T, size), and which moments are valid, bool (B, T), or ``None`` for all, to (B, features).
        """
        raise NotImplementedError


class RecurrentBackbone(SequenceBackbone):
    """A recurrent network over each stream."""

    kind: Literal["recurrent"]
    name: Literal[RECURRENT_BACKBONES]  # type: ignore[valid-type]
    hidden: Count
    layers: Count
    bidirectional: bool
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    """Of what each moment gives, and between recurrent layers."""
    pool: Literal["last", "mean", "max"]
    """What of the outputs over time becomes the clip's feature."""
    motion: bool
    """Feed each frame's difference to the clip's mean feature, which removes what is constant: identity."""


class TcnBackbone(SequenceBackbone):
    """Dilated convolutions over each stream."""

    kind: Literal["tcn"]
    name: Literal["tcn"]
    channels: Count
    levels: Annotated[int, Field(ge=1, le=10)]
    """Residual blocks; number i looks 2^i moments to each side, twice."""
    dropout: BelowOne
    pool: Literal["mean", "max"]
    motion: bool
    """As :attr:`RecurrentBackbone.motion`."""


class TransformerBackbone(SequenceBackbone):
    """A small transformer over each stream."""

    kind: Literal["transformer"]
    name: Literal["transformer"]
    width: Count
    heads: Count
    layers: Count
    dropout: BelowOne
    pool: Literal["mean", "max"]
    motion: bool
    """As :attr:`RecurrentBackbone.motion`."""

    @model_validator(mode="after")
    def _check_heads(self) -> TransformerBackbone:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"backbone.width={self.width}: expected an even multiple of backbone.heads={self.heads}")
        return self


class SiameseBackbone(SequenceBackbone):
    """One encoder a stream for the clip's moments and for its first ones, in which the face is neutral; compared."""

    kind: Literal["siamese"]
    name: Literal["siamese"]
    gather: Literal["moments"]
    neutral_frames: Count
    """Moments of the neutral face, spread over the clip's first :data:`realfake.config.derivations.NEUTRAL_SEC`."""
    encoder: Literal["gru", "densenet3d"]
    hidden: Count
    """``gru``: size of each direction."""
    dropout: BelowOne
    """``gru``: of what each moment gives."""
    growth: Annotated[int, Field(ge=2)]
    """``densenet3d``: channels that each layer adds; twice as many leave its first convolution."""
    layers: Annotated[list[Count], Field(min_length=1)]
    """``densenet3d``: of its blocks."""
    compare: Literal["difference", "absolute_product", "cosine"]
    """How the features of clip and neutral face become the features, see :class:`realfake.models.siamese.Siamese`."""

    @model_validator(mode="after")
    def _check_volume(self) -> SiameseBackbone:
        if self.encoder == "densenet3d" and (self.streams != [PIXELS.name] or self.frame.name != "pixels"):
            raise ValueError(
                f"backbone.encoder=densenet3d: it looks at pixels alone, not at streams=[{','.join(self.streams)}] "
                f"through {self.frame.name}; expected backbone.streams=[pixels] backbone@backbone.frame=pixels, or "
                "backbone.encoder=gru"
            )
        return self
