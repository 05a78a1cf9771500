"""Ranking the clips of a pair by support vector machines over their difference, as a head."""

from __future__ import annotations

import numpy as np

from realfake.config import PairSvmHead
from realfake.errors import UserError
from realfake.labels import ABSENT, Authenticity, LabelSpace
from realfake.models.fitted_heads import FitSamples, LinearModule, Scaling, support_machine
from realfake.pages import counted

LEAST_SLOPE = 0.01
"""Least log-odds for a standard deviation of a score: one that says nothing of new pairs keeps its order."""


class PairSvm(LinearModule):
    """An ensemble of linear support vector machines over differences of a pair's clips (Saxen et al. 2017, sec. 3.3).

    Features of a clip's samples are averaged. Each member tells ``x_real − x_fake`` from ``x_fake − x_real``, divided
    by their standard deviation, on a part of the differences of either sign. A clip's score is the mean of the members'
    ``w·x``, each ``w`` of length 1, so that all count alike and a clip has a score of its own; between two clips it
    takes the place of the members' votes. It becomes log-odds of real by logistic regression on the scores that clips
    get from members that have not seen their pair.
    """

    def __init__(self, cfg: PairSvmHead, features: int, task: str, space: LabelSpace, *, guided: bool) -> None:
        super().__init__(features, task, space, guided=guided)
        self.C, self.members, self.share = cfg.C, cfg.members, cfg.share

    def learn(self, samples: FitSamples, target: np.ndarray, seed: int) -> None:
        """Fit; raises :class:`UserError` if there are fewer than two pairs."""
        from sklearn.linear_model import LogisticRegression

        real, fake = self.of_pairs(samples)
        scale = Scaling.of(np.concatenate([real - fake, fake - real])).scale
        weights, seen = self.ensemble((real - fake) / scale, seed)
        # Of each pair, the members that have not seen it; all of them if there is none.
        others = np.where(seen.all(axis=0), 1.0, ~seen)
        unseen = (others / others.sum(axis=0)).T @ weights
        middle = samples.features.mean(axis=0, dtype=np.float64)
        scores = np.concatenate([((side - middle) / scale * unseen).sum(axis=1) for side in (fake, real)])
        spread = Scaling.of(scores[:, None])
        labels = np.repeat([int(Authenticity.FAKE), int(Authenticity.REAL)], len(real))
        model = LogisticRegression().fit(spread(scores[:, None]), labels)
        slope = max(float(model.coef_[0, 0]), LEAST_SLOPE) / float(spread.scale[0])
        offset = float(model.intercept_[0]) - slope * float(spread.mean[0])
        weight = slope * weights.mean(axis=0)
        self.take(weight[None], np.array([offset]), np.arange(2), Scaling(middle, scale), 1.0)

    def of_pairs(self, samples: FitSamples) -> tuple[np.ndarray, np.ndarray]:
        """Mean features of the real and of the fake side of each pair, each (pairs, F) float64.

        Raises:
            UserError: If there are fewer than two pairs.
        """
        sides = []
        for side in (Authenticity.REAL, Authenticity.FAKE):
            of_side = samples[(samples.pair != ABSENT) & (samples.authenticity == side)]
            sides.append({pair: of_side.features[of_side.pair == pair] for pair in np.unique(of_side.pair)})
        pairs = [pair for pair in sides[0] if pair in sides[1]]
        if len(pairs) < 2:
            raise UserError(
                f"head=pair_svm: {counted(len(pairs), 'pair')} of a real and a fake clip in the training part; "
                "expected two at least; use more clips or subjects, or head=linear_svm, which needs none"
            )
        real, fake = (np.stack([side[pair].mean(axis=0, dtype=np.float64) for pair in pairs]) for side in sides)
        return real, fake

    def ensemble(self, differences: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The members' weights, each of length 1, and which pairs each has seen.

        Args:
            differences: Real less fake of each pair, standardised (pairs, F).
            seed: Of what each member sees.

        Returns:
            (members, F), (members, pairs) bool.
        """
        pairs = len(differences)
        x, y = np.concatenate([differences, -differences]), np.repeat([True, False], pairs)
        products, number = x @ x.T, max(1, round(self.share * pairs))
        weights, seen = np.zeros((self.members, x.shape[1])), np.zeros((self.members, pairs), dtype=bool)
        rng = np.random.default_rng(seed)
        for member in range(self.members):
            some = np.concatenate([rng.permutation(pairs)[:number], pairs + rng.permutation(pairs)[:number]])
            w, _ = support_machine(x, products, some, y[some], self.C)
            weights[member] = w / max(float(np.linalg.norm(w)), 1e-12)
            seen[member, some % pairs] = True
        return weights, seen
