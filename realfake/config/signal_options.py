"""The group ``signals``: what is known of a clip besides the streams of every prepared dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from realfake.config.base import Count, Positive
from realfake.config.derivations import stream_named
from realfake.config.guests import Guests
from realfake.config.landmarks import BLENDSHAPES, PARTNERS, UNITS, mirrored_names
from realfake.config.networks import CLIP_FEATURES, FRAME_FEATURES, FRAME_MAPS, TRAINED_STRIDE_SEC, check_rate
from realfake.config.stream_info import PREPARED, SignalOptions, StreamInfo
from realfake.config.trackers import IN_BOX, DrawnSignal, OpenfaceSignal, PyfeatSignal
from realfake.config.video_transformer_options import VARIANTS, VIDEO_TRANSFORMERS, check_variant


class MotionSignal(SignalOptions):
    """Dense optical flow of the face, pooled on a grid."""

    name: Literal["motion"]
    rate_fps: Positive | Literal["full"]
    """Frames a second between which movement is measured; ``full`` = all that the video has."""
    grid: Annotated[int, Field(ge=1, le=32)]
    """Cells along each side of the face."""
    size: Annotated[int, Field(ge=32, le=512)]
    """Side in pixels to which the face is scaled for it."""

    def infos(self) -> tuple[StreamInfo, ...]:
        """``motion``: (2, grid, grid), rightwards and downwards."""
        n = self.grid
        cells = [(row, column) for row in range(n) for column in range(n)]
        names = tuple(f"{axis}_{row}_{column}" for axis in ("right", "down") for row, column in cells)
        places = [row * n + n - 1 - column for row, column in cells]
        mirrored = tuple((place + k * n * n, factor) for k, factor in ((0, -1.0), (1, 1.0)) for place in places)
        words = "optical flow of the face (DIS), averaged over the cells of a grid"
        return (StreamInfo("motion", (2, n, n), words, names, "sides of the face a second", mirrored=mirrored),)


class FeaturesSignal(SignalOptions):
    """Outputs of a frozen frame backbone for each face crop, or of a frozen clip backbone for windows of crops."""

    name: Literal["features"]
    backbone: Literal[(*FRAME_FEATURES, *CLIP_FEATURES, *VIDEO_TRANSFORMERS)]  # type: ignore[valid-type]
    """With the input and all else that its file says, but for what follows."""
    variant: str | None
    """Size of a transformer for video; null = it is none."""
    size: Count | None
    """Side of the input in pixels; null = as in the backbone's file."""
    frames: Count | None
    """Of a clip backbone's window; null = as in its file."""
    stride_sec: Positive | Literal["trained"] | None
    """Between the frames of a clip backbone's window; ``trained`` = as its published weights saw them; null, or a
    network without such weights = the window is the clip."""
    rate_fps: Positive
    """Windows of a clip backbone a second."""
    weights: str
    """``default``, the name of published weights, or the path of a file."""
    streams: Annotated[list[Literal["features", "maps"]], Field(min_length=1)]
    """What is kept of them: the features, the last maps from which the network makes them, or both."""
    dtype: Literal[32, 16]
    """Bits of a stored number."""

    @property
    def sees_clips(self) -> bool:
        """Whether it is windows that the network looks at."""
        return self.backbone not in FRAME_FEATURES

    @property
    def seconds(self) -> float | None:
        """Between the frames of a window; ``None`` = they spread over the clip."""
        return TRAINED_STRIDE_SEC.get(self.backbone) if self.stride_sec == "trained" else self.stride_sec

    def infos(self) -> tuple[StreamInfo, ...]:
        """``features``: (F,); ``maps``: (C, h, w)."""
        found = {"features": self._features()}
        if "maps" in self.streams:
            found["maps"] = maps_info(self.backbone, self.dtype)
        return tuple(found[name] for name in self.streams)

    def _features(self) -> StreamInfo:
        if not self.sees_clips:
            return features_info(self.backbone, FRAME_FEATURES[self.backbone], self.dtype)
        size = VARIANTS[self.variant].width if self.variant else CLIP_FEATURES[self.backbone]
        words = f"outputs of the frozen {self.backbone} for windows around each moment"
        return replace(features_info(self.backbone, size, self.dtype), words=words, windows=True)

    @model_validator(mode="after")
    def _check_backbone(self) -> FeaturesSignal:
        check_variant("signals.features.variant", self.backbone, self.variant)
        if self.frames is not None and not self.sees_clips:
            raise ValueError(
                f"signals.features.frames={self.frames}: {self.backbone} sees single frames, expected null"
            )
        return self

    @model_validator(mode="after")
    def _check_maps(self) -> FeaturesSignal:
        shown = f"signals.features.streams=[{','.join(self.streams)}]"
        if len({*self.streams}) < len(self.streams):
            raise ValueError(f"{shown}: expected each stream once")
        if "maps" in self.streams and self.size is not None:
            raise ValueError(f"signals.features.size={self.size}: maps are those of the file's input; expected null")
        if "maps" in self.streams and self.backbone not in FRAME_MAPS:
            raise ValueError(
                f"{shown}: {self.backbone} has no maps; expected signals.features.backbone= one of "
                f"{', '.join(FRAME_MAPS)}"
            )
        return self


def features_info(backbone: str, size: int, bits: Literal[32, 16] = 32) -> StreamInfo:
    """The stream of what a frame backbone gives, ``size`` numbers for each crop."""
    words = f"outputs of the frozen {backbone} for the face crop"
    return StreamInfo("features", (size,), words, dtype="float32" if bits == 32 else "float16")


@cache
def maps_info(backbone: str, bits: Literal[32, 16] = 32) -> StreamInfo:
    """The stream of a frame backbone's last maps (C, h, w); a mirrored face has them from right to left."""
    channels, height, width = FRAME_MAPS[backbone]
    rows = range(0, channels * height * width, width)
    mirrored = tuple((row + column, 1.0) for row in rows for column in range(width - 1, -1, -1))
    words = f"last maps of the frozen {backbone} for the face crop"
    dtype: Literal["float32", "float16"] = "float32" if bits == 32 else "float16"
    return StreamInfo("maps", (channels, height, width), words, dtype=dtype, mirrored=mirrored)


class MediapipeSignal(SignalOptions):
    """The published MediaPipe Face Landmarker."""

    name: Literal["mediapipe"]
    weights: str
    """``default`` = the published file, or its path."""
    rate_fps: Positive | Literal["full"]
    """Frames a second that are looked at; ``full`` = all that the video has."""

    def infos(self) -> tuple[StreamInfo, ...]:
        """``mesh`` (478, 3), ``blendshapes`` (52,), ``units`` (23,), ``pose`` (4, 4)."""
        flip = (-1.0, 1.0, 1.0, 1.0)
        return (
            StreamInfo(
                "mesh",
                (len(PARTNERS), 3),
                "478 points of the face (MediaPipe Face Landmarker)",
                tuple(f"{axis}_{point}" for point in range(len(PARTNERS)) for axis in "xyz"),
                IN_BOX,
                mirrored=tuple((3 * partner + k, flip[k]) for partner in PARTNERS for k in range(3)),
                points="canonical",
            ),
            StreamInfo(
                "blendshapes",
                (len(BLENDSHAPES),),
                "ARKit's blendshapes (MediaPipe Face Landmarker)",
                BLENDSHAPES,
                "0 to 1",
                mirrored=tuple((number, 1.0) for number in mirrored_names(BLENDSHAPES)),
            ),
            StreamInfo(
                "units", (len(UNITS),), "action units, approximated from blendshapes by a table", UNITS, "0 to 1"
            ),
            StreamInfo(
                "pose",
                (4, 4),
                "from the canonical face to the camera's (MediaPipe Face Landmarker): rotation, scale, place",
                tuple(f"{row}_{column}" for row in "xyzw" for column in ("x", "y", "z", "place")),
                "centimetres (place)",
                mirrored=tuple((4 * row + column, flip[row] * flip[column]) for row in range(4) for column in range(4)),
            ),
        )


class PluginSignal(SignalOptions):
    """A kind of signal that a plugin brings, which computes its streams itself."""

    name: str

    def extract(self, media: Any) -> Any:
        """Each stream of a clip, by its name.

        Args:
            media: What there is to look at, a :class:`realfake.streams.stream.ClipMedia`.

        Returns:
            A dictionary with a :class:`realfake.streams.stream.Extracted` of each of :meth:`infos`.
        """
        raise NotImplementedError


SignalConfig = Annotated[
    MotionSignal | FeaturesSignal | MediapipeSignal | OpenfaceSignal | PyfeatSignal | DrawnSignal,
    Field(discriminator="name"),
    Guests("signals"),
]


def _by_name(signals: dict[str, SignalConfig]) -> dict[str, SignalConfig]:
    for key, options in signals.items():
        name = getattr(options, "name", key)
        if key != name:
            raise ValueError(f"signals.{key}.name={name}: expected {key}")
    given = [info.name for options in signals.values() for info in options.infos()]
    if twice := sorted({name for name in given if given.count(name) > 1 or name in {i.name for i in PREPARED}}):
        raise ValueError(f"signals=[{','.join(signals)}]: the stream {twice[0]} comes from several; leave one out")
    return signals


Signals = Annotated[dict[str, SignalConfig], AfterValidator(_by_name)]
"""The signals in use, by their names."""


def signals_of(signals: dict[str, SignalConfig], streams: Iterable[StreamInfo]) -> dict[str, SignalConfig]:
    """Those signals that give any of some streams, or what they are derived from, by their names."""
    sources = {info.source for info in streams}
    return {name: o for name, o in signals.items() if any(info.name in sources for info in o.infos())}


def check_windows(signals: dict[str, SignalConfig], rate_fps: float) -> None:
    """Raise ``ValueError`` if there are too few crops a second for the windows of a signal's network."""
    for options in signals.values():
        if isinstance(options, FeaturesSignal) and options.sees_clips:
            check_rate(rate_fps, options.seconds, options.backbone, "signals.features.stride_sec")


def stream_infos(signals: dict[str, SignalConfig]) -> dict[str, StreamInfo]:
    """Every stream that is computed of clips with some signals, by its name; others are derived from these."""
    infos = (*PREPARED, *(info for options in signals.values() for info in options.infos()))
    return {info.name: info for info in infos}


def streams_named(names: Iterable[str], signals: dict[str, SignalConfig]) -> dict[str, StreamInfo]:
    """Streams with some signals by their names, derived ones too.

    Raises:
        ValueError: As :func:`realfake.config.derivations.stream_named`.
    """
    known = stream_infos(signals)
    return {name: stream_named(name, known) for name in names}
