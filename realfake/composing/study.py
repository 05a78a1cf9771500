"""The study of a search: an SQLite file in the sweep's folder, so that a repeated command goes on with it.

Hydra's Optuna sweeper starts its full number of trials on every call and forgets those that were cut off; what is
here tells it how many are left, and puts the cut-off ones back into the queue.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

STUDY = "realfake"
"""Name of the study in its database, as ``conf/search/optuna.yaml`` says it."""
_CUT_OFF = "cut_off"
"""The study's attribute with the numbers of trials that were cut off; each is queued again as another trial."""


def study_file(sweep_dir: str | Path) -> Path:
    """The database of the study in a sweep's folder."""
    return Path(sweep_dir).absolute() / "study.db"


def storage_url(sweep_dir: str | Path) -> str:
    """The same, as Optuna wants it."""
    return f"sqlite:///{study_file(sweep_dir)}"


def finished_trials(sweep_dir: str | Path) -> int:
    """Trials that ended, well or badly."""
    study = _study(sweep_dir)
    if study is None:
        return 0
    again = study.user_attrs.get(_CUT_OFF, [])
    return sum(t.state.is_finished() and t.number not in again for t in study.get_trials(deepcopy=False))


def trials_left(sweep_dir: str | Path, trials: int) -> int:
    """How many of ``trials`` are still to be done."""
    return max(0, int(trials) - finished_trials(sweep_dir))


def sampler_seed(sweep_dir: str | Path, seed: int) -> int:
    """A seed that depends on how far the study has got: the same one would propose the first trials again."""
    return int(seed) + 1000 * finished_trials(sweep_dir)


def prepare_study(sweep_dir: str | Path) -> None:
    """Make the folder, and queue again, with their parameters, the trials that were cut off."""
    Path(sweep_dir).mkdir(parents=True, exist_ok=True)
    study = _study(sweep_dir)
    if study is None:
        return
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    # Noted first: a process killed in between leaves trials that are still to be done, never one too few.
    study.set_user_attr(_CUT_OFF, sorted({*study.user_attrs.get(_CUT_OFF, []), *(t.number for t in running)}))
    for trial in running:
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _study(sweep_dir: str | Path) -> Any:
    """Optuna's study; ``None`` if there is none yet, maybe since the search was killed before it was made."""
    if not study_file(sweep_dir).exists():
        return None
    import optuna

    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # queueing and telling
    try:
        return optuna.load_study(study_name=STUDY, storage=storage_url(sweep_dir))
    except KeyError:
        return None
