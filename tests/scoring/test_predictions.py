"""Predictions: marginals, clips, and the table that holds them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simulated_people import noise

from realfake.errors import UserError
from realfake.labels import AUTHENTICITIES, EMOTIONS, SASE_FE, TASKS
from realfake.scoring.predictions import Predictions, pair_numbers, read_table, subject_numbers


@pytest.fixture
def clips() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip": ["a/N2H", "a/S2N2H", 'b, "x"', "c", "d"],
            "dataset": ["sase_fe"] * 4 + ["other"],
            "subject": ["001", "001", "NA", "", "001"],
            "pair": ["001 happy", "001 happy", "", "", "001 happy"],
        }
    )


def test_a_joint_heads_tasks_are_its_marginals():
    p = noise(np.random.default_rng(0), 20)
    for row in range(20):
        for e in range(6):
            expected = sum(p.p_joint[row, SASE_FE.joint_classes(e, a)] for a in (0, 1))
            assert p.p_emotion[row, e] == pytest.approx(expected)
        assert p.p_authenticity[row, 1] == pytest.approx(p.p_joint[row, 6:].sum())


def test_two_heads_joint_is_their_product():
    rng = np.random.default_rng(0)
    emotion, authenticity = rng.dirichlet(np.ones(6), 20), rng.dirichlet(np.ones(2), 20)
    p = Predictions.from_tasks(
        {"emotion": emotion, "authenticity": authenticity}, np.arange(20), np.full(20, 2), np.full(20, 1)
    )
    assert p.p_joint.sum(axis=1) == pytest.approx(np.ones(20))
    for e in range(6):
        for a in (0, 1):
            np.testing.assert_allclose(p.p_joint[:, SASE_FE.joint_classes(e, a)], emotion[:, e] * authenticity[:, a])
    both = (p.predicted("emotion") == 2) & (p.predicted("authenticity") == 1)
    assert np.array_equal(p.predicted("joint") == p.true("joint"), both)


@pytest.mark.parametrize("tasks", [(), ("valence",), ("joint", "emotion")])
def test_other_heads_are_refused(tasks):
    with pytest.raises(ValueError, match="expected joint; or emotion, authenticity, or both"):
        Predictions.from_tasks(
            {t: np.ones((1, {"joint": 12, "emotion": 6}.get(t, 3))) for t in tasks},
            np.zeros(1),
            np.zeros(1),
            np.zeros(1),
        )


def test_a_clip_is_the_mean_of_its_rows_in_any_order():
    rng = np.random.default_rng(1)
    p = noise(rng, 30)
    clip = rng.integers(0, 7, 30)
    emotion = np.array([0, 1, 2, 3, 4, 5, -1])
    p = replace(p, clip=clip, emotion=emotion[clip], authenticity=clip % 2)
    found, shuffled = p.by_clip(), p.select(rng.permutation(30)).by_clip()
    assert np.array_equal(found.clip, np.unique(clip))
    for i, c in enumerate(found.clip):
        np.testing.assert_allclose(found.p_joint[i], p.p_joint[clip == c].mean(axis=0))
        np.testing.assert_allclose(found.p_authenticity[i], p.p_authenticity[clip == c].mean(axis=0))
        assert (found.emotion[i], found.authenticity[i]) == (emotion[c], c % 2)
    np.testing.assert_allclose(shuffled.p_emotion, found.p_emotion, rtol=1e-15)


def test_the_joint_class_needs_both_labels():
    p = Predictions(np.arange(3), np.array([2, -1, 3]), np.array([1, 0, -1]), {"joint": np.ones((3, 12))})
    assert p.joint.tolist() == [8, -1, -1]


def test_the_table_reads_back_exactly(clips, tmp_path):
    rng = np.random.default_rng(2)
    p = noise(rng, 5)
    p = replace(p, emotion=np.array([3, 3, -1, 0, 5]), authenticity=np.array([1, 0, 1, -1, 0]))
    table = p.table(clips)
    assert table["joint"].tolist() == ["real_happy", "fake_happy", "", "", "fake_surprise"]
    assert table.columns[4:10].tolist() == [
        *("emotion", "authenticity", "joint", "predicted_emotion", "predicted_authenticity", "predicted_joint")
    ]
    assert [c.removeprefix("p_") for c in table.columns[10:]] == [*EMOTIONS, *AUTHENTICITIES, *SASE_FE.names("joint")]
    table.to_csv(tmp_path / "predictions.csv", index=False)
    back, named = read_table(tmp_path / "predictions.csv")
    for task in TASKS:
        assert np.array_equal(back.probabilities(task), p.probabilities(task))
        assert np.array_equal(back.true(task), p.true(task))
    assert named.equals(clips)
    assert table["predicted_joint"].tolist() == [SASE_FE.names("joint")[k] for k in p.predicted("joint")]


def test_rows_of_one_clip_share_a_number_after_reading(clips, tmp_path):
    p = noise(np.random.default_rng(3), 6)
    p = replace(p, clip=np.array([4, 4, 1, 1, 1, 0]))
    p.table(clips).to_csv(tmp_path / "frames.csv", index=False)
    back, named = read_table(tmp_path / "frames.csv")
    assert back.clip.tolist() == [0, 0, 1, 1, 1, 2]
    assert named["clip"].tolist() == ["d", "a/S2N2H", "a/N2H"]


def test_bad_tables_are_named_in_one_line(clips, tmp_path):
    path = tmp_path / "predictions.csv"
    with pytest.raises(UserError, match=r"predictions.csv: no such file"):
        read_table(path)
    table = noise(np.random.default_rng(4), 5).table(clips)
    table.drop(columns="p_real").to_csv(path, index=False)
    with pytest.raises(UserError, match="p_real"):
        read_table(path)
    table.assign(emotion="bored").to_csv(path, index=False)
    with pytest.raises(UserError, match="'bored': expected one of angry"):
        read_table(path)
    path.write_text("")
    with pytest.raises(UserError, match="no table of predictions"):
        read_table(path)


def test_subjects_and_pairs_are_those_of_one_dataset(clips):
    assert subject_numbers(clips).tolist() == [0, 0, 1, 2, 3]
    assert pair_numbers(clips).tolist() == [0, 0, -1, -1, 2]
