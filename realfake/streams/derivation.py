"""Values of derived streams, from those of their base, clip by clip: one way for stores, prediction and all else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from realfake.config import StreamInfo
from realfake.config.clip_descriptors import CUTOFFS_HZ, SAXEN_UNITS
from realfake.config.derivations import NEUTRAL_SEC, SMOOTH_SEC, pairs, partners
from realfake.config.trackers import EYE_CORNERS, STILL
from realfake.errors import UserError
from realfake.streams.clip_dynamics import MOMENTS, apex, dynamics
from realfake.streams.derived import (
    asymmetry,
    centred,
    evenly,
    from_neutral,
    median_face,
    phase_numbers,
    rates,
    without_pose,
)
from realfake.streams.smile_markers import markers
from realfake.streams.stream import Extracted, KnowsCanonical, Signal

if TYPE_CHECKING:
    from realfake.streams.landmark_geometry import FaceGeometry

VERSION = 1
"""Of how values are computed; another one is another file."""

Derive = Callable[[Extracted], Extracted]


def derivation(info: StreamInfo, signals: Sequence[Signal]) -> Derive:
    """What computes a derived stream of a clip from its base; gaps stay gaps.

    Where too few moments are known around one (rates need three), there is a gap too.

    Args:
        info: Of the derived stream.
        signals: Those of which one gives the base, for the canonical face.

    Raises:
        UserError: If the canonical face is needed and no signal knows it.
    """
    assert info.base is not None
    canonical = None
    if "steady" in info.rules and info.base.points == "canonical":
        knowing = [s for s in signals if isinstance(s, KnowsCanonical) and info.base in s.infos()]
        if not knowing:
            raise UserError(f"{info.name}: what gives {info.base.name} does not know the canonical face; leave it out")
        canonical = knowing[0].canonical()
    return _Derivation(info, info.base, canonical)


class _Derivation:
    def __init__(self, info: StreamInfo, base: StreamInfo, canonical: FaceGeometry | None) -> None:
        self.info, self.base, self.canonical = info, base, canonical

    def __call__(self, found: Extracted) -> Extracted:
        """The derived stream, at the moments of its base (n,), or at the middle one if it is of the whole clip."""
        if not len(found.times_sec):  # nothing of the base could be computed
            return Extracted(found.times_sec, np.zeros((0, *self.info.shape), np.float32), found.quality)
        times = found.times_sec.astype(np.float32)
        values, known = found.values.astype(np.float32), found.quality > 0
        for rule in self.info.rules:
            if rule in (*CUTOFFS_HZ, "apex", "markers"):  # the last one
                return self._of_clip(rule, values, times, known, found.quality)
            values = self._follow(rule, values, times, known)
            known = known & np.isfinite(values).reshape(len(values), -1).all(axis=1)
        values = np.where(known.reshape(-1, *[1] * (values.ndim - 1)), values, 0.0)
        return Extracted(times, values.astype(np.float32), np.where(known, found.quality, 0.0).astype(np.float32))

    def _follow(self, rule: str, values: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        if rule == "steady":
            return self._steady(values, known)
        if rule in ("velocity", "acceleration"):
            return rates(values, times, known)[rule == "acceleration"]
        if rule == "asymmetry":
            return self._asymmetry(values)
        if rule == "neutral":
            return from_neutral(values, times, known, NEUTRAL_SEC)
        if rule == "centred":
            return centred(values, known)
        if rule == "saxen":
            return values.reshape(len(values), -1)[:, [self.base.names().index(unit) for unit in SAXEN_UNITS]]
        if rule == "phase":
            return phase_numbers(values, times, known, SMOOTH_SEC)
        raise ValueError(f"{self.info.name}: no rule {rule}")

    def _of_clip(
        self, rule: str, values: np.ndarray, times: np.ndarray, known: np.ndarray, quality: np.ndarray
    ) -> Extracted:
        """One value of all moments (n,); a gap if too few are known."""
        middle = (len(times) - 1) // 2
        numbers, good = np.zeros(self.info.shape), 0.0
        if known.sum() > 1 and len((even := evenly(values, times, known)).curves) >= MOMENTS:
            good = float(quality[known].mean())
            if rule in CUTOFFS_HZ:
                numbers = dynamics(even.curves, 1.0 / even.step_sec, CUTOFFS_HZ[rule])
            elif rule == "apex":
                numbers = apex(even.curves, even.step_sec, NEUTRAL_SEC, SMOOTH_SEC)
            else:
                points = even.curves.reshape(-1, *values.shape[1:])
                with np.errstate(divide="ignore", invalid="ignore"):
                    numbers = markers(points, even.step_sec, self.base.points, NEUTRAL_SEC, SMOOTH_SEC)
        if not np.isfinite(numbers).all():  # as of a damaged table, whose points lie in one place
            numbers, good = np.zeros(self.info.shape), 0.0
        return Extracted(times[middle : middle + 1], numbers[None].astype(np.float32), np.array([good], np.float32))

    def _steady(self, points: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Points (n, p, d) on the head at rest; NaN where they lie in one place, as of a damaged table."""
        if self.canonical is None:
            used, others = np.array(STILL), np.array(partners(self.base))
        else:
            used = np.flatnonzero(self.canonical.weights)
        sound = known & (np.ptp(points[:, used], axis=1).max(axis=1) > 0)
        if self.canonical is None:
            sound &= (points[:, EYE_CORNERS[0]] != points[:, EYE_CORNERS[1]]).any(axis=1)
        still = np.full(points.shape, np.nan, np.float32)
        if not sound.any():
            return still
        if self.canonical is None:
            weights = np.isin(np.arange(points.shape[1]), used).astype(np.float64)
            still[sound] = without_pose(points[sound], median_face(points[sound], others, EYE_CORNERS), weights)
        else:
            still[sound] = without_pose(points[sound], self.canonical.canonical, self.canonical.weights)
        return still

    def _asymmetry(self, values: np.ndarray) -> np.ndarray:
        if self.base.points:
            others = np.array(partners(self.base))
            return asymmetry(values, others)[:, np.arange(len(others)) <= others]
        left, right, factors = (np.array(column) for column in zip(*pairs(self.base), strict=True))
        flat = values.reshape(len(values), -1)
        return flat[:, left] - factors.astype(np.float32) * flat[:, right]
