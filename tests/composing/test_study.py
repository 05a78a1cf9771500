"""The study of a search goes on where it was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realfake.composing.study import (
    STUDY,
    finished_trials,
    prepare_study,
    sampler_seed,
    storage_url,
    study_file,
    trials_left,
)


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """Opens a search's study as Optuna's sweeper does; each call stands for a process, which remembers its trials."""
    optuna = pytest.importorskip("optuna", reason="needs the extra search")
    return lambda: optuna.create_study(study_name=STUDY, storage=storage_url(tmp_path), load_if_exists=True)


def test_a_new_study_has_all_its_trials_ahead(tmp_path: Path) -> None:
    folder = tmp_path / "multirun" / "x"
    assert (trials_left(folder, 8), finished_trials(folder), sampler_seed(folder, 3)) == (8, 0, 3)
    prepare_study(folder)
    assert folder.is_dir()
    assert not study_file(folder).exists()


def test_killed_before_the_study_was_made(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="needs the extra search")
    study_file(tmp_path).touch()
    prepare_study(tmp_path)
    assert trials_left(tmp_path, 8) == 8


def test_cut_off_trials_are_queued_again_with_their_parameters_and_counted_as_left(study: Any, tmp_path: Path) -> None:
    from optuna.trial import TrialState

    first_seed = sampler_seed(tmp_path, 0)
    killed = study()
    killed.tell(killed.ask(), 1.0)
    killed.tell(killed.ask(), state=TrialState.FAIL)
    value = killed.ask().suggest_float("optimizer.lr", 1e-4, 1e-1, log=True)
    assert trials_left(tmp_path, 8) == 6
    for _ in range(2):  # the second time, nothing is cut off
        prepare_study(tmp_path)
        assert [t.state.name for t in study().trials] == ["COMPLETE", "FAIL", "FAIL", "WAITING"]
        assert (finished_trials(tmp_path), trials_left(tmp_path, 8), trials_left(tmp_path, 1)) == (2, 6, 0)
    repeated = study()
    again = repeated.ask()
    assert again.suggest_float("optimizer.lr", 1e-4, 1e-1, log=True) == value
    repeated.tell(again, 0.5)
    assert finished_trials(tmp_path) == 3
    assert sampler_seed(tmp_path, 0) != first_seed, "the same seed would propose the first trials again"
