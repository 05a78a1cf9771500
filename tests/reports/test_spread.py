"""The interval that includes training: what the runs of a group differ in decides what it is."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import fake_config, write_run
from rich.console import Console

from realfake.composing.composition import option
from realfake.config import HoldoutSplit, KFoldSplit, LosoSplit, SplitConfig, ThesisSplit, as_plain
from realfake.reports.leaderboard import make_report
from realfake.reports.spread import INCLUDES, Spread, spread
from realfake.scoring.statistics import HOLDS, Interval, t_interval

METRIC = "test/clip/joint_accuracy"


def write(folder: Path, number: int, changes: dict[str, Any]) -> float:
    """A run whose configuration differs from the others' in some keys; its accuracy."""
    config = copy.deepcopy(fake_config())
    for key, value in changes.items():
        group, _, inner = key.rpartition(".")
        (config[group] if group else config)[inner] = value
    words = [f"{key}={value}" for key, value in changes.items() if key != "split"]
    return write_run(folder / f"run{number}", words, config, seed=number)["metrics"][METRIC]


def spread_of(folder: Path, runs: list[dict[str, Any]], pool: tuple[str, ...]) -> tuple[Spread | None, np.ndarray]:
    values = [write(folder, i, changes) for i, changes in enumerate(runs)]
    (group,) = make_report(folder, pool=pool, draws=100).board.groups
    return spread(group, METRIC), np.array(values)


def check(found: Spread | None, expected: Interval, basis: str) -> None:
    """Equal but for rounding: the runs of a group come in the order of their ranking."""
    assert found is not None
    assert (found.interval.value, found.interval.low, found.interval.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert found.basis == basis


def test_folds_count_once_however_many_seeds_they_have(tmp_path: Path) -> None:
    runs = [{"split.fold": fold, "seed": seed} for fold in range(3) for seed in (1, 2)]
    found, values = spread_of(tmp_path, runs, ("seed", "split.fold"))
    # Five folds: one is tested, four are trained on.
    check(found, t_interval(values.reshape(3, 2).mean(axis=1), 1 / 4), "3 splits")


@pytest.mark.parametrize(
    ("split", "ratio"),
    [
        (option(LosoSplit), 1 / 2), (option(HoldoutSplit, test=0.4), 2 / 3), (option(ThesisSplit), 1 / 4),
        (option(KFoldSplit, folds=10), 1 / 9),
    ],
)  # fmt: skip
def test_other_splits_have_other_parts(tmp_path: Path, split: SplitConfig, ratio: float) -> None:
    key = "fold" if split.name == "loso" else "seed"
    runs = [{"split": {**as_plain(split), key: number}} for number in range(3)]
    found, values = spread_of(tmp_path, runs, (f"split.{key}",))
    check(found, t_interval(values, ratio), "3 splits")


def test_seeds_alone_share_all_people(tmp_path: Path) -> None:
    found, values = spread_of(tmp_path, [{"seed": seed} for seed in range(3)], ("seed",))
    check(found, t_interval(values), "3 seeds")


def test_datasets_of_other_people_share_nobody(tmp_path: Path) -> None:
    runs = [{"data.seed": data, "split.fold": fold} for data in range(3) for fold in range(2)]
    found, values = spread_of(tmp_path, runs, ("data.seed", "split.fold"))
    check(found, t_interval(values.reshape(3, 2).mean(axis=1)), "3 datasets")


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    assert spread_of(tmp_path, [{"seed": 1}], ("seed",))[0] is None


def test_runs_of_an_unknown_split_have_none(tmp_path: Path) -> None:
    runs = [{"seed": seed, "split": {"name": "unheard of"}} for seed in range(2)]
    assert spread_of(tmp_path, runs, ("seed",))[0] is None


def test_table_screen_and_page_say_what_their_intervals_hold(tmp_path: Path) -> None:
    values = [write(tmp_path, fold, {"split.fold": fold}) for fold in range(5)]
    report = make_report(tmp_path)
    expected = t_interval(np.array(values), 1 / 4)
    row = pd.read_csv(report.groups).iloc[0]
    assert row["mean over"] == "5 splits"
    assert row[[f"{METRIC} mean low", f"{METRIC} mean high"]].tolist() == pytest.approx([expected.low, expected.high])
    assert row[f"{METRIC} low"] != pytest.approx(expected.low), "the people's interval is another one"
    screen = io.StringIO()
    report.show(Console(file=screen, width=160))
    page = report.page.read_text().replace("&#39;", "'")
    for text in (" ".join(screen.getvalue().split()), page):
        assert HOLDS in text
        assert INCLUDES["splits"] in text
        assert INCLUDES["seeds"] not in text
    assert f"[{expected.low:.3f}, {expected.high:.3f}]" in screen.getvalue()
    assert f"{expected.low:.3f}–{expected.high:.3f} <small>5 splits</small>" in page


def test_no_accuracy_is_said_to_be_negative_or_above_one(tmp_path: Path) -> None:
    found, values = spread_of(tmp_path, [{"seed": 1}, {"seed": 2}], ("seed",))
    beyond = t_interval(values)  # with one degree of freedom
    assert found is not None
    assert (found.interval.low, found.interval.high) == (max(beyond.low, 0.0), min(beyond.high, 1.0))
    assert beyond.low < 0.0 or beyond.high > 1.0
