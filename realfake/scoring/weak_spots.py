"""Where a model fails, as tables for people: by emotion, by person, by how well the face was seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.scoring.metric_table import METRICS, REPORTED, main_metrics, told_metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.statistics import Interval
from realfake.scoring.tables import by_part, by_subject, thirds
from realfake.scoring.wording import number, span

if TYPE_CHECKING:
    import pandas as pd

Table = tuple[list[str], list[list[str]]]
"""Headings, and rows of as many cells."""

FACES = {"size_px": "size of the face (pixels)", "yield": "part of the looks that found the face"}
"""Measure of how well a face was seen → heading."""


def plain_emotions(p: Predictions, emotions: Mapping[str, Mapping[str, Interval]]) -> dict[str, dict[str, Any]]:
    """What :func:`realfake.scoring.tables.by_emotion` found as plain values, with the number of ``clips``."""
    return {
        name: {"clips": int((p.emotion == k).sum())} | {n: asdict(i) for n, i in emotions[name].items()}
        for k, name in enumerate(p.space.emotions)
        if name in emotions
    }


def plain_subjects(p: Predictions, subject: np.ndarray, pair: np.ndarray, table: pd.DataFrame) -> list[dict[str, Any]]:
    """What :func:`realfake.scoring.tables.by_subject` finds as plain values, in the order of the names."""
    rows = []
    for person, row in by_subject(p, subject, pair).items():
        first = table.iloc[int(p.clip[subject == person][0])]
        rows.append(
            {
                "dataset": str(first["dataset"]),
                "subject": str(first["subject"]) or str(first["clip"]),
                "clips": row.clips,
                **{f"{task}_accuracy": asdict(i) for task, i in row.accuracy.items()},
                **({"pair_accuracy": row.pair_accuracy} if "authenticity" in p.p else {}),
            }
        )
    return sorted(rows, key=lambda r: (r["dataset"], r["subject"]))


def emotion_table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """The main metrics of each emotion's clips, see :func:`plain_emotions`."""
    return _parts_table("emotion", found)


def subject_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """How each person's clips did (:func:`plain_subjects`), the worst first; intervals are Wilson's."""
    first = rows[0] if rows else {}
    shown = [m for m in main_metrics() if m in first and m != "pair_accuracy"]
    pairs = ["pair_accuracy"] if "pair_accuracy" in first else []
    several = len({row["dataset"] for row in rows}) > 1

    def failing(row: Mapping[str, Any]) -> tuple[float, ...]:
        return tuple(math.inf if (v := row[m]["value"]) is None or math.isnan(v) else v for m in shown)

    cells = [
        [
            row["subject"],
            *([row["dataset"]] if several else []),
            f"{row['clips']:,}",
            *(f"{number(m, row[m]['value'])} {span(m, row[m])}".strip() for m in shown),
            *(number(m, row[m]) for m in pairs),
        ]
        for row in sorted(rows, key=failing)
    ]
    heads = [REPORTED[m].heading for m in (*shown, *pairs)]
    return ["person", *(["dataset"] if several else []), "clips", *heads], cells


def face_tables(p: Predictions, subject: np.ndarray, pair: np.ndarray, faces: Mapping[str, Any]) -> list[Table]:
    """How clips did whose faces were seen less and more well: a table a measure in which they differ.

    Args:
        p: Predictions, one row a clip (N).
        subject: Number of the subject of each clip (N,).
        pair: Number of the pair of each clip (N,), -1 = none.
        faces: Measure of :data:`FACES` → its values (N), None where it is not known.
    """
    tables, names = [], [name for name in told_metrics(p.tasks) if METRICS[name].main]
    for measure, heading in FACES.items():
        values = np.array([math.nan if v is None else v for v in faces.get(measure) or ()], np.float64)
        parts = thirds(values) if len(values) == len(p) else {}
        found = by_part(p, parts, subject, pair, names=names)
        plain = {k: {"clips": int(parts[k].sum())} | {n: asdict(i) for n, i in of.items()} for k, of in found.items()}
        if plain:
            tables.append(_parts_table(heading, plain))
    return tables


def _parts_table(what: str, found: Mapping[str, Mapping[str, Any]]) -> Table:
    first: Mapping[str, Any] = next(iter(found.values()), {})
    shown = [m for m in main_metrics() if m in first]
    rows = [
        [name, f"{of['clips']:,}", *(f"{number(m, of[m]['value'])} {span(m, of[m])}".strip() for m in shown)]
        for name, of in found.items()
    ]
    return [what, "clips", *(REPORTED[m].heading for m in shown)], rows
