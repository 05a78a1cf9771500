"""What stays the same within a clip: shaded head without features, hair, neck, clothes, and the wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from realfake.data.synthetic.characters import Identity, Nuisance
from realfake.data.synthetic.drawing import BOTTOM, Pen, canvas_size, grid, spline


@dataclass(frozen=True)
class Head:
    """Still layers of a head on its canvas."""

    back: np.ndarray
    """What lies behind the face: hair and ears; uint8 ``(height, width, 3)``."""
    outline: np.ndarray
    """Where ``back`` is, 0 to 255, ``(height, width)``."""
    skin: np.ndarray
    """Shaded skin, and the hair that falls over it, as large as the canvas."""


def face_outline(who: Identity, drop: float = 0.0) -> np.ndarray:
    """Outline of the face; ``drop`` is how far the jaw has sunk."""
    w, j, c = 0.74 * who.face_width, who.face_width * who.jaw_width, who.chin
    right = [(0.40 * w / 0.74, -0.95), (0.63 * w / 0.74, -0.66), (w, -0.2), (0.965 * w, 0.22)]
    right += [(0.60 * j, 0.58 + 0.35 * drop), (0.36 * j, 0.88 * c + 0.85 * drop), (0.13, 1.0 * c + drop)]
    left = [(-x, y) for x, y in reversed(right)]
    return spline([(0.0, -1.02), *right, *left], 5, closed=True)


def draw_head(who: Identity, seen: Nuisance, unit_px: float, rng: np.random.Generator) -> Head:
    """Draw the still layers of a head lit as ``seen`` says."""
    height, width = canvas_size(unit_px)
    x, y = grid(unit_px)
    light = _lambert(x, y, seen)
    back = np.empty((height, width, 3), np.uint8)
    back[:] = np.array(who.hair) * 0.94
    outline = np.zeros((height, width), np.uint8)
    pens = (Pen(back, unit_px), Pen(outline, unit_px))
    dark = tuple(0.62 * c for c in who.skin)
    for points in _hair_back(who):
        pens[0].fill(points, tuple(0.94 * c for c in who.hair))
        pens[1].fill(points, 255)
    for side in (-1.0, 1.0):
        at = (side * 0.755 * who.face_width, 0.02)
        if who.hair_style not in ("long",):
            pens[0].oval(at, (0.085 * who.ear, 0.2 * who.ear), tuple(0.88 * c for c in who.skin), side * 6)
            pens[0].oval((at[0] + side * 0.01, at[1]), (0.04 * who.ear, 0.12 * who.ear), dark, side * 6)
            pens[1].oval(at, (0.085 * who.ear, 0.2 * who.ear), 255, side * 6)
    strands = _strands(height, width, rng)
    hair_shade = (0.55 + 0.55 * light) * strands
    back = np.clip(back * hair_shade[..., None], 0, 255).astype(np.uint8)

    skin = np.array(who.skin, np.float32) * _relief(x, y, who, light, rng)[..., None]
    red = np.exp(-(((np.abs(x) - 0.42) / 0.2) ** 2) - ((y - 0.24) / 0.18) ** 2)
    skin *= 1.0 - red[..., None] * np.array([0.09, 0.07, 0.0], np.float32)
    skin = _beard(skin, x, y, who, rng)
    front = np.zeros((height, width), np.uint8)
    for points in _hair_front(who):
        Pen(front, unit_px).fill(points, 255)
    cover = cv2.GaussianBlur(front, (0, 0), 0.012 * unit_px).astype(np.float32)[..., None] / 255
    hair = np.array(who.hair, np.float32) * hair_shade[..., None]
    shadow = cv2.GaussianBlur(front, (0, 0), 0.05 * unit_px).astype(np.float32)[..., None] / 255
    skin = skin * (1.0 - 0.3 * shadow) * (1.0 - cover) + hair * cover
    return Head(back, outline, np.clip(skin, 0, 255).astype(np.uint8))


def draw_wall(
    who: Identity, seen: Nuisance, height: int, width: int, unit_px: float, center: tuple[float, float]
) -> np.ndarray:
    """Draw the wall, and the neck and shoulders in front of it, on a frame of ``height`` × ``width``."""
    rng = np.random.default_rng(seen.pattern_seed)
    low = rng.normal(1.0, 0.10, size=(4, 5, 1)).astype(np.float32)
    wall: npt.NDArray[Any] = cv2.resize(low, (width, height), interpolation=cv2.INTER_CUBIC)[..., None] * np.array(
        seen.wall, np.float32
    )
    if seen.pattern == 1:  # a vertical edge, such as a door or curtain
        edge = rng.uniform(0.05, 0.25) if rng.random() < 0.5 else rng.uniform(0.75, 0.95)
        wall[:, int(edge * width) :] *= rng.uniform(0.75, 1.2)
    elif seen.pattern == 2:  # a shelf or a skirting
        wall[int(rng.uniform(0.1, 0.4) * height) :] *= rng.uniform(0.8, 1.15)
    elif seen.pattern == 3:  # something blurred on the wall
        at = rng.uniform([0.0, 0.0], [0.2, 0.4]) if rng.random() < 0.5 else rng.uniform([0.8, 0.0], [1.0, 0.4])
        blob = np.zeros((height, width), np.float32)
        cv2.circle(blob, (int(at[0] * width), int(at[1] * height)), int(rng.uniform(0.08, 0.2) * height), 1.0, -1)
        wall *= 1.0 + rng.uniform(-0.3, 0.3) * cv2.GaussianBlur(blob, (0, 0), 0.03 * height)[..., None]
    image = np.clip(wall, 0, 255).astype(np.uint8)
    cx, cy = center

    def fill(points: list[tuple[float, float]], color: tuple[float, ...]) -> None:
        curve = spline(points, 8, closed=False) * unit_px + np.array([cx, cy])
        cv2.fillPoly(image, [np.rint(curve * 16).astype(np.int32)], color, cv2.LINE_AA, 4)

    far = 3.0
    if who.hair_style == "long":
        fill(
            [(-0.80, -0.3), (-0.86, 0.5), (-0.92, 1.35), (0.92, 1.35), (0.86, 0.5), (0.80, -0.3)],
            tuple(0.55 * c for c in who.hair),
        )
    fill(
        [(-0.47, 0.3), (-0.46, 1.1), (-0.66, 1.5), (0.66, 1.5), (0.46, 1.1), (0.47, 0.3)],
        tuple(0.66 * c for c in who.skin),
    )
    shoulders = [
        (-0.50, 1.14),
        (-0.8, 1.32),
        (-1.4, 1.52),
        (-1.75, 2.0),
        (-1.9, far),
        (1.9, far),
        (1.75, 2.0),
        (1.4, 1.52),
        (0.8, 1.32),
        (0.50, 1.14),
        (0.3, 1.32),
        (0.0, 1.42),
        (-0.3, 1.32),
        (-0.50, 1.14),
    ]
    fill(shoulders, who.clothes)
    return cv2.GaussianBlur(image, (0, 0), max(0.4, 0.008 * unit_px))


def _lambert(x: np.ndarray, y: np.ndarray, seen: Nuisance) -> np.ndarray:
    """Light on an egg-shaped head."""
    nx, ny = x / 0.98, y / 1.30
    nz = np.sqrt(np.clip(1.0 - nx**2 - ny**2, 0.02, None))
    shade = np.clip(nx * seen.light[0] + ny * seen.light[1] + nz * seen.light[2], 0.0, None)
    return (seen.ambient + (1.12 - seen.ambient) * shade).astype(np.float32)


def _relief(x: np.ndarray, y: np.ndarray, who: Identity, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness of the skin: light, hollows, ridges and texture."""

    def spot(cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        both = 0.0 if cx == 0 else 1.0
        return np.exp(-(((np.abs(x) * both + x * (1 - both) - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)

    nose = 0.26 + who.nose_length
    shade: npt.NDArray[Any] = light * (1.0 - 0.34 * spot(who.eye_gap, -0.16, 0.21, 0.10))
    shade *= 1.0 - 0.18 * spot(0.15, -0.2, 0.06, 0.12)  # the corners between eyes and nose
    shade *= 1.0 - 0.13 * spot(0.13 * who.nose_width, 0.10, 0.045, 0.18)
    shade *= 1.0 + 0.12 * spot(0.0, -0.02, 0.05, 0.26) + 0.12 * spot(0.0, nose - 0.05, 0.07, 0.06)
    shade *= 1.0 - 0.22 * spot(0.0, nose + 0.11, 0.13, 0.05)
    shade *= 1.0 + 0.09 * spot(0.40, 0.16, 0.17, 0.13) + 0.07 * spot(0.0, -0.55, 0.4, 0.18)
    shade *= 1.0 - 0.13 * spot(0.0, 0.735 + who.mouth_y, 0.16, 0.045) + 0.06 * spot(0.0, 0.88, 0.13, 0.08)
    shade *= 1.0 - 0.12 * spot(0.62, 0.45, 0.14, 0.2)
    height, width = shade.shape
    coarse = rng.normal(0.0, 0.02, size=(max(2, height // 12), max(2, width // 12))).astype(np.float32)
    shade *= 1.0 + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if who.freckles:
        dots: npt.NDArray[Any] = (rng.random((height // 3, width // 3)) < 0.05).astype(np.float32)
        dots = cv2.GaussianBlur(cv2.resize(dots, (width, height), interpolation=cv2.INTER_NEAREST), (0, 0), 1.0)
        shade *= 1.0 - 0.3 * who.freckles * dots * spot(0.25, 0.15, 0.3, 0.2)
    return shade.astype(np.float32)


def _beard(skin: np.ndarray, x: np.ndarray, y: np.ndarray, who: Identity, rng: np.random.Generator) -> np.ndarray:
    if who.beard <= 0.0:
        return skin
    edge = 0.62 - 0.75 * np.clip(np.abs(x) - 0.36, 0.0, None)
    area = 1.0 / (1.0 + np.exp(-(y - edge) / 0.05))
    mouth = np.exp(-((x / 0.30) ** 4) - ((y - 0.60 - who.mouth_y) / 0.15) ** 4)
    area = area * (1.0 - mouth) * (y < BOTTOM)
    grain = rng.normal(1.0, 0.16, size=area.shape).astype(np.float32)
    cover = np.clip(who.beard * 0.85 * area * grain, 0.0, 0.92)[..., None].astype(np.float32)
    return skin * (1.0 - cover) + np.array(who.brow, np.float32) * cover


def _strands(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0.0, 0.17, size=(max(2, height // 10), width // 2)).astype(np.float32)
    return 1.0 + cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def _hair_back(who: Identity) -> list[np.ndarray]:
    w = who.face_width
    if who.hair_style == "bald":
        return []
    lift = {"short": 0.0, "side": 0.02, "long": 0.03, "bun": 0.0, "curly": 0.08}[who.hair_style]
    low = {"short": -0.12, "side": -0.08, "long": 0.95, "bun": -0.1, "curly": 0.1}[who.hair_style]
    wide = {"short": 0.80, "side": 0.82, "long": 0.86, "bun": 0.79, "curly": 0.92}[who.hair_style] * w
    top = -1.15 - lift
    right = [(0.5 * w, top + 0.12), (wide, -0.62), (wide, (low - 0.6) / 2), (0.94 * wide, low)]
    shapes = [spline([(0.0, top), *right, *[(-a, b) for a, b in reversed(right)]], 6, closed=True)]
    if who.hair_style == "bun":
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        shapes.append(np.stack([0.27 * np.cos(angles), -1.16 + 0.17 * np.sin(angles)], axis=1))
    if who.hair_style == "curly":
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        for a in np.linspace(-np.pi * 1.02, 0.02 * np.pi, 11):
            shapes.append(0.2 * ring + np.array([0.8 * w * np.cos(a), -0.38 + 0.76 * np.sin(a)]))
    return shapes


def _hair_front(who: Identity) -> list[np.ndarray]:
    """Hair over the forehead and the temples."""
    if who.hair_style == "bald":
        return []
    line, w = who.hairline, 0.78 * who.face_width
    top = [(-1.0, -0.6), (-0.7, -1.3), (0.7, -1.3), (1.0, -0.6)]
    if who.hair_style == "side":
        lower = [
            (w, -0.25),
            (0.62, -0.58),
            (0.30, line - 0.06),
            (-0.25, line + 0.05),
            (-0.58, -0.5),
            (-w, -0.2),
        ]
    elif who.hair_style == "curly":
        bumps = [(0.45, line + 0.08), (0.3, line), (0.15, line + 0.05), (0.0, line - 0.02)]
        half = [(w, -0.2), (0.64, -0.5), *bumps]
        lower = half + [(-a, b) for a, b in reversed(half[:-1])]
    elif who.hair_style == "long":
        half = [
            (0.93 * w, 0.62),
            (0.97 * w, 0.2),
            (0.90 * w, -0.25),
            (0.66, -0.52),
            (0.32, line - 0.02),
            (0.0, -0.92),
        ]
        lower = half + [(-a, b) for a, b in reversed(half[:-1])]
        top = [(-1.2, 0.5), *top, (1.2, 0.5)]
    else:
        half = [(w, -0.22), (0.66, -0.50), (0.52, line + 0.03), (0.25, line - 0.04), (0.0, line - 0.02)]
        lower = half + [(-a, b) for a, b in reversed(half[:-1])]
    return [np.concatenate([np.array(top), spline(lower, 6)])]
