"""Which people the weights of a network have learned, or have been selected, on: none of them can test it.

A person is a subject of a dataset, however it is spelt; a clip without a subject is known by its file alone. Files
count as well as names, since the same file may lie under another name in another dataset.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from realfake.config import DataConfig, SyntheticData
from realfake.data.sources.listing import person_key

if TYPE_CHECKING:
    import pandas as pd

FILE_DIGITS = 16
"""Hexadecimal digits of a file's sha256 that are remembered: enough to tell a billion files apart."""

Person = tuple[str, str]
"""Dataset, and what all spellings of the subject have in common (:func:`realfake.data.sources.listing.person_key`)."""


class Known(NamedTuple):
    """Someone whom weights have learned."""

    dataset: str
    name: str
    """The subject, or the clip if that has none."""
    clip: str
    """The first clip of this person."""


@dataclass(frozen=True)
class Learned:
    """People and files that weights have learned or have been selected on."""

    people: frozenset[Person] = frozenset()
    files: frozenset[str] = frozenset()
    """First :data:`FILE_DIGITS` digits of the sha256 of each file."""
    unknown: tuple[str, ...] = ()
    """Whatever else is in the weights: a line for each origin whose people are not known."""

    @classmethod
    def of(cls, table: pd.DataFrame, rows: np.ndarray, data: DataConfig) -> Learned:
        """People and files of some clips.

        Args:
            table: Clip table; columns ``dataset``, ``subject`` and ``sha256``.
            rows: (n,) rows of it.
            data: The configuration that the table comes from.
        """
        clips = list(_clips(table, rows, data))
        return cls(
            frozenset(person for _, person, _ in clips if person), frozenset(digits for _, _, digits in clips if digits)
        )

    def __or__(self, other: Learned) -> Learned:
        unknown = dict.fromkeys((*self.unknown, *other.unknown))
        return Learned(self.people | other.people, self.files | other.files, tuple(unknown))

    def among(self, table: pd.DataFrame, rows: np.ndarray, data: DataConfig) -> list[Known]:
        """Who of some clips is known, sorted; a person counts once.

        Args:
            table: Clip table; columns ``clip``, ``dataset``, ``subject`` and ``sha256``.
            rows: (n,) rows of it.
            data: The configuration that the table comes from.
        """
        found: dict[tuple[str, str], Known] = {}
        for row, person, digits in _clips(table, rows, data):
            if person in self.people or digits in self.files:
                dataset, subject, clip = (str(table[c].iloc[row]) for c in ("dataset", "subject", "clip"))
                found.setdefault((dataset, subject or clip), Known(dataset, subject or clip, clip))
        return sorted(found.values())

    def as_plain(self) -> dict[str, Any]:
        """Sorted lists, as they are kept in checkpoints."""
        people: defaultdict[str, list[str]] = defaultdict(list)
        for dataset, subject in sorted(self.people):
            people[dataset].append(subject)
        return {"people": dict(people), "files": sorted(self.files), "unknown": list(self.unknown)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Learned:
        """What :meth:`as_plain` wrote; older checkpoints hold subjects as they were spelt."""
        people = frozenset((dataset, person_key(s)) for dataset, subjects in plain["people"].items() for s in subjects)
        return cls(people, frozenset(plain["files"]), tuple(plain["unknown"]))


def _clips(table: pd.DataFrame, rows: np.ndarray, data: DataConfig) -> Iterable[tuple[int, Person | None, str]]:
    """Row, person (``None`` = not known) and digits of the file (empty = not known) of each clip."""
    columns = ("dataset", "subject", "sha256")
    dataset, subject, sha256 = (table[c].fillna("").astype(str).to_numpy(object)[rows] for c in columns)
    for row, d, s, digits in zip(rows.tolist(), dataset, subject, sha256, strict=True):
        yield row, _person(d, s, data) if s else None, digits[:FILE_DIGITS]


def _person(dataset: str, subject: str, data: DataConfig) -> Person:
    if not isinstance(data, SyntheticData):
        return dataset, person_key(subject)
    from realfake.data.synthetic import GENERATOR_VERSION

    # Seed and number alone decide who is drawn; the number has more zeros in front where there are more people.
    number = re.search(r"[1-9]\d*", subject)
    return f"{dataset} {GENERATOR_VERSION}, seed {data.seed}", number[0] if number else subject
