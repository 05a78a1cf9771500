"""What a tracker without fault would find in a generated clip: landmarks, units, pose and gaze of every frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realfake.config.trackers import OPENFACE_UNITS
from realfake.data.synthetic.characters import Identity, Nuisance
from realfake.data.synthetic.drawing import mirror, spline
from realfake.data.synthetic.face import EYE_Y, brow_line, eye_lids, jaw_drop, nose_edge, unit_values
from realfake.data.synthetic.generation import Job, circumstances_of, trace_of
from realfake.data.synthetic.head import face_outline
from realfake.data.synthetic.mouth import AU, Mouth
from realfake.data.synthetic.options import SyntheticSettings
from realfake.data.synthetic.render import Movement, begin, head_px
from realfake.data.synthetic.units import COLUMNS

_FULL = 5.0
"""Intensity of a unit that is moved as far as it can be, on OpenFace's scale."""
_HEAD_MM = 110.0
"""A head unit of a person."""
_EYEBALL = 0.16
"""Radius of an eyeball, in head units."""


class Truth(NamedTuple):
    """Of one clip; the streams as :func:`realfake.config.tracker_info` describes those of OpenFace 2."""

    times_sec: np.ndarray
    """(n,)"""
    landmarks: np.ndarray
    """(n, 68, 2), pixels."""
    units: np.ndarray
    """(n, 17), 0 to 5: both sides' mean; a unit that the generator does not move is 0."""
    pose: np.ndarray
    """(n, 6): pitch, yaw, roll in radians, as far as a ball of one head unit turns when the features slide over it;
    place before a camera with OpenFace's focal length, in millimetres."""
    gaze: np.ndarray
    """(n, 2), radians across and down."""


def truth_of(settings: SyntheticSettings, job: Job) -> Truth:
    """The true streams of a clip, from its settings alone: no video is read or drawn."""
    who, seen, rng = circumstances_of(settings, job)
    trace = trace_of(settings, job)
    _, moves = begin(who, seen, len(trace), settings, rng)
    scale = head_px(settings)[0] * seen.scale * moves.near
    points = np.stack(
        [face_points(who, unit_values(row), slide) for row, slide in zip(trace, moves.slide, strict=True)]
    )
    cos, sin = np.cos(moves.angle), np.sin(moves.angle)
    turn = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1) * scale[:, None, None]
    return Truth(
        np.arange(len(trace)) / float(settings.rate),
        np.einsum("nij,npj->npi", turn, points) + moves.at[:, None],
        _FULL * _both_sides(trace),
        _pose(moves, scale, settings),
        _gaze(moves, seen),
    )


def face_points(who: Identity, au: AU, slide: np.ndarray) -> np.ndarray:
    """The 68 points of 300-W on a drawn face, in head units, (68, 2); jaw and features where they are drawn.

    Args:
        who: The person.
        au: Action units, see :func:`~realfake.data.synthetic.face.unit_values`.
        slide: How far the features slide sideways and down over the head.
    """
    outline = face_outline(who, jaw_drop(au))
    jaw = outline[15:61][::-1]  # between the heights of the eyes, from the image's left
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(jaw, axis=0), axis=1)))
    even = np.linspace(0.0, along[-1], 17)
    jaw = np.stack([np.interp(even, along, jaw[:, k]) for k in (0, 1)], 1)
    noses = [nose_edge(who, au, i) for i in (0, 1)]
    tip = np.mean([n[2] for n in noses], axis=0)[1]
    mouth = Mouth(who, au)
    features = [
        mirror(brow_line(who, au, 0)[::-1], -1.0),
        brow_line(who, au, 1),
        np.stack([np.zeros(4), np.linspace(EYE_Y, tip - 0.05, 4)], 1),
        mirror(noses[0][2:5], -1.0),
        noses[1][[3, 2]],
        mirror(_eye(who, au, 0)[[3, 2, 1, 0, 5, 4]], -1.0),
        _eye(who, au, 1),
        np.array(mouth.upper_outer),
        spline(mouth.lower_outer, 5)[[17, 13, 10, 7, 3]],
        np.array(mouth.upper_inner),
        np.array(mouth.lower_inner)[[3, 2, 1]],
    ]
    return np.concatenate([jaw, np.concatenate(features) + slide])


def _eye(who: Identity, au: AU, i: int) -> np.ndarray:
    """Corner, two points of the upper lid, corner, two of the lower lid, in the image's right half, (6, 2)."""
    upper, lower, _ = eye_lids(who, au, i)
    return np.concatenate([upper[[0, 8, 16, 24]], lower[[16, 8]]])


def _both_sides(trace: np.ndarray) -> np.ndarray:
    found = [np.array([c.partition("_")[0] == unit for c in COLUMNS], float) for unit in OPENFACE_UNITS]
    weights = np.stack([row / max(row.sum(), 1.0) for row in found], 1)
    return np.asarray(trace @ weights)


def _pose(moves: Movement, scale: np.ndarray, settings: SyntheticSettings) -> np.ndarray:
    yaw, pitch = np.arcsin(moves.slide.clip(-1.0, 1.0)).T
    focal = 500.0 * max(settings.frame_width / 640.0, settings.size / 480.0)
    depth = focal * _HEAD_MM / scale
    across, down = ((moves.at - np.array([settings.frame_width, settings.size]) / 2.0) / focal * depth[:, None]).T
    return np.stack([pitch, yaw, moves.angle, across, down, depth], 1)


def _gaze(moves: Movement, seen: Nuisance) -> np.ndarray:
    return np.arcsin(np.array(seen.gaze) / _EYEBALL) + np.arcsin(moves.slide.clip(-1.0, 1.0))
