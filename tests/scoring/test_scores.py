"""Scores and their order: ties by rounding, sure predictions, runs that put their scores at different heights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from simulated_people import people
from sklearn.metrics import auc, roc_auc_score

from realfake.scoring.baselines import shuffle_test
from realfake.scoring.metrics import metrics
from realfake.scoring.plots import roc_points
from realfake.scoring.predictions import Predictions
from realfake.scoring.scores import RESOLUTION, levels, log_odds
from realfake.scoring.statistics import bootstrap, compare, wilson


def scored(p_authenticity: np.ndarray, authenticity: np.ndarray) -> Predictions:
    """Predictions of clips of one emotion with given probabilities of fake and real (N, 2)."""
    size = len(authenticity)
    heads = {"emotion": np.full((size, 6), 1 / 6), "authenticity": p_authenticity}
    return Predictions.from_tasks(heads, np.arange(size), np.zeros(size), authenticity)


def at_height(log_odds_real: np.ndarray, authenticity: np.ndarray) -> Predictions:
    return scored(np.stack([expit(-log_odds_real), expit(log_odds_real)], axis=1), authenticity)


@pytest.mark.parametrize("middle", [0.5, 0.07, 0.62])
@pytest.mark.parametrize("seed", range(5))
def test_scores_that_differ_by_rounding_alone_tell_nothing(middle, seed):
    rng = np.random.default_rng(seed)
    real = middle + rng.uniform(-0.8e-6, 0.8e-6, 48)
    y, pair = np.arange(48) % 2, np.arange(48) // 2
    p = scored(np.stack([1 - real, real], axis=1).astype(np.float32), y)
    found = metrics(p, pair)
    assert (found["authenticity_auroc"], found["pair_accuracy"]) == (0.5, 0.5)
    assert auc(*roc_points(p)) == 0.5
    assert shuffle_test(p, np.arange(48) // 12, shuffles=20)["authenticity_auroc"]["p_value"] == 1.0


@pytest.mark.parametrize("spread", [0.05, 3.0, 40.0])
@pytest.mark.parametrize("seed", range(3))
def test_scores_that_differ_by_more_rank_as_scikit_learn_ranks_logits(spread, seed):
    """Sure predictions as well, whose probability of real is 1 to the last digit."""
    rng = np.random.default_rng(seed)
    logits = rng.permutation(np.linspace(-spread, spread, 501))
    y = (logits + rng.normal(0, spread, 501) > 0).astype(int)
    heads = softmax(np.stack([-logits / 2, logits / 2], axis=1).astype(np.float32), axis=1)
    p = scored(heads, y)
    if spread == 40.0:
        assert (p.p_authenticity[:, 1] == 1.0).sum() > 100
    assert metrics(p)["authenticity_auroc"] == pytest.approx(roc_auc_score(y, logits))
    assert auc(*roc_points(p)) == pytest.approx(roc_auc_score(y, logits))


def test_impossible_and_certain_are_equal_among_themselves():
    assert levels(log_odds(np.array([[0, 1], [1, 0], [0.5, 0.5], [0, 1], [1, 0]]))).tolist() == [2, 0, 1, 2, 0]


def test_levels_never_grow_wide():
    """However dense the scores are, equal ones lie within the resolution."""
    score = np.random.default_rng(0).permutation(np.linspace(-1, 1, 300_000))
    found = levels(score)
    low, high = (np.full(found.max() + 1, sign * np.inf) for sign in (1, -1))
    np.minimum.at(low, found, score)
    np.maximum.at(high, found, score)
    assert (high - low).max() <= RESOLUTION
    assert (low[1:] > high[:-1]).all()
    assert levels(np.zeros(0)).tolist() == []


def test_folds_are_compared_within_and_then_pooled():
    """Five models that tell all apart, each at another height, among them one that is never beyond 0.5."""
    y = np.tile([0, 1], 50)
    run = np.repeat(np.arange(5), 20)
    score = np.linspace(-3, 3, 5)[run] + np.where(y == 1, 0.5, -0.5)
    p, pair, subject = at_height(score, y), np.repeat(np.arange(50), 2), np.repeat(np.arange(25), 4)
    assert roc_auc_score(y, score) < 0.75
    found = metrics(p, pair, run)
    assert (found["authenticity_auroc"], found["pair_accuracy"]) == (1.0, 1.0)
    interval = bootstrap(p, subject, pair, run=run)["authenticity_auroc"]
    assert (interval.value, interval.high) == pytest.approx((1.0, 1.0))
    assert interval.low > 0.8


def test_pooled_auroc_is_that_of_all_pairs_within_a_run():
    rng = np.random.default_rng(1)
    parts, wins, pairs = [], 0.0, 0
    for size in (30, 80, 11):
        p, _, _ = people(rng, 7)
        p = p.select(rng.permutation(len(p))[:size])
        real = int(p.authenticity.sum())
        wins += roc_auc_score(p.authenticity, p.p_authenticity[:, 1]) * real * (size - real)
        pairs += real * (size - real)
        parts.append(p)
    run = np.repeat([2, 0, 1], [30, 80, 11])
    found = metrics(Predictions.concatenated(parts), run=run)
    assert found["authenticity_auroc"] == pytest.approx(wins / pairs)


def test_pairs_of_two_runs_are_not_one():
    p = at_height(np.array([0.0, 1.0, 5.0, 6.0]), np.array([0, 1, 0, 1]))
    assert metrics(p, np.zeros(4, dtype=int), np.array([0, 0, 1, 1]))["pair_accuracy"] == 1.0
    assert metrics(p, np.zeros(4, dtype=int))["pair_accuracy"] == 0.75


def test_two_equal_systems_at_different_heights_do_not_differ():
    first, subject, pair = people(np.random.default_rng(2), 12)
    higher = at_height(log_odds(first.p_authenticity) + 2.0, first.authenticity)
    second = Predictions.from_tasks(
        {"emotion": first.p_emotion, "authenticity": higher.p_authenticity},
        first.clip,
        first.emotion,
        first.authenticity,
    )
    for name in ("authenticity_auroc", "pair_accuracy"):
        found = compare(first, second, subject, pair, names=[name])[name]
        assert (found.value, found.p_value) == (0.0, 1.0)
        assert (found.low, found.high) == pytest.approx((-wilson(0, 12)[1], wilson(0, 12)[1])), "others might differ"
