"""``realfake signals``: a table a clip, of a dataset or of files, that other tools and this one read again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from processes import Command, Fork, Forks, Gate, environment, until
from videos import decode_all, turn, write_video

from realfake.data.synthetic import read_settings
from realfake.data.synthetic.generation import job_of
from realfake.data.synthetic.true_points import truth_of
from realfake.streams.tracker_tables import read_tracker_table

FEW = ("data.limit_clips=6", "signals=[drawn]", "signals.drawn.streams=[landmarks,units,pose,gaze]")


@pytest.fixture(scope="module")
def tables(tiny_data: list[str], command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    done = command("signals", *tiny_data, *FEW, "out=t", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "6 tables in t"
    return folder / "t"


def videos(tiny_data: list[str]) -> Path:
    folder = next(word.partition("=")[2] for word in tiny_data if word.startswith("data.folder="))
    return next(Path(folder).glob("synthetic-*/FakeTrue_DB"))


def test_a_dataset_becomes_tables_with_openfaces_columns_in_pixels(tables: Path, tiny_data: list[str]) -> None:
    root = videos(tiny_data)
    found = sorted(tables.glob("*/*.csv"))
    assert len(found) == 6
    for path in found:
        video = next(p for p in (root / path.parent.name).iterdir() if p.stem == path.stem)
        settings, job = job_of(video)
        assert settings == read_settings(root.parent)
        truth = truth_of(settings, job)
        read = read_tracker_table(path, "OpenFace 2", settings.fps)
        assert set(read) == {"landmarks", "units", "pose", "gaze"}
        good = read["landmarks"].quality > 0
        assert np.abs(read["landmarks"].values - truth.landmarks)[good].mean() < 1.0
        assert np.abs(read["units"].values - truth.units)[good].mean() < 0.3
        np.testing.assert_allclose(read["pose"].times_sec, truth.times_sec, atol=1e-4)


def test_what_is_there_stays_and_what_is_missing_is_written(
    tables: Path, tiny_data: list[str], command: Command
) -> None:
    before = {path: path.read_bytes() for path in sorted(tables.glob("*/*.csv"))}
    first, second = list(before)[:2]
    first.unlink()
    second.write_text("mine")
    assert command("signals", *tiny_data, *FEW, "out=t", cwd=tables.parent).returncode == 0
    assert first.read_bytes() == before[first]
    assert second.read_text() == "mine"
    second.write_bytes(before[second])
    now = contents(tables)
    other = command("signals", *tiny_data, *FEW, "signals.drawn.unit_noise=0", "out=t", cwd=tables.parent)
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1].startswith("error: t: holds tables of other data or settings")
    other = command("signals", *tiny_data, *FEW, "format=parquet", "out=t", cwd=tables.parent)
    line = "error: t: holds tables with format=csv, not format=parquet; give that, or another out="
    assert (other.returncode, other.stderr.splitlines()[-1]) == (1, line)
    assert contents(tables) == now


def test_files_by_path_and_several_signals(
    tables: Path, tiny_data: list[str], command: Command, tmp_path: Path
) -> None:
    """Tables that this command wrote are OpenFace's; a file that has none keeps what else is known of it."""
    table = min(tables.glob("*/*.csv"))
    video = next(p for p in (videos(tiny_data) / table.parent.name).iterdir() if p.stem == table.stem)
    (tmp_path / "v").mkdir()
    for name in ("a", "b"):
        shutil.copy(video, tmp_path / "v" / f"{name}.mp4")
    shutil.copy(table, tmp_path / "v" / "a.csv")
    words = ("signals=[openface,motion]", "signals.motion.grid=2", "input=v", "out=t", "format=parquet", "data.size=64")
    done = command("signals", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 tables in t"
    assert (
        "b: signals=[openface]: no table beside it; expected b.csv there, or give signals.openface.root=" in done.stdout
    )
    a, b = (pd.read_parquet(tmp_path / "t" / f"{name}.parquet") for name in "ab")
    assert {"motion_right_0_0", "motion_down_1_1"} <= set(b.columns)
    assert set(a.columns) - set(b.columns) == {c for c in a.columns if c.startswith(("x_", "y_", "AU"))}
    read = read_tracker_table(table, "OpenFace 2", 10.0)["units"]
    good = a["AU12_r"].notna()
    np.testing.assert_allclose(a["AU12_r"][good], read.values[read.quality > 0, 8], atol=1e-4)
    before = contents(tmp_path / "t")
    shutil.copy(
        next(p for p in (videos(tiny_data) / table.parent.name).iterdir() if p.stem != table.stem),
        tmp_path / "v" / "b.mp4",
    )
    assert command("signals", *words, cwd=tmp_path).returncode == 0
    now = contents(tmp_path / "t")
    assert {name for name in before if now[name] != before[name]} == {"b.parquet", "signals.json"}
    other = command("signals", *words, "data.window=[0.2,1.0]", cwd=tmp_path)
    assert (
        other.stderr
        == "error: t: holds tables of other data or settings (signals.json says which); give another out=\n"
    )
    missing = command("signals", "signals=[openface]", "input=v/b.mp4", "out=n", cwd=tmp_path)
    assert missing.returncode == 1
    assert missing.stdout.splitlines()[-1] == "0 tables in n (1 clips have none)"


def test_without_signals_there_is_nothing_to_write(command: Command, tmp_path: Path) -> None:
    done = command("signals", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: signals is missing: give at least one, as in signals=[motion]\n"
    assert not list(tmp_path.iterdir())


def test_killed_or_started_twice_it_ends_with_the_same_tables(
    tables: Path, tiny_data: list[str], forks: Forks, tmp_path: Path
) -> None:
    def begin(**variables: str) -> Fork:
        return forks.start(["realfake.signals", *tiny_data, *FEW, "out=t"], tmp_path, environment(**variables))

    for number, (pattern, after) in enumerate([("*/signals.json", 0), ("*.csv", 0), ("*.csv", 3)]):
        (tmp_path / str(number)).mkdir()
        gate = Gate(tmp_path / str(number), pattern, after)
        process = begin(**gate.variables)
        gate.reached(process)
        second = begin() if after else process
        if after:
            until(partial(said, second, "waiting for another process that writes into t"), second)
        process.kill()
        process.wait()
        gate.open()
    assert second.wait() == 0, second.output
    now, before = contents(tmp_path / "t"), contents(tables)
    assert set(now) == set(before)
    assert now == before


def said(process: Fork, words: str) -> bool:
    return process.err.exists() and words in process.output  # the process makes its files itself


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def encode(path: Path, frames: list[np.ndarray], codec: str = "libx264", pts: Sequence[int] | None = None) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = pts[i] if pts else i, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_whatever_lies_in_a_folder_costs_itself_alone(tiny_data: list[str], command: Command, tmp_path: Path) -> None:
    """Containers, irregular times, a phone's rotation, names of all kinds; what has no face or no frames is named."""
    place = tmp_path / "v"
    place.mkdir()
    drawn = decode_all(min(videos(tiny_data).glob("*/*")))[1]
    plain = encode(place / "plain.mp4", drawn)
    for name in ("a b", "Größe", "a,b", 'it\'s "x"', "-dash", "[x]=1"):
        shutil.copy(plain, place / f"{name}.mp4")
    encode(place / "one.avi", drawn, "mpeg4")
    encode(place / "two.webm", drawn, "libvpx")
    encode(place / "three.mov", drawn, pts=[0, 1, 2, 5, 6, 9, 10, 11, 12, 17, 18, 19])
    encode(place / "two faces.mp4", [np.concatenate([image, image], axis=1) for image in drawn])
    lying = encode(tmp_path / "lying.mp4", [np.rot90(image) for image in drawn])
    turn(lying, (0, 1, -1, 0), place / "phone.mp4", (96, 96))
    encode(place / "single.mp4", drawn[:1])
    write_video(place / "no face.mp4", frames=6, fps=6)
    (place / "cut.mp4").write_bytes(plain.read_bytes()[:900])
    (place / "empty.mp4").touch()
    (place / "text.mp4").write_text("no video")
    (place / "notes.txt").write_text("not looked at")
    words = ["signals=[motion]", "signals.motion.grid=1", "signals.motion.size=32", "face=haar", "data.size=32"]
    done = command("signals", *words, "input=v", "out=t", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.split("\n")[:-1]
    lines = [
        "cut: no video that can be read (Invalid data found when processing input)", "empty: the file is empty",
        "no face: no face found in 6 frames that were looked at", "single: the video has only one frame",
        "text: no video that can be read (Invalid data found when processing input)",
    ]  # fmt: skip
    assert [line for line in said if line] == lines
    assert last == "12 tables in t (5 clips have none)"
    assert not [line for line in done.stderr.splitlines() if "Traceback" in line]
    found = {path.stem: pd.read_csv(path) for path in (tmp_path / "t").glob("*.csv")}
    assert {len(table) for name, table in found.items() if name != "plain"} == {11}
    assert list(found["three"]["timestamp"]) == pytest.approx([0.1, 0.2, 0.5, 0.6, 0.9, 1.0, 1.1, 1.2, 1.7, 1.8, 1.9])
    np.testing.assert_allclose(found["phone"]["confidence"], 1.0)
