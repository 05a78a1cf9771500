"""Curves of streams: interpolated over short gaps alone, and means that respect who people are."""

from __future__ import annotations

import numpy as np
import pytest

from realfake.description.signal_curves import GAP_SEC, POINTS, course
from realfake.scoring.statistics import means_over_people, t_interval
from realfake.streams.stream import Extracted

FPS = 50


def clip(quality: np.ndarray, duration_sec: float = 2.0) -> Extracted:
    """Two numbers that rise by one and fall by two a second."""
    times = np.arange(round(duration_sec * FPS)) / FPS
    values = np.stack([times, -2.0 * times], axis=1)
    values[quality <= 0] = 1000.0
    return Extracted(times.astype(np.float32), values.astype(np.float32), quality.astype(np.float32))


@pytest.mark.parametrize("gap_sec", [0.0, 0.16, 0.5])
def test_short_gaps_are_interpolated_over_and_long_ones_stay(gap_sec: float) -> None:
    quality = np.ones(100)
    quality[50 : 50 + round(gap_sec * FPS)] = 0.0
    found = course(clip(quality), 2.0)
    points = np.linspace(0.0, 2.0, POINTS)
    expected = np.minimum(points, 99 / FPS)[:, None] * [1.0, -2.0]
    lost = (points > 49 / FPS) & (points < 1.0 + gap_sec) & (gap_sec > GAP_SEC)
    assert lost.any() == (gap_sec > GAP_SEC)
    np.testing.assert_array_equal(np.isnan(found), np.repeat(lost[:, None], 2, axis=1))
    np.testing.assert_allclose(found[~lost], expected[~lost], atol=1e-5)


def test_the_ends_are_held_no_longer_than_a_gap_may_be() -> None:
    found = course(clip(np.ones(100)), 4.0)[:, 0]  # the second half was not looked at
    points = np.linspace(0.0, 4.0, POINTS)
    np.testing.assert_array_equal(np.isnan(found), points > 99 / FPS + GAP_SEC)
    assert np.isnan(course(clip(np.zeros(100)), 2.0)).all()
    slow = Extracted(np.arange(4, dtype=np.float32), np.arange(4, dtype=np.float32)[:, None], np.ones(4, np.float32))
    np.testing.assert_allclose(course(slow, 3.0)[:, 0], np.linspace(0.0, 3.0, POINTS), atol=1e-6)


def test_each_person_counts_once() -> None:
    rng = np.random.default_rng(0)
    subject = np.array([7, 7, 7, 2, 9, 9])
    values = rng.normal(size=(6, 4))
    values[3, 1] = values[4:, 2] = np.nan
    values[:5, 3] = np.nan
    mean, low, high, people = means_over_people(values, subject)
    assert people.tolist() == [3, 2, 2, 1]
    for k in range(4):
        each = [np.nanmean(v) for s in (2, 7, 9) if np.isfinite(v := values[subject == s, k]).any()]
        np.testing.assert_allclose([mean[k], low[k], high[k]], list(vars(t_interval(np.array(each))).values()))
