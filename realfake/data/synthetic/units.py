"""Facial action units over time: what a real and a posed expression do, and how they differ.

Prototypes follow EMFACS (Ekman & Friesen 1978; Matsumoto & Ekman 2008). Five cues tell real from posed, each a
normal score whose mean depends on authenticity, so that every cue overlaps and ``difficulty`` sets how much. The
literature names what differs; how it runs over time is this generator's choice:

==========  ================================================================================================
cue         posed expressions, compared with felt ones
==========  ================================================================================================
steps       rise and fall in fast jumps between pauses, not smoothly: Hess & Kleck 1990; onsets are faster: Cohn &
            Schmidt 2004; Schmidt, Bhattacharya & Denlinger 2009
ripple      wax and wane, where a felt one stays as strong as it is: Hess & Kleck 1990; Ekman & Friesen 1982
residue     what was felt before springs up and dies away; the flickers of a felt one grow and break off: leaks of
            other emotions, Porter & ten Brinke 2008; protocol of SASE-FE, Kulkarni et al. 2018
asymmetry   change the side that leads: deliberate actions are less symmetric, Ekman, Hager & Friesen 1981
hard        do not keep up units that few people move at will: Ekman 2003; Gosselin et al. 2010; Mehu et al. 2012
==========  ================================================================================================

**No single moment tells.** A cue sets how fast something changes or in which direction, never what may be seen: phases
are drawn evenly, and a wave that starts anywhere is, at any one moment, distributed alike for every pace and for either
direction of time. So at each moment all units together have the same distribution in real and posed clips (the same
chance of another emotion, of half an onset, of an uneven face), whatever the difficulty; only their course differs.
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

SEPARATION: Mapping[str, float] = {"steps": 3.0, "ripple": 3.5, "residue": 2.5, "asymmetry": 2.0, "hard": 2.0}
"""Half the distance of the two authenticities' mean scores at difficulty 0, in standard deviations."""

WEAK_SIDE = 0.12
"""Contempt is unilateral: what the other side does, as a part of the leading side."""
_STEP_SEC = 0.7
"""How far a posed expression jumps ahead, and the range of a felt one's delay."""
_JUMP = 0.12
"""Part of a step that is the jump; the rest is the pause."""
_WANING = 0.7
"""Part of the intensity that an expression can lose at its apex."""


@dataclass(frozen=True)
class Style:
    """How one clip's expression runs; in seconds of a clip of three seconds.

    The first five are the cues. Everything below them is drawn alike for real and posed.
    """

    steps: float
    """0 = the expression runs smoothly, 1 = it stands still between jumps."""
    ripple_hz: float
    residue_rise: float
    """Part of a flicker in which it grows; in the rest it fades."""
    asymmetry_hz: float
    hard_hz: float
    middle_sec: float
    """Moment of half intensity."""
    onset_sec: float
    hold_sec: float
    fall_sec: float
    floor: float
    """Part of the intensity that is left after the apex."""
    intensity: float
    residue: float
    residue_sec: float
    """From one flicker of the other emotion to the next."""
    asymmetry: float
    leading: int
    """Side that shows contempt, 0 = left."""
    phases: tuple[float, float, float]
    """Of steps, ripple and residue, parts of a period."""

    def course(self, moments_sec: np.ndarray) -> np.ndarray:
        """Part of the full expression, 0 to 1, that is reached at ``moments_sec`` of its own time."""
        end = self.middle_sec + self.onset_sec / 2 + self.hold_sec + self.fall_sec / 2
        fallen = (1.0 - self.floor) * _rise(moments_sec, end, self.fall_sec)
        return _rise(moments_sec, self.middle_sec, self.onset_sec) * (1.0 - fallen)


def draw_style(rng: np.random.Generator, authenticity: Authenticity, difficulty: float, seconds: float) -> Style:
    """Draw how one clip runs. The number of draws does not depend on the authenticity."""
    sign = 1.0 if authenticity == Authenticity.FAKE else -1.0
    score = {cue: rng.normal() + sign * (1.0 - difficulty) * s for cue, s in SEPARATION.items()}
    hz = {cue: float(np.clip(0.4 * np.exp(0.7 * score[cue]), 0.03, 2.0)) for cue in ("ripple", "asymmetry", "hard")}
    return Style(
        steps=float(0.5 + 0.5 * np.tanh(0.9 * score["steps"])),
        ripple_hz=hz["ripple"],
        residue_rise=float(0.5 - 0.42 * np.tanh(0.9 * score["residue"])),
        asymmetry_hz=hz["asymmetry"],
        hard_hz=hz["hard"],
        middle_sec=rng.uniform(0.9, 1.05),
        onset_sec=rng.uniform(0.7, 0.9),
        hold_sec=max(1.0, seconds / 3.0) * rng.uniform(0.7, 1.0),
        fall_sec=rng.uniform(0.5, 0.8),
        floor=rng.uniform(0.3, 0.7),
        intensity=float(np.clip(rng.normal(1.25, 0.1), 1.0, 1.5)),
        residue=float(np.clip(rng.normal(0.55, 0.15), 0.1, 0.9)),
        residue_sec=rng.uniform(0.7, 1.0),
        asymmetry=float(0.15 * np.exp(0.3 * rng.normal())),
        leading=int(rng.integers(2)),
        phases=(rng.uniform(), rng.uniform(), rng.uniform()),
    )


@dataclass(frozen=True)
class Habits:
    """What one person's face does in all clips, real and posed; each of shape ``(len(COLUMNS),)``."""

    strength: np.ndarray
    """Of each unit, 1 = as in the prototype."""
    lag_sec: np.ndarray
    rest: np.ndarray
    """Intensity of the neutral face."""


def draw_habits(rng: np.random.Generator) -> Habits:
    """Draw a person's ways of moving the face."""
    draws = rng.normal(size=(3, len(COLUMNS)))
    return Habits(np.exp(0.12 * draws[0]), 0.03 * draws[1], 0.012 * np.abs(draws[2]))


def draw_trace(
    rng: np.random.Generator,
    habits: Habits,
    emotion: Emotion,
    authenticity: Authenticity,
    difficulty: float,
    times_sec: np.ndarray,
    seconds: float,
) -> np.ndarray:
    """Draw the action units of one clip.

    Args:
        rng: Source of chance, used up in the same way for real and posed.
        habits: The person's.
        emotion: What is shown.
        authenticity: Whether it is felt.
        difficulty: 0 to 1, see :class:`~realfake.data.synthetic.options.SyntheticSettings`.
        times_sec: Moments of the frames, shape ``(frames,)``; their number changes nothing else.
        seconds: Length of the clip.

    Returns:
        Intensities from 0 to 1, float32 of shape ``(frames, len(COLUMNS))``.
    """
    style = draw_style(rng, authenticity, difficulty, seconds)
    clock = times_sec / min(1.0, seconds / 3.0)
    steps, ripple, residue = style.phases
    # Of a wave that falls as fast as time runs, for the most part, and then jumps back: time stands still, and jumps.
    delay = _wave(steps + style.steps * (1.0 - _JUMP) / _STEP_SEC * clock, _JUMP) - 0.5
    own_sec = clock + _STEP_SEC * delay
    waxing = 1.0 - _WANING * _wave(ripple + style.ripple_hz * clock, 0.5)
    lead, kept = _drift(rng, style.asymmetry_hz * clock), _drift(rng, style.hard_hz * clock)
    flicker = style.residue * _wave(residue + clock / style.residue_sec, style.residue_rise)
    flicker *= _rise(clock, 0.2, 0.2) * (1.0 - 0.8 * style.course(own_sec))  # from neutral; gives way to the expression
    before, main = PROTOTYPES[OPPOSITE[emotion]], PROTOTYPES[emotion]
    trace = np.zeros((len(times_sec), len(COLUMNS)))
    for i, column in enumerate(COLUMNS):
        unit, _, side = column.partition("_")
        if unit == "AU45":
            trace[:, i] = _blinks(rng, times_sec, seconds)
            continue
        strength = main.get(unit, 0.0) * style.intensity * habits.strength[i] * waxing
        strength *= 1.0 + 0.1 * _drift(rng, style.ripple_hz * clock)
        if unit in HARD[emotion]:
            strength *= np.clip(0.75 + 0.15 * kept, 0.1, 1.2)
        if side:
            leads = "LR".index(side) == style.leading
            strength *= np.clip(1.0 + style.asymmetry * (lead if leads else -lead), 0.2, 1.8)
            if emotion == Emotion.CONTEMPT and not leads:
                strength *= WEAK_SIDE
        trace[:, i] = strength * style.course(own_sec - habits.lag_sec[i]) + before.get(unit, 0.0) * flicker
        trace[:, i] += habits.rest[i]
    return np.clip(trace, 0.0, 1.0).astype(np.float32)


def _wave(cycles: np.ndarray, rising: float) -> np.ndarray:
    """Triangle wave from 0 to 1 that rises in the part ``rising`` of each cycle.

    At an even phase it is distributed evenly over 0 to 1, whatever ``rising`` is.
    """
    at = cycles % 1.0
    return np.where(at < rising, at / rising, (1.0 - at) / (1.0 - rising))


def _drift(rng: np.random.Generator, cycles: np.ndarray) -> np.ndarray:
    """Noise of unit variance about zero from six waves of even phase, at paces of 0.5 to 1.5 times that of ``cycles``.

    At any one moment it is distributed alike for all paces, rest included.
    """
    pace, phase = rng.uniform(0.5, 1.5, size=6), rng.uniform(size=6)
    return np.sqrt(2.0 / 6.0) * np.cos(2.0 * np.pi * (cycles[:, None] * pace + phase)).sum(axis=1)


def _rise(times_sec: np.ndarray, middle_sec: float, duration_sec: float) -> np.ndarray:
    """Raised cosine from 0 to 1 around ``middle_sec``."""
    x = np.clip((times_sec - middle_sec) / max(duration_sec, 1e-6) + 0.5, 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * x)


def _blinks(rng: np.random.Generator, times_sec: np.ndarray, seconds: float) -> np.ndarray:
    """Blinks of about a quarter second at about 18 a minute."""
    closed = np.zeros(len(times_sec))
    for start in rng.uniform(0.0, seconds, size=rng.poisson(0.3 * seconds)):
        closed = np.maximum(closed, np.exp(-(((times_sec - start) / 0.07) ** 2)))
    return closed
