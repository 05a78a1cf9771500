"""What all benchmarks share: the machine they ran on, and how they report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Processor, cores and versions, so that figures can be compared."""
    import cv2
    import numpy as np

    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def in_turns(
    works: dict[str, Callable[[], object]],
    repeats: int,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each, in every turn; the first ``warm`` turns are not counted."""
    from rich.progress import track

    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in track(range(warm + repeats), "measuring", transient=True):
        for name, work in works.items():
            start = clock()
            work()
            if turn >= warm:
                seconds[name].append(clock() - start)
    return seconds


def add_out(parser: argparse.ArgumentParser) -> None:
    """The option that all benchmarks have."""
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file too")


def report(title: str, rows: Sequence[Sequence[str]], figures: dict[str, Any], out: Path | None) -> None:
    """Print a table of ``(what, figure, goal)`` and write ``figures`` with the machine's description."""
    from rich.console import Console
    from rich.table import Table

    about = machine()
    table = Table(title=title, caption=f"{about['processor']}, {about['cores']} cores, load {about['load']}")
    for name in ("what", "figure", "goal"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"title": title, "machine": about, **figures, "rows": rows}, indent=2) + "\n")
