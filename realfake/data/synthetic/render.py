"""From a trace of action units to frames: the drawn head, moved and lit, before its wall, with noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from realfake.data.synthetic.characters import Identity, Nuisance
from realfake.data.synthetic.drawing import LEFT, TOP
from realfake.data.synthetic.face import draw_face, unit_values
from realfake.data.synthetic.head import Head, draw_head, draw_wall
from realfake.data.synthetic.options import SyntheticSettings

HEAD_UNIT = 0.33
"""Size of a head unit, as a part of the frame's height."""
_MAX_UNIT_PX = 216.0
"""Canvases are not drawn larger than this; larger frames are scaled up from it."""
_GRID_HZ = 50.0


@dataclass(frozen=True)
class Movement:
    """How the head moves through a clip, and the light changes; a value a frame."""

    slide: np.ndarray
    """``(frames, 2)``: how far the features slide sideways and down over the head, in head units."""
    near: np.ndarray
    """``(frames,)``: factor of the head's size."""
    angle: np.ndarray
    """``(frames,)``, radians, clockwise."""
    at: np.ndarray
    """``(frames, 2)``: the head's origin in pixels of the frame."""
    light: np.ndarray
    """``(frames,)``: factor of the light."""


def head_px(settings: SyntheticSettings) -> tuple[float, float]:
    """Pixels of a head unit in the frame, at the usual distance, and on the canvas."""
    out_unit = HEAD_UNIT * settings.size
    return out_unit, min(max(1.6 * out_unit, 100.0), max(_MAX_UNIT_PX, out_unit / 2))


def center_px(seen: Nuisance, settings: SyntheticSettings) -> tuple[float, float]:
    """Where the head is in the frame, but for its movement."""
    height, width = settings.size, settings.frame_width
    return width * 0.5 + seen.place[0] * height, height * (0.49 + seen.place[1])


def begin(
    who: Identity, seen: Nuisance, frames: int, settings: SyntheticSettings, rng: np.random.Generator
) -> tuple[Head, Movement]:
    """Draw still layers and movement of a clip, in the order in which they use up chance."""
    head = draw_head(who, seen, head_px(settings)[1], rng)
    times = np.arange(frames) / settings.fps
    slow = [_wander(rng, settings.seconds, 0.35, times) * settings.motion for _ in range(6)]
    x, y, turn, near, yaw, pitch = slow
    center = center_px(seen, settings)
    return head, Movement(
        slide=np.stack([seen.yaw + 0.018 * yaw, seen.pitch + 0.010 * pitch], 1),
        near=1.0 + 0.012 * near,
        angle=np.deg2rad(seen.turn_deg + 1.2 * turn),
        at=np.stack([center[0] + 0.008 * settings.size * x, center[1] + 0.006 * settings.size * y], 1),
        light=1.0 + 0.012 * _wander(rng, settings.seconds, 0.7, times),
    )


def render(
    who: Identity, seen: Nuisance, trace: np.ndarray, settings: SyntheticSettings, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield the frames of a clip.

    Args:
        who: The person.
        seen: The circumstances.
        trace: Action units, ``(frames, len(COLUMNS))``.
        settings: Size, noise and movement.
        rng: Source of chance for texture, movement and noise.

    Yields:
        Frames, uint8 ``(size, frame_width, 3)`` in BGR.
    """
    height, width = settings.size, settings.frame_width
    out_unit, unit_px = head_px(settings)
    head, moves = begin(who, seen, len(trace), settings, rng)
    wall = draw_wall(who, seen, height, width, out_unit * seen.scale, center_px(seen, settings))
    tint = np.array(seen.tint) * seen.exposure
    noise = _noise_bank(rng, height, width, seen.noise_level * settings.noise)
    for t, row in enumerate(trace):
        slide, at = moves.slide[t].tolist(), moves.at[t].tolist()
        image, cover = draw_face(head, who, seen, unit_values(row), (slide[0], slide[1]), unit_px)
        scale = out_unit / unit_px * seen.scale * float(moves.near[t])
        matrix = _placement(scale, float(moves.angle[t]), (at[0], at[1]), unit_px)
        moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(cover, matrix, (width, height), flags=cv2.INTER_LINEAR)
        x, y, wide, high = cv2.boundingRect(alpha)
        part = np.s_[y : y + high, x : x + wide]  # all else is wall
        frame = wall.copy()
        if wide:
            weight = alpha[part].astype(np.float32) / 255
            frame[part] = cv2.blendLinear(moved[part], wall[part], weight, 1.0 - weight)
        dy, dx = rng.integers(0, 48, size=2)
        frame = cv2.multiply(frame, np.append(tint * moves.light[t], 1.0))
        if noise is not None:
            part = np.s_[dy : dy + height, dx : dx + width]
            frame = cv2.subtract(cv2.add(frame, noise[0][part]), noise[1][part])
        yield frame


def _placement(scale: float, angle: float, at: tuple[float, float], unit_px: float) -> np.ndarray:
    """Affine map from canvas to frame that puts the head's origin at ``at``."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    ox, oy = -LEFT * unit_px - 0.5, -TOP * unit_px - 0.5
    return np.array([[cos, -sin, at[0] - cos * ox + sin * oy], [sin, cos, at[1] - sin * ox - cos * oy]])


def _noise_bank(
    rng: np.random.Generator, height: int, width: int, level: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Sensor noise larger than a frame; each frame uses another part of it. What it adds, and what it takes away.

    Two arrays of bytes, since OpenCV adds those four times as fast as signed numbers.
    """
    if level <= 0.0:
        return None
    bank = rng.normal(0.0, level, size=(height + 48, width + 48, 3)).astype(np.float32)
    both = np.clip(np.rint(0.6 * bank + 0.6 * bank.mean(axis=2, keepdims=True)), -60, 60)
    return both.clip(0, None).astype(np.uint8), (-both).clip(0, None).astype(np.uint8)


def _wander(rng: np.random.Generator, seconds: float, cutoff_hz: float, times_sec: np.ndarray) -> np.ndarray:
    """Smooth noise of unit variance; drawn on a fixed grid, so that the frame rate does not change it."""
    n = int(np.ceil((seconds + 1.0) * _GRID_HZ))
    width = _GRID_HZ / (2 * np.pi * cutoff_hz) * 1.5
    reach = int(np.ceil(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= np.sqrt(np.sum(kernel**2))
    smooth = np.convolve(rng.normal(size=n + 2 * reach), kernel, mode="valid")
    return np.interp(times_sec, np.arange(n) / _GRID_HZ, smooth[:n])
