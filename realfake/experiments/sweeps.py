"""What happens around a sweep (``-m``): its folder is remembered, and its report made once all jobs have ended.

The module is imported by Hydra in every command that may sweep: nothing heavy belongs to its top.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from realfake.errors import Interrupted
from realfake.files import only_one

log = logging.getLogger(__name__)


class Started(NamedTuple):
    """The sweep that this process started."""

    folder: Path
    report: bool
    """Whether one is wanted."""
    completed: dict[Path, int]
    """Runs that were completed before, and when that was noted."""


_started: list[Started] = []


class RememberSweep(Callback):
    """Hydra callback: notes the folder of a sweep when it starts, in the process that started it."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called once, before any job."""
        folder = Path(str(config.hydra.sweep.dir))
        _started.append(Started(folder, bool(config.sweep.report), _completed(folder)))


def _completed(folder: Path) -> dict[Path, int]:
    """The runs of a sweep that are completed, and when (nanoseconds) that was written."""
    from realfake.runs.results import COMPLETED, read_results

    runs = [path.parent for path in folder.glob("*/results.json")]
    found = {run: run.joinpath("results.json").stat().st_mtime_ns for run in runs}
    return {run: when for run, when in found.items() if (read_results(run) or {}).get("status") == COMPLETED}


def wait_for(run: Path) -> None:
    """Wait for another process that was started on the same sweep and trains this run; until it has ended."""
    with only_one(run, lambda: print(f"waiting for another process that trains {run}", flush=True)):
        pass


def finish_sweep() -> int:
    """Report on the sweep that this process started, also if it was cut short; the exit status.

    Runs that other processes train are waited for; what they leave unfinished is done by repeating the command.

    Returns:
        0 if every run of the sweep completed, otherwise 1; 0 if no sweep was started.
    """
    from realfake.runs.results import COMPLETED, read_results

    if not _started:
        return 0
    folder, wanted, before = _started.pop()
    runs = sorted(p.parent.parent for p in folder.glob("*/.hydra/config.yaml"))
    if not runs:
        return 1
    if not isinstance(sys.exception(), Interrupted | KeyboardInterrupt):
        for run in runs:
            if (read_results(run) or {}).get("status") != COMPLETED:
                wait_for(run)
    if kept := len(before.items() & _completed(folder).items()):
        print(f"{kept} of {len(runs)} runs were completed before and left as they are (sweep.rerun=all: train again)")
    if wanted:
        from realfake.experiments.missing_pictures import draw_missing
        from realfake.reports.leaderboard import make_report

        report = make_report(folder)
        report.show()
        draw_missing(report.board)
    return int(any((read_results(r) or {}).get("status") != COMPLETED for r in runs))
