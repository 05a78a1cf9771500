"""How faces are found: the group ``face``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realfake.config.base import Fraction, Positive, Strict


class _Face(Strict):
    margin: Annotated[float, Field(ge=0.0, le=1.0)]
    """Added on each side of the detected box, as a part of its side."""
    detect_every_sec: Positive
    """Time between two frames on which the detector runs; the box is interpolated in between."""
    detect_width: Annotated[int, Field(ge=80)]
    """Width in pixels to which a wider frame is reduced for detection."""
    min_face: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Smallest face, as a part of the frame's shorter side."""


class HaarFace(_Face):
    """OpenCV's ``haarcascade_frontalface_alt2``."""

    name: Literal["haar"]


class _EyesFace(_Face):
    weights: str | None
    """Path of ``face_detection_yunet_2023mar.onnx``; null = that of the folder of published files, downloaded once."""
    sha256: str | None
    """Expected checksum of the weights file; null = the published file's."""
    score: Fraction
    align: bool
    """Turn each crop so that the eyes are level, and do nothing else to it."""


class YunetFace(_EyesFace):
    """OpenCV's ``FaceDetectorYN``."""

    name: Literal["yunet"]


class AutoFace(_EyesFace):
    """``yunet`` if its weights are at hand or can be had, else ``haar``: see :mod:`realfake.data.face_choice`."""

    name: Literal["auto"]


class NoFace(Strict):
    """Videos that are cropped to the face already."""

    name: Literal["none"]


FaceConfig = Annotated[HaarFace | YunetFace | AutoFace | NoFace, Field(discriminator="name")]
