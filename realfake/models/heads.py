"""Heads: what turns a backbone's features into the logits of one task."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from realfake.config import (
    BoostedTreesHead,
    FittedHead,
    HeadConfig,
    LinearHead,
    LinearSvmHead,
    LogisticHead,
    MlpHead,
    PairSvmHead,
)
from realfake.labels import LabelSpace
from realfake.models.fitted_heads import FittedModule, LinearSvm, Logistic, PerEmotion
from realfake.models.pair_svm import PairSvm


def build_head(cfg: HeadConfig, features: int, classes: int) -> nn.Module:
    """Make one task's head; it maps ``(B, features)`` to logits ``(B, classes)``.

    The keys of its state dict do not depend on dropout or the number of layers before: ``hidden0.weight``,
    ``norm0.weight``, …, ``output.weight``.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if isinstance(cfg, LinearHead):
        if cfg.dropout:
            layers["dropout"] = nn.Dropout(cfg.dropout)
    elif isinstance(cfg, MlpHead):
        for i, size in enumerate(cfg.hidden):
            layers[f"hidden{i}"] = nn.Linear(features, size)
            if cfg.batch_norm:
                layers[f"norm{i}"] = nn.BatchNorm1d(size)
            layers[f"relu{i}"] = nn.ReLU()
            if cfg.dropout:
                layers[f"dropout{i}"] = nn.Dropout(cfg.dropout)
            features = size
    else:
        raise ValueError(f"head={cfg}: no such head")
    layers["output"] = nn.Linear(features, classes)
    return nn.Sequential(layers)


def build_fitted_head(cfg: FittedHead, features: int, task: str, space: LabelSpace, *, guided: bool) -> FittedModule:
    """Make one task's head that is fitted on features, see :class:`FittedModule`.

    Args:
        cfg: The group ``head``.
        features: Length of the feature vector.
        task: What it tells.
        space: The classes.
        guided: Whether what is below is trained.
    """
    if cfg.per_emotion and task == "joint":

        def build(of: str) -> FittedModule:
            return build_fitted_head(cfg, features, of, space, guided=False)

        return PerEmotion(build, features, space, guided=guided)
    if isinstance(cfg, LogisticHead):
        return Logistic(cfg, features, task, space, guided=guided)
    if isinstance(cfg, PairSvmHead) and task == "authenticity":
        return PairSvm(cfg, features, task, space, guided=guided)
    if isinstance(cfg, LinearSvmHead | PairSvmHead):
        return LinearSvm(cfg, features, task, space, guided=guided)
    if isinstance(cfg, BoostedTreesHead):
        from realfake.models.boosted_trees import BoostedTrees

        return BoostedTrees(cfg, features, task, space, guided=guided)
    raise ValueError(f"head={cfg}: no such learner")
