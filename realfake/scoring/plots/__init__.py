"""Pictures of predictions and of training, each a function that returns a figure; and all of them at once.

Matplotlib's object interface alone is used: nothing here touches pyplot's state or needs a display.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from realfake.labels import ABSENT
from realfake.scoring.metrics import confusion_matrix
from realfake.scoring.plots.confusion import confusion
from realfake.scoring.plots.curves import learning_curves, over_time
from realfake.scoring.plots.examples import choose_examples, examples
from realfake.scoring.plots.quality import emotion_bars, reliability_diagram, roc, roc_points
from realfake.scoring.plots.style import remark, save
from realfake.scoring.predictions import Predictions
from realfake.scoring.statistics import Interval

__all__ = [
    "choose_examples",
    "confusion",
    "confusion_matrix",
    "draw_all",
    "emotion_bars",
    "examples",
    "learning_curves",
    "over_time",
    "reliability_diagram",
    "roc",
    "roc_points",
    "save",
    "save_all",
]


def draw_all(
    clips: Predictions,
    *,
    rows: Sequence[Mapping[str, float]] = (),
    best_epoch: int | None = None,
    faces: np.ndarray | None = None,
    by_emotion: Mapping[str, Mapping[str, Interval]] | None = None,
    auroc: Interval | None = None,
    note: str | None = None,
) -> dict[str, Figure]:
    """Draw every picture for which there is something to show.

    Args:
        clips: Predictions, one row a clip.
        rows: Metrics of each epoch, as in ``metrics.csv``.
        best_epoch: Whose weights were kept.
        faces: A face of each of the examples, uint8 (n, H, W, 3), RGB: of the right ones, then of the wrong ones, in
            the order of :func:`choose_examples`; None = no examples.
        by_emotion: Emotion → metric → interval.
        auroc: Interval of the area under the ROC.
        note: What has to be said beside figures that hold an interval.

    Returns:
        Name → figure.
    """
    found: dict[str, Figure] = {}
    for task in clips.tasks:
        if (clips.true(task) != ABSENT).any():
            found[f"confusion_{task}"] = confusion(clips, task)
    if "authenticity" in clips.p and (clips.authenticity != ABSENT).any():
        found["reliability"] = reliability_diagram(clips)
        found["roc"] = roc(clips, auroc)
    if by_emotion:
        found["by_emotion"] = emotion_bars(by_emotion, clips.space)
    for name in ("roc", "by_emotion"):
        if note and name in found:
            remark(found[name], note)
    if rows:
        found["learning_curves"] = learning_curves(rows, best_epoch)
    if faces is not None:
        right, wrong = choose_examples(clips)
        found["examples"] = examples(clips.select(right), faces[: len(right)], clips.select(wrong), faces[len(right) :])
    return found


def save_all(figures: Mapping[str, Figure], folder: Path) -> dict[str, Path]:
    """Write ``<name>.png`` of each figure into a folder."""
    return {name: save(figure, folder / f"{name}.png") for name, figure in figures.items()}
