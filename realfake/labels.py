"""The label spaces: six emotions, two authenticities, and the twelve joint classes they form.

This is the only module that spells a label out, and the only one that computes with joint classes: their probabilities,
the marginals of these, products of two heads, and the one decision that is made of a sample. Everything else imports
from here. The order is alphabetical, so that a joint class is ``6 * authenticity + emotion``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

    A = TypeVar("A", np.ndarray, torch.Tensor)


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


def joint_classes(emotion: A, authenticity: A) -> A:
    """Joint classes of arrays or tensors of emotions and authenticities, of any one shape; both labels are there."""
    return len(EMOTIONS) * authenticity + emotion


def split_joints(joint: A) -> tuple[A, A]:
    """Emotions and authenticities of an array or tensor of joint classes; inverse of :func:`joint_classes`."""
    return joint % len(EMOTIONS), joint // len(EMOTIONS)


def marginals(p_joint: A) -> tuple[A, A]:
    """Probabilities of emotion (..., 6) and of authenticity (..., 2) that joint ones (..., 12) come to."""
    grid = p_joint.reshape((*p_joint.shape[:-1], len(AUTHENTICITIES), len(EMOTIONS)))
    return grid.sum(-2), grid.sum(-1)


def product(p_emotion: A, p_authenticity: A) -> A:
    """Joint probabilities (..., 12) of independent emotion (..., 6) and authenticity (..., 2)."""
    grid = p_authenticity[..., :, None] * p_emotion[..., None, :]
    return grid.reshape((*p_emotion.shape[:-1], len(JOINTS)))


def complete(heads: Mapping[str, A]) -> tuple[A, A, A]:
    """Probabilities of joint class (..., 12), emotion (..., 6) and authenticity (..., 2) from what a model's heads say.

    A joint head's emotion and authenticity are its marginals; the joint probability of two heads is their product.

    Args:
        heads: Either ``joint``, or ``emotion`` and ``authenticity``.

    Raises:
        ValueError: If there are other heads.
    """
    if set(heads) == {"joint"}:
        emotion, authenticity = marginals(heads["joint"])
        return heads["joint"], emotion, authenticity
    if set(heads) == {"emotion", "authenticity"}:
        return product(heads["emotion"], heads["authenticity"]), heads["emotion"], heads["authenticity"]
    raise ValueError(f"tasks {sorted(heads)}: expected joint, or emotion and authenticity")


def averaged(mean: Callable[[A], A], p_joint: A, p_emotion: A, p_authenticity: A, two_heads: bool) -> tuple[A, A, A]:
    """Joint, emotion and authenticity probabilities of the means of samples.

    What is averaged is what the heads said. A joint head's marginals of the mean are the means of its marginals. Of two
    heads the joint probability is the product of the means, as it is the product for each sample: the mean of the
    products is another number, whose most probable class need not be made of the most probable emotion and
    authenticity.

    Args:
        mean: Takes means (or weighted sums with weights that sum to 1) over samples.
        p_joint: (N, 12).
        p_emotion: (N, 6).
        p_authenticity: (N, 2).
        two_heads: Whether emotion and authenticity have a head each.
    """
    p_emotion, p_authenticity = mean(p_emotion), mean(p_authenticity)
    return product(p_emotion, p_authenticity) if two_heads else mean(p_joint), p_emotion, p_authenticity


def decide(heads: Mapping[str, A]) -> A:
    """The one decision on each sample: its most probable joint class (...,) int64, the first of equal ones.

    The decided emotion and authenticity are its two parts, see :func:`split_joints`; a joint head's need not be the
    most probable ones by themselves. Of two heads they are: the largest product is that of the largest factors, which
    are asked one by one, since products are rounded.

    Args:
        heads: Probabilities, as in :func:`complete`.
    """
    if "joint" in heads:
        return heads["joint"].argmax(-1)
    return joint_classes(heads["emotion"].argmax(-1), heads["authenticity"].argmax(-1))
