"""Runs whose heads are fitted: on which features, for how long, and through every command that takes a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from processes import Command

import realfake
from realfake import api
from realfake.approaches import build_datamodule
from realfake.composing.composition import compose
from realfake.config import FittedHead, TrainConfig
from realfake.data.sources import build_source
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.exporting.formats import export, random_samples
from realfake.exporting.served import Served
from realfake.labels import SASE_FE
from realfake.models import build_fitted_head
from realfake.models.fitted_heads import FitSamples
from realfake.runs.network import open_trained
from realfake.runs.results import read_results
from realfake.streams.preprocess import network_input

NUMBERS = ("approach=multi_task", "signals=[drawn]", "backbone=numbers", "backbone.streams=[units]")
MACHINES = (*NUMBERS, "head=linear_svm", "data.batch_size=20")  # 48 training clips: the last batch is not full
GUIDED = ("approach=temporal_multi_task", "signals=[drawn]", "backbone=gru", "backbone.streams=[units]",
          "backbone.frames=4", "backbone.hidden=4", "backbone.dropout=0.5", "head=logistic")  # fmt: skip

Trained = Callable[..., Path]


def fitted_anew(run: Path, epoch: int) -> dict[str, torch.Tensor]:
    """Buffers of heads that are fitted on what a run's network makes of all training samples of an epoch."""
    _, cfg, module = open_trained(run)
    assert isinstance(cfg.head, FittedHead)
    data = build_datamodule(cfg)
    data.setup()
    samples = data.sets["train"]
    batch = samples.__getitems__(np.arange(len(samples)) + epoch * len(samples))  # type: ignore[arg-type]
    features = module.backbone(network_input(batch["streams"], module.spec)).numpy()
    order = np.argsort(batch["sample"].numpy(), kind="stable")
    labels = {name: batch[name].numpy()[order] for name in ("emotion", "authenticity", "clip", "pair")}  # type: ignore[literal-required]
    people = pd.factorize(data.opened().table["subject"], sort=True)[0]
    found = FitSamples(features[order], **labels, subject=people[labels["clip"]])
    buffers = {}
    for task in cfg.tasks:
        head = build_fitted_head(cfg.head, features.shape[1], task, SASE_FE, guided=False)
        head.fit(found, cfg.seed)
        buffers |= {f"heads.{task}.{name}": value for name, value in head.state_dict().items()}
    return buffers


def kept(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    return found


def test_a_head_is_fitted_once_on_all_training_samples(trained: Trained) -> None:
    run = trained(*MACHINES)
    results = read_results(run)
    assert results is not None
    assert results["epochs"] == 1  # of two that are configured
    assert results["parameters"]["trained"] == 0
    state = kept(run)
    for name, value in fitted_anew(run, 0).items():
        assert torch.equal(state[name], value), name
    row = pd.read_csv(run / "metrics.csv").iloc[0]
    assert row["train/frame/joint_accuracy"] > row["val/frame/joint_accuracy"] - 0.2
    assert np.isfinite(row["train/frame/loss"])


def test_of_a_trained_backbone_it_is_fitted_after_each_epoch(trained: Trained) -> None:
    """On features in evaluation mode, without dropout; the guide alone learns by gradients."""
    run = trained(*GUIDED)
    results = read_results(run)
    assert results is not None
    assert results["epochs"] == 2
    state = kept(run)
    for name, value in fitted_anew(run, results["best_epoch"]).items():
        assert state[name].numpy() == pytest.approx(value.numpy(), rel=1e-3, abs=1e-4), name
    assert state["heads.emotion.guide.weight"].abs().sum() > 0


def test_resumed_it_ends_as_if_undisturbed(tiny: list[str], trained: Trained, tmp_path: Path) -> None:
    train([*tiny, *GUIDED, "scheduler=none", "trainer.max_epochs=1"], tmp_path / "half")
    train([*tiny, *GUIDED, "scheduler=none", f"ckpt={tmp_path}/half/checkpoints/last.ckpt"], tmp_path / "resumed")
    whole = trained(*GUIDED, "scheduler=none")
    states = [torch.load(path / "checkpoints/last.ckpt")["state_dict"] for path in (tmp_path / "resumed", whole)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


@pytest.mark.slow
@pytest.mark.parametrize("words", [(*NUMBERS, "head=pair_svm"), (*GUIDED, "backbone.dropout=0.0")])
def test_processes_fit_on_what_all_of_them_gathered(words: tuple[str, ...], tiny: list[str], tmp_path: Path) -> None:
    words = (*tiny, *words, "data.batch_size=24", "trainer.max_epochs=1", "trainer.gpus=0")
    one = train(words, tmp_path / "one")
    two = train([*words, "data.batch_size=12", "trainer.cpu_processes=2"], tmp_path / "two")
    assert two["processes"] == 2
    for name, value in kept(tmp_path / "one").items():
        assert kept(tmp_path / "two")[name].numpy() == pytest.approx(value.numpy(), rel=1e-3, abs=1e-4), name
    assert two["metrics"]["test/clip/loss"] == pytest.approx(one["metrics"]["test/clip/loss"], abs=1e-4)


def test_through_the_commands(command: Command, tiny: list[str], tmp_path: Path) -> None:
    """A sweep over a head's key, its report, a comparison, an evaluation, a prediction."""
    words = [*tiny, *NUMBERS, "head=logistic", "head.C=0.01,1", "sweep.name=strength"]
    assert (done := command("train", "-m", *words, cwd=tmp_path)).returncode == 0, done.stderr
    sweep = tmp_path / "multirun/strength"
    table = pd.read_csv(sweep / "leaderboard.csv")
    assert sorted(table["head.C"]) == [0.01, 1.0]
    runs = sorted(path.parent for path in sweep.glob("*/results.json"))
    compared = api.compare_runs({"weak": runs[0], "strong": runs[1]})
    assert not compared.to_frame().empty
    evaluated = api.evaluate_run(runs[0]).metrics
    first = read_results(runs[0])["metrics"]  # type: ignore[index]
    again = {name: value for name, value in evaluated.items() if name in first and value is not None}
    assert len(again) > 10
    assert again == pytest.approx({name: first[name] for name in again}, abs=1e-6)
    _, cfg, module = open_trained(runs[0])
    done = export(module, cfg, "onnx", tmp_path, random_samples(Served(module).eval()), "noise", tolerance=1e-5)
    assert done.difference < 1e-5
    source = build_source(cfg.data, progress=False)
    video = Path(source.root) / source.listing().clips[0].path
    assert realfake.load(runs[0], device="cpu").predict(video).p_joint.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("words", "line"), [
    ("head=pair_svm approach=single_task", r"head=pair_svm: approach\.tasks=\[joint\] has no head that ranks real aga"),
    ("head=pair_svm approach.tasks=[emotion]", r"head=pair_svm: approach\.tasks=\[emotion\] has no head that ranks"),
    ("head=logistic head.per_emotion=true", r"head\.per_emotion=true: approach\.tasks=\[emotion,authenticity\] has no"),
    ("head=logistic loss_mix=uncertainty", r"loss_mix=uncertainty: head=logistic is fitted once, in one epoch, since"),
    ("head=logistic auxiliary=[pair_ranking]", r"auxiliary\.pair_ranking: head=logistic is fitted once"),
    ("head=logistic trainer.check_val_every_n_epoch=2", r"trainer\.check_val_every_n_epoch=2: head=logistic is fitted"),
    ("head=logistic head.members=3", r"head\.members is a key of head=pair_svm only"),
    ("head=linear_svm head.C=0", r"head\.C=0"),
    ("head=boosted_trees head.depth=9", r"head\.depth=9"),
    ("head=svm", r"head=svm"),
])  # fmt: skip
def test_what_cannot_be_fitted_is_refused_in_one_line(words: str, line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        compose("train", [*NUMBERS, *words.split()], TrainConfig)
    assert "\n" not in str(caught.value)
