"""Pictures along an axis of time: training epochs, and the seconds of a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from realfake.labels import Authenticity, LabelSpace
from realfake.scoring.metric_table import ACCURACIES
from realfake.scoring.plots.style import (
    BLACK,
    BLUE,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    PALETTE,
    SMALL,
    TEXT,
    VERMILION,
    new_figure,
    plain,
)

_SERIES = (("train/frame", GREY, "--"), ("val/frame", ORANGE, "-."), ("val/clip", BLUE, "-"))
"""Prefix of a metric, and how its line looks."""
_PANELS = ("loss", *ACCURACIES)


def learning_curves(rows: Sequence[Mapping[str, float]], best_epoch: int | None = None) -> Figure:
    """Loss, and accuracies of what is told, over epochs, the weights of several task losses, and the learning rate.

    Args:
        rows: One an epoch, as in ``metrics.csv``.
        best_epoch: Whose weights were kept; marked.
    """
    epochs = np.array([row["epoch"] for row in rows], float)
    weights = sorted({key for row in rows for key in row if key.startswith("train/frame/weight_")})
    marker = "o" if len(rows) < 20 else None
    panels = [metric for metric in _PANELS if any(key.endswith(f"/{metric}") for row in rows for key in row)]
    beside = ["weights of the task losses", "learning rate"] if len(weights) > 1 else ["learning rate"]
    columns = -(-(len(panels) + len(beside)) // 2)
    figure = new_figure(11.0, 5.6)
    grid = figure.add_gridspec(2, columns, left=0.06, right=0.985, top=0.88, bottom=0.09, hspace=0.42, wspace=0.24)
    axes = [figure.add_subplot(grid[k // columns, k % columns]) for k in range(len(panels) + len(beside))]
    for axis, metric in zip(axes, panels, strict=False):
        for prefix, color, dash in _SERIES:
            values = _column(rows, f"{prefix}/{metric}")
            known = np.isfinite(values)  # not every epoch need be validated
            if known.any():
                axis.plot(
                    epochs[known],
                    values[known],
                    color=color,
                    linestyle=dash,
                    linewidth=1.6,
                    marker=marker,
                    markersize=3,
                )
        plain(axis, "", "", metric.replace("_", " "))
        if metric != "loss":
            axis.set_ylim(0.0, 1.02)
    if len(weights) > 1:
        for k, key in enumerate(weights):
            axes[-2].plot(
                epochs, _column(rows, key), color=PALETTE[k % len(PALETTE)], linestyle=DASHES[k % len(DASHES)],
                marker=marker, markersize=3, label=key.rpartition("_")[2],
            )  # fmt: skip
        axes[-2].legend(fontsize=SMALL, frameon=False)
    axes[-1].plot(epochs, _column(rows, "lr"), color=BLACK, linewidth=1.6, marker=marker, markersize=3)
    for axis, title in zip(axes[-len(beside) :], beside, strict=True):
        plain(axis, "epoch", "", title)
    for axis in axes[-columns:]:
        axis.set_xlabel("epoch", fontsize=TEXT)
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        if best_epoch is not None:
            axis.axvline(best_epoch, color=GREEN, linewidth=1, linestyle=":")
    _legend(figure, best_epoch)
    return figure


def over_time(time_sec: np.ndarray, p: Mapping[str, np.ndarray], space: LabelSpace, title: str = "") -> Figure:
    """Probability of real, and of each emotion, over a video, as far as they are told.

    Args:
        time_sec: Times of the predictions in seconds (T,), increasing.
        p: Task → probabilities (T, classes).
        space: The classes.
        title: Of the picture, e.g. the verdict on the whole clip.
    """
    figure = new_figure(8.0, 4.8)
    marker = "o" if len(time_sec) < 30 else None
    if "authenticity" in p:
        bottom = 0.57 if "emotion" in p else 0.11
        _real_over_time(figure.add_axes((0.08, bottom, 0.74, 0.91 - bottom)), time_sec, p["authenticity"], marker)
    if "emotion" in p:
        below = figure.add_axes((0.08, 0.11, 0.74, 0.36 if "authenticity" in p else 0.8))
        for k, name in enumerate(space.emotions):
            below.plot(
                time_sec, p["emotion"][:, k], color=PALETTE[k % len(PALETTE)], linestyle=DASHES[k % len(DASHES)],
                linewidth=1.6 + k // len(PALETTE), label=name, marker=marker, markersize=3,
            )  # fmt: skip
        below.legend(fontsize=SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=3)
        plain(below, "", "probability of the emotion")
    figure.axes[-1].set_xlabel("time (s)", fontsize=TEXT)
    for axis in figure.axes:
        axis.set_ylim(0.0, 1.0)
        if len(time_sec) > 1:
            axis.set_xlim(time_sec[0], time_sec[-1])
    figure.text(0.08, 0.945, title, fontsize=10, parse_math=False)
    return figure


def _real_over_time(above: Axes, time_sec: np.ndarray, p_authenticity: np.ndarray, marker: str | None) -> None:
    above.axhspan(0.5, 1.0, color=BLUE, alpha=0.07, linewidth=0)
    above.axhspan(0.0, 0.5, color=VERMILION, alpha=0.07, linewidth=0)
    above.axhline(0.5, color=GREY, linewidth=1, linestyle="--")
    above.plot(time_sec, p_authenticity[:, Authenticity.REAL], color=BLACK, linewidth=1.8, marker=marker, markersize=3)
    for y, word, color in ((0.75, "real", BLUE), (0.25, "fake", VERMILION)):
        above.text(1.02, y, word, transform=above.transAxes, fontsize=SMALL, color=color, va="center")
    plain(above, "", "probability of real")


def _column(rows: Sequence[Mapping[str, float]], key: str) -> np.ndarray:
    return np.array([row.get(key, np.nan) for row in rows], float)


def _legend(figure: Figure, best_epoch: int | None) -> None:
    words = ("training samples", "validation samples", "validation clips")
    lines = [
        Line2D([], [], color=color, linestyle=dash, linewidth=1.6, label=word)  # type: ignore[arg-type]
        for word, (_, color, dash) in zip(words, _SERIES, strict=True)
    ]
    if best_epoch is not None:
        lines.append(Line2D([], [], color=GREEN, linestyle=":", linewidth=1, label=f"best epoch ({best_epoch})"))
    figure.legend(handles=lines, fontsize=SMALL, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(0.05, 1.0))
