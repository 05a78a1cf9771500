"""From the group ``signals`` to what computes streams."""

from __future__ import annotations

from realfake.config import (
    DrawnSignal,
    FeaturesSignal,
    MediapipeSignal,
    MotionSignal,
    OpenfaceSignal,
    PyfeatSignal,
    SignalConfig,
)
from realfake.streams.stream import Signal


def build_signal(options: SignalConfig) -> Signal:
    """What computes the streams of a kind of signal.

    Raises:
        UserError: If its weights or packages are missing.
    """
    if isinstance(options, MotionSignal):
        from realfake.streams.motion import Motion

        return Motion(options)
    if isinstance(options, FeaturesSignal):
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
    raise ValueError(f"signals={options}: no signal of this name")
