"""What pages of tested clips have in common: examples of ``details.json`` beside what was said of them, confusions."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # that of Python 3.11 cannot be checked

from realfake.reports.pooling import RunClips
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import Unreadable, read_json
from realfake.scoring.metrics import confusion_matrix
from realfake.scoring.plots.examples import sureness, task_of
from realfake.scoring.predictions import Predictions
from realfake.scoring.wording import decimals


class OverTime(TypedDict):
    """Probabilities over a clip."""

    times_sec: list[float]
    window_sec: float
    """Length of the window that each point looks at; 0 = a frame."""
    p: dict[str, list[float]]
    """Class of emotion or authenticity → its probability at each time."""


class Course(TypedDict):
    """Numbers of a stream over a clip."""

    words: str
    unit: str
    of: int
    """Numbers that the stream has."""
    times_sec: list[float | None]
    values: dict[str, list[float | None]]
    """Component → its values; null in gaps."""


class Face(TypedDict):
    """A crop."""

    time_sec: float
    jpeg: str
    """In base64."""


class Example(TypedDict):
    """A tested clip that is shown."""

    clip: str
    dataset: str
    right: bool
    interval_sec: list[float]
    """Start and end of what was sampled."""
    over_time: OverTime | None
    streams: dict[str, Course]
    faces: list[Face]
    """Empty where none may be shown."""


class Details(TypedDict):
    """What ``details.json`` holds."""

    faces: dict[str, list[float | None]]
    """Measure of how well faces were seen (:data:`realfake.scoring.weak_spots.FACES`) → its value for each clip."""
    examples: list[Example]


_DETAILS = TypeAdapter(Details)


def read_details(run: RunFolder) -> Details:
    """What ``details.json`` holds; empty in runs that have none, or one that no run wrote."""
    try:
        return _DETAILS.validate_python(read_json(run.details), strict=False)
    except (OSError, Unreadable, ValidationError):
        return {"faces": {}, "examples": []}


def example_cards(clips: RunClips, found: list[Example]) -> list[dict[str, Any]]:
    """What the page shows of each example, wrong ones first."""
    p, table = clips.predictions, clips.table
    task = task_of(p)
    names = [name.replace("_", " ") for name in p.space.names(task)]
    row_of = {(c["dataset"], c["clip"]): row for row, c in enumerate(table.iloc[p.clip].to_dict("records"))}
    sure, shown = sureness(p, task), []
    for e in sorted(found, key=lambda e: bool(e["right"])):
        row = row_of.get((e["dataset"], e["clip"]))
        if row is None:
            continue
        true, said = int(p.true(task)[row]), int(p.predicted(task)[row])
        emotions = []
        if "emotion" in p.p:
            emotions = [p.space.emotions[k] for k in (int(p.emotion[row]), int(p.predicted("emotion")[row])) if k >= 0]
        shown.append(
            {
                "clip": e["clip"],
                "right": true == said,
                "true": names[true] if true >= 0 else "unlabelled",
                "said": names[said],
                "sure": decimals(float(sure[row]), 2),
                "faces": e["faces"],
                "curves": {
                    "over_time": e["over_time"],
                    "beside": list(dict.fromkeys(emotions)),
                    "interval_sec": e["interval_sec"],
                    "streams": e["streams"],
                },
            }
        )
    return shown


def confusions(p: Predictions) -> dict[str, dict[str, Any]]:
    """Task that is told → names of its classes, and how many clips of each (rows) were given each (columns)."""
    return {t: {"names": p.space.names(t), "counts": confusion_matrix(p, t).tolist()} for t in p.tasks}
