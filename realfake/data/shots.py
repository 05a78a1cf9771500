"""Where one shot of a video ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CUT_LEVELS = 12.0
"""Mean change of a pixel, in levels of 256, below which there is no cut."""
CUT_RATIO = 3.0
"""A cut changes the picture this many times as much as the frames around it change."""
_NEIGHBOURS = 2
"""Frames on each side that say how much the picture changes anyway."""
_GRID = 48
"""Columns of the reduced picture on which changes are measured."""


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
