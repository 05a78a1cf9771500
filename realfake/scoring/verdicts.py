"""What a headline figure says, and what it does not, in sentences."""

from __future__ import annotations

import math

import numpy as np

from realfake.pages import counted
from realfake.scoring.baselines import chance
from realfake.scoring.predictions import Predictions
from realfake.scoring.protocols import explained
from realfake.scoring.statistics import Interval
from realfake.scoring.wording import number

_WHAT = {"authenticity_accuracy": "told real from fake", "emotion_accuracy": "told the emotion"}
"""Headline metric, the most wanted first → what it counts."""


ENOUGH_PEOPLE = 5
"""With fewer, intervals over people are narrower than they say."""


def verdict(p: Predictions, subject: np.ndarray, found: dict[str, Interval]) -> list[str]:
    """How good it is, beside guessing, and whether that holds for more than these people.

    Args:
        p: Predictions, one row a clip (N).
        subject: Number of the subject of each clip (N,).
        found: Metric → its value and interval.

    Returns:
        Sentences, the first with the figure, the last with the protocol, if clips were compared; none if neither label
        is told and known.
    """
    name = next((m for m in _WHAT if m in found and math.isfinite(found[m].value)), None)
    if name is None:
        return []
    people, i, guessing = len(np.unique(subject)), found[name], chance(p)[name]
    who = "one person" if people == 1 else f"{people:,} people"
    said = [
        f"{number(name, i.value)} of {counted(len(p), 'clip')} of {who} are {_WHAT[name]} rightly; guessing gives "
        f"{number(name, guessing)}."
    ]
    if people == 1:
        said.append(
            "One person shows no spread between people: nothing follows from this for others, and no interval can be "
            "given. Pool the folds of all people (realfake report)."
        )
    elif not math.isfinite(i.low + i.high):
        said.append("There is no interval: too few people have the clips that it takes.")
    elif i.low == i.high:
        said.append(
            "Every person comes to the same figure, so that the 95 % interval has no width: how far others may differ "
            "does not show."
        )
    elif people < ENOUGH_PEOPLE:
        said.append(
            f"{people} people are too few for an interval that holds what it says: {number(name, i.low)} to "
            f"{number(name, i.high)} tells how these differ, and nothing of others. Pool the folds of all people "
            "(realfake report)."
        )
    elif i.low <= guessing <= i.high:
        ends = f"{number(name, i.low)} to {number(name, i.high)}"
        said.append(f"The 95 % interval, {ends}, holds guessing: this does not show that more than chance is at work.")
    else:
        ends = f"{number(name, i.low)} to {number(name, i.high)}"
        said.append(f"The 95 % interval, {ends}, lies {'above' if i.low > guessing else 'below'} guessing.")
    return said + ([decided] if (decided := explained(p)) else [])
