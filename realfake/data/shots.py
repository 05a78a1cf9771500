"""Where one shot of a video ends and the next begins, and whether two pictures of a face look alike."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from realfake.config import NoFace
from realfake.data.faces import Box, crop

CUT_LEVELS = 12.0
"""Mean change of a pixel, in levels of 256, below which there is no cut."""
CUT_RATIO = 3.0
"""A cut changes the picture this many times as much as the frames around it change."""
_NEIGHBOURS = 2
"""Frames on each side that say how much the picture changes anyway."""
_GRID = 48
"""Columns of the reduced picture on which changes are measured."""

LOOKS_ALIKE = 0.5
"""Likeness from which two pictures count as of one face. Moments of one talking head up to a second apart have at least
0.45, mostly 0.7; what is no face has 0.45 at most in 19 of 20 places (tried on trees, streets and bicycles)."""
_PATCH = 16
"""Side in pixels of the reduced picture of a face that is compared."""
_ROOM = 1.6
"""The other face is looked for in a picture so many times as large."""
_PLAIN = NoFace(name="none")


def reduced(image: np.ndarray) -> np.ndarray:
    """Few pixels of a picture, evenly spread: uint8 (H, W, 3) → int16 (h, w, 3), at most 95 columns wide."""
    step = max(1, image.shape[1] // _GRID)
    return image[step // 2 :: step, step // 2 :: step].astype(np.int16)


def cuts(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Which frames begin a new shot: their picture is another than the one before, and the change is sudden.

    A camera that pans changes the picture all the time; a cut changes it once, so that the change is compared with the
    changes on each side (the smaller mean of the two, since a short insert has two cuts close together).

    Args:
        pictures: Of :func:`reduced`, in the order of time.

    Returns:
        (n,) bool; the first frame begins no shot by itself, as nothing is known of what was before.
    """
    n = len(pictures)
    found = np.zeros(n, bool)
    change = np.zeros(n)
    for i in range(1, n):
        a, b = pictures[i - 1], pictures[i]
        change[i] = 255.0 if a.shape != b.shape else float(np.abs(a - b).mean())
    for i in range(1, n):
        before, after = change[max(1, i - _NEIGHBOURS) : i], change[i + 1 : i + 1 + _NEIGHBOURS]
        around = min((float(side.mean()) for side in (before, after) if len(side)), default=0.0)
        found[i] = change[i] >= max(CUT_LEVELS, CUT_RATIO * around)
    return found


def likeness(image: np.ndarray, box: Box, other_image: np.ndarray, other_box: Box) -> float:
    """How alike two pictures of a face are: the highest normalised correlation of their patterns of light and dark.

    The first face, reduced to 16 pixels, is looked for around the place of the other, so that a box that is not quite
    in place does no harm. It tells a face from what is none, and a person from one who looks different; it does not
    recognise people.

    Args:
        image: uint8 (H, W, 3), RGB.
        box: The face in ``image``, in its pixels.
        other_image: uint8 (H, W, 3), RGB.
        other_box: The face in ``other_image``.

    Returns:
        -1 to 1; 0 if a box lies outside of its image or there is no pattern in it.
    """
    try:
        face = _grey(image, box, 1.0)
        place = _grey(other_image, other_box, _ROOM)
    except ValueError:
        return 0.0
    if face.std() < 1.0:
        return 0.0
    found = cv2.matchTemplate(place, face, cv2.TM_CCOEFF_NORMED)
    return float(found[np.isfinite(found)].max(initial=0.0))


def _grey(image: np.ndarray, box: Box, room: float) -> np.ndarray:
    side = room * max(box.width, box.height)
    wide = Box(box.x + (box.width - side) / 2, box.y + (box.height - side) / 2, side, side)
    return cv2.cvtColor(crop(image, wide, _PLAIN, round(room * _PATCH)), cv2.COLOR_RGB2GRAY)
