"""``realfake signals``: a table a clip, of a dataset or of files, that other tools and this one read again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import Command

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
    other = command("signals", *tiny_data, *FEW, "signals.drawn.unit_noise=0", "out=t", cwd=tables.parent)
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1].startswith("error: t: holds tables of other data or settings")


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
    missing = command("signals", "signals=[openface]", "input=v/b.mp4", "out=n", cwd=tmp_path)
    assert missing.returncode == 1
    assert missing.stdout.splitlines()[-1] == "0 tables in n (1 clips have none)"


def test_without_signals_there_is_nothing_to_write(command: Command, tmp_path: Path) -> None:
    done = command("signals", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: signals is missing: give at least one, as in signals=[motion]\n"
    assert not list(tmp_path.iterdir())
