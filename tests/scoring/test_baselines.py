"""Baselines against hand calculations; the shuffle test against scikit-learn and under the null."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from simulated_people import noise, people, with_p
from sklearn.dummy import DummyClassifier

from realfake.labels import SASE_FE, TASKS
from realfake.scoring.baselines import emotion_only, majority, shuffle_test
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions


def counts_of(joint: np.ndarray) -> dict[str, list[float]]:
    grid = joint.reshape(2, 6)
    return {"joint": joint.tolist(), "emotion": grid.sum(axis=0).tolist(), "authenticity": grid.sum(axis=1).tolist()}


def test_majority_is_scikit_learns_dummy():
    rng = np.random.default_rng(0)
    p = noise(rng, 200)
    joint = rng.integers(1, 50, 12)
    found = majority(p, counts_of(joint), np.arange(200) // 2)
    for task, counts in counts_of(joint).items():
        y = np.repeat(np.arange(len(counts)), counts)
        dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(y), 1)), y)
        assert found[f"{task}_accuracy"] == pytest.approx(dummy.score(np.zeros((200, 1)), p.true(task)))
    assert found["authenticity_auroc"] == 0.5
    assert found["pair_accuracy"] == 0.5


def test_emotion_only_follows_the_training_counts():
    joint = np.ones(12)
    joint[[0, 6]] = 9, 2  # angry clips are mostly fake
    joint[[3, 9]] = 1, 7  # happy ones mostly real
    p, _, pair = people(np.random.default_rng(1), 10)
    found = emotion_only(p, counts_of(joint))
    assert found.p_authenticity[p.emotion == 0] == pytest.approx(np.tile([10 / 13, 3 / 13], (20, 1)))
    assert found.p_authenticity[p.emotion == 3] == pytest.approx(np.tile([2 / 10, 8 / 10], (20, 1)))
    assert metrics(found, pair)["pair_accuracy"] == 0.5  # a pair has one emotion
    same = replace(p, authenticity=np.isin(p.emotion, [3, 1, 2, 4, 5]).astype(int))
    assert metrics(emotion_only(same, counts_of(joint)))["authenticity_auroc"] == pytest.approx(1.0)


def test_emotion_only_without_an_emotion_takes_the_overall_share():
    p = noise(np.random.default_rng(2), 5)
    found = emotion_only(replace(p, emotion=np.full(5, -1)), counts_of(np.repeat([30, 10], 6)))
    assert found.p_authenticity == pytest.approx(np.tile([0.75, 0.25], (5, 1)))


def test_baselines_without_training_counts_are_undecided():
    p = noise(np.random.default_rng(3), 5)
    nothing = {task: [0] * SASE_FE.size(task) for task in TASKS}
    assert majority(p, nothing)["authenticity_auroc"] == 0.5
    assert (emotion_only(p, nothing).p_authenticity == 0.5).all()


def test_shuffling_among_all_is_scipys_permutation_test():
    p, _, _ = people(np.random.default_rng(5), 8, shift=0.2, skill=0.5)
    one = np.zeros(len(p))
    found = shuffle_test(p, one, shuffles=5000)["authenticity_auroc"]
    score = p.p_authenticity[:, 1]
    real, fake = score[p.authenticity == 1], score[p.authenticity == 0]
    expected = stats.mannwhitneyu(real, fake, alternative="greater")
    assert found["value"] == pytest.approx(expected.statistic / (len(real) * len(fake)))
    assert found["p_value"] == pytest.approx(expected.pvalue, abs=0.015)
    assert found["mean"] == pytest.approx(0.5, abs=0.005)


def test_shuffling_keeps_each_subjects_labels():
    # A model that knows who is mostly real, and nothing else: within subjects it has nothing to offer.
    rng = np.random.default_rng(6)
    p, subject, _ = people(rng, 20)
    mostly = subject % 2
    y = np.where(rng.random(len(p)) < 0.9, mostly, 1 - mostly)
    heads = {"emotion": p.p_emotion, "authenticity": np.eye(2)[mostly] * 0.8 + 0.1}
    known = Predictions.from_tasks(heads, p.clip, p.emotion, y)
    found = shuffle_test(known, subject)
    assert found["authenticity_accuracy"]["value"] > 0.8
    assert found["authenticity_accuracy"]["p_value"] == found["authenticity_accuracy"]["smallest_p"] == 1.0
    assert shuffle_test(known, np.arange(len(p)))["authenticity_accuracy"]["p_value"] < 0.001


def test_a_handful_of_clips_cannot_be_unlikely():
    """Two people with two clips each, all told right: every fourth exchange is the observed order."""
    p, subject, _ = people(np.random.default_rng(9), 2)
    rows = np.array([0, 6, 12, 18])
    some = with_p(p.select(rows), authenticity=np.eye(2)[p.authenticity[rows]])
    found = shuffle_test(some, subject[rows])["authenticity_auroc"]
    assert found["p_value"] == found["smallest_p"] == pytest.approx(0.25, abs=0.03)


def test_shuffle_test_finds_what_is_there_and_nothing_else():
    rng = np.random.default_rng(7)
    p, subject, _ = people(rng, 10)
    found = shuffle_test(p, subject)
    assert set(found) == {*(f"{task}_accuracy" for task in TASKS), "authenticity_auroc"}
    assert all(result["p_value"] < 0.01 for result in found.values())
    values = metrics(p)
    assert {name: result["value"] for name, result in found.items()} == pytest.approx({n: values[n] for n in found})

    false = 0
    for i in range(400):
        nothing, subject, _ = people(rng, 5, shift=0.0, spread=0.0, skill=0.0)
        false += shuffle_test(nothing, subject, shuffles=200, seed=i)["authenticity_auroc"]["p_value"] <= 0.05
    assert false / 400 == pytest.approx(0.05, abs=0.03)


def test_shuffle_test_with_absent_labels():
    p, subject, _ = people(np.random.default_rng(8), 10)
    found = shuffle_test(replace(p, emotion=np.full(len(p), -1)), subject)
    assert math.isnan(found["joint_accuracy"]["p_value"])
    assert found["authenticity_accuracy"]["p_value"] < 0.05
    partly = replace(p, authenticity=np.where(subject < 5, p.authenticity, -1))
    assert shuffle_test(partly, subject) == shuffle_test(p.select(subject < 5), subject[subject < 5])
    found = shuffle_test(replace(p, authenticity=np.full(len(p), -1)), subject)
    assert math.isnan(found["authenticity_auroc"]["p_value"])
    assert found["emotion_accuracy"]["p_value"] < 0.01
