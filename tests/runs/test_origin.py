"""Runs that start from others: whom their weights have learned is remembered, and nobody of them is tested."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from realfake.approaches import build_datamodule
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.learned import Learned
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.runs.checkpoints import read_checkpoint, remember
from realfake.runs.folder import RunFolder
from realfake.runs.origin import initial_checkpoint, learned_by, learned_with, origins
from realfake.runs.results import read_results

SPLIT = ["split=kfold", "split.folds=3", "split.fold=0"]
OTHER_FOLD = ["split=kfold", "split.folds=3", "split.fold=1"]
STRANGER = ("elsewhere", "anna")


@pytest.fixture(scope="module")
def first(trained: Callable[..., Path]) -> Path:
    return trained("approach=multi_task", *SPLIT, "trainer.max_epochs=1")


@pytest.fixture
def copied(first: Path, tmp_path: Path) -> RunFolder:
    """A copy of the run that may be changed."""
    shutil.copytree(first, tmp_path / "first")
    return RunFolder(tmp_path / "first")


def make_older(run: RunFolder) -> None:
    """Take away what runs did not write before."""
    for path in (run.best, run.last):
        state = read_checkpoint(path)
        del state["realfake"]["learned"]
        torch.save(state, path)


def words(tiny: list[str], *more: str) -> list[str]:
    return [*tiny, "approach=multi_task", "trainer.max_epochs=1", *more]


def test_a_checkpoint_says_whom_it_has_learned(first: Path) -> None:
    """Four of six people train and validate; both checkpoints say so, in plain values."""
    run = RunFolder(first)
    learned = [learned_by(path) for path in (run.best, run.last)]
    assert learned[0] == learned[1]
    assert (len(learned[0].people), len(learned[0].files), learned[0].unknown) == (4, 48, ())
    assert (read_results(first) or {})["learned"] == {"people": 4, "files": 48, "unknown": []}


@pytest.mark.parametrize("how", ["init_from", "init_from of a lone file", "ckpt", "backbone.weights"])
def test_nobody_who_was_learned_is_tested(first: Path, tiny: list[str], tmp_path: Path, how: str) -> None:
    key, source = how.partition(" ")[0], first / "checkpoints/best.ckpt"
    if "lone" in how:
        source = Path(shutil.copy(source, tmp_path / "alone.ckpt"))
    elif key != "backbone.weights":
        source = first
    with pytest.raises(UserError) as caught:
        train(words(tiny, *OTHER_FOLD, f"{key}={source}"), tmp_path / "second")
    line = str(caught.value)
    assert line.startswith(f"{key}=")
    assert "have learned, or were selected on, 2 of the people" in line
    assert "subject" in line.partition("(")[2]
    assert "use the split of that run" in line
    assert "\n" not in line
    assert not (tmp_path / "second/checkpoints").exists()


def test_files_that_do_not_say_whom_they_have_learned_are_remarked_on(
    copied: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain, cfg = tmp_path / "plain.pt", copied.load_config()
    torch.save({"state_dict": read_checkpoint(copied.best)["state_dict"]}, plain)
    started = cfg.model_copy(update={"backbone": cfg.backbone.model_copy(update={"weights": str(plain)})})
    data = build_datamodule(cfg)
    data.setup()
    learned = learned_with(started, data, origins(started, None, None))
    assert learned.unknown == (f"{plain}, which does not say it",)
    assert caplog.text.count(f"backbone.weights={plain}: which people its weights have learned is not known") == 1
    published = shutil.copy(plain, tmp_path / "resnet18-f37072fd.pth")
    resnet = compose("train", ["backbone=resnet18", f"backbone.weights={published}"], TrainConfig)
    assert not origins(resnet, None, None)


def test_what_was_learned_is_passed_on(copied: RunFolder, first: Path, tiny: list[str], tmp_path: Path) -> None:
    """By ``init_from``; and by ``ckpt``, where the best weights stay those of another run, which knew less."""
    own = learned_by(copied.best)
    remember(copied.best, (own | Learned(people=frozenset({STRANGER}))).as_plain())
    train(words(tiny, *SPLIT, f"init_from={copied.path}", f"ckpt={first}"), tmp_path / "second")  # all epochs are done
    best = tmp_path / "second/checkpoints/best.ckpt"
    assert learned_by(best).people == {*own.people, STRANGER}
    before, after = (read_checkpoint(path)["state_dict"] for path in (RunFolder(first).best, best))
    assert all(torch.equal(before[name], after[name]) for name in before)
    train(words(tiny, *SPLIT, f"init_from={tmp_path / 'second'}"), tmp_path / "third")
    for name in ("best", "last"):
        assert learned_by(tmp_path / f"third/checkpoints/{name}.ckpt").people == {*own.people, STRANGER}


def test_older_runs_are_reconstructed(copied: RunFolder, first: Path) -> None:
    expected = learned_by(RunFolder(first).best)
    make_older(copied)
    assert learned_by(copied.best) == expected


def test_an_older_run_that_was_cut_off_is_that_of_the_same_configuration(copied: RunFolder, first: Path) -> None:
    """It has no results that name its data; resumed with the same configuration, its people are those at hand."""
    expected, cfg = learned_by(RunFolder(first).best), RunFolder(first).load_config()
    data = build_datamodule(cfg)
    data.setup()
    make_older(copied)
    copied.results.unlink()
    assert learned_by(copied.last, cfg, data) == expected
    assert learned_by(copied.last, changed(cfg, fold=1, seed=0), data).unknown


@pytest.mark.parametrize("lost", ["results.json", "prepared", "split"])
def test_else_it_is_said(copied: RunFolder, tmp_path: Path, lost: str) -> None:
    make_older(copied)
    if lost == "results.json":
        copied.results.unlink()
    else:
        state = read_checkpoint(copied.best)
        config = state["realfake"]["config"]
        config["data"]["prepared"] = str(tmp_path / "nowhere") if lost == "prepared" else config["data"]["prepared"]
        config["split"]["fold"] = 1 if lost == "split" else 0
        torch.save(state, copied.best)
    learned = learned_by(copied.best)
    assert not learned.people
    assert len(learned.unknown) == 1
    assert str(copied.best) in learned.unknown[0]


def test_older_runs_know_whom_they_started_from(copied: RunFolder, tmp_path: Path) -> None:
    """Both are older; the second was trained with a path relative to the folder in which it was started."""
    remember(copied.best, (learned_by(copied.best) | Learned(people=frozenset({STRANGER}))).as_plain())
    second = RunFolder(Path(shutil.copytree(copied.path, tmp_path / "below/second")))
    make_older(second)
    state = read_checkpoint(second.best)
    state["realfake"]["config"]["init_from"] = "first"
    torch.save(state, second.best)
    OmegaConf.save({"hydra": {"runtime": {"cwd": str(tmp_path)}}}, second.config.with_name("hydra.yaml"))
    assert STRANGER in learned_by(second.best).people


# --- init_from=<a sweep> ---------------------------------------------------------------------------------------------


def changed(cfg: TrainConfig, fold: int, seed: int, **more: Any) -> TrainConfig:
    """The configuration of another run of the same sweep."""
    return cfg.model_copy(update={"split": cfg.split.model_copy(update={"fold": fold}), "seed": seed, **more})


def sweep_of(first: Path, folder: Path, *runs: TrainConfig) -> Path:
    """A sweep of copies of one run, with their configurations changed."""
    for number, cfg in enumerate(runs):
        run = RunFolder(Path(shutil.copytree(first, folder / f"{number}")))
        run.save_config(cfg, None)
        OmegaConf.save(
            OmegaConf.create(["approach=multi_task", f"head.dropout={cfg.head.dropout}"]), run.overrides_file
        )
    return folder


def taken(sweep: Path, cfg: TrainConfig) -> str:
    """Name of the run that is started from."""
    return initial_checkpoint(cfg.model_copy(update={"init_from": str(sweep)})).relative_to(sweep).parts[0]


def test_a_sweep_gives_the_run_of_the_same_fold(first: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = RunFolder(first).load_config()
    dropout = cfg.head.model_copy(update={"dropout": 0.5})
    other_network = cfg.backbone.model_copy(update={"name": "small_cnn"})
    sweep = sweep_of(
        first, tmp_path / "sweep",
        changed(cfg, fold=0, seed=1), changed(cfg, fold=0, seed=2), changed(cfg, fold=1, seed=1),
        changed(cfg, fold=2, seed=1, backbone=other_network), changed(cfg, fold=2, seed=1),
        changed(cfg, fold=2, seed=1, head=dropout),
    )  # fmt: skip
    assert taken(sweep, changed(cfg, fold=0, seed=2)) == "1"
    assert taken(sweep, changed(cfg, fold=1, seed=2)) == "2"
    assert taken(sweep, changed(cfg, fold=2, seed=2, backbone=other_network)) == "3"
    assert not caplog.text
    assert taken(sweep, changed(cfg, fold=0, seed=7)) == "0"
    assert "no run there has seed=7: that of seed=1 is taken" in caplog.text
    with pytest.raises(UserError, match=r"2 of its runs fit this one: .*/4 \(.*/5 \(head\.dropout=0\.5\); name one"):
        taken(sweep, changed(cfg, fold=2, seed=1))
    with pytest.raises(UserError, match=r"none of its 6 .* has split\.fold=3 backbone=tiny_cnn \(there are: .*fold=0 "):
        taken(sweep, changed(cfg, fold=3, seed=1))
    (sweep / "2/results.json").write_text('{"status": "interrupted"}')
    with pytest.raises(UserError, match=r"none of its 5 completed runs has split\.fold=1"):
        taken(sweep, changed(cfg, fold=1, seed=1))


def test_no_such_run(first: Path, tmp_path: Path) -> None:
    cfg = RunFolder(first).load_config()
    with pytest.raises(UserError, match=r"init_from=.*nowhere: no such folder"):
        taken(tmp_path / "nowhere", cfg)
    with pytest.raises(UserError, match=r"init_from=.*: no \.hydra/config\.yaml there"):
        taken(tmp_path, cfg)
