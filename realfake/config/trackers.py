"""Signals that read what a tracker has found: its streams, their components, and what a mirrored face has."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from realfake.config.base import Positive
from realfake.config.stream_info import SignalOptions, StreamInfo
from realfake.errors import nearest

TrackedStream = Literal["landmarks", "units", "pose", "gaze"]
TRACKERS = {"openface": "OpenFace 2", "openface3": "OpenFace 3", "pyfeat": "py-feat", "mediapipe": "MediaPipe"}
"""What the key ``accept`` calls those whose streams may stand for another's."""
NonNegativeFloat = Annotated[float, Field(ge=0.0)]

POINTS = 68
"""Landmarks of a face, numbered as in 300-W: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-67."""

_OTHER_SIDE = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip
"""Of each landmark the number of the one on the other side of the face."""

STILL = (*range(27, 31), 36, 39, 42, 45)
"""Landmarks that expressions move least: the bridge of the nose, and the corners of the eyes."""
EYE_CORNERS = (36, 45)
"""The outer ones."""

OPENFACE_UNITS = tuple(f"AU{n:02}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45))
PYFEAT_UNITS = tuple(f"AU{n:02}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43))
OPENFACE_3_UNITS = tuple(f"unit_{k}" for k in range(1, 9))
"""Neither its tables nor its makers' page say which units the eight are, and two of their files disagree."""

IN_PICTURE = "heights of the picture"
"""Unit of points from the middle of the picture: their pixels can be told."""

IN_BOX = "longer sides of the face's box, from its middle"
"""Unit of points whose pixels can be told from the face's path."""

IN_EYES = "distances between the eyes' corners"

_ANGLES, _TURNED = ("pitch", "yaw", "roll"), ((0, 1.0), (1, -1.0), (2, -1.0))
_UNITS = {
    "OpenFace 2": (OPENFACE_UNITS, "intensity, 0 to 5"),
    "OpenFace 3": (OPENFACE_3_UNITS, "score"),
    "py-feat": (PYFEAT_UNITS, "probability or presence, 0 to 1"),
}
_POSES = {
    "OpenFace 2": ((*_ANGLES, "x", "y", "z"), "radians; millimetres", (*_TURNED, (3, -1.0), (4, 1.0), (5, 1.0))),
    "py-feat": (_ANGLES, "radians", _TURNED),
}
_GAZES = {"OpenFace 2": ("across", "down"), "OpenFace 3": ("yaw", "pitch"), "py-feat": ("yaw", "pitch")}


def tracked(tracker: str) -> tuple[TrackedStream, ...]:
    """The streams that a tracker's tables may have; arguments as of :func:`tracker_info`."""
    return tuple(stream for stream in get_args(TrackedStream) if stream != "pose" or tracker in _POSES)


def tracker_info(stream: str, tracker: str, unit: str = "pixels of the video") -> StreamInfo:
    """What a tracker's stream holds.

    Args:
        stream: Of :data:`TrackedStream`.
        tracker: ``OpenFace 2``, ``OpenFace 3`` or ``py-feat``.
        unit: Of landmarks.

    Raises:
        KeyError: If it has no such stream.
    """
    if stream == "landmarks":
        names = tuple(f"{axis}_{i}" for i in range(POINTS) for axis in "xy")
        mirrored = tuple((2 * other + k, factor) for other in _OTHER_SIDE for k, factor in ((0, -1.0), (1, 1.0)))
        return StreamInfo(
            stream, (POINTS, 2), f"68 landmarks as in 300-W, by {tracker}", names, unit,
            mirrored=mirrored, points="300-W",
        )  # fmt: skip
    if stream == "units":
        names, unit = _UNITS[tracker]
        return StreamInfo(stream, (len(names),), f"facial action units, by {tracker}", names, unit)
    if stream == "pose":
        names, unit, mirrored = _POSES[tracker]
        return StreamInfo(stream, (len(names),), f"pose of the head, by {tracker}", names, unit, mirrored=mirrored)
    names = _GAZES[tracker]
    mirrored = ((0, -1.0), (1, 1.0))
    return StreamInfo(stream, (2,), f"direction of gaze, by {tracker}", names, "radians", mirrored=mirrored)


class TrackerSignal(SignalOptions):
    """Base of the signals that come from a tracker."""

    streams: Annotated[list[TrackedStream], Field(min_length=1)]
    """Those that are read; a table without the columns of one is refused."""
    relative_to: Literal["face", "box", "picture"]
    """Landmarks from the middle of eyes and nose, in distances between the outer corners of the eyes (their median over
    the clip); from the middle of the face's box, in parts of its longer side; or from the middle of the picture, in
    parts of its height."""

    @property
    def tracker(self) -> str:
        """Whose tables are read."""
        raise NotImplementedError

    def infos(self) -> tuple[StreamInfo, ...]:
        """The streams that are read."""
        unit = {"face": IN_EYES, "box": IN_BOX, "picture": IN_PICTURE}[self.relative_to]
        return tuple(tracker_info(stream, self.tracker, unit) for stream in self.streams)

    @model_validator(mode="after")
    def _check(self) -> TrackerSignal:
        for stream in self.streams:
            if self.streams.count(stream) > 1:
                raise ValueError(f"streams=[{','.join(self.streams)}]: {stream} twice; expected each once")
            if stream not in tracked(self.tracker):
                raise ValueError(f"streams=[{','.join(self.streams)}]: {self.tracker} tells no {stream}; leave it out")
        return self


class OpenfaceSignal(TrackerSignal):
    """Tables of OpenFace (https://github.com/TadasBaltrusaitis/OpenFace)."""

    name: Literal["openface"]
    version: Literal[2, 3]
    """2 = FeatureExtraction or FaceLandmarkVidMulti, 3 = the Python package."""
    root: str | None
    """Folder of the tables; null = beside the videos."""

    @property
    def tracker(self) -> str:
        """With its version."""
        return f"OpenFace {self.version}"


class PyfeatSignal(TrackerSignal):
    """Tables of py-feat (https://py-feat.org), ``Fex`` written as CSV."""

    name: Literal["pyfeat"]
    root: str | None
    """Folder of the tables; null = beside the videos."""

    @property
    def tracker(self) -> str:
        """All versions alike."""
        return "py-feat"


class DrawnSignal(TrackerSignal):
    """What a tracker with faults would write of generated faces, as OpenFace 2's table; its noise is normal."""

    name: Literal["drawn"]
    landmark_noise: NonNegativeFloat
    """Of each coordinate, in parts of the distance between the outer corners of the eyes; of the head's place, in
    parts of its distance from the camera."""
    unit_noise: NonNegativeFloat
    """Of each intensity, on the scale of 0 to 5."""
    angle_noise_deg: NonNegativeFloat
    """Of each angle of head and gaze."""
    smoothing_sec: NonNegativeFloat
    """Standard deviation of the Gaussian over time with which the tracker smooths what it saw, noise included."""
    losses_hz: Annotated[float, Field(ge=0.0, le=10.0)]
    """How often the face is lost."""
    loss_sec: Positive
    """Mean of the exponentially distributed time for which it is lost."""

    @property
    def tracker(self) -> str:
        """Whose tables they look like."""
        return "OpenFace 2"


def _one_tracker(accept: list[str]) -> list[str]:
    for tracker in accept:
        if tracker not in TRACKERS:
            known = tuple(TRACKERS)
            raise ValueError(
                f"accept=[{','.join(accept)}]: no tracker {tracker}{nearest(tracker, known)}; expected one of "
                f"{', '.join(known)}"
            )
    if len(accept) > 1:
        raise ValueError(f"accept=[{','.join(accept)}]: expected one, whose streams stand for those of the run")
    return accept


Accept = Annotated[list[str], AfterValidator(_one_tracker)]
"""Another tracker than that of the run whose streams may stand for the run's own, by the names of their components."""
