"""What an epoch leaves behind: exact means, and no sample twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from realfake.approaches.epoch_losses import clip_losses
from realfake.approaches.record import EpochMeans, EpochRecord
from realfake.data.batch import Batch
from realfake.scoring.predictions import Predictions


def test_means_are_over_samples_not_over_batches() -> None:
    rng = np.random.default_rng(0)
    means = EpochMeans(["a", "b"])
    seen: list[np.ndarray] = []
    for size in (5, 1, 8):
        values = rng.normal(size=(2, size))
        seen.append(values)
        means.update([torch.tensor(v.mean()) for v in values], [torch.tensor(size)] * 2)
    np.testing.assert_allclose(means.compute().numpy(), np.concatenate(seen, axis=1).mean(axis=1), rtol=1e-12)


def test_a_batch_without_labels_does_not_count() -> None:
    means = EpochMeans(["a", "b"])
    nothing = torch.tensor(float("nan"))
    means.update([nothing, torch.tensor(1.0)], [torch.tensor(0), torch.tensor(2)])
    assert means.compute().isnan().tolist() == [True, False]
    means.update([torch.tensor(2.0), torch.tensor(4.0)], [torch.tensor(3), torch.tensor(1)])
    assert means.compute().tolist() == [2.0, 2.0]


def batch(sample: list[int]) -> Batch:
    ids = torch.tensor(sample)
    return Batch(sample=ids, clip=ids // 2, emotion=ids % 6, authenticity=ids % 2)


def test_samples_that_come_twice_are_kept_once() -> None:
    record = EpochRecord()
    for ids in ([3, 1], [0, 2], [1, 3, 4]):
        values = torch.tensor(ids, dtype=torch.float32)[:, None]
        record.update(batch(ids), values.expand(-1, 2), values)
    rows = record.compute()
    assert rows["sample"].tolist() == [0, 1, 2, 3, 4]
    for name in ("probabilities", "losses"):
        assert rows[name][:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert rows["clip"].tolist() == [0, 0, 1, 1, 2]


def test_one_sample_is_a_row_too() -> None:
    record = EpochRecord()
    record.update(batch([3]), torch.tensor([[1.0]]), torch.tensor([[2.0]]))
    rows = record.compute()
    assert {name: values.shape for name, values in rows.items()} == {
        name: (1, 1) if name in ("probabilities", "losses") else (1,) for name in EpochRecord.fields
    }


def test_a_loss_of_clips_is_the_log_loss_of_their_mean_probabilities() -> None:
    rng = np.random.default_rng(1)
    clip = np.repeat(np.arange(30), 3)
    emotion, authenticity = (rng.integers(0, k, 30)[clip] for k in (6, 2))
    heads = {"emotion": rng.dirichlet(np.ones(6), 90), "authenticity": rng.dirichlet(np.ones(2), 90)}
    clips = Predictions.from_tasks(heads, clip, np.where(clip < 5, -1, emotion), authenticity).by_clip()
    found = clip_losses(clips, ("emotion", "authenticity"))
    for task, first in (("emotion", 5), ("authenticity", 0)):
        mean = heads[task].reshape(30, 3, -1).mean(axis=1)[first:]
        expected = log_loss(clips.true(task)[first:], mean, labels=range(mean.shape[1]))
        assert found[f"loss_{task}"] == pytest.approx(expected)
    assert found["loss"] == pytest.approx(found["loss_emotion"] + found["loss_authenticity"])


def test_a_task_without_labels_leaves_the_loss_of_the_others() -> None:
    heads = {"emotion": np.full((2, 6), 1 / 6), "authenticity": np.full((2, 2), 0.5)}
    none, some = np.array([-1, -1]), np.array([0, 1])
    found = clip_losses(Predictions.from_tasks(heads, some, none, some), ("emotion", "authenticity"))
    assert np.isnan(found["loss_emotion"])
    assert found["loss"] == pytest.approx(np.log(2))
    assert np.isnan(clip_losses(Predictions.from_tasks(heads, some, none, none), ("emotion", "authenticity"))["loss"])
