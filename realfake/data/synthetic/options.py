"""What a synthetic dataset is made from: its settings, checked, and their digest."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from realfake.errors import UserError

GENERATOR_VERSION = 5
"""Counted up whenever the same settings would give other pixels, so that no old folder passes for new."""

_RANGES: dict[str, tuple[float, float, str]] = {
    "subjects": (1, 100_000, "people"),
    "seed": (0, 2**32 - 1, ""),
    "difficulty": (0.0, 1.0, "(0 = easy, 1 = real and posed are drawn alike)"),
    "fps": (5.0, 240.0, "frames a second"),
    "seconds": (0.5, 60.0, "seconds"),
    "size": (96, 2160, "pixels"),
    "width": (96, 3840, "pixels"),
    "noise": (0.0, 5.0, "times the usual sensor noise"),
    "motion": (0.0, 3.0, "times the usual head movement"),
    "crf": (0, 40, "(x264's constant rate factor)"),
}
_WHOLE = ("subjects", "seed", "size", "width", "crf")


@dataclass(frozen=True)
class SyntheticSettings:
    """Settings of a synthetic dataset; every value shapes the pixels, so every value is part of the digest.

    Raises:
        UserError: If a value is of the wrong type or outside its range.
    """

    subjects: int = 20
    """People; each has twelve videos."""
    seed: int = 0
    difficulty: float = 0.3
    """Overlap of real and posed: 0 = nearly separable, 1 = no difference at all."""
    fps: float = 25.0
    seconds: float = 3.0
    size: int = 224
    """Height of a frame in pixels, even."""
    width: int | None = None
    """Width of a frame in pixels, even, at least ``size``; ``None`` = square."""
    noise: float = 1.0
    """Strength of the sensor noise."""
    motion: float = 1.0
    """Strength of head drift, rotation and change of distance."""
    crf: int = 20
    """Quality of the H.264 stream, lower is better."""

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(self, name)
            if name == "width" and value is None:
                continue
            whole = name in _WHOLE
            kinds = (int,) if whole else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
                kind = "a whole number" if whole else "a number"
                raise UserError(f"synthetic {name}={value!r}: expected {kind} from {low:g} to {high:g} {unit}".rstrip())
            if not low <= value <= high:
                raise UserError(f"synthetic {name}={value:g}: expected {low:g} to {high:g} {unit}".rstrip())
            if not whole:  # so that 25 and 25.0 have one digest
                object.__setattr__(self, name, float(value))
        for name in ("size", "width"):
            value = getattr(self, name)
            if value is not None and value % 2:
                raise UserError(f"synthetic {name}={value}: H.264 needs an even number of pixels, e.g. {value + 1}")
        if self.width is not None and self.width < self.size:
            raise UserError(f"synthetic width={self.width}: expected at least size={self.size}, the height")

    @property
    def frames(self) -> int:
        """Frames of each video."""
        return max(2, round(self.seconds * self.fps))

    @property
    def frame_width(self) -> int:
        """Width of a frame in pixels."""
        return self.size if self.width is None else self.width

    @property
    def rate(self) -> Fraction:
        """Frame rate as a ratio, as the video file stores it."""
        return Fraction(self.fps).limit_denominator(1001)

    def as_dict(self) -> dict[str, Any]:
        """The settings and the generator's version, as written to ``synthetic.json``."""
        return {**asdict(self), "version": GENERATOR_VERSION}

    def digest(self) -> str:
        """Twelve hexadecimal characters that name these settings and the generator's version."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
