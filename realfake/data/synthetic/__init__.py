"""Synthetic SASE-FE: generated faces with real and posed emotions, in the layout of the licensed dataset."""

from __future__ import annotations

from realfake.data.synthetic.settings import GENERATOR_VERSION, SyntheticSettings
from realfake.data.synthetic.writing import TRACES, VIDEOS, generate, read_settings

__all__ = ["GENERATOR_VERSION", "TRACES", "VIDEOS", "SyntheticSettings", "generate", "read_settings"]
