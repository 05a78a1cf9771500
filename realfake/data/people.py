"""Clips of which nobody knows the person: where they are refused, and what has to be said where they are not."""

from __future__ import annotations

from collections.abc import Iterable

from realfake.config import (
    CsvData,
    DataConfig,
    HoldoutSplit,
    OfficialSplit,
    SplitConfig,
    SyntheticData,
    UvaNemoData,
)
from realfake.data.clips import Listing
from realfake.errors import UserError


def check_people(listing: Listing, data: DataConfig, split: SplitConfig | None) -> None:
    """Refuse clips without a person, unless ``data.subjects=each_clip``.

    Without people nothing keeps the clips of one person on one side of a split, and intervals, which resample people,
    mean nothing. Clips that a dataset published without people, in parts of its own, are used as these parts say.

    Args:
        listing: Of the dataset.
        data: Its configuration.
        split: How it will be split; ``None`` = it is tested as a whole.

    Raises:
        UserError: Naming both ways out.
    """
    if isinstance(data, SyntheticData) or data.subjects == "each_clip":
        return
    obeyed = split is None or (split.official if isinstance(split, HoldoutSplit) else isinstance(split, OfficialSplit))
    official = data.parts_without_people and obeyed
    unknown = [c for c in listing.clips if not c.subject and not (official and c.part)]
    if not unknown:
        return
    many = f"{len(unknown)} of {len(listing.clips)} clips name no person, the first: {unknown[0].clip}"
    if isinstance(data, CsvData):
        headings = ", ".join(map(repr, listing.columns))
        way = f"name the column that holds it, data.columns.subject=<heading> (headings: {headings})"
    elif isinstance(data, UvaNemoData):
        way = "give a list of details that says who it is (text or CSV), data.details=<file>"
    elif data.parts_without_people:
        way = "use split=holdout, which obeys the dataset's own parts"
    else:
        way = "list the files with their people in a table (data=csv, columns path and subject)"
    raise UserError(
        f"data={data.name}: {many}; {way}, or count each of them as a person of its own, data.subjects=each_clip"
    )


def people_note(subjects: Iterable[str]) -> str | None:
    """What has to stand beside every figure on clips of unknown people; ``None`` if all are known.

    Args:
        subjects: Person of each clip that is used, empty = unknown.
    """
    names = list(subjects)
    unknown = sum(name == "" for name in names)
    if not unknown:
        return None
    return (
        f"No person is known for {unknown:,} of {len(names):,} clips: each such clip (or pair) counts as a person of "
        "its own, so that one person may be on both sides of a split, and intervals are too narrow if people recur."
    )
