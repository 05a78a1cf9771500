"""What trackers write a frame: the columns of OpenFace 2 and 3 and of py-feat.

Facts from OpenFace 2's page "Output Format", from ``openface/demo.py`` of openface-test 0.1.26, and from
``feat/utils`` and ``feat/detector*.py`` of py-feat 0.6.2 and 2.1.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from realfake.config.trackers import OPENFACE_3_UNITS, OPENFACE_UNITS, POINTS, PYFEAT_UNITS

_WFLW_68 = (
    *range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 60),
    60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75, *range(76, 96),
)  # fmt: skip
"""Which of WFLW's 98 points are the 68 of 300-W."""


@dataclass(frozen=True)
class Columns:
    """The columns of one stream, in the order of its values."""

    names: tuple[str, ...]
    convert: Callable[[np.ndarray], np.ndarray] = lambda values: values
    """(n, columns) → (n, \\*shape)."""
    instead: Columns | None = None
    """Other columns that say the same, for tables without these."""
    absent: str = ""
    """A column whose presence means that the names stand for something else."""
    radians_with: str = ""
    """A column without which the values are degrees."""


@dataclass(frozen=True)
class TableFormat:
    """How one tracker writes its tables."""

    words: str
    frame: str
    first_frame: int
    """Number of the first frame."""
    time: str | None
    """Column of seconds since the start; ``None`` = the frame's number tells the time."""
    confidence: str
    success: str | None
    """Column that is 0 where the face was lost."""
    face: str
    """Column that tells several faces apart."""
    streams: Mapping[str, Columns]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column whose cells are lists of numbers → a name for each number."""

    @property
    def signs(self) -> set[str]:
        """Columns by which a table of this tracker is known."""
        return {self.frame, *(self.lists or {self.confidence})}

    @property
    def wanted(self) -> set[str]:
        """All columns that are read."""
        found = {self.frame, self.time, self.confidence, self.success, self.face, *self.lists}
        for columns in self.streams.values():
            for one in (columns, columns.instead):
                found |= {*one.names, one.absent, one.radians_with} if one else set()
        return {name for name in found if name}


def _points(values: np.ndarray) -> np.ndarray:
    """All x, then all y, (n, 136) → (n, 68, 2)."""
    return np.ascontiguousarray(np.moveaxis(values.reshape(len(values), 2, POINTS), 1, 2))


def _gaze(values: np.ndarray) -> np.ndarray:
    """Directions of both eyes, (n, 6) → angles across and down of their mean, (n, 2)."""
    x, y, z = (values[:, k] + values[:, k + 3] for k in range(3))
    return np.stack([np.arctan2(x, -z), np.arctan2(y, -z)], axis=1)


def _pairs(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{i}" for name in names for i in range(POINTS))


_LANDMARKS = Columns(_pairs("x", "y"), _points, absent=f"x_{POINTS}")  # py-feat calls 478 points of its mesh alike

OPENFACE = TableFormat(
    words="OpenFace 2 (FeatureExtraction or FaceLandmarkVidMulti)",
    frame="frame",
    first_frame=1,
    time="timestamp",
    confidence="confidence",
    success="success",
    face="face_id",
    streams={
        "landmarks": _LANDMARKS,
        "units": Columns(tuple(f"{u}_r" for u in OPENFACE_UNITS)),
        "pose": Columns(tuple(f"pose_{k}{a}" for k in "RT" for a in "xyz")),
        "gaze": Columns(
            ("gaze_angle_x", "gaze_angle_y"),
            instead=Columns(tuple(f"gaze_{e}_{a}" for e in (0, 1) for a in "xyz"), _gaze),
        ),
    },
)

OPENFACE_3 = TableFormat(
    words="OpenFace 3 (Python package)",
    frame="frame_index",
    first_frame=0,
    time=None,  # its column timestamp is the clock on the wall
    confidence="confidence",
    success=None,
    face="face_id",
    streams={
        "landmarks": Columns(tuple(f"wflw_{axis}_{i}" for axis in "xy" for i in _WFLW_68), _points),
        "units": Columns(OPENFACE_3_UNITS),
        "gaze": Columns(("gaze_yaw", "gaze_pitch")),
    },
    lists={
        "face_detection": ("left", "top", "right", "bottom", "confidence"),
        "landmarks": tuple(f"wflw_{axis}_{i}" for i in range(98) for axis in "xy"),
        "action_units": OPENFACE_3_UNITS,
    },
)

PYFEAT = TableFormat(
    words="py-feat (Fex)",
    frame="frame",
    first_frame=0,
    time=None,  # its column approx_time counts whole seconds
    confidence="FaceScore",
    success=None,
    face="Identity",
    streams={
        "landmarks": _LANDMARKS,
        "units": Columns(PYFEAT_UNITS),
        # Degrees up to version 0.6, which does not write the size of the frame.
        "pose": Columns(("Pitch", "Yaw", "Roll"), radians_with="FrameHeight"),
        "gaze": Columns(("gaze_yaw", "gaze_pitch")),
    },
)

FORMATS = {"OpenFace 2": OPENFACE, "OpenFace 3": OPENFACE_3, "py-feat": PYFEAT}
"""Trackers, as :func:`realfake.config.tracker_info` names them."""
