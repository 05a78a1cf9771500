"""Loggers beside TensorBoard: offline, in a local store, several at once; and what a missing package says."""

from __future__ import annotations

from pathlib import Path

import pytest

from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.experiments.loggers import build_loggers
from realfake.runs.folder import RunFolder


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_a_missing_package_says_how_to_install_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realfake.experiments.start.find_spec", lambda name: None)
    cfg = compose("train", [f"logger={package}"], TrainConfig)
    with pytest.raises(UserError, match=rf"logger={package}: the package is not installed: pip install .*{package}>="):
        build_loggers(cfg, RunFolder(tmp_path))


def test_several_at_once(tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="needs the extra loggers: make test-extras")
    mlflow = pytest.importorskip("mlflow", reason="needs the extra loggers: make test-extras")
    monkeypatch.chdir(tmp_path)
    words = [*tiny, "approach=single_task", "trainer.max_epochs=1", "logger=[tensorboard,wandb,mlflow]"]
    for name in ("first", "second"):
        results = train([*words, "logger.wandb.offline=true"], tmp_path / name)
        assert results["status"] == "completed"
        assert wandb.run is None  # the next run is another one
        assert list((tmp_path / name).glob("wandb/offline-run-*"))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/outputs/mlflow/mlflow.db")
    assert not {"mlflow.db", "mlruns"} & {path.name for path in tmp_path.iterdir()}
    found = mlflow.search_runs(experiment_names=["realfake"], output_format="list")
    assert {r.data.tags["mlflow.runName"] for r in found} == {"first", "second"}
    assert all("val/clip/joint_accuracy" in r.data.metrics for r in found)
