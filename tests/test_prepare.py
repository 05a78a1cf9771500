"""``realfake prepare`` as a command: the summary, files that were left out, and errors."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from realfake.composing.composition import compose
from realfake.config import PrepareConfig
from realfake.data.preparation import prepare
from realfake.errors import UserError
from realfake.prepare import run

TINY_DATA = ("data.subjects=2", "data.fps=5", "data.seconds=0.5", "data.video_size=96")


def test_the_summary(command: Callable, tiny_data: list[str], tmp_path: Path) -> None:
    done = command("prepare", *tiny_data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cfg = compose("prepare", tiny_data, PrepareConfig)
    store = prepare(cfg.data, cfg.face, progress=False)
    lines = done.stdout.splitlines()
    (total,) = (line.replace("│", " ").split() for line in lines if line.replace("│", " ").split()[:1] == ["all"])
    assert [int(n.replace(",", "")) for n in total[1:3]] == [len(store), int(store.table["stored"].sum())]
    assert float(total[3].rstrip("%")) >= 98
    for name in ("fake angry", "real surprise"):
        assert any(name in line for line in lines)
    assert lines[-1] == f"store {store.folder}"
    assert not list(tmp_path.iterdir())  # no run folder, no log


def test_a_rate_that_videos_do_not_have_is_said(
    tiny_data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*tiny_data, "data.limit_clips=2", f"data.prepared={tmp_path}"]
    for rate, said in ((1000, True), (10.05, False)):
        run(compose("prepare", [*words, f"data.rate_fps={rate}"], PrepareConfig))
        line = "data.rate_fps=1000: 2 of 2 clips have fewer frames a second (the fastest 10), of which all were taken\n"
        assert (line in capsys.readouterr().out) == said


def test_files_left_out_are_named(command: Callable, tiny_data: list[str], tmp_path: Path) -> None:
    cfg = compose("prepare", tiny_data, PrepareConfig)
    prepare(cfg.data, cfg.face, progress=False)
    person = next(Path(cfg.data.folder).glob("synthetic-*/FakeTrue_DB/*"))  # type: ignore[union-attr]
    root = tmp_path / "FakeTrue_DB"
    shutil.copytree(person, root / "Anna")
    videos = sorted((root / "Anna").iterdir())
    videos[0].write_text("no video")
    videos[1].rename(root / "Anna" / "H2NA.mp4")
    arguments = ["data=sase_fe", f"data.root={root}", "data.size=64", "data.prepared=p", "data.prepare_workers=2"]
    arguments.append("face=haar")
    done = command("prepare", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 files left out" in done.stdout
    assert f"Anna/{videos[0].name}: no video that can be read" in done.stdout
    assert "Anna/H2NA.mp4: unknown code" in done.stdout
    assert "preparing sase_fe" in done.stderr
    assert "12/12" not in done.stderr
    assert "11/11" in done.stderr


def test_a_shard_of_a_sweep_that_is_none_is_refused_before_any_starts(command: Callable, tmp_path: Path) -> None:
    done = command("prepare", "-m", "shard=0,4", "shards=4", cwd=tmp_path)
    assert done.returncode == 1
    line = "error: shard=4 shards=4: expected shard=one of 0 to 3, or more shards (in the run shard=4)"
    assert done.stderr.splitlines() == [line]
    assert not list(tmp_path.iterdir())


def test_errors_are_one_line(command: Callable, tmp_path: Path) -> None:
    (tmp_path / "db" / "Anna").mkdir(parents=True)
    (tmp_path / "db" / "Anna" / "N2H.mp4").write_text("no video")
    offline = {"TORCH_HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    for arguments, reason in (
        (
            ["data=sase_fe", "data.root=db", "face=haar"],
            "none of 1 clips could be prepared; the first, Anna/N2H: no video that",
        ),
        (["data=sase_fe", "data.root=dbs"], "no such folder; did you mean db?"),
        (["data=sase_fe", "data.root=db", "face=yunet"], "face_detection_yunet_2023mar.onnx cannot be downloaded ("),
        (
            ["data=sase_fe", "data.root=db", "face.align=true"],
            "face_detection_yunet_2023mar.onnx cannot be downloaded (",
        ),
        (["data.sise=64"], "did you mean 'data.size'?"),
        (["face=har"], "did you mean 'haar'?"),
    ):
        small = [] if arguments[0] == "data=sase_fe" else TINY_DATA
        done = command("prepare", *arguments, *small, cwd=tmp_path, **offline)
        assert done.returncode == 1
        assert reason in done.stderr.strip().splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_help_names_the_keys(command: Callable, tmp_path: Path) -> None:
    done = command("prepare", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "rate_fps" in done.stdout


@pytest.mark.parametrize("face", ["haar", "yunet", "auto", "none"])
def test_every_face_config_says_every_key(face: str) -> None:
    cfg = compose("prepare", [f"face={face}"], PrepareConfig)
    assert cfg.face.name == face
    assert cfg.face.model_fields_set == set(type(cfg.face).model_fields)


@pytest.mark.parametrize("face", ["haar", "none"])
def test_what_knows_no_eyes_does_not_turn_crops(face: str) -> None:
    with pytest.raises(UserError, match=r"face\.align is a key of face=auto or face=yunet only"):
        compose("prepare", [f"face={face}", "face.align=true"], PrepareConfig)


def test_a_typing_mistake_names_the_nearest_key() -> None:
    with pytest.raises(UserError, match=r"did you mean 'face\.margin'"):
        compose("prepare", ["+face.margn=0.1"], PrepareConfig)
