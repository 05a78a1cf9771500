"""A run whose network looks at tables: they may lie elsewhere afterwards, and what counts is what is in them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from processes import Command
from weights import weights_file

import realfake
from realfake.composing.composition import compose
from realfake.config import EvaluateConfig, TrainConfig
from realfake.config.landmarks import UNITS
from realfake.config.trackers import OPENFACE_UNITS, PYFEAT_UNITS
from realfake.data.preparation import prepare
from realfake.errors import UserError
from realfake.evaluation.evaluating import evaluate_run
from realfake.experiments.execution import changes_since, train
from realfake.experiments.start import resolved
from realfake.runs.folder import RunFolder
from realfake.runs.network import open_trained
from realfake.runs.results import read_results
from realfake.runs.settings import differences
from realfake.streams.landmarker import URL
from realfake.streams.tracker_tables import read_tracker_table

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


Write = Callable[[pd.DataFrame], pd.DataFrame]


def as_pyfeat(openface: pd.DataFrame) -> pd.DataFrame:
    """A table of OpenFace 2 as py-feat would write it: it has no AU45, intensities are probabilities."""
    units = {unit: openface.get(f"{unit}_r", 0.0) for unit in PYFEAT_UNITS}
    head = {"FaceScore": openface["confidence"], "Identity": "Person_0", "frame": openface["frame"] - 1}
    return pd.DataFrame({**head, **units})


def as_openface_3(openface: pd.DataFrame) -> pd.DataFrame:
    frames = [
        {"frame_index": frame - 1, "face_id": 0, "face_detection": [0, 0, 9, 9, 0.9], "landmarks": [1.0] * 196,
         "action_units": [0.1 * k for k in range(8)]}
        for frame in openface["frame"]
    ]  # fmt: skip
    return pd.DataFrame(frames)


def as_mediapipe(openface: pd.DataFrame) -> pd.DataFrame:
    """As ``realfake signals signals=[mediapipe]`` writes units."""
    head = openface[["frame", "face_id", "timestamp", "confidence", "success"]]
    return pd.concat([head, pd.DataFrame(0.5, index=head.index, columns=[f"units_{unit}" for unit in UNITS])], axis=1)


def written(tables: Path, folder: Path, write: Write) -> Path:
    """The tables of a folder as another tracker writes them, in another folder."""
    for table in tables.rglob("*.csv"):
        path = folder / table.relative_to(tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(pd.read_csv(table)).to_csv(path, index=False)
    return folder


@pytest.mark.parametrize(
    ("write", "tracker", "key"),
    [(as_pyfeat, "py-feat", "pyfeat"), (as_openface_3, "OpenFace 3", "openface3"),
     (as_mediapipe, "MediaPipe", "mediapipe")],
)  # fmt: skip
def test_tables_of_another_tracker_are_refused(
    write: Write, tracker: str, key: str, run: Path, moved: Path, command: Command, tmp_path: Path
) -> None:
    others = written(moved, tmp_path / "o", write)
    line = (
        f"tables={others}: tables of {tracker}, but this run was trained on [units] of OpenFace 2; "
        f"accept=[{key}] takes them all the same, matched by the names of their components"
    )
    with pytest.raises(UserError, match=f"^{re.escape(line)}$"):
        realfake.load(run, device="cpu", tables=str(others))
    done = command("evaluate", f"run={run}", f"tables={others}", cwd=tmp_path)
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (1, f"error: {line}")


@pytest.mark.parametrize(
    ("accept", "line"),
    [
        ("openface3", "accept=[openface3]: units (facial action units, by OpenFace 3) has none of the components that "
         "this run was trained on (facial action units, by OpenFace 2), AU01 and others; expected tables of"),
        ("pyfeat", "tables=o: tables of OpenFace 3, but this run was trained on [units] of OpenFace 2, accept=[pyfeat] "
         "those of py-feat alone; accept=[openface3] takes them all the same"),
        ("mediapipe", "tables=o: tables of OpenFace 3, but this run was trained on [units] of OpenFace 2, accept="),
        ("openface,pyfeat", "accept=[openface,pyfeat]: expected one, whose streams stand for those of the run"),
        ("pyfet", "accept=[pyfet]: no tracker pyfet; did you mean 'pyfeat'?; expected one of openface, openf"),
    ],
)  # fmt: skip
def test_what_cannot_be_matched_is_refused_even_if_accepted(
    accept: str, line: str, run: Path, moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(moved, Path("o"), as_openface_3)
    with pytest.raises(UserError, match=f"^{re.escape(line)}"):
        evaluate_run(compose("evaluate", [f"run={run}", "tables=o", f"accept=[{accept}]"], EvaluateConfig))


def test_tables_beside_the_videos_say_who_wrote_them(tmp_path: Path) -> None:
    """Points are called alike by all trackers, and are not taken for another one's."""
    table = as_pyfeat(pd.DataFrame({"frame": [1], "confidence": [0.9]}))
    points = pd.DataFrame(1.0, index=table.index, columns=[f"{axis}_{i}" for axis in "xy" for i in range(68)])
    pd.concat([table, points], axis=1).to_csv(tmp_path / "a.csv", index=False)
    line = (
        r"it looks like one of py-feat \(Fex\), which a run that was trained on OpenFace 2 takes with accept=\[pyfeat\]"
    )
    with pytest.raises(UserError, match=line):
        read_tracker_table(tmp_path / "a.csv", "OpenFace 2", 25.0)


def test_what_a_run_does_not_look_at_is_not_accepted(trained: Callable[..., Path]) -> None:
    line = r"accept=\[pyfeat\]: this run looks at \[pixels\], of which py-feat tells nothing else; leave accept out"
    with pytest.raises(UserError, match=line):
        realfake.load(trained("approach=multi_task"), device="cpu", accept=["pyfeat"])


def test_an_accepted_tracker_is_matched_by_name(run: Path, moved: Path, command: Command, tmp_path: Path) -> None:
    """AU45, which py-feat does not tell, stands at its mean, as in tables of OpenFace 2 that hold it there."""
    others = written(moved, tmp_path / "o", as_pyfeat)
    _, cfg, module = open_trained(run)
    mean = float(module.backbone.net.encoders["units"].standardise.mean[OPENFACE_UNITS.index("AU45")])
    same = written(moved, tmp_path / "s", lambda table: table.assign(AU45_r=mean))
    words = ["evaluate", f"run={run}", "resamples=100", "plots=false"]
    done = command(*words, f"tables={others}", "accept=[pyfeat]", f"out={tmp_path}/out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    note = (
        "units: facial action units, by py-feat in place of facial action units, by OpenFace 2, 16 of 17 components by "
        "name; AU45 at the training part's mean; other scales: probability or presence, 0 to 1, trained on intensity, "
        "0 to 5; figures are not those of the run's own tracker"
    )
    assert (done.stdout + done.stderr).count(f"accept=[pyfeat]: {note}") == 1
    results = read_results(tmp_path / "out")
    assert results is not None
    assert (results["accepted"], results["stands_for_run"], results["evaluation"]["accept"]) == (
        [note],
        False,
        ["pyfeat"],
    )
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["about"]["accepted"] == note
    found = pd.read_csv(tmp_path / "out/predictions.csv").set_index("clip")
    evaluate_run(compose("evaluate", [*words[1:], f"tables={same}", f"out={tmp_path}/same"], EvaluateConfig))
    expected = pd.read_csv(tmp_path / "same/predictions.csv").set_index("clip")
    p = [name for name in found if name.startswith("p_")]
    assert found[p].to_numpy() == pytest.approx(expected[p].to_numpy(), abs=1e-5)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    video = store.root / dict(zip(store.table["clip"], store.table["path"], strict=True))[found.index[0]]
    done = command(
        "predict", f"run={run}", f"input='{video}'", f"tables={others}", "accept=[pyfeat]", "out=p", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "p/predictions.json").read_text())
    assert said["accepted"] == [note]
    row = pd.read_csv(tmp_path / "p/predictions.csv").iloc[0]
    assert row["p_real"] == pytest.approx(found.iloc[0]["p_real"], abs=1e-5)


def test_units_of_the_published_landmarker_are_computed_where_they_are_accepted(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra signals")
    folder = tmp_path / "home/hub/checkpoints"
    folder.mkdir(parents=True)
    (folder / Path(URL).name).symlink_to(weights_file(Path(URL).name))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    cfg = RunFolder(run).load_config()
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    predictor = realfake.load(run, device="cpu", accept=["mediapipe"])
    (note,) = predictor.read.notes
    assert "approximated from blendshapes by a table in place of" in note
    assert "16 of 17 components by name; AU23 at the training part's mean; other scales: 0 to 1, trained on" in note
    said = predictor.predict(store.root / store.table["path"].array[0])
    assert 0 < said.by_name()["real"] < 1


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


def test_clips_without_a_table_are_counted_by_part(
    run: Path, begun_with: tuple[str, ...], moved: Path, tiny: list[str], tmp_path: Path
) -> None:
    words = [*tiny, *begun_with[:-1], f"signals.openface.root={moved}"]
    tested = sorted(pd.read_csv(run / "predictions.csv")["clip"])
    (moved / f"{tested[0]}.csv").unlink()
    results = train(words, tmp_path / "run")
    (said,) = results["lacking"]
    assert said.startswith(f"Without units: 1 of {len(tested)} test clips.")
    assert said in (tmp_path / "run/index.html").read_text()
    for clip in tested[1:]:
        (moved / f"{clip}.csv").unlink()
    with pytest.raises(UserError, match=rf"^units: none of the {len(tested)} test clips has it; expected"):
        train(words, tmp_path / "other")
