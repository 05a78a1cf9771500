"""Whom weights have learned: people by dataset and subject, or by their files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from realfake.composing.composition import option
from realfake.config import CsvData, SyntheticData
from realfake.data.learned import Learned

CSV = option(CsvData)
ROWS = np.arange(4)


def table(dataset: str = "a", subjects: Sequence[str] = "1122", files: str = "abcd") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip": [f"{s}/{f}" for s, f in zip(subjects, files, strict=True)],
            "dataset": dataset,
            "subject": [s.strip() for s in subjects],
            "sha256": [f * 64 if f != "-" else "" for f in files],
        }
    )


LEARNED = Learned.of(table(), ROWS, CSV)


@pytest.mark.parametrize(
    ("tested", "names"),
    [
        (table(files="efgh"), ["1", "2"]),  # other files of the same people
        (table(subjects="3345", files="efgh"), []),
        (table(subjects=["01", "1.0", "3", "002"], files="efgh"), ["002", "01", "1.0"]),  # as other programs write them
        (table("b", files="efgh"), []),  # another dataset has its own subject 1
        (table("b", "3345", "efga"), ["5"]),  # a file under another name
        (table("b", "    ", "efga"), [" /a"]),  # nobody knows who it is
        (table(subjects="    ", files="----"), []),  # nothing is known of them
        (table(subjects="3111", files="----"), ["1"]),  # a person counts once
    ],
)
def test_who_is_known(tested: pd.DataFrame, names: list[str]) -> None:
    assert [known.name for known in LEARNED.among(tested, ROWS, CSV)] == names


def test_only_the_rows_count() -> None:
    assert Learned.of(table(), ROWS[:2], CSV) | Learned.of(table(), ROWS[2:], CSV) == LEARNED
    assert [k.name for k in Learned.of(table(), ROWS[:2], CSV).among(table(), ROWS, CSV)] == ["1"]
    assert not Learned.of(table(), ROWS[:2], CSV).among(table(), ROWS[2:], CSV)


def test_it_is_kept_as_plain_values() -> None:
    learned = LEARNED | Learned.of(table("b", "  34"), ROWS, CSV) | Learned(unknown=("x.pth",))
    plain = learned.as_plain()
    assert plain["people"] == {"a": ["1", "2"], "b": ["3", "4"]}
    assert plain["unknown"] == ["x.pth"]
    assert Learned.from_plain(plain) == learned


def test_older_checkpoints_hold_people_as_they_were_spelt() -> None:
    older = Learned.from_plain({"people": {"a": ["01", "VP 2"]}, "files": [], "unknown": []})
    tested = table(subjects=["1", "vp2", "VP_02", "vp 3"], files="----")
    assert [known.name for known in older.among(tested, ROWS, CSV)] == ["1", "VP_02", "vp2"]
    assert Learned.from_plain(older.as_plain()) == older


def drawn(subjects: list[str], seed: int, seconds: float = 1.0) -> tuple[pd.DataFrame, np.ndarray, SyntheticData]:
    data = option(SyntheticData, seed=seed, seconds=seconds)
    files = [f"{seed} {seconds} {s}" for s in subjects]
    clips = pd.DataFrame({"clip": subjects, "dataset": "synthetic", "subject": subjects, "sha256": files})
    return clips, np.arange(len(subjects)), data


def test_the_seed_decides_who_is_drawn() -> None:
    """A film of another length shows the same drawn people; with more people their numbers have more digits."""
    learned = Learned.of(*drawn(["subject 01", "subject_02"], seed=0))
    assert [k.name for k in learned.among(*drawn(["subject 001", "subject_003"], seed=0, seconds=2.0))] == [
        "subject 001"
    ]
    assert learned.among(*drawn(["subject 01", "subject_02"], seed=1)) == []
