"""Metrics against scikit-learn and torchmetrics, on random cases with ties and absent labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from simulated_people import noise, people
from sklearn.metrics import accuracy_score, balanced_accuracy_score, brier_score_loss, f1_score, roc_auc_score
from torchmetrics.functional.classification import multiclass_calibration_error

from realfake.scoring.calibration import reliability
from realfake.scoring.metric_table import METRICS
from realfake.scoring.metrics import SubjectSums, metrics
from realfake.scoring.predictions import Predictions

CASES = [(seed, size, absent) for seed, size in enumerate([13, 50, 600, 2000]) for absent in (0.0, 0.3)]


@pytest.mark.parametrize(("seed", "size", "absent"), CASES)
def test_accuracies_and_f1_are_scikit_learns(seed, size, absent):
    p = noise(np.random.default_rng(seed), size, absent)
    found = metrics(p)
    decision = p.p_joint.argmax(axis=1)
    parts = {"joint": decision, "emotion": decision % 6, "authenticity": decision // 6}
    for task in ("joint", "emotion", "authenticity"):
        known = p.true(task) >= 0
        y, guess = p.true(task)[known], parts[task][known]
        assert found[f"{task}_accuracy"] == pytest.approx(accuracy_score(y, guess))
        if task != "authenticity":
            assert found[f"{task}_f1"] == pytest.approx(f1_score(y, guess, average="macro"))


@pytest.mark.parametrize(("seed", "size", "absent"), CASES)
def test_balanced_accuracy_and_brier_score_are_scikit_learns(seed, size, absent):
    rng = np.random.default_rng(seed)
    p = noise(rng, size, absent)
    p = p.select((p.authenticity != 1) | (rng.random(size) < 0.3))  # fewer real than fake ones
    found, known = metrics(p), p.authenticity >= 0
    y, guess = p.authenticity[known], p.p_joint[known].argmax(axis=1) // 6
    assert found["authenticity_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, guess))
    assert found["authenticity_brier"] == pytest.approx(brier_score_loss(y, p.p_authenticity[known, 1]))


@pytest.mark.parametrize(("seed", "size", "absent"), CASES)
@pytest.mark.parametrize("digits", [None, 1])
def test_auroc_is_scikit_learns_also_with_ties(seed, size, absent, digits):
    p = noise(np.random.default_rng(seed), size, absent, digits)
    known = p.authenticity >= 0
    expected = roc_auc_score(p.authenticity[known], p.p_authenticity[known, 1].round(9))
    assert metrics(p)["authenticity_auroc"] == pytest.approx(expected)


@pytest.mark.parametrize(("seed", "size", "absent"), CASES)
def test_ece_is_torchmetrics(seed, size, absent):
    p = noise(np.random.default_rng(seed), size, absent)
    known = p.authenticity >= 0
    expected = multiclass_calibration_error(
        torch.from_numpy(p.p_authenticity[known]), torch.from_numpy(p.authenticity[known]), 2, n_bins=15, norm="l1"
    )
    assert metrics(p)["authenticity_ece"] == pytest.approx(expected.item(), abs=1e-6)
    assert reliability(p, "authenticity").ece == pytest.approx(metrics(p)["authenticity_ece"])


def test_certainty_falls_into_the_last_bin():
    certain, likely = [0.0, 1.0], [0.04, 0.96]
    p = Predictions.from_tasks(
        {"emotion": np.full((2, 6), 1 / 6), "authenticity": np.array([certain, likely])},
        np.arange(2), np.array([0, 0]), np.array([0, 1]),
    )  # fmt: skip
    assert metrics(p)["authenticity_ece"] == pytest.approx(abs(0.5 - (1.0 + 0.96) / 2))


def test_pair_accuracy_by_hand():
    real = np.array([0.7, 0.4, 0.5, 0.9, 0.2, 0.2, 0.99])
    y = np.array([1, 0, 0, 1, 1, 0, 1])
    pair = np.array([0, 0, 0, 1, 2, 2, -1])
    p = Predictions.from_tasks(
        {"emotion": np.full((7, 6), 1 / 6), "authenticity": np.stack([1 - real, real], axis=1)},
        np.arange(7), np.zeros(7), y,
    )  # fmt: skip
    # pair 0: two won; pair 1: no fake; pair 2: a tie
    assert metrics(p, pair)["pair_accuracy"] == pytest.approx((2 + 0.5) / 3)
    assert math.isnan(metrics(p)["pair_accuracy"])
    assert math.isnan(metrics(p, np.full(7, -1))["pair_accuracy"])


@pytest.mark.parametrize("digits", [None, 1])
def test_pair_accuracy_counts_every_real_with_every_fake_sample(digits):
    rng = np.random.default_rng(5)
    p = noise(rng, 300, absent=0.1, digits=digits)
    pair = rng.integers(-1, 20, 300)
    score, won = p.p_authenticity[:, 1].round(9), []
    for i in np.flatnonzero((p.authenticity == 1) & (pair >= 0)):
        rivals = score[(p.authenticity == 0) & (pair == pair[i])]
        won += [1.0 if score[i] > s else 0.5 if score[i] == s else 0.0 for s in rivals]
    assert metrics(p, pair)["pair_accuracy"] == pytest.approx(np.mean(won))


@pytest.mark.parametrize(
    ("change", "undefined"),
    [
        (lambda p: replace(p, emotion=np.full(len(p), -1)), {m for m in METRICS if METRICS[m].task != "authenticity"}),
        (lambda p: replace(p, authenticity=np.full(len(p), -1)), {m for m in METRICS if METRICS[m].task != "emotion"}),
        (
            lambda p: replace(p, authenticity=np.full(len(p), 1)),
            {"authenticity_auroc", "pair_accuracy", "median_accuracy"},
        ),
        (lambda p: p.select(np.zeros(len(p), dtype=bool)), set(METRICS)),
    ],
    ids=["no emotion", "no authenticity", "real only", "nothing"],
)
def test_undefined_metrics_are_nan(change: Callable[[Predictions], Predictions], undefined: set[str]):
    p = change(noise(np.random.default_rng(0), 60))
    found = metrics(p, np.arange(len(p)) // 2)
    assert {name for name, value in found.items() if math.isnan(value)} == undefined
    assert list(found) == list(METRICS)


@pytest.mark.parametrize("digits", [None, 1])
def test_weights_mean_that_a_subject_counts_so_often(digits):
    rng = np.random.default_rng(6)
    p = noise(rng, 240, absent=0.1, digits=digits)
    subject = rng.integers(0, 9, 240)
    pair = subject * 6 + rng.integers(0, 6, 240)
    weights = rng.integers(0, 4, (5, 9))
    found = SubjectSums(p, subject, pair).metrics(weights.astype(float))
    for r, counts in enumerate(weights):
        copies = [(np.flatnonzero(subject == s), s, k) for s in range(9) for k in range(counts[s])]
        rows = np.concatenate([c[0] for c in copies])
        # Copies of a pair compare with their own copy only, as they would with another subject's.
        names = np.concatenate([pair[c[0]] + 100 * c[2] for c in copies])
        for name, value in metrics(p.select(rows), names).items():
            assert found[name][r] == pytest.approx(value), name


def test_many_subjects_are_counted_in_blocks():
    p, subject, pair = people(np.random.default_rng(7), 1100)
    found = SubjectSums(p, subject, pair).metrics(np.ones((1, 1100)))
    assert {k: float(v[0]) for k, v in found.items()} == pytest.approx(metrics(p, pair))


def test_unknown_metric():
    p, subject, pair = people(np.random.default_rng(8), 3)
    with pytest.raises(ValueError, match="expected one of joint_accuracy"):
        SubjectSums(p, subject, pair).metrics(np.ones((1, 3)), ["joint_auroc"])
