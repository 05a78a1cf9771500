"""Task losses against torch, torchvision and their equations."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torchvision.ops import sigmoid_focal_loss

from realfake.composing.composition import compose, option
from realfake.config import CrossEntropyLoss, FocalLoss, LossConfig, MultiFocalLoss, TrainConfig
from realfake.errors import UserError
from realfake.labels import SASE_FE, TASKS
from realfake.losses.tasks import build_task_loss, cross_entropy, focal, multi_focal

CONFIGS: list[LossConfig] = [
    option(CrossEntropyLoss),
    option(CrossEntropyLoss, label_smoothing=0.1, class_weights=[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]),
    option(FocalLoss),
    option(FocalLoss, gamma=0.5, label_smoothing=0.2, class_weights="balanced"),
    option(MultiFocalLoss),
    option(MultiFocalLoss, alpha=0.7, gamma=1.5, label_smoothing=0.1, class_weights="balanced"),
]
COUNTS = [10, 20, 30, 40, 50, 60]


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(32, 6, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 6, (32,), generator=generator)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
def test_multi_focal_is_torchvisions_summed_over_classes(batch, alpha, gamma):
    logits, target = batch
    one_hot = F.one_hot(target, 6).double()
    expected = sigmoid_focal_loss(logits, one_hot, alpha=alpha, gamma=gamma).sum(dim=1)
    torch.testing.assert_close(multi_focal(logits, target, alpha=alpha, gamma=gamma), expected)
    loss = build_task_loss(option(MultiFocalLoss, alpha=alpha, gamma=gamma), 6)
    torch.testing.assert_close(loss(logits, target), expected.mean())


def test_multi_focal_without_focus_is_half_the_binary_cross_entropy(batch):
    logits, target = batch
    bce = F.binary_cross_entropy_with_logits(logits, F.one_hot(target, 6).double(), reduction="none").sum(dim=1)
    torch.testing.assert_close(multi_focal(logits, target, alpha=0.5, gamma=0.0), bce / 2)


def test_focal_is_its_equation_and_cross_entropy_without_focus(batch):
    logits, target = batch
    p = logits.softmax(dim=1)[torch.arange(32), target]
    torch.testing.assert_close(focal(logits, target, gamma=2.0), -((1 - p) ** 2) * p.log())
    weight = torch.arange(1.0, 7.0, dtype=torch.float64)
    expected = F.cross_entropy(logits, target, weight, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(focal(logits, target, weight, 0.1, gamma=0.0), expected)


def test_focal_weighs_samples_not_the_mean_of_the_batch(batch):
    logits, target = batch
    of_the_mean = F.cross_entropy(logits, target)
    wrong = (1 - torch.exp(-of_the_mean)) ** 2 * of_the_mean
    assert not torch.isclose(focal(logits, target).mean(), wrong, rtol=1e-3)


@pytest.mark.parametrize(
    "loss",
    [
        partial(cross_entropy, label_smoothing=0.1),
        partial(focal, gamma=2.0),
        partial(focal, gamma=0.5, label_smoothing=0.1),
        partial(multi_focal, alpha=0.25, gamma=2.0),
        partial(multi_focal, alpha=0.6, gamma=0.5, label_smoothing=0.1),
    ],
)
def test_gradients(batch, loss):
    logits, target = batch
    target = target.clone()
    target[::5] = -1
    weight = torch.arange(1.0, 7.0, dtype=torch.float64)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, target, weight), logits)


@pytest.mark.parametrize("loss", [cross_entropy, partial(focal, gamma=0.5), partial(multi_focal, gamma=0.5)])
@pytest.mark.parametrize("scale", [100.0, 1e4])
def test_saturated_logits_keep_a_finite_gradient(loss, scale):
    logits = torch.tensor([[scale, 0.0, -scale], [-scale, 0.0, scale]], requires_grad=True)
    value = loss(logits, torch.tensor([0, 0]))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
def test_absent_labels_do_not_count(batch, cfg):
    logits, target = batch
    loss = build_task_loss(cfg, 6, COUNTS).double()
    partly = target.clone()
    partly[::3] = -1
    known = partly >= 0
    torch.testing.assert_close(loss(logits, partly), loss(logits[known], target[known]))
    each = loss.per_sample(logits, partly)
    assert torch.equal(each.isnan(), ~known)
    torch.testing.assert_close(each[known].mean(), loss(logits, partly))

    logits.requires_grad_()
    nothing = loss(logits, torch.full_like(target, -1))
    nothing.backward()
    assert nothing == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
def test_compiles_without_a_graph_break(batch, cfg):
    logits, target = batch
    loss = build_task_loss(cfg, 6, COUNTS).double()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(logits, target), loss(logits, target))


def test_balanced_weights_are_scikit_learns_and_average_one():
    counts = [10, 30, 60]
    y = np.repeat(np.arange(3), counts)
    loss = build_task_loss(option(CrossEntropyLoss, class_weights="balanced"), 3, counts)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_allclose(loss.weight, expected, rtol=1e-6)
    assert loss.weight[y].mean() == pytest.approx(1.0)


def test_balanced_weights_come_back_with_a_checkpoint():
    cfg = option(CrossEntropyLoss, class_weights="balanced")
    trained, fresh = build_task_loss(cfg, 3, [1, 2, 3]), build_task_loss(cfg, 3)
    assert torch.isnan(fresh(torch.zeros(1, 3), torch.tensor([0])))
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh.weight, trained.weight)
    assert not build_task_loss(option(CrossEntropyLoss), 3).state_dict()


def test_a_class_without_samples_has_a_finite_weight():
    cfg = option(CrossEntropyLoss, class_weights="balanced")
    assert build_task_loss(cfg, 3, [5, 0, 5]).weight.tolist() == [1.0, 1.0, 1.0]


def test_wrong_number_of_class_weights():
    cfg = option(CrossEntropyLoss, class_weights=[1.0, 2.0])
    with pytest.raises(UserError, match="2 values, expected 6"):
        build_task_loss(cfg, 6)
    with pytest.raises(UserError, match=r"loss.emotion.class_weights=.*expected 6, one for each of angry"):
        compose("train", ["loss.emotion.class_weights=[1.0,2.0]"], TrainConfig)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["cross_entropy", "focal", "multi_focal"])
def test_every_task_takes_every_loss(task, name):
    cfg = compose("train", [f"loss/{task}={name}", f"loss.{task}.label_smoothing=0.1"], TrainConfig)
    chosen = getattr(cfg.loss, task)
    assert (chosen.name, chosen.label_smoothing) == (name, 0.1)
    others = [getattr(cfg.loss, t) for t in TASKS if t != task]
    assert [(o.name, o.label_smoothing) for o in others] == [("cross_entropy", 0.0)] * 2
    classes = SASE_FE.size(task)
    loss: nn.Module = build_task_loss(chosen, classes)
    assert loss(torch.zeros(2, classes), torch.tensor([0, 1])) > 0
