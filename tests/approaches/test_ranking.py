"""``approach=ranking``, and decisions by comparison from training to reports, evaluations and predictions."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from processes import Command
from rich.console import Console

from realfake.approaches import build_datamodule
from realfake.approaches.module import ApproachModule
from realfake.comparison.comparing import compare_runs
from realfake.composing.composition import compose
from realfake.config import EvaluateConfig, PredictConfig, TrainConfig
from realfake.errors import UserError
from realfake.evaluation.evaluating import evaluate_run
from realfake.experiments.summary import print_summary
from realfake.prediction.command import predict_all
from realfake.reports.leaderboard import make_report
from realfake.runs.folder import RunFolder
from realfake.scoring.predictions import read_table

RANKING = (
    "approach=ranking", "signals=[drawn]", "backbone.streams=[units]", "backbone.gather=interval",
    "backbone.standardise=true", "callbacks.plots=false",
)  # fmt: skip


def words_of(*words: str) -> TrainConfig:
    return compose("train", ["approach=ranking", *words], TrainConfig)


def test_what_ranking_comes_to() -> None:
    cfg = words_of()
    assert (cfg.tasks, cfg.sampling.pairs, list(cfg.auxiliary.chosen)) == (("authenticity",), True, ["pair_ranking"])
    assert (cfg.protocol, cfg.metric) == ("median", "val/clip/authenticity_auroc")
    assert cfg.approach.taught(cfg.tasks) == ()
    two = words_of("approach.tasks=[emotion,authenticity]", "auxiliary.pair_ranking.loss=hinge")
    assert two.approach.taught(two.tasks) == ("emotion",)
    both = words_of("approach.task_loss=true", "protocol=threshold", "approach.tasks=[joint]")
    assert both.approach.taught(both.tasks) == ("joint",)
    assert both.metric == "val/clip/joint_accuracy"
    for backbone in ("transformer", "r3d_18"):  # any network of sequences
        assert words_of(f"backbone={backbone}").backbone.name == backbone
    plain = compose("train", ["approach=temporal"], TrainConfig)
    assert (plain.protocol, plain.approach.taught(plain.tasks)) == ("threshold", ("joint",))


@pytest.mark.parametrize(("words", "line"), [
    (["auxiliary=[center]"],
     "approach=ranking learns by auxiliary.pair_ranking; expected auxiliary=[pair_ranking,center]"),
    (["approach.tasks=[joint]"],
     "approach.task_loss=false: approach.tasks=[joint] tells the emotion by the head that would have no loss of its "
     "own; expected approach.task_loss=true, or approach.tasks=[emotion,authenticity]"),
    (["approach.tasks=[emotion]", "auxiliary=null", "approach=temporal"],
     "protocol=median: approach.tasks=[emotion] tells no authenticity, by which clips of a pair are compared; expected "
     "protocol=threshold, or a head for it"),
    (["approach=temporal", "approach.task_loss=false"],
     "approach.task_loss is a key of approach=ranking only: choose that too"),
    (["protocol=medan"], "protocol=medan: expected 'threshold', 'median' or 'forced_choice'; did you mean 'median'?"),
    (["data.batch_size=7"],
     "data.batch_size=7: sampling.pairs=true takes samples two by two; expected 8, or another even number"),
    (["backbone=resnet18"], "backbone=resnet18 is a frame backbone, but approach=ranking needs a clip backbone"),
])  # fmt: skip
def test_wrong_use_is_one_line(words, line) -> None:
    with pytest.raises(UserError) as error:
        compose("train", ["approach=ranking", "protocol=median", *words], TrainConfig)
    assert str(error.value).startswith(line)


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_a_step_minimises_the_equation(tiny: list[str], loss: str) -> None:
    """``mean log(1 + exp(−(s_real − s_fake)))``, or ``max(0, m − …)``, over the pairs of a batch, in plain NumPy."""
    cfg = compose("train", [*tiny, *RANKING, f"auxiliary.pair_ranking.loss={loss}"], TrainConfig)
    data = build_datamodule(cfg)
    data.setup()
    module, batch = ApproachModule(cfg), next(iter(data.train_dataloader()))
    module.eval()
    found = module._step(batch, "train")
    with torch.no_grad():
        logits = module(batch["streams"])["authenticity"].double().numpy()
    score, real = logits[:, 1] - logits[:, 0], batch["authenticity"].numpy() == 1
    lost = []
    for pair in np.unique(batch["pair"].numpy()):
        rows = batch["pair"].numpy() == pair
        (s_real,), (s_fake,) = score[rows & real], score[rows & ~real]
        lost.append(math.log1p(math.exp(s_fake - s_real)) if loss == "logistic" else max(0.0, 1.0 - (s_real - s_fake)))
    assert len(lost) == 8
    assert found.item() == pytest.approx(np.mean(lost), rel=1e-4)
    found.backward()
    assert all(p.grad is not None for p in module.heads.parameters())


def test_both_processes_have_whole_pairs(tiny: list[str]) -> None:
    cfg = compose("train", [*tiny, *RANKING, "data.batch_size=8"], TrainConfig)
    data = build_datamodule(cfg)
    data.setup()
    pair, side = data._pairs("train")
    seen: list[int] = []
    for rank in (0, 1):
        for batch in data.batches("train", rank=rank, processes=2):
            rows = np.array(batch) % len(pair)
            assert set(Counter(pair[rows].tolist()).values()) == {2}
            assert sorted(pair[rows][side[rows] == 1]) == sorted(pair[rows][side[rows] == 0])
            seen += rows.tolist()
    assert len(seen) == len(set(seen)) > len(pair) / 2


def test_too_few_pairs_are_counted(tiny: list[str]) -> None:
    data = build_datamodule(compose("train", [*tiny, *RANKING], TrainConfig))
    data.setup()
    assert data.remarks() == []
    samples = data.sets["train"]
    clips = len(samples.rows)
    pairs = samples.pair.copy()
    samples.pair = np.where(np.arange(clips) == 0, -1, pairs)
    assert data.remarks() == [
        f"sampling.pairs=true: 2 of {clips} training clips have no counterpart in their pair to be compared with"
    ]
    samples.pair = np.where(samples.authenticity == 1, pairs, -1)
    with pytest.raises(UserError) as error:
        data.require_pairs("approach=ranking")
    people = len(np.unique(data.opened().table["subject"].to_numpy(str)[samples.rows]))
    assert f"in the training part ({clips} clips, {people} subjects, {clips // 2} names of pairs); expected" in str(
        error.value
    )


@pytest.fixture(scope="module")
def ranked(trained: Callable[..., Path]) -> Path:
    return trained(*RANKING)


def results_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_a_run_decides_by_its_protocol(ranked: Path) -> None:
    results = results_of(ranked)
    metrics = results["metrics"]
    assert (results["protocol"], results["fallbacks"], results["tasks"]) == ("median", 0, ["authenticity"])
    for part in ("test", "val"):
        assert metrics[f"{part}/clip/authenticity_accuracy"] == metrics[f"{part}/clip/pair_accuracy"]
    table = pd.read_csv(ranked / "metrics.csv")
    assert table["train/frame/loss"].tolist() == table["train/frame/loss_pair_ranking"].tolist()
    assert "train/frame/loss_authenticity" not in table
    assert (table["val/frame/loss_authenticity"] > 0).all()
    clips = pd.read_csv(ranked / "predictions.csv")
    assert set(clips["decided_by"]) == {"median"}
    said = clips.groupby("pair")["predicted_authenticity"].agg(sorted)
    assert set(map(tuple, said)) <= {("fake", "real"), ("fake", "fake")}
    screen = Console(record=True, width=200, file=io.StringIO())
    print_summary(results, RunFolder(ranked), screen)
    assert "is decided by protocol=median: a clip is real if it scores above the median" in screen.export_text()
    alone = {**results, "intervals": dict.fromkeys(results["intervals"], (None, None))}
    print_summary(alone, RunFolder(ranked), screen)
    text = screen.export_text()
    assert "interval, clip" not in text
    assert "95 % interval: none, since people are" in text
    page = (ranked / "index.html").read_text()
    assert "Real or fake is decided by protocol=median: a clip is real if it scores above the median" in page


def test_evaluate_decides_anew(ranked: Path, trained: Callable[..., Path]) -> None:
    shown = io.StringIO()

    def again(run: Path, *words: str) -> tuple[Path, dict]:
        cfg = compose("evaluate", [f"run={run}", "resamples=100", "plots=false", *words], EvaluateConfig)
        folder = evaluate_run(cfg, Console(file=shown, width=300))
        return folder, results_of(folder)

    own, same = again(ranked)
    assert (own.name, same["protocol"], same["stands_for_run"]) == ("test", "median", True)
    figures = {name: value for name, value in results_of(ranked)["metrics"].items() if name.startswith("test/")}
    assert {name: same["metrics"][name] for name in figures} == figures
    assert "Real or fake is decided by protocol=median" in shown.getvalue()

    plain = trained("approach=single_task")
    folder, found = again(plain, "protocol=forced_choice", f"against={ranked}")
    assert folder.name == f"test-forced_choice-against-{ranked.name}"
    assert (found["protocol"], found["fallbacks"], found["stands_for_run"]) == ("forced_choice", 0, False)
    before, after = (results_of(f)["metrics"] for f in (plain, folder))
    differ = {name for name in before if name.startswith("test/") and before[name] != after[name]}
    assert "test/clip/authenticity_accuracy" in differ
    decided = ("joint_accuracy", "authenticity_accuracy", "joint_f1", "authenticity_balanced_accuracy")
    assert differ <= {f"test/clip/{name}" for name in decided}
    report = json.loads((folder / "evaluation.json").read_text())
    accuracy = report["metrics"]["clip"]["authenticity_accuracy"]["value"]
    assert accuracy == after["test/clip/authenticity_accuracy"] == after["test/clip/pair_accuracy"]
    assert report["proportions"]["authenticity"]["right"] == round(accuracy * report["counts"]["clips"])
    assert report["shuffle"]["authenticity_accuracy"] == report["shuffle"]["pair_accuracy"]
    assert read_table(folder / "predictions.csv")[0].protocol == "forced_choice"
    against = report["against"]["metrics"]["authenticity_accuracy"]
    assert against["first"] == results_of(ranked)["metrics"]["test/clip/authenticity_accuracy"]  # all pairs are of two


def test_different_protocols_are_told_apart(ranked: Path, trained: Callable[..., Path], tmp_path: Path) -> None:
    plain = trained("approach=temporal", *RANKING[1:])
    report = make_report([ranked, plain], tmp_path / "report", draws=100)
    note = "Real or fake is decided by different protocols (median, threshold): accuracies and F1"
    assert any(line.startswith(note) for line in report.board.notes)
    table = pd.read_csv(report.leaderboard)
    assert sorted(table["protocol"]) == ["median", "threshold"]
    assert note in report.page.read_text()
    assert "protocol" not in pd.read_csv(make_report([plain], tmp_path / "one", draws=100).leaderboard)
    found = compare_runs({"ranking": [ranked], "plain": [plain]}, people=[], resamples=100, permutations=100)
    assert any("ranking decides real or fake by median, plain by threshold" in line for line in found.notes)


def test_files_are_decided_by_threshold(trained: Callable[..., Path], tmp_path: Path) -> None:
    said = "protocol=median compares the clips of a pair, and of files nobody says which form one"
    for words, remarks in ((["protocol=median"], 1), ([], 0)):
        face, shown = Path(skimage.data.__file__).parent / "astronaut.png", io.StringIO()
        run = f"run={trained('approach=single_task')}"
        cfg = compose("predict", [run, f"input={face}", "annotate=false", f"out={tmp_path}", *words], PredictConfig)
        assert predict_all(cfg, [face], Console(file=shown, width=200)) == 0
        assert shown.getvalue().count(said) == remarks
        told = json.loads((tmp_path / "predictions.json").read_text())
        assert told.get("decided") == (f"{said}: real or fake is decided by threshold" if words else None)


@pytest.mark.slow
def test_two_processes_rank_pairs(command: Command, tiny: list[str], tmp_path: Path) -> None:
    run = f"hydra.run.dir={tmp_path}/run"
    done = command("train", *tiny, *RANKING, "trainer.cpu_processes=2", "trainer.gpus=0", run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = results_of(tmp_path / "run")
    assert results["processes"] == 2
    assert results["metrics"]["train/frame/loss_pair_ranking"] > 0
    assert results["metrics"]["test/clip/authenticity_accuracy"] == results["metrics"]["test/clip/pair_accuracy"]
