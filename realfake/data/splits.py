"""Which clips train, validate and test: always whole subjects, and never one file in two parts.

Clips are first joined into groups that have to stay together: those of one subject, of one pair, and identical files.
A clip of which nothing is known is a group of its own. Groups are sorted by name before anything is drawn, so that
the order of the table does not matter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

import numpy as np

from realfake.config import (
    HoldoutSplit,
    KFoldSplit,
    LosoSplit,
    SplitConfig,
    ThesisSplit,
    check_enough,
    check_groups,
)
from realfake.data.clips import PARTS
from realfake.errors import UserError
from realfake.labels import ABSENT, AUTHENTICITIES

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

UNUSED = ""
"""Part of a clip that is left out: it belongs to an official part whose labels were never published."""

_ATTEMPTS = 200
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
    parts = np.full(len(table), UNUSED, dtype="<U5")
    if isinstance(split, HoldoutSplit) and split.official and (table["part"] != "").any():
        parts = _official(table, groups, counts, split)
    elif isinstance(split, KFoldSplit) and split.official and (table["fold"] >= 0).any():
        parts = _official_folds(table, groups, counts, split)
    else:
        _require(check_groups, split, len(names))
        every = np.arange(len(names))
        if isinstance(split, HoldoutSplit):
            test = _draw(every, counts, split.test, [split.seed, 0], reserve=2)
        elif isinstance(split, ThesisSplit):
            test = _draw(every, counts, _THESIS_TEST, [split.seed, 0], reserve=2)
        elif isinstance(split, KFoldSplit):
            folds = balanced_folds(counts, split.folds, split.seed)
            test = every[folds == split.fold]
        elif isinstance(split, LosoSplit):
            test = every[[split.fold]]
        else:
            assert_never(split)
        rest = np.setdiff1d(every, test)
        val = _draw(rest, counts, split.val, [split.seed, 1, _fold_of(split)], reserve=1)
        of_group = np.full(len(names), "train", dtype="<U5")
        of_group[test], of_group[val] = "test", "val"
        parts = of_group[groups]
    _check(table, parts)
    return parts


def tested_share(split: SplitConfig, subjects: int) -> float:
    """Part of the subjects that a split tests, as it is meant: rounding to whole people, and official parts, apart.

    Args:
        split: The group ``split`` of the configuration.
        subjects: How many there are.
    """
    if isinstance(split, KFoldSplit):
        return 1.0 / split.folds
    if isinstance(split, LosoSplit):
        return 1.0 / subjects
    return split.test if isinstance(split, HoldoutSplit) else _THESIS_TEST


def check_split(table: pd.DataFrame, split: SplitConfig) -> None:
    """Refuse a split of a listing, before any video is opened, that no outcome of preparation could make possible.

    Preparation may leave clips out and join those of equal files, so that groups only become fewer.

    Raises:
        UserError: If there are too few subjects or folds.
    """
    if isinstance(split, HoldoutSplit) and split.official and (table["part"] != "").any():
        return
    if isinstance(split, KFoldSplit) and split.official and (table["fold"] >= 0).any():
        _official_numbers(table, split)
        return
    _require(check_groups, split, len(group_clips(table)[1]))


def leaks(table: pd.DataFrame, parts: np.ndarray) -> list[str]:
    """One line for each subject, pair and file that lies in more than one part; empty if the split is clean."""
    found: list[str] = []
    used = parts != UNUSED
    for what, key in _keys(table).items():
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


def group_clips(table: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Join the clips that have to stay together.

    Returns:
        Group of each row (rows,), int64, and the name of each group; groups are numbered in the order of their names.
    """
    label = np.arange(len(table))
    keys = [key for key in _keys(table).values() if (key >= 0).any()]
    changed = True
    while changed:  # the smallest row number spreads through every key that rows share
        before = label.copy()
        for key in keys:
            known = key >= 0
            smallest = np.full(int(key.max()) + 1, len(table))
            np.minimum.at(smallest, key[known], label[known])
            label[known] = smallest[key[known]]
        changed = bool((label != before).any())
    subject, clip = table["subject"].to_numpy(object), table["clip"].to_numpy(object)
    dataset = table["dataset"].to_numpy(object)
    row_names = [f"{d}\0{s}" if s else f"{d}\0\0{c}" for d, s, c in zip(dataset, subject, clip, strict=True)]
    name_of: dict[int, str] = {}
    for i, name in zip(label.tolist(), row_names, strict=True):
        if i not in name_of or name < name_of[i]:
            name_of[i] = name
    order = sorted(name_of, key=lambda i: name_of[i])
    number = np.full(len(table) + 1, -1)
    number[order] = np.arange(len(order))
    return number[label], [name_of[i] for i in order]


def class_counts(table: pd.DataFrame, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Clips of each class in each group (groups, classes), float64; absent labels make classes of their own."""
    emotion, authenticity = table["emotion"].to_numpy(int), table["authenticity"].to_numpy(int)
    emotions = int(emotion.max(initial=ABSENT)) + 1 - ABSENT
    classes = (authenticity - ABSENT) * emotions + (emotion - ABSENT)
    counts = np.zeros((n_groups, (len(AUTHENTICITIES) + 1) * emotions))
    np.add.at(counts, (groups, classes), 1.0)
    return counts[:, counts.any(axis=0)]


def balanced_folds(counts: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Share groups out so that every fold has about the same number of clips of every class.

    The largest groups go first, each to the fold that has the fewest clips of the group's classes; equally large ones
    come in a random order.

    Args:
        counts: Clips of each class in each group (groups, classes).
        folds: Number of folds, at most the number of groups.
        seed: Of the order.

    Returns:
        Fold of each group (groups,), int64; no fold is empty.
    """
    rng = np.random.default_rng([seed, 2])
    shuffled = rng.permutation(len(counts))
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    share = counts / np.maximum(counts.sum(axis=0), 1.0)
    filled = np.zeros((folds, counts.shape[1]))
    members = np.zeros(folds)
    result = np.zeros(len(counts), dtype=np.int64)
    for position, group in enumerate(order):
        cost = filled @ share[group]
        empty = members == 0
        if empty.sum() >= len(order) - position:  # only just enough groups are left
            cost = np.where(empty, cost, np.inf)
        best = np.lexsort((members, filled.sum(axis=1).round(12), cost.round(12)))[0]
        result[group] = best
        filled[best] += share[group]
        members[best] += 1
    return result


def _official(table: pd.DataFrame, groups: np.ndarray, counts: np.ndarray, split: HoldoutSplit) -> np.ndarray:
    """The dataset's own parts; a missing one is carved from the training subjects. No part named = training."""
    parts = table["part"].to_numpy(str).astype("<U5")
    parts[parts == ""] = "train"
    labelled = table["authenticity"].to_numpy(int) != ABSENT
    for part in ("val", "test"):
        members = parts == part
        if members.any() and labelled.any() and not labelled[members].any():
            log.warning("the official %s part has no authenticity labels: it is left out, and one is carved", part)
            parts[members] = UNUSED
    if not (parts == "train").any():
        raise UserError("split.official=true: the dataset's own parts have no training part; use split.official=false")
    for salt, (part, fraction) in enumerate((("test", split.test), ("val", split.val))):
        if (parts == part).any():
            continue
        # A group that is partly elsewhere stays whole: moving it would tear it apart.
        candidates = np.setdiff1d(groups[parts == "train"], groups[parts != "train"])
        _require(check_enough, split, len(candidates) + (part == "val"))
        chosen = _draw(candidates, counts, fraction, [split.seed, salt], reserve=2 if part == "test" else 1)
        parts[np.isin(groups, chosen)] = part
    return parts


def _official_folds(table: pd.DataFrame, groups: np.ndarray, counts: np.ndarray, split: KFoldSplit) -> np.ndarray:
    """The dataset's own folds; a clip in none of them always trains."""
    fold, numbers = table["fold"].to_numpy(int), _official_numbers(table, split)
    parts = np.where(fold == numbers[split.fold], "test", "train").astype("<U5")
    candidates = np.setdiff1d(groups[parts == "train"], groups[parts == "test"])
    _require(check_enough, split, len(candidates) + 1)
    val = _draw(candidates, counts, split.val, [split.seed, 1, split.fold], reserve=1)
    parts[np.isin(groups, val)] = "val"
    return parts


def _official_numbers(table: pd.DataFrame, split: KFoldSplit) -> np.ndarray:
    """Numbers of the dataset's own folds, rising; raises :class:`UserError` if they are not as many as asked for."""
    fold = table["fold"].to_numpy(int)
    numbers = np.unique(fold[fold >= 0])
    if len(numbers) != split.folds:
        raise UserError(
            f"split.folds={split.folds}: the dataset has {len(numbers)} official folds; use "
            f"split.folds={len(numbers)}, or split.official=false"
        )
    return numbers


def _draw(groups: np.ndarray, counts: np.ndarray, fraction: float, seed: list[int], reserve: int) -> np.ndarray:
    """Draw a fraction of the groups, at least one, such that at least ``reserve`` stay and have every class.

    Further draws are tried while a class would be left with none; the best one is taken.
    """
    take = min(max(1, round(fraction * len(groups))), len(groups) - reserve)
    present = counts[groups].any(axis=0)
    rng = np.random.default_rng(seed)
    best, fewest = groups[:take], np.inf
    for _ in range(_ATTEMPTS):
        order = rng.permutation(len(groups))
        missing = int((present & ~counts[groups[order[take:]]].any(axis=0)).sum())
        if missing < fewest:
            best, fewest = groups[order[:take]], missing
        if missing == 0:
            break
    return np.sort(best)


def _require(check: Callable[[SplitConfig, int], None], split: SplitConfig, count: int) -> None:
    try:
        check(split, count)
    except ValueError as error:
        raise UserError(str(error)) from None


def _fold_of(split: SplitConfig) -> int:
    return split.fold if isinstance(split, KFoldSplit | LosoSplit) else 0


def _keys(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """What clips can share, as a number per row (rows,); -1 = nothing known."""
    import pandas as pd

    keys: dict[str, np.ndarray] = {}
    for column in ("subject", "pair", "sha256"):
        if column not in table.columns:
            continue
        value = table[column].fillna("").astype(str)
        # Two datasets may both have a subject "1"; the bytes of a file are the same everywhere.
        full = value if column == "sha256" else table["dataset"].astype(str) + "\0" + value
        codes = pd.factorize(full)[0]
        keys[column] = np.where((value == "").to_numpy(bool), -1, codes)
    return keys


def _check(table: pd.DataFrame, parts: np.ndarray) -> None:
    found = leaks(table, parts)
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise UserError(f"the dataset's own parts leak: {found[0]}{more}; correct them, or use split.official=false")
    train, known = parts == "train", table["authenticity"].to_numpy(int) != ABSENT
    emotion, authenticity = table["emotion"].to_numpy(int), table["authenticity"].to_numpy(int)
    label = authenticity * (emotion.max(initial=0) + 1) + emotion
    missing = np.setdiff1d(label[known & (emotion != ABSENT) & (parts != UNUSED)], label[train])
    if len(missing):
        log.warning("%d of the classes have no training clip: there are too few subjects that show them", len(missing))
