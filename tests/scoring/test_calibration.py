"""Reliability and temperature against torchmetrics, SciPy's optimiser on logits, and known miscalibration."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from simulated_people import noise, people, with_p
from sklearn.metrics import log_loss as sklearn_log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from realfake.labels import SASE_FE, TASKS
from realfake.scoring.calibration import (
    TEMPERATURES,
    Temperature,
    apply_temperatures,
    choose_temperatures,
    cross_validated_loss,
    fit_temperature,
    fit_temperatures,
    log_loss,
    reliability,
    sharpen,
)
from realfake.scoring.metrics import metrics


def drawn(rng: np.random.Generator, size: int, classes: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow a model's probabilities at another temperature than the model's own."""
    logits = rng.normal(0, 2, (size, classes))
    y = (softmax(logits / temperature, axis=1).cumsum(axis=1) > rng.random((size, 1))).argmax(axis=1)
    return softmax(logits, axis=1), y


@pytest.mark.parametrize("task", TASKS)
def test_ece_of_every_task_is_torchmetrics(task):
    p = noise(np.random.default_rng(0), 500, absent=0.2)
    known = p.true(task) >= 0
    expected = multiclass_calibration_error(
        torch.from_numpy(p.probabilities(task)[known]),
        torch.from_numpy(p.true(task)[known]),
        SASE_FE.size(task),
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
    sure = dict.fromkeys(TASKS, 0.25)
    temperatures = fit_temperatures(apply_temperatures(validation, sure))
    before = apply_temperatures(test, sure)
    after = apply_temperatures(before, temperatures)
    for task in TASKS:
        assert temperatures[task] > 2
        assert np.array_equal(after.predicted(task), before.predicted(task))
        assert reliability(after, task).ece < 0.5 * reliability(before, task).ece
    found, kept = metrics(after, pair), metrics(before, pair)
    for changed in ("authenticity_ece", "authenticity_brier"):
        assert found.pop(changed) < kept.pop(changed)
    assert found == pytest.approx(kept)


# --- temperatures that are not used ----------------------------------------------------------------------------------


def test_a_fit_on_enough_people_is_used():
    """A model that is four times too sure: the temperature is used, and it helps people whom it has not seen."""
    rng = np.random.default_rng(6)
    sure = dict.fromkeys(TASKS, 0.25)
    validation, subject, _ = people(rng, 8)
    test = apply_temperatures(people(rng, 200)[0], sure)
    validation = apply_temperatures(validation, sure)
    chosen = choose_temperatures(validation, subject)
    assert {task: t.used for task, t in chosen.items()} == fit_temperatures(validation)
    after = apply_temperatures(test, {task: t.used for task, t in chosen.items()})
    for task in TASKS:
        assert chosen[task] == Temperature(chosen[task].fitted, chosen[task].fitted, None)
        losses = [log_loss(p.probabilities(task), p.true(task)) for p in (after, test)]
        assert losses[0] < losses[1] - 0.1


def test_four_people_are_too_few():
    p, subject, _ = people(np.random.default_rng(7), 4)
    for t in choose_temperatures(apply_temperatures(p, dict.fromkeys(TASKS, 0.25)), subject).values():
        assert (t.used, t.refused) == (1.0, "a fit needs at least 5 validation people: found 4")
        assert t.fitted > 2


def test_people_and_mistakes_count_where_the_label_is_known():
    p, subject, _ = people(np.random.default_rng(7), 8)
    p = replace(p, emotion=np.where(subject < 3, p.emotion, -1))
    chosen = choose_temperatures(apply_temperatures(p, dict.fromkeys(TASKS, 0.25)), subject)
    assert chosen["emotion"].refused == chosen["joint"].refused == "a fit needs at least 5 validation people: found 3"
    assert chosen["authenticity"].refused is None


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (3, "a fit needs at least 5 validation people: found 3"),
        (6, "a fit needs at least 10 validation clips with a mistake: found 0 of 72"),
    ],
)
def test_perfect_emotions_of_few_clips_are_not_sharpened(number, reason):
    """As in the demo: people without a mistake ask for probabilities of 1, which the mistakes on others ruin."""
    everybody, subject, _ = people(np.random.default_rng(8), 100, skill=3.0)
    mistakes = np.bincount(subject, everybody.most_probable("emotion") != everybody.emotion)
    lucky = np.isin(subject, np.flatnonzero(mistakes == 0)[:number])
    test = everybody.select(~lucky)
    chosen = choose_temperatures(everybody.select(lucky), subject[lucky])["emotion"]
    assert chosen.fitted < 0.1
    assert (chosen.used, chosen.refused) == (1.0, reason)
    assert log_loss(sharpen(test.p_emotion, chosen.fitted), test.emotion) > 2 * log_loss(test.p_emotion, test.emotion)


def test_mistakes_in_ten_clips_are_enough_however_many_samples_they_are():
    """Samples of one clip are one mistake."""
    clips, subject, _ = people(np.random.default_rng(9), 6, skill=8.0, shift=8.0)
    clip = np.repeat(np.arange(72), 5)
    for wrong, refused in ((9, True), (10, False)):
        p = clips.p_emotion.copy()
        p[:wrong] = np.roll(p[:wrong], 1, axis=1)
        samples = with_p(clips, emotion=p).select(clip)
        found = choose_temperatures(samples, subject[clip])["emotion"].refused
        assert (found == f"a fit needs at least 10 validation clips with a mistake: found {wrong} of 72") == refused


def test_a_fit_at_the_end_of_its_range_is_not_used():
    """A model that is never right: the flattest probabilities are the likeliest."""
    p, subject, _ = people(np.random.default_rng(10), 8)
    wrong = with_p(p, emotion=np.roll(np.eye(6)[p.emotion] * 0.94 + 0.01, 1, axis=1))
    chosen = choose_temperatures(wrong, subject)["emotion"]
    assert chosen.fitted == pytest.approx(TEMPERATURES[1], rel=0.01)
    assert (chosen.used, chosen.refused) == (1.0, "the fit ended at an end of its range, 0.02 to 50")


def test_a_fit_that_harms_other_people_is_not_used():
    """A model that is calibrated already: what is fitted are the accidents of these people."""
    rng = np.random.default_rng(11)
    p, subject, _ = people(rng, 10, skill=0.0, spread=0.0)
    calibrated = np.array([(q.cumsum() > rng.random()).argmax() for q in p.p_emotion])
    chosen = choose_temperatures(replace(p, emotion=calibrated), subject)["emotion"]
    before = log_loss(p.p_emotion, calibrated)
    after = cross_validated_loss(p.p_emotion, calibrated, subject)
    assert log_loss(sharpen(p.p_emotion, chosen.fitted), calibrated) <= before < after
    assert (chosen.used, chosen.refused) == (
        1.0,
        f"it raises the log loss of validation people on whom it is not fitted from {before:.3f} to {after:.3f}",
    )


def test_cross_validation_leaves_people_out():
    """By hand, one person left out at a time."""
    p, subject, _ = people(np.random.default_rng(12), 4)
    expected = []
    for s in range(4):
        t = fit_temperature(p.p_emotion[subject != s], p.emotion[subject != s])
        expected.append(log_loss(sharpen(p.p_emotion[subject == s], t), p.emotion[subject == s]))
    assert cross_validated_loss(p.p_emotion, p.emotion, subject) == pytest.approx(np.mean(expected))
