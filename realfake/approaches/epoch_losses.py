"""What is lost over all samples or clips of an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realfake.labels import ABSENT
from realfake.scoring.calibration import log_loss
from realfake.scoring.predictions import Predictions


def clip_losses(clips: Predictions, tasks: Sequence[str]) -> dict[str, float]:
    """Negative log likelihood of clips: what is lost by the probabilities that stand for a clip, whatever was trained.

    ``loss_<task> = −1/n Σ log p_c(y_c)`` over the n clips with a label, ``p_c`` the mean probability of a clip's frames
    or windows; NaN without labels. ``loss`` is their sum over the tasks that have one. With one window a clip and plain
    cross-entropy it is the loss of the windows.

    Args:
        clips: One row a clip.
        tasks: Those of the heads.
    """
    found = {}
    for task in tasks:
        y = clips.true(task)
        found[f"loss_{task}"] = log_loss(clips.probabilities(task)[y != ABSENT], y[y != ABSENT])
    known = [value for value in found.values() if not np.isnan(value)]
    return {**found, "loss": float(np.sum(known)) if known else float("nan")}


def mean_of_known(values: np.ndarray) -> float:
    """Mean over the samples that have the label; 0 if none has, so that the sum over tasks keeps the others."""
    known = values[~np.isnan(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else 0.0
