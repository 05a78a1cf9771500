"""Pictures of explanations: faces with what spoke for their labels laid over them, and what each frame adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from realfake.prediction.explain import EXPLAINED, Explanation
from realfake.scoring.plots.style import BLUE, GREY, ORANGE, SMALL, TEXT, new_figure, plain, save

COLUMNS = 8
_SIDE = 1.25
"""Of a face, in inches."""
_ROW = _SIDE + 0.2
"""Of a row of faces with words below."""
COLORS = dict(zip(EXPLAINED, (BLUE, ORANGE), strict=True))


def draw_explanations(found: Sequence[Explanation], path: Path) -> Path:
    """Draw the explanations of one input, one below the other for clips, side by side for single frames."""
    return save(clip_figure(found) if len(_frames(found[0])) > 1 else frame_figure(found), path)


def overlay(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map over a face: what counts is bright yellow, what does not is dimmed.

    Args:
        face: uint8 (S, S, 3) RGB.
        heat: (S, S), 0 to 1.
    """
    grey = cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) / 255.0
    color = colormaps["inferno"](heat)[..., :3]
    share = 0.1 + 0.55 * heat[..., None]
    return np.rint(255.0 * ((1.0 - share) * grey + share * color)).astype(np.uint8)


def frame_figure(found: Sequence[Explanation]) -> Figure:
    """A column for each frame or face: the face, what speaks for its authenticity, and for its emotion."""
    shown, tasks = found[:COLUMNS], list(found[0].classes)
    figure = new_figure(0.9 + _SIDE * len(shown), 0.1 + _ROW * (1 + len(tasks)))
    rows: list[tuple[str, list[np.ndarray], list[str]]] = [("crop", [_frames(e)[0] for e in shown], [""] * len(shown))]
    rows += [
        (task, [overlay(_frames(e)[0], e.maps[task][0]) for e in shown], [said(e, task) for e in shown])
        for task in tasks
    ]
    _grid(figure, rows, 0.05)
    return figure


def clip_figure(found: Sequence[Explanation]) -> Figure:
    """For each window: frames of it, what speaks for its labels in them, and what each of its frames adds."""
    blocks, tasks = found[:3], list(found[0].classes)
    block = 0.4 + _ROW * len(tasks) + 1.6
    figure = new_figure(0.9 + _SIDE * COLUMNS, block * len(blocks))
    wide, high = figure.get_figwidth(), figure.get_figheight()
    for b, e in enumerate(blocks):
        picked = np.unique(np.linspace(0, len(_frames(e)) - 1, COLUMNS).round().astype(int))
        words = [f"frame {i + 1}" for i in picked]
        rows = [(task, [overlay(_frames(e)[i], e.maps[task][i]) for i in picked], words) for task in tasks]
        title = "what speaks for " + " and ".join(said(e, task) for task in tasks)
        figure.text(0.85 / wide, 1 - (b * block + 0.27) / high, title, fontsize=TEXT)
        _grid(figure, rows, b * block + 0.35)
        bottom = 1 - ((b + 1) * block - 0.5) / high
        axis = figure.add_axes((0.85 / wide, bottom, (_SIDE * COLUMNS - 0.05) / wide, 0.9 / high))
        number = np.arange(len(_frames(e))) + 1
        for k, (task, values) in enumerate(e.time.items()):
            axis.bar(number + (k - 0.5) * 0.38, 100 * values, 0.36, color=COLORS[task], label=e.classes[task])
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_xlim(0.4, len(number) + 0.6)
        axis.legend(fontsize=SMALL, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.95))
        plain(axis, "frame", "adds (% points)")
    return figure


def _grid(figure: Figure, rows: Sequence[tuple[str, list[np.ndarray], list[str]]], above: float) -> None:
    """Rows of pictures from ``above`` inches below the top; a name before each row, words below each picture."""
    wide, high = figure.get_figwidth(), figure.get_figheight()
    for r, (name, pictures, texts) in enumerate(rows):
        bottom = 1 - (above + r * _ROW + _SIDE) / high
        middle = bottom + 0.5 * _SIDE / high
        figure.text(0.78 / wide, middle, name, fontsize=SMALL, rotation=90, va="center", ha="right")
        for k, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
            left = (0.85 + k * _SIDE) / wide
            axis = figure.add_axes((left, bottom, (_SIDE - 0.05) / wide, (_SIDE - 0.05) / high))
            axis.imshow(picture)
            axis.set_axis_off()
            figure.text(left, bottom - 0.02 / high, text, fontsize=SMALL, va="top")


def _frames(e: Explanation) -> np.ndarray:
    assert e.frames is not None
    return e.frames


def said(e: Explanation, task: str) -> str:
    return f"{e.classes[task]} {e.probability[task]:.2f}"
