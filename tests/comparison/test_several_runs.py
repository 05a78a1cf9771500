"""Differences over several runs: against SciPy and by hand, and what they promise against simulations."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from simulated_people import people, with_p
from simulated_systems import Systems, paired, systems

from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.scores import exchangeable_levels
from realfake.scoring.statistics import bootstrap, compare, t_interval, wilson

NAMES = ("authenticity_accuracy", "authenticity_auroc", "pair_accuracy")


def test_the_test_of_an_accuracy_is_scipys_over_people_whatever_the_runs() -> None:
    s = systems(np.random.default_rng(0), 9, folds=3, better=0.3)
    right = [p.predicted("authenticity") == p.authenticity for p in (s.a, s.b)]
    own = np.array([right[0][s.subject == i].mean() - right[1][s.subject == i].mean() for i in range(9)])
    expected = stats.permutation_test((own,), np.mean, permutation_type="samples", n_resamples=np.inf)
    found = compare(s.b, s.a, s.subject, s.pair, run=s.run, names=NAMES[:1])[NAMES[0]]
    assert (found.value, found.p_value) == pytest.approx((own.mean(), expected.pvalue))


def test_the_interval_of_an_accuracy_is_scipys_over_people_widened() -> None:
    s = systems(np.random.default_rng(1), 60, better=0.3)
    right = [p.predicted("authenticity") == p.authenticity for p in (s.a, s.b)]
    own = np.array([right[0][s.subject == i].mean() - right[1][s.subject == i].mean() for i in range(60)])
    options = {"n_resamples": 20_000, "confidence_level": 0.95, "method": "BCa", "rng": np.random.default_rng(2)}
    expected = stats.bootstrap((own,), np.mean, **options).confidence_interval
    found = compare(s.b, s.a, s.subject, run=s.run, names=NAMES[:1], resamples=20_000, permutations=100)[NAMES[0]]
    factor = np.sqrt(60 / 59) * stats.t.ppf(0.975, 59) / stats.norm.ppf(0.975)
    assert found.value - found.low == pytest.approx(factor * (found.value - expected.low), rel=0.04)
    assert found.high - found.value == pytest.approx(factor * (expected.high - found.value), rel=0.04)


def test_real_and_fake_are_compared_within_a_run_in_every_exchange() -> None:
    """Six people in two folds of two seeds: all 64 exchanges, by hand, of ranks among those of system and run."""
    s = systems(np.random.default_rng(3), 6, folds=2, better=0.4, heights=2.0)
    ranked = [with_p(p, authenticity=by_rank(p, s.run)) for p in (s.a, s.b)]
    found = compare(s.b, s.a, s.subject, s.pair, run=s.run, names=NAMES[1:])
    for name in NAMES[1:]:
        sizes = []
        for swap in itertools.product([False, True], repeat=6):
            rows = np.array(swap)[s.subject][:, None]
            one, two = (
                with_p(p, authenticity=np.where(rows, q.p["authenticity"], p.p["authenticity"]))
                for p, q in (ranked, ranked[::-1])
            )
            sizes.append(abs(metrics(one, s.pair, s.run)[name] - metrics(two, s.pair, s.run)[name]))
        assert found[name].p_value == pytest.approx(np.mean(np.array(sizes) >= sizes[0] - 1e-9)), name
        assert found[name].second == pytest.approx(metrics(s.a, s.pair, s.run)[name])


def by_rank(p: Predictions, run: np.ndarray) -> np.ndarray:
    levels = exchangeable_levels(p, run) / (2.0 * len(p))
    return np.stack([1 - levels, levels], axis=1)


def test_the_height_of_a_runs_scores_is_no_difference() -> None:
    plain, high = (systems(np.random.default_rng(4), 10, better=0.3, heights=heights) for heights in (0.0, 3.0))
    options = {"names": NAMES[1:], "permutations": 500, "resamples": 200}
    found = [compare(s.b, s.a, s.subject, s.pair, run=s.run, **options) for s in (plain, high)]
    assert found[0] == found[1]
    pooled = compare(high.b, high.a, high.subject, high.pair, **options)
    assert pooled["authenticity_auroc"].value != pytest.approx(found[0]["authenticity_auroc"].value)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_model_has_no_interval_of_zero_width(value: float) -> None:
    """Everybody has as many real as fake clips, so that "always real" is right in half of everybody's clips."""
    p, subject, pair = people(np.random.default_rng(5), 12)
    real = np.stack([np.zeros(len(p)), np.ones(len(p))], axis=1)
    right = np.eye(2)[p.authenticity]
    said = {0.0: 1 - right, 0.5: real, 1.0: right}[value]
    constant = Predictions.from_tasks({"authenticity": said}, p.clip, p.emotion, p.authenticity)
    found = bootstrap(constant, subject, names=NAMES[:1])[NAMES[0]]
    seldom = wilson(0, 12)[1]
    assert found.value == value
    assert (found.low, found.high) == pytest.approx((value - value * seldom, value + (1 - value) * seldom))
    other = Predictions.from_tasks({"authenticity": real}, p.clip, p.emotion, p.authenticity)
    difference = compare(other, constant, subject, pair, names=NAMES[:1])[NAMES[0]]
    assert difference.low < difference.value < difference.high or value != 0.5
    assert difference.high - difference.low > 0.2


def test_one_person_has_no_interval() -> None:
    p, subject, pair = people(np.random.default_rng(6), 1)
    found = compare(p, replace(p), subject, pair, names=NAMES[:1])[NAMES[0]]
    assert np.isnan([found.low, found.high]).all()


def rejected(simulations: int, **how: float) -> tuple[dict[str, float], float]:
    """How often equal systems are found to differ, and the interval over trainings does not hold 0."""
    rng = np.random.default_rng(7)
    found, outside = dict.fromkeys(NAMES, 0), 0
    for i in range(simulations):
        s: Systems = systems(rng, 20, **how)
        told = compare(s.b, s.a, s.subject, s.pair, run=s.run, names=NAMES, permutations=1000, resamples=10, seed=i)
        for name, d in told.items():
            found[name] += d.p_value <= 0.05
        own = paired(s).shares(NAMES[0])
        folds = np.array([own.value[own.part == part].mean() for part in np.unique(own.part)])
        interval = t_interval(folds, 1 / 4)
        outside += not interval.low <= 0.0 <= interval.high
    return {name: count / simulations for name, count in found.items()}, outside / simulations


@pytest.mark.slow
def test_equal_systems_are_found_to_differ_as_seldom_as_they_should() -> None:
    found, _ = rejected(1000, heights=1.0)
    for name, rate in found.items():
        assert rate == pytest.approx(0.05, abs=0.015), name


@pytest.mark.slow
def test_only_the_interval_over_trainings_holds_their_luck() -> None:
    found, outside = rejected(500, luck=0.5)
    assert found["authenticity_accuracy"] > 0.08
    assert outside <= 0.05
