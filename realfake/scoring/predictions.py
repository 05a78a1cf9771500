"""What a model said about samples and clips, beside the truth; and the table that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.errors import UserError
from realfake.labels import ABSENT, TASK_NAMES, averaged, complete, decide, joint_classes, split_joints

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("joint", "emotion", "authenticity")
IDENTITY = ("clip", "dataset", "subject", "pair")
"""Columns of the clip table that the table of predictions takes over."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Truth and probabilities: one row a sample (a frame or a window), or one row a clip after :meth:`by_clip`.

    A row has one decision, its most probable joint class, of which the predicted emotion and authenticity are the two
    parts (:meth:`predicted`). The probabilities of emotion and authenticity are marginals: a joint head can decide for
    an emotion that is not the most probable one (:meth:`most_probable`), two heads cannot.
    """

    clip: np.ndarray
    """(N,) int64, row of the clip table."""
    emotion: np.ndarray
    """(N,) int64, -1 = absent."""
    authenticity: np.ndarray
    """(N,) int64, -1 = absent."""
    p_joint: np.ndarray
    """(N, 12) float64."""
    p_emotion: np.ndarray
    """(N, 6) float64."""
    p_authenticity: np.ndarray
    """(N, 2) float64; the second is the probability of real."""
    two_heads: bool = field(default=False, kw_only=True)
    """Whether emotion and authenticity have a head each, so that means are taken of these, see :meth:`by_clip`."""

    @classmethod
    def from_tasks(
        cls, probabilities: dict[str, np.ndarray], clip: np.ndarray, emotion: np.ndarray, authenticity: np.ndarray
    ) -> Predictions:
        """Complete what a model's heads gave, see :func:`realfake.labels.complete`.

        Args:
            probabilities: Either ``joint`` (N, 12), or ``emotion`` (N, 6) and ``authenticity`` (N, 2).
            clip: (N,) row of the clip table.
            emotion: (N,) true class, -1 = absent.
            authenticity: (N,) true class, -1 = absent.
        """
        # Products of 32-bit numbers are exact in 64 bits, so that the largest one is that of the largest factors.
        p = complete({task: np.asarray(values, np.float64) for task, values in probabilities.items()})
        clip, emotion, authenticity = (np.asarray(a, np.int64) for a in (clip, emotion, authenticity))
        return cls(clip, emotion, authenticity, *p, two_heads="joint" not in probabilities)

    @classmethod
    def concatenated(cls, parts: Sequence[Predictions]) -> Predictions:
        """The rows of several predictions, one after the other."""
        arrays = [f.name for f in fields(cls) if f.name != "two_heads"]
        joined = [np.concatenate([getattr(p, name) for p in parts]) for name in arrays]
        return cls(*joined, two_heads=all(p.two_heads for p in parts))

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def joint(self) -> np.ndarray:
        """True joint class (N,) int64; -1 unless both labels are there."""
        known = (self.emotion != ABSENT) & (self.authenticity != ABSENT)
        return np.where(known, joint_classes(self.emotion, self.authenticity), ABSENT)

    def true(self, task: str) -> np.ndarray:
        """True class of a task (N,), -1 = absent."""
        return {"joint": self.joint, "emotion": self.emotion, "authenticity": self.authenticity}[task]

    def probabilities(self, task: str) -> np.ndarray:
        """Probabilities of a task (N, K)."""
        return {"joint": self.p_joint, "emotion": self.p_emotion, "authenticity": self.p_authenticity}[task]

    @property
    def decision(self) -> np.ndarray:
        """The one decision on each row: its most probable joint class (N,) int64; the first of equal ones."""
        return decide({"joint": self.p_joint})

    def predicted(self, task: str) -> np.ndarray:
        """The decision's part of a task (N,): the joint class, its emotion or its authenticity."""
        joint = self.decision
        emotion, authenticity = split_joints(joint)
        return {"joint": joint, "emotion": emotion, "authenticity": authenticity}[task]

    def most_probable(self, task: str) -> np.ndarray:
        """Most probable class of a task by itself (N,), which is what its probability has to answer for."""
        return self.probabilities(task).argmax(axis=1)

    def select(self, rows: np.ndarray) -> Predictions:
        """Some rows, by mask or index."""
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "two_heads"}
        return replace(self, **arrays)

    def by_clip(self) -> Predictions:
        """One row a clip, sorted: the means of what the heads said of its rows.

        A clip's decision is made of the means, not of its rows' decisions. Two heads' joint probability is the product
        of the means (:func:`realfake.labels.averaged`), as it is the product for each row.
        """
        clips, first, inverse, count = np.unique(self.clip, return_index=True, return_inverse=True, return_counts=True)

        def mean(p: np.ndarray) -> np.ndarray:
            sums = [np.bincount(inverse, p[:, k], minlength=len(clips)) for k in range(p.shape[1])]
            return np.stack(sums, axis=1) / count[:, None]

        p = averaged(mean, self.p_joint, self.p_emotion, self.p_authenticity, self.two_heads)
        return Predictions(clips, self.emotion[first], self.authenticity[first], *p, two_heads=self.two_heads)

    def table(self, clips: pd.DataFrame) -> pd.DataFrame:
        """The rows as people read them, with names instead of numbers.

        Args:
            clips: Clip table; columns ``clip``, ``dataset``, ``subject``, ``pair``.

        Returns:
            Columns ``clip``, ``dataset``, ``subject``, ``pair``; ``emotion``, ``authenticity``, ``joint`` (empty =
            absent); ``predicted_emotion``, ``predicted_authenticity``, ``predicted_joint``, a decision and its parts;
            ``p_<class>`` for all classes of the three tasks.
        """
        import pandas as pd

        order = ("emotion", "authenticity", "joint")
        columns: dict[str, np.ndarray] = {c: clips[c].to_numpy(object)[self.clip] for c in IDENTITY}
        columns |= {task: _names(task, self.true(task)) for task in order}
        columns |= {f"predicted_{task}": _names(task, self.predicted(task)) for task in order}
        for task in order:
            columns |= {f"p_{name}": self.probabilities(task)[:, k] for k, name in enumerate(TASK_NAMES[task])}
        return pd.DataFrame(columns)


def read_table(path: str | Path) -> tuple[Predictions, pd.DataFrame]:
    """Read a table of predictions back; probabilities are exactly those that were written.

    Returns:
        The predictions, numbered by the rows of the second: a table with columns ``clip``, ``dataset``, ``subject``
        and ``pair``, one row a clip.

    Raises:
        UserError: If there is no such file, or if it is no table of predictions.
    """
    import pandas as pd

    names = ["emotion", "authenticity"]
    try:
        text = dict.fromkeys([*IDENTITY, *names], str)
        found = pd.read_csv(path, dtype=text, keep_default_na=False, float_precision="round_trip")
        labels = [_numbers(name, found[name].tolist()) for name in names]
        p = [found[[f"p_{c}" for c in TASK_NAMES[task]]].to_numpy(np.float64) for task in TASKS]
        codes, _ = pd.factorize(found["clip"])
        clips = found.loc[~found["clip"].duplicated(), list(IDENTITY)].reset_index(drop=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the predictions.csv of a finished run") from None
    except (KeyError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = f"column {error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise UserError(f"{path}: no table of predictions ({reason}); give a run's predictions.csv") from None
    return Predictions(codes.astype(np.int64), *labels, *p), clips


def subject_names(clips: pd.DataFrame) -> np.ndarray:
    """Name of the subject of each clip (clips,), unique over datasets; an unknown one is named after pair or clip.

    A pair holds clips of one person, whoever that is; a clip of which nothing is known is a subject of its own.
    """
    columns = (clips[c].to_numpy(str) for c in ("dataset", "subject", "pair", "clip"))
    names = [
        "\0".join((d, s) if s else (d, "", p) if p else (d, "", "", c)) for d, s, p, c in zip(*columns, strict=True)
    ]
    return np.array(names, dtype=object)


def subject_numbers(clips: pd.DataFrame) -> np.ndarray:
    """Number of the subject of each clip (clips,) int64, 0 to S - 1, see :func:`subject_names`."""
    import pandas as pd

    return pd.factorize(subject_names(clips))[0].astype(np.int64)


def pair_numbers(clips: pd.DataFrame) -> np.ndarray:
    """Number of the pair of each clip (clips,) int64; -1 = none."""
    import pandas as pd

    number = pd.factorize(pd.MultiIndex.from_arrays([clips["dataset"], clips["pair"]]))[0].astype(np.int64)
    return np.where(clips["pair"].to_numpy(str) == "", -1, number)


def _names(task: str, classes: np.ndarray) -> np.ndarray:
    # The empty name comes last, where -1 finds it.
    return np.array([*TASK_NAMES[task], ""], dtype=object)[classes]


def _numbers(task: str, names: list[str]) -> np.ndarray:
    number = {name: k for k, name in enumerate(TASK_NAMES[task])} | {"": ABSENT}
    unknown = sorted(set(names) - set(number))
    if unknown:
        raise ValueError(f"{task} {unknown[0]!r}: expected one of {', '.join(TASK_NAMES[task])}, or nothing")
    return np.array([number[name] for name in names], dtype=np.int64)
