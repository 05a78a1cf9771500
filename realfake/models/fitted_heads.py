"""Heads that are fitted, not trained: learners on the features of all training samples, whose fit lies in buffers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from realfake.config import LinearSvmHead, LogisticHead, PairSvmHead
from realfake.errors import UserError
from realfake.labels import ABSENT, LabelSpace

log = logging.getLogger(__name__)

UNSEEN = -60.0
"""Logit of a class that no training sample has: its probability is 0 but for rounding."""
FACTORS = (0.01, 100.0)
"""Least and largest factor of decision values."""
ITERATIONS = 10_000
"""Steps of a solver, at most."""


@dataclass(frozen=True)
class FitSamples:
    """What a learner is fitted on: N training samples."""

    features: np.ndarray
    """(N, F) float32."""
    emotion: np.ndarray
    """(N,) int64; -1 = absent, as of all labels."""
    authenticity: np.ndarray
    """(N,) int64."""
    clip: np.ndarray
    """(N,) int64."""
    pair: np.ndarray
    """(N,) int64: the same number for both clips of a pair; -1 = none."""
    subject: np.ndarray
    """(N,) int64: the same number for all clips of a person."""

    def __getitem__(self, rows: np.ndarray) -> FitSamples:
        return FitSamples(**{name: values[rows] for name, values in vars(self).items()})

    def target(self, task: str, space: LabelSpace) -> np.ndarray:
        """Class of each sample in a task (N,); -1 = absent."""
        if task != "joint":
            found: np.ndarray = getattr(self, task)
            return found
        known = (self.emotion != ABSENT) & (self.authenticity != ABSENT)
        return np.where(known, space.joint_classes(self.emotion, self.authenticity), ABSENT)

    def by_people(self, folds: int | None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows of those who stay and of those who are left out, for each group of people; none of one person alone."""
        from sklearn.model_selection import GroupKFold

        people = len(np.unique(self.subject))
        if folds is None or people < 2:
            return []
        return list(GroupKFold(min(folds, people)).split(self.features, groups=self.subject))


class FittedModule(nn.Module):
    """A head whose result of fitting lies in buffers, which checkpoints, prediction and export know how to keep.

    Args:
        features: Length of the feature vector.
        task: What it tells.
        space: The classes.
        guided: Whether what is below is trained. Its gradient then comes through a linear head of its own, the
            *guide*, which answers in training mode.
    """

    def __init__(self, features: int, task: str, space: LabelSpace, *, guided: bool) -> None:
        super().__init__()
        self.task, self.space, self.classes = task, space, space.size(task)
        self.guide = nn.Linear(features, self.classes) if guided else None

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) → logits (B, classes) float32; of what was not fitted yet, all the same."""
        if self.guide is not None and self.training:
            logits: Tensor = self.guide(features)
            return logits
        return self.fitted(features.float())

    def fitted(self, features: Tensor) -> Tensor:
        """Features (B, F) float32 → the learner's logits (B, classes) float32."""
        raise NotImplementedError

    def fit(self, samples: FitSamples, seed: int) -> None:
        """Fit on training samples; those without a label do not count.

        Args:
            samples: Of the training part.
            seed: Of whatever the learner draws.

        Raises:
            UserError: If they do not show two classes, or a learner lacks what it needs.
        """
        target = samples.target(self.task, self.space)
        known = target != ABSENT
        seen = np.unique(target[known])
        if len(seen) < 2:
            names = self.space.names(self.task)
            what = f"are all {names[seen[0]]}" if len(seen) else f"have no label of the task {self.task}"
            raise UserError(
                f"head: the {len(target)} training samples {what}; expected two classes of the task {self.task} at "
                "least; use more clips or subjects"
            )
        self.learn(samples[known], target[known], seed)

    def learn(self, samples: FitSamples, target: np.ndarray, seed: int) -> None:
        """Fit on samples that all have a label (N,), of two classes at least."""
        raise NotImplementedError


class LinearModule(FittedModule):
    """A learner whose logits are linear in the features, computed in double precision."""

    weight: Tensor
    bias: Tensor

    def __init__(self, features: int, task: str, space: LabelSpace, *, guided: bool) -> None:
        super().__init__(features, task, space, guided=guided)
        self.register_buffer("weight", torch.zeros(self.classes, features, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(self.classes, dtype=torch.float64))

    def fitted(self, features: Tensor) -> Tensor:
        """``W x + b``."""
        return (features.double() @ self.weight.T + self.bias).float()

    def take(self, weight: np.ndarray, bias: np.ndarray, seen: np.ndarray, scaling: Scaling, factor: float) -> None:
        """Note what is linear in standardised features.

        Args:
            weight: (classes seen, F), or (1, F) of the second of two.
            bias: Likewise.
            seen: Classes.
            scaling: Of the features.
            factor: Of the logits.
        """
        if len(weight) == 1:  # half of the difference for each of two classes
            weight, bias = np.concatenate([-weight, weight]) / 2.0, np.concatenate([-bias, bias]) / 2.0
        weight = factor * weight / scaling.scale
        bias = factor * bias - weight @ scaling.mean
        self.weight.zero_()
        self.bias.fill_(UNSEEN)
        self.weight[seen] = torch.from_numpy(weight).to(self.weight)
        self.bias[seen] = torch.from_numpy(bias).to(self.bias)


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each feature (F,) float64; of one that does not vary, 1."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Scaling:
        """That of features (N, F)."""
        deviation = x.std(axis=0, dtype=np.float64)
        return cls(x.mean(axis=0, dtype=np.float64), np.where(deviation > 1e-8, deviation, 1.0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Features (N, F), standardised, float64."""
        return (x - self.mean) / self.scale


class Logistic(LinearModule):
    """Logistic regression with an L2 penalty, multinomial for more than two classes; its logits are its own."""

    def __init__(self, cfg: LogisticHead, features: int, task: str, space: LabelSpace, *, guided: bool) -> None:
        super().__init__(features, task, space, guided=guided)
        self.C = cfg.C

    def learn(self, samples: FitSamples, target: np.ndarray, seed: int) -> None:
        """As scikit-learn's ``LogisticRegression`` on standardised features."""
        from sklearn.linear_model import LogisticRegression

        scaling = Scaling.of(samples.features)
        with _told():
            model = LogisticRegression(C=self.C, max_iter=ITERATIONS, tol=1e-6).fit(scaling(samples.features), target)
        self.take(model.coef_, model.intercept_, model.classes_, scaling, 1.0)


class LinearSvm(LinearModule):
    """Linear support vector machines, one class against the others.

    Their decision values times one factor are the logits, so that the decision stays theirs. The factor is the
    likeliest one for people who were left out in fitting.
    """

    def __init__(
        self, cfg: LinearSvmHead | PairSvmHead, features: int, task: str, space: LabelSpace, *, guided: bool
    ) -> None:
        super().__init__(features, task, space, guided=guided)
        self.C, self.folds = cfg.C, cfg.folds

    def learn(self, samples: FitSamples, target: np.ndarray, seed: int) -> None:
        """As scikit-learn's ``SVC(kernel="linear")`` on standardised features, one class against the others."""
        classes = np.unique(target)
        scaling, weight, bias = self._machines(samples.features, target, classes)
        values, y = [], []
        for stay, out in samples.by_people(self.folds):
            if np.array_equal(np.unique(target[stay]), classes):
                part, w, b = self._machines(samples.features[stay], target[stay], classes)
                values.append(part(samples.features[out]) @ w.T + b)
                y.append(np.searchsorted(classes, target[out]))
        factor = _likeliest_factor(np.concatenate(values), np.concatenate(y)) if values else 1.0
        self.take(weight, bias, classes, scaling, factor)

    def _machines(self, x: np.ndarray, y: np.ndarray, classes: np.ndarray) -> tuple[Scaling, np.ndarray, np.ndarray]:
        scaling = Scaling.of(x)
        z = scaling(x)
        products, every = z @ z.T, np.arange(len(z))
        of_each = [
            support_machine(z, products, every, y == c, self.C) for c in (classes if len(classes) > 2 else classes[1:])
        ]
        return scaling, np.stack([w for w, _ in of_each]), np.array([b for _, b in of_each])


def support_machine(
    x: np.ndarray, products: np.ndarray, rows: np.ndarray, y: np.ndarray, c: float
) -> tuple[np.ndarray, float]:
    """Weights (F,) and offset of a linear support vector machine with hinge loss; ``products`` serve many of them.

    Args:
        x: Samples (N, F).
        products: ``x xᵀ`` (N, N).
        rows: Which of them it is fitted on (n,).
        y: Whether each of these is of the class (n,) bool.
        c: Weight of the loss.
    """
    from sklearn.svm import SVC

    machine = SVC(kernel="precomputed", C=c).fit(products[np.ix_(rows, rows)], y)
    return machine.dual_coef_[0] @ x[rows[machine.support_]], float(machine.intercept_[0])


class PerEmotion(FittedModule):
    """Joint classes by one learner for the emotion, and one an emotion that tells real from fake among its samples.

    ``log p(a, e) = log p(e) + log p(a | e)``. (Ozkan and Akar 2017, https://arxiv.org/abs/1708.07335, have a support
    vector machine an emotion.)

    Args:
        build: Makes the learner of a task.
        features: Length of the feature vector.
        space: The classes.
        guided: As of :class:`FittedModule`.
    """

    def __init__(self, build: Callable[[str], FittedModule], features: int, space: LabelSpace, *, guided: bool) -> None:
        super().__init__(features, "joint", space, guided=guided)
        self.emotion = build("emotion")
        self.authenticity = nn.ModuleList(build("authenticity") for _ in space.emotions)

    def fitted(self, features: Tensor) -> Tensor:
        """Logarithms of the joint probabilities."""
        emotion = self.emotion(features).log_softmax(dim=1)
        each = torch.stack([head(features).log_softmax(dim=1) for head in self.authenticity], dim=1)
        return self.space.joint_logarithms(emotion, each)

    def fit(self, samples: FitSamples, seed: int) -> None:
        """Fit all; raises :class:`UserError` if an emotion lacks real or fake samples."""
        self.emotion.fit(samples, seed)
        for number, head in enumerate(self.authenticity):
            assert isinstance(head, FittedModule)
            try:
                head.fit(samples[samples.emotion == number], seed)
            except UserError as error:
                raise UserError(f"head.per_emotion=true, {self.space.emotions[number]}: {error}") from None


def _likeliest_factor(values: np.ndarray, y: np.ndarray) -> float:
    """The factor of decision values (N, K), or (N, 1) of the second of two, that is likeliest for classes (N,).

    Samples of a class are taken to be of it with probability (n + 1) / (n + 2), n their number, and of any other one
    alike else (Platt 1999, "Probabilistic outputs for support vector machines"), or classes that part without an error
    would have no likeliest one.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    logits = np.concatenate([-values, values], axis=1) / 2.0 if values.shape[1] == 1 else values
    count, classes = np.bincount(y, minlength=logits.shape[1])[y], logits.shape[1]
    target = np.repeat((1.0 / (count + 2.0) / (classes - 1.0))[:, None], classes, axis=1)
    target[np.arange(len(y)), y] = (count + 1.0) / (count + 2.0)

    def loss(logarithm: float) -> float:
        scaled = np.exp(logarithm) * logits
        return float((logsumexp(scaled, axis=1) - (target * scaled).sum(axis=1)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(FACTORS), method="bounded", options={"xatol": 1e-5}).x))


@contextmanager
def _told() -> Iterator[None]:
    """Tell what a solver warns of, such as that it has not converged, once and in one line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(w.message).splitlines()[0] for w in caught):
        log.warning("head: %s", text)
