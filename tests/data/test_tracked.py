"""What a tracker would write of generated clips: true where it says so, faulty as told, and blind to the labels."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from realfake.composing.composition import option
from realfake.config import DrawnSignal
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import frames_of, jobs
from realfake.data.synthetic.tracked import track, tracked_streams, tracked_table
from realfake.data.synthetic.true_points import Truth, truth_of

SETTINGS = SyntheticSettings(subjects=2, seconds=2.0, fps=12.5, size=360, noise=0.0)


FAULTS = option(DrawnSignal, losses_hz=1.0, loss_sec=0.3)
NONE = option(DrawnSignal, landmark_noise=0.0, unit_noise=0.0, angle_noise_deg=0.0, smoothing_sec=0.0, losses_hz=0.0)
SHARP = option(DrawnSignal, smoothing_sec=0.0, losses_hz=1.0, loss_sec=0.3)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return truth_of(SETTINGS, jobs(SETTINGS)[7])


def test_the_true_points_lie_on_the_drawn_face() -> None:
    """Pupils between the lids, dark corners of the mouth: points that are off by little miss them."""
    for job in (jobs(SETTINGS)[0], jobs(SETTINGS)[19]):
        found = truth_of(SETTINGS, job)
        frame = next(itertools.islice(frames_of(SETTINGS, job), 3, 4))  # near rest
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(float)
        points = found.landmarks[3]
        cheek = (points[2] + points[31]) / 2
        skin = grey[int(cheek[1]), int(cheek[0])]
        for lids in (points[36:42], points[42:48]):
            x, y = np.rint(lids.mean(axis=0)).astype(int)
            assert grey[y - 3 : y + 4, x - 3 : x + 4].min() < 0.35 * skin
        for corner in (points[48], points[54]):
            x, y = np.rint(corner).astype(int)
            assert grey[y - 1 : y + 2, x - 1 : x + 2].mean() < 0.6 * skin
        assert (points.min(axis=0) > 0).all()
        assert (points.max(axis=0) < SETTINGS.size).all()


def test_points_obey_units_and_are_numbered_as_in_300_w(truth: Truth) -> None:
    eyes = np.linalg.norm(truth.landmarks[:, 45] - truth.landmarks[:, 36], axis=1)
    apart = np.linalg.norm(truth.landmarks[:, 54] - truth.landmarks[:, 48], axis=1) / eyes
    smile = truth.units[:, 8]  # AU12
    assert smile.max() > 2.0
    assert np.corrcoef(apart, smile)[0, 1] > 0.9
    middle = truth.landmarks[:, 8, 0]
    for left, right in ((0, 16), (17, 26), (36, 45), (31, 35), (48, 54), (60, 64)):
        assert (truth.landmarks[:, left, 0] < middle).all()
        assert (truth.landmarks[:, right, 0] > middle).all()
    assert (truth.landmarks[:, 8, 1] > truth.landmarks[:, 57, 1]).all()  # chin, lip, nose, brow
    assert (truth.landmarks[:, 57, 1] > truth.landmarks[:, 33, 1]).all()
    assert (truth.landmarks[:, 33, 1] > truth.landmarks[:, 19, 1]).all()


def test_a_tracker_without_faults_finds_the_truth(truth: Truth) -> None:
    job = jobs(SETTINGS)[7]
    for stream, found in tracked_streams(SETTINGS, job, NONE).items():
        np.testing.assert_allclose(found.values, getattr(truth, stream), atol=1e-4)
        np.testing.assert_allclose(found.times_sec, np.arange(25) / 12.5, atol=1e-4)
        assert (found.quality > 0.9).all()


def test_faults_are_as_told_and_drawn_by_the_clip_alone(truth: Truth) -> None:
    job, other = jobs(SETTINGS)[7], jobs(SETTINGS)[8]
    assert tracked_table(SETTINGS, job, FAULTS) == tracked_table(SETTINGS, job, FAULTS)
    long = Truth(np.arange(2000) / 25.0, *(np.repeat(v[:1], 2000, axis=0) for v in truth[1:]))
    found = track(long, SHARP, np.random.default_rng(1))
    eyes = np.linalg.norm(long.landmarks[0, 45] - long.landmarks[0, 36])
    noise = found["landmarks"].values - long.landmarks
    assert noise.std() == pytest.approx(0.01 * eyes, rel=0.02)
    assert np.rad2deg((found["gaze"].values - long.gaze).std()) == pytest.approx(1.0, rel=0.05)
    smooth = (
        track(long, option(DrawnSignal, smoothing_sec=0.2), np.random.default_rng(1))["landmarks"].values
        - long.landmarks
    )
    assert smooth.std() < 0.4 * noise.std()
    lost = found["landmarks"].quality == 0
    assert lost.mean() == pytest.approx(1.0 - np.exp(-0.3), abs=0.1)  # 80 losses of 0.3 s in 80 s, some at once
    same = [tracked_streams(SETTINGS, j, FAULTS)["pose"].quality for j in (job, other)]
    assert not np.array_equal(*same)


def test_faults_know_nothing_of_the_labels() -> None:
    """At another difficulty real and posed move otherwise; noise and lost frames stay what they are."""
    for job in jobs(SETTINGS)[7:9]:
        found = []
        for difficulty in (0.0, 1.0):
            settings = replace(SETTINGS, difficulty=difficulty)
            true = truth_of(settings, job)
            streams = track(true, SHARP, np.random.default_rng(5))
            found.append((true, streams))
        (a, one), (b, two) = found
        assert not np.allclose(a.units, b.units, atol=0.5)
        np.testing.assert_array_equal(one["units"].quality, two["units"].quality)
        np.testing.assert_allclose(one["pose"].values - a.pose, two["pose"].values - b.pose, atol=1e-4)
