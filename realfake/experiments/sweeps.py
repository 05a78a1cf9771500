"""What happens around a sweep (``-m``): its folder is remembered, and its report made once all jobs have ended.

The module is imported by Hydra in every command that may sweep: nothing heavy belongs to its top.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

log = logging.getLogger(__name__)

_started: list[tuple[Path, bool]] = []
"""Folder of the sweep that this process started, and whether a report is wanted."""


class RememberSweep(Callback):
    """Hydra callback: notes the folder of a sweep when it starts, in the process that started it."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called once, before any job."""
        _started.append((Path(str(config.hydra.sweep.dir)), bool(config.sweep.report)))


def finish_sweep() -> int:
    """Report on the sweep that this process started, also if it was cut short; the exit status.

    Returns:
        0 if every run of the sweep completed, otherwise 1; 0 if no sweep was started.
    """
    from realfake.experiments.results import COMPLETED, read_results

    if not _started:
        return 0
    folder, wanted = _started.pop()
    runs = sorted(p.parent.parent for p in folder.glob("*/.hydra/config.yaml"))
    if not runs:
        return 1
    if wanted:
        from realfake.experiments.leaderboard import make_report

        make_report(folder).show()
    return int(any((read_results(r) or {}).get("status") != COMPLETED for r in runs))
