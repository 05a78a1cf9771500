"""What the settings of a run do to training, on tiny data in this process."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from pytorch_lightning import Trainer, seed_everything
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from realfake.approaches import build_datamodule
from realfake.approaches.module import ApproachModule, Diverged, target_of
from realfake.approaches.optimization import build_optimizer, build_scheduler
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.datamodule import ClipDataModule
from realfake.errors import UserError
from realfake.experiments.execution import RunFailed, train
from realfake.labels import SASE_FE
from realfake.scoring.metric_table import measured_names

APPROACHES = ("single_task", "multi_task", "temporal", "temporal_multi_task")


def table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


def state(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    return found


@pytest.mark.parametrize("approach", APPROACHES)
def test_the_backbone_runs_once_a_batch(approach: str, tiny: list[str]) -> None:
    cfg = compose("train", [*tiny, f"approach={approach}", "loss_mix=precision"], TrainConfig)
    data = build_datamodule(cfg)
    data.setup()
    module = ApproachModule(cfg, data.class_counts())
    passes: list[bool] = []
    module.backbone.register_forward_hook(lambda network, *_: passes.append(network.training))
    trainer = Trainer(fast_dev_run=True, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(module, datamodule=data)
    assert passes == [True, False]  # one batch of training, one of validation
    assert {name for name in module.measured if name.startswith("val/")} == set(measured_names("val", module.tasks))
    batch = next(iter(data.train_dataloader()))
    assert batch["streams"]["pixels"].values.dtype == torch.uint8
    emotion, authenticity = batch["emotion"], batch["authenticity"]
    assert torch.equal(target_of(batch, "joint", SASE_FE), 6 * authenticity + emotion)


@pytest.mark.parametrize(("words", "line"), [
    (["split=loso", "split.fold=7"], r"split\.fold=7: expected 0 to 6, one for each subject"),
    (["backbone.weights=imagenett"], r"backbone\.weights=imagenett: tiny_cnn has no weights of this name"),
    (["backbone.weights=/nowhere/x.pth"], r"backbone\.weights=/nowhere/x\.pth: no such file"),
    (["ckpt=last"], r"ckpt=last: no unfinished run with this configuration"),
])  # fmt: skip
def test_a_run_is_refused_before_data_is_prepared(words: list[str], line: str, tmp_path: Path) -> None:
    for i in range(7):
        (tmp_path / f"{i}.mp4").touch()  # listed, but never opened
    table = "path,subject,emotion,authenticity\n" + "".join(f"{i}.mp4,s{i},happy,real\n" for i in range(7))
    (tmp_path / "clips.csv").write_text(table)
    data = ["data=csv", "face=haar", f"data.root={tmp_path}/clips.csv", f"data.prepared={tmp_path}/prepared"]
    with pytest.raises(UserError, match=line):
        train([*data, "trainer.threads=1", "trainer.gpus=0", *words], tmp_path / "run")
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize("key", ["limit_train_batches", "overfit_batches", "limit_test_batches"])
def test_less_than_a_batch_is_refused(tiny: list[str], tmp_path: Path, key: str) -> None:
    line = rf"{key}=0\.0001: less than one of the (\d+) \w+ batches; expected at least ([\d.]+), or a whole number"
    with pytest.raises(UserError, match=line) as caught:
        train([*tiny, f"trainer.{key}=0.0001"], tmp_path / "run")
    (batches, least), *_ = re.findall(line, str(caught.value))
    assert int(float(least) * int(batches)) == 1


def test_frozen_features_are_computed_once_and_change_nothing(tiny: list[str], tmp_path: Path) -> None:
    words = [*tiny, "approach=multi_task", "backbone.freeze=true", "augmentation=none", "trainer.max_epochs=3"]
    cached = train(words, tmp_path / "cached")
    plain = train([*words, "backbone.cache_features=false"], tmp_path / "plain")
    assert "features" in cached["seconds"]
    assert "features" not in plain["seconds"]
    for name, value in plain["metrics"].items():
        assert cached["metrics"][name] == pytest.approx(value, abs=1e-5), name
    cfg = compose("train", words, TrainConfig)
    seed_everything(cfg.seed, verbose=False)
    untrained = ApproachModule(cfg).state_dict()
    for key, value in state(tmp_path / "cached").items():
        if key.startswith("backbone."):
            assert torch.equal(value, untrained[key]), key
    assert cached["parameters"]["trained"] < cached["parameters"]["all"]


def test_features_are_those_of_the_checkpoint_that_a_run_goes_on_from(tiny: list[str], tmp_path: Path) -> None:
    """Another seed would give the frozen backbone other weights; half precision gives other features than single."""
    words = [*tiny, "approach=multi_task", "backbone.freeze=true", "augmentation=none", "precision=bf16"]
    train([*words, "trainer.max_epochs=1"], tmp_path / "first")
    words += ["seed=1", f"ckpt={tmp_path}/first"]
    assert "features" in train(words, tmp_path / "cached")["seconds"]
    train([*words, "backbone.cache_features=false"], tmp_path / "plain")
    cached, plain = (table(tmp_path / name).iloc[-1] for name in ("cached", "plain"))
    for name in ("train/frame/loss", "val/frame/loss", "val/clip/loss"):
        assert cached[name] == pytest.approx(plain[name], abs=1e-5), name


@pytest.mark.parametrize("mix", ["weighted", "precision", "uncertainty", "dwa"])
def test_losses_and_weights_of_the_tasks_are_logged(mix: str, tiny: list[str], tmp_path: Path) -> None:
    extra = ["loss_mix.emotion=0.3"] if mix == "weighted" else []
    words = [*tiny, "approach=multi_task", f"loss_mix={mix}", "trainer.max_epochs=3", *extra]
    results = train([*words, "optimized_metric=val/clip/authenticity_brier"], tmp_path / "run")
    found = table(tmp_path / "run")
    assert results["best_epoch"] == found["val/clip/authenticity_brier"].idxmin()
    for task in ("emotion", "authenticity"):
        assert (found[f"train/frame/loss_{task}"] > 0).all()
        assert (found[f"val/frame/loss_{task}"] > 0).all()
    weight = found["train/frame/weight_emotion"]
    if mix == "weighted":
        assert weight.tolist() == pytest.approx([0.3] * 3)
    if mix == "precision":
        assert ((weight >= 0) & (weight <= 1)).all()
    if mix in ("uncertainty", "dwa"):
        assert weight.nunique() > 1
    # Whatever the mix, validation is the plain sum of the task losses.
    total = found["val/frame/loss_emotion"] + found["val/frame/loss_authenticity"]
    assert found["val/frame/loss"].tolist() == pytest.approx(total.tolist())
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    assert "train/frame/weight_emotion" in events.Tags()["scalars"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
def test_every_optimiser_lowers_a_loss(optimizer: str) -> None:
    cfg = compose("train", [f"optimizer={optimizer}", "optimizer.lr=0.05"], TrainConfig)
    torch.manual_seed(0)
    x, y = torch.randn(64, 3), torch.randn(64)
    w = torch.nn.Parameter(torch.zeros(3))
    chosen = build_optimizer(cfg.optimizer, [{"params": [w]}, {"params": [], "weight_decay": 0.0}])
    losses = []
    for _ in range(50):
        loss = ((x @ w - y) ** 2).mean()
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert type(chosen).__name__.lower() == optimizer


def test_clips_too_short_for_the_spacing_are_counted_and_spread(tiny: list[str]) -> None:
    def data(*words: str) -> ClipDataModule:
        module = build_datamodule(
            compose("train", [*tiny, "approach=temporal", "backbone.frames=8", *words], TrainConfig)
        )
        module.setup()
        return module

    apart, spread = data("backbone.stride_sec=0.2"), data()
    assert spread.remarks() == []
    (line,) = apart.remarks()
    assert line.startswith("72 of 72 clips are too short for 8 frames 0.2 s apart within sampling.window=[0.0, 1.0]")
    frames = [module.sets["test"].__getitems__([0, 1])["streams"]["pixels"].values for module in (apart, spread)]
    assert torch.equal(*frames)
    repeated = (
        data("backbone.stride_sec=0.2", "backbone.repeat_crops=true")
        .sets["test"]
        .__getitems__([0, 1])["streams"]["pixels"]
        .values
    )
    assert torch.equal(repeated[:, -1], repeated[:, -2])


@pytest.mark.parametrize(("scheduler", "first", "last"), [("cosine", 1.0, 0.0), ("onecycle", 0.04, 0.0)])
def test_schedulers_run_from_one_end_to_the_other(scheduler: str, first: float, last: float) -> None:
    cfg = compose("train", [f"scheduler={scheduler}", "optimizer.lr=1.0"], TrainConfig)
    optimizer = build_optimizer(cfg.optimizer, [torch.nn.Parameter(torch.zeros(1))])
    chosen = build_scheduler(cfg.scheduler, optimizer, steps=40, epochs=4)
    assert chosen is not None
    rates = []
    for _ in range(40):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        chosen.step()
    assert rates[0] == pytest.approx(first)
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[-1] == pytest.approx(last, abs=0.02)


def test_plateau_lowers_the_rate_when_validation_stands_still(tiny: list[str], tmp_path: Path) -> None:
    words = ["scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5", "optimizer.lr=1e-6"]
    words.append("backbone.freeze=true")  # running statistics would move the validation loss
    train([*tiny, "approach=single_task", "trainer.max_epochs=4", *words], tmp_path / "run")
    rates = table(tmp_path / "run")["lr"].tolist()
    assert rates[0] == pytest.approx(1e-6)
    assert rates[-1] <= 0.5e-6


def test_adagrad_trains_under_one_cycle(tiny: list[str], tmp_path: Path) -> None:
    results = train([*tiny, "approach=single_task", "optimizer=adagrad", "trainer.max_epochs=1"], tmp_path / "run")
    assert results["status"] == "completed"


def test_epochs_without_validation_have_no_validation_figures(tiny: list[str], tmp_path: Path) -> None:
    words = ["scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5", "optimizer.lr=1e-9"]
    words += ["backbone.freeze=true", "trainer.max_epochs=5", "trainer.check_val_every_n_epoch=2"]
    words += ["trainer.num_sanity_val_steps=1"]
    results = train([*tiny, "approach=single_task", *words], tmp_path / "run")
    found = table(tmp_path / "run")
    validation = found[[name for name in found if name.startswith("val/")]]
    assert validation.notna().all(axis=1).tolist() == [False, True, False, True, False]
    assert validation.isna().all(axis=1).tolist() == [True, False, True, False, True]
    assert found["train/frame/loss"].notna().all()
    # The first validation sets the mark, the second does not beat it: one reduction.
    assert found["lr"].tolist() == pytest.approx([1e-9, 1e-9, 1e-9, 5e-10, 5e-10])
    assert results["best_epoch"] == 1
    assert results["metrics"]["val/frame/loss"] == found["val/frame/loss"][1]


def test_plateau_on_an_unknown_metric_names_the_known_ones(tiny: list[str], tmp_path: Path) -> None:
    words = ["approach=single_task", "scheduler=plateau", "scheduler.monitor=val/clip/joint"]
    with pytest.raises(UserError, match=r"scheduler.monitor=val/clip/joint.*val/clip/joint_accuracy"):
        train([*tiny, *words], tmp_path / "run")


def test_early_stopping_ends_before_the_last_epoch(tiny: list[str], tmp_path: Path) -> None:
    words = ["callbacks.early_stopping={patience:1,min_delta:0.0}", "optimizer.lr=1e-9", "scheduler=none"]
    results = train([*tiny, "approach=single_task", "trainer.max_epochs=9", *words], tmp_path / "run")
    assert results["epochs"] == 2
    assert results["best_epoch"] == 0


@pytest.mark.parametrize("precision", ["bf16", "16"])
def test_half_precision_on_the_cpu(precision: str, tiny: list[str], tmp_path: Path) -> None:
    results = train([*tiny, "approach=temporal", f"precision={precision}"], tmp_path / "run")
    assert results["status"] == "completed"
    assert all(v.dtype != torch.bfloat16 for v in state(tmp_path / "run").values())


def test_a_cache_changes_nothing(tiny: list[str], tmp_path: Path) -> None:
    words = [*tiny, "approach=temporal", "trainer.max_epochs=1"]
    mapped = train([*words, "data.cache=memmap"], tmp_path / "mapped")
    decoded = train([*words, "data.cache=none"], tmp_path / "decoded")
    assert mapped["metrics"] == decoded["metrics"]


def test_worker_processes_change_nothing(tiny: list[str], tmp_path: Path) -> None:
    words = [*tiny, "approach=single_task"]
    alone = train(words, tmp_path / "alone")
    shared = train([*words, "data.workers=2"], tmp_path / "shared")
    assert alone["metrics"] == shared["metrics"]


def test_a_diverged_run_says_so(tiny: list[str], tmp_path: Path) -> None:
    words = ["optimizer=sgd", "optimizer.lr=1e20", "scheduler=none", "trainer.gradient_clip_val=null"]
    with pytest.raises(RunFailed, match="diverged: the training loss is nan") as caught:
        train([*tiny, "approach=single_task", *words], tmp_path / "run")
    assert isinstance(caught.value.__cause__, Diverged)


def test_class_weights_balanced_from_the_training_part(tiny: list[str], tmp_path: Path) -> None:
    words = ["approach=multi_task", "loss.emotion.class_weights=balanced", "data.limit_clips=50"]
    train([*tiny, *words], tmp_path / "run")
    weights = state(tmp_path / "run")["losses.emotion.weight"]
    assert torch.isfinite(weights).all()
    assert weights.shape == (6,)


def test_a_fast_dev_run_leaves_no_checkpoints(tiny: list[str], tmp_path: Path) -> None:
    results = train([*tiny, "approach=temporal", "trainer.fast_dev_run=true"], tmp_path / "run")
    assert results["status"] == "completed"
    assert not list((tmp_path / "run").rglob("*.ckpt"))
