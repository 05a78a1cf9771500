"""Clips that have to stay together, and how groups of them are shared out or drawn.

Clips are first joined into groups: those of one subject, of one pair, and identical files. A clip of which nothing is
known is a group of its own. Groups are sorted by name before anything is drawn, so that the order of the table does not
matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from realfake.errors import UserError
from realfake.labels import ABSENT, AUTHENTICITIES

if TYPE_CHECKING:
    import pandas as pd

_ATTEMPTS = 200


def group_clips(table: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Join the clips that have to stay together.

    Returns:
        Group of each row (rows,), int64, and the name of each group; groups are numbered in the order of their names.
    """
    label = np.arange(len(table))
    keys = [key for key in shared_keys(table).values() if (key >= 0).any()]
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


def numbered_folds(names: Sequence[str], folds: int) -> np.ndarray:
    """Share groups out by the remainder of their subjects' numbers, as Saxen et al. (ICCVW 2017) did.

    Args:
        names: Of the groups, which end with a subject's name.
        folds: By which the numbers are divided.

    Returns:
        Fold of each group (groups,), int64.

    Raises:
        UserError: If a subject has no number in its name, or several, or a fold remains empty.
    """
    numbers = []
    for name in names:
        subject = name.split("\0")[1]  # empty where nobody is known
        found = re.findall(r"\d+", subject)
        if len(found) != 1:
            raise UserError(
                f"split.by=subject_number: {subject!r} has {'several' if found else 'no'} numbers; expected "
                "subjects named by one each, or split.by=balance"
            )
        numbers.append(int(found[0]) % folds)
    result = np.array(numbers, dtype=np.int64)
    if len(empty := np.setdiff1d(np.arange(folds), result)):
        raise UserError(
            f"split.folds={folds}: no subject's number has the remainder {empty[0]}; expected fewer folds, or "
            "split.by=balance"
        )
    return result


def draw(groups: np.ndarray, counts: np.ndarray, fraction: float, seed: list[int], reserve: int) -> np.ndarray:
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


def shared_keys(table: pd.DataFrame) -> dict[str, np.ndarray]:
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
