"""``realfake evaluate``: the run's own figures again, from its folder alone; other data; other runs; wrong input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from processes import Command

from realfake.composing.composition import compose
from realfake.config import EvaluateConfig, TrainConfig
from realfake.data.sources import build_source
from realfake.errors import UserError
from realfake.evaluation.evaluating import evaluate_run
from realfake.experiments.execution import train
from realfake.runs.results import read_results
from realfake.scoring.metric_table import DEFINITIONS, REPORTED
from realfake.scoring.statistics import HOLDS


@pytest.fixture(scope="module")
def multi_task(trained: Callable[..., Path]) -> Path:
    return trained("approach=multi_task")


def evaluate(*overrides: str) -> Path:
    return evaluate_run(compose("evaluate", list(overrides), EvaluateConfig))


def test_metrics_are_reproduced_in_a_fresh_process_and_place(
    multi_task: Path, tiny_data: list[str], command: Command, tmp_path: Path
) -> None:
    """The run's folder and its videos have both been moved, and the prepared store is gone."""
    run, elsewhere = tmp_path / "moved" / "run", tmp_path / "elsewhere"
    shutil.copytree(multi_task, run)
    source = build_source(compose("train", tiny_data, TrainConfig).data, progress=False)
    shutil.copytree(Path(source.root).parent, elsewhere)
    done = command("evaluate", f"run={run}", f"data.root={elsewhere}", "data.prepared=store", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not bit for bit" not in done.stdout + done.stderr
    again, first = read_results(run / "evaluation/test"), read_results(run)
    assert again is not None
    assert first is not None
    stored = {k: v for k, v in first["metrics"].items() if k.startswith(("test/", "val/"))}
    assert again["metrics"] == stored
    shown = json.loads((run / "evaluation/test/evaluation.json").read_text())["metrics"]
    for name in REPORTED:
        assert shown["clip"][name]["value"] == stored[f"test/clip/{name}"]
        assert shown["frame"][name]["value"] == stored[f"test/frame/{name}"]
    assert again["stands_for_run"]
    assert again["metric_definitions"] == first["metric_definitions"] == DEFINITIONS
    ours, theirs = ((f / "predictions.csv").read_text() for f in (run / "evaluation/test", run))
    assert ours == theirs


def test_the_report_holds_everything(multi_task: Path, tmp_path: Path) -> None:
    folder = evaluate(f"run={multi_task}", f"out={tmp_path}", "resamples=200", "calibration=temperature")
    report = json.loads((folder / "evaluation.json").read_text())
    assert report["counts"]["clips"] == 12
    assert set(report["baselines"]) >= {"chance", "majority", "emotion only", "first frame"}
    assert report["leaks"] == []
    assert report["settings"]["calibrated"]
    results = read_results(folder) or {}
    assert results["threads"] == torch.get_num_threads()
    assert results["intervals_hold"] == HOLDS
    assert results["temperatures"]["clip"]["emotion"]["refused"] == "a fit needs at least 5 validation people: found 1"
    assert all(row["temperature"] > 0 for row in report["calibration"].values())
    assert {p.stem for p in (folder / "plots").iterdir()} >= {"confusion_joint", "reliability", "roc", "examples"}
    page = (folder / "evaluation.html").read_text()
    assert "say nothing about people" in page
    results = read_results(folder)
    assert results is not None
    assert results["stands_for_run"] is False  # calibrated
    assert "<script src" not in page


def test_no_evaluation_replaces_one_of_another_kind(multi_task: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(multi_task, run, ignore=shutil.ignore_patterns("evaluation"))
    words = [f"run={run}", "resamples=100", "plots=false"]
    older = run / "evaluation/test"
    older.mkdir(parents=True)
    (older / "results.json").write_text('{"status": "completed"}')
    kinds = {
        "test": [],
        "val": ["part=val"],
        "test-calibrated": ["calibration=temperature"],
        "test-against-run": [f"against={multi_task}"],
    }
    for name, more in kinds.items():
        assert evaluate(*words, *more) == run / "evaluation" / name
    again = evaluate(*words, f"against={run}")
    assert again.name.startswith("test-against-run-"), "another run of the same name"
    assert evaluate(*words) == run / "evaluation/test", "the same one replaces its own"
    found = {path.name for path in (run / "evaluation").iterdir()}
    assert found == {*kinds, again.name, "test-before-1"}
    assert (read_results(run / "evaluation/test") or {})["stands_for_run"]
    assert read_results(run / "evaluation/test-before-1") == {"status": "completed"}


def test_starting_from_another_network_is_refused_before_preparation(
    multi_task: Path, tiny_data: list[str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    words = [*tiny_data, f"data.prepared={store}", f"init_from={multi_task}", "backbone=small_cnn"]
    with pytest.raises(UserError, match=r"its backbone is tiny_cnn, not small_cnn: add backbone=tiny_cnn"):
        train(words, tmp_path / "run")
    absent = ["approach=single_task", "backbone=vgg16", "backbone.weights=/nothing/vgg.pth"]
    with pytest.raises(UserError, match=r"backbone\.weights=/nothing/vgg\.pth: no such file"):
        train([*tiny_data, f"data.prepared={store}", *absent], tmp_path / "run")
    assert not store.exists()


def test_other_parts_and_other_runs(multi_task: Path, trained: Callable[..., Path], tmp_path: Path) -> None:
    other = trained("approach=single_task")
    folder = evaluate(f"run={multi_task}", "part=val", f"against={other}", f"out={tmp_path}", "plots=false")
    report = json.loads((folder / "evaluation.json").read_text())
    assert report["about"]["part"] == "val"
    assert len(report["leaks"]) == 1  # the one person that the model was selected on
    assert report["against"]["name"] == "run (which has learned or was selected on 1 of the people)"
    assert report["against"]["metrics"]["authenticity_accuracy"]["p_value"] <= 1.0
    own = pd.read_csv(multi_task / "predictions.csv")
    assert not set(pd.read_csv(folder / "predictions.csv")["subject"]) & set(own["subject"])


def test_another_dataset_without_emotions(multi_task: Path, tiny_data: list[str], tmp_path: Path) -> None:
    """A dataset that knows real from posed only is scored on that alone."""
    source = build_source(compose("train", tiny_data, TrainConfig).data, progress=False)
    clips = source.listing().clips[:14]
    table = pd.DataFrame({
        "path": [str(Path(source.root) / c.path) for c in clips],
        "subject": [c.subject for c in clips],
        "authenticity": ["real" if c.authenticity else "fake" for c in clips],
    })  # fmt: skip
    table.to_csv(tmp_path / "smiles.csv", index=False)
    folder = evaluate(
        f"run={multi_task}", "data=csv", f"data.root={tmp_path}/smiles.csv", f"data.prepared={tmp_path}/store",
        f"out={tmp_path}/out", "resamples=100", "plots=false",
    )  # fmt: skip
    results = read_results(folder)
    assert results is not None
    assert results["metrics"]["test/clip/emotion_accuracy"] is None
    assert results["metrics"]["test/clip/joint_accuracy"] is None
    assert 0.0 <= results["metrics"]["test/clip/authenticity_accuracy"] <= 1.0
    assert len(pd.read_csv(folder / "predictions.csv")) == 14
    report = json.loads((folder / "evaluation.json").read_text())
    assert report["leaks"]  # the same videos were trained on


@pytest.mark.parametrize(("dataset", "folder"), [("..", "__"), ("test", "of-test"), ("n" * 300, "n" * 191 + "_*")])
def test_the_name_of_a_dataset_leads_nowhere(
    multi_task: Path, tiny_data: list[str], tmp_path: Path, dataset: str, folder: str
) -> None:
    """It becomes that of a folder below the run's."""
    run = shutil.copytree(multi_task, tmp_path / "run", ignore=shutil.ignore_patterns("evaluation"))
    own = {path: path.read_bytes() for path in (run / "results.json", run / "predictions.csv")}
    source = build_source(compose("train", tiny_data, TrainConfig).data, progress=False)
    rows = "".join(f"{Path(source.root) / c.path},{c.subject},real,{dataset}\n" for c in source.listing().clips[:3])
    (tmp_path / "clips.csv").write_text(f"path,subject,authenticity,dataset\n{rows}")
    found = evaluate(
        f"run={run}", "data=csv", f"data.root={tmp_path}/clips.csv", f"data.prepared={tmp_path}/store",
        "resamples=100", "plots=false",
    )  # fmt: skip
    assert found.parent == run / "evaluation"
    assert found.match(folder)
    assert {path: path.read_bytes() for path in own} == own


def test_faces_are_found_as_the_run_found_them(
    multi_task: Path, tiny_data: list[str], command: Command, tmp_path: Path
) -> None:
    """Also in a dataset whose file would have them found otherwise; here the run's own, under another name."""
    (tmp_path / "mine" / "data").mkdir(parents=True)
    text = "defaults:\n  - synthetic\n  - _self_\n  - override /face@_global_.face: none\n"
    (tmp_path / "mine" / "data" / "other.yaml").write_text(text)
    words = ["resamples=100", "plots=false", f"out={tmp_path}/out", "--config-dir", "mine"]
    done = command("evaluate", f"run={multi_task}", "data=other", *tiny_data, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found, own = (read_results(folder) or {} for folder in (tmp_path / "out", multi_task))
    assert found["data_fingerprint"] == own["data_fingerprint"]


def test_people_who_validated_are_no_strangers(multi_task: Path, tiny_data: list[str], tmp_path: Path) -> None:
    """Other data, in which there is one clip of who selected the best epoch, and one of who is new to the model."""
    from realfake.evaluation.testing import Tester

    source = build_source(compose("train", tiny_data, TrainConfig).data, progress=False)
    data = Tester(multi_task).datamodule()
    rows = [data.sets["val"].rows[0], data.sets["test"].rows[0]]
    table = data.opened().table.iloc[rows]
    paths = [str(Path(source.root) / path) for path in table["path"]]
    pd.DataFrame({"path": paths, "subject": ["x", "y"], "authenticity": "real"}).to_csv(
        tmp_path / "new.csv", index=False
    )
    folder = evaluate(
        f"run={multi_task}", "data=csv", f"data.root={tmp_path}/new.csv", f"data.prepared={tmp_path}/store",
        f"out={tmp_path}/out", "resamples=100", "plots=false",
    )  # fmt: skip
    leaks = json.loads((folder / "evaluation.json").read_text())["leaks"]
    assert [line.partition(" of ")[0] for line in leaks] == ["'x'"]


class Code:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("/tmp/realfake-was-here"),)  # type: ignore[return-value]


def test_wrong_runs(multi_task: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        evaluate(f"run={tmp_path}/nowhere")
    with pytest.raises(UserError, match="not the folder of a run"):
        evaluate(f"run={tmp_path}")
    with pytest.raises(UserError, match="run is missing"):
        evaluate()
    with pytest.raises(UserError, match="calibration=temperature is fitted on part=val"):
        evaluate(f"run={multi_task}", "part=val", "calibration=temperature")
    run = tmp_path / "run"
    shutil.copytree(multi_task, run)
    best = run / "checkpoints/best.ckpt"
    torch.save({"weights": torch.zeros(2)}, best)
    with pytest.raises(UserError, match="not a checkpoint of realfake"):
        evaluate(f"run={run}")
    torch.save({"realfake": Code(), "state_dict": {}}, best)
    with pytest.raises(UserError, match="refused"):
        evaluate(f"run={run}")
    assert not Path("/tmp/realfake-was-here").exists()
    best.unlink()
    with pytest.raises(UserError, match="no such"):
        evaluate(f"run={run}")
