"""The Python interface does what the commands do, with their checks and lines, and its page runs as it stands."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from processes import ROOT, Command, environment
from videos import decode_all

from realfake import api
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.sources import build_source
from realfake.runs.results import read_results

PAGE = (ROOT / "docs/python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SMALL = ["trainer.max_epochs=1", "split=kfold", "split.folds=2"]

Trained = Callable[..., Path]


@pytest.fixture(scope="module")
def videos(tiny: list[str]) -> list[Path]:
    """Videos of the small dataset."""
    source = build_source(compose("train", tiny, TrainConfig).data, progress=False)
    return [Path(source.root) / clip.path for clip in source.listing().clips]


def test_fit_says_what_it_trained_and_keeps_a_log(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = logging.getLogger().level, list(logging.getLogger().handlers)
    first = api.fit([*tiny, *SMALL])
    again = api.fit([*tiny, *SMALL], folder="again")
    assert (logging.getLogger().level, logging.getLogger().handlers) == before
    assert first.folder.parent == Path("outputs/single_task")
    assert again.folder == Path("again")
    assert first.metrics == again.metrics  # the first leaves nothing behind that the second would compute with
    for run in (first, again):
        assert "run completed in" in (run.folder / "run.log").read_text()
        assert read_results(run.folder) == run.results
        assert len(run.predictions()) == first.predictions()["clip"].nunique() > 0
    assert (first.folder / "run.log").read_text().count("run completed in") == 1
    table = first.to_frame()
    assert list(table) == ["stage", "level", "metric", "value", "low", "high"]
    row = table[(table["stage"] == "test") & (table["level"] == "clip") & (table["metric"] == "joint_accuracy")].iloc[0]
    assert row["value"] == first.metrics["test/clip/joint_accuracy"]
    assert row["low"] <= row["value"] <= row["high"]
    said = repr(first).splitlines()
    assert said[0] == f"TrainedRun {first.folder}: single_task, best epoch 0; tested clips"
    assert any(re.fullmatch(r"  joint_accuracy +0\.\d{3} \[0\.\d{3}, \d\.\d{3}\]", line) for line in said)
    assert said[-1] == "  synthetic faces: these figures say nothing about people"


def test_python_and_the_command_line_compute_the_same(command: Command, tiny: list[str], tmp_path: Path) -> None:
    words = [*tiny, *SMALL, "approach=multi_task", "seed=3"]
    run = api.fit(words, tmp_path / "python")
    done = command("train", *words, f"hydra.run.dir={tmp_path}/command", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "command")
    assert results is not None
    assert results["metrics"] == run.metrics
    assert results["config_digest"] == run.results["config_digest"]


@pytest.mark.parametrize(("words", "line"), [
    (["approach=tempral"], "approach=tempral: no such option; did you mean 'temporal'?"),
    (["trainer.gpu=1"], "unknown key 'trainer.gpu'; did you mean 'trainer.gpus'?"),
    (["data=csv", "data.root=no_such.csv"], "no_such.csv"),
    ("seed=1", "'seed=1': expected a list of overrides, as ['seed=1']"),
])  # fmt: skip
def test_mistakes_are_told_as_by_the_command_and_leave_nothing(
    words: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(api.UserError) as caught:
        api.fit(words)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_begin_leaves_no_folder(tiny: list[str], tmp_path: Path) -> None:
    with pytest.raises(api.UserError, match="less than one of the"):
        api.fit([*tiny, *SMALL, "trainer.limit_train_batches=0.0001"], tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(api.UserError, match=r"File exists|Not a directory"):
        api.fit([*tiny, *SMALL], tmp_path / "file")


def test_a_run_is_evaluated_with_its_report(trained: Trained, tmp_path: Path) -> None:
    run = trained("approach=multi_task")
    out = tmp_path / "a, [strange] 'name'"
    found = api.evaluate_run(run, ["resamples=100", "plots=false", "device=cpu", f"out={api.quoted(str(out))}"])
    assert found.folder == out
    assert found.report["counts"]["clips"] == len(found.predictions())
    table = found.to_frame().query("stage == 'test'").set_index(["level", "metric"])
    assert table.loc[("clip", "authenticity_auroc"), "value"] == pytest.approx(
        found.report["metrics"]["clip"]["authenticity_auroc"]["value"]
    )
    assert re.match(r"EvaluatedRun .*: run on synthetic, test; \d+ clips, people: \d+\n  joint_accuracy ", repr(found))
    with pytest.raises(api.UserError, match="no_such_run"):
        api.evaluate_run("no_such_run")


def test_files_are_predicted_around_bad_ones(trained: Trained, videos: list[Path], tmp_path: Path) -> None:
    names = ["one.mp4", "a, b [c] 'ü'.mp4", 'x \\"y\\z".mp4', "1", "null", "ends on \\"]
    for name in names[:3]:
        (tmp_path / name).write_bytes(videos[0].read_bytes())
    for name in names[3:]:
        (tmp_path / name).write_text("no video")
    run = trained("approach=multi_task")
    out = ["annotate=false", "device=cpu", f"out={tmp_path}/out"]
    found = api.predict_files(run, [tmp_path / name for name in names], out)
    table = found.to_frame()
    written = pd.read_csv(found.folder / "predictions.csv")
    assert list(table) == list(written)
    assert [Path(path).name for path in table["path"]] == names
    assert table["error"].notna().tolist() == [False] * 3 + [True] * 3
    np.testing.assert_allclose(table["p_real"].astype(float), written["p_real"])
    assert table["p_real"].iloc[0] == found.items[0].p_real == table["p_real"].iloc[1] == table["p_real"].iloc[2]
    said = repr(found)
    assert said.startswith(f"PredictedFiles {tmp_path}/out: 6 files\n")
    assert all(name in said for name in names)
    assert len(api.predict_files(run, tmp_path / "one.mp4", out).items) == 1
    with pytest.raises(api.UserError, match=r"no_such\.mp4: no such file"):
        api.predict_files(run, "no_such.mp4")


def test_signals_are_one_table(videos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    files = ",".join(map(str, [videos[0], videos[1], tmp_path / "broken.mp4"]))
    words = [f"input=[{files}]", "signals=[motion]", "face=none", "data.rate_fps=5", f"out={tmp_path}/tables"]
    for _ in range(2):  # the second time there is nothing to do
        found = api.extract_signals(words)
        assert len(found.paths) == 2
        assert len(found.without) == 1
        table = found.to_frame()
        assert table["clip"].unique().tolist() == list(found.paths)
        assert {len(pd.read_csv(path)) for path in found.paths.values()} == {len(table) // 2}
        assert next(iter(table)) == "clip"
        assert repr(found).startswith(f"ExtractedSignals {tmp_path}/tables: 2 tables\n  ")
    as_parquet = api.extract_signals([*words, "format=parquet", f"out={tmp_path}/parquet"]).to_frame()
    assert list(as_parquet) == [name.strip() for name in table]


def test_runs_are_compared(trained: Trained) -> None:
    runs = {"frames": [trained("approach=multi_task")], "joint": [trained()]}
    found = api.compare_runs(runs, metrics=["authenticity_accuracy"])
    assert "frames" in repr(found)
    assert len(found.to_frame()) > 0
    one = {name: api.TrainedRun(run, {}) for name, (run,) in runs.items()}
    assert repr(api.compare_runs(one, metrics="authenticity_accuracy")) == repr(found)


@pytest.mark.parametrize(("call", "line"), [
    (lambda: api.fit(None), "None: expected a list of overrides, as ['seed=1']"),  # type: ignore[arg-type]
    (lambda: api.fit(["hydra.run.dir=x"], folder="y"), "hydra.run.dir=x: give it as the argument folder"),
    (lambda: api.evaluate_run("x", ["run=y"]), "run=y: give it as the argument run, and not as an override"),
    (lambda: api.predict_files("x", "y", ["input=z"]), "input=z: give it as the argument files"),
    (lambda: api.compare_runs(None), "systems=None: expected names and runs"),  # type: ignore[arg-type]
    (lambda: api.compare_runs({"a": None, "b": "x"}), "a=None: expected a folder"),  # type: ignore[dict-item]
])  # fmt: skip
def test_wrong_arguments_are_one_line(call: Callable[[], object], line: str) -> None:
    with pytest.raises(api.UserError) as caught:
        call()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_page_runs(tiny: list[str], videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands but for sizes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smile.mp4").write_bytes(videos[0].read_bytes())
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/one.mp4").write_bytes(videos[0].read_bytes())
    text = "\n".join(EXAMPLES)
    assert {name for name in api.__all__ if name[0].islower()} == set(re.findall(r"\bapi\.([a-z]\w+)\(", text))
    space = {"tiny": [*tiny, "trainer.max_epochs=1"]}
    for block in EXAMPLES:
        exec(block.replace('"seed=1"', '"seed=1", *tiny'), space)


@pytest.mark.parametrize("page", ["README.md", "docs/prediction.md"])
def test_examples_of_prediction_run(
    page: str, trained: Trained, videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, frames = decode_all(videos[0])
    Image.fromarray(frames[0]).save("face.jpg")
    for name in ("clip.mp4", "smile.mp4"):
        (tmp_path / name).write_bytes(videos[0].read_bytes())
    run = trained("approach=multi_task")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert any("realfake.load(" in block for block in blocks)
    for block in blocks:
        text = re.sub(r"outputs/[a-z_]+/[^\"]+", str(run), block)
        exec(text, {"array": frames[0], "frames": np.stack(frames), "paths": ["smile.mp4"]})


@pytest.mark.slow
def test_a_notebook_shows_results_and_no_warnings(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    words = [word for word in tiny if word != "callbacks=quiet"]
    cell = nbformat.v4.new_code_cell(f"from realfake import api\nrun = api.fit({words!r}, 'run')\nrun")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert not [o for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert "ipywidgets" not in str(cell.outputs)
    assert cell.outputs[-1]["data"]["text/plain"].startswith("TrainedRun run: single_task, best epoch ")
    assert (tmp_path / "run/run.log").is_file()
