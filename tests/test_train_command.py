"""``realfake train`` as people start it: what it prints and writes, being killed, interrupted and resumed."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from processes import Command, Fork, Forks, Gate, environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from realfake.config import TrainConfig
from realfake.data.learned import Learned
from realfake.experiments.missing_pictures import draw_finished
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import pair_numbers, read_table
from realfake.scoring.statistics import HOLDS, ONE_PERSON


def results_of(folder: Path) -> dict:
    found = read_results(folder)
    assert found is not None, f"no results in {folder}"
    return found


@pytest.fixture(scope="module")
def finished(command: Command, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run started as the README says, on a machine without a GPU; its folder and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    done = command(
        "train", "approach=temporal", "trainer.gpus=1", *tiny, "callbacks.plots=true", "logger=[tensorboard,csv]",
        cwd=folder, fresh=True, CUDA_VISIBLE_DEVICES="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = list((folder / "outputs/temporal").iterdir())
    assert len(runs) == 1
    return runs[0], done.stdout + done.stderr


def test_a_run_asks_for_a_gpu_and_goes_on_without(finished: tuple[Path, str]) -> None:
    assert "NO CUDA DEVICE IS VISIBLE" in finished[1]
    assert "real or fake" in finished[1]
    assert "say nothing about people" in finished[1]
    assert f"95 % interval: {ONE_PERSON}" in " ".join(finished[1].split())


def test_everything_is_written(finished: tuple[Path, str]) -> None:
    run = RunFolder(finished[0])
    for path in (run.config, run.overrides_file, run.best, run.last, run.metrics, run.log, run.predictions):
        assert path.is_file(), path
    assert {"confusion_joint.png", "reliability.png", "learning_curves.png", "examples.png"} <= {
        p.name for p in run.plots.iterdir()
    }
    results = results_of(run.path)
    assert results["status"] == "completed"
    assert results["error"] is None
    assert results["approach"] == "temporal"
    assert results["epochs"] == 2
    assert set(results["seconds"]) >= {"prepare", "fit", "test", "plots", "total"}
    assert results["samples_per_second"] > 0
    assert "CPU" in results["device"]
    assert results["intervals_hold"] == HOLDS
    assert len(results["config_digest"]) == 12
    assert {"torch", "pytorch-lightning", "realfake"} <= set(results["versions"])
    assert "approach=temporal" in results["overrides"]
    assert isinstance(run.load_config(), TrainConfig)


def test_pictures_drawn_later_are_those_that_the_run_would_have_drawn(
    finished: tuple[Path, str], tmp_path: Path, command: Command
) -> None:
    run = RunFolder(Path(shutil.copytree(finished[0], tmp_path / "run")))
    shutil.rmtree(run.plots)
    words = [f"dir={run.path}", "draws=100"]
    assert command("report", *words, cwd=tmp_path).returncode == 0
    assert not run.plots.exists(), "the run was to draw them itself"
    assert "plots: " in command("report", *words, "plots=all", cwd=tmp_path).stdout
    drawn, own = ({p.name: p.read_bytes() for p in (folder / "plots").iterdir()} for folder in (run.path, finished[0]))
    assert drawn == own
    shutil.rmtree(run.plots)
    run.details.unlink()
    draw_finished(run)
    assert {p.name for p in run.plots.iterdir()} == own.keys() - {"examples.png"}


def test_metrics_of_every_stage_and_level(finished: tuple[Path, str]) -> None:
    names = {
        "joint_accuracy", "emotion_accuracy", "authenticity_accuracy", "authenticity_auroc", "joint_f1", "emotion_f1",
        "pair_accuracy", "median_accuracy", "authenticity_ece", "authenticity_brier", "authenticity_balanced_accuracy",
        "loss", "loss_joint",
    }  # fmt: skip
    found = results_of(finished[0])["metrics"]
    for stage in ("val", "test"):
        assert {f"{stage}/{level}/{name}" for level in ("frame", "clip") for name in names} <= set(found)
    table = pd.read_csv(finished[0] / "metrics.csv")
    assert table["epoch"].tolist() == [0, 1]
    assert {"train/frame/loss", "train/frame/loss_joint", "val/frame/loss", "lr", "seconds"} <= set(table)


def test_predictions_give_the_metrics_of_the_results(finished: tuple[Path, str]) -> None:
    predictions, clips = read_table(finished[0] / "predictions.csv")
    assert len(predictions) == len(set(clips["clip"])) == 12  # one of six people is tested, twelve clips
    recomputed = metrics(predictions, pair_numbers(clips)[predictions.clip])
    stored = results_of(finished[0])["metrics"]
    for name, value in recomputed.items():
        assert stored[f"test/clip/{name}"] == pytest.approx(value, abs=1e-12), name
    true = predictions.p_joint[np.arange(12), predictions.joint]
    assert stored["test/clip/loss"] == pytest.approx(-np.log(true).mean())
    assert stored["test/clip/loss"] == pytest.approx(stored["test/frame/loss"], rel=1e-5)  # one window a clip


def test_checkpoints_hold_tensors_and_plain_values_only(finished: tuple[Path, str]) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        state = torch.load(finished[0] / "checkpoints" / name, weights_only=True)
        assert state["realfake"]["config"]["approach"]["name"] == "temporal"


def test_tensorboard_reads_curves_and_pictures(finished: tuple[Path, str]) -> None:
    events = EventAccumulator(str(finished[0] / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"train/frame/loss", "val/clip/joint_accuracy", "test/clip/authenticity_brier"} <= set(tags["scalars"])
    assert "test/confusion_joint" in tags["images"]
    last = events.Scalars("val/clip/joint_accuracy")[-1].value
    table = pd.read_csv(finished[0] / "metrics.csv")
    assert last == pytest.approx(table["val/clip/joint_accuracy"].iloc[-1], abs=1e-6)
    assert "epoch" not in tags["scalars"]
    assert len(list((finished[0] / "tensorboard").rglob("events.out.tfevents.*"))) == 1


def test_the_log_tells_what_the_screen_does_not(finished: tuple[Path, str]) -> None:
    folder, screen = finished
    told = (folder / "run.log").read_text()
    results = json.loads((folder / "results.json").read_text())
    epochs = pd.read_csv(folder / "metrics.csv")
    expected = [
        "realfake train approach=temporal trainer.gpus=1", "precision 32, seed", "train: clips ", "streams: pixels",
        f"{results['parameters']['all']:,} parameters", *(f"epoch {n}: train/frame/loss " for n in epochs["epoch"]),
        f"best epoch {results['best_epoch']} of {len(epochs)} by ", "test/clip/joint_accuracy ", "run completed in",
    ]  # fmt: skip
    places = [told.find(words) for words in expected]
    assert min(places) >= 0, expected[places.index(-1)]
    assert places == sorted(places)
    assert "run completed in" in screen
    assert not any(words in screen for words in ("train: clips", "epoch 0: ", "streams: "))


def test_csv_logger_writes_beside_the_table(finished: tuple[Path, str]) -> None:
    assert (finished[0] / "csv/metrics.csv").is_file()


Starter = Callable[..., Fork]


@pytest.fixture
def start(forks: Forks, tmp_path: Path) -> Starter:
    """Start training in a folder, which waits at a gate if there is one."""

    def run(folder: Path, *arguments: str, gate: Gate | None = None) -> Fork:
        argv = ["realfake.train", f"hydra.run.dir={folder}", *arguments]
        return forks.start(argv, tmp_path, environment(**(gate.variables if gate else {})))

    return run


@pytest.fixture(scope="module")
def longer(tiny: list[str]) -> list[str]:
    return [*tiny, "approach=multi_task", "trainer.max_epochs=6", "scheduler=plateau", "scheduler.patience=0"]


@pytest.fixture(scope="module")
def undisturbed(longer: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    from realfake.experiments.execution import train

    return train(longer, tmp_path_factory.mktemp("undisturbed") / "run")["metrics"]


def test_killed_and_resumed_ends_as_if_undisturbed(
    longer: list[str], undisturbed: dict, start: Starter, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    gate = Gate(tmp_path, "*/metrics.csv", after=3)
    first = start(folder, *longer, gate=gate)
    gate.reached(first)
    first.kill()
    assert first.wait() == -signal.SIGKILL
    assert read_results(folder) is None
    second = start(folder, *longer, "ckpt=last")
    assert second.wait() == 0, second.output
    assert "resuming after epoch" in second.output
    assert results_of(folder)["metrics"] == undisturbed
    assert pd.read_csv(folder / "metrics.csv")["epoch"].tolist() == list(range(6))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_cleanly(
    longer: list[str], start: Starter, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "run"
    gate = Gate(tmp_path, "*/metrics.csv", after=1)
    run = start(folder, *longer, gate=gate)
    gate.reached(run)
    run.kill(number)
    gate.open()
    assert run.wait() == code, run.output
    results = results_of(folder)
    assert results["status"] == "interrupted"
    assert number.name in results["error"]
    assert "Traceback" not in run.output
    state = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert state["epoch"] == 1
    assert len(Learned.from_plain(state["realfake"]["learned"]).people) == 5  # one of six is tested


def test_last_checkpoint_is_found_in_a_new_folder(longer: list[str], tmp_path: Path) -> None:
    """``ckpt=last`` without a folder: the newest unfinished run of the same configuration, and no other."""
    from realfake.composing.composition import compose
    from realfake.errors import UserError
    from realfake.experiments.execution import train
    from realfake.experiments.start import resolved
    from realfake.runs.checkpoints import resume_path

    train([*longer, "trainer.max_epochs=1"], tmp_path / "first")
    cfg = resolved(compose("train", [*longer, "trainer.max_epochs=1", "ckpt=last"], TrainConfig))
    with pytest.raises(UserError, match="no unfinished run"):
        resume_path(cfg, RunFolder(tmp_path / "second"))  # the first one is complete
    (tmp_path / "first/results.json").write_text(json.dumps({"status": "interrupted"}))
    assert resume_path(cfg, RunFolder(tmp_path / "second")) == tmp_path / "first/checkpoints/last.ckpt"
    other = resolved(compose("train", [*longer, "ckpt=last", "seed=9"], TrainConfig))
    with pytest.raises(UserError, match="no unfinished run"):
        resume_path(other, RunFolder(tmp_path / "second"))


@pytest.mark.parametrize("scheduler", ["onecycle", "cosine", "plateau"])
def test_a_finished_run_can_be_trained_longer(tiny: list[str], tmp_path: Path, scheduler: str) -> None:
    """With one cycle and cosine, the learning rate ends where it would have ended in one long training."""
    from realfake.experiments.execution import train

    words = [*tiny, "approach=single_task", f"scheduler={scheduler}"]
    train([*words, "trainer.max_epochs=1"], tmp_path / "short")
    results = train([*words, "trainer.max_epochs=3", f"ckpt={tmp_path / 'short'}"], tmp_path / "long")
    assert results["status"] == "completed"
    table = pd.read_csv(tmp_path / "long/metrics.csv")
    assert table["epoch"].tolist() == [0, 1, 2]
    train([*words, "trainer.max_epochs=3"], tmp_path / "whole")
    whole = pd.read_csv(tmp_path / "whole/metrics.csv")
    assert table["lr"].iloc[1:].tolist() == pytest.approx(whole["lr"].iloc[1:].tolist())


@pytest.mark.parametrize("moved", [True, False], ids=["folder moved", "new folder"])
def test_the_best_epoch_may_lie_before_the_resumption(tiny: list[str], tmp_path: Path, moved: bool) -> None:
    """Trained on with steps so large that nothing good comes of it, a run still has the weights of its best epoch."""
    from realfake.experiments.execution import train

    words = [*tiny, "approach=multi_task", "scheduler=none", "optimized_metric=val/frame/loss"]
    first, second = tmp_path / "first", tmp_path / ("second" if moved else "new")
    train([*words, "trainer.max_epochs=2"], first)
    best = torch.load(first / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    if moved:
        first.rename(second)
        source = second
    else:
        source = first
    (source / "results.json").unlink()
    before = pd.read_csv(source / "metrics.csv")["val/frame/loss"]
    words += ["trainer.max_epochs=4", "optimizer.lr=1.0", f"ckpt={source / 'checkpoints/last.ckpt'}"]
    results = train(words, second)
    assert results["best_epoch"] == before.idxmin()
    assert results["metrics"]["val/frame/loss"] == before.min()
    kept = torch.load(second / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(kept[name], value) for name, value in best.items())


def test_a_checkpoint_without_the_best_weights_is_refused(tiny: list[str], tmp_path: Path) -> None:
    from realfake.errors import UserError
    from realfake.experiments.execution import train

    train([*tiny, "trainer.max_epochs=1"], tmp_path / "first")
    alone = tmp_path / "alone.ckpt"
    shutil.copy(tmp_path / "first/checkpoints/last.ckpt", alone)
    with pytest.raises(UserError, match=r"no best\.ckpt beside it"):
        train([*tiny, f"ckpt={alone}"], tmp_path / "second")


def test_a_wrong_input_leaves_nothing_behind(command: Command, tmp_path: Path) -> None:
    done = command("train", "data=sase_fe", "data.root=/nowhere/FakeTrue_DB", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "data.root=/nowhere/FakeTrue_DB" in done.stderr
    assert not list(tmp_path.glob("outputs/*/*"))
