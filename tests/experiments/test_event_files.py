"""Event files of a run: one, in a folder that TensorBoard names by what the sweep varies."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from realfake.experiments.event_files import CurvesLogger, events_folder, merge_events, varied


def sweep_of(folder: Path, task: list[str], params: dict[str, str] | None = None) -> Path:
    """A run's folder below one that Hydra has noted a sweep's command line in."""
    noted = {"hydra": {"overrides": {"task": task}, "sweeper": {"params": params}}}
    OmegaConf.save(OmegaConf.create(noted), folder / "multirun.yaml")
    return folder / "0ced6ac58ce0"


def test_what_varies_names_the_folder(tmp_path: Path) -> None:
    task = ["approach=temporal", "seed=1,2", "experiment=synthetic/*,thesis/a", "optimizer.lr=choice(1e-3,1e-2)"]
    run = sweep_of(tmp_path, task, {"loss_mix": "choice(sum, dwa)"})
    own = ["approach=temporal", "seed=2", "experiment=thesis/a", "optimizer.lr=0.01", "loss_mix=dwa"]
    assert varied(run, own) == own[1:]
    name = events_folder(run / "tensorboard", run, own).relative_to(run / "tensorboard")
    assert str(name) == "seed=2,experiment=thesis-a,optimizer.lr=0.01,loss_mix=dwa"
    long = events_folder(run / "tensorboard", run, [f"experiment={'ä' * 300}", *own[3:]])
    assert len(long.name.encode()) <= 200


@pytest.mark.parametrize("content", [None, "", "hydra: 3", "{", "hydra: {overrides: {task: [seed=1]}, sweeper: {}}"])
def test_a_run_of_no_sweep_has_its_events_in_its_folder(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        tmp_path.joinpath("multirun.yaml").write_text(content)
    run = tmp_path / "run"
    assert varied(run, ["seed=1"]) == []
    assert events_folder(run / "tensorboard", run, ["seed=1"]) == run / "tensorboard"


def test_all_files_of_a_run_become_one_without_epochs(tmp_path: Path) -> None:
    folder, into = tmp_path / "tensorboard", tmp_path / "tensorboard/seed=1"
    for version, steps in (("tensorboard", range(3)), ("tensorboard/seed=1", range(3, 6))):
        logger = CurvesLogger(tmp_path, name="", version=version, default_hp_metric=False)
        for step in steps:
            logger.log_metrics({"val/clip/joint_accuracy": step / 10, "epoch": step}, step)
        logger.finalize("success")
        (file,) = (tmp_path / version).glob("events.out.tfevents.*")
        with file.open("ab") as opened:  # a process that was killed while it wrote
            opened.write(b"\x40\0\0\0\0\0\0\0half a record")
    merge_events(folder, into)
    merge_events(folder, into)
    (file,) = folder.rglob("events.out.tfevents.*")
    assert file.parent == into
    events = EventAccumulator(str(into))
    events.Reload()
    assert events.Tags()["scalars"] == ["val/clip/joint_accuracy"]
    assert [event.step for event in events.Scalars("val/clip/joint_accuracy")] == list(range(6))
