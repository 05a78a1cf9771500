"""How the losses of several tasks, and auxiliary terms, become one that is minimised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import distributed, nn

from realfake.config import DwaMix, GradNormMix, Mix, MixConfig, PrecisionMix, SumMix, UncertaintyMix, WeightedMix
from realfake.labels import ABSENT

_SCALE = 2.0**10

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


class MixContext(NamedTuple):
    """What a mix may look at beside the losses of a batch."""

    logits: dict[str, torch.Tensor]
    """Task → (B, K)."""
    targets: dict[str, torch.Tensor]
    """Task → (B,) int64; -1 = no label."""
    counts: dict[str, torch.Tensor]
    """Auxiliary term → over how many its loss is the mean, a scalar."""
    features: torch.Tensor
    """(B, F) float32, with a graph unless the backbone is frozen."""
    shared: tuple[nn.Parameter, ...]
    """Weights of the last layer that all terms share; none with a frozen backbone."""


class LossMix(nn.Module):
    """Weighted sum of the terms, task losses and auxiliary ones, here with weights of 1.

    Whatever changes during training is a parameter or a buffer, so that a checkpoint holds it.

    Args:
        tasks: Names of the tasks.
        auxiliary: Name of each further term → factor of its weight, whatever the mix.
    """

    factors: torch.Tensor

    def __init__(self, tasks: Sequence[str], auxiliary: Mapping[str, float]) -> None:
        super().__init__()
        self.tasks, self.terms = tuple(tasks), (*tasks, *auxiliary)
        """Terms are in the order of all vectors."""
        factors = [1.0] * len(self.tasks) + list(auxiliary.values())
        self.register_buffer("factors", torch.tensor(factors), persistent=False)

    def weights(self, context: MixContext) -> torch.Tensor:
        """Weight of each term in this batch, (terms,), before its factor."""
        return torch.ones_like(self.factors)

    def penalty(self) -> torch.Tensor | float:
        """What is added to the weighted sum, a scalar."""
        return 0.0

    def forward(self, losses: dict[str, torch.Tensor], context: MixContext) -> Mixed:
        """Mix the losses of a batch.

        Args:
            losses: Term → scalar.
            context: Of the same batch.

        Returns:
            The loss to minimise, and term → weight that was used (scalars without a graph).
        """
        weights = self.weights(context) * self.factors
        total = (weights * torch.stack([losses[term] for term in self.terms])).sum() + self.penalty()
        return total, dict(zip(self.terms, weights.detach().unbind(), strict=True))

    def end_step(self) -> None:
        """Take note that the optimiser moves now, after one batch or several that are accumulated."""

    def end_epoch(self, losses: dict[str, float]) -> None:
        """Take note of an epoch's mean training loss of each term."""


class FixedWeights(LossMix):
    """``Σ w_i L_i`` with weights from the configuration; auxiliary terms have theirs as a factor."""

    fixed: torch.Tensor

    def __init__(self, tasks: Sequence[str], auxiliary: Mapping[str, float], cfg: WeightedMix) -> None:
        super().__init__(tasks, auxiliary)
        fixed = [getattr(cfg, task) for task in tasks] + [1.0] * len(auxiliary)
        self.register_buffer("fixed", torch.tensor(fixed), persistent=False)

    def weights(self, context: MixContext) -> torch.Tensor:
        """The configured weights."""
        return self.fixed


class PrecisionWeights(LossMix):
    """``Σ P_i L_i``, thesis eq. 3.3: ``P_i`` is the task's precision (or accuracy) on the batch, without a graph.

    Auxiliary terms, of which nothing can be right, have ``P_i = 1``.
    """

    def __init__(self, tasks: Sequence[str], auxiliary: Mapping[str, float], cfg: PrecisionMix) -> None:
        super().__init__(tasks, auxiliary)
        self.score = {"macro": macro_precision, "accuracy": batch_accuracy}[cfg.mode]

    def weights(self, context: MixContext) -> torch.Tensor:
        """How right each task is on this batch."""
        right = [self.score(context.logits[task], context.targets[task]) for task in self.tasks]
        return torch.stack([*right, *self.factors.new_ones(len(self.terms) - len(self.tasks))])


class Uncertainty(LossMix):
    """``Σ exp(−s_i) L_i + s_i / 2`` with learned ``s_i = log σ_i²``, which start at 0.

    Kendall et al. 2018, https://arxiv.org/abs/1705.07115, eq. 10 for classification: ``L_i / σ_i² + log σ_i``.
    """

    def __init__(self, tasks: Sequence[str], auxiliary: Mapping[str, float]) -> None:
        super().__init__(tasks, auxiliary)
        self.log_variances = nn.Parameter(torch.zeros(len(self.terms)))

    def weights(self, context: MixContext) -> torch.Tensor:
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

    def __init__(self, tasks: Sequence[str], auxiliary: Mapping[str, float], cfg: DwaMix) -> None:
        super().__init__(tasks, auxiliary)
        self.temperature = cfg.temperature
        self.register_buffer("history", torch.full((2, len(self.terms)), torch.nan))
        self.register_buffer("current", torch.ones(len(self.terms)))

    def weights(self, context: MixContext) -> torch.Tensor:
        """The weights of this epoch."""
        return self.current

    @torch.no_grad()
    def end_epoch(self, losses: dict[str, float]) -> None:
        """Move on to the next epoch's weights."""
        latest = self.history.new_tensor([losses[term] for term in self.terms])
        self.history.copy_(torch.stack([self.history[1], latest]))
        # Before the second epoch has ended its predecessor is NaN, which leaves all ratios at 1.
        ratios = torch.nan_to_num(self.history[1] / self.history[0], nan=1.0, posinf=1.0, neginf=1.0)
        self.current.copy_(len(self.terms) * torch.softmax(ratios / self.temperature, dim=0))


class GradNorm(LossMix):
    """``Σ w_i L_i`` with weights that make all terms pull at the shared layer as hard as their training rate asks.

    Chen et al. 2018, https://arxiv.org/abs/1711.02257, eq. 1 and 2 and algorithm 1: with ``G_i = ‖∇_W w_i L_i‖₂`` at
    the weights W of the last shared layer, ``r_i = (L_i / L_i(0)) / mean_j (L_j / L_j(0))`` and the constant goals
    ``mean_j G_j · r_i^α``, the weights descend ``Σ |G_i − goal_i|`` after each step of the optimiser, and are scaled so
    that they sum to the number of terms. G is that of the whole step, over accumulated batches and processes.

    The descent is in ``log w_i``, on the mean pull's scale: ``w_i ← w_i exp(−lr · sign(G_i − goal_i) · G_i / mean_j
    G_j)``. So weights stay positive, and losses a hundred times apart need no other ``lr``; a plain step in ``w_i``,
    whose size is that of ``‖∇_W L_i‖``, would jump over 0. A term that no sample of a step counts for keeps its weight
    and is left out of all means; ``L_i(0)`` is the first loss of a term that is not 0.
    """

    current: torch.Tensor
    initial: torch.Tensor

    def __init__(self, tasks: Sequence[str], auxiliary: Mapping[str, float], cfg: GradNormMix) -> None:
        super().__init__(tasks, auxiliary)
        self.alpha, self.lr = cfg.alpha, cfg.lr
        self.register_buffer("current", torch.ones(len(self.terms)))
        self.register_buffer("initial", torch.full((len(self.terms),), torch.nan))
        # Of a step that is not complete. No buffers: of these all processes would take the first one's.
        self._pulls: torch.Tensor | None = None
        self._seen: torch.Tensor | None = None

    def weights(self, context: MixContext) -> torch.Tensor:
        """The weights of this step; its end moves them."""
        return self.current.clone()

    def forward(self, losses: dict[str, torch.Tensor], context: MixContext) -> Mixed:
        """Mix the losses of a batch, and remember how each pulls at the shared layer."""
        each = [losses[term] for term in self.terms]
        pulls = torch.stack([_gradient(loss, context.shared) for loss in each])
        labelled = {task: (target != ABSENT).sum() for task, target in context.targets.items()}
        counts = torch.stack([(labelled | context.counts)[term] for term in self.terms])
        seen = torch.stack([torch.stack(each).detach() * counts, counts.to(pulls.dtype)])
        self._pulls = pulls if self._pulls is None else self._pulls + pulls
        self._seen = seen if self._seen is None else self._seen + seen
        return super().forward(losses, context)

    @torch.no_grad()
    def end_step(self) -> None:
        """Move the weights; no value is looked at, so that no step waits for the device."""
        pulls, seen, self._pulls, self._seen = self._pulls, self._seen, None, None
        if pulls is None or seen is None:
            return
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(pulls)
            distributed.all_reduce(seen)
        sums, counts = seen
        losses = sums / counts.clamp(min=1)
        self.initial.copy_(torch.where(self.initial.isnan() & (losses > 0), losses, self.initial))
        counted = (counts > 0) & ~self.initial.isnan()

        def total(values: torch.Tensor) -> torch.Tensor:
            return torch.where(counted, values, 0.0).sum()

        number = counted.sum().clamp(min=1)
        # Of what all pulls are a multiple, as of the number of processes, is of no matter.
        pull = self.current * self.factors * pulls.norm(dim=1)
        mean, rate = total(pull) / number, losses / self.initial
        goal = mean * (rate / (total(rate) / number)) ** self.alpha
        moved = self.current * torch.exp(-self.lr * torch.sign(pull - goal) * pull / mean)
        moved = torch.where(counted, moved * (total(self.current) / total(moved)), self.current)
        # Half precision can overflow, and nothing can pull.
        self.current.copy_(torch.where(moved.isfinite().all(), moved, self.current))


def last_layer(network: nn.Module) -> tuple[nn.Parameter, ...]:
    """The trained matrices of the last module of a network, in the order of its definition, that has any."""
    layers = ([p for p in m.parameters(recurse=False) if p.requires_grad and p.ndim > 1] for m in network.modules())
    return tuple(next(filter(None, reversed(list(layers))), ()))


def _gradient(loss: torch.Tensor, weights: Sequence[nn.Parameter]) -> torch.Tensor:
    """Gradient of a loss at some weights as one vector; the graph stays."""
    # Small gradients vanish in half precision, which a power of two changes nothing else of.
    each = torch.autograd.grad(loss * _SCALE, weights, retain_graph=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in each]).float() / _SCALE


def build_mix(cfg: MixConfig, tasks: Sequence[str], auxiliary: Mapping[str, float] | None = None) -> LossMix:
    """Make the loss mix of some terms.

    With one term there is nothing to balance: all mixes but ``weighted`` are then the loss itself.

    Args:
        cfg: The group ``loss_mix``.
        tasks: Each has a loss.
        auxiliary: Name of each further term → factor of its weight.
    """
    auxiliary = auxiliary or {}
    if isinstance(cfg, WeightedMix):
        return FixedWeights(tasks, auxiliary, cfg)
    if isinstance(cfg, SumMix) or len(tasks) + len(auxiliary) == 1:
        return LossMix(tasks, auxiliary)
    if isinstance(cfg, PrecisionMix):
        return PrecisionWeights(tasks, auxiliary, cfg)
    if isinstance(cfg, UncertaintyMix):
        return Uncertainty(tasks, auxiliary)
    if isinstance(cfg, DwaMix):
        return DynamicWeightAverage(tasks, auxiliary, cfg)
    if isinstance(cfg, GradNormMix):
        return GradNorm(tasks, auxiliary, cfg)
    if isinstance(cfg, Mix):
        mix: LossMix = cfg.build(tasks, auxiliary)
        return mix
    raise ValueError(f"loss_mix={cfg}: no such mix")
