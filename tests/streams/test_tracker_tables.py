"""Tables of trackers as their makers write them, and as spreadsheets and killed processes leave them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from realfake.config import tracker_info
from realfake.config.trackers import OPENFACE_UNITS, PYFEAT_UNITS
from realfake.errors import UserError
from realfake.streams.openface_writing import column_names, openface_table, write_openface_table
from realfake.streams.stream import Extracted
from realfake.streams.tracker_tables import read_tracker_table

FRAMES = 8
FPS = 25.0
RNG = np.random.default_rng(3)
POINTS = RNG.uniform(40.0, 200.0, (FRAMES, 68, 2)).round(1)
UNITS = RNG.uniform(0.0, 5.0, (FRAMES, 17)).round(2)
POSE = RNG.uniform(-0.5, 0.5, (FRAMES, 6)).round(3)
GAZE = RNG.uniform(-0.3, 0.3, (FRAMES, 2)).round(3)

Row = dict[str, object]


def openface(first: int = 0) -> pd.DataFrame:
    """As FeatureExtraction writes it."""
    rows: list[Row] = []
    for i in range(FRAMES):
        row: Row = {"frame": i + 1, "face_id": 0, "timestamp": f"{i / FPS:.3f}", "confidence": 0.98, "success": 1}
        row |= {"gaze_angle_x": GAZE[i, 0], "gaze_angle_y": GAZE[i, 1]}
        row |= {f"pose_{k}{a}": POSE[i, j] for j, (k, a) in enumerate((k, a) for k in "RT" for a in "xyz")}
        row |= {f"{a}_{p}": POINTS[i, p, k] for k, a in enumerate("xy") for p in range(68)}
        row |= {f"{a}_{p}": 1.5 for a in "XYZ" for p in range(68)} | {"p_scale": 1.1}
        row |= {f"{u}_r": v for u, v in zip(OPENFACE_UNITS, UNITS[i], strict=True)}
        row |= {f"{u}_c": int(v > 1) for u, v in zip(OPENFACE_UNITS, UNITS[i], strict=True)} | {"AU28_c": 0.0}
        rows.append(row)
    return pd.DataFrame(rows[first:]).astype(object)


def pyfeat(version: int) -> pd.DataFrame:
    """As ``Fex.to_csv`` writes what a video gave; since version 2 with radians, gaze and the frame's size."""
    angles = POSE[:, :3] if version >= 2 else np.rad2deg(POSE[:, :3])
    rows: list[Row] = []
    for i in range(FRAMES):
        row: Row = {"FaceRectX": 20.0, "FaceRectY": 30.0, "FaceRectWidth": 90.0, "FaceRectHeight": 99.0}
        row |= {"FaceScore": 0.97} | {f"{a}_{p}": POINTS[i, p, k] for k, a in enumerate("xy") for p in range(68)}
        row |= dict(zip(("Pitch", "Yaw", "Roll"), angles[i], strict=True))
        row |= {u: v / 5.0 for u, v in zip(PYFEAT_UNITS, np.append(UNITS[i], [0, 1, 2]), strict=True)}
        row |= {"anger": 0.1, "happiness": 0.9, "input": "a,b.mp4", "frame": i, "approx_time": "00:00"}
        if version >= 2:
            row |= {"gaze_pitch": GAZE[i, 1], "gaze_yaw": GAZE[i, 0], "FrameHeight": 240.0, "FrameWidth": 320.0}
        rows.append(row | {"Identity": "Person_0"})
    return pd.DataFrame(rows).astype(object)


def write(path: Path, table: pd.DataFrame, change: Callable[[str], str] = lambda text: text, **how: object) -> Path:
    path.write_bytes(change(table.to_csv(index=False, **how)).encode())
    return path


def check(found: dict[str, Extracted], lost: tuple[int, ...] = (), rows: slice = slice(None)) -> None:
    """What is read of OpenFace's table is what was written, with gaps in some frames."""
    assert set(found) == {"landmarks", "units", "pose", "gaze"}
    for name, expected in (("landmarks", POINTS), ("units", UNITS), ("pose", POSE), ("gaze", GAZE)):
        times, values, quality = found[name]
        assert times.dtype == values.dtype == quality.dtype == np.float32
        np.testing.assert_allclose(times, (np.arange(FRAMES) / FPS)[rows], atol=1e-6)
        good = np.array([i not in lost for i in range(FRAMES)])[rows]
        np.testing.assert_allclose(values[good], expected[rows][good], rtol=1e-6)
        np.testing.assert_allclose(quality, np.where(good, 0.98, 0.0), rtol=1e-6)
        assert np.isfinite(values).all()


def spaced(text: str) -> str:
    """OpenFace 2 puts a space behind each comma of its heading, and of its rows."""
    return text.replace(",", ", ")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "spaces": spaced,
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "semicolons and decimal commas": lambda text: text.replace(",", ";").replace(".", ","),
    "semicolons and decimal points": lambda text: text.replace(",", ";"),
    "tabs": lambda text: text.replace(",", "\t"),
    "blank lines": lambda text: text + "\n\n",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_openface_2_is_read_however_it_is_spelt(spelling: str, tmp_path: Path) -> None:
    check(read_tracker_table(write(tmp_path / "a.csv", openface(), SPELLINGS[spelling]), "OpenFace 2", FPS))


def test_columns_are_found_by_name_in_gzip_and_parquet(tmp_path: Path) -> None:
    shuffled = openface()[list(RNG.permutation(openface().columns))]
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(shuffled.to_csv(index=False).encode()))
    check(read_tracker_table(path, "OpenFace 2", FPS))
    shuffled.apply(pd.to_numeric).to_parquet(tmp_path / "a.parquet")
    check(read_tracker_table(tmp_path / "a.parquet", "OpenFace 2", FPS))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"a\.csv\.gz: cannot be read \(.*\); write it again"):
        read_tracker_table(path, "OpenFace 2", FPS)


def test_times_are_those_of_the_table_else_of_its_frames(tmp_path: Path) -> None:
    table = openface()
    table["timestamp"] = np.arange(FRAMES) * 0.1
    assert read_tracker_table(write(tmp_path / "a.csv", table), "OpenFace 2", FPS)["units"].times_sec[1] == np.float32(
        0.1
    )
    for without in (table.drop(columns="timestamp"), table.assign(timestamp=0)):  # pictures in a folder have 0
        check(read_tracker_table(write(tmp_path / "a.csv", without), "OpenFace 2", FPS))


def test_a_table_may_lack_streams(tmp_path: Path) -> None:
    table = openface()
    path = write(tmp_path / "a.csv", table.drop(columns=["AU45_r", "pose_Rx", "success", "confidence", "face_id"]))
    found = read_tracker_table(path, "OpenFace 2", FPS)
    assert set(found) == {"landmarks", "gaze"}
    assert (found["gaze"].quality == 1).all()
    vectors = {f"gaze_{e}_{a}": v for e in (0, 1) for a, v in zip("xyz", (0.3, 0.1, -0.9), strict=True)}
    table = table[["frame", "timestamp"]].assign(**vectors)
    gaze = read_tracker_table(write(tmp_path / "a.csv", table), "OpenFace 2", FPS)["gaze"]
    np.testing.assert_allclose(
        gaze.values, np.tile([np.arctan2(0.3, 0.9), np.arctan2(0.1, 0.9)], (FRAMES, 1)), rtol=1e-6
    )


def test_lost_frames_damaged_rows_and_a_line_cut_short_are_gaps(tmp_path: Path) -> None:
    table = openface()
    table.loc[2, "success"] = 0
    table.loc[4, "confidence"] = 0.0
    found = read_tracker_table(write(tmp_path / "a.csv", table), "OpenFace 2", FPS)
    check(found, lost=(2, 4))
    middle = (found["units"].values[1] + found["units"].values[3]) / 2
    np.testing.assert_allclose(found["units"].values[2], middle, rtol=1e-5)  # a gap holds nothing wild
    table = openface()
    table.loc[3, "AU12_r"] = "#VALUE!"
    found = read_tracker_table(write(tmp_path / "a.csv", table), "OpenFace 2", FPS)
    assert found["units"].quality.tolist() == [np.float32(0.98)] * 3 + [0] + [np.float32(0.98)] * 4
    assert (found["landmarks"].quality > 0).all()
    text = openface().to_csv(index=False)
    # Within each part of the last line; its last cell, too, may be half of a number.
    for cut in (0, 1, 40, 700, len(text.splitlines()[-1]) - 2):
        path = tmp_path / "cut.csv"
        path.write_text(text[: len(text) - 1 - cut])
        check(read_tracker_table(path, "OpenFace 2", FPS), rows=slice(0, FRAMES - 1))


def test_missing_rows_are_a_gap(tmp_path: Path) -> None:
    lines = openface().to_csv(index=False).splitlines(keepends=True)
    for missing in ([*lines[:4], *lines[5:]], [*lines[:4], lines[4].replace(",", ",9,", 1), *lines[5:]]):
        (tmp_path / "a.csv").write_text("".join(missing))
        check(read_tracker_table(tmp_path / "a.csv", "OpenFace 2", FPS), lost=(3,))
    long = "".join([*lines[:3], *lines[8:]])
    (tmp_path / "a.csv").write_text(long)
    found = read_tracker_table(tmp_path / "a.csv", "OpenFace 2", FPS)["pose"]
    np.testing.assert_allclose(found.times_sec, [0.0, 0.04, 0.08, 0.24, 0.28], atol=1e-6)  # its ends are marked
    assert (found.quality > 0).tolist() == [True, True, False, False, True]


def test_a_missing_row_where_time_goes_on_as_ever_is_no_gap(tmp_path: Path) -> None:
    table = openface()
    for first in (2, 4):  # numbers jump, moments do not
        table.loc[first:, "frame"] += 1
        check(read_tracker_table(write(tmp_path / "a.csv", table), "OpenFace 2", FPS))


def test_of_several_faces_that_on_our_track_is_read_else_the_most_confident(tmp_path: Path) -> None:
    other = openface().assign(face_id=1, confidence=0.99)
    moved = {f"x_{p}": other[f"x_{p}"].astype(float) + 400.0 for p in range(68)}
    both = pd.concat([openface(), other.assign(**moved)[2:]])
    path = write(tmp_path / "a.csv", both)
    boxes = np.zeros(2, [(k, "f4") for k in ("time_sec", "x", "y", "width", "height")])
    boxes["time_sec"], boxes["x"], boxes["y"], boxes["width"], boxes["height"] = (0.0, 1.0), 40.0, 40.0, 160.0, 160.0
    check(read_tracker_table(path, "OpenFace 2", FPS, boxes))
    check(read_tracker_table(path, "OpenFace 2", FPS))  # seen in eight frames, the other in six
    boxes["x"] = 440.0
    found = read_tracker_table(path, "OpenFace 2", FPS, boxes)["landmarks"]
    np.testing.assert_allclose(found.values[2:, :, 0], POINTS[2:, :, 0] + 400.0, rtol=1e-6)
    assert (found.quality > 0).tolist() == [False] * 2 + [True] * 6
    boxes["x"] = 5000.0
    with pytest.raises(UserError, match=r"none of its faces lies where the clip's face is; it may be of another video"):
        read_tracker_table(path, "OpenFace 2", FPS, boxes)


def test_a_time_that_comes_twice_counts_once(tmp_path: Path) -> None:
    doubt = openface().assign(confidence=0.5, AU12_r=0.0)
    check(read_tracker_table(write(tmp_path / "a.csv", pd.concat([doubt, openface()])), "OpenFace 2", FPS))


@pytest.mark.parametrize("version", [0, 2])
def test_pyfeat(version: int, tmp_path: Path) -> None:
    table = pyfeat(version)
    table.loc[5, [c for c in table if c not in ("frame", "input", "approx_time")]] = np.nan  # no face
    found = read_tracker_table(write(tmp_path / "a.csv", table), "py-feat", FPS)
    assert set(found) == {"landmarks", "units", "pose"} | ({"gaze"} if version else set())
    good = np.arange(FRAMES) != 5
    np.testing.assert_allclose(found["landmarks"].values[good], POINTS[good], rtol=1e-6)
    np.testing.assert_allclose(found["pose"].values[good], POSE[good][:, [0, 1, 2]], rtol=1e-5)
    np.testing.assert_allclose(found["units"].values[good, :17], UNITS[good] / 5.0, rtol=1e-6)
    np.testing.assert_allclose(
        found["units"].times_sec, np.arange(FRAMES) / FPS, atol=1e-6
    )  # approx_time is too coarse
    assert (found["units"].quality > 0).tolist() == good.tolist()
    if version:
        np.testing.assert_allclose(found["gaze"].values[good], GAZE[good], rtol=1e-6)


def test_pyfeats_mesh_is_not_taken_for_its_68_points(tmp_path: Path) -> None:
    mesh = pd.concat([pyfeat(2), pd.DataFrame({"x_68": [0.5] * FRAMES})], axis=1)
    assert "landmarks" not in read_tracker_table(write(tmp_path / "a.csv", mesh), "py-feat", FPS)


def test_openface_3(tmp_path: Path) -> None:
    wflw = RNG.uniform(0.0, 300.0, (FRAMES, 98, 2)).round(3)
    scores = RNG.uniform(0.0, 1.0, (FRAMES, 1, 8)).round(4)
    rows = [
        {
            "timestamp": "2026-11-28 16:00:01",  # the clock on the wall
            "video_path": "v.mp4",
            "frame_index": i,
            "face_id": 0.0,
            "face_detection": [10.5, 20.0, 110.0, 140.0, 0.999, 1.0, 2.0],
            "landmarks": wflw[i].tolist(),
            "emotion": 1,
            "gaze_yaw": GAZE[i, 0],
            "gaze_pitch": GAZE[i, 1],
            "action_units": scores[i].tolist(),
        }
        for i in range(FRAMES)
    ]
    rows[3] |= dict.fromkeys([k for k in rows[3] if k not in ("timestamp", "video_path", "frame_index")])
    path = write(tmp_path / "a.csv", pd.DataFrame(rows))
    found = read_tracker_table(path, "OpenFace 3", FPS)
    good = np.arange(FRAMES) != 3
    assert set(found) == {"landmarks", "units", "gaze"}
    np.testing.assert_allclose(found["units"].values[good], scores[good, 0], rtol=1e-6)
    np.testing.assert_allclose(found["units"].times_sec, np.arange(FRAMES) / FPS, atol=1e-6)
    pairs = ((0, 0), (8, 16), (16, 32), (17, 33), (26, 46), (30, 54), (36, 60), (45, 72), (54, 82), (67, 95))
    for ours, theirs in pairs:
        np.testing.assert_allclose(found["landmarks"].values[good, ours], wflw[good, theirs], rtol=1e-6)
    np.testing.assert_allclose(found["gaze"].quality, np.where(good, 0.999, 0.0), rtol=1e-6)


@pytest.mark.parametrize(("kind", "change", "line"), [
    ("OpenFace 2", lambda t: "", r"holds no frame; let the tracker run again, or remove the table"),
    ("OpenFace 2", lambda t: t.splitlines()[0], r"holds no frame; let the tracker run again"),
    ("OpenFace 2", lambda t: t.replace("0.98,1,", "0.98,0,"), r"no face was tracked in any of 8 rows"),
    ("py-feat", lambda t: t.replace("AU", "BU"), r"no columns of py-feat \(Fex\) .*; it looks like one of OpenFace 2"),
    ("OpenFace 3", lambda t: t, r"no columns of OpenFace 3 .* \(found: .*\); it looks like one of OpenFace 2"),
    ("OpenFace 2", lambda t: "clip,emotion\na,b\n", r"no columns of OpenFace 2 .* in it \(found: clip, emotion\)"),
    ("OpenFace 2", lambda t: t.replace("0.98", "sure"), r"row 2, column confidence: 'sure'; expected a number"),
    ("OpenFace 2", lambda t: t.replace("\n1,", '\n"1,'), r"cannot be read \(.*\); write it again"),
])  # fmt: skip
def test_a_wrong_table_is_one_line(kind: str, change: Callable[[str], str], line: str, tmp_path: Path) -> None:
    table = openface()
    if kind == "py-feat":
        table = table.drop(columns=[c for c in table if c.startswith(("x_6", "gaze"))])
    path = write(tmp_path / "a.csv", table, change)
    with pytest.raises(UserError, match=line) as caught:
        read_tracker_table(path, kind, FPS)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = read_tracker_table(io.StringIO(openface().to_csv(index=False)), "OpenFace 2", FPS)
    for stream in found.values():
        stream.quality[4] = 0.0
    names = {stream: column_names(tracker_info(stream, "OpenFace 2")) for stream in found}
    table = openface_table(found, names, FPS)
    assert {"x_67", "AU45_r", "pose_Tz", "gaze_angle_x"} <= set(table.columns) <= set(openface().columns)
    assert table["frame"].tolist() == list(range(1, FRAMES + 1))
    for name in ("a.csv", "a.parquet"):
        write_openface_table(tmp_path / name, [table[:3], table[3:]])
        check(read_tracker_table(tmp_path / name, "OpenFace 2", FPS), lost=(4,))
    other = column_names(tracker_info("units", "py-feat"))
    assert other[0] == "units_AU01"  # no intensities from 0 to 5, so that nobody takes them for such
