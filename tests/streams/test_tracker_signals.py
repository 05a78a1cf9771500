"""Signals that read tables, from videos and tables on disk to the streams of a store."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from test_tracker_tables import openface, pyfeat
from videos import write_video

from realfake.composing.composition import option
from realfake.config import CsvData, DrawnSignal, NoFace, OpenfaceSignal, PyfeatSignal, SignalConfig
from realfake.data.preparation import prepare
from realfake.data.signal_store import StoredStream, prepare_signal
from realfake.data.store import PreparedStore
from realfake.errors import UserError

Streams = Callable[[SignalConfig], dict[str, StoredStream]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreparedStore, CsvData]:
    """Two clips of eight frames, 96 by 64 pixels."""
    folder = tmp_path_factory.mktemp("tracked")
    for name, gop in (("a", 12), ("b", 2)):
        write_video(folder / f"{name}.mp4", frames=8, gop=gop)
    (folder / "clips.csv").write_text("path,authenticity,subject\na.mp4,real,x\nb.mp4,fake,y\n")
    data = option(
        CsvData, root=str(folder / "clips.csv"), prepared=str(folder / "p"), prepare_workers=1, window=[0.0, 1.0]
    )
    return prepare(data, option(NoFace), progress=False), data


@pytest.fixture
def streams(prepared: tuple[PreparedStore, CsvData]) -> Streams:
    store, data = prepared
    shutil.rmtree(store.folder / "streams", ignore_errors=True)
    return lambda options: prepare_signal(store, data, option(NoFace), options, progress=False)


def tables(folder: Path, **of: pd.DataFrame) -> str:
    folder.mkdir(exist_ok=True)
    for name, table in of.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return str(folder)


def test_landmarks_are_relative_to_the_face_or_to_the_picture(tmp_path: Path, streams: Streams) -> None:
    moved = openface()
    for axis, by in (("x", 1000.0), ("y", -20.0)):
        columns = [f"{axis}_{i}" for i in range(68)]
        moved[columns] = moved[columns].astype(float) * 2.0 + by
    root = tables(tmp_path / "t", a=openface(), b=moved)
    found = streams(option(OpenfaceSignal, root=root, streams=["landmarks", "pose"]))
    assert set(found) == {"landmarks", "pose"}
    rows = found["landmarks"].rows
    a, b = rows["values"][:8], rows["values"][8:]
    np.testing.assert_allclose(a, b, atol=1e-4)
    apart = np.linalg.norm(a[:, 45] - a[:, 36], axis=1)
    assert np.median(apart) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(a[:, [27, 28, 29, 30, 36, 39, 42, 45]].mean(axis=1), 0.0, atol=1e-5)
    picture = streams(option(OpenfaceSignal, root=root, streams=["landmarks"], relative_to="picture"))["landmarks"]
    x = np.array([openface()[f"x_{i}"] for i in range(68)], float).T
    np.testing.assert_allclose(picture.rows["values"][:8, :, 0], (x - 48.0) / 64.0, rtol=1e-5)


def test_clips_without_a_table_and_tables_without_a_clip_are_told(
    tmp_path: Path, streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    root = tables(tmp_path / "t", a=openface(), c=openface())
    with caplog.at_level(logging.WARNING):
        found = streams(option(OpenfaceSignal, root=root))
    assert found["units"].counts.tolist() == [8, 0]
    assert f"signals=[openface]: {root}/c.csv: no clip has this name" in caplog.messages
    assert any("1 of 2 clips have none, e.g. b: no table below" in line for line in caplog.messages)
    with pytest.raises(UserError, match=r"none of 2 clips has it; the first, a: .*a\.csv: has no columns of gaze; let"):
        streams(option(PyfeatSignal, root=tables(tmp_path / "f", a=pyfeat(0)), streams=["units", "gaze"]))


def test_tables_that_have_changed_are_read_again(
    tmp_path: Path, streams: Streams, prepared: tuple[PreparedStore, CsvData]
) -> None:
    options = option(OpenfaceSignal, root=tables(tmp_path / "t", a=openface(), b=openface()))
    before = streams(options)["units"]
    tables(tmp_path / "t", b=openface().assign(AU12_r=0.25))
    after = streams(options)["units"]
    assert before.folder != after.folder
    assert (after.rows["values"][8:, 8] == 0.25).all()
    moved = PreparedStore.open(prepared[0].folder)  # where nobody knows of the videos, what was read last counts
    again = prepare_signal(moved, prepared[1], option(NoFace), options, progress=False)["units"]
    assert again.folder == after.folder


def test_generated_faces_alone_have_drawn_tables(streams: Streams) -> None:
    with pytest.raises(
        UserError, match=r"none of 2 clips has it; the first, a: .*no generated video, whose points are known"
    ):
        streams(option(DrawnSignal))


def test_a_mirrored_face_is_a_face() -> None:
    """Each point goes to the other side of the face and back; angles to the side change their signs."""
    landmarks, units, pose, gaze = option(DrawnSignal, streams=["landmarks", "units", "pose", "gaze"]).infos()
    order = np.array([place for place, _ in landmarks.mirrored])
    factors = np.array([factor for _, factor in landmarks.mirrored])
    np.testing.assert_array_equal(order[order], np.arange(136))
    assert {
        (0, 16),
        (8, 8),
        (17, 26),
        (30, 30),
        (31, 35),
        (36, 45),
        (41, 46),
        (48, 54),
        (59, 55),
        (60, 64),
        (67, 65),
    } <= {(i, order[2 * i] // 2) for i in range(68)}
    np.testing.assert_array_equal(factors.reshape(68, 2), np.tile([-1.0, 1.0], (68, 1)))
    assert units.mirrored == ()
    assert [factor for _, factor in pose.mirrored] == [1.0, -1.0, -1.0, -1.0, 1.0, 1.0]
    assert [factor for _, factor in gaze.mirrored] == [-1.0, 1.0]
    assert {info.name: info.size for info in (landmarks, units, pose, gaze)} == {
        "landmarks": 136, "units": 17, "pose": 6, "gaze": 2,
    }  # fmt: skip


def test_streams_that_a_tracker_has_not_are_refused() -> None:
    with pytest.raises((UserError, ValidationError), match=r"OpenFace 3 tells no pose; leave it out"):
        option(OpenfaceSignal, version=3, streams=["pose"])
    assert option(OpenfaceSignal).infos()[1] != option(PyfeatSignal).infos()[1]  # no units for another tracker's
