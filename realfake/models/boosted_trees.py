"""Gradient boosted trees as a head: fitted by XGBoost, walked as arrays of nodes."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from realfake.config import BoostedTreesHead
from realfake.errors import UserError, install
from realfake.labels import LabelSpace
from realfake.models.fitted_heads import UNSEEN, FitSamples, FittedModule


class BoostedTrees(FittedModule):
    """Boosted trees (Chen and Guestrin 2016, https://arxiv.org/abs/1603.02754); logits are the sums of their leaves.

    Each tree is a full binary one of ``depth`` levels: node ``n`` asks ``x[feature] < threshold`` and goes on at
    ``2 n + 1`` if so, else at ``2 n + 2``. Below a leaf that lies higher, all leaves have its value.
    """

    feature: Tensor
    threshold: Tensor
    value: Tensor
    offset: Tensor

    def __init__(self, cfg: BoostedTreesHead, features: int, task: str, space: LabelSpace, *, guided: bool) -> None:
        super().__init__(features, task, space, guided=guided)
        self.cfg = cfg
        self.columns = 1 if self.classes == 2 else self.classes
        trees, inner = cfg.rounds * self.columns, 2**cfg.depth - 1
        self.register_buffer("feature", torch.zeros(trees, inner, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(trees, inner))
        self.register_buffer("value", torch.zeros(trees, inner + 1))
        self.register_buffer("offset", torch.zeros(self.classes))

    def fitted(self, features: Tensor) -> Tensor:
        """Sums of the leaves that a sample comes to; of two classes the first has 0."""
        batch, trees = features.shape[0], len(self.feature)
        node = torch.zeros(batch, trees, dtype=torch.int64, device=features.device)
        first = torch.arange(trees, device=features.device) * self.feature.shape[1]
        asked, threshold = self.feature.flatten(), self.threshold.flatten()
        for _ in range(self.cfg.depth):
            at = (first + node).flatten()
            x = features.gather(1, asked[at].view(batch, trees))
            node = 2 * node + 2 - (x < threshold[at].view(batch, trees)).long()
        leaf = node - self.feature.shape[1] + torch.arange(trees, device=features.device) * self.value.shape[1]
        values = self.value.flatten()[leaf.flatten()].double().view(batch, self.cfg.rounds, self.columns).sum(dim=1)
        if self.classes == 2:
            values = torch.cat([torch.zeros_like(values), values], dim=1)
        return values.float() + self.offset

    def learn(self, samples: FitSamples, target: np.ndarray, seed: int) -> None:
        """Fit; raises :class:`UserError` if XGBoost is not installed."""
        xgboost = require_xgboost()
        data = xgboost.DMatrix(samples.features, label=target)
        options = self.options(seed)
        booster = xgboost.train(options, data, num_boost_round=self._rounds(xgboost, options, data, samples, target))
        self.take(json.loads(bytes(booster.save_raw("json"))))
        missing = ~np.isin(np.arange(self.classes), target)
        self.offset.copy_(torch.from_numpy(np.where(missing, UNSEEN, 0.0)))

    def options(self, seed: int) -> dict[str, Any]:
        """What XGBoost is told."""
        cfg, two = self.cfg, self.classes == 2
        return {
            **({"objective": "binary:logistic"} if two else {"objective": "multi:softprob", "num_class": self.classes}),
            "base_score": 0.5 if two else 0.0,  # a probability of two classes, a logit of more: neither says anything
            "max_depth": cfg.depth,
            "learning_rate": cfg.learning_rate,
            "lambda": cfg.l2,
            "subsample": cfg.subsample,
            "colsample_bytree": cfg.columns,
            "seed": seed,
            "nthread": 1,  # more add up in another order
            "verbosity": 0,
        }

    def _rounds(
        self, xgboost: ModuleType, options: dict[str, Any], data: Any, samples: FitSamples, target: np.ndarray
    ) -> int:
        """How many rounds are best for people who are left out: by AUROC of two classes, else by the log loss."""
        folds = [(stay, out) for stay, out in samples.by_people(self.cfg.folds) if len(np.unique(target[stay])) > 1]
        if not folds:
            return self.cfg.rounds
        ranked = self.classes == 2 and all(len(np.unique(target[out])) == 2 for _, out in folds)
        metric = "auc" if ranked else "logloss" if self.classes == 2 else "mlogloss"
        found = xgboost.cv(
            options, data, num_boost_round=self.cfg.rounds, folds=folds, metrics=metric, as_pandas=False,
            early_stopping_rounds=self.cfg.patience,
        )  # fmt: skip
        return len(found[f"test-{metric}-mean"])

    def take(self, model: dict[str, Any]) -> None:
        """Note the trees of a model as XGBoost writes it in JSON."""
        for buffer in (self.feature, self.threshold, self.value):
            buffer.zero_()
        for number, tree in enumerate(model["learner"]["gradient_booster"]["model"]["trees"]):
            asked, thresholds, values = self._full(tree)
            self.feature[number] = torch.from_numpy(asked)
            self.threshold[number] = torch.from_numpy(thresholds)
            self.value[number] = torch.from_numpy(values)

    def _full(self, tree: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features and thresholds of the inner nodes, and values of the leaves, of a full tree."""
        left, right = tree["left_children"], tree["right_children"]
        inner = 2**self.cfg.depth - 1
        asked, numbers = np.zeros(inner, dtype=np.int64), np.zeros(2 * inner + 1, dtype=np.float32)
        at = [0] * (2 * inner + 1)
        for n in range(2 * inner + 1):
            source = at[n]
            numbers[n] = tree["split_conditions"][source]
            if n >= inner:
                continue
            is_leaf = left[source] == -1
            at[2 * n + 1], at[2 * n + 2] = (source, source) if is_leaf else (left[source], right[source])
            asked[n] = 0 if is_leaf else tree["split_indices"][source]
        return asked, numbers[:inner], numbers[inner:]


def require_xgboost() -> ModuleType:
    """XGBoost; raises :class:`UserError` if it is not installed."""
    try:
        import xgboost
    except ImportError:
        raise UserError(f"head=boosted_trees needs XGBoost, which is not installed: {install('field')}") from None
    module: ModuleType = xgboost
    return module
