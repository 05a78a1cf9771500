"""What decides real or fake of a clip: the clip by itself, or its place among the clips of its pair.

A threshold answers for each clip alone, as a program has to that meets a person once. The figures of the 2017 challenge
answer another question: both clips of a person and emotion are there, and which of them is the real one? That one is
easier, since what makes a person look real or fake in general falls out. A protocol changes decisions alone, and with
them accuracies and F1; probabilities, AUROC, pairs, Brier score and calibration are the same with all of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realfake.labels import ABSENT, THRESHOLD, Authenticity, Protocol
from realfake.pages import counted
from realfake.scoring.predictions import Predictions
from realfake.scoring.scores import against_median, real_levels

WORDS = {
    "median": "a clip is real if it scores above the median of the clips of its pair",
    "forced_choice": "of the two clips of a pair the one that scores higher is real",
}
"""Protocol that compares clips → what it does."""


def decide(clips: Predictions, protocol: Protocol, pair: np.ndarray) -> Predictions:
    """The same clips with real or fake decided by a protocol; the emotion stays that of the most probable joint class.

    ``median`` (Saxen et al. 2017, https://doi.org/10.1109/ICCVW.2017.363): a clip is real if its log-odds of real lie
    above the median of all clips of its pair, labelled or not. ``forced_choice``: of a pair of two clips the one with
    the higher log-odds is real. Of two clips both say the same. A clip whose score is at the median, up to rounding
    (:mod:`realfake.scoring.scores`), is not above it: of two clips with equal scores both are called fake, of which one
    is right. A clip that has nothing to be compared with (no other of its pair; with ``forced_choice`` none or several)
    is decided by threshold.

    Args:
        clips: One row a clip (N), of one run; decisions that they have are forgotten.
        protocol: Of :data:`realfake.labels.Protocol`.
        pair: Number of the pair of each clip (N,), -1 = none.
    """
    if protocol == THRESHOLD or "authenticity" not in clips.p:
        return replace(clips, protocol=THRESHOLD, given=None)
    group = compared(pair, protocol)
    real = against_median(real_levels(clips), group) > 0
    given = np.where(group == ABSENT, ABSENT, np.where(real, Authenticity.REAL, Authenticity.FAKE))
    return replace(clips, protocol=protocol, given=given)


def compared(pair: np.ndarray, protocol: Protocol = "median") -> np.ndarray:
    """Pair of the clips that a protocol compares (N,), -1 for those that have nothing to be compared with.

    Args:
        pair: Number of the pair of each clip (N,), -1 = none.
        protocol: ``median`` or ``forced_choice``.
    """
    _, number, count = np.unique(pair, return_inverse=True, return_counts=True)
    size = count[number]
    return np.where((pair != ABSENT) & (size == 2 if protocol == "forced_choice" else size > 1), pair, ABSENT)


def explained(clips: Predictions) -> str | None:
    """What decided real or fake, in a sentence; ``None`` = each clip by itself, as always."""
    if clips.given is None:
        return None
    alone, all_clips = clips.fallbacks, counted(len(clips), "clip")
    if alone == len(clips):
        return f"None of {all_clips} has others of its pair to be compared with: real or fake is decided by threshold."
    rest = f"; {alone} of {all_clips}, which have none to be compared with, by threshold" if alone else ""
    return f"Real or fake is decided by protocol={clips.protocol}: {WORDS[clips.protocol]}{rest}."
