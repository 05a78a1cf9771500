"""What a run says at its end: a table of test results, and where to look."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from realfake.labels import THRESHOLD
from realfake.pages import counted
from realfake.runs.folder import RunFolder
from realfake.scoring.metric_table import REPORTED, main_metrics
from realfake.scoring.protocols import WORDS
from realfake.scoring.statistics import HOLDS, ONE_PERSON
from realfake.scoring.wording import beside_figures


def print_line(results: dict[str, Any], run: RunFolder, console: Console | None = None) -> None:
    """Print what a run of a sweep came to in a line or two; tables of all runs follow when the sweep ends."""
    console = console or Console()
    shown = {name: results["metrics"].get(f"test/clip/{name}") for name in main_metrics()}
    figures = ", ".join(f"{REPORTED[name].heading} {_number(v)}" for name, v in shown.items() if v is not None)
    console.print(f"{from_here(run.path)}: {figures}", highlight=False, markup=False)


def print_summary(results: dict[str, Any], run: RunFolder, console: Console | None = None) -> None:
    """Print test metrics at both levels with their intervals, the published figure if there is one, and paths."""
    console = console or Console()
    metrics = results["metrics"]
    intervals = {
        name: ends
        for name, ends in (results.get("intervals") or {}).items()
        if ends[0] is not None and math.isfinite(ends[0])
    }
    published = (results.get("published") or {}).get("metrics", {})
    best = results["best_epoch"]
    epoch = "no epoch selected" if best is None else f"best epoch {best}"
    table = Table(title=f"test results, {results['approach']}, {epoch}", title_justify="left")
    table.add_column("metric")
    for name in ("frame", "clip", *(["95 % interval, clip"] if intervals else [])):
        table.add_column(name, justify="right")
    if published:
        table.add_column("published", justify="right")
    for name in REPORTED:
        if f"test/clip/{name}" not in metrics:
            continue
        row = [REPORTED[name].heading, *(_number(metrics.get(f"test/{level}/{name}")) for level in ("frame", "clip"))]
        if intervals:
            row.append(" to ".join(map(_number, intervals.get(f"test/clip/{name}", ()))))
        if published:
            figure = published.get(f"test/frame/{name}", published.get(f"test/clip/{name}"))
            row.append("" if figure is None else _number(figure))
        table.add_row(*row)
    console.print(table)
    console.print(f"95 % interval: {HOLDS if intervals else ONE_PERSON}", highlight=False)
    if (protocol := results.get("protocol") or THRESHOLD) != THRESHOLD:
        n = results.get("fallbacks")
        alone = f"; {counted(n, 'clip')} without others of the pair by threshold" if n else ""
        console.print(
            f"real or fake of clips is decided by protocol={protocol}: {WORDS[protocol]}{alone}", soft_wrap=True
        )
    if results.get("overfit"):
        found = ", ".join(f"{name.rpartition('/')[2]} {value:.3f}" for name, value in results["overfit"].items())
        console.print(
            f"on the batches that it was to learn by heart, last epoch: {found}", soft_wrap=True, highlight=False
        )
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in (results.get("seconds") or {}).items())
    console.print(f"seconds: {seconds}", soft_wrap=True, highlight=False)
    for words in beside_figures(results):
        console.print(words, style="yellow", soft_wrap=True, highlight=False, markup=False)
    if str(results.get("data", "")) == "synthetic":
        console.print("synthetic faces: these figures say nothing about people", style="yellow")
    for what, path in (
        ("page", run.page),
        ("results", run.results),
        ("predictions", run.predictions),
        ("plots", run.plots),
        ("tensorboard", run.tensorboard),
        ("best weights", run.best),
    ):
        if path.exists():
            console.print(f"{what:13s}{from_here(path)}", soft_wrap=True, highlight=False, markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"


def from_here(path: Path) -> Path:
    """The path from the working folder, if it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
