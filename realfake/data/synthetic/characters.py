"""Who is seen and under which circumstances: identity of a person, nuisance of a clip.

Nothing here knows the emotion or whether it is felt, so neither can be told from a person or a circumstance.
Lengths are in *head units*: the origin lies between eyes and mouth, y points down, a head is about two high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""

_SKIN = ((236, 200, 176), (224, 182, 152), (208, 160, 126), (190, 140, 106), (164, 116, 84), (134, 92, 66))
_HAIR = (
    (28, 24, 24),
    (48, 34, 28),
    (78, 52, 36),
    (120, 82, 50),
    (176, 136, 84),
    (140, 66, 36),
    (120, 116, 112),
)
_IRIS = ((70, 44, 28), (90, 62, 36), (92, 104, 60), (84, 116, 140), (104, 112, 116))
_CLOTHES = (
    (60, 70, 96),
    (120, 40, 44),
    (44, 84, 66),
    (150, 146, 140),
    (40, 40, 46),
    (170, 150, 90),
    (96, 66, 110),
)
_WALLS = (
    (176, 178, 176),
    (140, 152, 164),
    (172, 164, 146),
    (118, 124, 128),
    (150, 168, 152),
    (196, 190, 182),
)
HAIR_STYLES = ("short", "side", "long", "bun", "bald", "curly")


@dataclass(frozen=True)
class Identity:
    """One person's looks."""

    skin: Color
    hair: Color
    brow: Color
    iris: Color
    lips: Color
    clothes: Color
    hair_style: str
    face_width: float
    jaw_width: float
    chin: float
    hairline: float
    eye_gap: float
    eye_width: float
    eye_open: float
    brow_height: float
    brow_thick: float
    brow_arch: float
    nose_width: float
    nose_length: float
    mouth_width: float
    mouth_y: float
    lip_full: float
    corner_rest: float
    ear: float
    glasses: int
    """0 none, 1 round, 2 rectangular."""
    beard: float
    """0 none to 1 full."""
    moustache: float
    freckles: float
    fold: float
    """Depth of the folds at rest, deeper with age."""


@dataclass(frozen=True)
class Nuisance:
    """One clip's circumstances."""

    light: tuple[float, float, float]
    """Direction of the light: right, down, towards the viewer."""
    ambient: float
    exposure: float
    tint: Color
    """Factor of each channel."""
    wall: Color
    pattern: int
    pattern_seed: int
    place: tuple[float, float]
    """Centre of the head, as an offset in parts of the frame's height."""
    turn_deg: float
    scale: float
    yaw: float
    pitch: float
    noise_level: float
    gaze: tuple[float, float]


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw a person."""
    tone = rng.uniform(0, len(_SKIN) - 1)
    skin = _between(_SKIN, tone) * rng.normal(1.0, 0.02, size=3)
    dark = tone / (len(_SKIN) - 1)
    hair = np.array(_HAIR[int(rng.choice(len(_HAIR), p=_hair_odds(dark)))]) * rng.uniform(0.85, 1.15)
    lips = skin * np.array([0.86, 0.60, 0.60]) + np.array([rng.uniform(0, 18), 0, rng.uniform(0, 12)])
    male = rng.random() < 0.6
    style = str(
        rng.choice(HAIR_STYLES, p=(0.42, 0.26, 0.02, 0.0, 0.14, 0.16) if male else (0.1, 0.16, 0.4, 0.2, 0.0, 0.14))
    )
    beard = male * (rng.random() < 0.35) * rng.uniform(0.3, 1.0)
    return Identity(
        skin=_bgr(skin),
        hair=_bgr(hair),
        brow=_bgr(0.75 * np.minimum(hair, 0.55 * skin) + 0.05 * skin),
        iris=_bgr(np.array(_IRIS[int(rng.integers(len(_IRIS)))])),
        lips=_bgr(lips),
        clothes=_bgr(np.array(_CLOTHES[int(rng.integers(len(_CLOTHES)))])),
        hair_style=style,
        face_width=rng.uniform(0.92, 1.06),
        jaw_width=rng.uniform(0.88, 1.08) + 0.04 * male,
        chin=rng.uniform(0.95, 1.06),
        hairline=rng.uniform(-0.80, -0.70),
        eye_gap=rng.uniform(0.315, 0.355),
        eye_width=rng.uniform(0.155, 0.185),
        eye_open=rng.uniform(0.9, 1.12),
        brow_height=rng.uniform(-0.02, 0.025),
        brow_thick=rng.uniform(0.85, 1.25) if male else rng.uniform(0.6, 0.95),
        brow_arch=rng.uniform(0.6, 1.3),
        nose_width=rng.uniform(0.88, 1.18),
        nose_length=rng.uniform(-0.03, 0.03),
        mouth_width=rng.uniform(0.92, 1.1),
        mouth_y=rng.uniform(-0.025, 0.025),
        lip_full=rng.uniform(0.8, 1.3),
        corner_rest=rng.normal(0.0, 0.012),
        ear=rng.uniform(0.85, 1.15),
        glasses=int(rng.choice(3, p=(0.8, 0.1, 0.1))),
        beard=float(beard),
        moustache=float((beard > 0.0) * (rng.random() < 0.8) * beard),
        freckles=float((rng.random() < 0.2) * (1.0 - dark)),
        fold=rng.uniform(0.05, 0.35),
    )


def draw_nuisance(rng: np.random.Generator) -> Nuisance:
    """Draw the circumstances of a clip."""
    side, height = rng.uniform(-0.7, 0.7), rng.uniform(-0.75, -0.1)
    light = np.array([side, height, 1.0])
    light /= np.linalg.norm(light)
    warm = rng.uniform(-0.06, 0.06)
    return Nuisance(
        light=(float(light[0]), float(light[1]), float(light[2])),
        ambient=rng.uniform(0.45, 0.65),
        exposure=rng.uniform(0.86, 1.1),
        tint=(1.0 - warm, 1.0, 1.0 + warm),
        wall=_bgr(np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.6, 1.1)),
        pattern=int(rng.integers(4)),
        pattern_seed=int(rng.integers(2**31)),
        place=(rng.uniform(-0.05, 0.05), rng.uniform(-0.03, 0.03)),
        turn_deg=rng.uniform(-4.0, 4.0),
        scale=rng.uniform(0.92, 1.06),
        yaw=rng.uniform(-0.035, 0.035),
        pitch=rng.uniform(-0.02, 0.02),
        noise_level=rng.uniform(1.5, 4.0),
        gaze=(rng.uniform(-0.02, 0.02), rng.uniform(-0.01, 0.015)),
    )


def _hair_odds(dark: float) -> np.ndarray:
    light = 1.0 - dark
    odds = np.array([1.0, 1.0, 0.9 * light, 0.8 * light, 0.7 * light**2, 0.35 * light**2, 0.25])
    return odds / odds.sum()


def _between(colors: tuple[tuple[int, int, int], ...], position: float) -> np.ndarray:
    low = min(int(position), len(colors) - 2)
    part = position - low
    return (1.0 - part) * np.array(colors[low], float) + part * np.array(colors[low + 1], float)


def _bgr(rgb: np.ndarray) -> Color:
    blue, green, red = (float(v) for v in np.clip(rgb, 0, 255)[::-1])
    return blue, green, red
