"""Descriptors of whole clips against computations in plain loops and SciPy's functions, curve by curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal, stats

from realfake.config.clip_descriptors import DYNAMICS
from realfake.streams.clip_dynamics import dynamics


def low_pass(curve: np.ndarray, rate: float, cutoff: float) -> np.ndarray:
    """First order, from its definition: the bilinear transform of 1 / (s + 1), forwards and backwards."""
    k = math.tan(math.pi * cutoff / rate)
    b, a = [k / (1 + k)] * 2, [1.0, (k - 1) / (1 + k)]
    start = signal.lfilter_zi(b, a)
    ends = 2 * curve[0] - curve[3:0:-1], 2 * curve[-1] - curve[-2:-5:-1]
    x = np.concatenate([ends[0], curve, ends[1]])
    for _ in range(2):
        x = signal.lfilter(b, a, x, zi=start * x[0])[0][::-1]
    return x[3:-3]


def expected_statistics(x: np.ndarray, rate: float) -> list[float]:
    n, mean, low, high = len(x), sum(x) / len(x), min(x), max(x)

    def percentile(p: float) -> float:
        """MATLAB's: the k-th of n sorted values is the 100 (k − 0.5) / n-th percentile."""
        return float(np.interp(p, [100 * (k + 0.5) / n for k in range(n)], sorted(x)))

    def crossings(level: float) -> list[int]:
        return [i for i in range(1, n) if (x[i] > level) != (x[i - 1] > level)]

    middle, at = (low + mean) / 2, list(x).index(high) / rate
    area = sum(x - low) / rate
    return [
        mean, stats.scoreatpercentile(x, 50), low, high, high - low, stats.tstd(x), percentile(75) - percentile(25),
        percentile(90) - percentile(10), sum(abs(v - mean) for v in x) / n, at, sum(x > mean) / n, sum(x > middle) / n,
        math.ceil(len(crossings(mean)) / 2), math.ceil(len(crossings(middle)) / 2), 0.001 * 100 * area,
        0.01 * 100 * area / (high - low), at - crossings(mean)[0] / rate,
    ]  # fmt: skip


def expected(curve: np.ndarray, rate: float, cutoff: float) -> list[float]:
    smooth = low_pass(curve, rate, cutoff)
    speed = low_pass((smooth[1:] - smooth[:-1]) * rate, rate, cutoff)
    acceleration = low_pass((speed[1:] - speed[:-1]) * rate, rate, cutoff)
    found = [expected_statistics(x, rate) for x in (smooth, speed, acceleration)]
    return [*found[0], *found[1], *found[2], *(found[0][k] ** 2 for k in (*range(9), 14, 15))]


@pytest.mark.parametrize(
    ("n", "rate", "cutoff"),
    [(100, 25.0, 1.0), (75, 25.0, 1.0), (301, 100.0, 1.0), (17, 10.0, 1.0), (6, 8.0, 1.0), (75, 25.0, 4.0)],
)
def test_of_a_curve_62_numbers(n: int, rate: float, cutoff: float) -> None:
    rng = np.random.default_rng(n)
    curves = np.cumsum(rng.normal(0, 1, (n, 3)), axis=0) + np.array([0.0, 20.0, -3.0])
    found = dynamics(curves, rate, cutoff)
    assert found.shape == (3, 62) == (3, len(DYNAMICS))
    for curve, own in zip(curves.T, found, strict=True):
        assert own.tolist() == pytest.approx(expected(curve, rate, cutoff), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
def test_what_does_not_vary_has_its_value_and_zeros(value: float) -> None:
    found = dict(zip(DYNAMICS, dynamics(np.full((40, 1), value), 25.0, 1.0)[0].tolist(), strict=True))
    own = {name: found.pop(name) for name in ("mean", "median", "minimum", "maximum")}
    own |= {f"{name}-squared": found.pop(f"{name}-squared") for name in list(own)}
    assert list(own.values()) == pytest.approx([value] * 4 + [value**2] * 4, rel=1e-12)
    assert not any(abs(v) > 1e-9 * abs(value) for v in found.values())


def test_the_rate_does_not_matter() -> None:
    """A slow curve seen at 50 and at 200 moments a second."""
    found = []
    for rate in (50, 200):
        t = np.arange(0, 4 + 1e-9, 1 / rate)
        found.append(dynamics(np.exp(-(((t - 1.7) / 0.8) ** 2))[:, None], rate, 1.0)[0])
    assert found[0].tolist() == pytest.approx(found[1].tolist(), rel=0.05, abs=0.05)


def test_two_moments_a_second_hold_nothing_to_smooth() -> None:
    curve = np.array([[1.0], [4.0], [2.0], [3.0]])
    assert dict(zip(DYNAMICS, dynamics(curve, 2.0, 1.0)[0].tolist(), strict=True))["maximum"] == 4.0
