"""The study of a search goes on where it was cut off."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from realfake.composing.study import (
    finished_trials,
    prepare_study,
    sampler_seed,
    storage_url,
    study_file,
    trials_left,
)


def write_study(folder: Path, *states: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(study_file(folder)) as database:
        database.execute("CREATE TABLE trials (trial_id INTEGER PRIMARY KEY, state TEXT)")
        database.executemany("INSERT INTO trials (state) VALUES (?)", [(s,) for s in states])


def states(folder: Path) -> list[str]:
    with sqlite3.connect(study_file(folder)) as database:
        return [row[0] for row in database.execute("SELECT state FROM trials ORDER BY trial_id")]


def test_a_new_study_has_all_its_trials_ahead(tmp_path: Path) -> None:
    folder = tmp_path / "multirun" / "x"
    assert (trials_left(folder, 8), finished_trials(folder), sampler_seed(folder, 3)) == (8, 0, 3)
    prepare_study(folder)
    assert folder.is_dir()
    assert not study_file(folder).exists()


def test_killed_before_the_tables_were_made(tmp_path: Path) -> None:
    sqlite3.connect(study_file(tmp_path)).close()
    study_file(tmp_path).touch()
    prepare_study(tmp_path)
    assert trials_left(tmp_path, 8) == 8


def test_cut_off_trials_are_queued_again_and_counted_as_left(tmp_path: Path) -> None:
    write_study(tmp_path, "COMPLETE", "FAIL", "COMPLETE", "RUNNING")
    assert trials_left(tmp_path, 8) == 5
    prepare_study(tmp_path)
    assert states(tmp_path) == ["COMPLETE", "FAIL", "COMPLETE", "WAITING"]
    assert trials_left(tmp_path, 8) == 5
    assert trials_left(tmp_path, 2) == 0


def test_a_repeated_study_does_not_propose_its_first_trials_again(tmp_path: Path) -> None:
    first = sampler_seed(tmp_path, 0)
    write_study(tmp_path, "COMPLETE")
    assert sampler_seed(tmp_path, 0) != first


def test_with_optuna_itself(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(study_name="realfake", storage=storage_url(tmp_path), load_if_exists=True)
    study.tell(study.ask(), 1.0)
    asked = study.ask()
    value = asked.suggest_float("optimizer.lr", 1e-4, 1e-1, log=True)
    prepare_study(tmp_path)
    again = optuna.load_study(study_name="realfake", storage=storage_url(tmp_path)).ask()
    assert again.number == asked.number
    assert again.suggest_float("optimizer.lr", 1e-4, 1e-1, log=True) == value
    assert finished_trials(tmp_path) == 1
