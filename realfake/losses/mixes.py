"""How the losses of several tasks become one that is minimised."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from realfake.config import DwaMix, MixConfig, PrecisionMix, SumMix, UncertaintyMix, WeightedMix
from realfake.labels import ABSENT

Mixed = tuple[torch.Tensor, dict[str, torch.Tensor]]


def macro_precision(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Precision ``TP / (TP + FP)`` of the most probable classes, averaged over classes.

    Samples without a label (-1) do not count. The average is over the classes that are a target or a prediction in
    the batch; one that is never predicted has precision 0, as in scikit-learn's ``zero_division=0``. A batch without
    labels gives 0.

    Args:
        logits: (B, K).
        target: (B,) int64.

    Returns:
        Scalar from 0 to 1, without a graph.
    """
    known = (target != ABSENT)[:, None]
    classes = torch.arange(logits.shape[1], device=logits.device)
    predicted = (logits.detach().argmax(dim=1)[:, None] == classes) & known
    true = (target[:, None] == classes) & known
    hits, guesses = (predicted & true).sum(dim=0), predicted.sum(dim=0)
    occurs = (guesses + true.sum(dim=0)) > 0
    return (hits / guesses.clamp(min=1)).sum() / occurs.sum().clamp(min=1)


def batch_accuracy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Part of the labelled samples whose most probable class is right, a scalar without a graph; 0 without labels."""
    right = logits.detach().argmax(dim=1) == target
    return right.sum() / (target != ABSENT).sum().clamp(min=1)


class LossMix(nn.Module):
    """Weighted sum of task losses, here with weights of 1.

    Whatever changes during training is a parameter or a buffer, so that a checkpoint holds it.

    Args:
        tasks: Names, in the order of all vectors.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    def weights(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Weight of each task in this batch, (tasks,)."""
        first = logits[self.tasks[0]]
        return torch.ones(len(self.tasks), device=first.device)

    def penalty(self) -> torch.Tensor | float:
        """What is added to the weighted sum, a scalar."""
        return 0.0

    def forward(
        self, losses: dict[str, torch.Tensor], logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]
    ) -> Mixed:
        """Mix the losses of a batch.

        Args:
            losses: Task → scalar.
            logits: Task → (B, K).
            targets: Task → (B,) int64; -1 = no label.

        Returns:
            The loss to minimise, and task → weight that was used (scalars without a graph).
        """
        weights = self.weights(logits, targets)
        total = (weights * torch.stack([losses[task] for task in self.tasks])).sum() + self.penalty()
        return total, dict(zip(self.tasks, weights.detach().unbind(), strict=True))

    def end_epoch(self, losses: dict[str, float]) -> None:
        """Take note of an epoch's mean training loss of each task."""


class FixedWeights(LossMix):
    """``Σ w_i L_i`` with weights from the configuration."""

    fixed: torch.Tensor

    def __init__(self, tasks: Sequence[str], cfg: WeightedMix) -> None:
        super().__init__(tasks)
        self.register_buffer("fixed", torch.tensor([getattr(cfg, task) for task in tasks]), persistent=False)

    def weights(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """The configured weights."""
        return self.fixed


class PrecisionWeights(LossMix):
    """``Σ P_i L_i``, thesis eq. 3.3: ``P_i`` is the task's precision (or accuracy) on the batch, without a graph."""

    def __init__(self, tasks: Sequence[str], cfg: PrecisionMix) -> None:
        super().__init__(tasks)
        self.score = {"macro": macro_precision, "accuracy": batch_accuracy}[cfg.mode]

    def weights(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """How right each task is on this batch."""
        return torch.stack([self.score(logits[task], targets[task]) for task in self.tasks])


class Uncertainty(LossMix):
    """``Σ exp(−s_i) L_i + s_i / 2`` with learned ``s_i = log σ_i²``, which start at 0.

    Kendall et al. 2018, https://arxiv.org/abs/1705.07115, eq. 10 for classification: ``L_i / σ_i² + log σ_i``.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.log_variances = nn.Parameter(torch.zeros(len(tasks)))

    def weights(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """``exp(−s_i)``, with a graph."""
        return torch.exp(-self.log_variances)

    def penalty(self) -> torch.Tensor:
        """``Σ s_i / 2``: keeps the variances from growing without end."""
        return self.log_variances.sum() / 2.0


class DynamicWeightAverage(LossMix):
    """``Σ λ_i L_i`` with ``λ_i = K exp(r_i / T) / Σ_j exp(r_j / T)``, ``r_i = L_i(t−1) / L_i(t−2)`` of epochs.

    Liu et al. 2019, https://arxiv.org/abs/1803.10704, eq. 7: a task whose loss falls slowly gains weight. Epochs 0
    and 1, which have no two epochs behind them, use weights of 1. A ratio that is no number counts as 1.
    """

    history: torch.Tensor
    current: torch.Tensor

    def __init__(self, tasks: Sequence[str], cfg: DwaMix) -> None:
        super().__init__(tasks)
        self.temperature = cfg.temperature
        self.register_buffer("history", torch.full((2, len(tasks)), torch.nan))
        self.register_buffer("current", torch.ones(len(tasks)))

    def weights(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """The weights of this epoch."""
        return self.current

    @torch.no_grad()
    def end_epoch(self, losses: dict[str, float]) -> None:
        """Move on to the next epoch's weights."""
        latest = self.history.new_tensor([losses[task] for task in self.tasks])
        self.history.copy_(torch.stack([self.history[1], latest]))
        # Before the second epoch has ended its predecessor is NaN, which leaves all ratios at 1.
        ratios = torch.nan_to_num(self.history[1] / self.history[0], nan=1.0, posinf=1.0, neginf=1.0)
        self.current.copy_(len(self.tasks) * torch.softmax(ratios / self.temperature, dim=0))


def build_mix(cfg: MixConfig, tasks: Sequence[str]) -> LossMix:
    """Make the loss mix of some tasks.

    With one task there is nothing to balance: all mixes but ``weighted`` are then the loss itself.
    """
    if isinstance(cfg, WeightedMix):
        return FixedWeights(tasks, cfg)
    if isinstance(cfg, SumMix) or len(tasks) == 1:
        return LossMix(tasks)
    if isinstance(cfg, PrecisionMix):
        return PrecisionWeights(tasks, cfg)
    if isinstance(cfg, UncertaintyMix):
        return Uncertainty(tasks)
    if isinstance(cfg, DwaMix):
        return DynamicWeightAverage(tasks, cfg)
    raise ValueError(f"loss_mix={cfg}: no such mix")
