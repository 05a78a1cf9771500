"""What ``run.log`` tells of a run from its beginning to its end; the screen has progress bars and a table instead."""

from __future__ import annotations

import logging
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.config import TrainConfig
from realfake.files import STORY
from realfake.runs.folder import RunFolder
from realfake.runs.results import git_commit, versions
from realfake.scoring.metric_table import REPORTED, main_metrics
from realfake.scoring.wording import not_selected

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.data.datamodule import ClipDataModule

log = logging.getLogger(STORY)
"""Whoever logs to a screen leaves out what this logger says: :class:`realfake.files.WithoutStory`."""


def tell_beginning(cfg: TrainConfig, run: RunFolder, device: str) -> None:
    """The command, where it was given, and what computes."""
    log.info("realfake train %s", shlex.join(run.overrides()))
    log.info("in %s; code %s; %s", Path.cwd(), git_commit() or "of no repository", _listed(versions(), " "))
    log.info("%s; precision %s, seed %d", device, cfg.precision.name, cfg.seed)


def tell_data(data: ClipDataModule) -> None:
    """How many clips of how many people each part has, and which streams are looked at."""
    store = data.opened()
    subjects = store.table["subject"].to_numpy(object)
    parts = (
        f"{part}: clips {len(samples.rows)}, people {len(set(subjects[samples.rows]))}"
        for part, samples in data.sets.items()
    )
    log.info("data %s, fingerprint %s; %s", data.data.title, store.fingerprint, "; ".join(parts))
    log.info("streams: %s", ", ".join(data.spec.names))


def tell_network(cfg: TrainConfig, module: ApproachModule) -> None:
    """Approach, network and its parameters."""
    every = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    log.info("approach %s, backbone %s: %s parameters, %s trained", cfg.approach.name, cfg.backbone.name,
             f"{every:,}", f"{trained:,}")  # fmt: skip
    if cfg.fits_only:
        log.info("head=%s is fitted once on a frozen backbone: one epoch, in which optimizer, scheduler and trainer."
                 "max_epochs have no say; loss is what is measured alone", cfg.head.name)  # fmt: skip


def tell_epoch(row: Mapping[str, float], metric: str | None) -> None:
    """Losses, main validation figures and time of an epoch.

    Args:
        row: Of ``metrics.csv``.
        metric: By which the best epoch is selected.
    """
    usual = ("train/frame/loss", "val/frame/loss", *(f"val/clip/{m}" for m in main_metrics()))
    names = dict.fromkeys((*usual, metric or usual[0]))
    shown = {name: row[name] for name in names if name in row and math.isfinite(row[name])}
    figures = {name: f"{value:.3f}" for name, value in shown.items()}
    log.info("epoch %d: %s, lr %.3g, %.1f s", row["epoch"], _listed(figures, " "), row["lr"], row["seconds"])


def tell_results(results: Mapping[str, Any]) -> None:
    """What was selected, by what, and what testing measured."""
    if words := not_selected(results):
        log.warning(words)
    else:
        log.info("best epoch %s of %s by %s", results["best_epoch"], results["epochs"], results["optimized_metric"])
    metrics, intervals = results["metrics"], results.get("intervals", {})
    for name in REPORTED:
        value = metrics.get(f"test/clip/{name}")
        if value is not None and math.isfinite(value):
            low, high = intervals.get(f"test/clip/{name}", (math.nan, math.nan))
            log.info("test/clip/%s %.3f%s", name, value, f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) else "")
    seconds = {name: f"{value:.1f}" for name, value in results["seconds"].items()}
    log.info("seconds: %s", _listed(seconds, " "))


def _listed(pairs: Mapping[str, str], between: str) -> str:
    return ", ".join(f"{key}{between}{value}" for key, value in pairs.items())
