"""The names of everything that is measured, for whoever checks or ranks by a name without measuring."""

from __future__ import annotations

from collections.abc import Sequence

METRICS = (
    "joint_accuracy",
    "emotion_accuracy",
    "authenticity_accuracy",
    "authenticity_auroc",
    "joint_f1",
    "emotion_f1",
    "pair_accuracy",
    "authenticity_ece",
)
"""What :func:`realfake.scoring.metrics.metrics` computes, in the order of tables."""
LEVELS = ("frame", "clip")
"""Over single samples, and over the means of a clip's samples."""


def measured_names(stage: str, tasks: Sequence[str]) -> tuple[str, ...]:
    """Everything that is measured at the end of a validation epoch, or of testing.

    Args:
        stage: ``val`` or ``test``.
        tasks: Of the approach, each of which has a loss at both levels.
    """
    names = ("loss", *(f"loss_{task}" for task in tasks), *METRICS)
    return tuple(f"{stage}/{level}/{name}" for level in LEVELS for name in names)


def minimised(metric: str) -> bool:
    """Whether a smaller value of the metric is better."""
    name = metric.rsplit("/", 1)[-1]
    return name in ("loss", "authenticity_ece") or name.startswith("loss_")
