"""What is minimised beside the losses of the heads: terms of a batch, its features and what the heads say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import distributed, nn

from realfake.config import (
    AuxiliaryConfig,
    CenterTerm,
    NextFrameTerm,
    PairRankingTerm,
    RegressionTerm,
    StreamInfo,
    Term,
)
from realfake.data.batch import Batch, target_of
from realfake.labels import ABSENT, Authenticity, LabelSpace
from realfake.models.fusion import Standardise
from realfake.streams.stream import StreamValues

Errors = Callable[[dict[str, StreamValues], torch.Tensor], torch.Tensor]


class Counted(NamedTuple):
    """A mean, and over how many it was taken."""

    mean: torch.Tensor
    """Scalar; 0 (with a graph, if what it is of has one) over none."""
    number: torch.Tensor
    """Scalar."""


def pair_ranking(
    log_odds: torch.Tensor, authenticity: torch.Tensor, pair: torch.Tensor, margin: float | None = None
) -> Counted:
    """How far real samples are from more log-odds of real than the fake samples of their pair have.

    The mean of ``log(1 + exp(−(s_i − s_j)))`` over all real samples i and fake samples j of one pair, s their log-odds:
    RankNet's cross-entropy (Burges et al. 2005, https://doi.org/10.1145/1102351.1102363, eq. 3) where i is known to
    rank above j. With a margin m the hinge ``max(0, m − (s_i − s_j))`` (Joachims 2002,
    https://doi.org/10.1145/775047.775067) instead.

    Args:
        log_odds: (B,) log of the probability of real over that of fake.
        authenticity: (B,) int64; -1 = absent.
        pair: (B,) int64; -1 = none.
        margin: In log-odds; None = RankNet.

    Returns:
        The mean, and the number of comparisons.
    """
    same = (pair[:, None] == pair) & (pair != ABSENT)
    compared = same & (authenticity == Authenticity.REAL)[:, None] & (authenticity == Authenticity.FAKE)
    ahead = log_odds[:, None] - log_odds
    lost = F.softplus(-ahead) if margin is None else (margin - ahead).clamp(min=0.0)
    return _mean_over(torch.where(compared, lost, 0.0), compared)


def center_distances(features: torch.Tensor, target: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
    """Half the squared distance of each sample's features from the center of its class.

    ``½ ‖x_i − c_{y_i}‖²`` of Wen et al. 2016, https://doi.org/10.1007/978-3-319-46478-7_31, eq. 2, whose sum over a
    batch is a mean here.

    Args:
        features: (B, F).
        target: (B,) int64; -1 = no label.
        centers: (K, F).

    Returns:
        (B,), NaN where there is no label.
    """
    distances = 0.5 * (features - centers[target.clamp(min=0)]).square().sum(dim=1)
    return torch.where(target != ABSENT, distances, torch.nan)


class AuxiliaryTerm(nn.Module):
    """A term that is minimised beside the losses of the heads.

    Whatever changes during training is a parameter or a buffer, so that a checkpoint holds it.
    """

    def score(self, batch: Batch, features: torch.Tensor, logits: dict[str, torch.Tensor]) -> torch.Tensor:
        """What the term takes from each sample, (B,) float32.

        Args:
            batch: Labels, identities and streams of B samples; without a term's own streams where they are not at hand.
            features: (B, F) float32.
            logits: Task → (B, K) float32.
        """
        raise NotImplementedError

    def take_statistics(self, statistics: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Note mean and standard deviation (size,) of streams in the training part, if they matter."""

    def reduce(self, scores: torch.Tensor, batch: Batch) -> Counted:
        """The term of some samples by their scores (B,); here the mean of those that are a number."""
        known = ~scores.isnan()
        return _mean_over(torch.where(known, scores, 0.0), known)

    def over_epoch(self, scores: torch.Tensor, batch: Batch) -> float:
        """The term of all samples of an epoch, NaN if none counts."""
        mean, number = self.reduce(scores, batch)
        return mean.item() if number else float("nan")

    def forward(self, batch: Batch, features: torch.Tensor, logits: dict[str, torch.Tensor]) -> Counted:
        """The term of a batch in training; arguments as of :meth:`score`."""
        return self.reduce(self.score(batch, features, logits), batch)


class PairRanking(AuxiliaryTerm):
    """:func:`pair_ranking` of the log-odds of authenticity that the heads come to."""

    def __init__(self, cfg: PairRankingTerm, space: LabelSpace) -> None:
        super().__init__()
        self.margin = cfg.margin if cfg.loss == "hinge" else None
        self.space = space

    def score(self, batch: Batch, features: torch.Tensor, logits: dict[str, torch.Tensor]) -> torch.Tensor:
        """Log-odds of real."""
        return self.space.log_odds(logits)

    def reduce(self, scores: torch.Tensor, batch: Batch) -> Counted:
        """The mean over all comparisons of real and fake samples of a pair."""
        return pair_ranking(scores, batch["authenticity"], batch["pair"], self.margin)

    def over_epoch(self, scores: torch.Tensor, batch: Batch) -> float:
        """The same over an epoch, pair by pair, since comparing all with all would take the square of its samples."""
        order = torch.argsort(batch["pair"], stable=True)
        sizes = torch.unique_consecutive(batch["pair"][order], return_counts=True)[1].tolist()
        of_pairs = [
            self.reduce(scores[rows], Batch(authenticity=batch["authenticity"][rows], pair=batch["pair"][rows]))
            for rows in order.split(sizes)
            if batch["pair"][rows[0]] != ABSENT
        ]
        compared = sum(float(number) for _, number in of_pairs)
        total = sum(float(mean) * float(number) for mean, number in of_pairs)
        return total / compared if compared else float("nan")


class Center(AuxiliaryTerm):
    """Mean of :func:`center_distances`, with centers that follow the features of their class.

    After each batch ``c_k ← c_k − rate · Σ (c_k − x_i) / (1 + n_k)`` over the n_k samples of class k in all processes
    (eq. 4 and algorithm 1); centers start at 0. Gradients go through the features alone.
    """

    centers: torch.Tensor

    def __init__(self, cfg: CenterTerm, space: LabelSpace, tasks: Sequence[str], features: int) -> None:
        super().__init__()
        self.task, self.space, self.rate = cfg.of(tasks), space, cfg.rate
        self.register_buffer("centers", torch.zeros(space.size(self.task), features))

    def score(self, batch: Batch, features: torch.Tensor, logits: dict[str, torch.Tensor]) -> torch.Tensor:
        """Half the squared distance from the center of the class, NaN without a label."""
        # A copy, since the centers move before the gradient is taken.
        return center_distances(features, target_of(batch, self.task, self.space), self.centers.clone())

    def forward(self, batch: Batch, features: torch.Tensor, logits: dict[str, torch.Tensor]) -> Counted:
        """The term of a batch, after which the centers move."""
        found = super().forward(batch, features, logits)
        self._move(features.detach(), target_of(batch, self.task, self.space))
        return found

    @torch.no_grad()
    def _move(self, features: torch.Tensor, target: torch.Tensor) -> None:
        # An absent label is of no class.
        is_of = (target[:, None] == torch.arange(len(self.centers), device=target.device)).to(features.dtype)
        counts = is_of.sum(dim=0)[:, None]
        both = torch.cat([counts, is_of.T @ features], dim=1)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(both)
        counts, sums = both[:, :1], both[:, 1:]
        self.centers -= self.rate * (counts * self.centers - sums) / (1.0 + counts)


class NextFrame(AuxiliaryTerm):
    """Mean squared error of what a network predicts of each sample that is known to be real or fake.

    Args:
        errors: Of the network: streams, and the authenticity of each sample (B,), to their errors (B,).
    """

    def __init__(self, errors: Errors) -> None:
        super().__init__()
        self.errors = errors

    def score(self, batch: Batch, features: torch.Tensor, logits: dict[str, torch.Tensor]) -> torch.Tensor:
        """The error, NaN without a label."""
        authenticity = batch["authenticity"]
        errors = self.errors(batch["streams"], authenticity.clamp(min=0))
        return torch.where(authenticity != ABSENT, errors, torch.nan)


class Regression(AuxiliaryTerm):
    """What a linear layer makes of the features, against a target that is a stream with one value a clip.

    Of each sample ``1/K Σ_k h(f_k(x) − y_k)`` over the K numbers of the target, standardised by the training part, with
    ``h(e) = e² / 2`` up to ``delta`` and ``delta (|e| − delta / 2)`` beyond (Huber 1964,
    https://doi.org/10.1214/aoms/1177703732).
    """

    def __init__(self, cfg: RegressionTerm, infos: Mapping[str, StreamInfo], features: int) -> None:
        super().__init__()
        (self.stream,), self.delta = cfg.streams, cfg.delta
        names = infos[self.stream].names()
        self.columns = slice(None) if cfg.component is None else [names.index(cfg.component)]
        self.standardise = Standardise(infos[self.stream])
        self.layer = nn.Linear(features, len(names) if cfg.component is None else 1)

    def take_statistics(self, statistics: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Standardise the target."""
        self.standardise.take(*statistics[self.stream])

    def score(self, batch: Batch, features: torch.Tensor, logits: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of each sample, NaN without a target."""
        if (stream := batch["streams"].get(self.stream)) is None:
            return torch.full_like(features[:, 0], torch.nan)
        target = self.standardise(stream)[:, 0, self.columns]
        lost = F.huber_loss(self.layer(features), target, reduction="none", delta=self.delta).mean(dim=1)
        return torch.where(stream.valid[:, 0], lost, torch.nan)


def build_auxiliary(
    cfg: AuxiliaryConfig,
    space: LabelSpace,
    tasks: Sequence[str],
    features: int,
    streams: Mapping[str, StreamInfo] | None = None,
    errors: Errors | None = None,
) -> nn.ModuleDict:
    """Make the chosen terms, by their names.

    Args:
        cfg: The group ``auxiliary``.
        space: The classes.
        tasks: Of the heads.
        features: Length of the feature vector.
        streams: Those that terms need, :attr:`realfake.config.TrainConfig.targets`.
        errors: As of :class:`NextFrame`, of a network that predicts.
    """
    found = nn.ModuleDict()
    for name, term in cfg.chosen.items():
        if isinstance(term, PairRankingTerm):
            found[name] = PairRanking(term, space)
        elif isinstance(term, CenterTerm):
            found[name] = Center(term, space, tasks, features)
        elif isinstance(term, NextFrameTerm):
            assert errors is not None
            found[name] = NextFrame(errors)
        elif isinstance(term, RegressionTerm):
            found[name] = Regression(term, streams or {}, features)
        elif isinstance(term, Term):
            found[name] = term.build(space, tasks, features)
        else:
            raise ValueError(f"auxiliary.{name}={term}: no such term")
    return found


def _mean_over(values: torch.Tensor, counted: torch.Tensor) -> Counted:
    """Mean of those that count; the others are 0."""
    number = counted.sum()
    return Counted(values.sum() / number.clamp(min=1), number)
