"""Synthetic SASE-FE: generated faces with real and posed emotions, in the layout of the licensed dataset."""

from __future__ import annotations

from realfake.data.synthetic.generation import TRACES, VIDEOS, generate, read_settings
from realfake.data.synthetic.options import GENERATOR_VERSION, SyntheticSettings

__all__ = ["GENERATOR_VERSION", "TRACES", "VIDEOS", "SyntheticSettings", "generate", "read_settings"]
