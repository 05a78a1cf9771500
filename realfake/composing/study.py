"""The study of a search: an SQLite file in the sweep's folder, so that a repeated command goes on with it.

Hydra's Optuna sweeper starts its full number of trials on every call and forgets those that were cut off; what is
here tells it how many are left, and puts the cut-off ones back into the queue.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

FINISHED = ("COMPLETE", "FAIL", "PRUNED")


def study_file(sweep_dir: str | Path) -> Path:
    """The database of the study in a sweep's folder."""
    return Path(sweep_dir).absolute() / "study.db"


def storage_url(sweep_dir: str | Path) -> str:
    """The same, as Optuna wants it."""
    return f"sqlite:///{study_file(sweep_dir)}"


def finished_trials(sweep_dir: str | Path) -> int:
    """Trials that ended, well or badly."""
    marks = ",".join("?" * len(FINISHED))
    return _execute(sweep_dir, f"SELECT COUNT(*) FROM trials WHERE state IN ({marks})", FINISHED)


def trials_left(sweep_dir: str | Path, trials: int) -> int:
    """How many of ``trials`` are still to be done."""
    return max(0, int(trials) - finished_trials(sweep_dir))


def sampler_seed(sweep_dir: str | Path, seed: int) -> int:
    """A seed that depends on how far the study has got: the same one would propose the first trials again."""
    return int(seed) + 1000 * finished_trials(sweep_dir)


def prepare_study(sweep_dir: str | Path) -> None:
    """Make the folder, and queue again, with their parameters, the trials that were cut off."""
    Path(sweep_dir).mkdir(parents=True, exist_ok=True)
    _execute(sweep_dir, "UPDATE trials SET state = 'WAITING' WHERE state = 'RUNNING'")


def _execute(sweep_dir: str | Path, statement: str, values: tuple[str, ...] = ()) -> int:
    file = study_file(sweep_dir)
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file)) as database, database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trials'").fetchone():
            return 0  # killed before Optuna had made its tables
        row = database.execute(statement, values).fetchone()
        return int(row[0]) if row else 0
