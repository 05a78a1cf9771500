"""D-markers against a computation of their own, in plain loops over moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from realfake.config.clip_descriptors import MARKER_POINTS, MARKERS
from realfake.streams.smile_markers import markers

RATE = 25.0


def smiling(seed: int = 0) -> np.ndarray:
    """68 points, y downwards (75, 68, 2), whose lips widen from 0.8 s on and narrow again, more so on one side."""
    rng = np.random.default_rng(seed)
    face = rng.uniform(-1, 1, (68, 2))
    face[[36, 39, 42, 45]] = [[-1, 0], [-0.4, 0], [0.4, 0], [1, 0]]
    face[[37, 38, 43, 44]] = [[-0.8, -0.15], [-0.6, -0.13], [0.6, -0.14], [0.8, -0.16]]
    face[[48, 54]] = [[-0.5, 1.2], [0.5, 1.2]]
    t = np.arange(75) / RATE
    smile = np.interp(t, [0, 0.8, 1.4, 1.7, 1.9, 2.5, 3], [0, 0, 1, 0.8, 0.9, 0.1, 0])
    points = np.tile(face, (75, 1, 1)) + rng.normal(0, 0.004, (75, 68, 2))
    points[:, 48] += smile[:, None] * np.array([-0.20, -0.1])
    points[:, 54] += smile[:, None] * np.array([0.15, -0.1])
    lids = [37, 38, 43, 44]
    points[:, lids, 1] += 0.2 * np.interp(t, [0, 1, 1.5, 2.2, 3], [0, 0, 1, 0.9, 0])[:, None]  # below the corners
    return points


def expected_amplitudes(points: np.ndarray) -> dict[str, tuple[list[float], list[float]]]:
    neutral = [sorted(points[k, p, axis] for k in range(13))[6] for p in (48, 54) for axis in range(2)]
    a, b = np.array(neutral[:2]), np.array(neutral[2:])
    width = float(np.hypot(*(a - b)))
    lips = tuple([float(np.hypot(*(face[p] - (a + b) / 2))) / width for face in points] for p in (48, 54))
    lids = []
    for first, up, down, last in ((36, 37, 38, 39), (42, 43, 44, 45)):
        own = []
        for face in points:
            middle, lid = (face[first] + face[last]) / 2, (face[up] + face[down]) / 2
            above = 1.0 if lid[1] <= middle[1] else -1.0
            own.append(above * float(np.hypot(*(lid - middle))) / float(np.hypot(*(face[first] - face[last]))))
        lids.append(own)
    return {"lips": lips, "eyelids": (lids[0], lids[1])}  # type: ignore[dict-item]


def expected_runs(curve: np.ndarray) -> list[tuple[int, int]]:
    def longest(sign: float, start: int) -> tuple[int, int]:
        best, begin = (0, 0), None
        for i in range(start, len(curve)):
            rises = i + 1 < len(curve) and sign * (curve[i + 1] - curve[i]) > 0
            if rises and begin is None:
                begin = i
            elif not rises and begin is not None:
                best, begin = max(best, (begin, i), key=lambda run: run[1] - run[0]), None
        return best

    onset = longest(1.0, 0)
    offset = longest(-1.0, onset[1])
    return [onset, (onset[1], offset[0]), offset]


def expected_markers(left: np.ndarray, right: np.ndarray, begin: int, end: int) -> list[float]:
    sides = left[begin : end + 1], right[begin : end + 1]
    d = [(x + y) / 2 for x, y in zip(*sides, strict=True)]
    n = len(d)
    up: dict[str, list[float]] = {"D": [], "V": [], "A": []}
    down: dict[str, list[float]] = {"D": [], "V": [], "A": []}
    for pool, sign in ((up, 1), (down, -1)):
        goes = [sign * (d[i + 1] - d[i]) > 0 for i in range(n - 1)]
        for i in range(n):
            if (i < n - 1 and goes[i]) or (i > 0 and goes[i - 1]):
                pool["D"].append(abs(d[i]))
            if i < n - 1 and goes[i]:
                pool["V"].append(abs(d[i + 1] - d[i]) * RATE)
            if i < n - 2 and goes[i] and goes[i + 1]:
                pool["A"].append((d[i + 2] - 2 * d[i + 1] + d[i]) * RATE**2)
    down["A"] = [abs(a) for a in down["A"]]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else 0.0

    def most(values: list[float]) -> float:
        return max(values) if values else 0.0

    total = [sum(pool["D"]) / RATE for pool in (up, down)]
    both = (up, down)
    return [
        *(len(pool["D"]) / RATE for pool in both), n / RATE, *(len(pool["D"]) / n for pool in both), max(d), mean(d),
        *(mean(pool["D"]) for pool in both), float(np.std(d)), *total, total[0] - total[1],
        *(part / sum(total) if sum(total) else 0.0 for part in total), *(most(pool["V"]) for pool in both),
        *(mean(pool["V"]) for pool in both), *(most(pool["A"]) for pool in both), *(mean(pool["A"]) for pool in both),
        (total[0] - total[1]) / (n / RATE), abs(sum(sides[0]) - sum(sides[1])) / n,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_of_two_regions_in_three_phases(seed: int) -> None:
    points = smiling(seed)
    found = markers(points, 1 / RATE, "300-W", 0.5, 0.1)
    sides = {
        region: [gaussian_filter1d(side, 0.1 * RATE, mode="nearest") for side in both]
        for region, both in expected_amplitudes(points).items()
    }
    runs = expected_runs((sides["lips"][0] + sides["lips"][1]) / 2)
    assert [end - begin > 2 for begin, end in runs] == [True] * 3
    assert 0.4 < runs[0][0] / RATE < 1.4 < runs[2][1] / RATE
    expected = [expected_markers(*sides[region], *run) for region in ("lips", "eyelids") for run in runs]
    assert found.shape == (6, 25) == (6, len(MARKERS))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_without_a_smile_there_is_nothing() -> None:
    assert not markers(np.tile(smiling()[:1], (40, 1, 1)), 1 / RATE, "300-W", 0.5, 0.1).any()


def test_a_mesh_has_cheeks_too() -> None:
    mesh = np.random.default_rng(0).normal(0, 1, (60, 478, 3)).cumsum(axis=0)
    assert markers(mesh, 1 / RATE, "canonical", 0.5, 0.1).shape == (9, 25)
    assert list(MARKER_POINTS["canonical"]) == ["lips", "eyelids", "cheeks"]
