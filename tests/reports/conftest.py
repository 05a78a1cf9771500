"""Folders of finished runs that the tests of reports share."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from fake_runs import fake_config, write_run, write_sweep


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 24 runs, and beside them one of each kind that did not come to a result."""
    folder = tmp_path_factory.mktemp("multirun") / "demo"
    write_sweep(folder)
    overrides = ["approach=temporal", "loss_mix=precision", "seed=0", "split=kfold", "split.fold=0"]
    config = fake_config("temporal", "precision")
    write_run(folder / "f0failed", overrides, config, status="failed", error="RuntimeError: out of <memory>")
    write_run(
        folder / "f1diverged", overrides, config, status="failed", error="diverged: train/frame/loss is nan in epoch 3"
    )
    write_run(folder / "f2interrupted", overrides, config, status="interrupted", error="interrupted by signal 15")
    write_run(folder / "f3running", overrides, config)
    (folder / "f3running" / "results.json").unlink()
    os.utime(folder / "f3running" / "metrics.csv", (time.time() + 86_400,) * 2)  # writes all the time, not once
    write_run(folder / "f4damaged", overrides, config)
    (folder / "f4damaged" / "results.json").write_text('{"status": "comp')
    (folder / "f5empty").mkdir()
    return folder
