"""Facial action units over time: what a real and a posed expression do, and how they differ.

Prototypes follow EMFACS (Ekman & Friesen 1978; Matsumoto & Ekman 2008). Six cues tell real from posed, each a
normal score whose mean depends on authenticity, so that every cue overlaps and ``difficulty`` sets how much:

==========  ================================================================================================
cue         source
==========  ================================================================================================
onset       posed onsets are faster: Cohn & Schmidt 2004; Schmidt, Bhattacharya & Denlinger 2009
residue     what was felt before leaks: Porter & ten Brinke 2008; protocol of SASE-FE, Kulkarni et al. 2018
ripple      posed expressions are less smooth: Hess & Kleck 1990; Ekman & Friesen 1982
apex        and are held for a shorter time at a steady level: Hess & Kleck 1990
asymmetry   deliberate actions are less symmetric: Ekman, Hager & Friesen 1981
hard        units that few people move at will are weak: Ekman 2003; Gosselin et al. 2010; Mehu et al. 2012
==========  ================================================================================================

The first four need time to be seen; only the last two show in a single frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from realfake.labels import Authenticity, Emotion

SIDED = ("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15")
CENTRAL = ("AU17", "AU23", "AU24", "AU25", "AU26", "AU45")
COLUMNS: tuple[str, ...] = tuple(f"{u}_{s}" for u in SIDED for s in "LR") + CENTRAL
"""Columns of a trace: intensities 0 to 1, ``L`` and ``R`` are the person's own left and right."""

PROTOTYPES: Mapping[Emotion, Mapping[str, float]] = {
    Emotion.ANGRY: {"AU04": 1.0, "AU05": 0.45, "AU07": 0.75, "AU17": 0.3, "AU23": 0.8, "AU24": 0.75},
    Emotion.CONTEMPT: {"AU12": 0.55, "AU14": 1.0, "AU10": 0.25},
    Emotion.DISGUST: {
        "AU04": 0.35,
        "AU07": 0.45,
        "AU09": 1.0,
        "AU10": 0.9,
        "AU15": 0.25,
        "AU17": 0.2,
        "AU25": 0.35,
    },
    Emotion.HAPPY: {"AU06": 0.95, "AU12": 1.0, "AU25": 0.75},
    Emotion.SAD: {"AU01": 1.0, "AU04": 0.4, "AU15": 1.0, "AU17": 0.6},
    Emotion.SURPRISE: {"AU01": 0.95, "AU02": 1.0, "AU05": 0.9, "AU25": 0.7, "AU26": 0.9},
}
HARD: Mapping[Emotion, tuple[str, ...]] = {
    Emotion.ANGRY: ("AU23", "AU24"),
    Emotion.CONTEMPT: ("AU14",),
    Emotion.DISGUST: ("AU09",),
    Emotion.HAPPY: ("AU06",),
    Emotion.SAD: ("AU01", "AU04"),
    Emotion.SURPRISE: ("AU05",),
}
"""The units of each prototype that are hardest to move at will."""

OPPOSITE: Mapping[Emotion, Emotion] = {
    Emotion.ANGRY: Emotion.HAPPY,
    Emotion.CONTEMPT: Emotion.HAPPY,
    Emotion.DISGUST: Emotion.HAPPY,
    Emotion.HAPPY: Emotion.SAD,
    Emotion.SAD: Emotion.HAPPY,
    Emotion.SURPRISE: Emotion.DISGUST,
}
"""The emotion that was watched before each posed one, in SASE-FE's protocol."""

SEPARATION: Mapping[str, float] = {
    "onset": 1.8,
    "residue": 1.8,
    "ripple": 0.7,
    "apex": 0.4,
    "asymmetry": 0.4,
    "hard": 0.5,
}
"""Half the distance of the two authenticities' mean scores at difficulty 0, in standard deviations."""

WEAK_SIDE = 0.12
"""Contempt is unilateral: what the other side does, as a part of the leading side."""
_GRID_HZ = 50.0


@dataclass(frozen=True)
class Style:
    """How one clip's expression runs; all times in seconds, already scaled to the clip."""

    middle_sec: float
    """Moment of half intensity, drawn alike for real and posed, so that an apex frame does not tell."""
    onset_sec: float
    hold_sec: float
    fall_sec: float
    floor: float
    """Part of the intensity that is left after the apex."""
    intensity: float
    ripple: float
    residue: float
    residue_sec: float
    asymmetry: float
    lag_sec: float
    hard: float
    leading: int
    """Side that leads, 0 = left."""


def draw_style(rng: np.random.Generator, authenticity: Authenticity, difficulty: float, seconds: float) -> Style:
    """Draw how one clip runs. The number of draws does not depend on the authenticity."""
    sign = 1.0 if authenticity == Authenticity.FAKE else -1.0
    score = {cue: rng.normal() + sign * (1.0 - difficulty) * s for cue, s in SEPARATION.items()}
    scale = min(1.0, seconds / 3.0)
    onset = float(np.clip(0.40 * np.exp(-0.58 * score["onset"]), 0.08, 1.5))
    asymmetry = 0.09 * np.exp(0.5 * score["asymmetry"])
    return Style(
        middle_sec=scale * max(rng.uniform(0.85, 1.1), 0.5 * onset + 0.1),
        onset_sec=scale * onset,
        hold_sec=seconds / 3.0 * 1.35 * np.exp(-0.35 * score["apex"]),
        fall_sec=scale * rng.uniform(0.4, 0.9),
        floor=rng.uniform(0.35, 0.75),
        intensity=float(np.clip(rng.normal(0.88, 0.1), 0.6, 1.05)),
        ripple=float(np.clip(0.07 * np.exp(0.5 * score["ripple"]), 0.0, 0.3)),
        residue=float(np.clip(0.36 + 0.33 * score["residue"], 0.0, 0.9)),
        residue_sec=scale * rng.uniform(0.5, 0.7),
        asymmetry=float(np.clip(asymmetry, 0.0, 0.45)),
        lag_sec=scale * 0.25 * float(np.clip(asymmetry, 0.0, 0.4)),
        hard=float(np.clip(0.70 - 0.24 * score["hard"], 0.05, 1.15)),
        leading=int(rng.integers(2)),
    )


def draw_trace(
    rng: np.random.Generator,
    emotion: Emotion,
    authenticity: Authenticity,
    difficulty: float,
    times_sec: np.ndarray,
    seconds: float,
) -> np.ndarray:
    """Draw the action units of one clip.

    Args:
        rng: Source of chance, used up in the same way for real and posed.
        emotion: What is shown.
        authenticity: Whether it is felt.
        difficulty: 0 to 1, see :class:`~realfake.data.synthetic.settings.SyntheticSettings`.
        times_sec: Moments of the frames, shape ``(frames,)``; their number changes nothing else.
        seconds: Length of the clip.

    Returns:
        Intensities from 0 to 1, float32 of shape ``(frames, len(COLUMNS))``.
    """
    style = draw_style(rng, authenticity, difficulty, seconds)
    shared = wander(rng, seconds, 3.0, times_sec)
    trace = np.zeros((len(times_sec), len(COLUMNS)))
    before = style.residue * (1.0 - _rise(times_sec, style.residue_sec - 0.15, min(0.3, style.residue_sec)))
    first, main = PROTOTYPES[OPPOSITE[emotion]], PROTOTYPES[emotion]
    for i, column in enumerate(COLUMNS):
        unit, _, side = column.partition("_")
        wobble = 0.8 * shared + 0.6 * wander(rng, seconds, 3.0, times_sec)
        spread, lag, rest = rng.normal(0.0, [0.12, 0.03, 0.012])
        if unit == "AU45":
            trace[:, i] = _blinks(rng, times_sec, seconds)
            continue
        target = main.get(unit, 0.0) * style.intensity * np.exp(spread)
        if unit in HARD[emotion]:
            target *= style.hard
        leads = side != "" and "LR".index(side) == style.leading
        if side:
            target *= 1.0 + style.asymmetry if leads else 1.0 - style.asymmetry
            if emotion == Emotion.CONTEMPT and not leads:
                target *= WEAK_SIDE
        late = lag + (style.lag_sec if side and not leads else 0.0)
        shape = _rise(times_sec - late, style.middle_sec, style.onset_sec)
        end = style.middle_sec + style.onset_sec / 2 + style.hold_sec + style.fall_sec / 2
        shape = shape * (1.0 - (1.0 - style.floor) * _rise(times_sec, end, style.fall_sec))
        left_over = first.get(unit, 0.0) * before
        trace[:, i] = target * shape * (1.0 + style.ripple * wobble) + left_over + abs(rest)
    return np.clip(trace, 0.0, 1.0).astype(np.float32)


def _rise(times_sec: np.ndarray, middle_sec: float, duration_sec: float) -> np.ndarray:
    """Raised cosine from 0 to 1 around ``middle_sec``."""
    x = np.clip((times_sec - middle_sec) / max(duration_sec, 1e-6) + 0.5, 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * x)


def wander(rng: np.random.Generator, seconds: float, cutoff_hz: float, times_sec: np.ndarray) -> np.ndarray:
    """Smooth noise of unit variance; drawn on a fixed grid, so that the frame rate does not change it."""
    n = int(np.ceil((seconds + 1.0) * _GRID_HZ))
    width = _GRID_HZ / (2 * np.pi * cutoff_hz) * 1.5
    reach = int(np.ceil(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= np.sqrt(np.sum(kernel**2))
    smooth = np.convolve(rng.normal(size=n + 2 * reach), kernel, mode="valid")
    return np.interp(times_sec, np.arange(n) / _GRID_HZ, smooth[:n])


def _blinks(rng: np.random.Generator, times_sec: np.ndarray, seconds: float) -> np.ndarray:
    """Blinks of about a quarter second at about 18 a minute."""
    closed = np.zeros(len(times_sec))
    for start in rng.uniform(0.0, seconds, size=rng.poisson(0.3 * seconds)):
        closed = np.maximum(closed, np.exp(-(((times_sec - start) / 0.07) ** 2)))
    return closed
