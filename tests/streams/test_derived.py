"""What follows from points and curves: poses taken out, rates, asymmetry, phases, differences to neutral."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from realfake.streams.derived import (
    asymmetry,
    centred,
    fit_similarity,
    from_neutral,
    mirror_partners,
    phases,
    rates,
    rise_and_fall,
    without_pose,
)

FACE = np.array(
    [[-2, 1, 0], [2, 1, 0], [-1, -2, 0.5], [1, -2, 0.5], [0, 0, 2], [0, 3, -1], [0, -3, 0]], dtype=np.float64
)
"""Eyes, corners of the mouth, and three points on the midline."""


def moved(points: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """The face in n poses, (n, p, 3)."""
    rng = np.random.default_rng(seed)
    turn = Rotation.from_rotvec(rng.normal(0, 0.6, (n, 3))).as_matrix()
    return rng.uniform(0.5, 9, (n, 1, 1)) * (points @ turn.transpose(0, 2, 1)) + rng.normal(0, 50, (n, 1, 3))


@given(st.integers(0, 10_000))
def test_a_similarity_is_found_again(seed: int) -> None:
    seen = moved(FACE, 3, seed)
    fit = fit_similarity(FACE, seen)
    assert np.allclose(fit.apply(FACE), seen)
    assert np.allclose(fit.undo(seen), FACE)
    assert np.allclose(np.linalg.det(fit.rotation), 1.0)


def test_the_rotation_is_that_of_a_weighted_reference() -> None:
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 1, len(FACE))
    seen = moved(FACE, 1)[0] + rng.normal(0, 1.0, FACE.shape)
    fit = fit_similarity(FACE, seen, weights)
    middles = [np.average(points, axis=0, weights=weights) for points in (seen, FACE)]
    reference, _ = Rotation.align_vectors(seen - middles[0], FACE - middles[1], weights)
    assert np.allclose(fit.rotation, reference.as_matrix())

    def cost(scale: float) -> float:
        mapped = scale * (FACE - middles[1]) @ reference.as_matrix().T + middles[0]
        return float(weights @ ((mapped - seen) ** 2).sum(1))

    assert np.allclose(fit.translation, middles[0] - fit.scale * reference.apply(middles[1]))
    best = cost(float(fit.scale))
    assert best < min(cost(1.001 * float(fit.scale)), cost(0.999 * float(fit.scale)))


def test_a_mirrored_face_is_turned_never_mirrored() -> None:
    uneven = FACE + np.eye(7, 3)
    fit = fit_similarity(uneven, uneven * [-1, 1, 1])
    assert np.linalg.det(fit.rotation) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="more than one place"):
        fit_similarity(np.ones((4, 3)), FACE[:4])


def test_without_pose_only_the_expression_is_left() -> None:
    weights = np.array([1, 1, 0, 0, 1, 1, 1])  # corners of the mouth say nothing of the pose
    smiling = FACE.copy()
    smiling[2:4] += [[-0.3, 0.2, 0], [0.3, 0.2, 0]]
    still = without_pose(moved(smiling, 5), FACE, weights)
    assert still.dtype == np.float32
    assert np.allclose(still, smiling, atol=1e-4)


@given(st.lists(st.floats(0.01, 0.5), min_size=2, max_size=12), st.floats(-3, 3), st.floats(-3, 3))
def test_rates_are_exact_for_constant_acceleration_at_irregular_moments(
    steps: list[float], speed: float, growth: float
) -> None:
    t = np.cumsum([0.0, *steps])
    velocity, acceleration = rates(np.stack([1 + speed * t + growth * t**2 / 2, -t], 1), t)
    assert np.allclose(velocity, np.stack([speed + growth * t, -np.ones_like(t)], 1), atol=1e-4)
    assert np.allclose(acceleration, [[growth, 0.0]] * len(t), atol=1e-3)


def test_no_rate_goes_across_a_gap() -> None:
    t = np.arange(9) / 10
    x = np.where(t < 0.35, 2 * t, 100 - 3 * t)
    velocity, acceleration = rates(x, t, known=np.array([1, 1, 1, 1, 0, 1, 1, 1, 0], bool))
    assert velocity[[0, 3, 5, 7]] == pytest.approx([2, 2, -3, -3], abs=1e-4)
    assert np.isnan(velocity[[4, 8]]).all()
    assert np.nanmax(abs(acceleration)) < 1e-3
    assert np.isnan(rates(x[:2], t[:2])[0]).all()  # a parabola has three points
    with pytest.raises(ValueError, match="rising"):
        rates(x, t[::-1])


def test_partners_in_a_mirror() -> None:
    partners = mirror_partners(FACE, 1e-6)
    assert partners.tolist() == [1, 0, 3, 2, 4, 5, 6]
    with pytest.raises(ValueError, match="most lonely"):
        mirror_partners(FACE + np.eye(7, 3), 0.1)
    with pytest.raises(ValueError, match="the same mirror image"):
        mirror_partners(np.concatenate([FACE, FACE[:1]]), 1e-6)


def test_asymmetry_is_what_one_side_does_alone() -> None:
    partners = mirror_partners(FACE, 1e-6)
    both, one, middle = FACE.copy(), FACE.copy(), FACE.copy()
    both[2:4] += [[-0.3, 0.2, 0], [0.3, 0.2, 0]]
    one[3] += [0.3, 0.4, 0]
    middle[6] += [0.25, 0, 0]
    found = asymmetry(np.stack([both, one, middle]), partners)
    assert np.allclose(found[0], 0.0)
    assert np.allclose(found[1], [0, 0, 0.5, 0.5, 0, 0, 0])
    assert np.allclose(found[2], [0, 0, 0, 0, 0, 0, 0.5])


def test_phases_are_first_peak_and_last_over_a_threshold() -> None:
    t = np.array([0.0, 0.1, 0.3, 0.4, 0.8, 0.9, 1.5])
    curve = np.array([0.1, 0.3, 0.9, 0.2, 0.9, np.nan, 0.1])
    found = phases(curve, t, 0.25)
    assert found is not None
    assert tuple(found) == (0.1, 0.3, 0.8, 0.9)
    assert phases(curve, t, 0.9) is None


def test_the_longest_rise_and_the_longest_fall_after_it() -> None:
    curve = np.array([5, 4, 3, 2, 1, 1, 2, 3, 4, 4, 3, 4, 3, 2, 1, 1.5, 1.0])
    found = rise_and_fall(curve)
    assert found is not None
    assert (found.onset, found.apex, found.offset) == (slice(5, 9), slice(8, 12), slice(11, 15))
    assert rise_and_fall(curve[:5]) is None
    assert rise_and_fall(np.array([1.0, 2.0, 3.0])) is None


def test_a_clip_is_compared_with_its_own_mean() -> None:
    values, known = np.array([[1.0, 2.0], [9.0, 9.0], [3.0, 6.0]]), np.array([True, False, True])
    assert centred(values, known)[known].tolist() == [[-1.0, -2.0], [1.0, 2.0]]
    assert not centred(values, np.zeros(3, bool)).any()


def test_a_clip_is_compared_with_its_own_neutral_face() -> None:
    t = np.array([0.0, 0.2, 0.3, 0.4, 0.5, 2.0])
    looks = np.array([3.0, -1.0])
    values = looks + np.array([9, 0, 0.1, -0.1, 0, 1])[:, None]
    known = np.array([False, True, True, True, True, True])
    found = from_neutral(values, t, known, neutral_sec=0.31)
    assert found[1:] == pytest.approx(values[1:] - looks, abs=1e-6)
    assert not from_neutral(values, t, np.zeros(6, bool), 0.3).any()
