"""The label spaces: six emotions, two authenticities, and the twelve joint classes they form.

This is the only module that spells a label out. Everything else imports the names or the enums.
The order is alphabetical, so that a joint class is ``6 * authenticity + emotion``.
"""

from __future__ import annotations

from enum import IntEnum


class Emotion(IntEnum):
    """The emotion that a face shows."""

    ANGRY = 0
    CONTEMPT = 1
    DISGUST = 2
    HAPPY = 3
    SAD = 4
    SURPRISE = 5


class Authenticity(IntEnum):
    """Whether the emotion is posed (``FAKE``) or genuinely felt (``REAL``)."""

    FAKE = 0
    REAL = 1


ABSENT = -1
"""Stands for a label that a dataset does not have, e.g. the emotion in a smile dataset."""

EMOTIONS: tuple[str, ...] = tuple(e.name.lower() for e in Emotion)
AUTHENTICITIES: tuple[str, ...] = tuple(a.name.lower() for a in Authenticity)
JOINTS: tuple[str, ...] = tuple(f"{a}_{e}" for a in AUTHENTICITIES for e in EMOTIONS)

TASK_NAMES: dict[str, tuple[str, ...]] = {
    "emotion": EMOTIONS,
    "authenticity": AUTHENTICITIES,
    "joint": JOINTS,
}
"""Class names of each task, in the order of the class index."""


def joint_class(emotion: int, authenticity: int) -> int:
    """Return the joint class (0 to 11) of an emotion and an authenticity.

    Args:
        emotion: 0 to 5, see :class:`Emotion`.
        authenticity: 0 or 1, see :class:`Authenticity`.

    Raises:
        ValueError: If either is outside its range (``ABSENT`` has no joint class).
    """
    return len(EMOTIONS) * Authenticity(authenticity) + Emotion(emotion)


def split_joint(joint: int) -> tuple[Emotion, Authenticity]:
    """Return the emotion and the authenticity of a joint class (0 to 11); inverse of :func:`joint_class`."""
    if not 0 <= joint < len(JOINTS):
        raise ValueError(f"joint class {joint}: expected 0 to {len(JOINTS) - 1}")
    authenticity, emotion = divmod(joint, len(EMOTIONS))
    return Emotion(emotion), Authenticity(authenticity)
