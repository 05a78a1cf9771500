"""What the best test epoch would have claimed stands beside what runs report, wherever that was measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from fake_runs import fake_config, write_run
from rich.console import Console

from realfake.comparison import comparison_page
from realfake.comparison.comparing import compare_runs
from realfake.reports.leaderboard import make_report
from realfake.reports.run_page import write_run_page
from realfake.runs.folder import RunFolder


def told(optimism: float) -> dict[str, dict[str, float]]:
    return {"joint_accuracy": {"claimed": 0.5 + optimism, "epoch": 2, "kept": 0.5, "optimism": optimism}}


def system(folder: Path, mix: str, first: float | None, second: float | None) -> Path:
    for fold, optimism in enumerate((first, second)):
        words = [f"loss_mix={mix}", f"split.fold={fold}"]
        people = [f"{fold}{i}" for i in range(4)]
        more = {} if optimism is None else {"optimism": told(optimism)}
        config = fake_config(loss_mix=mix, fold=fold)
        write_run(folder / mix / str(fold), words, config, subjects=people, seed=fold, **more)
    return folder / mix


def test_a_report_has_a_column(tmp_path: Path) -> None:
    system(tmp_path, "sum", 0.25, 0.125)
    system(tmp_path, "dwa", None, None)
    report = make_report(tmp_path, draws=50)
    console = Console(width=200, record=True, quiet=False, file=(tmp_path / "screen").open("w"))
    report.show(console)
    runs, groups = pd.read_csv(report.leaderboard), pd.read_csv(report.groups)
    column = "test/clip/joint_accuracy optimism"
    assert sorted(runs[column].dropna()) == [0.125, 0.25]
    assert groups.set_index("loss_mix")[column]["sum"] == 0.1875
    page, screen = report.page.read_text(), console.export_text()
    assert "optimism" in screen
    assert "+0.250" in screen
    assert page.count(">optimism</button>") == 2
    assert "0.188" in page


def test_without_measuring_there_is_none(tmp_path: Path) -> None:
    report = make_report(system(tmp_path, "sum", None, None), draws=50)
    assert "optimism" not in report.page.read_text() + report.leaderboard.read_text() + report.groups.read_text()


def test_a_comparison_has_a_column(tmp_path: Path) -> None:
    places = {"a": str(system(tmp_path, "sum", 0.25, 0.125)), "b": str(system(tmp_path, "dwa", None, 0.0625))}
    found = compare_runs(places, metrics=["joint_accuracy"], people=[], resamples=100, permutations=100)
    row = found.to_frame().iloc[0]
    assert (row["optimism a"], row["optimism b"]) == (0.1875, 0.0625)
    heads, rows = comparison_page.difference_table(found.pairs[0])
    assert (heads[-1], rows[0][-1]) == ("optimism", "+18.8, +6.2")
    assert any("optimism of A and of B" in line for line in comparison_page.explained(found))


def test_the_page_of_a_run_says_it_in_a_sentence(tmp_path: Path) -> None:
    write_run(tmp_path, optimism=told(0.25))
    page = write_run_page(RunFolder(tmp_path))
    assert page is not None
    assert "this run would have claimed 75.0 % both right (+25.0 %)" in " ".join(page.read_text().split())
