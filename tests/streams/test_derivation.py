"""Derived streams: what their names mean, their values, gaps, and what they are in a mirror."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch
from landmark_cases import FACE, astronaut, landmarker
from scipy.spatial.transform import Rotation

from realfake.composing.composition import option
from realfake.config import BOX, PIXELS, DrawnSignal, FeaturesSignal, MediapipeSignal, MotionSignal, StreamInfo
from realfake.config.clip_descriptors import MARKER_POINTS
from realfake.config.derivations import stream_named
from realfake.config.landmarks import PARTNERS, UNITS
from realfake.config.trackers import EYE_CORNERS
from realfake.errors import UserError
from realfake.streams.augment import mirror
from realfake.streams.clip_dynamics import dynamics
from realfake.streams.derivation import derivation
from realfake.streams.landmark_geometry import CANONICAL, FaceGeometry
from realfake.streams.mediapipe import mesh_of
from realfake.streams.stream import Extracted

KNOWN = {
    info.name: info
    for infos in (
        (BOX,),
        option(DrawnSignal, streams=["landmarks", "pose", "gaze"]).infos(),
        [info for info in option(MediapipeSignal).infos() if info.name != "pose"],
        option(MotionSignal, grid=3).infos(),
        option(FeaturesSignal, backbone="tiny_cnn", streams=["features", "maps"]).infos(),
    )
    for info in infos
}


@dataclass
class Landmarker:
    """Something that knows a canonical face."""

    face: FaceGeometry

    def infos(self) -> tuple[StreamInfo, ...]:
        return option(MediapipeSignal).infos()

    def canonical(self) -> FaceGeometry:
        return self.face


def symmetric_face() -> FaceGeometry:
    rng = np.random.default_rng(0)
    other = np.array(PARTNERS)[:CANONICAL]
    points, weights = rng.normal(0, 5, (CANONICAL, 3)), np.zeros(CANONICAL)
    points = (points + points[other] * [-1, 1, 1]) / 2
    weights[[10, 33, 263, 152, 1]] = 0.5, 1.0, 1.0, 0.3, 2.0
    return FaceGeometry(points, weights)


def derived(name: str, found: Extracted, signals: Sequence[object] = ()) -> Extracted:
    return derivation(stream_named(name, KNOWN), signals)(found)  # type: ignore[arg-type]


def some(name: str, n: int = 40, seed: int = 0) -> Extracted:
    """A smooth course of a stream at irregular moments, with two gaps."""
    rng = np.random.default_rng(seed)
    info = KNOWN[name]
    times = np.cumsum(rng.uniform(0.02, 0.06, n)).astype(np.float32)
    waves = rng.normal(0, 1, (3, info.size)), rng.normal(0, 1, (3, info.size))
    angles = 2.0 * np.outer(times, [1, 2, 3])
    flat = rng.normal(0, 3, info.size) + np.sin(angles) @ waves[0] + np.cos(angles) @ waves[1]
    quality = np.ones(n, np.float32)
    quality[[7, 8, 30]] = 0.0
    return Extracted(times, flat.reshape(n, *info.shape).astype(np.float32), quality)


NAMES = [
    "mesh_steady", "mesh_velocity", "mesh_asymmetry", "mesh_steady_acceleration", "mesh_neutral_asymmetry",
    "landmarks_steady", "landmarks_steady_velocity", "landmarks_asymmetry", "landmarks_neutral",
    "blendshapes_velocity", "blendshapes_asymmetry", "blendshapes_velocity_asymmetry", "blendshapes_phase",
    "units_acceleration", "units_phase", "units_neutral_velocity", "motion_asymmetry", "motion_velocity",
    "pose_velocity", "gaze_neutral", "box_velocity", "maps_centred", "blendshapes_dynamics",
    "blendshapes_velocity_dynamics", "units_saxen_dynamics", "units_phase_dynamics", "units_saxen",
    "units_apex", "landmarks_apex", "mesh_markers", "landmarks_markers", "landmarks_steady_markers",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_in_a_mirror_a_derived_stream_is_what_its_description_says(name: str) -> None:
    info = stream_named(name, KNOWN)
    assert info.base is not None
    found = some(info.source, seed=2 if "markers" in info.rules else 0)  # in which a longest rise is followed by a fall
    flip = torch.tensor([True])
    flipped = found._replace(values=mirror(torch.from_numpy(found.values)[None], info.base, flip)[0].numpy())
    knowing = [Landmarker(symmetric_face())]
    plain, mirrored = (derived(name, one, knowing) for one in (found, flipped))
    assert plain.values.shape == (1 if info.of_clip else 40, *info.shape)
    assert len(info.names()) == info.size
    told = mirror(torch.from_numpy(plain.values)[None], info, flip)[0].numpy()
    np.testing.assert_allclose(mirrored.values, told, atol=1e-3 * np.abs(told).max())
    assert plain.values.any()
    if info.of_clip:
        assert plain.times_sec.tolist() == [found.times_sec[19]]
        return
    assert not plain.quality[[7, 8, 30]].any()  # gaps stay gaps
    assert plain.quality.sum() == 37
    assert not plain.values[[7, 8, 30]].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_without_its_base_has_none(name: str) -> None:
    info = stream_named(name, KNOWN)
    found = derived(name, Extracted(*(values[:0] for values in some(info.source))), [Landmarker(symmetric_face())])
    assert [part.shape for part in found] == [(0,), (0, *info.shape), (0,)]


def test_rates_are_those_of_a_second() -> None:
    found = some("units")
    t = found.times_sec[:, None]
    found = found._replace(values=np.broadcast_to(1 + 2 * t + 3 * t**2, found.values.shape).astype(np.float32))
    known = found.quality > 0
    np.testing.assert_allclose(derived("units_velocity", found).values[known, 5], 2 + 6 * t[known, 0], rtol=1e-3)
    np.testing.assert_allclose(derived("units_acceleration", found).values[known, 5], 6.0, rtol=2e-2)
    velocity = stream_named("units_velocity", KNOWN)
    assert (velocity.unit, velocity.names(), velocity.source) == ("0 to 1 a second", KNOWN["units"].components, "units")
    assert stream_named("mesh_steady_acceleration", KNOWN).unit.endswith(
        "centimetres of the canonical face a second squared"
    )


def test_moments_by_themselves_have_no_rate() -> None:
    found = some("units")
    found.quality[[2, 4]] = 0.0
    expected = found.quality.copy()
    expected[:7] = 0.0  # two moments, one, and two before the gap at 7
    np.testing.assert_array_equal(derived("units_velocity", found).quality, expected)
    assert (derived("units_neutral", found).quality > 0).tolist() == (found.quality > 0).tolist()


def moved(points: np.ndarray, seed: int = 0) -> np.ndarray:
    """Points (n, p, d) turned, scaled and moved, each moment otherwise."""
    rng = np.random.default_rng(seed)
    n, _, d = points.shape
    turn = Rotation.from_rotvec(rng.normal(0, 0.4, (n, 3)) * ([0, 0, 1] if d == 2 else 1)).as_matrix()[:, :d, :d]
    return (rng.uniform(0.5, 3, (n, 1, 1)) * points @ turn + rng.normal(0, 9, (n, 1, d))).astype(np.float32)


@pytest.mark.parametrize("name", ["landmarks", "mesh"])
def test_steady_points_do_not_move_with_the_head(name: str) -> None:
    knowing = [Landmarker(symmetric_face())]
    found = some(name)
    steady = derived(f"{name}_steady", found, knowing)
    turned = derived(f"{name}_steady", found._replace(values=moved(found.values)), knowing)
    known = found.quality > 0
    np.testing.assert_allclose(turned.values[known], steady.values[known], atol=2e-3 * np.abs(steady.values).max())


def test_the_midline_of_a_steady_face_is_at_zero_and_its_eyes_one_apart() -> None:
    info = KNOWN["landmarks"]
    other = np.array([place // 2 for place, _ in info.mirrored[::2]])
    face = np.random.default_rng(1).normal(0, 1, (68, 2))
    face[list(EYE_CORNERS)] = [[-3, 0], [3, 0]]
    face = (face + face[other] * [-1, 1]) / 2
    still = np.broadcast_to(face, (20, 68, 2))
    smiling = still.copy()
    smiling[15:, 54] += [0.6, 0.3]  # one corner of the mouth, in the picture's right
    times = np.arange(20, dtype=np.float32) / 20
    found = Extracted(times, moved(smiling), np.ones(20, np.float32))
    steady = derived("landmarks_steady", found).values
    np.testing.assert_allclose(steady[:15], np.broadcast_to(face / 6, (15, 68, 2)), atol=1e-5)
    np.testing.assert_allclose(steady[19, 54] - face[54] / 6, [0.1, 0.05], atol=1e-5)
    uneven = derived("landmarks_asymmetry", found)
    names = stream_named("landmarks_asymmetry", KNOWN).components
    assert names[names.index("48-54")] == "48-54"
    assert "27" in names
    assert len(names) == uneven.values.shape[1] < 68
    np.testing.assert_allclose(uneven.values[19, names.index("48-54")], np.hypot(0.1, 0.05), atol=1e-5)
    np.testing.assert_allclose(np.delete(uneven.values[19], names.index("48-54")), 0.0, atol=1e-5)


def test_points_in_one_place_are_a_gap() -> None:
    found = some("landmarks")
    found.values[12] = 0.5
    steady = derived("landmarks_steady", found)
    assert np.flatnonzero(steady.quality == 0).tolist() == [7, 8, 12, 30]
    assert not (derived("landmarks_steady", found._replace(values=np.ones_like(found.values))).quality > 0).any()


def test_one_side_less_the_other_is_named_so() -> None:
    info = stream_named("blendshapes_asymmetry", KNOWN)
    found = some("blendshapes")
    k = info.components.index("mouthSmileLeft-mouthSmileRight")
    left, right = (KNOWN["blendshapes"].components.index(f"mouthSmile{side}") for side in ("Left", "Right"))
    values = derived("blendshapes_asymmetry", found).values
    known = found.quality > 0
    np.testing.assert_array_equal(values[known, k], (found.values[:, left] - found.values[:, right])[known])


def test_phases_are_numbers_of_a_rise_and_a_fall() -> None:
    times = np.arange(100, dtype=np.float32) / 25
    smile = np.interp(times, [0, 1.0, 1.6, 2.4, 3.2, 4], [0, 0, 1, 1, 0, 0])
    values = np.zeros((100, 23), np.float32)
    values[:, 8] = smile
    quality = np.ones(100, np.float32)
    quality[30:33] = 0.0  # within the onset
    values[30:33] = 99.0
    found = derived("units_phase", Extracted(times, values, quality)).values
    assert not np.delete(found, 8, axis=1).any()
    at = {sec: int(found[round(sec * 25), 8]) for sec in (0.4, 1.12, 1.4, 2.0, 2.9, 3.9)}
    assert at == {0.4: 0, 1.12: 1, 1.4: 1, 2.0: 2, 2.9: 3, 3.9: 0}
    assert stream_named("units_phase", KNOWN).unit == "0 neutral, 1 onset, 2 apex, 3 offset"


def test_the_apex_is_when_and_how_far_the_face_is_from_neutral() -> None:
    times = np.arange(101, dtype=np.float32) / 25
    values = np.full((101, 23), 0.5, np.float32)
    values[:, 8] += 0.46 * np.exp(-(((times - 3.0) / 0.6) ** 2))
    quality = np.ones(101, np.float32)
    quality[60:70] = 0.0
    found = derived("units_apex", Extracted(times, values, quality))
    assert found.values[0].tolist() == pytest.approx([0.46 / 23, 0.75], rel=0.05)
    assert stream_named("units_apex", KNOWN).names() == ("intensity", "time")


def test_a_descriptor_is_of_the_curve_without_its_gaps() -> None:
    """The numbers are named, and those of a tracker's clip are the function's of its curve, gaps interpolated."""
    info = stream_named("units_saxen_dynamics", KNOWN)
    assert (info.shape, info.size, info.names()[62]) == ((7, 62), 434, "AU02_mean")
    times = np.arange(60) / 25
    values = np.random.default_rng(0).uniform(0, 1, (60, 23)).astype(np.float32)
    quality = np.ones(60, np.float32)
    quality[[0, 1, 20, 21, 22, 40]] = 0.0
    found = derived("units_saxen_dynamics", Extracted(times.astype(np.float32), values, quality))
    known = np.flatnonzero(quality)
    nine = np.interp(times[2:], times[known], values[known, UNITS.index("AU09")].astype(np.float64))
    assert found.values[0, 4] == pytest.approx(dynamics(nine[:, None], 25.0, 1.0)[0], rel=1e-4, abs=1e-5)
    assert found.quality.tolist() == [1.0]
    faster = derived("units_saxen_dynamics4hz", Extracted(times.astype(np.float32), values, quality))
    assert faster.values[0, 4] == pytest.approx(dynamics(nine[:, None], 25.0, 4.0)[0], rel=1e-3, abs=1e-4)
    for lost in (slice(3, None), slice(None)):  # three moments are too few
        quality[lost] = 0.0
        assert derived("units_dynamics", Extracted(times.astype(np.float32), values, quality)).quality.tolist() == [0.0]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "units_velocty",
            r"units_velocty: no stream follows by 'velocty'; did you mean 'velocity'\? \(there are: units",
        ),
        ("unit_velocity", r"the data have no stream unit_velocity; did you mean 'units_velocity'\? \(there are: "),
        ("meshes", r"the data have no stream meshes; did you mean 'mesh'\? \(there are"),
        ("units_steady", r"units_steady: steady takes points of a face as they are found, such as mesh_steady"),
        ("mesh_velocity_steady", r"mesh_velocity_steady: steady takes points of a face as they are found"),
        ("units_asymmetry", r"units_asymmetry: asymmetry takes points, or numbers with left and right; units has no"),
        ("box_asymmetry", r"box_asymmetry: asymmetry takes points, or numbers with left and right; box has no sides"),
        ("features_asymmetry", r"features_asymmetry: asymmetry takes points"),
        ("mesh_asymmetry_asymmetry", r"mesh_asymmetry_asymmetry: asymmetry takes points"),
        ("mesh_phase", r"mesh_phase: phase takes intensities, such as units; mesh has numbers of both signs"),
        ("units_phase_velocity", r"units_phase_velocity: nothing but dynamics follows from phases; let phase"),
        ("units_dynamics_velocity", r"units_dynamics_velocity: a whole clip has one value; let dynamics stand last"),
        ("mesh_velocity_markers", r"mesh_velocity_markers: markers takes points of a face as they are found, such as"),
        ("units_markers", r"units_markers: markers takes points of a face as they are found, such as mesh_markers"),
        ("box_saxen", r"box_saxen: saxen takes action units, such as units; box has no AU01"),
        ("pixels_velocity", r"pixels_velocity: pixels are pictures; expected a stream of numbers, such as box_vel"),
    ],
)
def test_what_follows_from_nothing_is_refused(name: str, line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}"):
        stream_named(name, {**KNOWN, "pixels": PIXELS})


@pytest.mark.parametrize(
    ("name", "near"),
    [("motion_asymmetry", ""), ("boxs_asymmetry", ""), ("boxs_velocity", "; did you mean 'box_velocity'?")],
)
def test_only_what_there_is_is_suggested(name: str, near: str) -> None:
    with pytest.raises(
        ValueError, match=f"^{re.escape(f'the data have no stream {name}{near} (there are: pixels, box)')}"
    ):
        stream_named(name, {"pixels": PIXELS, "box": BOX})


def test_a_name_of_its_own_comes_before_a_suffix() -> None:
    own = replace(KNOWN["box"], name="units_velocity")
    known = {**KNOWN, "units_velocity": own}
    assert stream_named("units_velocity", known) is own
    assert stream_named("units_velocity_velocity", known).base is own


def test_points_of_a_guest_without_a_canonical_face_are_refused_steady() -> None:
    with pytest.raises(UserError, match="mesh_steady: what gives mesh does not know the canonical face; leave it out"):
        derived("mesh_steady", some("mesh"))


def test_a_damaged_table_has_no_markers() -> None:
    found = some("landmarks", seed=2)
    found.values[:, 39] = found.values[:, 36]
    assert derived("landmarks_markers", found).quality.tolist() == [0.0]


def test_points_of_markers_lie_where_they_are_said_to() -> None:
    """On the published landmarker's canonical face, x to the person's left, y upwards."""
    regions = MARKER_POINTS["canonical"]
    numbers = {name: [k for (k,) in points] for name, points in regions.items()}
    face = landmarker().geometry.canonical
    eyes = numbers["eyelids"]
    for left, right in (numbers["lips"], numbers["cheeks"], (eyes[0], eyes[5]), (eyes[1], eyes[4]), (eyes[2], eyes[3])):
        assert PARTNERS[left] == right
    outer, lid, inner = face[eyes[:3]]
    assert outer[0] < lid[0] < inner[0] < 0.0
    assert lid[1] > max(outer[1], inner[1])
    assert face[numbers["lips"][0]][1] < face[numbers["cheeks"][0]][1] < outer[1]


def test_a_face_and_its_mirror_image_are_mirror_images_on_the_canonical_face() -> None:
    """The published landmarker's points, laid onto the canonical face, of a photograph as it is and mirrored."""
    seen = landmarker()
    image = astronaut()
    width = image.shape[1]
    boxes = [FACE, replace(FACE, x=width - FACE.x - FACE.width)]
    marks = [seen.find(picture, box) for picture, box in zip((image, cv2.flip(image, 1)), boxes, strict=True)]
    meshes = np.concatenate([mesh_of(m.points[None], [box]) for m, box in zip(marks, boxes, strict=True) if m])
    found = Extracted(np.array([0.0, 1.0], np.float32), meshes, np.ones(2, np.float32))
    knowing = [Landmarker(seen.geometry)]
    steady = derived("mesh_steady", found, knowing).values
    assert np.linalg.norm(steady[0, :CANONICAL] - seen.geometry.canonical, axis=1).mean() < 1.0  # centimetres
    info = stream_named("mesh_steady", KNOWN)
    told = mirror(torch.from_numpy(steady[:1])[None], info, torch.tensor([True]))[0, 0].numpy()
    assert np.linalg.norm(steady[1] - told, axis=1).mean() < 0.2
