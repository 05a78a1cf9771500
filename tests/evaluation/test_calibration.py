"""Reliability and temperature against torchmetrics, SciPy's optimiser on logits, and known miscalibration."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from simulated_people import noise, people
from sklearn.metrics import log_loss as sklearn_log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from realfake.evaluation.calibration import (
    apply_temperatures,
    fit_temperature,
    fit_temperatures,
    log_loss,
    reliability,
    sharpen,
)
from realfake.evaluation.metrics import metrics
from realfake.labels import TASK_NAMES


def drawn(rng: np.random.Generator, size: int, classes: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow a model's probabilities at another temperature than the model's own."""
    logits = rng.normal(0, 2, (size, classes))
    y = (softmax(logits / temperature, axis=1).cumsum(axis=1) > rng.random((size, 1))).argmax(axis=1)
    return softmax(logits, axis=1), y


@pytest.mark.parametrize("task", TASK_NAMES)
def test_ece_of_every_task_is_torchmetrics(task):
    p = noise(np.random.default_rng(0), 500, absent=0.2)
    known = p.true(task) >= 0
    expected = multiclass_calibration_error(
        torch.from_numpy(p.probabilities(task)[known]),
        torch.from_numpy(p.true(task)[known]),
        len(TASK_NAMES[task]),
        n_bins=15,
        norm="l1",
    )
    found = reliability(p, task)
    assert found.ece == pytest.approx(expected.item(), abs=1e-6)
    assert found.count.sum() == known.sum()


def test_reliability_without_labels():
    p = noise(np.random.default_rng(0), 10)
    assert math.isnan(reliability(replace(p, emotion=np.full(10, -1)), "emotion").ece)


@pytest.mark.parametrize("classes", [2, 12])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found(classes, temperature):
    p, y = drawn(np.random.default_rng(1), 20_000, classes, temperature)
    found = fit_temperature(p, y)
    assert found == pytest.approx(temperature, rel=0.05)
    # Nothing near it is better.
    best = log_loss(sharpen(p, found), y)
    assert all(log_loss(sharpen(p, found * f), y) > best for f in (0.95, 1.05))


def test_log_loss_is_scikit_learns():
    p, y = drawn(np.random.default_rng(2), 100, 6, 1.0)
    assert log_loss(p, y) == pytest.approx(sklearn_log_loss(y, p, labels=range(6)))
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) < 100


def test_probabilities_stand_for_their_logits():
    logits = np.random.default_rng(3).normal(0, 3, (50, 12))
    np.testing.assert_allclose(sharpen(softmax(logits, axis=1), 2.5), softmax(logits / 2.5, axis=1))
    certain = sharpen(np.array([[1.0, 0.0], [0.0, 1.0]]), 2.0)
    assert np.isfinite(certain).all()
    np.testing.assert_allclose(certain.sum(axis=1), 1.0)


def test_absent_labels_do_not_count():
    p, y = drawn(np.random.default_rng(4), 1000, 6, 2.0)
    known = np.arange(1000) % 3 > 0
    assert fit_temperature(p, np.where(known, y, -1)) == fit_temperature(p[known], y[known])
    assert fit_temperature(p, np.full(1000, -1)) == 1.0


def test_a_separable_validation_part_gives_an_end_of_the_range():
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert 0 < fit_temperature(p, np.array([0, 1])) < 0.1
    assert fit_temperature(p, np.array([1, 0])) > 10


def test_calibration_changes_no_prediction_and_lowers_the_error():
    rng = np.random.default_rng(5)
    validation, _, _ = people(rng, 200)
    test, _, pair = people(rng, 200)
    sure = dict.fromkeys(TASK_NAMES, 0.25)
    temperatures = fit_temperatures(apply_temperatures(validation, sure))
    before = apply_temperatures(test, sure)
    after = apply_temperatures(before, temperatures)
    for task in TASK_NAMES:
        assert temperatures[task] > 2
        assert np.array_equal(after.predicted(task), before.predicted(task))
        assert reliability(after, task).ece < 0.5 * reliability(before, task).ece
    kept = [m for m in metrics(before) if m != "authenticity_ece"]
    assert [metrics(after, pair)[m] for m in kept] == pytest.approx([metrics(before, pair)[m] for m in kept])
