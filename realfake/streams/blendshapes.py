"""The 52 blendshapes of the published landmarker, and facial action units approximated from them."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from realfake.config.landmarks import BLENDSHAPES, UNITS

INPUT_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478),
)  # fmt: skip
"""The landmarks that the blendshapes are computed from: those of brows, eyes, nose, mouth, outline and irises."""


def _both(shape: str, factor: float = 0.5) -> dict[str, float]:
    """The mean of a shape's left and right."""
    return {f"{shape}Left": factor, f"{shape}Right": factor}


_TABLE = MappingProxyType(
    {
        "AU01": {"browInnerUp": 1.0},
        "AU02": _both("browOuterUp"),
        "AU04": _both("browDown"),
        "AU05": _both("eyeWide"),
        "AU06": _both("cheekSquint"),
        "AU07": _both("eyeSquint"),
        "AU09": _both("noseSneer"),
        "AU10": _both("mouthUpperUp"),
        "AU12": _both("mouthSmile"),
        "AU14": _both("mouthDimple"),
        "AU15": _both("mouthFrown"),
        "AU16": _both("mouthLowerDown"),
        "AU17": {"mouthShrugLower": 1.0},
        "AU18": {"mouthPucker": 1.0},
        "AU20": _both("mouthStretch"),
        "AU22": {"mouthFunnel": 1.0},
        "AU24": _both("mouthPress"),
        "AU25": {"jawOpen": 1.0, "mouthClose": -1.0, **_both("mouthLowerDown"), **_both("mouthUpperUp")},
        "AU26": {"jawOpen": 1.0},
        "AU28": {"mouthRollLower": 0.5, "mouthRollUpper": 0.5},
        "AU29": {"jawForward": 1.0},
        "AU34": {"cheekPuff": 1.0},
        "AU45": _both("eyeBlink"),
    }
)

_WEIGHTS = np.array([[_TABLE[unit].get(shape, 0.0) for shape in BLENDSHAPES] for unit in UNITS], np.float32)


def units_of(blendshapes: np.ndarray) -> np.ndarray:
    """Facial action units, approximated from blendshapes; the mean of both sides.

    The units of the Facial Action Coding System (Ekman, Friesen & Hager 2002) are visible actions of muscles; ARKit's
    shapes (Apple, ``ARFaceAnchor.BlendShapeLocation``) were named after what moves. The table joins those whose
    descriptions agree, as the public translation by an expression researcher does (M. Ozel, "ARKit to FACS cheat
    sheet", melindaozel.com). It was fitted to nothing: intensities are not the letters A to E of a coder. AU25 (lips
    part) has no shape of its own; it adds up what opens them. The published network hardly ever answers with
    ``cheekSquint``: AU06 stays near 0 even where cheeks are raised.

    Args:
        blendshapes: (..., 52) in the order of :data:`realfake.config.landmarks.BLENDSHAPES`.

    Returns:
        (..., 23) float32 in the order of :data:`realfake.config.landmarks.UNITS`, 0 to 1.
    """
    return np.clip(blendshapes @ _WEIGHTS.T, 0.0, 1.0).astype(np.float32)
