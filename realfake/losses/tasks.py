"""The loss of one task: pure functions with the mathematics, and a thin module that averages over a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from realfake.config import CrossEntropyLoss, FocalLoss, Loss, LossConfig, MultiFocalLoss
from realfake.errors import UserError
from realfake.labels import ABSENT


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Categorical cross-entropy of each sample, ``−Σ_k w_k q_k log p_k``.

    ``p`` is the softmax of the logits and ``q = (1 − ε) onehot(y) + ε / K`` with label smoothing ε (Szegedy et al.
    2016, https://arxiv.org/abs/1512.00567).

    Args:
        logits: (B, K).
        target: (B,) int64; -1 = no label.
        weight: Weight ``w`` of each class (K,); None = 1.
        label_smoothing: ε, from 0 to below 1.

    Returns:
        (B,), 0 where there is no label.
    """
    return F.cross_entropy(
        logits, target, weight, ignore_index=ABSENT, reduction="none", label_smoothing=label_smoothing
    )


def focal(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    label_smoothing: float = 0.0,
    gamma: float = 2.0,
) -> torch.Tensor:
    """Focal loss of each sample on the softmax, ``−Σ_k w_k q_k (1 − p_k)^γ log p_k``.

    Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4 with several classes: without smoothing only the true
    class's term ``(1 − p_y)^γ (−log p_y)`` is left, and γ = 0 is :func:`cross_entropy`.

    Args and returns: as :func:`cross_entropy`; ``gamma`` ≥ 0 is the focusing exponent.
    """
    log_p = F.log_softmax(logits, dim=1)
    # A power below 1 has no derivative at 0, which a saturated softmax reaches.
    distance = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
    terms = -_soft_targets(logits, target, label_smoothing) * distance**gamma * log_p
    if weight is not None:
        terms = terms * weight
    return torch.where(target != ABSENT, terms.sum(dim=1), 0.0)


def multi_focal(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    label_smoothing: float = 0.0,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> torch.Tensor:
    """Multi-label focal loss of each sample, thesis eq. 3.2 (Bendjoudi et al. 2021, after Lin et al. 2017).

    ``−Σ_k [ α (1 − σ_k)^γ y_k log σ_k + (1 − α) σ_k^γ (1 − y_k) log(1 − σ_k) ]`` with σ the sigmoid of the logit and
    ``y`` the one-hot target (smoothed as in :func:`cross_entropy`). α = ½ and γ = 0 give half the binary
    cross-entropy. Every class counts as a yes-or-no question, so a class weight is that of the true class and
    multiplies the sum.

    Args and returns: as :func:`cross_entropy`; ``alpha`` from 0 to 1 weighs the true class against the others.
    """
    y = _soft_targets(logits, target, label_smoothing)
    log_yes, log_no = F.logsigmoid(logits), F.logsigmoid(-logits)
    # Powers as exponentials of logarithms: their derivative is finite where a sigmoid has become 0.
    yes = alpha * torch.exp(gamma * log_no) * y * log_yes
    no = (1.0 - alpha) * torch.exp(gamma * log_yes) * (1.0 - y) * log_no
    loss = -(yes + no).sum(dim=1)
    if weight is not None:
        loss = loss * weight[target.clamp(min=0)]
    return torch.where(target != ABSENT, loss, 0.0)


def balanced_weights(class_counts: Sequence[float]) -> list[float]:
    """Weights ``N / (K n_k)``: every class weighs the same in total, and the mean over the training part is 1.

    K counts the classes that occur; one that does not gets 1.
    """
    present = [n for n in class_counts if n > 0]
    return [sum(present) / (len(present) * n) if n > 0 else 1.0 for n in class_counts]


class TaskLoss(nn.Module):
    """Mean loss of the samples of a batch that have a label.

    The mean is over samples, also with class weights: dividing by the sum of the weights instead would make a
    sample's share depend on what else is in its batch.

    Args:
        cfg: Which loss, and its options.
        classes: Number of classes K.
        class_counts: Training samples of each class (K,), for balanced weights; None = the weights are those of the
            checkpoint that is loaded (until then NaN).

    Raises:
        UserError: If the number of class weights is not K.
    """

    weight: torch.Tensor | None

    def __init__(self, cfg: LossConfig, classes: int, class_counts: Sequence[float] | None = None) -> None:
        super().__init__()
        self.cfg = cfg
        self.register_buffer("weight", _class_weights(cfg, classes, class_counts))

    def _losses(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        cfg, smoothing = self.cfg, self.cfg.label_smoothing
        if isinstance(cfg, CrossEntropyLoss):
            return cross_entropy(logits, target, self.weight, smoothing)
        if isinstance(cfg, FocalLoss):
            return focal(logits, target, self.weight, smoothing, cfg.gamma)
        if isinstance(cfg, MultiFocalLoss):
            return multi_focal(logits, target, self.weight, smoothing, cfg.alpha, cfg.gamma)
        if isinstance(cfg, Loss):
            return torch.where(target != ABSENT, cfg.per_sample(logits, target, self.weight), 0.0)
        raise ValueError(f"loss={cfg}: no such loss")

    def per_sample(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of each sample (B,), NaN where it has no label; ``logits`` (B, K), ``target`` (B,) int64."""
        return torch.where(target != ABSENT, self._losses(logits, target), torch.nan)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean over the labelled samples, a scalar; 0 (with a graph) if there is none."""
        return self._losses(logits, target).sum() / (target != ABSENT).sum().clamp(min=1)


def build_task_loss(cfg: LossConfig, classes: int, class_counts: Sequence[float] | None = None) -> TaskLoss:
    """Make the loss of a task; see :class:`TaskLoss`."""
    return TaskLoss(cfg, classes, class_counts)


def _soft_targets(logits: torch.Tensor, target: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Smoothed one-hot targets (B, K); of an absent label they mean nothing."""
    classes = logits.shape[1]
    # Not F.one_hot, which looks at the values and so waits for the device.
    one_hot = (target[:, None] == torch.arange(classes, device=target.device)).to(logits.dtype)
    return (1.0 - label_smoothing) * one_hot + label_smoothing / classes


def _class_weights(cfg: LossConfig, classes: int, class_counts: Sequence[float] | None) -> torch.Tensor | None:
    if cfg.class_weights == "none":
        return None
    if cfg.class_weights != "balanced":
        weights = cfg.class_weights
    elif class_counts is None:
        weights = [float("nan")] * classes
    else:
        weights = balanced_weights(class_counts)
    if len(weights) != classes:
        raise UserError(f"class_weights={weights}: {len(weights)} values, expected {classes}, one for each class")
    return torch.tensor(weights, dtype=torch.float32)
