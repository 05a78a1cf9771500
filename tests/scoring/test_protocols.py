"""Decisions by comparison, against definitions in plain NumPy; and that chance stays chance under them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_runs import fake_predictions
from simulated_people import noise, people, with_p

from realfake.errors import UserError
from realfake.scoring.baselines import shuffle_test
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions, pair_numbers, read_table
from realfake.scoring.protocols import compared, decide, explained
from realfake.scoring.statistics import Interval, bootstrap, compare, wilson
from realfake.scoring.tables import proportion

DECIDED = ("joint_accuracy", "authenticity_accuracy", "joint_f1", "authenticity_balanced_accuracy")


def scored(*real: float) -> Predictions:
    """Clips with these probabilities of real, every second one real, all of one emotion."""
    p_real = np.array(real)
    truth = np.arange(len(p_real)) % 2
    heads = {"authenticity": np.stack([1 - p_real, p_real], axis=1)}
    return Predictions.from_tasks(heads, np.arange(len(p_real)), np.zeros(len(p_real), dtype=np.int64), truth)


@pytest.mark.parametrize(("protocol", "said"), [
    # pairs 0 0 | 1 1 1 | 2 | none | 3 3
    ("threshold", [1, 1, 0, 0, 0, 1, 0, 0, 0]),
    ("median", [0, 1, 0, 0, 1, 1, 0, 0, 0]),
    ("forced_choice", [0, 1, 0, 0, 0, 1, 0, 0, 0]),
])  # fmt: skip
def test_decisions_by_hand(protocol, said) -> None:
    p = scored(0.7, 0.9, 0.1, 0.2, 0.3, 0.6, 0.4, 0.2, 0.2)
    pair = np.array([0, 0, 1, 1, 1, 2, -1, 3, 3])
    found = decide(p, protocol, pair)
    assert found.predicted("authenticity").tolist() == said
    assert found.fallbacks == {"threshold": 0, "median": 2, "forced_choice": 5}[protocol]
    assert found.p is p.p


@pytest.mark.parametrize("seed", range(4))
def test_median_of_groups_of_any_size(seed: int) -> None:
    """Against numpy's median of the log-odds, of groups of 1 to 7 clips, some of which have equal scores."""
    rng = np.random.default_rng(seed)
    p, pair = noise(rng, 120, digits=2 if seed % 2 else None), rng.integers(-1, 40, 120)
    p = with_p(p, authenticity=np.clip(p.p_authenticity, 0.01, 0.99))
    found, score = decide(p, "median", pair), np.log(p.p_authenticity[:, 1] / p.p_authenticity[:, 0])
    for row in range(120):
        own = score[pair == pair[row]]
        if pair[row] < 0 or len(own) == 1:
            assert found.given[row] == -1
        else:
            assert found.given[row] == (score[row] > np.median(own) + 1e-9)
    alone = found.given == -1
    assert (found.predicted("joint")[alone] == p.predicted("joint")[alone]).all()
    assert (found.predicted("emotion") == p.predicted("emotion")).all()
    assert (found.predicted("joint") % 6 == found.predicted("emotion")).all()
    assert (found.predicted("joint") // 6 == found.predicted("authenticity")).all()


def test_only_what_is_decided_changes() -> None:
    p, subject, pair = people(np.random.default_rng(0), 10, shift=0.4)
    plain, forced, median = (metrics(decide(p, name, pair), pair) for name in ("threshold", "forced_choice", "median"))
    assert plain == metrics(p, pair)
    assert forced == median  # all pairs are of two clips
    assert {name for name in plain if plain[name] != median[name]} == set(DECIDED)
    # Of two clips, per-clip accuracy is forced choice, and half of the clips are called real.
    assert median["authenticity_accuracy"] == median["pair_accuracy"] == median["median_accuracy"]
    assert decide(p, "median", pair).predicted("authenticity").mean() == 0.5
    found = bootstrap(decide(p, "median", pair), subject, pair, resamples=200)
    assert found["authenticity_accuracy"] == found["pair_accuracy"]
    assert found["authenticity_auroc"] == bootstrap(p, subject, pair, resamples=200)["authenticity_auroc"]


def test_equal_scores_are_half_right() -> None:
    p = scored(*[0.7] * 6)
    pair = np.arange(6) // 2
    for protocol in ("median", "forced_choice"):
        found = decide(p, protocol, pair)
        assert metrics(found, pair)["authenticity_accuracy"] == metrics(p, pair)["pair_accuracy"] == 0.5
    assert metrics(p, pair)["median_accuracy"] == 0.5
    # Rounding of 32-bit networks is no difference.
    p = with_p(p, authenticity=p.p_authenticity + np.array([[-1, 1], [1, -1]] * 3) * 1e-7)
    assert not decide(p, "median", pair).predicted("authenticity").any()


def test_median_accuracy_by_hand() -> None:
    """Clips of 3 people: 4, 3 (the middle one counts half) and 2 that are both real, which count for nothing."""
    p = replace(scored(0.1, 0.9, 0.8, 0.2, 0.6, 0.5, 0.7, 0.4, 0.6), authenticity=np.array([0, 1, 0, 1, 1, 0, 1, 1, 1]))
    pair = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    # right: 0.1 and 0.9 of the first, 0.5 and 0.7 of the second, half of 0.6
    assert metrics(p, pair)["median_accuracy"] == pytest.approx(4.5 / 7)
    assert metrics(p)["pair_accuracy"] != metrics(p)["pair_accuracy"]  # NaN without pairs
    one = bootstrap(p, pair, pair, names=["median_accuracy"], resamples=200)["median_accuracy"]
    assert one.value == pytest.approx(4.5 / 7)


def test_decisions_are_written_and_read(tmp_path: Path) -> None:
    p, clips = fake_predictions(np.random.default_rng(0), 0.3, ["a", "b"])
    clips.loc[3, "pair"] = ""
    plain, median = p.table(clips), decide(p, "median", pair_numbers(clips))
    median.table(clips).to_csv(tmp_path / "p.csv", index=False)
    read, _ = read_table(tmp_path / "p.csv")
    assert (read.protocol, read.fallbacks) == ("median", 2)
    for task in read.tasks:
        assert (read.predicted(task) == median.predicted(task)).all()
    table = pd.read_csv(tmp_path / "p.csv")
    assert "decided_by" not in plain.columns
    assert table["decided_by"].value_counts().to_dict() == {"median": 22, "threshold": 2}
    assert table.drop(columns="decided_by").columns.tolist() == plain.columns.tolist()
    rows = Predictions.concatenated([p, read])
    assert (rows.predicted("joint") == np.concatenate([p.predicted("joint"), read.predicted("joint")])).all()
    assert (read.select(np.array([5, 3])).predicted("joint") == read.predicted("joint")[[5, 3]]).all()
    assert read.by_clip().fallbacks == 0 != read.fallbacks  # means are decided anew
    assert explained(p) is None
    assert explained(read) == (
        "Real or fake is decided by protocol=median: a clip is real if it scores above the median of the clips of its "
        "pair; 2 of 24 clips, which have none to be compared with, by threshold."
    )
    table.replace({"decided_by": {"median": "mean"}}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(UserError, match=r"decided_by 'mean': expected one of threshold, median, forced_choice"):
        read_table(tmp_path / "p.csv")


def test_shuffling_within_pairs_is_the_binomial_test() -> None:
    """24 people with one pair: the number of right pairs of independent ones."""
    from scipy.stats import binomtest

    p, subject, pair = people(np.random.default_rng(3), 24, shift=0.4)
    rows = np.flatnonzero(p.emotion == 0)
    p, subject, pair = p.select(rows), subject[rows], pair[rows]
    p = decide(p, "median", pair)
    found = shuffle_test(p, subject, pair, shuffles=20_000)
    right = round(24 * found["pair_accuracy"]["value"])
    expected = binomtest(right, 24, alternative="greater").pvalue
    for name in ("pair_accuracy", "median_accuracy", "authenticity_accuracy"):
        assert found[name]["value"] == pytest.approx(right / 24)
        assert found[name]["p_value"] == pytest.approx(expected, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("digits", [None, 1], ids=["all scores differ", "many ties"])
def test_chance_stays_chance_when_clips_are_compared(digits: int | None) -> None:
    """1,000 times, labels are exchanged within pairs: figures stand at a half, and tests find something in 5 % of them.

    Of scores that say much about the person, and nothing about real or fake.
    """
    rng = np.random.default_rng(0)
    nulls, subjects = 1000, 8
    subject, emotion = np.repeat(np.arange(subjects), 12), np.tile(np.arange(12) % 6, subjects)
    pair = subject * 6 + emotion
    values: dict[str, list[float]] = {}
    small: dict[str, list[bool]] = {}
    for i in range(nulls):
        which = rng.integers(0, 2, subjects * 6)[pair]  # clip of each pair that is called real
        truth = np.where(np.arange(12 * subjects) % 12 < 6, which, 1 - which)
        systems = []
        for _ in "ab":
            real = 1 / (1 + np.exp(-rng.normal(0, 1, subjects)[subject] - rng.normal(0, 0.5, len(subject))))
            real = real if digits is None else np.clip(np.round(real, digits), 0.05, 0.95)
            heads = {"authenticity": np.stack([1 - real, real], axis=1)}
            p = Predictions.from_tasks(heads, np.arange(len(subject)), emotion, truth)
            systems.append(decide(p, "median", pair))
            assert (decide(p, "forced_choice", pair).given == systems[-1].given).all()
        for name, test in shuffle_test(systems[0], subject, pair, shuffles=99, seed=i).items():
            values.setdefault(name, []).append(test["value"])
            small.setdefault(name, []).append(test["p_value"] <= 0.05)
        names = ["authenticity_accuracy", "pair_accuracy", "median_accuracy"]
        for name, d in compare(*systems, subject, pair, names=names, resamples=10, permutations=256).items():
            small.setdefault(f"difference of {name}", []).append(d.p_value <= 0.05)
    error = 3 * np.sqrt(0.25 / (nulls * subjects * 6))
    assert {name: np.mean(found) for name, found in values.items()} == {
        n: pytest.approx(0.5, abs=error) for n in values
    }
    level = {name: float(np.mean(hits)) for name, hits in small.items()}
    # A figure that moves in steps, as the pairs of 8 people that are right, reaches less than 5 %.
    assert all(0.01 < share < 0.05 + 3 * np.sqrt(0.05 * 0.95 / nulls) for share in level.values()), level


def test_two_clips_are_one_answer() -> None:
    """20 of 30 pairs are 40 of 60 videos, with the interval of 30: that of the 2017 challenge's best figure."""
    right = np.repeat(np.arange(30) < 20, 2)
    p = scored(*np.where(np.arange(60) % 2 == right, 0.8, 0.2))
    hits, clips, interval = proportion(decide(p, "forced_choice", np.arange(60) // 2), "authenticity")
    assert (hits, clips) == (40, 60)
    assert (round(interval.low, 2), round(interval.high, 2)) == (0.49, 0.81)
    assert proportion(p, "authenticity")[2] == Interval(40 / 60, *wilson(40, 60))


def test_compared_pairs() -> None:
    pair = np.array([0, 0, 1, 1, 1, -1, 2, -1])
    assert compared(pair).tolist() == [0, 0, 1, 1, 1, -1, -1, -1]
    assert compared(pair, "forced_choice").tolist() == [0, 0, -1, -1, -1, -1, -1, -1]
