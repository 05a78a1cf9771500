"""Random predictions of people who differ: clips of one subject resemble each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realfake.scoring.predictions import Predictions

CLIPS = 12


def people(
    rng: np.random.Generator, subjects: int, shift: float = 0.6, spread: float = 0.5, skill: float = 1.5
) -> tuple[Predictions, np.ndarray, np.ndarray]:
    """Predictions of 12 clips of each subject; ``shift`` and ``skill`` say how well the two labels are told.

    Returns:
        Predictions, subject of each row, pair of each row.
    """
    size = subjects * CLIPS
    subject = np.repeat(np.arange(subjects), CLIPS)
    emotion, authenticity = np.tile(np.arange(CLIPS) % 6, subjects), np.tile(np.arange(CLIPS) // 6, subjects)
    level, separation = rng.normal(0, spread, subjects)[subject], rng.normal(shift, spread, subjects)[subject]
    real = 1 / (1 + np.exp(-1.5 * (level + separation * (2 * authenticity - 1) + rng.normal(0, 1, size))))
    logits = rng.normal(0, 1, (size, 6))
    logits[np.arange(size), emotion] += rng.normal(skill, spread, subjects)[subject]
    p_emotion = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    heads = {"emotion": p_emotion, "authenticity": np.stack([1 - real, real], axis=1)}
    return Predictions.from_tasks(heads, np.arange(size), emotion, authenticity), subject, subject * 6 + emotion


def with_p(p: Predictions, **tasks: np.ndarray) -> Predictions:
    """The same predictions with other probabilities of some tasks."""
    return replace(p, p={**p.p, **tasks})


def noise(rng: np.random.Generator, size: int, absent: float = 0.0, digits: int | None = None) -> Predictions:
    """Predictions that have nothing to do with the truth; some labels absent.

    Their scores are all different, by far more than rounding; with ``digits``, they are rounded to give ties.
    """
    if digits is None:
        real = 1 / (1 + np.exp(-rng.permutation(np.linspace(-4, 4, size))))
    else:
        real = np.round(rng.random(size), digits)
    halves = [share[:, None] * rng.dirichlet(np.ones(6), size) for share in (1 - real, real)]
    p = np.hstack(halves)
    emotion, authenticity = rng.integers(0, 6, size), rng.integers(0, 2, size)
    emotion[rng.random(size) < absent] = -1
    authenticity[rng.random(size) < absent] = -1
    return Predictions.from_tasks({"joint": p}, np.arange(size), emotion, authenticity)
