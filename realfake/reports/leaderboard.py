"""A report over finished runs: a table on the screen, two CSV files, and one HTML page."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from realfake.files import write_whole
from realfake.pages import duration
from realfake.reports.expected import missing_notes
from realfake.reports.finding import find_runs
from realfake.reports.finished import read_run
from realfake.reports.leaderboard_page import PageOptions, figure, render_page
from realfake.reports.pooling import Figures, compute_figures
from realfake.reports.ranking import Leaderboard, command, rank, short_name
from realfake.reports.spread import explained, spread
from realfake.scoring.statistics import HOLDS, Interval
from realfake.scoring.wording import decimals

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

T = TypeVar("T")

POOL = ("seed", "split.fold")
PROGRESS_AFTER_SEC = 2.0
ROWS_ON_SCREEN = 40


@dataclass(frozen=True)
class Report:
    """A report that has been written."""

    board: Leaderboard
    figures: Figures
    page: Path
    leaderboard: Path
    groups: Path

    def show(self, console: Console | None = None) -> None:
        """Print the ranked table, the groups if there are any, failures with their cause, and where the files are."""
        from rich.console import Console

        console = console or Console()
        console.print(_run_table(self.board, console))
        if any(len(group.completed) > 1 for group in self.board.groups if not group.outdated):
            console.print(_group_table(self.board, self.figures, console))
            for what, words in (("people", [HOLDS]), ("trainings", explained(self.board))):
                for sentence in words:
                    console.print(f"{what}: 95 % interval, {sentence}", highlight=False)
        for run in self.board.failures:
            console.print(f"{run.status}: {run.name}: {run.error or ''}", markup=False, highlight=False, soft_wrap=True)
        for note in self.board.notes:
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        console.print(f"report: {self.page}", markup=False, highlight=False, soft_wrap=True)


def make_report(
    folders: Path | Sequence[Path],
    out: Path | None = None,
    *,
    metric: str | None = None,
    pool: Sequence[str] = POOL,
    draws: int = 2000,
    log_lines: int = 20,
) -> Report:
    """Read all runs at or below ``folders``, and write ``leaderboard.csv``, ``groups.csv`` and ``report.html``.

    Args:
        folders: A run, a sweep, any folder of runs, or several.
        out: Where to write; ``None`` = the folder itself, or ``outputs/report/<time>`` for several.
        metric: What ranks the runs; ``None`` = the test figure of the metric that most of them were selected on.
        pool: Keys in which the runs of a group may differ.
        draws: Of the bootstrap over subjects.
        log_lines: Shown of a failed run's log.

    Raises:
        UserError: If there is no run, or no run has the metric.
    """
    roots = [folders] if isinstance(folders, Path) else list(folders)
    found = find_runs(roots)
    if out is None:
        out = roots[0] if len(roots) == 1 else Path("outputs", "report", time.strftime("%Y-%m-%d_%H-%M-%S"))
    runs = [read_run(folder, name) for folder, name in track(found, "reading runs")]
    board = rank(runs, metric, pool)
    figures = compute_figures(board, draws, lambda groups: track(groups, "resampling subjects"))
    board = replace(board, notes=(*missing_notes(runs), *board.notes, *dict.fromkeys(figures.people.values())))
    title = " + ".join(root.resolve().name for root in roots)
    page = render_page(board, figures, PageOptions(title, out, tuple(pool), log_lines, draws))
    out.mkdir(parents=True, exist_ok=True)
    report = Report(board, figures, out / "report.html", out / "leaderboard.csv", out / "groups.csv")
    write_whole(report.page, page)
    write_whole(report.leaderboard, leaderboard_table(board, figures).to_csv(index=False))
    write_whole(report.groups, group_table(board, figures).to_csv(index=False))
    return report


def leaderboard_table(board: Leaderboard, figures: Figures) -> pd.DataFrame:
    """One row a run in the order of the ranking: what varied, then every metric that any run has."""
    metrics = sorted({name for run in board.runs for name in run.metrics} - {board.metric})
    rows = []
    for place, run in enumerate(board.runs, start=1):
        interval = figures.runs.get(run)
        rows.append(
            {
                "rank": place if math.isfinite(run.metric(board.metric)) and not run.outdated else None,
                "run": run.name,
                "status": run.status,
                "error": run.error,
                **{key: run.setting(key) for key in board.varying},
                board.metric: run.metric(board.metric),
                f"{board.metric} low": interval.low if interval else math.nan,
                f"{board.metric} high": interval.high if interval else math.nan,
                **({f"{board.metric} optimism": run.optimism(board.metric)} if board.optimism else {}),
                **{name: run.metric(name) for name in metrics},
                "people": figures.people.get(run),
                "metric_definitions": run.definitions if run.completed else None,
                "best_epoch": run.results.get("best_epoch"),
                "epochs": run.results.get("epochs"),
                "seconds": run.seconds,
                "threads": run.results.get("threads"),
                "approach": run.results.get("approach"),
                "experiment": run.results.get("experiment"),
                "config_digest": run.results.get("config_digest"),
                "data_fingerprint": run.results.get("data_fingerprint"),
                "git_commit": run.results.get("git_commit"),
                "command": command(run),
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"rank": "Int64", "metric_definitions": "Int64"})


def group_table(board: Leaderboard, figures: Figures) -> pd.DataFrame:
    """One row a group of runs: of each main metric the mean, standard deviation and number over runs, the ends of the
    95 % interval of the mean over what ``mean over`` says (:func:`realfake.reports.spread.spread`), and the figure
    of the pooled predictions with its 95 % interval over subjects; where runs measured it, their mean optimism."""
    rows = []
    for place, group in enumerate(board.groups, start=1):
        row: dict[str, Any] = {
            "rank": None if group.outdated else place,
            **group.settings,
            "runs": len(group.runs),
            "completed": len(group.completed),
            "subjects": figures.subjects.get(group),
            "people": next((figures.people[run] for run in group.runs if run in figures.people), None),
            "metric_definitions": group.completed[0].definitions if group.completed else None,
            "mean over": found.basis if (found := spread(group, board.metric)) else None,
        }
        for name in board.metrics:
            row |= {
                f"{name} mean": group.mean(name),
                f"{name} std": group.deviation(name),
                f"{name} n": len(group.values(name)),
            }
            if (trained := spread(group, name)) is not None:
                row |= {f"{name} mean low": trained.interval.low, f"{name} mean high": trained.interval.high}
            if math.isfinite(optimism := group.optimism(name)):
                row[f"{name} optimism"] = optimism
            if (pooled := figures.groups.get(group, {}).get(name)) is not None:
                row |= {f"{name} pooled": pooled.value, f"{name} low": pooled.low, f"{name} high": pooled.high}
        rows.append(row)
    return pd.DataFrame(rows).astype({"rank": "Int64", "subjects": "Int64", "metric_definitions": "Int64"})


def _run_table(board: Leaderboard, console: Console) -> Table:
    """As many metrics as the console has room for, at least the ranking one."""
    for shown in range(5, 1, -1):
        table = _run_columns(board, board.metrics[:shown], wrap=False)
        if console.measure(table, options=console.options.update(width=1000)).maximum <= console.width:
            return table
    return _run_columns(board, board.metrics[:1], wrap=True)


def _run_columns(board: Leaderboard, metrics: Sequence[str], *, wrap: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Ranked by {board.metric}", title_justify="left")
    table.add_column("#", justify="right", no_wrap=True)
    for key in board.varying or ("run",):
        table.add_column(Text(key), overflow="fold", no_wrap=not wrap)
    table.add_column("status", no_wrap=True)
    optimism = ("optimism",) if board.optimism else ()
    for name in ("val", *map(short_name, metrics), *optimism, "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, run in enumerate(board.runs[:ROWS_ON_SCREEN], start=1):
        settings = [run.setting(key) or "–" for key in board.varying] or [run.name]
        table.add_row(
            "–" if run.outdated else str(place),
            *map(Text, settings),
            Text(run.status, style="green" if run.completed else "red"),
            figure(run.metric(board.selection)),
            *(figure(run.metric(name)) for name in metrics),
            *(decimals(run.optimism(board.metric), signed=True) for _ in optimism),
            duration(run.seconds),
        )
    if len(board.runs) > ROWS_ON_SCREEN:
        table.caption = f"{len(board.runs) - ROWS_ON_SCREEN} more in leaderboard.csv"
    return table


def _group_table(board: Leaderboard, figures: Figures, console: Console) -> Table:
    """As many columns as the console has room for, the intervals at least; then the settings are folded."""
    for without in ((), ("std",), ("std", "mean", "trainings")):
        table = _group_columns(board, figures, without)
        if console.measure(table, options=console.options.update(width=1000)).maximum <= console.width:
            break
    return table


def _group_columns(board: Leaderboard, figures: Figures, without: Sequence[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Over seeds and folds: {board.metric}", title_justify="left")
    keys = list(board.groups[0].settings)
    for key in keys:
        table.add_column(Text(key), overflow="fold")
    columns = [name for name in ("runs", "mean", "std", "trainings", "pooled", "people") if name not in without]
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for group in [g for g in board.groups if not g.outdated][:ROWS_ON_SCREEN]:
        trained = spread(group, board.metric)
        found = figures.groups.get(group, {}).get(board.metric)
        cells = {
            "runs": str(len(group.completed)),
            "mean": figure(group.mean(board.metric)),
            "std": figure(group.deviation(board.metric)),
            "trainings": _ends(trained.interval) if trained else "–",
            "pooled": figure(found.value if found else None),
            "people": _ends(found) if found else "–",
        }
        table.add_row(*(Text(group.settings[key] or "–") for key in keys), *(cells[name] for name in columns))
    return table


def _ends(interval: Interval) -> str:
    return f"[{figure(interval.low)}, {figure(interval.high)}]" if math.isfinite(interval.low) else "–"


def track(items: Iterable[T], what: str) -> Iterator[T]:
    """Pass items on; a progress bar appears once that has taken two seconds."""
    from rich.console import Console
    from rich.progress import Progress

    items, start = list(items), time.monotonic()
    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task(what, total=len(items))
    try:
        for item in items:
            yield item
            progress.advance(task)
            if not progress.live.is_started and time.monotonic() - start > PROGRESS_AFTER_SEC:
                progress.start()
    finally:
        if progress.live.is_started:
            progress.stop()
