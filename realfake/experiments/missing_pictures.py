"""Pictures of runs that have ended without: drawn of what they wrote, when a report is made."""

from __future__ import annotations

import csv
import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from realfake.config import AUTO, TrainConfig
from realfake.errors import UserError
from realfake.experiments.artifacts import draw_run, show_in_tensorboard
from realfake.experiments.event_files import events_folder, merge_events
from realfake.experiments.summary import from_here
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results
from realfake.scoring.predictions import read_table, subject_numbers
from realfake.scoring.statistics import Interval
from realfake.scoring.tables import by_emotion

if TYPE_CHECKING:
    from realfake.data.store import PreparedStore
    from realfake.reports.ranking import Leaderboard

log = logging.getLogger(__name__)


def draw_missing(board: Leaderboard, *, every: bool = False) -> None:
    """Draw ``plots/`` of completed runs that have none, and print where.

    Args:
        board: The ranked runs.
        every: Of all of them; otherwise of the best run of the group that validation prefers, if it was trained with
            ``callbacks.plots=auto``.
    """
    chosen = () if board.chosen is None else board.chosen.completed[:1]
    left = [run for run in chosen if (run.config.get("callbacks") or {}).get("plots") == AUTO]
    for run in board.runs if every else left:
        folder = RunFolder(run.folder)
        if not run.completed or folder.plots.exists():
            continue
        try:
            draw_finished(folder)
            print(f"plots: {from_here(folder.plots)}")
        except (UserError, OSError) as error:
            log.warning("%s: no pictures: %s", run.folder, error)


def draw_finished(run: RunFolder) -> None:
    """Draw the pictures of a finished run as it would have done itself, of its tables and its prepared data.

    Where that data is gone or has changed, there are no pictures of examples, which is said.

    Raises:
        UserError: If its configuration or its predictions cannot be read.
    """
    cfg, results = run.load_config(), read_results(run.path) or {}
    clips, table = read_table(run.predictions)
    grouped = by_emotion(clips, subject_numbers(table)[clips.clip])
    store = _store(cfg, run)
    if store is not None:
        rows = pd.Index(store.table["clip"]).get_indexer(table["clip"])
        clips = replace(clips, clip=rows[clips.clip].astype(np.int64))
    area = "test/clip/authenticity_auroc"
    ends = [math.nan if end is None else end for end in (results.get("intervals") or {}).get(area, (None, None))]
    value = (results.get("metrics") or {}).get(area)
    draw_run(
        run.plots,
        clips,
        store,
        rows=_epochs(run),
        best_epoch=results.get("best_epoch"),
        by_emotion=grouped,
        auroc=Interval(math.nan if value is None else value, *ends),
        note=results.get("people"),
    )
    if run.tensorboard.is_dir():
        events = events_folder(run.tensorboard, run.path, run.overrides())
        show_in_tensorboard(run, events)
        merge_events(run.tensorboard, events)


def _epochs(run: RunFolder) -> list[dict[str, float]]:
    """The rows of ``metrics.csv``; none without the file, as of a run for debugging."""
    if not run.metrics.is_file():
        return []
    with run.metrics.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def _store(cfg: TrainConfig, run: RunFolder) -> PreparedStore | None:
    """The prepared data that the run was tested on, if it is there and still the same."""
    from realfake.data.planning import planned
    from realfake.data.store import PreparedStore

    try:
        store = PreparedStore.open(planned(run.locate(cfg.data), cfg.face, progress=False).folder)
    except UserError as error:
        log.warning("%s: no pictures of examples: %s", run.path, error)
        return None
    if store.fingerprint != run.trained_on():
        log.warning("%s: no pictures of examples: %s has changed since", run.path, store.folder)
        return None
    return store
