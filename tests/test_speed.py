"""What makes training fast, as far as it can be told without a clock: the same results, and no waiting in a step."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import Callback, seed_everything
from scipy import stats

from realfake.approaches import build_datamodule
from realfake.approaches.module import ApproachModule
from realfake.approaches.step_means import STEPS_AT_ONCE
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.batch import Batch
from realfake.data.sampling import nearest, nearest_rows, uniform
from realfake.experiments.callbacks import MetricsTable
from realfake.experiments.training import build_trainer
from realfake.runs.devices import choose_devices
from realfake.runs.folder import RunFolder

SMALL = ["backbone.input.size=32", "backbone.channels=[4,8]", "data.batch_size=8", "trainer.max_epochs=2"]


@given(st.lists(st.lists(st.floats(0, 50, width=32), min_size=1, max_size=9, unique=True), min_size=1, max_size=6))
def test_the_search_in_many_clips_is_the_search_in_each(clips: list[list[float]]) -> None:
    timestamps = [np.sort(np.array(clip, dtype=np.float32)) for clip in clips]
    stored = np.array([len(t) for t in timestamps])
    first = np.cumsum(stored) - stored
    times = np.linspace(-1, 51, 7) + np.zeros((len(clips), 1))
    rows = nearest_rows(np.concatenate(timestamps), first, stored, times)
    for i, own in enumerate(timestamps):
        np.testing.assert_array_equal(rows[i] - first[i], nearest(own, times[i]))


def test_random_numbers_belong_to_their_key_and_are_uniform() -> None:
    keys = np.arange(20_000)
    values = uniform(7, keys)
    np.testing.assert_array_equal(values[[5, 17]], uniform(7, np.array([5, 17])))
    assert stats.kstest(values, "uniform").pvalue > 0.001
    other = uniform(8, keys)
    for a, b in ((values[1:], values[:-1]), (values, other)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.03


def module_and_batch(overrides: list[str]) -> tuple[ApproachModule, Batch, TrainConfig]:
    cfg = compose("train", overrides, TrainConfig)
    seed_everything(0, verbose=False)
    data = build_datamodule(cfg)
    data.setup()
    module = ApproachModule(cfg, data.class_counts()).train()
    return module, next(iter(data.train_dataloader())), cfg


def test_steps_counted_together_give_the_means_of_each(tiny: list[str]) -> None:
    module, batch, _ = module_and_batch([*tiny, *SMALL, "approach=multi_task", "loss_mix=precision"])
    losses, right = [], []
    for i in range(STEPS_AT_ONCE + 3):
        size = 8 - i % 2
        part = apply_to_collection(batch, torch.Tensor, operator.itemgetter(slice(size)))
        with torch.no_grad():
            losses += [float(module._step(part, "train"))] * len(part["clip"])
            logits = module.train_means._steps[-1].logits if module.train_means._steps else None
        if logits is not None:
            right += (logits["emotion"].argmax(1) == part["emotion"]).tolist()
    module.train_means.count()
    means = dict(zip(module.train_means.names, module.train_means.compute().tolist(), strict=True))
    assert means["loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert float(module.train_means.counts[0]) == len(losses)
    assert 0.0 <= means["emotion_accuracy"] <= 1.0
    if len(right) == len(losses):
        assert means["emotion_accuracy"] == pytest.approx(np.mean(right))


def fitted(overrides: list[str], folder: Path, *callbacks: Callback) -> ApproachModule:
    cfg = compose("train", overrides, TrainConfig)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_datamodule(cfg)
    data.prepare_data()
    data.setup()
    module = ApproachModule(cfg, data.class_counts())
    run = RunFolder(folder)
    trainer = build_trainer(cfg, run, choose_devices(cfg.trainer), [MetricsTable(run.metrics), *callbacks])
    trainer.fit(module, datamodule=data)
    return module


WAITING = ("item", "cpu", "tolist", "numpy", "__bool__", "__float__", "__int__", "nonzero")


@pytest.mark.parametrize(
    "overrides",
    [
        ["approach=single_task", "loss/joint=focal", "augmentation=strong"],
        ["approach=multi_task", "loss_mix=precision", "loss/emotion=multi_focal"],
        ["approach=multi_task", "loss_mix=uncertainty"],
        ["approach=multi_task", "loss_mix=gradnorm", "auxiliary=[pair_ranking,center]"],
    ],
)
def test_no_step_waits_for_the_device(
    tiny: list[str], overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever reads a value back makes the host wait until the device has computed it."""
    waited: list[str] = []
    inside = False

    class Watch(Callback):
        def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
            nonlocal inside
            inside = True

        def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
            nonlocal inside
            inside = False

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if inside:
                waited.append(name)
            return real(self, *args, **kwargs)

        return method

    for name in WAITING:
        monkeypatch.setattr(torch.Tensor, name, watched(name, getattr(torch.Tensor, name)))
    fitted([*tiny, *SMALL, *overrides, "trainer.log_every_n_steps=1000"], tmp_path, Watch())
    assert not waited


@pytest.mark.slow
@pytest.mark.parametrize("approach", ["single_task", "temporal"])
def test_nothing_is_compiled_after_the_first_epoch(tiny: list[str], approach: str, tmp_path: Path) -> None:
    """Also where the last batch of the validation is smaller than the others."""
    from torch._dynamo.utils import counters

    counters.clear()
    graphs: list[int] = []

    class Count(Callback):
        def on_train_epoch_end(self, *args: Any) -> None:
            graphs.append(counters["stats"]["unique_graphs"])

    words = [*tiny, f"approach={approach}", "compile=true", "trainer.max_epochs=3", "data.batch_size=8"]
    fitted([*words, "data.eval_batch_size=7"], tmp_path, Count())
    assert graphs[0] >= 3  # training, validation, the smaller batch
    assert graphs == [graphs[0]] * 3
