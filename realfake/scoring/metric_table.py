"""Everything that is measured: one entry a metric, which whoever measures, selects, ranks, compares or shows reads.

Imported without numpy, by whoever checks or ranks by a name without measuring. ``docs/metrics.md`` says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from realfake.labels import told_by

if TYPE_CHECKING:
    import numpy as np

    from realfake.scoring.metrics import SubjectSums

    Formula = Callable[[SubjectSums, np.ndarray], np.ndarray]
    Chance = Callable[[Mapping[str, int]], float]


DEFINITIONS = 2
"""Number of the definitions of metrics; results carry it as ``metric_definitions``, and those that have none were 1.

1: of each task the most probable class by itself was predicted; scores of equal inputs were ranked by their rounding.
2: one decision a sample, the most probable joint class; scores that differ by rounding are equal; the joint
probability of a clip from two heads is the product of their means, not the mean of their products.
A further metric changes none of them: results from before it was there lack it, and stay valid.
"""


@dataclass(frozen=True)
class Metric:
    """What has to be known of a metric."""

    name: str
    heading: str
    """What people call it."""
    words: str
    """What it is, in half a sentence."""
    task: str | None
    """Whose label a sample needs to count: ``joint`` (both labels), ``emotion`` or ``authenticity``; None: of any task
    that was trained."""
    of: Formula | None
    """From the sums of S subjects and how often each counts (R, S) to values (R,), NaN where undefined; None: it takes
    more than predictions, and training and testing measure it themselves."""
    chance: Chance | None = None
    """From the number of each task's classes to what guessing at random gives on average, whatever the classes'
    frequencies; None: it depends on these, or says nothing."""
    smaller: bool = False
    """Whether a smaller value is better."""
    unit: str = ""
    """``%``: people see it times 100. Others are seen as they are."""
    main: bool = False
    """Whether it is shown where there is room for a few."""
    within_emotion: bool = True
    """Whether it means something among the samples of one true emotion, as an F1 over emotions does not."""
    biased: bool = False
    """Whether every resampling raises it, so that its interval has to be reflected."""
    limits: tuple[float, float] = (0.0, 1.0)
    """The values that it can have."""


def _one_of(task: str) -> Chance:
    return lambda classes: 1.0 / classes[task]


_TABLE = (
    Metric("joint_accuracy", "both right", "part of the samples whose emotion and authenticity are right", "joint",
           lambda s, w: s.accuracy(w, "joint"), _one_of("joint"), unit="%", main=True),
    Metric("emotion_accuracy", "emotion", "part of the samples whose emotion is right", "emotion",
           lambda s, w: s.accuracy(w, "emotion"), _one_of("emotion"), unit="%", main=True),
    Metric("authenticity_accuracy", "real or fake", "part of the samples whose authenticity is right", "authenticity",
           lambda s, w: s.accuracy(w, "authenticity"), _one_of("authenticity"), unit="%", main=True),
    Metric("authenticity_auroc", "AUROC, real against fake",
           "how often a real sample gets a higher probability of real than a fake one, ties counting half",
           "authenticity", lambda s, w: s.auroc(w), lambda _: 0.5, main=True),
    Metric("joint_f1", "F1, both", "F1 of the joint classes, averaged over those that are true or predicted", "joint",
           lambda s, w: s.f1(w, "joint"), unit="%", within_emotion=False),
    Metric("emotion_f1", "F1, emotions", "F1 of the emotions, averaged over those that are true or predicted",
           "emotion", lambda s, w: s.f1(w, "emotion"), unit="%", within_emotion=False),
    Metric("pair_accuracy", "pairs (forced choice)",
           "of a person's real and fake clip that form a pair, how often the real one scores higher",
           "authenticity", lambda s, w: s.pair_accuracy(w), lambda _: 0.5, unit="%", main=True),
    Metric("median_accuracy", "above the own median",
           "of a person's clips of one pair, how many are on the right side of their median score, at it counting "
           "half; of two clips the same as pairs",
           "authenticity", lambda s, w: s.median_accuracy(w), lambda _: 0.5, unit="%"),
    Metric("authenticity_ece", "calibration error",
           "how far the higher of the probabilities of real and fake is from how often it is right, in 15 bins",
           "authenticity", lambda s, w: s.ece(w), smaller=True, biased=True),
    Metric("authenticity_brier", "Brier score",
           "mean squared distance of the probability of real from 1 for a real sample, from 0 for a fake one",
           "authenticity",
           lambda s, w: s.mean(w, "authenticity", lambda p: (p.p_authenticity[:, 1] - p.authenticity) ** 2),
           lambda _: 0.25, smaller=True),
    Metric("authenticity_balanced_accuracy", "real or fake, balanced",
           "mean of the parts of the real and of the fake samples that are right",
           "authenticity", lambda s, w: s.balanced_accuracy(w, "authenticity"), _one_of("authenticity"), unit="%"),
    Metric("loss", "loss",
           "of frames the configured losses of the heads, summed; of clips the log losses of their mean probabilities",
           None, None, smaller=True, limits=(0.0, inf)),
)  # fmt: skip

REPORTED = {m.name: m for m in _TABLE}
"""What every run reports at both levels, in the order of tables; metrics of plugins join it (:func:`add`)."""
METRICS = {name: m for name, m in REPORTED.items() if m.of is not None}
"""What :func:`realfake.scoring.metrics.metrics` computes of predictions alone."""
ACCURACIES = ("joint_accuracy", "emotion_accuracy", "authenticity_accuracy")
"""Of each task; training samples are counted in these as well."""
OPTIMISM = "optimism"
"""Before the names of figures that nothing is chosen by: :mod:`realfake.experiments.optimism`."""
LEVELS = ("frame", "clip")
"""Over single samples, and over the means of a clip's samples."""


def add(metric: Metric) -> None:
    """Measure and show one more metric of predictions, until :func:`remove`."""
    REPORTED[metric.name] = METRICS[metric.name] = metric


def remove(name: str) -> None:
    """Measure it no more."""
    del REPORTED[name], METRICS[name]


def main_metrics() -> tuple[str, ...]:
    """Those that are shown where there is room for a few."""
    return tuple(name for name, m in REPORTED.items() if m.main)


def told_metrics(tasks: Sequence[str]) -> tuple[str, ...]:
    """Those of :data:`METRICS` that the tasks that are told (:func:`realfake.labels.told_by`) are measured by."""
    return tuple(name for name, m in METRICS.items() if m.task in tasks)


def measured_names(stage: str, tasks: Sequence[str], auxiliary: Iterable[str] = ()) -> tuple[str, ...]:
    """Everything that is measured at the end of a validation epoch, or of testing.

    Args:
        stage: ``val`` or ``test``.
        tasks: Of the approach, each of which has a loss at both levels.
        auxiliary: Terms that are minimised beside them, each of which has a loss of frames.
    """
    told = told_by(tasks)
    names = (*(n for n, m in REPORTED.items() if m.task in (None, *told)), *(f"loss_{task}" for task in tasks))
    each = tuple(f"{stage}/{level}/{name}" for level in LEVELS for name in names)
    return (*each, *(f"{stage}/frame/loss_{term}" for term in auxiliary))


def minimised(metric: str) -> bool:
    """Whether a smaller value of a metric is better, by its full name, e.g. ``val/clip/loss_emotion``."""
    name = metric.rpartition("/")[2]
    entry = REPORTED.get("loss" if name.startswith("loss_") else name)
    return entry is not None and entry.smaller
