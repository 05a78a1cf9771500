"""Intervals and tests against statsmodels and SciPy, and what they promise against simulations."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from simulated_people import people, with_p
from statsmodels.stats.proportion import proportion_confint

from realfake.labels import TASKS
from realfake.scoring.metric_table import METRICS
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.statistics import bootstrap, compare, t_interval, wilson


def mixed(first: Predictions, second: Predictions, rows: np.ndarray) -> Predictions:
    """``second`` in some rows, ``first`` in the others."""
    return with_p(first, **{task: np.where(rows[:, None], second.p[task], first.p[task]) for task in TASKS})


def two_systems(
    rng: np.random.Generator, subjects: int, better: float = 0.0
) -> tuple[Predictions, Predictions, np.ndarray]:
    """Two systems on the same people, equally good unless the second is better."""
    first, subject, _ = people(rng, subjects)
    second, _, _ = people(rng, subjects, shift=0.6 + better, skill=1.5 + better)
    return first, second, subject


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 20), (40, 60), (20, 20), (29, 100), (1, 3000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_is_statsmodels(successes, trials, level):
    expected = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    assert wilson(successes, trials, level) == pytest.approx(expected, abs=1e-12)


def test_wilson_without_trials_is_undefined():
    assert all(math.isnan(end) for end in wilson(0, 0))


def test_bootstrap_resamples_subjects_as_scipy_does():
    rng = np.random.default_rng(0)
    p, subject, _ = people(rng, 60)
    right = (p.predicted("joint") == p.joint).reshape(60, 12).mean(axis=1)  # equally many clips each: a mean of means
    expected = stats.bootstrap(
        (right,), np.mean, n_resamples=20_000, confidence_level=0.95, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    found = bootstrap(p, subject, names=["joint_accuracy"], resamples=20_000)["joint_accuracy"]
    assert found.value == pytest.approx(right.mean())
    # Widened for 60 subjects by √(60/59) t(0.975, 59) / z(0.975)
    factor = math.sqrt(60 / 59) * stats.t.ppf(0.975, 59) / stats.norm.ppf(0.975)
    assert found.value - found.low == pytest.approx(factor * (found.value - expected.low), rel=0.04)
    assert found.high - found.value == pytest.approx(factor * (expected.high - found.value), rel=0.04)


def test_bootstrap_is_seeded_and_orderly():
    p, subject, pair = people(np.random.default_rng(1), 15)
    found = bootstrap(p, subject, pair, seed=3)
    assert found == bootstrap(p, subject, pair, seed=3)
    assert found != bootstrap(p, subject, pair, seed=4)
    assert {name: interval.value for name, interval in found.items()} == pytest.approx(metrics(p, pair))
    for name, interval in found.items():
        assert 0 <= interval.low <= interval.high <= 1
        assert interval.high > interval.low
        wider = bootstrap(p, subject, pair, names=[name], level=0.99)[name]
        assert wider.low < interval.low
        assert wider.high > interval.high


def test_bootstrap_knows_only_subjects_with_rows():
    p, subject, pair = people(np.random.default_rng(2), 12)
    assert bootstrap(p, subject, pair) == bootstrap(p, 10 * subject + 7, pair)


def test_one_subject_has_no_interval():
    p, subject, pair = people(np.random.default_rng(3), 1)
    interval = bootstrap(p, subject, pair)["joint_accuracy"]
    assert not math.isnan(interval.value)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_all_right_is_not_certainty():
    p, subject, pair = people(np.random.default_rng(4), 10)
    heads = {"emotion": p.p_emotion, "authenticity": np.eye(2)[p.authenticity]}
    found = bootstrap(Predictions.from_tasks(heads, p.clip, p.emotion, p.authenticity), subject, pair)
    for name in ("authenticity_accuracy", "authenticity_auroc", "pair_accuracy"):
        assert (found[name].value, found[name].high) == (1.0, 1.0)
        assert found[name].low == pytest.approx(proportion_confint(10, 10, method="wilson")[0])


def test_undefined_metrics_have_no_interval():
    p, subject, _ = people(np.random.default_rng(5), 10)
    found = bootstrap(replace(p, emotion=np.full(len(p), -1)), subject)
    for name in METRICS:
        undefined = name.startswith(("joint", "emotion", "pair", "median"))
        assert math.isnan(found[name].value) == math.isnan(found[name].low) == undefined


def coverage(subjects: int, simulations: int, names: list[str], seed: int) -> dict[str, float]:
    """How often the 95 % interval holds the population's value."""
    rng = np.random.default_rng(seed)
    population, _, pair = people(rng, 40_000)
    truth = metrics(population, pair)
    held = dict.fromkeys(names, 0)
    for i in range(simulations):
        p, subject, pair = people(rng, subjects)
        for name, interval in bootstrap(p, subject, pair, names=names, resamples=2000, seed=i).items():
            held[name] += interval.low <= truth[name] <= interval.high
    return {name: count / simulations for name, count in held.items()}


def test_intervals_hold_the_truth_as_often_as_they_say():
    found = coverage(30, 500, ["joint_accuracy", "authenticity_accuracy", "authenticity_auroc"], seed=0)
    for name, rate in found.items():
        assert rate == pytest.approx(0.95, abs=0.02), name


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [10, 20, 40])
def test_intervals_of_every_metric_hold_the_truth(subjects):
    found = coverage(subjects, 2000, list(METRICS), seed=subjects)
    for name, rate in found.items():
        # The calibration error is biased by its bins, and no resampling knows by how much.
        assert rate == pytest.approx(0.95, abs=0.1 if name == "authenticity_ece" else 0.02), name


@pytest.mark.parametrize(
    "name", ["joint_accuracy", *(pytest.param(n, marks=pytest.mark.slow) for n in list(METRICS)[1:6])]
)
def test_a_difference_that_is_none_is_found_as_seldom_as_it_should(name):
    rng = np.random.default_rng(7)
    false = 0
    for i in range(1000):
        first, second, subject = two_systems(rng, 20)
        found = compare(first, second, subject, names=[name], permutations=1000, resamples=10, seed=i)
        false += found[name].p_value <= 0.05
    assert false / 1000 == pytest.approx(0.05, abs=0.015)


@pytest.mark.slow
def test_intervals_of_differences_hold_the_truth():
    rng = np.random.default_rng(8)
    populations = [people(rng, 40_000)[0], people(rng, 40_000, shift=1.0, skill=1.9)[0]]
    truth = {
        name: metrics(populations[1])[name] - metrics(populations[0])[name] for name in ("joint_accuracy", "joint_f1")
    }
    held = dict.fromkeys(truth, 0)
    for i in range(1000):
        found = compare(*two_systems(rng, 20, better=0.4), names=list(truth), permutations=10, seed=i)
        for name, difference in found.items():
            held[name] += difference.low <= truth[name] <= difference.high
    for name, count in held.items():
        assert count / 1000 == pytest.approx(0.95, abs=0.02), name


def test_a_difference_is_found():
    first, second, subject = two_systems(np.random.default_rng(9), 20, better=1.0)
    found = compare(first, second, subject)["joint_accuracy"]
    assert found.value == pytest.approx(metrics(second)["joint_accuracy"] - metrics(first)["joint_accuracy"])
    assert found.p_value < 0.01
    assert 0 < found.low < found.value < found.high
    back = compare(second, first, subject)["joint_accuracy"]
    assert back.value == -found.value
    assert (back.first, back.second) == (found.second, found.first)


def by_rank(score: np.ndarray) -> np.ndarray:
    share = (stats.rankdata(score) - 0.5) / len(score)
    return np.stack([1 - share, share], axis=1)


def test_with_few_subjects_every_exchange_is_tried():
    first, second, subject = two_systems(np.random.default_rng(10), 6, better=0.5)
    pair = subject * 6 + first.emotion
    found = compare(first, second, subject, pair)
    # Of scores, ranks among those of their system are exchanged: these have a common order.
    ranked = [with_p(p, authenticity=by_rank(p.p_authenticity[:, 1])) for p in (first, second)]
    for name in METRICS:
        differences = []
        a, b = ranked if name in ("authenticity_auroc", "pair_accuracy") else (first, second)
        for swap in itertools.product([False, True], repeat=6):
            rows = np.array(swap)[subject]
            one, two = mixed(a, b, rows), mixed(b, a, rows)
            differences.append(abs(metrics(two, pair)[name] - metrics(one, pair)[name]))
        expected = np.mean(np.array(differences) >= differences[0] - 1e-9)
        assert found[name].p_value == pytest.approx(expected), name


@pytest.mark.parametrize(("people_that_differ", "least"), [(3, 0.25), (4, 0.125), (6, 0.03125)])
def test_few_people_cannot_give_a_small_p(people_that_differ, least):
    """Perfect against never right: 2 of 2^n exchanges of the n people that differ are as extreme."""
    p, subject, _ = people(np.random.default_rng(14), 6)
    right = np.eye(12)[p.joint]
    wrong = np.where((subject < people_that_differ)[:, None], np.roll(right, 1, axis=1), right)
    best, worst = (Predictions.from_tasks({"joint": q}, p.clip, p.emotion, p.authenticity) for q in (right, wrong))
    found = compare(worst, best, subject, names=["joint_accuracy"], resamples=10)["joint_accuracy"]
    assert found.p_value == found.smallest_p == least


def test_the_smallest_p_is_never_above_the_p():
    first, second, subject = two_systems(np.random.default_rng(15), 4, better=0.2)
    for found in compare(first, second, subject, subject * 6 + first.emotion, resamples=10).values():
        assert 2 / 2**4 <= found.smallest_p <= found.p_value


def test_the_test_of_an_accuracy_is_scipys_sign_flip():
    first, second, subject = two_systems(np.random.default_rng(11), 9, better=0.3)
    right = [(p.predicted("joint") == p.joint).reshape(9, 12).mean(axis=1) for p in (first, second)]
    expected = stats.permutation_test((right[1] - right[0],), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert compare(first, second, subject)["joint_accuracy"].p_value == pytest.approx(expected.pvalue)


def test_a_system_does_not_differ_from_itself():
    p, subject, pair = people(np.random.default_rng(12), 20)
    for difference in compare(p, p, subject, pair).values():
        assert (difference.value, difference.p_value) == (0.0, 1.0)


def test_only_the_same_rows_can_be_compared():
    p, subject, _ = people(np.random.default_rng(13), 5)
    with pytest.raises(ValueError, match="expected the same rows"):
        compare(p, replace(p, emotion=p.emotion[::-1]), subject)


def test_the_interval_over_trainings_by_hand():
    """Five folds: s² = 0.02 / 4 = 0.005, (1 / 5 + 1 / 4) s² = 0.00225, t(4, 0.975) = 2.7764."""
    found = t_interval(np.array([0.5, 0.6, 0.7, 0.6, 0.6]), test_to_train=0.25)
    assert found.value == pytest.approx(0.6)
    assert (found.low, found.high) == pytest.approx((0.6 - 0.131698, 0.6 + 0.131698), abs=1e-6)


def test_trainings_that_share_nobody_have_students_interval():
    values = np.random.default_rng(16).normal(size=7)
    expected = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    found = t_interval(values, level=0.9)
    assert (found.low, found.high) == pytest.approx(expected)
    assert all(math.isnan(end) for end in (t_interval(values[:1]).low, t_interval(values[:0]).value))
