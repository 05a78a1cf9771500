"""Pictures of runs that have ended without: drawn of what they wrote, when a report is made."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from realfake.config import AUTO
from realfake.errors import UserError
from realfake.experiments.summary import from_here
from realfake.reports.run_pictures import draw_run
from realfake.runs.folder import RunFolder

if TYPE_CHECKING:
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
    """Draw the pictures of a finished run as it would have done itself, from what its folder holds.

    Raises:
        UserError: If its predictions cannot be read.
    """
    draw_run(run.path)
    if run.tensorboard.is_dir():
        # A report that draws nothing needs no torch.
        from realfake.experiments.artifacts import show_in_tensorboard
        from realfake.experiments.event_files import events_folder, merge_events

        events = events_folder(run.tensorboard, run.path, run.overrides())
        show_in_tensorboard(run, events)
        merge_events(run.tensorboard, events)
