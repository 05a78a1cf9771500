"""Confusion matrices."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realfake.scoring.metrics import confusion_matrix
from realfake.scoring.plots.style import SMALL, TEXT, new_figure
from realfake.scoring.predictions import Predictions

_MARGINS = {"joint": (1.35, 1.25), "emotion": (1.05, 0.95), "authenticity": (0.75, 0.5)}
"""Space left of a matrix and below it, in inches."""
_ABOVE = 0.32


def confusion(p: Predictions, task: str) -> Figure:
    """A task's confusion matrix as counts, and in percent of each true class.

    Args:
        p: Predictions, one row a sample or a clip.
        task: ``joint``, ``emotion`` or ``authenticity``.
    """
    counts = confusion_matrix(p, task)
    totals = counts.sum(axis=1, keepdims=True)
    percent = np.divide(100.0 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    (before, below), side = _MARGINS[task], max(1.9, 0.9 + len(counts) * 4.4 / 12)
    width, height = 2 * (before + side) + 0.15, side + below + _ABOVE
    figure = new_figure(width, height)
    names = [name.replace("_", " ") for name in p.space.names(task)]
    for k, (values, title) in enumerate(((counts, f"{task}: counts"), (percent, "percent of the true class"))):
        left = before + k * (before + side)
        axis = figure.add_axes((left / width, below / height, side / width, side / height))
        _matrix(axis, values, names, values.round())
        axis.set_title(title, fontsize=TEXT, loc="left")
        figure.text((left + side / 2) / width, 0.07 / height, "predicted", fontsize=TEXT, ha="center")
    figure.text(0.1 / width, (below + side / 2) / height, "true", fontsize=TEXT, rotation=90, va="center", ha="center")
    return figure


def _matrix(axis: Axes, values: np.ndarray, names: list[str], shown: np.ndarray) -> None:
    top, size = max(float(values.max(initial=0)), 1.0), len(names)
    axis.imshow(values, cmap="Blues", vmin=0.0, vmax=top)
    between = np.arange(size - 1) + 0.5
    axis.vlines(between, -0.5, size - 0.5, color="white", linewidth=1)
    axis.hlines(between, -0.5, size - 0.5, color="white", linewidth=1)
    # Plain texts rather than ticks, which take several times as long to draw.
    axis.set_xticks([])
    axis.set_yticks([])
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if size > 2 else {"ha": "center"}
    for k, name in enumerate(names):
        axis.text(-0.5 - 0.015 * size, k, name, ha="right", va="center", fontsize=SMALL)
        axis.text(k, size - 0.5 + 0.025 * size, name, va="top", fontsize=SMALL, **turned)
    for i, j in zip(*np.nonzero(shown), strict=True):
        color = "white" if values[i, j] > 0.6 * top else "black"
        axis.text(j, i, f"{shown[i, j]:.0f}", ha="center", va="center", fontsize=SMALL, color=color)
