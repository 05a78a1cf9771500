"""The page of a run and its pictures: made of the run's folder alone, and without faces where none may be shown."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from fake_runs import fake_config, write_run

from realfake.composing.composition import compose
from realfake.config import EvaluateConfig
from realfake.data.preparation import prepare
from realfake.evaluation.evaluating import evaluate_run
from realfake.pages import SYNTHETIC
from realfake.reports.leaderboard import make_report
from realfake.reports.run_page import write_run_page
from realfake.reports.run_pictures import draw_run
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results
from realfake.scoring.statistics import HOLDS
from realfake.scoring.wording import number

STREAMS = ("approach=temporal", "signals=[drawn]", "backbone.streams=[pixels,units]", "backbone.gather=interval")


@pytest.fixture(scope="module")
def frames(trained: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network that sees frames, moved away from where it was trained."""
    return Path(shutil.copytree(trained("approach=multi_task"), tmp_path_factory.mktemp("moved") / "run"))


@pytest.fixture(scope="module")
def faceless(trained: Callable[..., Path]) -> Path:
    """A run over several streams that may show no face, with everything that draws, and its evaluation."""
    run = trained(*STREAMS, "callbacks.plots=true", "callbacks.faces=false", "logger=[tensorboard]")
    evaluate_run(compose("evaluate", [f"run={run}", "resamples=100"], EvaluateConfig))
    return run


def data_of(page: Path) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


# --- what the page says -----------------------------------------------------------------------------------------------


def test_the_page_says_what_the_results_say(frames: Path) -> None:
    page, results = (frames / "index.html").read_text(), read_results(frames)
    assert results is not None
    for metric in ("joint_accuracy", "emotion_accuracy", "authenticity_accuracy", "authenticity_auroc"):
        assert f"<b>{number(metric, results['metrics'][f'test/clip/{metric}'])}</b>" in page
    assert page.count(SYNTHETIC[:-1]) == 1
    assert (HOLDS in page) == any(low is not None for low, _ in results["intervals"].values())
    assert re.search(r'<code class="command">realfake train [^<]*approach=multi_task', page)
    links = set(re.findall(r'(?:href|src)="(?!data:|#)([^"]*)"', page))
    assert {name for name in links if not (frames / name).is_file()} == set()
    words = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"\bnan\b|-0\.0+\b|\b1 (clips|people|subjects|epochs)\b", words)


def test_curves_and_confusions_are_those_of_the_tables(frames: Path) -> None:
    data = data_of(frames / "index.html")
    epochs, clips = pd.read_csv(frames / "metrics.csv"), pd.read_csv(frames / "predictions.csv")
    loss = next(panel for panel in data["learning"] if panel["title"] == "loss")["lines"]
    assert loss["training samples"] == [[0, 1], pytest.approx(epochs["train/frame/loss"].tolist(), rel=1e-4)]
    assert sum(map(sum, data["confusions"]["joint"]["counts"])) == len(clips)
    assert "weights of the task losses" in {panel["title"] for panel in data["learning"]}, "of two tasks"


def test_an_example_of_frames_goes_through_what_the_verdict_is_the_mean_of(frames: Path) -> None:
    clips = pd.read_csv(frames / "predictions.csv").set_index("clip")
    examples = json.loads((frames / "details.json").read_text())["examples"]
    assert len(examples) == min(len(clips), 12) or not all(e["right"] for e in examples)
    for e in examples:
        for name, values in e["over_time"]["p"].items():
            assert np.mean(values) == pytest.approx(clips.loc[e["clip"], f"p_{name}"], abs=1e-4)
        assert e["right"] == (clips.loc[e["clip"], "joint"] == clips.loc[e["clip"], "predicted_joint"])


def test_an_example_over_streams_shows_what_the_network_saw(faceless: Path) -> None:
    examples = data_of(faceless / "index.html")["examples"]
    assert examples
    for e in examples:
        assert set(e["streams"]) == {"units"}
        units, (start, end) = e["streams"]["units"], e["interval_sec"]
        assert 1 <= len(units["values"]) <= 4
        assert all(name.startswith("AU") for name in units["values"])
        assert all(start - 0.01 <= t <= end + 0.01 for t in units["times_sec"])
        assert len(e["over_time"]["times_sec"]) > 2, "windows that slide over the clip"
        assert all(0 <= p <= 1 for p in e["over_time"]["p"]["real"])


def test_weights_of_one_task_are_not_drawn(faceless: Path) -> None:
    assert {panel["title"] for panel in data_of(faceless / "index.html")["learning"]} == {
        "loss", "joint accuracy", "emotion accuracy", "authenticity accuracy", "learning rate",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("subjects", "skill", "expected"),
    [
        (["s0"], 0.9, "One person shows no spread between people"),
        (["s0", "s1", "s2", "s3"], 2.0, "4 people are too few for an interval that holds what it says"),
        ([f"s{k}" for k in range(10)], 0.0, "holds guessing"),
        ([f"s{k}" for k in range(10)], 2.0, "lies above guessing"),
    ],
)
def test_the_verdict_says_whether_it_holds_for_others(
    subjects: list[str], skill: float, expected: str, tmp_path: Path
) -> None:
    write_run(tmp_path / "run", config=fake_config(), skill=skill, subjects=subjects, seed=3)
    page = write_run_page(RunFolder(tmp_path / "run"))
    assert page is not None
    text = page.read_text()
    assert expected in text
    assert ("one person" in text) == (len(subjects) == 1)
    assert "the run is older than the note of them" in text, "no details.json"


def test_a_run_without_results_has_no_page(tmp_path: Path) -> None:
    write_run(tmp_path / "run", status="failed", error="x")
    assert write_run_page(RunFolder(tmp_path / "run")) is None


def test_texts_of_files_are_escaped(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x>"
    write_run(tmp_path / "run", [f"data.root={evil}"], experiment=evil, approach=evil)
    (tmp_path / "run" / "details.json").write_text(json.dumps({"faces": {evil: [evil]}, "examples": []}))
    page = write_run_page(RunFolder(tmp_path / "run"))
    assert page is not None
    assert page.read_text().count("<script") == 2
    assert "<img src=x" not in page.read_text()


@pytest.mark.parametrize("content", ["", "[]", '{"examples": 3}', '{"examples": [{"clip": 1}]}', '{"faces": [1]}'])
def test_damaged_details_cost_no_page(content: str, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "details.json").write_text(content)
    assert write_run_page(RunFolder(tmp_path / "run")) is not None
    assert "examples" not in draw_run(tmp_path / "run")


# --- pictures, and the report -----------------------------------------------------------------------------------------


def test_a_folder_that_no_run_wrote_has_no_page_and_costs_no_report(tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "odd", ["seed=1"], parameters={"all": "many"}, learned={"unknown": 3})
    page = make_report(tmp_path, draws=100).page.read_text()
    assert re.findall(r'<a href="([^"#]*)">', page) == ["good/index.html"]


def test_the_report_leaves_the_page_that_training_wrote(trained: Callable[..., Path], tmp_path: Path) -> None:
    run = trained("approach=multi_task")
    before = (run / "index.html").stat().st_mtime_ns
    make_report(run, tmp_path, draws=100)
    assert (run / "index.html").stat().st_mtime_ns == before


def test_pictures_are_drawn_from_the_folder_alone(frames: Path) -> None:
    assert not (frames / "plots").exists(), "callbacks=quiet"
    drawn = draw_run(frames)
    assert {"confusion_joint", "reliability", "roc", "by_emotion", "learning_curves", "examples"} <= set(drawn)
    details = json.loads((frames / "details.json").read_text())
    for e in details["examples"]:
        e["faces"] = []
    (frames / "details.json").write_text(json.dumps(details))
    assert set(draw_run(frames)) == set(drawn) - {"examples"}
    assert not (frames / "plots" / "examples.png").exists(), "faces of an earlier drawing"


def test_the_report_links_to_the_pages_of_runs(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / "a sweep" / f"{seed} #?", [f"seed={seed}"], fake_config(seed=seed), seed=seed)
    write_run(tmp_path / "a sweep" / "failed", status="failed", error="x")
    report = make_report(tmp_path / "a sweep", tmp_path / "elsewhere", draws=100)
    links = re.findall(r'<a href="([^"#]*)">', report.page.read_text())
    assert len(links) == 2
    pages = [(report.page.parent / unquote(link)).resolve() for link in links]
    assert {page.parent.name for page in pages} == {"0 #?", "1 #?"}
    before = [page.stat().st_mtime_ns for page in pages]
    make_report(tmp_path / "a sweep", tmp_path / "elsewhere", draws=100)
    assert [page.stat().st_mtime_ns for page in pages] == before, "what is up to date is left alone"


# --- no face ----------------------------------------------------------------------------------------------------------

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a folder, and what stands in it in base64."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        yield path, content
        for text in re.findall(rb"[A-Za-z0-9+/]{200,}={0,2}", content):
            yield path, base64.b64decode(text[: len(text) // 4 * 4])


def pictures(content: bytes) -> Iterator[np.ndarray]:
    """Each JPEG and PNG that is found anywhere in some bytes."""
    import cv2

    for magic in (JPEG, PNG):
        for found in re.finditer(re.escape(magic), content):
            image = cv2.imdecode(np.frombuffer(content[found.start() :], np.uint8), cv2.IMREAD_COLOR)
            if image is not None:
                yield image[..., ::-1]


def shows(picture: np.ndarray, crop: np.ndarray) -> bool:
    """Whether a crop is somewhere in a picture, at a size at which pages and plots show it."""
    import cv2

    for side in (64, 112, 170):
        if min(picture.shape[:2]) >= side:
            small = cv2.resize(np.ascontiguousarray(picture), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            pattern = cv2.resize(crop, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
            if cv2.matchTemplate(small, pattern, cv2.TM_CCOEFF_NORMED).max() > 0.9:
                return True
    return False


def faces_in(folder: Path) -> set[str]:
    """Names of the files in which a crop of a face of the run's examples is found, as a picture or as raw values."""
    cfg = RunFolder(folder).load_config()
    store = prepare(cfg.data, cfg.face, progress=False)
    wanted = [e["clip"] for e in json.loads((folder / "details.json").read_text())["examples"]]
    clips = np.flatnonzero(store.table["clip"].isin(wanted).to_numpy())
    stored = [jpeg for clip in clips for jpeg in store.jpegs(int(clip), np.arange(len(store.timestamps(int(clip)))))]
    crops = [store.read(int(clip), [len(store.timestamps(int(clip))) // 2])[0] for clip in clips]
    rows = [crop[len(crop) // 2].tobytes() for crop in crops]
    found = set()
    for path, content in contents(folder):
        raw = any(piece in content for piece in (*stored, *rows))
        if raw or any(shows(picture, crop) for picture in pictures(content) for crop in crops[:3]):
            found.add(path.name)
    return found


def test_no_face_is_in_the_folder_of_a_run_that_may_show_none(faceless: Path) -> None:
    assert {"by_emotion.png", "learning_curves.png"} <= {p.name for p in (faceless / "plots").iterdir()}
    assert (faceless / "evaluation/test/evaluation.html").is_file()
    assert len([p for p, c in contents(faceless / "tensorboard") if PNG in c]) > 0, "the plots are there, too"
    assert faces_in(faceless) == set()


def test_the_search_for_faces_finds_those_of_another_run(trained: Callable[..., Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained("approach=multi_task"), tmp_path / "run"))
    draw_run(run)
    (run / "raw.npy").write_bytes(_some_crop(run).tobytes())
    assert faces_in(run) == {"index.html", "details.json", "examples.png", "raw.npy"}


def _some_crop(run: Path) -> np.ndarray:
    cfg = RunFolder(run).load_config()
    store = prepare(cfg.data, cfg.face, progress=False)
    name = json.loads((run / "details.json").read_text())["examples"][0]["clip"]
    clip = int(np.flatnonzero((store.table["clip"] == name).to_numpy())[0])
    return store.read(clip, [len(store.timestamps(clip)) // 2])[0]
