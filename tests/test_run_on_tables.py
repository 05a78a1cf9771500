"""A run whose network looks at tables: they may lie elsewhere afterwards, and what counts is what is in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from processes import Command

import realfake
from realfake.composing.composition import compose
from realfake.config import EvaluateConfig, TrainConfig
from realfake.data.preparation import prepare
from realfake.errors import UserError
from realfake.evaluation.evaluating import evaluate_run
from realfake.experiments.execution import changes_since
from realfake.experiments.start import resolved
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results
from realfake.runs.settings import differences

ON_TABLES = ("approach=temporal", "signals=[openface]", "signals.openface.streams=[units]", "backbone.streams=[units]",
             "backbone.frames=4")  # fmt: skip


@pytest.fixture(scope="module")
def begun_with(tiny_data: list[str], command: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Overrides of a run on tables that lie in a folder of their own."""
    folder = tmp_path_factory.mktemp("on_tables")
    done = command("signals", *tiny_data, "signals=[drawn]", "signals.drawn.streams=[units]", "out=t", cwd=folder)
    assert done.returncode == 0, done.stderr
    return *ON_TABLES, f"signals.openface.root={folder}/t"


@pytest.fixture(scope="module")
def run(begun_with: tuple[str, ...], trained: Callable[..., Path]) -> Path:
    return trained(*begun_with)


@pytest.fixture
def moved(begun_with: tuple[str, ...], tmp_path: Path) -> Path:
    """The same tables in another folder."""
    return Path(shutil.copytree(begun_with[-1].partition("=")[2], tmp_path / "moved"))


def test_only_the_content_of_tables_counts(
    run: Path, begun_with: tuple[str, ...], moved: Path, tiny: list[str], tmp_path: Path
) -> None:
    def asked(root: Path) -> TrainConfig:
        return resolved(compose("train", [*tiny, *begun_with[:-1], f"signals.openface.root={root}"], TrainConfig))

    folder = RunFolder(run)
    (read,) = folder.signals_read()
    assert read.startswith("openface-")
    assert changes_since(folder, asked(moved)) == []
    table = next(moved.rglob("*.csv"))
    table.write_text(table.read_text().replace("1.", "2."))
    assert changes_since(folder, asked(moved)) == ["the files that signals are read from or computed with"]


def test_predicted_and_tested_with_tables_that_lie_elsewhere(
    run: Path, moved: Path, command: Command, tmp_path: Path
) -> None:
    known = pd.read_csv(run / "predictions.csv").set_index("clip")
    cfg = RunFolder(run).load_config()
    store = prepare(cfg.data, cfg.face, progress=False)
    clip = known.index[0]
    assert store.root is not None
    video = store.root / dict(zip(store.table["clip"], store.table["path"], strict=True))[clip]
    (own,) = (path for path in moved.rglob("*.csv") if path.relative_to(moved).with_suffix("").as_posix() == clip)
    few = tmp_path / "few" / own.relative_to(moved)
    few.parent.mkdir(parents=True)
    shutil.move(own, few)
    for name, value in realfake.load(run, device="cpu", tables=str(tmp_path / "few")).predict(video).by_name().items():
        assert value == pytest.approx(known.loc[clip, f"p_{name}"], abs=1e-6)
    with pytest.raises(UserError, match=r"no table below .*moved; expected"):
        realfake.load(run, device="cpu", tables=str(moved)).predict(video)
    shutil.move(few, own)
    done = command("predict", f"run={run}", f"input='{video}'", f"tables={moved}", "out=p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p/annotated" / f"{video.stem}.mp4").stat().st_size > 1000  # with a panel of units
    words = [f"run={run}", f"tables={moved}", "resamples=100", "plots=false", f"out={tmp_path}/out"]
    evaluate_run(compose("evaluate", words, EvaluateConfig))
    again, first = read_results(tmp_path / "out"), read_results(run)
    assert again is not None
    assert first is not None
    assert again["metrics"] == {k: v for k, v in first["metrics"].items() if k.startswith(("test/", "val/"))}
    assert again["evaluation"]["signals_read"] == RunFolder(run).signals_read()
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["metrics"]


def test_relative_places_of_tables_are_those_of_where_the_run_was_started(
    run: Path, begun_with: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    tables = Path(begun_with[-1].partition("=")[2])
    copy = RunFolder(shutil.copytree(run, tmp_path / "run"))
    for path, before, now in (
        (copy.trained_config, f"root: {tables}", f"root: {tables.name}"),
        (copy.path / ".hydra/hydra.yaml", str(Path.cwd()), str(tables.parent)),
    ):
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, now))
    words = ["evaluate", f"run={copy.path}", "resamples=100", "plots=false", f"out={tmp_path}/out"]
    assert (done := command(*words, cwd=tmp_path)).returncode == 0, done.stderr
    again, first = read_results(tmp_path / "out"), read_results(run)
    assert again is not None
    assert first is not None
    assert again["metrics"] == {k: v for k, v in first["metrics"].items() if k.startswith(("test/", "val/"))}
    assert again["evaluation"]["signals_read"] == copy.signals_read()


def test_a_run_without_tables_says_so(trained: Callable[..., Path], command: Command, tmp_path: Path) -> None:
    run = trained("approach=multi_task")
    line = "error: tables=t: this run reads no tables, its network looks at [pixels]; expected a run with streams of"
    for words in (["predict", "input=x.mp4"], ["evaluate"]):
        (tmp_path / "x.mp4").write_bytes(b"")
        done = command(words[0], f"run={run}", "tables=t", *words[1:], cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1].startswith(line)


def test_the_place_of_weights_is_no_difference() -> None:
    before, now, other = (
        {"signals": {"features": {"weights": weights, "dtype": dtype}}}
        for weights, dtype in (("/a/weights.pt", 32), ("/b/weights.pt", 32), ("/b/weights.pt", 16))
    )
    assert differences(before, now) == []
    assert differences(before, other) == ["signals.features.dtype (32, now 16)"]
