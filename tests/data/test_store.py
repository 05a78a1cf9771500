"""The prepared store: reading, resizing, pickling, and a journal that was cut off anywhere."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from realfake.data.clips import Clip, Problem
from realfake.data.journal import Record, journal_files
from realfake.data.store import CROP, PreparedStore, decode_crops, jpeg_path
from realfake.data.store_writing import StoreWriter
from realfake.errors import UserError

SIZE = 64
SETTINGS = {"dataset": "made", "size": SIZE, "extraction": {"size": SIZE}, "duplicates": "exclude"}


def picture(seed: int, size: int = SIZE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def jpegs_of(clip: int) -> list[bytes]:
    return [simplejpeg.encode_jpeg(picture(100 * clip + k), quality=90) for k in range(3 + clip % 3)]


def add_clip(writer: StoreWriter, clip: int) -> None:
    jpegs = jpegs_of(clip)
    rows = np.zeros(len(jpegs), CROP)
    rows["time_sec"] = np.arange(len(jpegs)) / 10
    rows["x"], rows["width"] = clip, 50
    rows["bytes"] = [len(j) for j in jpegs]
    rows["offset"] = np.cumsum(rows["bytes"]) - rows["bytes"]
    rows["detected"] = True
    path = writer.folder / jpeg_path(f"s/{clip:03d}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(jpegs))
    record = Record(
        f"s/{clip:03d}",
        clip,
        f"sha{clip}",
        "",
        10.0,
        len(jpegs),
        len(jpegs) / 10,
        80,
        60,
        len(jpegs),
        len(jpegs),
        len(jpegs),
    )
    writer.add(record, rows)


def clips(count: int) -> list[Clip]:
    return [Clip(f"s/{i:03d}", f"s/{i:03d}.mp4", "made", f"p{i % 2}", i % 6, i % 2) for i in range(count)]


def make(folder: Path, count: int = 7, order: list[int] | None = None) -> PreparedStore:
    with StoreWriter(folder) as writer:
        for clip in order or range(count):
            add_clip(writer, clip)
        return writer.finish(clips(count), [Problem("a.txt", "no video"), Problem("b", "odd", kept=True)], SETTINGS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    return make(tmp_path_factory.mktemp("store") / "made-1")


def test_crops_are_found_wherever_they_lie(store: PreparedStore) -> None:
    assert len(store) == 7
    assert store.table["stored"].tolist() == [3, 4, 5, 3, 4, 5, 3]
    for i in range(7):
        expected = decode_crops(jpegs_of(i), SIZE)
        np.testing.assert_array_equal(store.read(i, range(len(expected))), expected)
        np.testing.assert_array_equal(store.read(i, np.array([2, 0, 2, -1])), expected[[2, 0, 2, -1]])
        np.testing.assert_allclose(store.timestamps(i), np.arange(len(expected)) / 10)
        assert store.boxes(i).tolist() == [[i, 0, 50, 0]] * len(expected)
    rows = np.array([26, 0, 3, 3, 11, 25])
    expected = np.stack(
        [store.read(6, [2])[0], *(store.read(i, [k])[0] for i, k in ((0, 0), (1, 0), (1, 0), (2, 4), (6, 1)))]
    )
    np.testing.assert_array_equal(store.reader().gather(rows), expected)
    assert store.read(0, []).shape == (0, SIZE, SIZE, 3)


def test_colours_are_rgb_and_close_to_what_was_stored(store: PreparedStore) -> None:
    for k in range(3):
        assert np.abs(store.read(2, [k])[0].astype(int) - picture(200 + k).astype(int)).mean() < 2.5
        reference = np.asarray(Image.open(store.folder / jpeg_path("s/002"))) if k == 0 else None
        if reference is not None:
            assert np.abs(store.read(2, [0])[0].astype(int) - reference.astype(int)).max() <= 12


@pytest.mark.parametrize("size", [16, 24, 32, 40, 56, 63, 64, 96])
def test_any_size_is_an_area_average_of_the_stored_crop(size: int) -> None:
    image = picture(5)
    jpeg = simplejpeg.encode_jpeg(image, quality=95, colorsubsampling="444")
    found = decode_crops([jpeg], size)[0]
    way = cv2.INTER_AREA if size < SIZE else cv2.INTER_CUBIC
    expected = cv2.resize(image, (size, size), interpolation=way)
    assert found.shape == (size, size, 3)
    assert np.abs(found.astype(int) - expected.astype(int)).mean() < 2.5


@given(st.integers(8, 130), st.integers(0, 3))
@settings(max_examples=30)
def test_decoding_is_repeatable_and_one_by_one_or_together(size: int, seed: int) -> None:
    jpegs = [simplejpeg.encode_jpeg(picture(seed + k), quality=90) for k in range(3)]
    together = decode_crops(jpegs, size)
    np.testing.assert_array_equal(together, np.concatenate([decode_crops([j], size) for j in jpegs]))


def _read_elsewhere(store: PreparedStore) -> bytes:
    return store.read(1, [0]).tobytes()


def test_a_store_is_small_to_pickle_and_works_in_other_processes(store: PreparedStore) -> None:
    assert len(pickle.dumps(store)) < 3000
    expected = _read_elsewhere(store)
    for method in ("spawn", "fork"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(_read_elsewhere, [store] * 2) == [expected] * 2


def test_the_order_of_work_does_not_show(store: PreparedStore, tmp_path: Path) -> None:
    other = make(tmp_path / "made-1", order=[4, 6, 0, 1, 5, 3, 2])
    for name in ("clips.parquet", "skipped.parquet", "crops.npy", "store.json"):
        assert (other.folder / name).read_bytes() == (store.folder / name).read_bytes()


def test_what_was_left_out_and_remarks(store: PreparedStore) -> None:
    assert store.skipped.to_dict("records") == [{"clip": "", "path": "a.txt", "reason": "no video", "sha256": ""}]
    assert store.settings["remarks"] == [{"path": "b", "reason": "odd"}]


@given(st.integers(0, 2000), st.integers(0, 500))
@settings(max_examples=30)
def test_a_journal_cut_off_anywhere_is_taken_up(
    tmp_path_factory: pytest.TempPathFactory, lines: int, rows: int
) -> None:
    folder = tmp_path_factory.mktemp("cut") / "made-1"
    with StoreWriter(folder) as writer:
        for clip in range(4):
            add_clip(writer, clip)
    for file, keep in zip(journal_files(folder), (lines, rows), strict=True):
        file.write_bytes(file.read_bytes()[:keep])
    with StoreWriter(folder) as writer:
        done = sorted(writer.records)
        assert done == [f"s/{i:03d}" for i in range(len(done))]
        for clip in range(len(done), 7):
            add_clip(writer, clip)
        again = writer.finish(clips(7), [], SETTINGS)
    assert [again.rows(i)["x"].tolist() for i in range(7)] == [[float(i)] * (3 + i % 3) for i in range(7)]
    np.testing.assert_array_equal(again.read(6, [2]), decode_crops(jpegs_of(6)[2:], SIZE))


def test_missing_and_damaged_stores_are_told(store: PreparedStore, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"store\.json is missing"):
        PreparedStore.open(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        PreparedStore.open(tmp_path)
    damaged = make(tmp_path / "made-2")
    (damaged.folder / jpeg_path("s/000")).unlink()
    (damaged.folder / jpeg_path("s/001")).write_bytes(b"short")
    for clip in (0, 1):
        with pytest.raises(UserError, match="delete the folder"):
            damaged.read(clip, [1])


def test_long_names_fit_any_file_system() -> None:
    assert jpeg_path("a b/N2H") == "jpeg/a b/N2H.mjpeg"
    long = jpeg_path("a/" + "ä" * 150)
    assert max(len(part.encode()) for part in long.split("/")) < 255
    assert long != jpeg_path("a/" + "ä" * 151)


def test_no_clip_lies_in_a_folder_that_is_another_clips_file() -> None:
    assert jpeg_path("a.mjpeg/b") not in (f"jpeg/{part}" for part in ("a.mjpeg/b.mjpeg", "b.mjpeg"))
    assert jpeg_path("a.mjpeg/b").count("/") == jpeg_path("a").count("/") == 1
    assert len(jpeg_path("/".join(["folder"] * 700))) < 100


def test_settings_are_plain_json(store: PreparedStore) -> None:
    found = json.loads((store.folder / "store.json").read_text())
    assert found["fingerprint"] == store.fingerprint
    assert found["size"] == store.size == SIZE
