"""Metrics by emotion, by subject and by how well faces were seen, and their tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simulated_people import people
from sklearn.metrics import recall_score
from statsmodels.stats.proportion import proportion_confint

from realfake.labels import EMOTIONS
from realfake.scoring.metric_table import METRICS
from realfake.scoring.metrics import metrics
from realfake.scoring.tables import by_emotion, by_subject, thirds
from realfake.scoring.weak_spots import face_tables, plain_subjects, subject_table
from realfake.scoring.wording import decimals, number


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


def test_thirds_are_named_by_their_range_and_cover_what_is_known():
    values = np.array([5.0, 1.0, 2.0, 3.0, 4.0, 6.0, np.nan])
    parts = thirds(values)
    assert list(parts) == ["1 to 2", "3 to 4", "5 to 6"]
    assert np.array_equal(sum(part.astype(int) for part in parts.values()), np.isfinite(values))
    assert thirds(np.full(9, 2.0)) == thirds(np.zeros(0)) == thirds(np.full(3, np.nan)) == {}


def test_faces_of_each_size_are_counted_and_scored():
    p, subject, pair = people(np.random.default_rng(3), 6)
    size = np.linspace(20.0, 80.0, len(p))
    faces = {"size_px": size.tolist(), "yield": [1.0] * len(p)}  # in which there are no differences
    ((headings, rows),) = face_tables(p, subject, pair, faces)
    assert headings[:3] == ["size of the face (pixels)", "clips", METRICS["joint_accuracy"].heading]
    assert sum(int(row[1]) for row in rows) == len(p)
    small = p.select(size <= np.quantile(size, 1 / 3))
    assert rows[0][2].startswith(number("joint_accuracy", metrics(small)["joint_accuracy"]))
    assert face_tables(p, subject, pair, {"size_px": [1.0]}) == face_tables(p, subject, pair, {}) == []


def test_the_person_who_is_told_worst_comes_first():
    p, subject, pair = people(np.random.default_rng(4), 8)
    table = pd.DataFrame({"clip": p.clip, "dataset": "d", "subject": [f"s{n}" for n in subject]})
    _, rows = subject_table(plain_subjects(p, subject, pair, table))
    right = {f"s{n}": float((p.predicted("joint") == p.joint)[subject == n].mean()) for n in range(8)}
    assert [right[row[0]] for row in rows] == sorted(right.values())


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0001, "0.000"), (0.0, "0.000"), (math.nan, "–"), (None, "–"), (-0.5, "-0.500")]
)
def test_figures_have_no_sign_of_nothing(value, text):
    assert decimals(value) == text
    assert number("authenticity_auroc", value, signed=True) == text
