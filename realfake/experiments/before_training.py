"""What a run is refused for once its data are known, before its network is built."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from realfake.config import BoostedTreesHead, PairSvmHead, TrainConfig, TrainerConfig
from realfake.errors import UserError
from realfake.labels import told_by

if TYPE_CHECKING:
    from realfake.data.datamodule import ClipDataModule


def check_packages(cfg: TrainConfig) -> None:
    """Raise :class:`UserError` if a package that training alone needs is missing."""
    if isinstance(cfg.head, BoostedTreesHead):
        from realfake.models.boosted_trees import require_xgboost

        require_xgboost()


def check_data(cfg: TrainConfig, data: ClipDataModule, processes: int) -> None:
    """Raise :class:`UserError` if the data lack what a run needs.

    Args:
        cfg: The configuration.
        data: Set up.
        processes: How many share the batches.
    """
    if cfg.auxiliary.pair_ranking is not None:
        data.require_pairs("auxiliary=[pair_ranking]")
    if isinstance(cfg.head, PairSvmHead):
        data.require_pairs("head=pair_svm")
    _check_limits(cfg.trainer, data, processes)


def one_sided(cfg: TrainConfig, data: ClipDataModule) -> list[str]:
    """What has to be said of tasks of which the training part shows one class alone, a sentence each."""
    found, counts = [], data.class_counts()
    for task in told_by(cfg.tasks):
        shown = [name for name, n in zip(cfg.space.names(task), counts[task], strict=True) if n]
        if len(shown) == 1:
            found.append(f"The training part shows one class of {task} alone, {shown[0]}: no other can be learned.")
    return found


def _check_limits(cfg: TrainerConfig, data: ClipDataModule, processes: int) -> None:
    """Refuse a part of an epoch that is less than one batch."""
    for part in () if cfg.fast_dev_run else ("train", "val", "test"):
        key = "overfit_batches" if cfg.overfit_batches and part != "test" else f"limit_{part}_batches"
        limit, batches = getattr(cfg, key), len(data.batches(part, processes=processes))
        if isinstance(limit, float) and limit and int(limit * batches) < 1:
            raise UserError(
                f"trainer.{key}={limit:g}: less than one of the {batches} {part} batches; expected at least "
                f"{math.ceil(1e6 / batches) / 1e6:g}, or a whole number of batches"
            )
