"""What is said of a prepared dataset: by ``realfake prepare`` at its end, by a run before it begins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from realfake.data.low_yield import PICTURES, low_yield
from realfake.data.media import moments_a_second
from realfake.data.people import people_note
from realfake.labels import ABSENT, AUTHENTICITIES, LabelSpace, several
from realfake.terminal import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from realfake.data.store import PreparedStore
    from realfake.data.stored_streams import StoredStream

log = logging.getLogger(__name__)

MOST_LOGGED = 5
"""Remarks that a run says before it begins."""
_FEWER = 0.99
"""Times the rate of crops: videos that have fewer frames a second have not enough; 29.97 are 30."""
MOST_SKIPPED = 20
"""Files that are listed with their reasons; of more, the number is told."""


def print_summary(store: PreparedStore, space: LabelSpace, console: Console) -> None:
    """Print clips, crops and face yield of each class, the files that were left out, and where the store lies."""
    table, cells = store.table, []

    def add(name: str, rows: np.ndarray) -> None:
        part = table[rows]
        looked = int(part["sampled"].sum())
        found = float((part["yield"] * part["sampled"]).sum())
        share = f"{found / looked:.1%}" if looked else ""
        cells.append([name, f"{len(part):,}", f"{int(part['stored'].sum()):,}", share])

    emotion, authenticity = table["emotion"].to_numpy(), table["authenticity"].to_numpy()
    if not several(emotion):
        emotion = np.full(len(table), ABSENT)
    for a, a_name in (*enumerate(AUTHENTICITIES), (ABSENT, "")):
        for e, e_name in (*enumerate(space.emotions), (ABSENT, "")):
            rows = (emotion == e) & (authenticity == a)
            if rows.any():
                add(" ".join(filter(None, (a_name, e_name))) or "unlabelled", rows)
    add("all", np.ones(len(table), bool))
    columns = ("class", "clips", "crops", "face yield")
    print_table(console, f"prepared {store.title}", columns, cells, sections=[len(cells) - 1])
    _print_files(console, f"{len(store.skipped)} files left out", store.skipped[["path", "reason"]].values.tolist())
    remarks = [[r["path"], r["reason"]] for r in store.settings["remarks"]]
    _print_files(console, f"{len(remarks)} remarks", remarks)
    low = [[table["path"].array[row], remark] for row, remark in low_yield(store)]
    _print_files(console, f"{len(low)} clips with a low face yield, pictured in {store.folder / PICTURES}", low)
    rate, fps = store.settings["extraction"]["rate_fps"], table["fps"].to_numpy(float)
    if slower := int((fps < _FEWER * rate).sum()):
        console.print(
            f"data.rate_fps={rate:g}: {slower} of {len(fps)} clips have fewer frames a second (the fastest "
            f"{fps.max():.4g}), of which all were taken", style="yellow", markup=False, soft_wrap=True, highlight=False
        )  # fmt: skip
    if note := people_note(table["subject"]):
        console.print(note, style="yellow", markup=False, soft_wrap=True, highlight=False)
    console.print(f"store {store.folder}", markup=False, soft_wrap=True)


def print_streams(streams: dict[str, StoredStream], console: Console) -> None:
    """Print what a signal gave: clips that have each stream, values a second, and the part of them that is no gap."""
    cells = []
    for name, stream in streams.items():
        rows, counts = stream.rows, stream.counts
        rate = moments_a_second(rows["time_sec"])
        sound = float((rows["quality"] > 0).mean())
        cells.append([name, f"{(counts > 0).sum():,}", f"{len(rows):,}", f"{rate:.3g}", f"{sound:.1%}"])
    print_table(console, "", ("stream", "clips", "values", "a second", "without gaps"), cells)
    console.print(f"streams {next(iter(streams.values())).folder}", markup=False, soft_wrap=True)


def log_remarks(store: PreparedStore) -> None:
    """Say what was remarked about a dataset, such as columns that were not read, in a few lines."""
    remarks = store.settings["remarks"]
    for remark in remarks[:MOST_LOGGED]:
        log.warning("%s: %s", remark["path"], remark["reason"])
    if len(remarks) > MOST_LOGGED:
        log.warning("… and %d more remarks about the data, which realfake prepare lists", len(remarks) - MOST_LOGGED)


def _print_files(console: Console, title: str, files: list[list[str]]) -> None:
    if not files:
        return
    console.print(f"{title}:", style="yellow", markup=False)
    for path, reason in files[:MOST_SKIPPED]:
        console.print(f"  {path}: {reason}", markup=False, soft_wrap=True, highlight=False)
    if len(files) > MOST_SKIPPED:
        console.print(
            f"  … and {len(files) - MOST_SKIPPED} more (clips.parquet and skipped.parquet name all)", markup=False
        )
