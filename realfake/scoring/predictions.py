"""What a model said about samples and clips, beside the truth; and the table that holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from realfake.errors import UserError
from realfake.labels import (
    ABSENT,
    AUTHENTICITIES,
    SASE_FE,
    TASKS,
    THRESHOLD,
    Authenticity,
    LabelSpace,
    Protocol,
    Told,
)

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("clip", "dataset", "subject", "pair")
"""Columns of the clip table that the table of predictions takes over."""
COLUMNS = ("emotion", "authenticity", "joint")
"""Tasks in the order of that table."""
DECIDED_BY = "decided_by"
"""Column that it has if clips were compared: the protocol, or ``threshold`` of a clip that had none to compare with."""


@dataclass(frozen=True, eq=False)
class Predictions(Told):
    """Truth and probabilities: one row a sample (a frame or a window), or one row a clip after :meth:`by_clip`.

    A row has one decision, its most probable joint class, of which the predicted emotion and authenticity are the two
    parts (:meth:`predicted`); of clips that were compared with each other, the authenticity is what that came to
    (:attr:`given`). The probabilities of emotion and authenticity are marginals: a joint head can decide for an emotion
    that is not the most probable one (:meth:`most_probable`), two heads cannot. A network with one head for emotion or
    authenticity tells that task alone (:attr:`tasks`).
    """

    clip: np.ndarray
    """(N,) int64, row of the clip table."""
    emotion: np.ndarray
    """(N,) int64, -1 = absent."""
    authenticity: np.ndarray
    """(N,) int64, -1 = absent."""
    p: Mapping[str, np.ndarray]
    """Task that is told → (N, classes) float64."""
    space: LabelSpace = field(default=SASE_FE, kw_only=True)
    """By which all classes are numbered."""
    two_heads: bool = field(default=False, kw_only=True)
    """Whether emotion and authenticity have a head each, so that means are taken of these, see :meth:`by_clip`."""
    protocol: str = field(default=THRESHOLD, kw_only=True)
    """What decides real or fake, see :mod:`realfake.scoring.protocols`."""
    given: np.ndarray | None = field(default=None, kw_only=True)
    """Authenticity that the protocol gave each row (N,) int64, -1 = decided by threshold; None = all are."""

    @classmethod
    def from_tasks(
        cls,
        probabilities: Mapping[str, np.ndarray],
        clip: np.ndarray,
        emotion: np.ndarray,
        authenticity: np.ndarray,
        space: LabelSpace = SASE_FE,
    ) -> Predictions:
        """Complete what a model's heads gave, see :meth:`realfake.labels.LabelSpace.complete`.

        Args:
            probabilities: Task of each head → (N, classes).
            clip: (N,) row of the clip table.
            emotion: (N,) true class, -1 = absent.
            authenticity: (N,) true class, -1 = absent.
            space: The classes.

        Raises:
            ValueError: If heads do not go together, or have other classes.
        """
        # Products of 32-bit numbers are exact in 64 bits, so that the largest one is that of the largest factors.
        heads = {task: np.asarray(values, np.float64) for task, values in probabilities.items()}
        for task, values in heads.items():
            if task in TASKS and values.shape[1:] != (space.size(task),):
                raise ValueError(f"{task}: probabilities {values.shape}, expected one of each of {space.names(task)}")
        clip, emotion, authenticity = (np.asarray(a, np.int64) for a in (clip, emotion, authenticity))
        return cls(clip, emotion, authenticity, space.complete(heads), space=space, two_heads=len(heads) > 1)

    @classmethod
    def concatenated(cls, parts: Sequence[Predictions]) -> Predictions:
        """The rows of several predictions of one label space and the same tasks, one after the other."""
        return cls(
            np.concatenate([p.clip for p in parts]),
            np.concatenate([p.emotion for p in parts]),
            np.concatenate([p.authenticity for p in parts]),
            {task: np.concatenate([p.p[task] for p in parts]) for task in parts[0].p},
            space=parts[0].space,
            two_heads=all(p.two_heads for p in parts),
            protocol=next((p.protocol for p in parts if p.given is not None), THRESHOLD),
            given=_concatenated_given(parts),
        )

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def joint(self) -> np.ndarray:
        """True joint class (N,) int64; -1 unless both labels are there."""
        known = (self.emotion != ABSENT) & (self.authenticity != ABSENT)
        return np.where(known, self.space.joint_classes(self.emotion, self.authenticity), ABSENT)

    def true(self, task: str) -> np.ndarray:
        """True class of a task (N,), -1 = absent."""
        return {"joint": self.joint, "emotion": self.emotion, "authenticity": self.authenticity}[task]

    def probabilities(self, task: str) -> np.ndarray:
        """Probabilities of a task that is told (N, K)."""
        return self.p[task]

    @property
    def decision(self) -> np.ndarray:
        """The one decision on each row (N,) int64: its most probable joint class, or class of the one task told."""
        return self.predicted(self.tasks[0])

    def predicted(self, task: str) -> np.ndarray:
        """The decision's part of a task (N,): the joint class, its emotion or its authenticity."""
        decided = self.space.decide(self.p)
        if self.given is not None:
            decided["authenticity"] = np.where(self.given == ABSENT, decided["authenticity"], self.given)
            if "joint" in decided:
                decided["joint"] = self.space.joint_classes(decided["emotion"], decided["authenticity"])
        return decided[task]

    @property
    def fallbacks(self) -> int:
        """Rows that the protocol could not compare with others, so that the threshold decides."""
        return 0 if self.given is None else int((self.given == ABSENT).sum())

    def most_probable(self, task: str) -> np.ndarray:
        """Most probable class of a task by itself (N,), which is what its probability has to answer for."""
        return self.probabilities(task).argmax(axis=1)

    def select(self, rows: np.ndarray) -> Predictions:
        """Some rows, by mask or index."""
        p = {task: values[rows] for task, values in self.p.items()}
        given = None if self.given is None else self.given[rows]
        emotion, authenticity = self.emotion[rows], self.authenticity[rows]
        return replace(self, clip=self.clip[rows], emotion=emotion, authenticity=authenticity, p=p, given=given)

    def by_clip(self) -> Predictions:
        """One row a clip, sorted: the means of what the heads said of its rows, decided by threshold.

        A clip's decision is made of the means, not of its rows' decisions. Two heads' joint probability is the product
        of the means (:meth:`realfake.labels.LabelSpace.averaged`), as it is the product for each row.
        """
        clips, first, inverse, count = np.unique(self.clip, return_index=True, return_inverse=True, return_counts=True)

        def mean(p: np.ndarray) -> np.ndarray:
            sums = [np.bincount(inverse, p[:, k], minlength=len(clips)) for k in range(p.shape[1])]
            return np.stack(sums, axis=1) / count[:, None]

        p = self.mean_of(mean)
        emotion, authenticity = self.emotion[first], self.authenticity[first]
        found = replace(self, clip=clips, emotion=emotion, authenticity=authenticity, p=p)
        return replace(found, protocol=THRESHOLD, given=None)

    def mean_of(self, mean: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
        """Probabilities of means (or weighted sums) that ``mean`` takes over rows."""
        return self.space.averaged(mean, self.p, self.two_heads)

    def table(self, clips: pd.DataFrame) -> pd.DataFrame:
        """The rows as people read them, with names instead of numbers.

        Args:
            clips: Clip table; columns ``clip``, ``dataset``, ``subject``, ``pair``.

        Returns:
            Columns ``clip``, ``dataset``, ``subject``, ``pair``; of the tasks that are told the truth, ``emotion``,
            ``authenticity``, ``joint`` (empty = absent); ``predicted_emotion``, ``predicted_authenticity``,
            ``predicted_joint``, a decision and its parts; ``decided_by``, if clips were compared with each other;
            ``p_<class>`` for all classes of these tasks.
        """
        import pandas as pd

        order = [task for task in COLUMNS if task in self.p]
        columns: dict[str, np.ndarray] = {c: clips[c].to_numpy(object)[self.clip] for c in IDENTITY}
        # The empty name comes last, where -1 finds it.
        names = {task: np.array([*self.space.names(task), ""], dtype=object) for task in order}
        columns |= {task: names[task][self.true(task)] for task in order}
        columns |= {f"predicted_{task}": names[task][self.predicted(task)] for task in order}
        if self.given is not None:
            columns[DECIDED_BY] = np.where(self.given == ABSENT, THRESHOLD, self.protocol).astype(object)
        for task in order:
            columns |= {f"p_{name}": self.p[task][:, k] for k, name in enumerate(self.space.names(task))}
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

    try:
        found = pd.read_csv(path, dtype=_TEXTS, keep_default_na=False, float_precision="round_trip")
        space, tasks = _classes(found.columns.tolist())
        emotion, authenticity = (_numbers(name, found, space) for name in ("emotion", "authenticity"))
        p = {task: found[[f"p_{c}" for c in space.names(task)]].to_numpy(np.float64) for task in tasks}
        protocol, given = _protocol(found)
        codes, _ = pd.factorize(found["clip"])
        clips = found.loc[~found["clip"].duplicated(), list(IDENTITY)].reset_index(drop=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the predictions.csv of a finished run") from None
    except (KeyError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = f"column {error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise UserError(f"{path}: no table of predictions ({reason}); give a run's predictions.csv") from None
    number = codes.astype(np.int64)
    return Predictions(number, emotion, authenticity, p, space=space, protocol=protocol, given=given), clips


def subject_names(clips: pd.DataFrame) -> np.ndarray:
    """Name of the subject of each clip (clips,), unique over datasets; an unknown one is named after pair or clip.

    A pair holds clips of one person, whoever that is; a clip of which nothing is known is a subject of its own.
    """
    columns = (clips[c].to_numpy(str) for c in ("dataset", "subject", "pair", "clip"))
    names = [
        "\0".join((d, s) if s else (d, "", p) if p else (d, "", "", c)) for d, s, p, c in zip(*columns, strict=True)
    ]
    return np.array(names, dtype=object)


def clip_names(clips: pd.DataFrame) -> np.ndarray:
    """Name of each clip (clips,), unique over datasets."""
    both = zip(clips["dataset"].to_numpy(str), clips["clip"].to_numpy(str), strict=True)
    return np.array(["\0".join(names) for names in both], dtype=object)


def subject_numbers(clips: pd.DataFrame) -> np.ndarray:
    """Number of the subject of each clip (clips,) int64, 0 to S - 1, see :func:`subject_names`."""
    import pandas as pd

    return pd.factorize(subject_names(clips))[0].astype(np.int64)


def pair_numbers(clips: pd.DataFrame) -> np.ndarray:
    """Number of the pair of each clip (clips,) int64; -1 = none."""
    import pandas as pd

    number = pd.factorize(pd.MultiIndex.from_arrays([clips["dataset"], clips["pair"]]))[0].astype(np.int64)
    return np.where(clips["pair"].to_numpy(str) == "", -1, number)


_TEXTS = dict.fromkeys((*IDENTITY, "emotion", "authenticity"), str)


def _classes(columns: Sequence[str]) -> tuple[LabelSpace, tuple[str, ...]]:
    """The label space of a table of predictions and the tasks that it tells, by its headings."""
    tasks = tuple(task for task in TASKS if f"predicted_{task}" in columns)
    if not tasks:
        raise KeyError("predicted_authenticity")
    names = [c.removeprefix("p_") for c in columns if c.startswith("p_")]
    joint = tuple(f"{a}_" for a in AUTHENTICITIES)
    emotions = tuple(n for n in names if n not in AUTHENTICITIES and not n.startswith(joint))
    return LabelSpace(emotions) if emotions else SASE_FE, tasks


def _concatenated_given(parts: Sequence[Predictions]) -> np.ndarray | None:
    """What protocols gave the rows of several predictions; those of none were decided by threshold."""
    if all(p.given is None for p in parts):
        return None
    return np.concatenate([np.full(len(p), ABSENT) if p.given is None else p.given for p in parts])


def _protocol(found: pd.DataFrame) -> tuple[str, np.ndarray | None]:
    """The protocol of a table of predictions, and what it gave each row."""
    if DECIDED_BY not in found.columns:
        return THRESHOLD, None
    words, protocols = found[DECIDED_BY].to_numpy(str), set(get_args(Protocol))
    if unknown := sorted(set(words) - protocols):
        raise ValueError(f"{DECIDED_BY} {str(unknown[0])!r}: expected one of {', '.join(get_args(Protocol))}")
    real = found["predicted_authenticity"].to_numpy(str) == AUTHENTICITIES[Authenticity.REAL]
    given = np.where(words == THRESHOLD, ABSENT, np.where(real, Authenticity.REAL, Authenticity.FAKE))
    return next((str(word) for word in words if word != THRESHOLD), THRESHOLD), given


def _numbers(task: str, found: pd.DataFrame, space: LabelSpace) -> np.ndarray:
    """Class of each row's true label; absent where the table does not tell the task."""
    if f"predicted_{task}" not in found.columns:
        return np.full(len(found), ABSENT)
    number = {name: k for k, name in enumerate(space.names(task))} | {"": ABSENT}
    if unknown := sorted(set(found[task]) - set(number)):
        raise ValueError(f"{task} {unknown[0]!r}: expected one of {', '.join(space.names(task))}, or nothing")
    return np.array([number[name] for name in found[task]], dtype=np.int64)
