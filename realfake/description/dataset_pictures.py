"""Pictures of a dataset: what there is of each class, how long clips are, and contact sheets of the faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.description.dataset_statistics import UNLABELLED
from realfake.files import open_whole
from realfake.labels import AUTHENTICITIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from realfake.data.store import PreparedStore

COLORS = {"fake": "#D55E00", "real": "#0072B2", "other": "#777777"}
"""Of the Okabe-Ito palette: told apart by the colour-blind, and in print by the hatching."""

HATCHES = {"fake": "//", "real": "", "other": ".."}
ROWS, COLUMNS = 6, 7
"""Largest contact sheet."""

FACE = 96
"""Side of a face on it in pixels."""

MOST_SUBJECTS = 120


def draw_all(
    description: dict[str, Any], store: PreparedStore, labels: pd.Categorical[str], folder: Path, *, faces: bool = True
) -> dict[str, Path]:
    """Draw every picture into ``folder``.

    Args:
        description: See :func:`realfake.description.dataset_statistics.describe`.
        store: For the faces of the contact sheets.
        labels: Class of each row of the store's table (rows,).
        folder: Existing folder.
        faces: Whether there are contact sheets; without, those of an earlier description go.

    Returns:
        Caption → PNG file, in the order in which a page should show them.
    """
    from matplotlib.figure import Figure

    def save(figure: Figure, name: str) -> Path:
        path = folder / f"{name}.png"
        with open_whole(path) as file:
            figure.savefig(file, dpi=110, bbox_inches="tight", facecolor="white")
        return path

    pictures: dict[str, Path] = {}
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _bars(left, description["classes"], "clips", "clips")
    _bars(right, description["classes"], "crops", "stored face crops")
    pictures["Clips and face crops of each class"] = save(figure, "classes")

    figure = Figure(figsize=(10, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    _histogram(left, description["duration_sec"], "duration of a clip (s)")
    _histogram(right, description["crops_per_clip"], "face crops of a clip")
    pictures["Length of the clips"] = save(figure, "durations")

    figure = Figure(figsize=(10, 3.0), layout="constrained")
    _yields(figure.subplots(), description["classes"])
    pictures["Frames with a face, of the frames that were looked at"] = save(figure, "face_yield")

    subjects = sorted(set(store.table["subject"]))
    if len(subjects) > 1:
        figure = Figure(figsize=(10, 1.4 + 0.17 * min(len(subjects), MOST_SUBJECTS)), layout="constrained")
        _coverage(figure.subplots(), store.table["subject"].to_numpy(object), labels, subjects[:MOST_SUBJECTS])
        pictures["Clips of each subject and class (white = none)"] = save(figure, "subjects")

    if any(p["auroc"] is not None for p in description["probes"]):
        figure = Figure(figsize=(10, 0.9 + 0.3 * len(description["probes"])), layout="constrained")
        _forest(figure.subplots(), description["probes"])
        pictures["Real told from fake by what is no expression: AUROC, 95 % intervals"] = save(figure, "shortcuts")

    for name in description["classes"]:
        path = folder / f"contact_{name}.png"
        if not faces:
            path.unlink(missing_ok=True)
            continue
        with open_whole(path) as file:
            contact_sheet(store, np.flatnonzero(labels == name), str(name)).save(file, "PNG")
        pictures[f"Contact sheet: {name}"] = path
    return pictures


def contact_sheet(store: PreparedStore, rows: np.ndarray, title: str) -> Image:
    """Faces of one class: a row of the sheet is a clip over time, or, of images, each face is a clip.

    Args:
        store: The prepared dataset.
        rows: Clips of the class, as rows of the store's table.
        title: Above the sheet.

    Returns:
        A Pillow image. (Axes of matplotlib would take a hundred times longer.)
    """
    from PIL import Image, ImageDraw, ImageFont

    subjects = store.table["subject"].to_numpy(object)
    by_subject = _spread(subjects, rows)
    moving = bool((store.table["stored"].to_numpy()[rows] > 1).any())
    clips = by_subject[: ROWS if moving else ROWS * COLUMNS]
    n_rows = len(clips) if moving else -(-len(clips) // COLUMNS)
    margin, height, top = (74 if moving else 4), FACE + 16, 26
    sheet = Image.new("RGB", (margin + COLUMNS * (FACE + 4), top + n_rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    large, small = (_font(ImageFont, size) for size in (13, 10))
    pen.text((4, 5), f"{title}: {len(clips):,} of {len(rows):,} clips", fill="black", font=large)

    def put(crop: np.ndarray, row: int, column: int, text: str) -> None:
        x, y = margin + column * (FACE + 4), top + row * height
        sheet.paste(Image.fromarray(crop).resize((FACE, FACE), Image.Resampling.BILINEAR), (x, y))
        pen.text((x + FACE // 2, y + FACE + 1), text, fill="black", font=small, anchor="ma")

    for k, clip in enumerate(clips):
        stored = len(store.timestamps(clip))
        name = _short(str(subjects[clip]) or "?")
        if moving:
            chosen = np.linspace(0, stored - 1, min(COLUMNS, stored)).round().astype(int)
            times = store.timestamps(clip)[chosen]
            for column, (crop, time_sec) in enumerate(zip(store.read(clip, chosen), times, strict=True)):
                put(crop, k, column, f"{time_sec:.1f} s")
            pen.text((margin - 5, top + k * height + FACE // 2), name, fill="black", font=small, anchor="rm")
        else:
            put(store.read(clip, np.array([stored // 2]))[0], *divmod(k, COLUMNS), name)
    return sheet


def _font(image_font: Any, size: int) -> Any:
    """A font that has Cyrillic and accents: the one that matplotlib brings along."""
    from matplotlib import get_data_path

    return image_font.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _spread(subjects: np.ndarray, rows: np.ndarray) -> list[int]:
    """``rows`` such that different subjects come first; those of many are taken evenly from all."""
    seen: dict[str, int] = {}
    turn = []
    for row in rows.tolist():
        name = subjects[row] or f"\0{row}"
        turn.append(seen.get(name, 0))
        seen[name] = turn[-1] + 1
    first = [r for r, t in zip(rows.tolist(), turn, strict=True) if t == 0]
    rest = [r for t, r in sorted(zip(turn, rows.tolist(), strict=True)) if t > 0]
    step = max(1, len(first) // (ROWS * COLUMNS))
    return first[::step] + rest


def _short(text: str, length: int = 14) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _kind(name: str) -> str:
    return next((a for a in AUTHENTICITIES if name.split("_", maxsplit=1)[0] == a), "other")


def _bars(axis: Axes, classes: dict[str, dict[str, Any]], key: str, what: str) -> None:
    """Bars of real and fake beside each other for every emotion, with their numbers."""
    of_joint = {n.partition("_")[2]: None for n in classes if "_" in n}
    emotions = {n: None for n in classes if "_" not in n and _kind(n) == "other" and n != UNLABELLED}
    loose = [n for n in classes if _kind(n) == n or n == UNLABELLED]
    places = {name: i for i, name in enumerate([*of_joint, *(e for e in emotions if e not in of_joint), *loose])}
    top = max(c[key] for c in classes.values())
    for kind in ("real", "fake", "other"):
        names = [n for n in classes if _kind(n) == kind]
        x = [places[n.partition("_")[2] or n] for n in names]
        shift = {"real": -0.2, "fake": 0.2, "other": 0.0}[kind]
        height = [classes[n][key] for n in names]
        if names:
            axis.bar(
                np.array(x) + shift, height, 0.38, label=kind if kind != "other" else "unknown",
                color=COLORS[kind], hatch=HATCHES[kind], edgecolor="white", linewidth=0.5,
            )  # fmt: skip
        for place, value in zip(x, height, strict=True):
            axis.text(place + shift, value + 0.015 * top, f"{value:,}", ha="center", va="bottom", fontsize=6)
    axis.set_xticks(range(len(places)), [*places], fontsize=8)
    axis.set_ylabel(what)
    axis.set_ylim(0, top * 1.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, ncols=3, loc="upper right")


def _yields(axis: Axes, classes: dict[str, dict[str, Any]]) -> None:
    """Face yield of each class, from 0 to 100 %."""
    for i, (name, amounts) in enumerate(classes.items()):
        value, kind = 100 * amounts["face_yield"], _kind(name)
        axis.bar(i, value, 0.7, color=COLORS[kind], hatch=HATCHES[kind], edgecolor="white", linewidth=0.5)
        axis.text(i, value + 1.5, f"{value:.1f}", ha="center", fontsize=7)
    axis.set_xticks(range(len(classes)), [n.replace("_", "\n") for n in classes], fontsize=8)
    axis.set_ylim(0, 112)
    axis.set_yticks([0, 25, 50, 75, 100])
    axis.set_ylabel("frames with a face (%)")
    axis.spines[["top", "right"]].set_visible(False)


def _histogram(axis: Axes, distribution: dict[str, Any], what: str) -> None:
    edges, counts = distribution["histogram"]["edges"], distribution["histogram"]["counts"]
    axis.stairs(counts, edges, fill=True, color=COLORS["real"], alpha=0.85)
    axis.axvline(distribution["median"], color="black", linestyle="--", linewidth=1)
    axis.text(
        distribution["median"], max(counts) * 1.06, f" median {distribution['median']:g}", fontsize=7, ha="left"
    )  # fmt: skip
    axis.set_ylim(0, max(counts) * 1.2)
    axis.set_xlabel(what)
    axis.set_ylabel("clips")
    axis.spines[["top", "right"]].set_visible(False)


def _forest(axis: Axes, probes: list[dict[str, Any]]) -> None:
    """A line a probe: AUROC and its interval, against chance; what is undefined is said."""
    for place, p in enumerate(probes):
        color = COLORS["fake"] if p["beats_chance"] else COLORS["real"]
        if p["auroc"] is None:
            axis.text(0.5, place, f" {p['undefined']}", va="center", fontsize=8, color=COLORS["other"])
            continue
        if p["low"] is not None:
            axis.plot([p["low"], p["high"]], [place, place], color=color, linewidth=2)
        axis.plot(p["auroc"], place, "s" if p["beats_chance"] else "o", color=color, markersize=6)
    axis.axvline(0.5, color="black", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(probes)), [p["probe"] for p in probes], fontsize=9)
    axis.set_ylim(len(probes) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xlabel("AUROC (squares: better than chance, corrected for all of them)")
    axis.spines[["top", "right"]].set_visible(False)


def _coverage(axis: Axes, subject: np.ndarray, labels: pd.Categorical[str], subjects: list[str]) -> None:
    """How many clips each subject has of each class."""
    names = labels.categories.tolist()
    counts = np.zeros((len(subjects), len(names)), int)
    row_of, column_of = {s: i for i, s in enumerate(subjects)}, {n: i for i, n in enumerate(names)}
    for s, n in zip(subject, labels, strict=True):
        if s in row_of:
            counts[row_of[s], column_of[n]] += 1
    image = axis.imshow(np.ma.masked_equal(counts, 0), cmap="Blues", aspect="auto", vmin=0, vmax=1.4 * counts.max() + 1)
    axis.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(subjects) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", linewidth=1)
    axis.set_xticks(range(len(names)), [n.replace("_", "\n") for n in names], fontsize=7)
    axis.xaxis.tick_top()
    axis.set_yticks(
        range(len(subjects)), [_short(s, 24) or "(unknown)" for s in subjects], fontsize=6, parse_math=False
    )
    for i, j in _cells(counts) if counts.size <= 1000 else ():
        axis.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=6)
    if counts.size > 1000:
        axis.figure.colorbar(image, ax=axis, label="clips", fraction=0.03)
    axis.tick_params(which="both", length=0)


def _cells(counts: np.ndarray) -> Iterator[tuple[int, int]]:
    return zip(*(index.tolist() for index in np.nonzero(counts)), strict=True)
