"""Right and wrong examples with their probabilities."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from realfake.labels import ABSENT
from realfake.scoring.plots.style import BLUE, SMALL, TEXT, VERMILION, new_figure
from realfake.scoring.predictions import Predictions

COLUMNS = 6
_PITCH, _ROW = 1.08, 1.48
"""Distance of two faces and of two rows, in sides of a face."""


def choose_examples(p: Predictions, count: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are right, and rows that are wrong, the surest of each first (at most ``count`` of each).

    What counts is the joint class, or the authenticity where there are no emotions.
    """
    task = task_of(p)
    known = p.true(task) != ABSENT
    right = p.predicted(task) == p.true(task)
    order = np.argsort(-sureness(p, task), kind="stable")
    return order[(known & right)[order]][:count], order[(known & ~right)[order]][:count]


def sureness(p: Predictions, task: str) -> np.ndarray:
    """Probability of each row's predicted class of a task (N,)."""
    return np.take_along_axis(p.probabilities(task), p.predicted(task)[:, None], axis=1)[:, 0]


def task_of(p: Predictions) -> str:
    """The task by which a row counts as right: joint, or what is told and has labels."""
    told = [task for task in ("joint", "authenticity", "emotion") if task in p.p]
    return next((task for task in told if (p.true(task) != ABSENT).any()), told[0])


def examples(right: Predictions, right_images: np.ndarray, wrong: Predictions, wrong_images: np.ndarray) -> Figure:
    """A row of right and a row of wrong examples; under each face what it is, what was said, and how surely.

    Args:
        right: Predictions (N).
        right_images: Their faces, uint8 (N, H, W, 3), RGB.
        wrong: Predictions (M).
        wrong_images: Their faces, uint8 (M, H, W, 3), RGB.
    """
    width, height = COLUMNS * _PITCH, 2 * _ROW
    figure = new_figure(1.7 * width, 1.7 * height)
    # One axis for all faces: twelve would take most of the time.
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set_axis_off()
    for r, (p, images, word, color) in enumerate(
        ((right, right_images, "right", BLUE), (wrong, wrong_images, "wrong", VERMILION))
    ):
        bottom = height - r * _ROW - 1.18
        axis.text(0.04, bottom + 1.04, word, fontsize=TEXT, color=color, weight="bold")
        if not len(p):
            axis.text(0.04, bottom + 0.5, "none", fontsize=TEXT, color="#444444")
            continue
        task = task_of(p)
        names = [name.replace("_", " ") for name in p.space.names(task)]
        for k in range(min(len(p), COLUMNS)):
            left = 0.04 + k * _PITCH
            box = (left, left + 1.0, bottom, bottom + 1.0)
            axis.imshow(images[k], extent=box)
            axis.add_patch(Rectangle((left, bottom), 1.0, 1.0, fill=False, edgecolor=color, linewidth=2.5))
            true, said = names[p.true(task)[k]], names[p.predicted(task)[k]]
            text = f"{true}\nsaid {said} {sureness(p, task)[k]:.2f}"
            axis.text(left + 0.5, bottom - 0.05, text, fontsize=SMALL, linespacing=1.3, ha="center", va="top")
    axis.set_xlim(0.0, width)
    axis.set_ylim(0.0, height)
    return figure
