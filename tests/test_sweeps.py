"""Sweeps by the real command: failures, repetition, kills, processes, launchers, search."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import hydra
import pandas as pd
import pytest
import torch
import yaml
from processes import ROOT, Command, Forks, Gate, environment

from realfake.cli import discard_empty_run
from realfake.composing.study import STUDY, finished_trials, storage_url, trials_left
from realfake.files import only_one
from realfake.reports.leaderboard import make_report
from realfake.runs.results import read_results
from realfake.scoring.predictions import read_table

GRID = ("approach=single_task,multi_task,temporal", "loss_mix=sum,dwa", "seed=1,2")


def runs(folder: Path) -> dict[str, Path]:
    """Run folders of a sweep by the overrides that vary, e.g. ``temporal dwa 2``."""
    found = {}
    for path in sorted(folder.glob("*/.hydra/overrides.yaml")):
        values = dict(o.split("=", 1) for o in yaml.safe_load(path.read_text()))
        found[" ".join(values[k] for k in ("approach", "loss_mix", "seed") if k in values)] = path.parent.parent
    return found


def outcomes(folder: Path) -> dict[str, dict]:
    return {name: read_results(path) or {} for name, path in runs(folder).items()}


def metrics_of(folder: Path) -> dict[str, dict]:
    return {name: results["metrics"] for name, results in outcomes(folder).items()}


def log_of(folder: Path) -> dict[str, str]:
    return {name: (path / "run.log").read_text() for name, path in runs(folder).items()}


def sweep(command: Command, cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return command("train", "-m", *arguments, cwd=cwd, **environment)


def folder_name(*overrides: str) -> str:
    """Name of the folder of a run with these overrides."""
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return str(hydra.compose("train", list(overrides), return_hydra_config=True).hydra.sweep.subdir)


# --- failures and repetition -----------------------------------------------------------------------------------------

FAILING, DIVERGING = "temporal dwa 1", "multi_task sum 2"
TORN, EMPTY, WITHOUT_BEST = "single_task dwa 1", "single_task dwa 2", "multi_task dwa 2"


@pytest.fixture(scope="module")
def grid(
    command: Command, tiny: list[str], trained: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str], subprocess.CompletedProcess[str]]:
    """Twelve runs, one of which fails and one of which diverges: folder, command line, and how it went.

    Both find a half-trained state to go on from: one is of another network, the weights of the other are no numbers.
    Three others find one that is damaged: half a file, an empty one, one without the best weights that belong to it.
    """
    cwd = tmp_path_factory.mktemp("grid")
    arguments = [*tiny, "callbacks.plots=auto", "scheduler=none", "sweep.name=grid", *GRID]

    def place(name: str) -> Path:
        approach, mix, seed = name.split()
        words = [f"approach={approach}", f"loss_mix={mix}", f"seed={seed}"]
        folder = cwd / "multirun/grid" / folder_name(*arguments[: -len(GRID)], *words) / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "last.ckpt"

    first = trained("approach=multi_task", "seed=2", "scheduler=none")
    whole = (first / "checkpoints/last.ckpt").read_bytes()
    for name, content in {FAILING: whole, TORN: whole[: len(whole) // 2], EMPTY: b"", WITHOUT_BEST: whole}.items():
        place(name).write_bytes(content)
    for name in (FAILING, DIVERGING):
        shutil.copy(first / "checkpoints/best.ckpt", place(name).with_name("best.ckpt"))
    state = torch.load(first / "checkpoints/last.ckpt", weights_only=True)
    for name, value in state["state_dict"].items():
        if name.startswith("heads"):
            value.fill_(float("nan"))
    state["loops"]["fit_loop"]["epoch_progress"]["current"].update(ready=1, started=1, processed=1, completed=0)
    torch.save(state, place(DIVERGING))
    return cwd, arguments, sweep(command, cwd, *arguments)


def test_the_others_go_on(grid: tuple[Path, list[str], subprocess.CompletedProcess[str]]) -> None:
    found = outcomes(grid[0] / "multirun/grid")
    assert len(found) == 12
    status = {name: results["status"] for name, results in found.items()}
    assert {name for name, s in status.items() if s != "completed"} == {FAILING, DIVERGING}
    assert status[FAILING] == status[DIVERGING] == "failed"
    assert found[DIVERGING]["error"].startswith("diverged: the ")
    assert "state_dict" in found[FAILING]["error"]


@pytest.mark.parametrize(("name", "file"), [(TORN, "last"), (EMPTY, "last"), (WITHOUT_BEST, "best")])
def test_a_run_with_a_damaged_checkpoint_is_trained_anew(
    grid: tuple[Path, list[str], subprocess.CompletedProcess[str]], name: str, file: str
) -> None:
    folder = grid[0] / "multirun/grid"
    assert outcomes(folder)[name]["status"] == "completed"
    assert pd.read_csv(runs(folder)[name] / "metrics.csv")["epoch"].tolist() == [0, 1]
    log = log_of(folder)[name]
    assert f"{file}.ckpt" in log
    assert "the run is trained anew" in log
    assert "resuming" not in log


def test_the_exit_status_and_the_screen_say_so(grid: tuple[Path, list[str], subprocess.CompletedProcess[str]]) -> None:
    assert grid[2].returncode == 1
    assert "diverged" in grid[2].stdout
    assert grid[2].stderr.count("error: ") == 2
    assert "Traceback" in log_of(grid[0] / "multirun/grid")[FAILING]


def test_the_report_is_written(grid: tuple[Path, list[str], subprocess.CompletedProcess[str]]) -> None:
    folder = grid[0] / "multirun/grid"
    table = pd.read_csv(folder / "leaderboard.csv")
    assert len(table) == 12
    assert (table["status"] == "completed").sum() == 10
    assert "diverged" in (folder / "report.html").read_text()


def test_the_run_that_validation_prefers_is_drawn_once_all_have_ended(
    grid: tuple[Path, list[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder = grid[0] / "multirun/grid"
    chosen = make_report(folder, tmp_path).board.chosen
    assert chosen is not None
    drawn = chosen.completed[0].folder / "plots"
    assert [*folder.glob("*/plots")] == [drawn]
    assert {"confusion_joint.png", "learning_curves.png", "examples.png"} <= {p.name for p in drawn.iterdir()}
    assert f"plots: {drawn.relative_to(grid[0])}" in grid[2].stdout.replace("\n", "")


def test_the_report_command_agrees(
    grid: tuple[Path, list[str], subprocess.CompletedProcess[str]], command: Command, tmp_path: Path
) -> None:
    done = command("report", f"dir={grid[0]}/multirun/grid", f"out={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ours, automatic = (pd.read_csv(f / "leaderboard.csv") for f in (tmp_path, grid[0] / "multirun/grid"))
    assert ours["run"].map(lambda r: Path(r).name).tolist() == automatic["run"].map(lambda r: Path(r).name).tolist()


def test_every_run_is_in_the_hparams(grid: tuple[Path, list[str], subprocess.CompletedProcess[str]]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name, folder in runs(grid[0] / "multirun/grid").items():
        if name in (FAILING, DIVERGING):
            continue
        (file,) = (folder / "tensorboard").rglob("events.out.tfevents.*")
        words = name.split()
        assert file.parent.name == f"approach={words[0]},loss_mix={words[1]},seed={words[2]}", name
        events = EventAccumulator(str(file.parent))
        events.Reload()
        assert "epoch" not in events.Tags()["scalars"]
        assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams"), name
        stored = (read_results(folder) or {})["metrics"]["test/clip/joint_accuracy"]
        assert events.Scalars("test/clip/joint_accuracy")[-1].value == pytest.approx(stored, abs=1e-6)


def test_repeating_trains_only_what_is_missing(
    grid: tuple[Path, list[str], subprocess.CompletedProcess[str]], command: Command
) -> None:
    cwd, arguments, _ = grid
    folder = cwd / "multirun/grid"
    before, when = metrics_of(folder), {n: (p / "results.json").stat().st_mtime_ns for n, p in runs(folder).items()}
    shutil.rmtree(runs(folder)["single_task sum 1"])
    again = sweep(command, cwd, *arguments)
    assert again.returncode == 1
    assert metrics_of(folder) == before
    now = {n: (p / "results.json").stat().st_mtime_ns for n, p in runs(folder).items()}
    assert {n for n in now if now[n] != when[n]} == {"single_task sum 1"}
    mended = sweep(command, cwd, *arguments, "sweep.rerun=failed")
    assert mended.returncode == 0, mended.stderr
    assert {r["status"] for r in outcomes(folder).values()} == {"completed"}


# --- kills -----------------------------------------------------------------------------------------------------------


def kill_and_repeat(forks: Forks, cwd: Path, arguments: list[str], kills: int, seed: int) -> None:
    """Start a sweep again and again, killing it while it completes some file, until it comes to its end."""
    rng = random.Random(seed)
    argv = ["realfake.train", "-m", *arguments]
    for _ in range(kills):
        gate = Gate(cwd, f"{cwd}/*", after=rng.randrange(2, 14))
        process = forks.start(argv, cwd, environment(**gate.variables))
        gate.reached(process)
        process.kill()
        process.wait()
        gate.open()
    done = forks.run(argv, cwd, environment())
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_killed_five_times_ends_as_if_undisturbed(
    command: Command, forks: Forks, tiny: list[str], tmp_path: Path
) -> None:
    arguments = [*tiny, "sweep.name=killed", "trainer.max_epochs=3", *GRID]
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    assert sweep(command, whole, *arguments).returncode == 0
    kill_and_repeat(forks, torn, arguments, kills=5, seed=1)
    assert metrics_of(torn / "multirun/killed") == metrics_of(whole / "multirun/killed")
    for name, path in runs(torn / "multirun/killed").items():
        assert pd.read_csv(path / "metrics.csv")["epoch"].tolist() == [0, 1, 2], name
    for name, text in log_of(torn / "multirun/killed").items():
        # Killed between its results and this line, a run is complete all the same.
        assert text.count("best epoch") <= 1, f"{name} was trained twice"


STARTS = """
import os, signal, sys

import realfake.experiments.artifacts, realfake.experiments.training  # once, and not anew in each start
from realfake.config import TrainConfig
from realfake.experiments.sweeps import finish_sweep
from realfake.train import main, run

def start(folder, dies_in_write):
    left, sync = [dies_in_write], os.fsync

    def fsync(handle):
        name = os.readlink(f"/proc/self/fd/{handle}")
        if ".ckpt." in name:
            left[0] -= 1
            if left[0] == 0:
                os.truncate(name, os.path.getsize(name) // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        sync(handle)

    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.fsync = fsync
        try:
            main("train", TrainConfig, run, finish_sweep)
        except SystemExit as end:
            os._exit(end.code)
        os._exit(99)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr, flush=True)

places, sys.argv[1:] = sys.argv[1:3], sys.argv[3:]
for folder, *writes in (place.split(":") for place in places):
    for write in writes:
        start(folder, int(write))
"""
"""Starts the command again and again in folders, each time killed within the n-th write of a checkpoint (0: not)."""


@pytest.mark.slow
def test_killed_twenty_times_within_writes_ends_as_if_undisturbed(tiny: list[str], tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system that can be written, /dev/shm")
    elsewhere, rng = Path(tempfile.mkdtemp(dir=shared)), random.Random(1)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    writes = [rng.randint(1, 4) for _ in range(20)]  # of two checkpoints an epoch, two epochs a run
    try:
        done = subprocess.run(
            [
                sys.executable, "-c", STARTS, f"{whole}:0", ":".join(map(str, [torn, *writes, 0])),
                "-m", *tiny, "sweep.name=killed", *GRID,
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(elsewhere)},
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        assert not list(elsewhere.rglob("*.ckpt*"))
    finally:
        shutil.rmtree(elsewhere)
    ends = [int(line) for line in done.stderr.splitlines() if line.removeprefix("-").isdigit()]
    assert ends == [0, *[-signal.SIGKILL] * 20, 0], done.stderr
    assert len(metrics_of(whole / "multirun/killed")) == 12
    assert metrics_of(torn / "multirun/killed") == metrics_of(whole / "multirun/killed")
    assert not list(torn.rglob(".*.part"))
    for name, text in log_of(torn / "multirun/killed").items():
        assert "trained anew" not in text, name


# --- two at once -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_on_one_sweep_share_it(tiny: list[str], tmp_path: Path) -> None:
    arguments = [*tiny, "sweep.name=shared", "approach=single_task,multi_task", "seed=1,2", "trainer.max_epochs=4"]
    line = [sys.executable, "-m", "realfake.train", "-m", *arguments]
    both = [
        subprocess.Popen(
            line, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    folder = tmp_path / "multirun/shared"
    assert len(pd.read_csv(folder / "leaderboard.csv")) == 4
    for name, text in log_of(folder).items():
        assert text.count("run completed") == 1, name
        assert "resuming" not in text, name
    for name, path in runs(folder).items():
        assert pd.read_csv(path / "metrics.csv")["epoch"].tolist() == [0, 1, 2, 3], name


def test_a_run_that_another_process_trains_is_left_to_it(tiny: list[str], tmp_path: Path) -> None:
    """Nothing in the run's folder is touched, not even if the other process has only begun."""
    from realfake.experiments.execution import TrainedElsewhere, train

    begun, trained = tmp_path / "begun", tmp_path / "trained"
    (trained / "checkpoints").mkdir(parents=True)
    (trained / "checkpoints/best.ckpt").write_bytes(b"of the other process")
    begun.mkdir()
    with only_one(trained), only_one(begun):
        with pytest.raises(TrainedElsewhere, match="another process trains this run"):
            train(tiny, trained)
        discard_empty_run(begun)
    assert (trained / "checkpoints/best.ckpt").read_bytes() == b"of the other process"
    assert begun.is_dir()
    discard_empty_run(begun)
    assert not begun.exists()


# --- several processes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "approaches", [["temporal_multi_task"], pytest.param(["single_task", "temporal"], marks=pytest.mark.slow)]
)
def test_distributed_runs_in_a_sweep(command: Command, tiny: list[str], tmp_path: Path, approaches: list[str]) -> None:
    """Two processes a run, a number of clips that two does not divide: every clip counts once, no stray folder."""
    from realfake.evaluation.testing import Tester

    done = sweep(
        command, tmp_path, *tiny, f"approach={','.join(approaches)}", "trainer.cpu_processes=2",
        "data.limit_clips=65", "sweep.name=two", "trainer.max_epochs=1", "callbacks.optimism=true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["multirun"]
    folders = runs(tmp_path / "multirun/two")
    assert set(folders) == set(approaches)
    assert len([p for p in (tmp_path / "multirun/two").iterdir() if p.is_dir()]) == len(approaches)
    for name, folder in folders.items():
        results = read_results(folder) or {}
        assert results["processes"] == 2
        predictions, clips = read_table(folder / "predictions.csv")
        assert len(predictions) == len(set(clips["clip"]))
        assert len(predictions) % 2 == 1
        right = results["optimism"]["authenticity_accuracy"]["claimed"] * len(predictions)
        assert right == pytest.approx(round(right), abs=1e-6)
        alone = Tester(folder).test().metrics
        for key, value in alone.items():
            assert results["metrics"][key] == pytest.approx(value, abs=1e-6, nan_ok=True), (name, key)


# --- launchers -------------------------------------------------------------------------------------------------------

PAIR = ("approach=single_task,multi_task", "trainer.max_epochs=1", "sampling.frames_per_clip=1")


@pytest.fixture(scope="module")
def in_turn(command: Command, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    cwd = tmp_path_factory.mktemp("in_turn")
    done = sweep(command, cwd, *tiny, *PAIR, "sweep.name=pair")
    assert done.returncode == 0, done.stderr
    return metrics_of(cwd / "multirun/pair")


def needs(package: str, extra: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs the extra {extra}: make test-extras")


@pytest.mark.parametrize(
    ("launcher", "runs"),
    [
        ("joblib", 2),
        pytest.param("submitit_local", 1, marks=pytest.mark.slow),
        pytest.param("ray", 2, marks=needs("ray", "ray")),
    ],
)
def test_launchers_give_the_same_results(
    command: Command, tiny: list[str], in_turn: dict[str, dict], tmp_path: Path, launcher: str, runs: int
) -> None:
    """Two runs at once where the launcher divides this machine among them."""
    pair = PAIR if runs == 2 else ("approach=single_task", *PAIR[1:])
    done = sweep(command, tmp_path, *tiny, *pair, f"launcher={launcher}", "sweep.name=pair")
    assert done.returncode == 0, done.stderr
    found = metrics_of(tmp_path / "multirun/pair")
    assert found == {name: in_turn[name] for name in found}
    assert len(found) == runs
    assert (tmp_path / "multirun/pair/report.html").is_file()


@pytest.mark.parametrize(
    ("launcher", "shards"),
    [
        ("joblib", 4),
        pytest.param("submitit_local", 2, marks=pytest.mark.slow),
        pytest.param("ray", 2, marks=needs("ray", "ray")),
    ],
)
def test_launchers_share_preparation_out(
    command: Command, tiny_data: list[str], tmp_path: Path, launcher: str, shards: int
) -> None:
    """Crops and streams, also where fewer shards than there are work at a time."""
    numbers = ",".join(map(str, range(shards)))
    signals = ["signals=[motion]", "signals.motion.grid=2", "signals.motion.size=32"]
    for way in (["data.prepared=one"], ["data.prepared=parts", "-m", f"shard={numbers}", f"shards={shards}"]):
        on = [f"launcher={launcher}"] if "-m" in way else []
        done = command("prepare", *tiny_data, "data.limit_clips=6", *signals, *way, *on, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    one, parts = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "one", tmp_path / "parts")
    )
    assert parts == one


# --- search ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_search_goes_on_and_survives_a_divergence(
    command: Command, forks: Forks, tiny: list[str], tmp_path: Path
) -> None:
    optuna = pytest.importorskip("optuna", reason="needs the extra search")
    arguments = [
        *tiny, "approach=single_task", "trainer.max_epochs=1", "search=optuna", "optimizer.lr=choice(1e-3,1e12)",
        "scheduler=none", "trainer.gradient_clip_val=null", "optimizer=sgd", "sweep.trials=8", "sweep.name=search",
    ]  # fmt: skip
    folder = tmp_path / "multirun/search"
    gate = Gate(tmp_path, "*/results.json", after=1)  # there are two, to each of which several trials come
    process = forks.start(["realfake.train", "-m", *arguments], tmp_path, environment(**gate.variables))
    gate.reached(process)
    process.kill()
    process.wait()
    assert finished_trials(folder) < 8
    gate.open()
    sweep(command, tmp_path, *arguments)
    assert (finished_trials(folder), trials_left(folder, 8)) == (8, 0)
    found = optuna.load_study(study_name=STUDY, storage=storage_url(folder)).trials
    assert {t.state.name for t in found} == {"COMPLETE", "FAIL"}
