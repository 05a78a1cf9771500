"""Two systems brought together: the same clips of the same people, in the tasks that both tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realfake.errors import UserError
from realfake.labels import ABSENT, AUTHENTICITIES, LabelSpace
from realfake.scoring.metric_table import told_metrics
from realfake.scoring.predictions import Predictions


def common_rows(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two tables that are about the same clips, in the order of the first; two arrays of one length.

    Args:
        first: Name of each clip (N,), see :func:`realfake.scoring.predictions.clip_names`.
        second: Those of the other table.
    """
    place = {name: row for row, name in enumerate(second)}
    both = np.array([(row, place[name]) for row, name in enumerate(first) if name in place], dtype=np.int64)
    return both.reshape(-1, 2)[:, 0], both.reshape(-1, 2)[:, 1]


def comparable(
    first: Predictions, second: Predictions, clips: np.ndarray, other: str
) -> tuple[Predictions, Predictions, tuple[str, ...]]:
    """Predictions of the same clips in one label space, and the metrics that both are measured by.

    Systems that tell different tasks, or other emotions, are compared by authenticity alone.

    Args:
        first: Of the other system, N rows.
        second: Of this one, row by row of the same clips.
        clips: Name of each row's clip (N,).
        other: How the user named the other system, e.g. ``against=outputs/…``.

    Raises:
        UserError: If they tell nothing in common, or a clip has different labels.
    """
    if (first.space, first.tasks) != (second.space, second.tasks):
        first, second = (_of_authenticity(p, other) for p in (first, second))
    names = told_metrics([task for task in second.tasks if task != "joint" or "emotion" in second.p])
    for task in (t for t in ("emotion", "authenticity") if t in second.p):
        torn = np.flatnonzero(first.true(task) != second.true(task))
        if len(torn):
            clip = clips[int(torn[0])].rpartition("\0")[2]
            raise UserError(f"{other}: clip {clip} has another {task} there; compare runs of the same data")
    return first, second, names


def _of_authenticity(p: Predictions, other: str) -> Predictions:
    """What predictions tell of authenticity, as one label space for all that tell it; its decision stays as it was."""
    if "authenticity" not in p.p:
        raise UserError(f"{other}: the two runs tell nothing in common; compare runs that tell real from fake")
    decided = np.eye(len(AUTHENTICITIES))[p.predicted("authenticity")]
    no_emotion = np.full(len(p), ABSENT)
    return replace(p, emotion=no_emotion, p={"joint": decided, "authenticity": p.p_authenticity}, space=_SMILES)


_SMILES = LabelSpace(("any",))
"""Of clips whose emotion is left aside: its joint classes are those of authenticity."""
