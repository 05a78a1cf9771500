"""Two systems on the same people over folds and seeds, drawn at random: they tell real from fake, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realfake.comparison.paired_runs import PairedRuns
from realfake.comparison.systems import System
from realfake.scoring.metric_table import told_metrics
from realfake.scoring.predictions import Predictions

CLIPS = 12


@dataclass(frozen=True)
class Systems:
    """Predictions of both, row by row of the same clips."""

    a: Predictions
    b: Predictions
    subject: np.ndarray
    pair: np.ndarray
    run: np.ndarray


def systems(
    rng: np.random.Generator,
    people: int,
    folds: int = 5,
    seeds: int = 2,
    *,
    better: float = 0.0,
    luck: float = 0.0,
    heights: float = 0.0,
) -> Systems:
    """Draw people, and what two systems say of 12 clips of each.

    Args:
        rng: Random numbers.
        people: Altogether; each is tested in one fold, by all seeds.
        folds: Parts.
        seeds: Runs of each part.
        better: How much better the first system tells real from fake, for everybody.
        luck: Standard deviation of what a training adds to that, for all people of its run.
        heights: Standard deviation of the height at which a run puts all its scores.
    """
    fold = np.arange(people) % folds
    truth = np.tile([0, 1], CLIPS // 2)
    easy = rng.normal(0.0, 0.5, people)
    own = rng.normal(0.6, 0.5, (2, people))  # of a person with a system: exchangeable, if neither is better
    own[0] += better
    parts: list[tuple[np.ndarray, ...]] = []
    for number, (part, _) in enumerate(np.ndindex(folds, seeds)):
        who = np.repeat(np.flatnonzero(fold == part), CLIPS)
        real = np.tile(truth, len(who) // CLIPS)
        lucky, height = rng.normal(0.0, 1.0, (2, 2))[:, :, None] * np.array([luck, heights])[:, None, None]
        separation = own[:, who] + easy[who] + lucky
        scores = separation * (2 * real - 1) + height + rng.normal(0.0, 1.5, (2, len(who)))
        parts.append((*scores, who, real, np.full(len(who), number), np.tile(np.arange(CLIPS) // 2, len(who) // CLIPS)))
    one, two, subject, real, run, couple = (np.concatenate(column) for column in zip(*parts, strict=True))
    a, b = (_told(scores, real) for scores in (one, two))
    return Systems(a, b, subject, subject * CLIPS + couple, run)


def _told(scores: np.ndarray, real: np.ndarray) -> Predictions:
    p = 1.0 / (1.0 + np.exp(-scores))
    absent = np.full(len(real), -1)
    return Predictions.from_tasks({"authenticity": np.stack([1 - p, p], axis=1)}, np.arange(len(real)), absent, real)


def paired(drawn: Systems, seeds: int = 2) -> PairedRuns:
    """The same as what two sweeps would give, whose runs come fold by fold."""
    names = [(("split.fold", str(run // seeds)), ("seed", str(run % seeds))) for run in range(drawn.run.max() + 1)]
    a, b = (System(name, {}, ()) for name in "ab")
    clips, told = len(drawn.a) // seeds, told_metrics(drawn.a.tasks)
    return PairedRuns(a, b, drawn.a, drawn.b, drawn.subject, drawn.pair, drawn.run, tuple(names), clips, told)
