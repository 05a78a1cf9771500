"""What pages of tested clips have in common: examples of ``details.json`` beside what was said of them, confusions."""

from __future__ import annotations

from typing import Any

from realfake.reports.pooling import RunClips
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import Unreadable, read_json
from realfake.scoring.metrics import confusion_matrix
from realfake.scoring.plots.examples import sureness, task_of
from realfake.scoring.predictions import Predictions
from realfake.scoring.wording import decimals


def read_details(run: RunFolder) -> dict[str, Any]:
    """What ``details.json`` holds (:mod:`realfake.experiments.details`); empty lists in runs that have none."""
    empty: dict[str, Any] = {"faces": {}, "examples": []}
    try:
        found = read_json(run.details)
    except (OSError, Unreadable):
        return empty
    return {**empty, **found} if isinstance(found, dict) else empty


def example_cards(clips: RunClips, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
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
                    "emotions": list(dict.fromkeys(emotions)),
                    "interval_sec": e["interval_sec"],
                    "streams": e["streams"],
                },
            }
        )
    return shown


def confusions(p: Predictions) -> dict[str, dict[str, Any]]:
    """Task that is told → names of its classes, and how many clips of each (rows) were given each (columns)."""
    return {t: {"names": p.space.names(t), "counts": confusion_matrix(p, t).tolist()} for t in p.tasks}
