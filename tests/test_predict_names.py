"""Where prediction writes: one place for each input, whatever it is called, and none outside of the output's folder."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import realfake
from realfake.composing.composition import compose
from realfake.composing.messages import changed
from realfake.config import PredictConfig
from realfake.errors import UserError
from realfake.prediction.outputs import DRAWN, Record, file_names
from realfake.prediction.predicted import Failure

WRITTEN = (".jpg", ".mp4", ".curve.png", ".explained.png")
PARTS = st.one_of(
    st.sampled_from(
        ["..", ".", "a", "A", "a.jpg", "a.png", "a_jpg", "a_jpg_2", "x.mp4", "x", "é", "e\u0301", "...", "ß"]
    ),
    st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=8),
    st.sampled_from([os.fsdecode(b"\xff.jpg"), "\n", "\x1b[31m.png", "a\\..\\b", "n" * 250, "m" * 250 + ".jpg", " "]),
)
PATHS = st.lists(st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: Path(*parts)), min_size=1, max_size=8)


@given(PATHS, st.booleans())
@example([Path("a/../../../x.jpg"), Path("y.jpg")], False)
@example([Path("a.jpg"), Path("a.png"), Path("a_jpg.png")], True)
@example([Path("x.png"), Path("x.jpg/y.png")], False)
@example([Path("a.JPG"), Path("A.jpg"), Path("b/../a.JPG")], False)
def test_names_are_inside_and_no_two_are_the_same(paths: list[Path], absolute: bool) -> None:
    paths = [p for p in dict.fromkeys(Path("/data") / p if absolute else p for p in paths) if p.name not in ("", "..")]
    names = file_names(paths)
    assert set(names) == set(paths)
    folder = Path("/out")
    files, folders = [], set()
    for name in names.values():
        target = folder / name
        assert Path(os.path.normpath(target)) == target, "nothing leads anywhere else"
        assert target.is_relative_to(folder)
        assert target != folder
        assert name.isprintable()
        assert all(len(part.encode()) + 20 < 255 for part in target.parts)
        one = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        files += [one + ending for ending in WRITTEN]
        folders |= {str(parent) for parent in Path(one).parents}
    assert len(set(files)) == len(files), "also where case and the form of letters do not count"
    assert not folders & set(files)


def record(folder: Path, paths: list[Path], **more: Any) -> Record:
    cfg = changed(compose("predict", ["run=run", "input=input"], PredictConfig), more)
    return Record(cfg, folder, paths, cast("Any", None))


def test_plain_names_stay_as_they_are() -> None:
    names = file_names([Path("in/b/face.jpg"), Path("in/face.png"), Path("in/face.jpg"), Path("in/film.mp4")])
    assert set(names.values()) == {"b/face", "face_png", "face_jpg", "film"}
    assert file_names([Path("../face.jpg")]) == {Path("../face.jpg"): "face"}


def test_inputs_and_what_links_point_to_are_not_overwritten(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    (out / DRAWN).mkdir(parents=True)
    outside.mkdir()
    face = out / DRAWN / "face.jpg"
    face.touch()
    with pytest.raises(UserError, match=r"1 of the inputs lie in its folder annotated/.*give another out="):
        record(out, [face])
    assert record(out, [face], annotate=False).names == {face: "face"}
    (out / DRAWN / "sub").symlink_to(outside)
    with pytest.raises(UserError, match="is a link that leads out of it"):
        record(out, [tmp_path / "in/sub/a.jpg", tmp_path / "in/b.jpg"])


def test_the_tables_hold_names_that_are_no_unicode(trained: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.jpg")
    written = record(tmp_path, [path])
    written.predictor = realfake.load(trained("approach=multi_task"), device="cpu")
    written.items.append(Failure(path, "no picture"))
    written.finish()
    assert "\\udcff.jpg" in (tmp_path / "predictions.csv").read_text(encoding="utf-8")
    assert (tmp_path / "predictions.json").is_file()
