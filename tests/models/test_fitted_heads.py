"""Heads that are fitted: the decisions of scikit-learn and XGBoost, probabilities that mean something, errors."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from realfake.composing.composition import option
from realfake.config import BoostedTreesHead, FittedHead, LinearSvmHead, LogisticHead, PairSvmHead
from realfake.errors import UserError
from realfake.labels import LabelSpace
from realfake.models import build_fitted_head
from realfake.models.fitted_heads import UNSEEN, FitSamples, FittedModule
from realfake.models.pair_svm import PairSvm

SPACE = LabelSpace(("happy", "sad", "angry"))
FEATURES = 7
TREES = {"rounds": 12, "depth": 3, "folds": None}


def clips(people: int = 12, seed: int = 0, *, per_clip: int = 1, noise: float = 1.0) -> FitSamples:
    """A real and a fake clip of each person and emotion; people differ by more than real and fake do."""
    rng = np.random.default_rng(seed)
    subject, emotion, authenticity = (a.ravel() for a in np.meshgrid(range(people), range(3), range(2), indexing="ij"))
    clip = np.arange(len(subject))
    subject, emotion, authenticity, clip = (np.repeat(a, per_clip) for a in (subject, emotion, authenticity, clip))
    x = noise * rng.normal(size=(len(clip), FEATURES)) + 3.0 * rng.normal(size=(people, FEATURES))[subject]
    x[:, 0] += 1.5 * authenticity
    x[np.arange(len(clip)), 1 + emotion] += 4.0
    return FitSamples((10.0 * x + 50.0).astype(np.float32), emotion, authenticity, clip, subject * 3 + emotion, subject)


def fitted(cfg: FittedHead, task: str, samples: FitSamples, *, guided: bool = False) -> FittedModule:
    head = build_fitted_head(cfg, FEATURES, task, SPACE, guided=guided)
    head.fit(samples, seed=0)
    return head.eval()


def logits(head: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = head(torch.from_numpy(x)).numpy()
    return found


@pytest.mark.parametrize("task", ["joint", "emotion", "authenticity"])
def test_logistic_regression_is_that_of_scikit_learn(task: str) -> None:
    train, new = clips(), clips(seed=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=10_000, tol=1e-6))
    model.fit(train.features.astype(np.float64), train.target(task, SPACE))
    found = torch.from_numpy(logits(fitted(option(LogisticHead, C=0.5), task, train), new.features)).softmax(dim=1)
    assert found.numpy() == pytest.approx(model.predict_proba(new.features.astype(np.float64)), abs=1e-6)


@pytest.mark.parametrize("task", ["joint", "emotion", "authenticity"])
def test_linear_machines_are_those_of_scikit_learn(task: str) -> None:
    """As they are without people left out; with them, all times one factor, by which no decision changes."""
    train, new = clips(), clips(seed=1)
    machine = SVC(kernel="linear", C=0.3)
    model = make_pipeline(StandardScaler(), machine if task == "authenticity" else OneVsRestClassifier(machine))
    model.fit(train.features.astype(np.float64), train.target(task, SPACE))
    values = model.decision_function(new.features.astype(np.float64))
    if task == "authenticity":
        values = np.stack([-values, values], axis=1) / 2.0
    plain = logits(fitted(option(LinearSvmHead, C=0.3, folds=None), task, train), new.features)
    assert plain == pytest.approx(values, abs=1e-5)
    scaled = logits(fitted(option(LinearSvmHead, C=0.3, folds=4), task, train), new.features)
    factor = (scaled / plain).mean()
    assert factor > 0
    assert scaled == pytest.approx(factor * plain, rel=1e-4, abs=1e-5)
    assert (scaled.argmax(1) == model.predict(new.features.astype(np.float64))).all()


@pytest.mark.parametrize("task", ["emotion", "authenticity"])
def test_classes_that_part_without_an_error_leave_a_doubt(task: str) -> None:
    train = clips(noise=0.01)
    train.features[:, 0] += 1000.0 * train.authenticity
    train.features[np.arange(len(train.clip)), 1 + train.emotion] += 1000.0
    head = fitted(option(LinearSvmHead), task, train)
    p = torch.from_numpy(logits(head, train.features)).softmax(dim=1).numpy()
    sure = p[np.arange(len(p)), train.target(task, SPACE)]
    count = len(train.clip) / head.classes
    assert sure.mean() == pytest.approx((count + 1) / (count + 2), abs=0.02)
    assert sure.max() < 0.9999


def test_decision_values_become_log_odds_by_people_left_out() -> None:
    """Machines that separate few people's clips by chance are sure of what they know nothing of; the factor says so."""
    rng = np.random.default_rng(0)
    train = clips(people=6)
    noise = FitSamples(**{**vars(train), "features": rng.normal(size=(36, 60)).astype(np.float32)})
    sure, unsure = (
        build_fitted_head(option(LinearSvmHead, folds=folds), 60, "authenticity", SPACE, guided=False)
        for folds in (None, 6)
    )
    for head in (sure, unsure):
        head.fit(noise, seed=0)
    x = rng.normal(size=(200, 60)).astype(np.float32)
    assert np.abs(logits(sure, x)).mean() > 2 * np.abs(logits(unsure, x)).mean()


@pytest.mark.parametrize("task", ["joint", "authenticity"])
def test_trees_are_those_of_xgboost(task: str) -> None:
    xgboost = pytest.importorskip("xgboost", reason="needs the extra field")
    train, new = clips(), clips(seed=1)
    head = fitted(option(BoostedTreesHead, **TREES), task, train)
    options = head.options(0)  # type: ignore[operator]
    model = xgboost.train(options, xgboost.DMatrix(train.features, label=train.target(task, SPACE)), num_boost_round=12)
    margins = model.predict(xgboost.DMatrix(new.features), output_margin=True)
    found = logits(head, new.features)
    assert (found[:, 1] - found[:, 0] if task == "authenticity" else found) == pytest.approx(margins, abs=1e-6)
    assert len(np.unique(margins)) > 20


def test_people_left_out_choose_the_number_of_rounds() -> None:
    """Of noise, few or none help; the array has room for all of them."""
    xgboost = pytest.importorskip("xgboost", reason="needs the extra field")
    train = clips(people=6)
    noise = np.random.default_rng(0).normal(size=train.features.shape).astype(np.float32)
    some = FitSamples(**{**vars(train), "features": noise})
    cfg = option(BoostedTreesHead, rounds=40, folds=3, patience=3)
    trees = fitted(cfg, "authenticity", some).get_buffer("value")
    used = int((trees != 0).any(dim=1).sum())
    assert trees.shape == (40, 8)
    assert 0 < used < 40
    head = build_fitted_head(cfg, FEATURES, "authenticity", SPACE, guided=False)
    folds = some.by_people(3)
    data = xgboost.DMatrix(noise, label=some.authenticity)
    found = xgboost.cv(head.options(0), data, 40, folds=folds, metrics="auc", early_stopping_rounds=3)  # type: ignore[operator]
    assert used == len(found)
    assert all(not set(some.subject[stay]) & set(some.subject[out]) for stay, out in folds)


def test_pairs_are_ranked_as_by_the_votes_of_published_machines() -> None:
    """Each member against scikit-learn on the differences themselves; their mean agrees with their votes."""
    train, new = clips(people=20, per_clip=2), clips(seed=1, people=20)
    cfg = option(PairSvmHead, members=9, C=1.0, share=0.5)
    head = fitted(cfg, "authenticity", train)
    assert isinstance(head, PairSvm)
    real, fake = head.of_pairs(train)
    one = [train.features[(train.pair == 4) & (train.authenticity == side)].mean(axis=0) for side in (1, 0)]
    assert np.stack([real[4], fake[4]]) == pytest.approx(np.stack(one), rel=1e-6)
    differences = (real - fake) / np.sqrt(((real - fake) ** 2).mean(axis=0))
    weights, seen = head.ensemble(differences, seed=0)
    assert np.linalg.norm(weights, axis=1) == pytest.approx(np.ones(9))
    assert ((seen.sum(axis=1) >= 30) & (seen.sum(axis=1) < 60)).all()
    rng = np.random.default_rng(0)
    both, y = np.concatenate([differences, -differences]), np.repeat([1, 0], 60)
    rows = np.concatenate([rng.permutation(60)[:30], 60 + rng.permutation(60)[:30]])
    machine = SVC(kernel="linear", C=1.0).fit(both[rows], y[rows])
    assert weights[0] == pytest.approx(machine.coef_[0] / np.linalg.norm(machine.coef_), abs=1e-6)

    found = logits(head, new.features)
    scores = found[:, 1] - found[:, 0]
    better = scores[new.authenticity == 1] > scores[new.authenticity == 0]  # clips of a pair stand side by side
    new_real, new_fake = (new.features[new.authenticity == side] for side in (1, 0))
    votes = ((new_real - new_fake) @ (weights / np.sqrt(((real - fake) ** 2).mean(axis=0))).T > 0).mean(axis=1)
    assert (better == (votes > 0.5)).mean() > 0.95
    assert better.mean() > 0.7


def test_scores_of_new_people_are_about_as_sure_as_they_are_right() -> None:
    train, new = clips(people=40), clips(seed=1, people=200)
    p = (
        torch.from_numpy(logits(fitted(option(PairSvmHead), "authenticity", train), new.features))
        .softmax(dim=1)
        .numpy()
    )
    assert p[:, 1].mean() == pytest.approx(0.5, abs=0.1)
    assert p.max(axis=1).mean() == pytest.approx((p.argmax(1) == new.authenticity).mean(), abs=0.06)


def test_pair_machines_tell_the_emotion_by_linear_ones() -> None:
    train, new = clips(), clips(seed=1)
    found, expected = (
        logits(fitted(option(kind, C=0.3, folds=None), "emotion", train), new.features)
        for kind in (PairSvmHead, LinearSvmHead)
    )
    assert (found == expected).all()


@pytest.mark.parametrize("kind", [LogisticHead, LinearSvmHead, PairSvmHead, BoostedTreesHead])
def test_a_learner_an_emotion(kind: type[FittedHead]) -> None:
    """``p(a, e) = p(e) p(a | e)``, each of them by a learner of its own on its emotion's samples."""
    if kind is BoostedTreesHead:
        pytest.importorskip("xgboost", reason="needs the extra field")
    few: dict[str, Any] = {"rounds": 3} if kind is BoostedTreesHead else {"members": 3} if kind is PairSvmHead else {}
    train, new = clips(), clips(seed=1)
    p = torch.from_numpy(logits(fitted(option(kind, per_emotion=True, **few), "joint", train), new.features)).exp()
    assert p.sum(dim=1).numpy() == pytest.approx(np.ones(len(p)), abs=1e-5)
    emotion, _ = SPACE.marginals(p.numpy())
    of_emotion = torch.from_numpy(logits(fitted(option(kind, **few), "emotion", train), new.features)).softmax(dim=1)
    assert emotion == pytest.approx(of_emotion.numpy(), abs=1e-5)
    sad = fitted(option(kind, **few), "authenticity", train[train.emotion == 1])
    given = p[:, [1, 4]] / p[:, [1, 4]].sum(dim=1, keepdim=True)
    expected = torch.from_numpy(logits(sad, new.features)).softmax(dim=1)
    assert given.numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_exported_all_say_the_same(tmp_path: Path) -> None:
    """Each learner, of each task, in one file of ONNX."""
    import onnxruntime

    train, new = clips(people=6), clips(seed=1)
    kinds: list[tuple[type[FittedHead], str, dict[str, Any]]] = [
        (LogisticHead, "joint", {}),
        (LinearSvmHead, "emotion", {}),
        (PairSvmHead, "joint", {"per_emotion": True, "members": 3}),
        *([(BoostedTreesHead, task, TREES) for task in ("emotion", "authenticity")] if find_spec("xgboost") else []),
    ]
    heads = nn.ModuleList(fitted(option(kind, **options), task, train) for kind, task, options in kinds)

    class All(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = heads

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(head(x) for head in self.heads)

    path = tmp_path / "heads.onnx"
    program = torch.onnx.export(
        All().eval(), (torch.zeros(2, FEATURES),), dynamo=True, dynamic_shapes=(({0: "batch"}),), verbose=False
    )
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    said = session.run(None, {session.get_inputs()[0].name: new.features})
    for head, values in zip(heads, said, strict=True):
        assert values == pytest.approx(logits(head, new.features), abs=1e-5)


def test_a_guide_answers_in_training_and_the_fit_afterwards() -> None:
    train = clips()
    head = build_fitted_head(option(LogisticHead), FEATURES, "emotion", SPACE, guided=True)
    head.fit(train, seed=0)
    x = torch.from_numpy(train.features)
    assert torch.equal(head.train()(x), head.guide(x))  # type: ignore[misc]
    assert head(x).requires_grad
    assert (head.eval()(x).argmax(1).numpy() == train.emotion).mean() > 0.8
    assert [name for name, _ in head.named_parameters()] == ["guide.weight", "guide.bias"]


def test_classes_that_nobody_shows_are_never_decided_for() -> None:
    train = clips()
    some = train[train.emotion != 2]
    for kind in (LogisticHead, LinearSvmHead):
        found = logits(fitted(option(kind), "emotion", some), train.features)
        assert (found[:, 2] == UNSEEN).all()
        assert (found.argmax(1) < 2).all()


def test_absent_labels_do_not_count() -> None:
    train = clips()
    emotion = np.where(train.subject < 3, -1, train.emotion)
    cfg = option(LogisticHead)
    found = fitted(cfg, "emotion", FitSamples(**{**vars(train), "emotion": emotion}))
    expected = fitted(cfg, "emotion", train[train.subject >= 3])
    assert torch.equal(found.get_buffer("weight"), expected.get_buffer("weight"))


def test_too_little_is_told_in_one_line() -> None:
    train = clips()
    with pytest.raises(UserError, match=r"the 36 training samples are all real; expected two classes"):
        fitted(option(LogisticHead), "authenticity", train[train.authenticity == 1])
    none = FitSamples(**{**vars(train), "emotion": np.full(72, -1)})
    with pytest.raises(UserError, match=r"the 72 training samples have no label of the task emotion"):
        fitted(option(LogisticHead), "emotion", none)
    with pytest.raises(UserError, match=r"head=pair_svm: 1 pair of a real and a fake clip .*; expected two"):
        fitted(option(PairSvmHead), "authenticity", train[(train.pair == 4) | (train.authenticity == 1)])
    lacks = train[(train.emotion != 1) | (train.authenticity == 1)]
    with pytest.raises(UserError, match=r"head\.per_emotion=true, sad: head: the 12 training samples are all real"):
        fitted(option(LogisticHead, per_emotion=True), "joint", lacks)
