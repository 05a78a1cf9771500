"""D-markers: how far the corners of the lips, the eyelids and the cheeks move in the phases of a smile.

Dibeklioğlu, Salah & Gevers, "Are you really smiling at me?" (ECCV 2012, https://doi.org/10.1007/978-3-642-33712-3_38).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from realfake.config.clip_descriptors import MARKER_POINTS, MARKERS, SMILE_PHASES
from realfake.streams.derived import at_rest, rise_and_fall, smoothed

_UP = {"canonical": 1.0, "300-W": -1.0}
"""Numbering of points → sign of the second coordinate, upwards, once they are steady."""


def markers(points: np.ndarray, step_sec: float, numbering: str, neutral_sec: float, smooth_sec: float) -> np.ndarray:
    """The D-markers of a clip.

    Onset is the longest rise of the lips' amplitude, offset the longest fall after it, apex what lies between
    (:func:`realfake.streams.derived.rise_and_fall`). Of a phase that is not there, and of moments that it has not, all
    is 0. Here the neutral face is the median of the first moments (there the first frame), amplitudes are
    smoothed by a Gaussian (there by running medians, 4253H), and sums over frames are those over seconds.

    Args:
        points: (n, p, 2 or 3), evenly spaced, without the head's pose.
        step_sec: Between two moments.
        numbering: Of the points: ``canonical`` or ``300-W``.
        neutral_sec: How long the face is neutral.
        smooth_sec: Standard deviation of the Gaussian.

    Returns:
        (regions of :data:`MARKER_POINTS` × phases, 25) float64, :data:`MARKERS`.
    """
    points = np.asarray(points, np.float64)
    neutral = at_rest(points, step_sec, neutral_sec)
    regions = MARKER_POINTS[numbering]
    seen = amplitudes(points, neutral, regions, _UP[numbering])
    sides = {region: smoothed(side, smooth_sec / step_sec) for region, side in seen.items()}
    found = np.zeros((len(regions), len(SMILE_PHASES), len(MARKERS)))
    if (runs := rise_and_fall(sides["lips"].mean(axis=1))) is not None:
        for own, side in zip(found, sides.values(), strict=True):
            for k, run in enumerate(runs):
                own[k] = _of_phase(side[run], 1.0 / step_sec)
    return found.reshape(-1, len(MARKERS))


def amplitudes(
    points: np.ndarray, neutral: np.ndarray, regions: Mapping[str, Sequence[Sequence[int]]], up: float
) -> dict[str, np.ndarray]:
    """Amplitudes (n, 2) of both sides of each region, whose mean is that of the region.

    ``D_lips = (ρ(m, a_t) + ρ(m, b_t)) / 2 ρ(a_0, b_0)`` with ρ the distance, a and b the corners, at time t and neutral
    (0), and m the middle of the neutral ones; likewise cheeks. ``D_eyelids`` is the mean over both eyes of
    ``κ ρ(m_t, l_t) / w_t``, m the middle of the eye's corners, l its upper lid, κ -1 if that is below m else 1, w the
    distance of the corners (there that of one eye for both).

    Args:
        points: (n, p, 2 or 3).
        neutral: (p, 2 or 3).
        regions: As :data:`MARKER_POINTS` of a numbering.
        up: Sign of the second coordinate upwards.
    """
    found = {}
    for region, numbers in regions.items():
        at = [points[:, list(some)].mean(axis=1) for some in numbers]
        if region == "eyelids":
            both = []
            for a, lid, b in (at[:3], at[3:]):
                lifted = lid - (a + b) / 2
                sign = np.where(up * lifted[:, 1] < 0, -1.0, 1.0)
                both.append(sign * np.linalg.norm(lifted, axis=1) / np.linalg.norm(a - b, axis=1))
        else:
            ends = [neutral[list(some)].mean(axis=0) for some in numbers]
            middle, width = (ends[0] + ends[1]) / 2, np.linalg.norm(ends[0] - ends[1])
            both = [np.linalg.norm(end - middle, axis=1) / width for end in at]
        found[region] = np.stack(both, axis=1)
    return found


def _of_phase(sides: np.ndarray, rate_hz: float) -> list[float]:
    """:data:`MARKERS` of amplitudes (n, 2) of both sides in a phase.

    Rising are the moments at both ends of each step upwards; their speeds are those of these steps, their accelerations
    those between two of them in a row. Likewise falling.
    """
    d = sides.mean(axis=1)
    speed = np.diff(d) * rate_hz
    acceleration = np.diff(speed) * rate_hz
    steps = {"rising": speed > 0, "falling": speed < 0}
    amplitude, speeds, accelerations = [], [], []
    for step in steps.values():
        moments = np.zeros(len(d), bool)
        moments[:-1] |= step
        moments[1:] |= step
        amplitude.append(np.abs(d[moments]))
        speeds.append(np.abs(speed[step]))
        accelerations.append(acceleration[step[:-1] & step[1:]])
    accelerations[1] = np.abs(accelerations[1])
    rising, falling = (values.sum() / rate_hz for values in amplitude)
    seconds, total, net = len(d) / rate_hz, rising + falling, rising - falling
    return [
        *(len(values) / rate_hz for values in amplitude),
        seconds,
        *(len(values) / len(d) for values in amplitude),
        d.max(),
        d.mean(),
        *map(_mean, amplitude),
        d.std(),
        rising,
        falling,
        net,
        *((rising / total, falling / total) if total else (0.0, 0.0)),
        *(values.max(initial=0.0) for values in speeds),
        *map(_mean, speeds),
        *(values.max() if len(values) else 0.0 for values in accelerations),
        *map(_mean, accelerations),
        net / seconds,
        abs((sides[:, 0] - sides[:, 1]).sum()) / len(d),
    ]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
