"""The face landmarker: on a photograph, through generated clips, its geometry and its names, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from landmark_cases import CLIPS, FACE, WEIGHTS, astronaut, digest, drawn, landmarker
from processes import environment
from weights import weights_file

from benchmarks.landmarks import Loop, clip_of
from realfake.config.landmarks import BLENDSHAPES, PARTNERS, UNITS, mirrored_names
from realfake.data.faces import Box
from realfake.data.pictures import DecodedFrame, Frame
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import jobs
from realfake.errors import UserError
from realfake.published import published_folder
from realfake.streams.blendshapes import INPUT_POINTS, units_of
from realfake.streams.derived import mirror_partners, without_pose
from realfake.streams.landmark_geometry import FaceGeometry
from realfake.streams.landmarker import FaceLandmarker, Landmarks, landmarker_file

SMILE = BLENDSHAPES.index("mouthSmileLeft")


@pytest.fixture(scope="module")
def found() -> FaceLandmarker:
    return landmarker()


@pytest.fixture(scope="module")
def smiling(found: FaceLandmarker) -> Landmarks:
    seen = found.find(astronaut(), FACE)
    assert seen is not None
    return seen


@pytest.fixture(scope="module")
def clips(found: FaceLandmarker, tmp_path_factory: pytest.TempPathFactory) -> list[Loop]:
    folder = tmp_path_factory.mktemp("clips")
    return [drawn(folder, job, found) for job in CLIPS]


# --- what is seen ----------------------------------------------------------------------------------------------------


def test_a_smile_is_seen_in_a_photograph(smiling: Landmarks) -> None:
    assert [part.shape for part in smiling] == [(478, 3), (52,), (4, 4), ()]
    assert {part.dtype for part in map(np.asarray, smiling)} == {np.dtype(np.float32)}
    eyes = smiling.points[[468, 473], :2]
    assert eyes == pytest.approx(np.array([[203, 101], [246, 103]]), abs=2)  # read off the picture
    assert smiling.presence > 0.9
    assert smiling.blendshapes[SMILE] > 0.8
    units = dict(zip(UNITS, units_of(smiling.blendshapes), strict=True))
    assert units["AU12"] == pytest.approx(smiling.blendshapes[[SMILE, SMILE + 1]].mean())
    assert units["AU15"] < 0.05
    assert units["AU06"] < 0.001  # though cheeks are raised: the network does not tell
    assert smiling.points[1, 2] < smiling.points[234, 2]  # the nose is nearer than an ear


def test_a_turned_face_is_seen_alike(found: FaceLandmarker, smiling: Landmarks) -> None:
    turned = found.find(np.ascontiguousarray(np.rot90(astronaut(), -1)), Box(512 - 65 - 95, 175, 95, 95))
    assert turned is not None
    back = np.stack([turned.points[:, 1], 511 - turned.points[:, 0]], 1)
    side = np.ptp(smiling.points[:, 0])
    assert np.linalg.norm(back - smiling.points[:, :2], axis=1).mean() < 0.03 * side
    angle = np.rad2deg(np.arctan2(turned.pose[1, 0], turned.pose[0, 0]) - np.arctan2(*smiling.pose[[1, 0], 0]))
    assert angle % 360 == pytest.approx(270, abs=5)


def test_in_a_mirror_partners_change_places(found: FaceLandmarker, smiling: Landmarks) -> None:
    other = found.find(np.ascontiguousarray(astronaut()[:, ::-1]), Box(512 - 175 - 95, 65, 95, 95))
    assert other is not None
    back = other.points[list(PARTNERS)] * [-1, 1, 1] + [511, 0, 0]
    apart = np.linalg.norm(back - smiling.points, axis=1) / np.ptp(smiling.points[:, 0])
    assert apart.mean() < 0.01
    assert apart[468:].max() < 0.02  # of the irises: at their edges, the wrong partner is 0.04 away


def test_a_face_of_a_twentieth_of_the_picture_is_seen(found: FaceLandmarker, smiling: Landmarks) -> None:
    wide = np.full((512, 512, 3), 127, np.uint8)
    wide[:128, :128] = cv2.resize(astronaut(), (128, 128), interpolation=cv2.INTER_AREA)
    seen = found.find(wide, Box(*(side / 4 for side in (FACE.x, FACE.y, FACE.width, FACE.height))))
    assert seen is not None
    apart = np.linalg.norm(4 * seen.points - smiling.points, axis=1)[:, None] / np.ptp(smiling.points[:, 0])
    assert apart.mean() < 0.08


def test_where_no_face_is_none_is_found(found: FaceLandmarker) -> None:
    picture = astronaut()
    image = Frame(0.0, picture)
    assert found.find(picture, Box(0, 200, 90, 90)) is None
    assert found.find(np.full((90, 90, 3), 127, np.uint8), Box(20, 20, 40, 40)) is None
    assert found.find(picture, Box(-500, -500, 90, 90)) is None
    nothing = found.follow([(image, box) for box in (Box(0, 200, 90, 90), FACE, Box(0, 200, 90, 90))])
    assert nothing.presence.astype(bool).tolist() == [False, True, False]
    assert not any(part[[0, 2]].any() for part in nothing)
    assert [part.shape for part in found.follow([])] == [(0, 478, 3), (0, 52), (0, 4, 4), (0,)]


def test_faces_of_generated_clips_are_where_they_are_drawn(clips: list[Loop]) -> None:
    errors = np.stack([clip.errors() for clip in clips])
    assert np.isfinite(errors).all()  # a face in each frame
    assert np.median(errors) < 0.05


def test_a_part_of_a_large_picture_tells_what_the_whole_tells(found: FaceLandmarker, tmp_path: Path) -> None:
    settings = SyntheticSettings(subjects=4, seconds=0.5, fps=20.0, size=540, width=960, seed=3)
    clip = Loop(found, *clip_of(tmp_path, settings, jobs(settings)[0]))
    whole = found.follow((Frame(frame.time_sec, frame.image), box) for frame, box in clip.frames())
    assert whole.presence.all()
    assert digest(clip.whole()) == digest(whole)
    frame, box = next(iter(clip.frames()))
    assert isinstance(frame, DecodedFrame)
    around = (int(box.x), int(box.y), int(box.x + box.width), int(box.y + box.height))
    assert frame.part(*around)[0].size < 0.5 * frame.image.size


def test_the_same_clip_gives_the_same_bytes_in_any_process(clips: list[Loop], tmp_path: Path) -> None:
    once = digest(clips[0].whole())
    clips[1].whole()  # what was looked at before does not matter
    assert digest(clips[0].whole()) == once
    script = (
        "import pathlib, sys; sys.path[:0] = sys.argv[2:]; import landmark_cases as c; "
        "print(c.digest(c.drawn(pathlib.Path(sys.argv[1]), c.CLIPS[0], c.landmarker()).whole()))"
    )
    line = [sys.executable, "-c", script, str(tmp_path), *map(str, Path(__file__).parents[:2])]
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip() == once


def test_a_face_that_jumps_is_looked_for_again(found: FaceLandmarker, smiling: Landmarks) -> None:
    image = Frame(0.0, astronaut())
    moved = Frame(0.0, np.ascontiguousarray(np.roll(astronaut(), (150, -120), axis=(0, 1))))
    jumped = Box(FACE.x - 120, FACE.y + 150, FACE.width, FACE.height)
    seen = found.follow([(image, FACE), (moved, jumped), (image, FACE)])
    assert seen.points[0] == pytest.approx(smiling.points)
    assert seen.points[2] == pytest.approx(smiling.points)
    assert seen.points[1] - [-120, 150, 0] == pytest.approx(smiling.points, abs=2)


# --- geometry and names ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def geometry() -> FaceGeometry:
    with zipfile.ZipFile(weights_file(WEIGHTS)) as parts:
        return FaceGeometry.read(parts.read("geometry_pipeline_metadata_landmarks.binarypb"))


def test_partners_are_those_of_the_canonical_face(geometry: FaceGeometry) -> None:
    assert PARTNERS[:468] == tuple(mirror_partners(geometry.canonical, 1e-3).tolist())
    assert [PARTNERS[i] for i in PARTNERS] == list(range(478))
    swapped = [BLENDSHAPES[i] for i in mirrored_names(BLENDSHAPES)]
    assert swapped[:4] == ["_neutral", "browDownRight", "browDownLeft", "browInnerUp"]
    assert sorted(swapped) == sorted(BLENDSHAPES)


def test_a_pose_is_found_again(geometry: FaceGeometry) -> None:
    width, height, size = 640, 480, 1.1
    turn = np.deg2rad(20)
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    at = size * geometry.canonical @ rotation.T + [4.0, -3.0, -60.0]
    focal = height / 2 / np.tan(np.deg2rad(63) / 2)
    seen = np.stack(
        [width / 2 - focal * at[:, 0] / at[:, 2], height / 2 + focal * at[:, 1] / at[:, 2], -focal * at[:, 2] / 60], 1
    )
    pose = geometry.pose(np.stack([seen, seen]), width, height)[1]
    scale = np.linalg.norm(pose[:3, 0])
    assert pose[:3, :3] / scale == pytest.approx(rotation, abs=0.02)
    assert pose[:3, 3] / scale == pytest.approx(np.array([4.0, -3.0, -60.0]) / size, abs=1.0)
    assert pose[3].tolist() == [0, 0, 0, 1]


def test_pose_can_be_taken_out(found: FaceLandmarker, smiling: Landmarks) -> None:
    flat = smiling.points[None, :468] * [1, -1, -1]  # y up, z towards the camera, as the canonical face
    still = without_pose(flat, found.geometry.canonical, found.geometry.weights)[0]
    assert np.linalg.norm(still - found.geometry.canonical, axis=1).mean() < 1.0  # centimetres


def test_units_are_the_table_of_their_blendshapes() -> None:
    assert len(set(INPUT_POINTS)) == 146
    values = np.zeros((2, 52), np.float32)
    values[1, [BLENDSHAPES.index(name) for name in ("jawOpen", "mouthUpperUpLeft", "eyeBlinkRight")]] = 0.8, 1.0, 0.4
    found = dict(zip(UNITS, units_of(values).T.tolist(), strict=True))
    seen = {name: pytest.approx(value) for name, (_, value) in found.items() if value}
    assert seen == {"AU10": 0.5, "AU25": 1.0, "AU26": 0.8, "AU45": 0.2}
    assert not units_of(values)[0].any()


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_is_checked(tmp_path: Path) -> None:
    wrong = tmp_path / WEIGHTS
    wrong.write_bytes(b"something else")
    for weights, reason in ((tmp_path / "no.task", "no such file"), (wrong, "sha256 .*, expected 64184e22")):
        with pytest.raises(UserError, match=reason) as caught:
            FaceLandmarker(weights)
        assert "storage.googleapis.com" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"key=.*no.task: no such file; .*key=default"):
        landmarker_file(str(tmp_path / "no.task"), "key")


def test_the_published_file_is_taken_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = published_folder() / WEIGHTS
    place.parent.mkdir(parents=True)
    place.write_bytes(weights_file(WEIGHTS).read_bytes())
    assert landmarker_file("default", "key") == place
    place.write_bytes(b"half of it")
    with pytest.raises(UserError, match="its sha256 does not begin with"):
        landmarker_file("default", "key")


def test_without_litert_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UserError, match="LiteRT, which is not installed: pip install"):
        FaceLandmarker(weights_file(WEIGHTS))


def test_litert_writes_no_line_of_information_and_what_else_it_says_comes_out() -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from realfake.streams.landmarker import FaceLandmarker, without_information\n"
        "FaceLandmarker(Path(sys.argv[1]))\n"
        "with without_information():\n    os.write(2, b'INFO: a\\nWARNING: b\\nERROR: c')\n"
        "    print('d', file=sys.stderr)\n"
    )
    line = [sys.executable, "-c", code, str(weights_file(WEIGHTS))]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr == "WARNING: b\nERROR: cd\n"
