"""From the group ``signals`` to what computes streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from realfake.config import (
    DrawnSignal,
    FeaturesSignal,
    MediapipeSignal,
    MotionSignal,
    OpenfaceSignal,
    PluginSignal,
    PyfeatSignal,
    SignalConfig,
    StreamInfo,
    as_plain,
)
from realfake.registry import content_of
from realfake.streams.stream import ClipMedia, Extracted, Signal


def build_signal(options: SignalConfig) -> Signal:
    """What computes the streams of a kind of signal.

    Raises:
        UserError: If its weights or packages are missing.
    """
    if isinstance(options, MotionSignal):
        from realfake.streams.motion import Motion

        return Motion(options)
    if isinstance(options, FeaturesSignal):
        if options.sees_clips:
            from realfake.streams.window_features import WindowFeatures

            return WindowFeatures(options)
        from realfake.streams.frozen_features import FrozenFeatures

        return FrozenFeatures(options)
    if isinstance(options, OpenfaceSignal | PyfeatSignal):
        from realfake.streams.tracker_signals import TrackerTables

        return TrackerTables(options)
    if isinstance(options, DrawnSignal):
        from realfake.streams.tracker_signals import DrawnTables

        return DrawnTables(options)
    if isinstance(options, MediapipeSignal):
        from realfake.streams.mediapipe import Mediapipe

        return Mediapipe(options)
    if isinstance(options, PluginSignal):
        return OfPlugin(options)
    raise ValueError(f"signals={options}: no signal of this name")


@dataclass(frozen=True)
class OfPlugin:
    """A signal that a plugin brings."""

    options: PluginSignal

    def identity(self) -> dict[str, Any]:
        """The options, and the content of the plugin."""
        return {**as_plain(self.options), "plugin": content_of(type(self.options))}

    def infos(self) -> tuple[StreamInfo, ...]:
        """As the plugin says it."""
        return self.options.infos()

    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """As the plugin computes it."""
        found: dict[str, Extracted] = self.options.extract(media)
        return found
