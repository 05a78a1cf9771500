"""What the clip predictions of finished runs add to a table: intervals over subjects, and confusion matrices.

Clips of one person are alike, so the unit that is resampled is the subject, with all its clips. For a group of runs
(seeds, folds) the clips of all runs are pooled, one row a run and clip, and a drawn subject brings all its rows: two
seeds that saw the same ten people are still ten people. Real and fake clips are compared within a run, and then their
comparisons are pooled: the models of two runs put their scores at different heights.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.data.people import people_note
from realfake.errors import UserError
from realfake.reports.finished import FinishedRun
from realfake.reports.ranking import Leaderboard, RunGroup
from realfake.scoring.metric_table import told_metrics
from realfake.scoring.metrics import confusion_matrix
from realfake.scoring.predictions import Predictions, clip_names, read_table, subject_names
from realfake.scoring.statistics import Interval, bootstrap

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

LEVEL = "test/clip/"
"""Of the metrics that can be computed from the table of predictions."""


@dataclass
class Figures:
    """What was computed from predictions, for those runs and groups that have any."""

    runs: dict[FinishedRun, Interval] = field(default_factory=dict)
    """The ranking metric of each run."""
    confusions: dict[FinishedRun, dict[str, np.ndarray]] = field(default_factory=dict)
    """Task that is told → counts (classes, classes), rows true; clips without a label left out."""
    classes: dict[FinishedRun, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Task that is told → names of its classes."""
    groups: dict[RunGroup, dict[str, Interval]] = field(default_factory=dict)
    """Metric → interval of each group."""
    subjects: dict[RunGroup, int] = field(default_factory=dict)
    """Distinct test subjects of each group."""
    people: dict[FinishedRun, str] = field(default_factory=dict)
    """What has to be said of unknown people beside a run's figures."""


@dataclass(frozen=True)
class RunClips:
    """The test clips of one run (N): predictions, and what belongs together."""

    predictions: Predictions
    subject: np.ndarray
    """Names (N,), unique over datasets."""
    pair: np.ndarray
    """Number of the pair, -1 where a clip has no counterpart."""
    table: pd.DataFrame
    """To whose rows the clips of the predictions point; columns ``clip``, ``dataset``, ``subject`` and ``pair``."""
    clip: np.ndarray
    """Names (N,), unique over datasets."""
    people: str | None = None
    """What has to be said of unknown people."""


def compute_figures(
    board: Leaderboard, draws: int, track: Callable[[Iterable[RunGroup]], Iterable[RunGroup]] = iter
) -> Figures:
    """Read the predictions of every completed run, one group at a time.

    Args:
        board: The runs.
        draws: Of the bootstrap.
        track: Shows progress over the groups.
    """
    figures = Figures(people={run: str(note) for run in board.runs if (note := run.results.get("people"))})
    for group in track(board.groups):
        # Figures of today would stand beside those of older definitions.
        current = [run for run in group.completed if not run.outdated]
        clips = {run: found for run in current if (found := read_clips(run)) is not None}
        if not clips:
            continue
        for run, found in clips.items():
            p = found.predictions
            figures.confusions[run] = {task: confusion_matrix(p, task) for task in p.tasks}
            figures.classes[run] = {task: p.space.names(task) for task in p.tasks}
            if found.people and "people" not in run.results:  # saved before runs said so themselves
                figures.people[run] = found.people
        for run, found in clips.items():
            own = pooled_intervals([found], [board.metric], draws)
            if board.metric in own:
                figures.runs[run] = own[board.metric]
        figures.groups[group] = pooled_intervals(list(clips.values()), board.metrics, draws)
        figures.subjects[group] = len(np.unique(np.concatenate([c.subject for c in clips.values()])))
    return figures


def read_clips(run: FinishedRun) -> RunClips | None:
    """The test clips of a run, ``None`` (with a warning) if there are none or they cannot be read."""
    return None if run.predictions is None else read_tested(run.predictions)


def read_tested(path: Path) -> RunClips | None:
    """The clips of a table of predictions, ``None`` (with a warning) if there is none or it cannot be read."""
    if not path.is_file():
        return None
    try:
        return load_clips(path)
    except UserError as error:
        log.warning("%s: left out of intervals and confusions (%s)", path, error)
        return None


def load_clips(path: Path) -> RunClips:
    """The clips of a run's table of predictions.

    Raises:
        UserError: If it is none, or holds probabilities that are no numbers.
    """
    predictions, table = read_table(path)
    if not all(np.isfinite(predictions.probabilities(task)).all() for task in predictions.tasks):
        raise UserError("probabilities that are no numbers")
    rows = table.iloc[predictions.clip]
    names, pair = np.unique(rows["pair"].to_numpy(str), return_inverse=True)
    pair = np.where(names[pair] == "", -1, pair)
    note = people_note(table["subject"])
    return RunClips(predictions, subject_names(rows), pair, table, clip_names(rows), note)


def pooled_intervals(runs: Sequence[RunClips], metrics: Sequence[str], draws: int) -> dict[str, Interval]:
    """Intervals of metrics over the clips of several runs taken together.

    Args:
        runs: Test clips of each run.
        metrics: Full names; only those of test clips, ``test/clip/…``, have an interval.
        draws: Number of resamples.

    Returns:
        Metric → interval; those that are undefined, as with a single subject, are left out.
    """
    wanted = [name for name in told_metrics(runs[0].predictions.tasks) if LEVEL + name in metrics]
    subject = np.unique(np.concatenate([c.subject for c in runs]), return_inverse=True)[1]
    # What one run's model says of a clip has no order with what another's says of it: pairs and scores stay apart.
    run = np.repeat(np.arange(len(runs)), [len(c.predictions) for c in runs])
    pair, joined = np.concatenate([c.pair for c in runs]), Predictions.concatenated([c.predictions for c in runs])
    found = bootstrap(joined, subject, pair, run=run, names=wanted, resamples=draws)
    return {LEVEL + name: i for name, i in found.items() if math.isfinite(i.low)}
