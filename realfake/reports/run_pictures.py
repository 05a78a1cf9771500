"""The pictures of a run, or of an evaluation, drawn from what its folder holds: at its end or at any time later."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from realfake.reports.example_cards import read_details
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import TABLE_BYTES, Unreadable, read_text
from realfake.runs.results import read_results
from realfake.scoring.predictions import Predictions, read_table, subject_numbers
from realfake.scoring.statistics import Interval
from realfake.scoring.tables import by_emotion

FACE_PX = 128
"""Side of an example's face in the picture of examples."""


def draw_run(folder: Path, of_emotions: Mapping[str, Mapping[str, Interval]] | None = None) -> dict[str, Path]:
    """Draw ``plots/`` of a tested run or of an evaluation; name → file, empty if it holds no predictions.

    Reads ``predictions.csv``, ``results.json`` and, as far as they are there, ``metrics.csv`` and ``details.json``.
    Neither the data nor the network need be at hand.

    Args:
        folder: Of the run, or below its ``evaluation/``.
        of_emotions: Emotion → metric → interval; ``None`` = computed.

    Raises:
        UserError: If the table of predictions cannot be read.
    """
    from realfake.scoring.plots import draw_all, save_all

    run = RunFolder(folder)
    if not run.predictions.is_file():
        return {}
    clips, table = read_table(run.predictions)
    results = read_results(folder) or {}
    if of_emotions is None:
        of_emotions = by_emotion(clips, subject_numbers(table))
    figures = draw_all(
        clips,
        rows=_rows(run.metrics),
        best_epoch=results.get("best_epoch"),
        faces=_faces(run, clips, table["clip"].tolist()),
        by_emotion=of_emotions,
        auroc=interval_of(results, "authenticity_auroc"),
        note=results.get("people"),
    )
    if "examples" not in figures:  # nor may faces of an earlier test stay
        (run.plots / "examples.png").unlink(missing_ok=True)
    return save_all(figures, run.plots)


def interval_of(results: Mapping[str, Any], metric: str) -> Interval | None:
    """The interval of a metric of test clips that ``results.json`` holds; ``None`` if there is none."""
    name = f"test/clip/{metric}"
    value, ends = (results.get("metrics") or {}).get(name), (results.get("intervals") or {}).get(name)
    if not isinstance(ends, list) or len(ends) != 2:
        return None
    return Interval(*(float(v) if isinstance(v, int | float) else math.nan for v in (value, *ends)))


def _faces(run: RunFolder, clips: Predictions, names: list[str]) -> np.ndarray | None:
    """The middle face of each example, right ones first, uint8 (n, size, size, 3); None if not all are at hand."""
    from realfake.data.store import decode_crops
    from realfake.scoring.plots import choose_examples

    held = {e["clip"]: e["faces"] for e in read_details(run)["examples"] if e["faces"]}
    chosen = [names[clips.clip[row]] for row in np.concatenate(choose_examples(clips))]
    if not chosen or not set(chosen) <= set(held):
        return None
    middle = (held[name][len(held[name]) // 2]["jpeg"] for name in chosen)
    try:
        return decode_crops([base64.b64decode(jpeg) for jpeg in middle], FACE_PX)
    except ValueError:  # no pictures
        return None


def _rows(path: Path) -> list[dict[str, float]]:
    """Metrics of each epoch; none without a table that can be read."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, TABLE_BYTES), newline="")))
        return [{k: float(v) for k, v in row.items() if v} for row in rows]
    except (OSError, Unreadable, ValueError, TypeError, csv.Error):
        return []
