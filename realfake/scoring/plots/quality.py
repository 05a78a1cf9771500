"""Pictures of how good probabilities are: reliability, ROC, accuracy by emotion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from realfake.labels import ABSENT, Authenticity, LabelSpace
from realfake.scoring.calibration import reliability
from realfake.scoring.metric_table import METRICS
from realfake.scoring.metrics import ECE_BINS, metrics
from realfake.scoring.plots.style import BLUE, GREEN, GREY, ORANGE, SMALL, TEXT, VERMILION, new_figure, plain
from realfake.scoring.predictions import Predictions
from realfake.scoring.scores import real_levels
from realfake.scoring.statistics import Interval
from realfake.scoring.wording import decimals

HATCHES = ("", "//", "..")
_INTERVAL = "95 % interval over the test people, the model as it is"


def reliability_diagram(p: Predictions, task: str = "authenticity") -> Figure:
    """How often the model is right, by how sure it is; below, how often it is so sure."""
    found = reliability(p, task)
    lowest = 1.0 / p.space.size(task)
    figure = new_figure(4.6, 5.0)
    above, below = figure.add_axes((0.14, 0.36, 0.82, 0.52)), figure.add_axes((0.14, 0.1, 0.82, 0.19))
    edges = np.linspace(0.0, 1.0, ECE_BINS + 1)
    used = found.count > 0
    middle, width = (edges[1:] + edges[:-1]) / 2, 1.0 / ECE_BINS
    above.bar(middle[used], found.accuracy[used], width, color=BLUE, edgecolor="white", linewidth=0.7, label="right")
    above.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="perfect")
    above.plot(
        found.confidence[used], found.accuracy[used], "o", color=VERMILION, markersize=4, markeredgecolor="white",
        label="mean probability of the bin",
    )  # fmt: skip
    for axis in (above, below):
        axis.set_xlim(lowest - width / 2, 1.0)
    above.set_ylim(0.0, 1.05)
    plain(above, "", "part that is right", f"{task}: calibration error {decimals(found.ece)}")
    # Above the picture: no place inside is free of bars in every diagram.
    figure.legend(fontsize=SMALL, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0.08, 1.0))
    below.bar(middle, found.count, width, color=GREY, edgecolor="white", linewidth=0.7)
    plain(below, "probability of the most probable class", "number")
    return figure


def roc(p: Predictions, interval: Interval | None = None) -> Figure:
    """Receiver operating characteristic of real against fake, with the area under it.

    Args:
        p: Predictions.
        interval: Of the area, to be shown with it.
    """
    figure = new_figure(4.6, 4.6)
    axis = figure.add_axes((0.14, 0.12, 0.82, 0.8))
    false, true = roc_points(p)
    area = metrics(p)["authenticity_auroc"]
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    axis.text(0.62, 0.58, "guessing", color=GREY, fontsize=SMALL, rotation=45, ha="center", va="center")
    if len(false):
        axis.plot(false, true, color=BLUE, linewidth=2)
        axis.fill_between(false, true, color=BLUE, alpha=0.08, linewidth=0)
    span = "" if interval is None or np.isnan(interval.low) else f" [{interval.low:.3f}, {interval.high:.3f}]"
    text = "undefined: one class only" if np.isnan(area) else f"AUROC {area:.3f}{span}"
    axis.text(0.97, 0.13, text, ha="right", fontsize=TEXT)
    if span:
        axis.text(0.97, 0.03, f"brackets: {_INTERVAL}".replace(", ", ",\n"), ha="right", fontsize=SMALL)
    axis.set_xlim(-0.01, 1.01)
    axis.set_ylim(-0.01, 1.01)
    axis.set_aspect("equal")
    plain(axis, "part of the fake called real", "part of the real called real", "real or fake")
    return figure


def roc_points(p: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates for every threshold, from (0, 0) to (1, 1); empty unless there are both classes."""
    known = p.authenticity != ABSENT
    score, real = real_levels(p)[known], p.authenticity[known] == Authenticity.REAL
    if not real.any() or real.all():
        return np.zeros(0), np.zeros(0)
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    true = np.concatenate([[0], np.cumsum(real[order])[last]]) / real.sum()
    false = np.concatenate([[0], np.cumsum(~real[order])[last]]) / (~real).sum()
    return false, true


def emotion_bars(by_emotion: Mapping[str, Mapping[str, Interval]], space: LabelSpace) -> Figure:
    """Accuracies of each emotion with their intervals; a tick marks chance.

    Args:
        by_emotion: Emotion → metric → interval, see :func:`realfake.scoring.tables.by_emotion`.
        space: The classes.
    """
    figure = new_figure(8.0, 3.8)
    axis = figure.add_axes((0.08, 0.11, 0.9, 0.72))
    names = [e for e in space.emotions if e in by_emotion]
    for k, (task, color) in enumerate((("emotion", ORANGE), ("authenticity", BLUE), ("joint", GREEN))):
        metric = METRICS[f"{task}_accuracy"]
        if not all(metric.name in by_emotion[e] for e in names):
            continue
        found = [by_emotion[e][metric.name] for e in names]
        x = np.arange(len(names)) + (k - 1) * 0.29
        value = np.array([i.value for i in found])
        axis.bar(
            x - 0.03, value, 0.19, color=color, hatch=HATCHES[k], edgecolor="white", linewidth=0.5, label=metric.heading
        )
        ends = np.array([[i.value - i.low, i.high - i.value] for i in found]).reshape(-1, 2).T
        known = np.isfinite(ends).all(axis=0)
        # Beside the bar: on it, hatching and line could not be told apart.
        axis.errorbar(
            x[known] + 0.1, value[known], yerr=np.clip(ends[:, known], 0, None), fmt="_", color=color, markersize=5,
            elinewidth=1.5, capsize=2,
        )  # fmt: skip
        chance = 1.0 / space.size(task)
        axis.hlines(np.full(len(names), chance), x - 0.125, x + 0.065, color="black", linewidth=1.5)
    axis.set_xticks(range(len(names)), names)
    axis.set_ylim(0.0, 1.02)
    plain(axis, "", "accuracy", "")
    axis.tick_params(axis="x", labelsize=TEXT, length=0)
    axis.legend(fontsize=SMALL, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.08))
    figure.text(
        0.08,
        0.86,
        f"Whiskers: {_INTERVAL}. Black line in a bar: guessing.",
        fontsize=SMALL,
        color="#444444",
    )
    return figure
