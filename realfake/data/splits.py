"""Which clips train, validate and test: always whole subjects, and never one file in two parts.

What has to stay together is said in :mod:`realfake.data.grouping`, what a dataset itself declares is taken in
:mod:`realfake.data.official`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

import numpy as np

from realfake.config import (
    HoldoutSplit,
    KFoldSplit,
    LosoSplit,
    OfficialSplit,
    SplitConfig,
    ThesisSplit,
    check_groups,
)
from realfake.data.clips import PARTS, UNUSED
from realfake.data.grouping import balanced_folds, class_counts, draw, group_clips, numbered_folds, shared_keys
from realfake.data.official import check_declared, declared_parts, fold_of, instead, require
from realfake.errors import UserError
from realfake.labels import ABSENT

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_THESIS_TEST = 0.2


def assign_parts(table: pd.DataFrame, split: SplitConfig) -> np.ndarray:
    """Assign every clip to a part.

    Args:
        table: Clip table; columns ``clip``, ``dataset``, ``subject``, ``pair``, ``emotion``, ``authenticity``,
            ``part``, ``fold``, and ``sha256`` where files have been hashed.
        split: The group ``split`` of the configuration.

    Returns:
        Array (rows,) of ``train``, ``val``, ``test``, or :data:`UNUSED`.

    Raises:
        UserError: If there are too few subjects, if the fold does not exist, or if the dataset's own parts put a
            subject, a pair or a file into two parts.
    """
    groups, names = group_clips(table)
    counts = class_counts(table, groups, len(names))
    parts = declared_parts(table, groups, counts, split)
    if parts is None:
        require(check_groups, split, len(names))
        every = np.arange(len(names))
        if isinstance(split, HoldoutSplit):
            test = draw(every, counts, split.test, [split.seed, 0], reserve=2)
        elif isinstance(split, ThesisSplit):
            test = draw(every, counts, _THESIS_TEST, [split.seed, 0], reserve=2)
        elif isinstance(split, KFoldSplit):
            test = every[_folds(counts, names, split) == split.fold]
        elif isinstance(split, LosoSplit):
            test = every[[split.fold]]
        elif isinstance(split, OfficialSplit):
            raise AssertionError("a dataset without parts and folds is refused above")
        else:
            assert_never(split)
        rest = np.setdiff1d(every, test)
        val = draw(rest, counts, split.val, [split.seed, 1, fold_of(split)], reserve=1)
        of_group = np.full(len(names), "train", dtype="<U5")
        of_group[test], of_group[val] = "test", "val"
        parts = of_group[groups]
    _check(table, parts, split)
    return parts


def tested_share(split: SplitConfig, subjects: int) -> float:
    """Part of the subjects that a split tests, as it is meant: rounding to whole people, and official parts, apart.

    Args:
        split: The group ``split`` of the configuration.
        subjects: How many there are.
    """
    if isinstance(split, KFoldSplit):
        return 1.0 / split.folds
    if isinstance(split, LosoSplit | OfficialSplit):
        return 1.0 / subjects
    return split.test if isinstance(split, HoldoutSplit) else _THESIS_TEST


def check_split(table: pd.DataFrame, split: SplitConfig) -> None:
    """Refuse a split of a listing, before any video is opened, that no outcome of preparation could make possible.

    Preparation may leave clips out and join those of equal files, so that groups only become fewer.

    Raises:
        UserError: If there are too few subjects or folds, or the dataset does not declare what is asked for.
    """
    if check_declared(table, split):
        return
    names = group_clips(table)[1]
    require(check_groups, split, len(names))
    if isinstance(split, KFoldSplit) and split.by == "subject_number":
        numbered_folds(names, split.folds)


def leaks(table: pd.DataFrame, parts: np.ndarray) -> list[str]:
    """One line for each subject, pair and file that lies in more than one part; empty if the split is clean."""
    found: list[str] = []
    used = parts != UNUSED
    for what, key in shared_keys(table).items():
        rows = np.flatnonzero(used & (key >= 0))
        order = rows[np.lexsort((parts[rows], key[rows]))]
        torn = np.unique(key[order][1:][(key[order][1:] == key[order][:-1]) & (parts[order][1:] != parts[order][:-1])])
        first, last = np.searchsorted(key[order], torn), np.searchsorted(key[order], torn, side="right")
        for a, b in zip(first, last, strict=True):
            members = order[a:b]
            where = [p for p in PARTS if (parts[members] == p).any()]
            value = table[what].iloc[members[0]]
            example = " and ".join(str(table["clip"].iloc[members[parts[members] == p][0]]) for p in where)
            found.append(f"{what} {value!r} is in {' and '.join(where)} ({example})")
    return sorted(found)


def _folds(counts: np.ndarray, names: Sequence[str], split: KFoldSplit) -> np.ndarray:
    """Fold of each group (groups,)."""
    if split.by == "subject_number":
        return numbered_folds(names, split.folds)
    return balanced_folds(counts, split.folds, split.seed)


def _check(table: pd.DataFrame, parts: np.ndarray, split: SplitConfig) -> None:
    found = leaks(table, parts)
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise UserError(f"the dataset's own parts leak: {found[0]}{more}; correct them, or {instead(split)}")
    train, known = parts == "train", table["authenticity"].to_numpy(int) != ABSENT
    emotion, authenticity = table["emotion"].to_numpy(int), table["authenticity"].to_numpy(int)
    label = authenticity * (emotion.max(initial=0) + 1) + emotion
    missing = np.setdiff1d(label[known & (emotion != ABSENT) & (parts != UNUSED)], label[train])
    if len(missing):
        log.warning("%d of the classes have no training clip: there are too few subjects that show them", len(missing))
