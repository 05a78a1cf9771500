"""Auxiliary terms, GradNorm and batches of pairs in training runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import realfake
from realfake.approaches import build_datamodule
from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.composing.messages import changed
from realfake.config import TrainConfig
from realfake.data.datamodule import ClipDataModule
from realfake.errors import UserError
from realfake.evaluation import testing
from realfake.experiments.execution import changes_since, train
from realfake.scoring.predictions import pair_numbers

TERMS = ("pair_ranking", "center")
WORDS = ("approach=multi_task", "auxiliary=[pair_ranking,center]", "loss_mix=gradnorm", "sampling.pairs=true")


def data_of(words: list[str]) -> ClipDataModule:
    data = build_datamodule(compose("train", words, TrainConfig))
    data.setup()
    return data


def test_pairs_stand_in_one_batch(tiny: list[str]) -> None:
    data = data_of([*tiny, "sampling.pairs=true", "sampling.frames_per_clip=3", "data.batch_size=8"])
    numbers = pair_numbers(data.opened().table)
    batches = list(data.train_dataloader())
    for batch in batches:
        assert batch["pair"].tolist() == numbers[batch["clip"]].tolist()
        sides = [sorted(batch["pair"][batch["authenticity"] == side].tolist()) for side in (0, 1)]
        assert sides[0] == sides[1]
    assert len(batches) == len(data_of([*tiny, "sampling.frames_per_clip=3", "data.batch_size=8"]).train_dataloader())


def test_terms_are_mixed_logged_measured_and_resumed(tiny: list[str], tmp_path: Path) -> None:
    """A run that goes on from its first epoch ends as one that was not interrupted, terms and weights included."""
    words = [*tiny, *WORDS, "scheduler=none", "trainer.accumulate_grad_batches=2", "data.batch_size=8"]
    words.append("optimized_metric=val/frame/loss_pair_ranking")
    results = train([*words, "trainer.max_epochs=3"], tmp_path / "whole")
    table = pd.read_csv(tmp_path / "whole/metrics.csv")
    weights = table[[f"train/frame/weight_{term}" for term in ("emotion", "authenticity", *TERMS)]]
    assert weights.iloc[-1].nunique() == 4
    assert weights["train/frame/weight_center"].max() < 4 * 0.003  # all weights sum to 4, this one times its factor
    for term in TERMS:
        for stage in ("train", "val"):
            assert (table[f"{stage}/frame/loss_{term}"] > 0).all()
        assert results["metrics"][f"test/frame/loss_{term}"] > 0
    assert results["best_epoch"] == table["val/frame/loss_pair_ranking"].idxmin()
    # Validation stays the sum of the heads' losses.
    heads = table["val/frame/loss_emotion"] + table["val/frame/loss_authenticity"]
    assert table["val/frame/loss"].tolist() == pytest.approx(heads.tolist())
    train([*words, "trainer.max_epochs=1"], tmp_path / "first")
    again = train([*words, "trainer.max_epochs=3", f"ckpt={tmp_path}/first"], tmp_path / "second")
    assert again["metrics"] == results["metrics"]
    state = torch.load(tmp_path / "second/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert state["mix.current"].sum().item() == pytest.approx(4.0)
    assert state["auxiliary.center.centers"].any(dim=1).sum() == 12


def test_means_count_comparisons(tiny: list[str]) -> None:
    """A batch without a pair changes no mean of an epoch."""
    cfg = compose(
        "train", [*tiny, "approach=single_task", "auxiliary=[pair_ranking]", "sampling.pairs=true"], TrainConfig
    )
    data = data_of([*tiny, "sampling.pairs=true"])
    module, batch = ApproachModule(cfg).eval(), next(iter(data.train_dataloader()))
    alone = {**batch, "pair": torch.full_like(batch["pair"], -1)}
    expected = []
    for part in (batch, alone, alone):
        module._step(part, "train")  # type: ignore[arg-type]
        expected.append(module.train_means._steps[-1].losses["pair_ranking"].item())
    module.train_means.count()
    means = dict(zip(module.train_means.names, module.train_means.compute().tolist(), strict=True))
    assert expected[0] > 0 == expected[1] == expected[2]
    assert means["loss_pair_ranking"] == pytest.approx(expected[0])
    assert means["weight_pair_ranking"] == 1.0


REGRESSION = ("approach=single_task", "signals=[drawn]", "auxiliary=[regression]", "data.batch_size=8",
              "auxiliary.regression.target=landmarks_markers")  # fmt: skip


def test_the_target_of_a_regression_is_no_input(trained: Callable[..., Path]) -> None:
    run = trained(*REGRESSION)
    metrics = json.loads((run / "results.json").read_text())["metrics"]
    table = pd.read_csv(run / "metrics.csv")
    for name in ("train/frame/loss_regression", "val/frame/loss_regression"):
        assert (table[name] > 0).all()
    tester = testing.Tester(run, "cpu")
    assert tester.test().metrics == {k: v for k, v in metrics.items() if k.startswith("test/")}
    state = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    data = tester.datamodule()
    mean = data.statistics()["landmarks_markers"][0]
    assert torch.equal(state["auxiliary.regression.standardise.mean"], mean)
    assert mean.any()
    assert data.spec.names == ("pixels",)
    predictor = realfake.load(run, device="cpu")
    assert not predictor.signals
    assert data.store is not None
    assert data.store.root is not None
    known = pd.read_csv(run / "predictions.csv").iloc[0]
    path = data.store.root / data.store.table.set_index("clip")["path"][known["clip"]]
    assert predictor.predict(path).by_name()["real"] == pytest.approx(known["p_real"], abs=1e-6)
    # Of other data the target is not looked for.
    other = tester.test(changed(tester.cfg.data, {"batch_size": 4}))
    assert np.isnan(other.metrics["test/frame/loss_regression"])
    assert other.metrics["test/frame/loss_joint"] == pytest.approx(metrics["test/frame/loss_joint"])
    assert "landmarks_markers" not in (run / "details.json").read_text()
    assert changes_since(tester.run, tester.cfg) == []  # what a repeated sweep goes by


def test_data_without_pairs_are_refused(tiny: list[str], tmp_path: Path) -> None:
    data = data_of(tiny)
    samples = data.sets["train"]
    samples.pair = np.where(samples.authenticity == 1, samples.pair, -1)
    with pytest.raises(UserError, match=r"^this: no pair of data=synthetic has a real and a fake clip in the training"):
        data.require_pairs("this")
