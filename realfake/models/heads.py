"""Heads: what turns a backbone's features into the logits of one task."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from realfake.config import HeadConfig, LinearHead, MlpHead


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
