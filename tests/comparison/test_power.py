"""How many people: what is simulated against trying it out, and what the luck of a training adds."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_systems import paired, systems

from realfake.comparison.power import Luck, Shares, luck_of, power_curves, pseudo_values
from realfake.scoring.metrics import metrics
from realfake.scoring.statistics import compare

NAMES = ("authenticity_accuracy", "pair_accuracy")


def test_what_a_person_adds_to_an_accuracy_is_the_accuracy_on_that_person() -> None:
    drawn = systems(np.random.default_rng(0), 8, folds=1, seeds=1)
    right = (drawn.a.predicted("authenticity") == drawn.a.authenticity).reshape(8, -1).mean(axis=1)
    found = pseudo_values(drawn.a, drawn.subject, drawn.pair, ["authenticity_accuracy", "authenticity_auroc"])
    assert found["authenticity_accuracy"] == pytest.approx(right)
    # Of ranks it is the jackknife's, whose mean is near the metric.
    whole = metrics(drawn.a, drawn.pair)["authenticity_auroc"]
    assert found["authenticity_auroc"].mean() == pytest.approx(whole, abs=0.02)


def shares(values: np.ndarray) -> Shares:
    """Of a table of people (rows) and seeds (columns) of one part."""
    people, seeds = values.shape
    number = np.arange(seeds).repeat(people)
    return Shares(np.tile(np.arange(people), seeds), np.zeros(values.size, int), number, values.T.ravel())


def test_luck_is_what_seeds_differ_in_beyond_their_people() -> None:
    """By hand: seeds at 0.1 and 0.3, nobody does better with one of them; and a two-way layout's mean squares."""
    constant = luck_of(shares(np.array([[0.0, 0.2], [0.2, 0.4]])))
    assert (constant.variance, constant.freedom) == (pytest.approx(0.02), 1)
    rng = np.random.default_rng(1)
    table = rng.normal(0, 1, (40, 5)) + rng.normal(0, 2, 5) + rng.normal(0, 3, 40)[:, None]
    of_seeds = 40 * np.var(table.mean(axis=0), ddof=1)
    rest = (table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()) ** 2
    found = luck_of(shares(table))
    assert found.variance == pytest.approx((of_seeds - rest.sum() / (39 * 4)) / 40)
    others = found.drawn(rng, 20_000)
    assert others.mean() == pytest.approx(found.variance, rel=0.05)
    assert np.var(others) == pytest.approx(2 * found.between**2 / 4, rel=0.1), "a chi square of four degrees of freedom"
    assert luck_of(shares(table[:, :1])) == Luck()
    crossed = np.array([[0.0, 1.0], [1.0, 0.0]])  # seeds that suit other people are no better or worse on average
    assert luck_of(shares(crossed)).variance == 0.0


def test_power_keeps_its_promises() -> None:
    drawn = paired(systems(np.random.default_rng(2), 20, better=0.3))
    measured, given = power_curves(drawn.shares(NAMES[0]), -0.1, 0.05, [5, 6, 10, 40, 160, 5000])
    assert (measured.difference, given.difference) == (-0.1, -0.05), "in the direction of the measured one"
    for curve in (measured, given):
        assert curve.value[0] == 0.0, "no exchange of five people gives p below 0.05"
        assert (np.diff(curve.value) >= 0).all()
        assert curve.value[-1] > 0.95  # not 1: more people do not help against the luck of a training
        assert ((curve.low <= curve.value) & (curve.value <= curve.high)).all()
        assert curve.trainings
    assert (measured.value[1:-1] > given.value[1:-1]).all()
    again = power_curves(drawn.shares(NAMES[0]), -0.1, 0.05, [5, 6, 10, 40, 160, 5000])
    assert np.array_equal(again[1].low, given.low)
    one_seed = paired(systems(np.random.default_rng(2), 20, seeds=1), seeds=1)
    assert not power_curves(one_seed.shares(NAMES[0]), 0.1, 0.05, [10])[0].trainings


@pytest.mark.parametrize("seeds", [1, 2])
def test_people_who_do_not_differ_show_no_power(seeds: int) -> None:
    """Alike but for a rounding, or for what a training adds to all of them."""
    for alike in (
        np.zeros((6, seeds)),
        np.full((6, seeds), 0.1) + 1e-15 * np.arange(6)[:, None],
        np.tile(np.arange(seeds), (6, 1)),
    ):
        for curve in power_curves(shares(alike), alike.mean(), 0.05, [10, 20]):
            assert not curve.known
            assert np.isnan([curve.value, curve.low, curve.high]).all()
    some = np.zeros((6, seeds))
    some[0] = 0.1
    assert all(curve.known for curve in power_curves(shares(some), 0.1, 0.05, [10]))


@pytest.mark.slow
@pytest.mark.parametrize("luck", [0.0, 0.5])
def test_power_is_what_trying_it_out_gives(luck: float) -> None:
    """On 8 and on 20 people and trainings drawn anew, against the mean of what studies of 100 people tell."""
    rng = np.random.default_rng(3)
    everybody = systems(rng, 4000, folds=200, better=0.4, luck=luck)
    of_a, of_b = (metrics(p, everybody.pair, everybody.run) for p in (everybody.a, everybody.b))
    told = {name: np.zeros(2) for name in NAMES}
    for _ in range(10):
        study = paired(systems(rng, 100, better=0.4, luck=luck))
        for name in NAMES:
            told[name] += power_curves(study.shares(name), 1.0, of_a[name] - of_b[name], [8, 20])[1].value / 10
    for place, people in enumerate((8, 20)):
        hits = dict.fromkeys(NAMES, 0)
        for i in range(400):
            s = systems(rng, people, better=0.4, luck=luck)
            found = compare(
                s.b, s.a, s.subject, s.pair, run=s.run, names=NAMES, permutations=1000, resamples=10, seed=i
            )
            for name, d in found.items():
                hits[name] += d.p_value <= 0.05 and d.value > 0
        for name in NAMES:
            assert told[name][place] == pytest.approx(hits[name] / 400, abs=0.07), (name, people)
