"""The parts and folds that a dataset itself declares, as the test part of a split."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from realfake.config import HoldoutSplit, KFoldSplit, LosoSplit, OfficialSplit, SplitConfig, check_enough
from realfake.config.split_options import DECLARES_NONE
from realfake.data.clips import UNUSED
from realfake.data.grouping import draw
from realfake.errors import UserError
from realfake.labels import ABSENT

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def declared_parts(
    table: pd.DataFrame, groups: np.ndarray, counts: np.ndarray, split: SplitConfig
) -> np.ndarray | None:
    """Part of each clip (rows,) as the dataset itself declares it; ``None`` if the split draws.

    Args:
        table: Clip table, see :func:`realfake.data.splits.assign_parts`.
        groups: Group of each row (rows,).
        counts: Clips of each class in each group.
        split: The group ``split`` of the configuration.

    Raises:
        UserError: If the split asks for what the dataset does not declare.
    """
    own = _own_column(table, split)
    if own == "fold":
        return _by_folds(table, groups, counts, split)
    return _by_parts(table, groups, counts, split) if own else None


def check_declared(table: pd.DataFrame, split: SplitConfig) -> bool:
    """Whether the dataset itself declares what the split takes; raises as :func:`declared_parts` does."""
    own = _own_column(table, split)
    if own == "fold":
        _tested_fold(table, split)
    elif own and isinstance(split, OfficialSplit):
        _require_declared(table)
    return bool(own)


def _own_column(table: pd.DataFrame, split: SplitConfig) -> Literal["part", "fold", ""]:
    """Which column of the dataset's own says who is tested; empty if the split draws."""
    if isinstance(split, HoldoutSplit):
        return "part" if split.official and (table["part"] != "").any() else ""
    if isinstance(split, KFoldSplit):
        return "fold" if split.official and split.by == "balance" and (table["fold"] >= 0).any() else ""
    if not isinstance(split, OfficialSplit):
        return ""
    parts, folds = (table["part"] != "").any(), (table["fold"] >= 0).any()
    if split.fold is None and folds and not parts:
        count = len(_fold_numbers(table))
        raise UserError(
            f"split=official: the dataset has {count} folds; expected one of them, split.fold=0 to {count - 1}"
        )
    if split.fold is not None and parts and not folds:
        raise UserError(f"split.fold={split.fold}: the dataset has parts and no folds; expected split.fold=null")
    if not (parts or folds):
        raise UserError(f"split=official: the dataset {DECLARES_NONE}")
    return "part" if split.fold is None else "fold"


def _require_declared(table: pd.DataFrame) -> None:
    """Raise :class:`UserError` unless the dataset itself says who is tested, and what is true of them."""
    test = (table["part"] == "test").to_numpy()
    if not test.any():
        raise UserError("split=official: the dataset declares no test part; expected split=holdout, which carves one")
    if not (table["authenticity"].to_numpy(int)[test] != ABSENT).any():
        raise UserError(
            "split=official: no authenticity is known in the dataset's own test part; expected a list of its labels "
            "beside it, or split=holdout, which carves another"
        )


def _by_parts(table: pd.DataFrame, groups: np.ndarray, counts: np.ndarray, split: SplitConfig) -> np.ndarray:
    """The dataset's own parts; a missing one is carved from the training subjects. No part named = training."""
    if isinstance(split, OfficialSplit):
        _require_declared(table)
    parts = table["part"].to_numpy(str).astype("<U5")
    parts[parts == ""] = "train"
    labelled = table["authenticity"].to_numpy(int) != ABSENT
    for part in ("val", "test"):
        members = parts == part
        if members.any() and labelled.any() and not labelled[members].any():
            log.warning("the official %s part has no authenticity labels: it is left out, and one is carved", part)
            parts[members] = UNUSED
    if not (parts == "train").any():
        raise UserError(f"split={split.name}: the dataset's own parts have no training part; {instead(split)}")
    for salt, part in enumerate(("test", "val")):
        if (parts == part).any():
            continue
        fraction = split.test if part == "test" and isinstance(split, HoldoutSplit) else split.val
        # A group that is partly elsewhere stays whole: moving it would tear it apart.
        candidates = np.setdiff1d(groups[parts == "train"], groups[parts != "train"])
        require(check_enough, split, len(candidates) + (part == "val"))
        chosen = draw(candidates, counts, fraction, [split.seed, salt], reserve=2 if part == "test" else 1)
        parts[np.isin(groups, chosen)] = part
    return parts


def _by_folds(table: pd.DataFrame, groups: np.ndarray, counts: np.ndarray, split: SplitConfig) -> np.ndarray:
    """The dataset's own folds; a clip in none of them always trains."""
    parts = np.where(table["fold"].to_numpy(int) == _tested_fold(table, split), "test", "train").astype("<U5")
    candidates = np.setdiff1d(groups[parts == "train"], groups[parts == "test"])
    require(check_enough, split, len(candidates) + 1)
    val = draw(candidates, counts, split.val, [split.seed, 1, fold_of(split)], reserve=1)
    parts[np.isin(groups, val)] = "val"
    return parts


def _fold_numbers(table: pd.DataFrame) -> np.ndarray:
    """Numbers of the dataset's own folds, rising."""
    fold = table["fold"].to_numpy(int)
    return np.unique(fold[fold >= 0])


def _tested_fold(table: pd.DataFrame, split: SplitConfig) -> int:
    """Number of the fold that is tested; raises :class:`UserError` if the dataset's own are others than asked for."""
    numbers, fold = _fold_numbers(table), fold_of(split)
    if isinstance(split, KFoldSplit) and len(numbers) != split.folds:
        raise UserError(
            f"split.folds={split.folds}: the dataset has {len(numbers)} official folds; use "
            f"split.folds={len(numbers)}, or split.official=false"
        )
    if fold >= len(numbers):
        raise UserError(f"split.fold={fold}: expected 0 to {len(numbers) - 1}, the dataset's own folds")
    return int(numbers[fold])


def require(check: Callable[[SplitConfig, int], None], split: SplitConfig, count: int) -> None:
    """A check of the configuration, as what a user did wrong."""
    try:
        check(split, count)
    except ValueError as error:
        raise UserError(str(error)) from None


def fold_of(split: SplitConfig) -> int:
    """Which fold is tested; 0 of a split that has none."""
    return (split.fold or 0) if isinstance(split, KFoldSplit | LosoSplit | OfficialSplit) else 0


def instead(split: SplitConfig) -> str:
    """How to do without the dataset's own parts."""
    return "use split=kfold split.official=false" if isinstance(split, OfficialSplit) else "use split.official=false"
