"""Emotions are those of the data: seven with fear, smiles alone, tasks by hand, runs on data with other emotions."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from processes import Command

import realfake
from realfake.composing.composition import compose
from realfake.config import CsvData, PrepareConfig, SaseFeData, TrainConfig
from realfake.config.upgrade import upgrade
from realfake.data.sources import list_clips
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.experiments.start import check_start, resolved
from realfake.labels import AUTHENTICITIES, EMOTIONS, LabelSpace
from realfake.prediction.predicted import VideoPrediction
from realfake.runs.folder import RunFolder
from realfake.scoring.predictions import read_table

SEVEN = ("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
DECLARED = f"data.emotions=[{','.join(SEVEN)}]"
SWEEPS = {
    "seven": (DECLARED, "seed=1", "loss.joint.class_weights=balanced"),
    "alone": ("approach=multi_task", "seed=1"),
}
"""Table → overrides of the sweep of one run on it."""
OF_EMOTIONS = re.compile(r"emotion|joint|both right|happy|smile", re.IGNORECASE)


@pytest.fixture(scope="module")
def tables(tiny_data: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The drawn clips as tables: with fear, as smiles alone, and without a column of emotions."""
    folder = tmp_path_factory.mktemp("tables")
    source, listing = list_clips(compose("prepare", tiny_data, PrepareConfig).data, progress=False)
    written: dict[str, list[list[str]]] = {"seven": [], "alone": [], "without": []}
    for i, clip in enumerate(listing.clips):
        row = [f"{source.root}/{clip.path}", clip.subject, AUTHENTICITIES[clip.authenticity]]
        emotion = EMOTIONS[clip.emotion]
        written["seven"].append([*row, "afraid" if emotion == "surprise" and i // 12 % 2 else emotion])
        written["alone"].append([*row, "smile"])
        written["without"].append(row)
    for name, rows in written.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["path", "subject", "authenticity", "emotion"][: len(rows[0])], *rows])
    return {name: str(folder / f"{name}.csv") for name in written}


def of_table(path: str) -> list[str]:
    """Overrides of a tiny dataset that a table names."""
    store = f"data.prepared={Path(path).parent}/prepared"
    return ["data=csv", f"data.root={path}", "face=haar", "data.size=64", "data.prepare_workers=1", store]


@pytest.fixture(scope="module")
def swept(
    tables: dict[str, str],
    tiny: list[str],
    tiny_data: list[str],
    command: Command,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[Path, str]]:
    """Working folder of a sweep of one run on a table, and what it said; done once."""
    done: dict[str, tuple[Path, str]] = {}

    def sweep(name: str, *words: str) -> tuple[Path, str]:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            overrides = [
                *of_table(tables[name]),
                *tiny[len(tiny_data) :],
                "callbacks.plots=true",
                "sweep.name=s",
                *words,
            ]
            said = command("train", "-m", *overrides, cwd=folder)
            assert said.returncode == 0, said.stderr
            done[name] = folder, said.stdout
        return done[name]

    return sweep


def only_run(folder: Path) -> Path:
    (config,) = folder.glob("multirun/s/*/.hydra/config.yaml")
    return config.parents[1]


def a_clip(table: str) -> str:
    return str(pd.read_csv(table)["path"][0])


def test_seven_emotions_with_fear(
    swept: Callable[..., tuple[Path, str]], tables: dict[str, str], command: Command
) -> None:
    folder, said = swept("seven", *SWEEPS["seven"])
    run, space = RunFolder(only_run(folder)), LabelSpace(SEVEN)
    assert "both right" in said
    results = json.loads(run.results.read_text())
    assert (results["tasks"], results["emotions"]) == (["joint"], list(SEVEN))
    assert results["optimized_metric"] == "val/clip/joint_accuracy"
    table = pd.read_csv(run.predictions)
    classes = [n for task in ("emotion", "authenticity", "joint") for n in space.names(task)]
    assert [c for c in table if c.startswith("p_")] == [f"p_{n}" for n in classes]
    predictions, _ = read_table(run.predictions)
    assert (predictions.space, predictions.p_joint.shape[1]) == (space, 14)
    assert {"confusion_joint.png", "by_emotion.png"} <= {p.name for p in run.plots.iterdir()}
    page = (folder / "multirun" / "s" / "report.html").read_text()
    assert "real_fear" in page
    done = command("evaluate", f"run={run.path}", "part=train", "resamples=100", "plots=false", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads((run.evaluation("train") / "evaluation.json").read_text())
    assert set(report["by_emotion"]) == set(SEVEN)
    assert report["baselines"]["chance"]["joint_accuracy"] == pytest.approx(1 / 14)
    answer = realfake.load(run.path, device="cpu").predict(a_clip(tables["seven"]))
    assert isinstance(answer, VideoPrediction)
    assert answer.emotion in SEVEN
    assert set(answer.by_name()) == set(classes)


def test_smiles_alone_are_told_by_their_authenticity(
    swept: Callable[..., tuple[Path, str]], tables: dict[str, str], command: Command
) -> None:
    """No word about emotions on the screen, in tables, pages, pictures, exported networks and the interface."""
    folder, said = swept("alone", *SWEEPS["alone"])
    run = RunFolder(only_run(folder))
    results = json.loads(run.results.read_text())
    assert (results["tasks"], results["optimized_metric"]) == (["authenticity"], "val/clip/authenticity_auroc")
    assert run.load_config().tasks == ("authenticity",)
    shown = [said, *map(str, (*results["metrics"], *results["intervals"]))]
    told = [c for c in pd.read_csv(run.predictions) if c not in ("clip", "dataset", "subject", "pair")]
    assert told == ["authenticity", "predicted_authenticity", "p_fake", "p_real"]
    shown += [run.metrics.read_text().splitlines()[0], *(p.name for p in run.plots.iterdir())]
    shown += [(folder / "multirun" / "s" / name).read_text() for name in ("report.html", "groups.csv")]
    clip = a_clip(tables["alone"])
    for name, words in (
        ("evaluate", [f"run={run.path}", "resamples=100"]),
        ("predict", [f"run={run.path}", f"input={clip}", "out=predicted"]),
        ("describe", [*of_table(tables["alone"]), "out=described"]),
        ("prepare", of_table(tables["alone"])),
    ):
        done = command(name, *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        shown.append(done.stdout.replace(tables["alone"], ""))
    evaluation = run.evaluation("test")
    shown += [p.name for of in (evaluation / "plots", folder / "described" / "plots") for p in of.iterdir()]
    pages = (evaluation / "evaluation.html", folder / "described" / "description.html")
    shown += [re.sub(r"base64,[^\"]*|data-[^>]*", "", page.read_text()) for page in pages]
    shown += [(evaluation / "evaluation.json").read_text(), (folder / "described" / "description.json").read_text()]
    shown += [(folder / "predicted" / name).read_text() for name in ("predictions.csv", "predictions.json")]
    lines = [line for text in shown for line in text.splitlines() if OF_EMOTIONS.search(line)]
    assert not [line for line in lines if '"by_emotion": {}' not in line], lines[:3]
    with Image.open(folder / "predicted" / "annotated" / f"{Path(clip).stem}.curve.png") as picture:
        assert min(picture.size) >= 200
    answer = realfake.load(run.path, device="cpu").predict(clip)
    assert isinstance(answer, VideoPrediction)
    assert (answer.emotion, answer.joint) == (None, None)
    assert answer.authenticity in AUTHENTICITIES
    assert answer.p_real == pytest.approx(answer.by_name()["real"])


@pytest.mark.slow
def test_exported_networks_tell_what_the_networks_tell(
    swept: Callable[..., tuple[Path, str]], tables: dict[str, str], command: Command
) -> None:
    for name, words in SWEEPS.items():
        folder, _ = swept(name, *words)
        done = command("export", f"run={only_run(folder)}", "out=onnx", cwd=folder)
        assert done.returncode == 0, done.stderr
        text = (folder / "onnx" / "model.json").read_text()
        about = json.loads(text)
        tasks = ["authenticity"] if name == "alone" else ["joint", "emotion", "authenticity"]
        assert list(about["outputs"]) == [*tasks, "decision"]
        assert about["outputs"]["decision"]["meaning"].startswith(f"index into labels.{tasks[0]}")
        if name == "alone":
            assert not OF_EMOTIONS.search(text)
        else:
            assert (about["labels"]["emotion"], about["outputs"]["joint"]["shape"]) == (list(SEVEN), ["batch", 14])


def test_a_run_meets_data_with_other_emotions(
    swept: Callable[..., tuple[Path, str]], tables: dict[str, str], command: Command
) -> None:
    """Emotions are found by their names; those that the run does not know are absent, and authenticity counts."""
    folder, _ = swept("seven", *SWEEPS["seven"])
    run = only_run(folder)
    for emotions, known in (("pride,happy", True), ("pride,joy", False)):
        out = emotions.replace(",", "_")
        words = [f"run={run}", "data=csv", f"data.root={tables['alone']}", f"data.emotions=[{emotions}]"]
        words += [w for w in of_table(tables["alone"]) if w.startswith("data.prep")]
        done = command("evaluate", *words, "resamples=100", "plots=false", f"out={out}", cwd=folder)
        assert done.returncode == 0, done.stderr
        metrics = json.loads((folder / out / "results.json").read_text())["metrics"]
        assert (metrics["test/clip/emotion_accuracy"] is not None) == known
        assert 0 <= metrics["test/clip/authenticity_auroc"] <= 1
    table = pd.read_csv(folder / "pride_happy" / "predictions.csv")
    assert set(table["emotion"]) == {"happy"}


def test_runs_that_tell_different_things_are_compared_by_authenticity(
    swept: Callable[..., tuple[Path, str]], tables: dict[str, str], command: Command
) -> None:
    seven, smiles = (
        swept("seven", *SWEEPS["seven"])[0],
        swept("alone", *SWEEPS["alone"])[0],
    )
    words = [f"run={only_run(smiles)}", f"against={only_run(seven)}", "resamples=100", "plots=false", "out=against"]
    words += ["data=csv", f"data.root={tables['alone']}", *of_table(tables["alone"])[3:]]
    done = command("evaluate", *words, cwd=smiles)
    assert done.returncode == 0, done.stderr
    report = json.loads((smiles / "against" / "evaluation.json").read_text())
    own = pd.read_csv(smiles / "against" / "predictions.csv")
    right = (own["authenticity"] == own["predicted_authenticity"]).mean()
    found = report["against"]["metrics"]
    assert {"authenticity_accuracy", "authenticity_auroc", "pair_accuracy"} <= set(found)
    assert not [name for name in found if name.startswith(("joint", "emotion"))]
    assert found["authenticity_accuracy"]["second"] == pytest.approx(right)


# --- tasks by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("approach", "task", "metric"),
    [
        ("temporal", "emotion", "val/clip/emotion_accuracy"),
        ("multi_task", "authenticity", "val/clip/authenticity_auroc"),
    ],
)
def test_one_head_by_hand(
    tiny: list[str], tmp_path: Path, command: Command, approach: str, task: str, metric: str
) -> None:
    results = train(
        [*tiny, f"approach={approach}", f"approach.tasks=[{task}]", "trainer.max_epochs=1"], tmp_path / "run"
    )
    run = RunFolder(tmp_path / "run")
    assert results["optimized_metric"] == metric
    of = {name.rpartition("/")[2].partition("_")[0] for name in results["metrics"]}
    told = of - {"loss", "weight", "pair", "median"}
    assert told - {"step"} == {task}
    assert f"p_{'happy' if task == 'emotion' else 'real'}" in pd.read_csv(run.predictions)
    found, _ = read_table(run.predictions)
    assert found.tasks == (task,)
    assert results["metrics"][f"test/clip/{task}_accuracy"] == np.mean(found.predicted(task) == found.true(task))
    done = command("evaluate", "run=run", "resamples=100", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((run.evaluation("test") / "evaluation.json").read_text())
    assert set(report["by_emotion"]) == set(EMOTIONS)  # the clips do show emotions
    assert set(report["proportions"]) == {task}
    source, listing = list_clips(compose("train", tiny, TrainConfig).data, progress=False)
    done = command("predict", "run=run", f"input={source.root}/{listing.clips[0].path}", "out=said", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "said" / "predictions.csv")[task].notna().all()


def test_auto_follows_the_listing(tables: dict[str, str]) -> None:
    def tasks(table: str, *words: str) -> list[str] | str:
        cfg = compose("train", [*of_table(tables[table]), *words], TrainConfig)
        assert (cfg.approach.tasks, cfg.optimized_metric) == ("auto", "auto")
        return resolved(cfg).approach.tasks

    assert tasks("seven", DECLARED) == ["joint"]
    assert tasks("seven", DECLARED, "approach=temporal_multi_task") == ["emotion", "authenticity"]
    assert tasks("alone") == tasks("without", "approach=temporal") == ["authenticity"]
    with pytest.raises(UserError, match=r"'afraid'; expected angry, .*declare them all, as in data\.emotions="):
        check_start(compose("train", of_table(tables["seven"]), TrainConfig))
    given = [*of_table(tables["alone"]), "optimized_metric=val/clip/emotion_f1"]
    with pytest.raises(UserError, match=r"no such metric.*with approach\.tasks=\[authenticity\]: val/frame/auth"):
        check_start(compose("train", given, TrainConfig))


def test_a_sweep_is_refused_before_its_first_run(tables: dict[str, str], command: Command, tmp_path: Path) -> None:
    words = [*of_table(tables["alone"]), "optimized_metric=val/clip/joint_accuracy", "seed=1,2"]
    done = command("train", "-m", *words, "sweep.name=s", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: optimized_metric=val/clip/joint_accuracy: no such metric" in done.stderr
    assert not (tmp_path / "multirun").exists()


# --- words and numbers -----------------------------------------------------------------------------------------------


def test_a_layout_gives_the_emotions_that_are_declared(tmp_path: Path) -> None:
    for code in ("N2H", "S2N2H", "N2A", "N2S"):
        (tmp_path / "FakeTrue_DB" / "anna").mkdir(parents=True, exist_ok=True)
        (tmp_path / "FakeTrue_DB" / "anna" / f"{code}.mp4").touch()
    cfg = compose("prepare", ["data=sase_fe", f"data.root={tmp_path}", "data.emotions=[sad,fear,happy]"], PrepareConfig)
    assert isinstance(cfg.data, SaseFeData)
    _, listing = list_clips(cfg.data)
    assert {c.clip: c.emotion for c in listing.clips} == {"anna/N2H": 2, "anna/S2N2H": 2, "anna/N2S": 0}
    (problem,) = listing.problems
    assert problem.reason == "shows angry, which is not in data.emotions=[sad,fear,happy]"
    other = compose("prepare", ["data=sase_fe", f"data.root={tmp_path}", "data.emotions=[fear]"], PrepareConfig)
    with pytest.raises(UserError, match=r"data\.emotions=\[fear\]: no clip shows any of them"):
        list_clips(other.data)


def test_synonyms_are_those_of_the_declared_emotions(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "path,emotion\n" + "".join(f"{w}.mp4,{w}\n" for w in ("Scared", "JOY", "smile", "fear"))
    )
    for word in ("Scared", "JOY", "smile", "fear"):
        (tmp_path / f"{word}.mp4").touch()
    words = ["data=csv", f"data.root={tmp_path}/t.csv", "data.emotions=[joy,fear]"]
    data = compose("prepare", words, PrepareConfig).data
    assert isinstance(data, CsvData)
    assert {c.clip: c.emotion for c in list_clips(data)[1].clips} == {"Scared": 1, "JOY": 0, "smile": 0, "fear": 1}


def test_older_configurations_have_the_six_emotions_of_sase_fe() -> None:
    assert upgrade({"data": {"name": "uva_nemo"}})["data"]["emotions"] == list(EMOTIONS)
