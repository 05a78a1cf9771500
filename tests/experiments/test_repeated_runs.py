"""A run of a sweep that is asked for again: left as it is, gone on with, or trained anew if something has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.config.upgrade import FORMAT
from realfake.errors import UserError
from realfake.experiments.execution import RunFailed, changes_since, execute
from realfake.experiments.start import resolved
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results

WORDS = ("approach=multi_task",)


@pytest.fixture
def run(trained: Callable[..., Path], tmp_path: Path) -> RunFolder:
    """A finished run that a test may change."""
    return RunFolder(Path(shutil.copytree(trained(*WORDS), tmp_path / "run")))


@pytest.fixture
def asked(tiny: list[str]) -> Callable[..., TrainConfig]:
    """The same run again, with other words."""
    return lambda *more: resolved(compose("train", [*tiny, *WORDS, *more], TrainConfig))


def test_what_is_compared(run: RunFolder, asked: Callable[..., TrainConfig], tmp_path: Path) -> None:
    assert changes_since(run, asked()) == []
    computes_the_same = (
        "data.workers=1",
        "data.cache=none",
        "trainer.gpus=0",
        "trainer.threads=2",
        "callbacks=default",
    )
    assert changes_since(run, asked(*computes_the_same, "callbacks.early_stopping=null")) == []
    cosine = changes_since(run, asked("optimizer.lr=0.5", "scheduler=cosine"))
    assert cosine == [
        "optimizer.lr (0.003, now 0.5)",
        'scheduler.name ("onecycle", now "cosine")',
        "scheduler.warmup (0.3, now absent)",
        "scheduler.warmup_epochs (absent, now 0)",
        "scheduler.min_lr (absent, now 0.0)",
    ]
    moved = Path(shutil.copytree(asked().data.prepared, tmp_path / "prepared"))
    assert changes_since(run, asked(f"data.prepared={moved}")) == []


def test_other_data_is_a_change(run: RunFolder, asked: Callable[..., TrainConfig]) -> None:
    text = run.trained_config.read_text()
    assert f"data_fingerprint: {run.trained_on()}\n" in text
    run.trained_config.write_text(text.replace(str(run.trained_on()), "0123"))
    assert changes_since(run, asked()) == ["the data"]


def test_a_changed_run_is_trained_again_and_says_so(
    run: RunFolder, asked: Callable[..., TrainConfig], caplog: pytest.LogCaptureFixture
) -> None:
    before = read_results(run.path)
    run.evaluation("test").mkdir(parents=True)
    with caplog.at_level("INFO"):
        assert execute(asked(), run, in_sweep=True) == before
    assert f"{run.path}: completed before: left as it is" in caplog.text
    now = execute(asked("optimizer.lr=0.01", "trainer.max_epochs=1"), run, in_sweep=True)
    line = "trained again, since it was begun with other settings: optimizer.lr (0.003, now 0.01), trainer.max_epochs"
    assert f"{run.path}: {line} (2, now 1)" in caplog.text
    assert (now["status"], now["epochs"]) == ("completed", 1)
    assert (read_results(run.path) or {})["metrics"] == now["metrics"] != (before or {})["metrics"]
    assert run.load_config().optimizer.lr == 0.01
    assert not run.evaluation("test").exists()  # of weights that are gone


def test_a_failed_run_is_tried_again_once_it_is_asked_for_otherwise(
    run: RunFolder, asked: Callable[..., TrainConfig]
) -> None:
    run.results.write_text(json.dumps({"status": "failed", "error": "diverged"}))
    with pytest.raises(RunFailed, match="failed before: left as it is"):
        execute(asked(), run, in_sweep=True)
    assert changes_since(run, asked("optimizer.lr=0.01"))


def test_results_of_older_versions_are_kept_and_named(
    run: RunFolder, asked: Callable[..., TrainConfig], caplog: pytest.LogCaptureFixture
) -> None:
    run.trained_config.unlink()
    with caplog.at_level("INFO"):
        assert execute(asked("optimizer.lr=0.01"), run, in_sweep=True) == read_results(run.path)
    assert f"{run.path}: completed before by an older version, which did not note with what settings" in caplog.text


def test_a_run_of_a_later_version_is_not_touched(run: RunFolder, asked: Callable[..., TrainConfig]) -> None:
    run.trained_config.write_text(run.trained_config.read_text().replace(f"format: {FORMAT}\n", "format: 99\n"))
    with pytest.raises(UserError, match=rf"format=99: expected 1 to {FORMAT}"):
        execute(asked("optimizer.lr=0.01"), run, in_sweep=True)
    assert run.best.is_file()


def test_training_into_a_folder_again_leaves_nothing_of_the_tests_before(
    run: RunFolder, asked: Callable[..., TrainConfig]
) -> None:
    old = run.evaluation("test") / "details.json"
    for path in (old, run.plots / "examples.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("faces of those who were tested before")
    page = run.page.read_text()
    execute(asked("seed=5", "trainer.max_epochs=1", "callbacks.faces=false", "callbacks.plots=false"), run)
    assert not old.exists()
    assert not run.plots.exists()
    assert "jpeg" not in run.details.read_text()
    assert run.page.read_text() != page
