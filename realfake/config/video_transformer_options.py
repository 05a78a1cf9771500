"""Transformers that see clips as cubes of pixels: options of the group ``backbone``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from realfake.config.networks import ClipNetwork

PATCH, TUBELET = 16, 2
"""Side in pixels and length in frames of the cubes that become tokens, of all these networks."""


@dataclass(frozen=True)
class Variant:
    """A size of transformer."""

    width: int
    """Of a token, and numbers that the network gives."""
    layers: int
    heads: int
    hidden: int
    """Between the two layers of a block's MLP."""


VARIANTS = {
    "tiny": Variant(64, 2, 4, 256),
    "small": Variant(384, 12, 6, 1536),
    "base": Variant(768, 12, 12, 3072),
    "large": Variant(1024, 24, 16, 4096),
    "huge": Variant(1280, 32, 16, 5120),
    "giant": Variant(1408, 40, 22, 6144),
}
"""ViT-S, -B, -L, -H and -g of the publications; ``tiny`` is none of theirs."""

VIDEO_TRANSFORMERS = {
    "videomae": ("tiny", "small", "base", "large", "huge"),
    "vjepa2": ("tiny", "large", "huge", "giant"),
    "marlin": ("tiny", "small", "base", "large"),
}
"""Network → its variants."""


class VideoTransformer(ClipNetwork):
    """VideoMAE, V-JEPA 2 or MARLIN."""

    kind: Literal["video_transformer"]
    name: Literal[tuple(VIDEO_TRANSFORMERS)]  # type: ignore[valid-type]
    variant: Literal[tuple(VARIANTS)]  # type: ignore[valid-type]
    """Size of the network."""

    @model_validator(mode="after")
    def _check_sizes(self) -> VideoTransformer:
        check_variant("backbone.variant", self.name, self.variant)
        size, frames = self.input.size, self.input.frames or 0
        if size % PATCH:
            near = max(PATCH, round(size / PATCH) * PATCH)
            raise ValueError(f"backbone.input.size={size}: {self.name} needs a multiple of {PATCH}, such as {near}")
        if frames % TUBELET:
            raise ValueError(f"backbone.input.frames={frames}: {self.name} needs an even number, such as {frames + 1}")
        return self


def check_variant(key: str, name: str, variant: str | None) -> None:
    """Raise ``ValueError`` if a network has no such variant: of one that is none of these, any but ``None``."""
    variants = VIDEO_TRANSFORMERS.get(name, ())
    if variant not in (variants or (None,)):
        raise ValueError(f"{key}={variant or 'null'}: expected {', '.join(variants) or 'null'} with {name}")
