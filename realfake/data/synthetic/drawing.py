"""Pen and curves: head units to pixels, smooth curves through few points, anti-aliased shapes."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

LEFT, RIGHT, TOP, BOTTOM = -1.3, 1.3, -1.35, 1.4
"""The part of the head's plane that a canvas covers, in head units."""
_SHIFT = 4
_SIDES = {side: np.array([side, 1.0]) for side in (-1.0, 1.0)}


class Pen:
    """Draws on one image in head units.

    Args:
        image: Canvas, uint8, one or three channels; drawn on in place.
        unit_px: Pixels of a head unit.
    """

    def __init__(self, image: np.ndarray, unit_px: float) -> None:
        self.image = image
        self.unit_px = unit_px
        self._scale = unit_px * (1 << _SHIFT)
        self.slide((0.0, 0.0))

    def slide(self, offset: tuple[float, float]) -> None:
        """Add ``offset`` to every point from now on: features slide over the head when it turns a little."""
        self.offset = offset
        half = 0.5 * (1 << _SHIFT)
        self._at = float((offset[0] - LEFT) * self._scale - half), float((offset[1] - TOP) * self._scale - half)
        self._origin = np.array(self._at)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Fixed-point pixel positions of points in head units, shape ``(n, 2)``."""
        return np.rint(points * self._scale + self._origin).astype(np.int32)

    def fill(self, points: np.ndarray, color: tuple[float, ...] | float) -> None:
        """Fill the polygon through ``points``."""
        cv2.fillPoly(self.image, [self.pixels(points)], _scalar(color), cv2.LINE_AA, _SHIFT)

    def line(self, points: np.ndarray, color: tuple[float, ...] | float, width: float, closed: bool = False) -> None:
        """Draw through ``points`` with a pen ``width`` head units wide."""
        thick = max(1, round(width * self.unit_px))
        cv2.polylines(self.image, [self.pixels(points)], closed, _scalar(color), thick, cv2.LINE_AA, _SHIFT)

    def crease(self, points: list[tuple[float, float]], side: float, depth: float, width: float) -> None:
        """Draw a smooth line ``depth`` grey levels below the neutral 128 on one side, if it shows."""
        if depth >= 1.0:
            self.line(mirror(spline(points, 4), side), 128 - min(depth, 110.0), width)

    def form(
        self,
        center: tuple[float, float],
        radii: tuple[float, float],
        height: float,
        turn_deg: float = 0.0,
    ) -> None:
        """Fill an ellipse ``height`` grey levels above (or below) the neutral 128, if it shows."""
        if abs(height) >= 1.0:
            self.oval(center, radii, 128 + height, turn_deg)

    def oval(
        self,
        center: tuple[float, float],
        radii: tuple[float, float],
        color: tuple[float, ...] | float,
        turn_deg: float = 0.0,
    ) -> None:
        """Fill an ellipse."""
        at = tuple(round(float(x) * self._scale + x0) for x, x0 in zip(center, self._at, strict=True))
        axes = tuple(max(1, round(r * self.unit_px * (1 << _SHIFT))) for r in radii)
        cv2.ellipse(
            self.image,
            at,
            axes,
            turn_deg,
            0,
            360,
            _scalar(color),
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )


def canvas_size(unit_px: float) -> tuple[int, int]:
    """Height and width of a canvas in pixels."""
    return round((BOTTOM - TOP) * unit_px), round((RIGHT - LEFT) * unit_px)


def grid(unit_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Head units of the canvas's pixels: x of shape ``(1, width)`` and y of shape ``(height, 1)``."""
    height, width = canvas_size(unit_px)
    x = LEFT + (np.arange(width, dtype=np.float32) + 0.5) / np.float32(unit_px)
    y = TOP + (np.arange(height, dtype=np.float32) + 0.5) / np.float32(unit_px)
    return x[None, :], y[:, None]


def spline(points: np.ndarray | list[tuple[float, float]], per_span: int = 6, closed: bool = False) -> np.ndarray:
    """Catmull-Rom curve through ``points`` of shape ``(k, 2)``."""
    points = np.asarray(points, dtype=np.float64)
    return _basis(len(points), per_span, closed) @ points


@lru_cache(maxsize=64)
def _basis(k: int, per_span: int, closed: bool) -> np.ndarray:
    """Weights of ``k`` points in every sample of the curve."""
    rows = []
    for span in range(k if closed else k - 1):
        for t in np.arange(per_span) / per_span:
            weights = np.array([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2])
            row = np.zeros(k)
            for j, w in zip(range(span - 1, span + 3), weights / 2, strict=True):
                row[j % k if closed else min(max(j, 0), k - 1)] += w
            rows.append(row)
    if not closed:
        rows.append(np.eye(k)[-1])
    return np.array(rows)


def mirror(points: np.ndarray | list[tuple[float, float]], side: float) -> np.ndarray:
    """``points`` of the image's right half (``side`` 1) or their mirror image (``side`` -1)."""
    return np.asarray(points, dtype=np.float64) * _SIDES[side]


def _scalar(color: tuple[float, ...] | float) -> tuple[float, ...]:
    return tuple(float(c) for c in color) if isinstance(color, tuple) else (float(color),)
