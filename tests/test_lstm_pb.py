"""Runs of the LSTM with parametric bias: tested again, predicted, refused an export; a step at the published size."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import realfake
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.preparation import prepare
from realfake.errors import UserError
from realfake.evaluation import testing
from realfake.experiments.execution import train
from realfake.exporting.formats import export
from realfake.runs.network import open_trained

SMALL = ("experiment=field/small/lstm_pb", "trainer.max_epochs=1", "backbone.hidden=12")
AS_IT_LEARNS = ("backbone.joined=true", "backbone.standardise=true", "backbone.streams=[landmarks_velocity]")

Trained = Callable[..., Path]


@pytest.mark.parametrize("form", [(), AS_IT_LEARNS], ids=["published", "joined"])
def test_a_run_is_tested_again_and_predicts_the_same(form: tuple[str, ...], trained: Trained) -> None:
    """Testing, which keeps no graph, takes the same gradients as training and prediction."""
    run = trained(*SMALL, *form)
    results = json.loads((run / "results.json").read_text())
    assert results["metrics"]["test/frame/loss_next_frame"] > 0
    tester = testing.Tester(run, "cpu")
    assert tester.test().metrics == {k: v for k, v in results["metrics"].items() if k.startswith("test/")}
    known = pd.read_csv(run / "predictions.csv").set_index("clip")
    assert known["p_real"].nunique() > 1
    _, cfg, _ = open_trained(run)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    clip = known.index[0]
    path = store.root / dict(zip(store.table["clip"], store.table["path"], strict=True))[clip]
    said = realfake.load(run, device="cpu").predict(path)
    assert said.p_authenticity[1] == pytest.approx(known.loc[clip, "p_real"], abs=1e-6)


def test_an_export_is_refused(trained: Trained, tmp_path: Path) -> None:
    _, cfg, module = open_trained(trained(*SMALL))
    with pytest.raises(UserError, match=r"^backbone=lstm_pb cannot be exported: its features are a gradient"):
        export(module, cfg, "torch_export", tmp_path, [], "nothing", 1e-4)


@pytest.mark.slow
def test_published_size_takes_a_step(tiny_data: list[str], tmp_path: Path) -> None:
    words = ["experiment=field/lstm_pb", "trainer.max_epochs=1", "data.workers=0", "trainer.threads=1", "head.rounds=5"]
    words += ["sampling.windows_per_clip=1", "data.batch_size=24", "callbacks=quiet", "callbacks.optimism=false"]
    assert math.isfinite(train([*tiny_data, *words], tmp_path / "run")["metrics"]["test/frame/loss_next_frame"])


def test_experiments_have_the_published_settings() -> None:
    cfg = compose("train", ["experiment=field/lstm_pb"], TrainConfig)
    assert cfg.published is not None
    assert cfg.published.metrics == {"test/clip/pair_accuracy": 0.667}
    assert cfg.sampling.windows_per_clip * cfg.trainer.max_epochs == 100
    assert (cfg.tasks, cfg.data.batch_size, cfg.optimizer.lr) == (("authenticity",), 1, 0.01)
    small = compose("train", ["experiment=field/small/lstm_pb"], TrainConfig)
    assert small.backbone.kind == cfg.backbone.kind
    assert (small.published, small.backbone.joined) == (None, cfg.backbone.joined)
