"""Tables find their videos, and none goes to a wrong one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from realfake.errors import UserError
from realfake.streams.table_matching import match_tables

KEY = "signals.openface.root"


def touch(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def test_beside_the_video(tmp_path: Path) -> None:
    videos = touch(tmp_path, "S1/HS.MP4", "S2/HS.MP4", "S2/N2H.MP4", "S2/N2S.MP4")
    tables = touch(tmp_path, "S1/HS.csv", "S2/HS.csv.gz", "S2/face_analysis_N2H.csv", "S2/clips.csv")
    found = match_tables(videos, None, KEY)
    assert found.tables == dict(zip(videos[:3], tables[:3], strict=True))
    assert found.missing == {videos[3]: f"no table beside it; expected N2S.csv there, or give {KEY}=/folder/of/tables"}


def test_beside_too_a_table_is_of_one_video_and_a_video_has_one_table(tmp_path: Path) -> None:
    videos = touch(tmp_path, "S1/HS.mp4", "S1/N2A.mp4", "S1/N2A.mov")
    csv, tsv, shared = touch(tmp_path, "S1/HS.csv", "S1/HS.tsv", "S1/N2A.csv")
    found = match_tables(videos[:2], None, KEY)
    assert found.tables == {videos[1]: shared}
    assert found.missing == {videos[0]: f"{csv} and {tsv} may both be its table; leave one there"}
    line = f"{KEY}: {shared} may be the table of {videos[1]} or of {videos[2]}; give these videos names of their own"
    for root in (None, tmp_path):
        with pytest.raises(UserError, match=f"^{re.escape(line)}$"):
            match_tables(videos, root, KEY)


def test_below_a_root_folders_tell_equal_names_apart(tmp_path: Path) -> None:
    videos = touch(tmp_path / "v", "Subject 01/HS.MP4", "Subject 02/hs.mp4", "Subject 03/HS.MP4")
    root = tmp_path / "tables"
    tables = touch(root, "subject 01/HS.csv", "Subject 02/HS.csv", "Subject 04/HS.csv")
    found = match_tables(videos, root, KEY)
    assert found.tables == dict(zip(videos[:2], tables[:2], strict=True))
    line = f"no table below {root}; expected HS.csv in folders named as the video's, unlike {tables[1]}"
    assert found.missing == {videos[2]: line}
    assert found.spare == (f"{tables[2]}: no clip has this name",)


def test_a_flat_folder_serves_names_that_come_once(tmp_path: Path) -> None:
    videos = touch(tmp_path / "v", "S1/a.mp4", "S2/b.mp4", "S1/c.mp4", "S2/c.mp4")
    root = tmp_path / "tables"
    tables = touch(root, "a.csv", "b.parquet", "c.csv")
    assert match_tables(videos[:3], root, KEY).tables == dict(zip(videos[:3], tables, strict=True))
    with pytest.raises(
        UserError, match=r"c\.csv may be the table of .*S1/c\.mp4 or of .*S2/c\.mp4; put it in a folder"
    ):
        match_tables(videos, root, KEY)
    touch(root, "a.csv.gz")
    assert "may both be its table; leave one there" in match_tables(videos[:1], root, KEY).missing[videos[0]]


def test_a_root_without_tables_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{KEY}=.*no such folder; expected one with a table"):
        match_tables([], tmp_path / "none", KEY)
    with pytest.raises(UserError, match=rf"{KEY}=.*no table below it; expected names such as <video>\.csv"):
        match_tables([], tmp_path, KEY)
