"""The number of threads of a run: in its results, and the same when it or its sweep goes on somewhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_runs import fake_config, write_run
from omegaconf import OmegaConf

from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.experiments.execution import execute
from realfake.experiments.placement import keep_threads, note_threads, placed
from realfake.reports.finished import read_run
from realfake.reports.ranking import rank
from realfake.runs.devices import use_threads
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results

IN_TURN = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
JOBLIB = {"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", "n_jobs": 2}


def new_run(folder: Path) -> RunFolder:
    (folder / ".hydra").mkdir(parents=True)
    return RunFolder(folder)


def job(launcher: dict[str, Any]) -> Any:
    """What Hydra says of a job of a sweep."""
    return OmegaConf.create({"launcher": launcher, "job": {"num": 0}})


def carry_out(words: list[str], run: RunFolder, launcher: dict[str, Any]) -> dict[str, Any]:
    """A job of a sweep, as ``realfake train`` carries it out."""
    with placed(compose("train", words, TrainConfig), job(launcher)) as (cfg, share):
        return execute(cfg, run, in_sweep=True, share=share)


def test_a_sweep_that_goes_on_elsewhere_keeps_its_threads(tiny: list[str], tmp_path: Path) -> None:
    """Begun in turn with three threads, it goes on with three where joblib would give each run its share."""
    words = [w for w in tiny if not w.startswith("trainer.threads")]
    words += ["approach=single_task", "trainer.max_epochs=1", "trainer.gpus=0"]
    with use_threads(3):
        first = carry_out([*words, "seed=1"], new_run(tmp_path / "a"), IN_TURN)
    second = carry_out([*words, "seed=2"], new_run(tmp_path / "b"), JOBLIB)
    assert (first["threads"], second["threads"]) == (3, 3)
    assert "3 threads" in second["device"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_sweep_that_begins_in_parallel_shares_the_cores(processes: int, tmp_path: Path) -> None:
    words = ["trainer.gpus=0", f"trainer.cpu_processes={processes}"]
    with placed(compose("train", words, TrainConfig), job(JOBLIB)) as (cfg, share):
        kept = keep_threads(cfg, new_run(tmp_path / "a"), in_sweep=True, share=share)
    assert kept.trainer.threads == share == max(1, len(os.sched_getaffinity(0)) // (2 * processes))


def test_whose_number_counts(trained: Callable[..., Path], tiny: list[str], tmp_path: Path) -> None:
    """A number that was asked for, else the run's own, that of the checkpoint it goes on from, the sweep's, a share."""

    def threads(*words: str, in_sweep: bool = True, share: int | None = 7) -> int | None:
        cfg = compose("train", ["trainer.threads=null", *words], TrainConfig)
        return keep_threads(cfg, run, in_sweep=in_sweep, share=share).trainer.threads

    run = new_run(tmp_path / "b")
    assert threads() == 7
    assert threads(share=None) is None
    note_threads(new_run(tmp_path / "a"), 5)
    assert threads() == 5
    assert threads(in_sweep=False) == 7, "folders beside a single run have nothing to do with it"
    before = trained("approach=multi_task")
    assert threads(f"ckpt={before}", in_sweep=False) == 1
    note_threads(run, 4)
    assert threads() == 4
    assert threads(in_sweep=False) == 7, "it begins anew"
    assert threads("trainer.threads=2") == 2


def test_results_say_how_many(trained: Callable[..., Path]) -> None:
    run = trained("approach=multi_task")
    assert (read_results(run) or {})["threads"] == 1
    assert RunFolder(run).noted_threads() == 1


def test_the_next_run_of_a_process_has_the_usual_number() -> None:
    usual = torch.get_num_threads()
    with use_threads(usual + 2) as threads:
        assert threads == torch.get_num_threads() == usual + 2
    with use_threads(None) as threads:
        assert threads == usual


@pytest.mark.parametrize(("threads", "said"), [((1, 1), False), ((1, 2), True), ((1, None), False)])
def test_a_report_says_that_threads_differ(tmp_path: Path, threads: tuple[int | None, int | None], said: bool) -> None:
    for name, number in zip("ab", threads, strict=True):
        write_run(tmp_path / name, [f"seed={name}"], fake_config(), threads=number)
    notes = rank([read_run(tmp_path / name, name) for name in "ab"]).notes
    assert any("1 and 2 threads" in note for note in notes) == said
