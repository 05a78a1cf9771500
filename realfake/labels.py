"""Label spaces: the emotions of a dataset, real and fake, and the joint classes that they form.

This is the only module that computes with joint classes: their probabilities, the marginals of these, products of two
heads, and the one decision that is made of a sample. A joint class is ``emotions * authenticity + emotion``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

    A = TypeVar("A", np.ndarray, torch.Tensor)


class Emotion(IntEnum):
    """The emotions of SASE-FE, in the order of the alphabet."""

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
"""Those of SASE-FE, which a dataset has unless it declares others."""
AUTHENTICITIES: tuple[str, ...] = tuple(a.name.lower() for a in Authenticity)
TASKS = ("joint", "emotion", "authenticity")
"""What can be told of a face."""
Protocol = Literal["threshold", "median", "forced_choice"]
"""What decides real or fake of a clip: itself, or its place among the clips of its pair, see
:mod:`realfake.scoring.protocols`."""
THRESHOLD: Protocol = "threshold"
"""The clip by itself: its most probable joint class."""


def told_by(heads: Iterable[str]) -> tuple[str, ...]:
    """The tasks that heads answer: all of them if they tell both labels, else what the one head is for."""
    given = set(heads)
    return TASKS if "joint" in given or len(given) > 1 else tuple(task for task in TASKS if task in given)


def several(emotions: Iterable[int]) -> bool:
    """Whether there are emotions to be told apart: at least two, of which none is absent."""
    return len({int(e) for e in emotions} - {ABSENT}) > 1


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a dataset, or of a network.

    Args:
        emotions: Names in the order of the class index, at least one.
    """

    emotions: tuple[str, ...]

    def names(self, task: str) -> tuple[str, ...]:
        """Names of a task's classes, in the order of the class index; raises ``ValueError`` if there is no such task.

        >>> LabelSpace(("fear", "happy")).names("joint")
        ('fake_fear', 'fake_happy', 'real_fear', 'real_happy')
        """
        if task == "joint":
            return tuple(f"{a}_{e}" for a in AUTHENTICITIES for e in self.emotions)
        if task not in TASKS:
            raise ValueError(f"task={task}: expected one of {', '.join(TASKS)}")
        return self.emotions if task == "emotion" else AUTHENTICITIES

    def size(self, task: str) -> int:
        """Number of a task's classes."""
        return len(self.names(task))

    def numbers(self, emotions: Sequence[str]) -> list[int]:
        """Index here of each emotion of another space, by name, :data:`ABSENT` if there is none; an absent one's last.

        >>> LabelSpace(("fear", "happy")).numbers(("happy", "sad"))
        [1, -1, -1]
        """
        return [*(self.emotions.index(e) if e in self.emotions else ABSENT for e in emotions), ABSENT]

    def joint_classes(self, emotion: A, authenticity: A) -> A:
        """Joint classes of arrays or tensors of emotions and authenticities, of any one shape; none is absent."""
        return len(self.emotions) * authenticity + emotion

    def split_joints(self, joint: A) -> tuple[A, A]:
        """Emotions and authenticities of an array or tensor of joint classes; inverse of :meth:`joint_classes`."""
        return joint % len(self.emotions), joint // len(self.emotions)

    def marginals(self, p_joint: A) -> tuple[A, A]:
        """Probabilities of emotion (..., E) and of authenticity (..., 2) that joint ones (..., 2 E) come to."""
        grid = p_joint.reshape((*p_joint.shape[:-1], len(AUTHENTICITIES), len(self.emotions)))
        return grid.sum(-2), grid.sum(-1)

    def product(self, p_emotion: A, p_authenticity: A) -> A:
        """Joint probabilities (..., 2 E) of independent emotion (..., E) and authenticity (..., 2)."""
        grid = p_authenticity[..., :, None] * p_emotion[..., None, :]
        return grid.reshape((*p_emotion.shape[:-1], self.size("joint")))

    def complete(self, heads: Mapping[str, A]) -> dict[str, A]:
        """Probabilities (..., K) of every task that what a model's heads say comes to, in the order of :data:`TASKS`.

        A joint head's emotion and authenticity are its marginals; the joint probability of two heads is their product.

        Args:
            heads: ``joint``; or ``emotion``, ``authenticity``, or both.

        Raises:
            ValueError: If there are other heads.
        """
        if set(heads) == {"joint"}:
            emotion, authenticity = self.marginals(heads["joint"])
            return {"joint": heads["joint"], "emotion": emotion, "authenticity": authenticity}
        if set(heads) == {"emotion", "authenticity"}:
            emotion, authenticity = heads["emotion"], heads["authenticity"]
            return {"joint": self.product(emotion, authenticity), "emotion": emotion, "authenticity": authenticity}
        if len(heads) == 1 and set(heads) < set(TASKS):
            return dict(heads)
        raise ValueError(f"tasks {sorted(heads)}: expected joint; or emotion, authenticity, or both")

    def log_odds(self, heads: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """``log p(real) − log p(fake)`` (...,) that logits (..., K) of a joint head, or of one for authenticity, mean.

        Those of a joint head are summed over emotions as probabilities.
        """
        if "joint" in heads:
            joint = heads["joint"]
            each = joint.reshape((*joint.shape[:-1], len(AUTHENTICITIES), len(self.emotions))).logsumexp(-1)
        else:
            each = heads["authenticity"]
        return each[..., Authenticity.REAL] - each[..., Authenticity.FAKE]

    def averaged(self, mean: Callable[[A], A], p: Mapping[str, A], two_heads: bool) -> dict[str, A]:
        """Probabilities of the means of samples.

        What is averaged is what the heads said. A joint head's marginals of the mean are the means of its marginals. Of
        two heads the joint probability is the product of the means, as it is the product for each sample: the mean of
        the products is another number, whose most probable class need not be made of the most probable emotion and
        authenticity.

        Args:
            mean: Takes means (or weighted sums with weights that sum to 1) over samples.
            p: Task → (N, K), as :meth:`complete` gives them.
            two_heads: Whether emotion and authenticity have a head each.
        """
        means = {task: mean(values) for task, values in p.items() if not (two_heads and task == "joint")}
        return self.complete(means) if two_heads else means

    def decide(self, heads: Mapping[str, A]) -> dict[str, A]:
        """The one decision on each sample, in the tasks that are told, each (...,) int64; the first of equal classes.

        It is the most probable joint class; the decided emotion and authenticity are its two parts, of which a joint
        head's need not be the most probable ones by themselves. Of two heads they are: the largest product is that of
        the largest factors, which are asked one by one, since products are rounded.

        Args:
            heads: Task → probabilities (or logits) of what the heads say; with ``joint``, all others are left aside.
        """
        if "joint" in heads:
            joint = heads["joint"].argmax(-1)
            emotion, authenticity = self.split_joints(joint)
            return {"joint": joint, "emotion": emotion, "authenticity": authenticity}
        decided = {task: heads[task].argmax(-1) for task in TASKS if task in heads}
        if len(decided) > 1:
            decided = {"joint": self.joint_classes(decided["emotion"], decided["authenticity"]), **decided}
        return decided


class Told:
    """Names for the parts of ``p``, for whatever holds the probabilities of tasks that are told, of one or of many."""

    p: Mapping[str, np.ndarray]
    """Task that is told → probabilities (..., classes)."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """What is told, in the order of :data:`TASKS`."""
        return tuple(task for task in TASKS if task in self.p)

    @property
    def p_joint(self) -> np.ndarray:
        """Of the joint classes (..., twice the emotions)."""
        return self.p["joint"]

    @property
    def p_emotion(self) -> np.ndarray:
        """Of the emotions (..., emotions)."""
        return self.p["emotion"]

    @property
    def p_authenticity(self) -> np.ndarray:
        """Of fake and real (..., 2)."""
        return self.p["authenticity"]


SASE_FE = LabelSpace(EMOTIONS)
"""What a dataset has unless it declares other emotions."""
