"""Metrics by emotion and by subject."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from simulated_people import people
from sklearn.metrics import recall_score
from statsmodels.stats.proportion import proportion_confint

from realfake.labels import EMOTIONS
from realfake.scoring.metrics import metrics
from realfake.scoring.tables import by_emotion, by_subject


def test_an_emotions_accuracy_is_its_recall():
    p, subject, pair = people(np.random.default_rng(0), 20)
    found = by_emotion(p, subject, pair, resamples=200)
    assert list(found) == list(EMOTIONS)
    recall = recall_score(p.emotion, p.predicted("emotion"), average=None)
    assert [row["emotion_accuracy"].value for row in found.values()] == pytest.approx(recall)
    for k, row in enumerate(found.values()):
        rows = p.emotion == k
        expected = metrics(p.select(rows), pair[rows])
        for name, interval in row.items():
            assert interval.value == pytest.approx(expected[name])
            assert interval.low <= interval.high


def test_emotions_without_clips_are_left_out():
    p, subject, _ = people(np.random.default_rng(1), 5)
    assert list(by_emotion(p.select(p.emotion == 3), subject[p.emotion == 3], resamples=50)) == ["happy"]
    assert not by_emotion(replace(p, emotion=np.full(len(p), -1)), subject)


def test_each_subject_has_a_row_with_wilsons_interval():
    p, subject, pair = people(np.random.default_rng(2), 6)
    found = by_subject(p, 10 * subject, pair)
    assert list(found) == [0, 10, 20, 30, 40, 50]
    for s, row in found.items():
        rows = 10 * subject == s
        expected = metrics(p.select(rows), pair[rows])
        assert row.clips == 12
        assert row.pair_accuracy == pytest.approx(expected["pair_accuracy"])
        for task, interval in row.accuracy.items():
            assert interval.value == pytest.approx(expected[f"{task}_accuracy"])
            ends = proportion_confint(round(12 * interval.value), 12, method="wilson")
            assert (interval.low, interval.high) == pytest.approx(ends)


def test_a_subject_without_labels_has_no_accuracy():
    p, subject, pair = people(np.random.default_rng(3), 2)
    row = by_subject(replace(p, emotion=np.full(len(p), -1)), subject, pair)[0]
    assert math.isnan(row.accuracy["joint"].value)
    assert math.isnan(row.accuracy["joint"].low)
    assert not math.isnan(row.accuracy["authenticity"].value)
