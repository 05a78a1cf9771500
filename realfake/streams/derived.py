"""What follows from points and curves over time, whichever landmarker or table they come from: pure functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Similarity(NamedTuple):
    """Maps of points, one or many: ``scale * rotation @ point + translation``."""

    scale: np.ndarray
    """(...,)."""
    rotation: np.ndarray
    """(..., d, d), of determinant 1."""
    translation: np.ndarray
    """(..., d)."""

    def apply(self, points: np.ndarray) -> np.ndarray:
        """The images of points (..., p, d)."""
        turned = points @ np.swapaxes(self.rotation, -1, -2)
        return self.scale[..., None, None] * turned + self.translation[..., None, :]

    def undo(self, points: np.ndarray) -> np.ndarray:
        """The points (..., p, d) whose images are given."""
        return (points - self.translation[..., None, :]) @ self.rotation / self.scale[..., None, None]


def fit_similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> Similarity:
    """The rotation, scale and translation that bring ``source`` nearest to ``target``: weighted Procrustes.

    Minimises ``sum_i w_i |s R a_i + t - b_i|^2`` over proper rotations: Umeyama, IEEE TPAMI 13 (1991),
    with weights as in section 2.4 of Akca, Generalized Procrustes analysis and its applications in photogrammetry
    (ETH Zürich, 2003).

    Args:
        source: (..., p, d) points; leading axes broadcast against those of ``target``.
        target: (..., p, d).
        weights: (p,) not negative, with a positive sum; ``None`` = all alike.

    Raises:
        ValueError: If all points of ``source`` that count lie in one place.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    w = np.ones(a.shape[-2]) if weights is None else np.asarray(weights, np.float64)
    w = w / w.sum()
    middle_a, middle_b = w @ a, w @ b
    a, b = a - middle_a[..., None, :], b - middle_b[..., None, :]
    extent = np.einsum("p,...pd,...pd->...", w, a, a)
    if not np.all(extent > 0):
        raise ValueError("source: expected points in more than one place")
    u, singular, vt = np.linalg.svd(np.swapaxes(b, -1, -2) @ (w[:, None] * a))
    sign = np.ones_like(singular)
    sign[..., -1] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    rotation = (u * sign[..., None, :]) @ vt
    scale = (singular * sign).sum(-1) / extent
    translation = middle_b - scale[..., None] * np.einsum("...ij,...j->...i", rotation, middle_a)
    return Similarity(scale, rotation, translation)


def without_pose(points: np.ndarray, reference: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Points as they would lie on a head that neither turns, moves nor comes nearer.

    Args:
        points: (n, p, d), one face a moment.
        reference: (q, d) the first q of them on a resting face, such as the canonical one; its units are those of the
            result.
        weights: (q,) how much a point tells of the head's pose; 0 for what expressions move.

    Returns:
        (n, p, d) float32.
    """
    face = np.asarray(reference)
    used = np.arange(len(face)) if weights is None else np.flatnonzero(weights)
    fit = fit_similarity(face[used], points[:, used], None if weights is None else np.asarray(weights)[used])
    return fit.undo(points).astype(np.float32)


def median_face(points: np.ndarray, partners: np.ndarray, corners: tuple[int, int]) -> np.ndarray:
    """The face that a person has for most of a clip, made symmetric.

    Each moment's points are turned, moved and scaled until the outer corners of the eyes lie at -1/2 and 1/2; then each
    point's median over time is averaged with its partner's mirror image.

    Args:
        points: (n, p, 2), n at least 1, one face a moment.
        partners: (p,) as of :func:`mirror_partners`.
        corners: Numbers of the outer corners of the eyes, from the picture's left to its right.

    Returns:
        (p, 2) float64, the midline at x = 0.
    """
    level = np.array([[-0.5, 0.0], [0.5, 0.0]])
    median = np.median(fit_similarity(points[:, list(corners)], level).apply(np.asarray(points, np.float64)), axis=0)
    return np.asarray((median + median[partners] * [-1.0, 1.0]) / 2.0)


def rates(values: np.ndarray, times_sec: np.ndarray, known: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Velocities and accelerations, in units of the values a second and a second squared, at irregular moments.

    Of the parabola through a moment and its two neighbours (at an end: through the three moments there), so both are
    exact for motion of constant acceleration. Nothing is taken across a gap.

    Args:
        values: (n, ...).
        times_sec: (n,) rising.
        known: (n,) bool, false in gaps; ``None`` = all are known.

    Returns:
        Two arrays (n, ...) float32, NaN in gaps and in runs of fewer than three known moments.

    Raises:
        ValueError: If the times do not rise.
    """
    x, t = np.asarray(values, np.float64), np.asarray(times_sec, np.float64)
    if np.any(np.diff(t) <= 0):
        raise ValueError("times_sec: expected rising moments")
    velocity, acceleration = np.full(x.shape, np.nan, np.float32), np.full(x.shape, np.nan, np.float32)
    present = np.ones(len(t), bool) if known is None else np.asarray(known, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < 3:
            continue
        run = slice(start, stop)
        moments = t[run].reshape(-1, *[1] * (x.ndim - 1))
        slope = np.diff(x[run], axis=0) / np.diff(moments, axis=0)
        bend = 2 * np.diff(slope, axis=0) / (moments[2:] - moments[:-2])
        velocity[run] = np.gradient(x[run], t[run], axis=0, edge_order=2)
        acceleration[run] = np.concatenate([bend[:1], bend, bend[-1:]])
    return velocity, acceleration


def mirror_partners(points: np.ndarray, tolerance: float) -> np.ndarray:
    """For each point of a symmetric face, the number of the one at its mirror image; that of itself on the midline.

    Args:
        points: (p, d), the first axis from side to side with the midline at 0.
        tolerance: How far a point may lie from the mirror image of its partner, in their units.

    Returns:
        (p,) int64, a permutation that is its own inverse.

    Raises:
        ValueError: If a point has no partner within the tolerance, or two have the same.
    """
    x = np.asarray(points, np.float64)
    mirrored = x * np.where(np.arange(x.shape[1]) == 0, -1.0, 1.0)
    distance = np.linalg.norm(mirrored[:, None] - x[None], axis=-1)
    partner = distance.argmin(1)
    if (worst := distance.min(1).max()) > tolerance:
        raise ValueError(f"points: the most lonely one is {worst:.3g} from its mirror image, expected {tolerance:g}")
    if not np.array_equal(partner[partner], np.arange(len(x))):
        raise ValueError("points: two have the same mirror image; expected pairs")
    return partner


def asymmetry(points: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """How far each point lies from the mirror image of its partner, in the units of the points.

    Args:
        points: (n, p, d) without pose, the first axis from side to side with the midline at 0: :func:`without_pose`.
        partners: (p,) as of :func:`mirror_partners`.

    Returns:
        (n, p) float32, the same for both points of a pair; of a point on the midline, twice its distance from it.
    """
    mirrored = points[:, partners] * np.where(np.arange(points.shape[-1]) == 0, -1.0, 1.0)
    return np.linalg.norm(points - mirrored, axis=-1).astype(np.float32)


class Phases(NamedTuple):
    """When an expression is there, in seconds, and how strong it is at its height."""

    onset_sec: float
    """First moment over the threshold: neutral ends."""
    apex_sec: float
    """Moment of the highest value; of several, the first."""
    offset_sec: float
    """Last moment over the threshold: from then on the face is neutral again."""
    peak: float
    """The highest value."""


def phases(curve: np.ndarray, times_sec: np.ndarray, threshold: float) -> Phases | None:
    """Beginning, height and end of what a curve of intensity shows.

    The temporal model of Valstar & Pantic, IEEE Trans. SMC-B 42 (2012), neutral, onset, apex, offset, told from
    amplitude: an expression lasts from the first to the last moment over ``threshold``. Dibeklioğlu, Salah & Gevers
    (ECCV 2012) tell the phases from direction: :func:`rise_and_fall`.

    Args:
        curve: (n,) intensity; NaN in gaps, which count as below.
        times_sec: (n,) rising.
        threshold: In units of the curve.

    Returns:
        ``None`` if the curve never exceeds the threshold.
    """
    over = np.flatnonzero(np.asarray(curve) > threshold)
    if not len(over):
        return None
    peak = over[int(np.argmax(curve[over]))]
    first, at, last = (float(times_sec[i]) for i in (over[0], peak, over[-1]))
    return Phases(first, at, last, float(curve[peak]))


class RiseAndFall(NamedTuple):
    """Runs of moments, each ``slice`` with both of its ends."""

    onset: slice
    """The longest rise."""
    apex: slice
    """From the end of the rise to the start of the fall."""
    offset: slice
    """The longest fall after the rise."""


def rise_and_fall(curve: np.ndarray) -> RiseAndFall | None:
    """The phases of Dibeklioğlu, Salah & Gevers, "Are you really smiling at me?" (ECCV 2012).

    Onset is the longest continuous rise of the amplitude, offset the longest continuous fall (here: of those after it),
    apex what lies between. Smooth the curve first; of runs that are equally long, the first counts.

    Args:
        curve: (n,) amplitude without gaps.

    Returns:
        ``None`` if the curve does not rise, or does not fall afterwards.
    """
    step = np.diff(np.asarray(curve, np.float64))
    onset = _longest(step > 0, 0)
    offset = _longest(step < 0, onset.stop - 1) if onset else None
    if onset is None or offset is None:
        return None
    return RiseAndFall(onset, slice(onset.stop - 1, offset.start + 1), offset)


def phase_numbers(values: np.ndarray, times_sec: np.ndarray, known: np.ndarray, smooth_sec: float) -> np.ndarray:
    """The phase of each component at each moment: 0 neutral, 1 onset, 2 apex, 3 offset.

    Each component is interpolated over gaps at evenly spaced moments and smoothed by a Gaussian; then the longest rise
    is its onset, the longest fall after it its offset: :func:`rise_and_fall`. What does not rise, or does not fall
    afterwards, is neutral throughout.

    Args:
        values: (n, ...).
        times_sec: (n,) rising.
        known: (n,) bool, false in gaps.
        smooth_sec: Standard deviation of the Gaussian.

    Returns:
        (n, ...) float32; gaps have some phase too.
    """
    from scipy.ndimage import gaussian_filter1d

    found = np.zeros(values.shape, np.float32)
    curves, flat = values.reshape(len(values), -1), found.reshape(len(values), -1)
    seen = times_sec[known].astype(np.float64)
    if len(seen) < 3:
        return found
    step = float(np.median(np.diff(seen)))
    grid = np.arange(seen[0], seen[-1] + step / 2, step)
    even = np.stack([np.interp(grid, seen, curve) for curve in curves[known].T], axis=1)
    smooth = gaussian_filter1d(even, smooth_sec / step, axis=0, mode="nearest")
    nearest = np.clip(np.round((times_sec - seen[0]) / step).astype(int), 0, len(grid) - 1)
    for k, curve in enumerate(smooth.T):
        if (runs := rise_and_fall(curve)) is not None:
            numbers = np.zeros(len(grid), np.float32)
            numbers[runs.onset], numbers[runs.offset], numbers[runs.apex] = 1, 3, 2
            flat[:, k] = numbers[nearest]
    return found


def from_neutral(values: np.ndarray, times_sec: np.ndarray, known: np.ndarray, neutral_sec: float) -> np.ndarray:
    """Difference of each moment to the clip's own neutral face.

    Clips of SASE-FE begin with a neutral face (Kulkarni et al. 2018), so neutral is the median of each component over
    the first seconds in which the face is there; a person's looks at rest drop out.

    Args:
        values: (n, ...).
        times_sec: (n,) rising.
        known: (n,) bool, false in gaps.
        neutral_sec: How long the clip is neutral, counted from its first known moment.

    Returns:
        (n, ...) float32; gaps keep whatever difference they have. All 0 if nothing is known.
    """
    present = np.flatnonzero(known)
    if not len(present):
        return np.zeros(values.shape, np.float32)
    first = present[times_sec[present] <= times_sec[present[0]] + neutral_sec]
    return (values - np.median(values[first], axis=0)).astype(np.float32)


def centred(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Difference of each moment to the clip's mean over its known moments (n,): what is constant drops out.

    Args:
        values: (n, ...).
        known: (n,) bool, false in gaps.

    Returns:
        (n, ...) float32; all 0 if nothing is known.
    """
    if not known.any():
        return np.zeros(values.shape, np.float32)
    return (values - values[known].mean(axis=0, dtype=np.float64)).astype(np.float32)


def _longest(steps: np.ndarray, start: int) -> slice | None:
    """The longest run of true steps from ``start`` on, as the moments that it joins."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], steps[start:], [False]]).astype(int))).reshape(-1, 2)
    if not len(edges):
        return None
    begin, end = (int(v) + start for v in edges[int(np.argmax(edges[:, 1] - edges[:, 0]))])
    return slice(begin, end + 1)
