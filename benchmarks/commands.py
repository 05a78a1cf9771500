"""What is spent outside of training: the command line's answers, a run's start, a sweep's overhead and parallel runs.

python -m benchmarks.commands
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.results import add_out, report

ROOT = Path(__file__).resolve().parents[1]
TINY = (
    "data.subjects=6", "data.seconds=1.2", "data.fps=10", "data.video_size=96", "data.size=64", "data.workers=0",
    "trainer.threads=1", "callbacks.progress_bar=none",
)  # fmt: skip
ONCE = (*TINY, "approach=single_task", "trainer.fast_dev_run=true", "callbacks.plots=false")

ANSWERS = {"--help": ["--help"], "--cfg job": ["--cfg", "job"], "a mistake": ["trainer.gpu=1"]}
"""Command lines that are answered without any work."""


class Spent(NamedTuple):
    """Seconds of a command."""

    wall: float
    processor: float


def timed(cwd: str, *arguments: str, start_with: tuple[str, ...] = ("-m", "realfake.train")) -> Spent:
    """What a command takes."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *start_with, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


FIRST_STEP = """
import runpy, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook

def stepped(*_):
    print("first step at", time.monotonic(), time.process_time(), flush=True)
    handle.remove()

handle = register_optimizer_step_post_hook(stepped)
runpy.run_module("realfake.train", run_name="__main__")
"""


def first_step(cwd: str, *arguments: str) -> Spent:
    """What a command takes from its start to the end of its first optimiser step, in one process."""
    start = time.monotonic()  # one clock for all processes
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEP, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("first step at"))
    at, processor = map(float, line.split()[-2:])
    return Spent(at - start, processor)


def answers(cwd: str, turns: int = 5) -> dict[str, dict[str, float]]:
    """Seconds of each of :data:`ANSWERS`, and their processor time over that of importing torch, in turns: medians."""
    torch, found = [], {name: list[Spent]() for name in ANSWERS}
    for _ in range(turns):
        torch.append(timed(cwd, start_with=("-c", "import torch")))
        for name, words in ANSWERS.items():
            found[name].append(timed(cwd, *words))
    return {
        name: {"seconds": statistics.median(s.wall for s in spent), "over torch": ratio(spent, torch)}
        for name, spent in found.items()
    }


def ratio(spent: list[Spent], over: list[Spent]) -> float:
    """Median over turns of the ratio of processor times."""
    return statistics.median(a.processor / b.processor for a, b in zip(spent, over, strict=True))


def start(cwd: str, figures: dict[str, Any], turns: int = 5) -> list[tuple[str, str, str]]:
    """Rows of the way to the first step on prepared data, in turns with importing what training is made of."""
    timed(cwd, *ONCE)  # data generated, prepared and decoded
    imports, steps = [], []
    for _ in range(turns):
        imports.append(timed(cwd, start_with=("-c", "import torch, pytorch_lightning")))
        steps.append(first_step(cwd, *ONCE))
    figures["first step"] = statistics.median(step.wall for step in steps)
    figures["first step over imports"] = ratio(steps, imports)
    return [
        ("command to the first optimiser step, prepared data, seconds", f"{figures['first step']:.1f}", ""),
        ("the same, over importing torch and Lightning", f"{figures['first step over imports']:.2f}", "1.3"),
    ]


def results_of(folder: Path) -> list[dict[str, Any]]:
    """Results of a sweep's runs, in the order in which they ended."""
    paths = sorted(folder.glob("*/results.json"), key=lambda p: p.stat().st_mtime)
    return [json.loads(p.read_text()) for p in paths]


def work(cwd: str, epochs: int, figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of the runs and sweeps, whose figures go into ``figures``."""
    rows = []
    figures["one batch of everything"] = timed(cwd, *ONCE).wall
    spent_in_all = f"{figures['one batch of everything']:.1f}"
    rows.append(("command to the end of one batch of everything, prepared data, seconds", spent_in_all, ""))
    ten = ",".join(map(str, range(10)))
    one_batch = ("trainer.max_epochs=1", "trainer.limit_train_batches=1", f"seed={ten}", "sweep.name=ten")
    timed(cwd, "-m", *TINY, "approach=single_task", *one_batch, "sweep.report=false")
    runs = results_of(Path(cwd) / "multirun/ten")
    ended = sorted((Path(cwd) / "multirun/ten").glob("*/results.json"), key=lambda p: p.stat().st_mtime)
    between = [b.stat().st_mtime - a.stat().st_mtime for a, b in itertools.pairwise(ended)]
    spent = [r["seconds"]["fit"] + r["seconds"]["test"] for r in runs[1:]]
    overhead = [whole - part for whole, part in zip(between, spent, strict=True)]
    figures["overhead"] = overhead
    rows.append(("sweep: a run outside fit and test, seconds", f"{statistics.median(overhead):.2f}", "2"))
    seeds = (
        "approach=temporal",
        "seed=1,2,3,4",
        f"trainer.max_epochs={epochs}",
        "callbacks=quiet",
        "sweep.report=false",
    )
    turn = timed(cwd, "-m", *TINY, *seeds, "sweep.name=turn")
    both = timed(cwd, "-m", *TINY, *seeds, "sweep.name=both", "launcher=joblib")
    figures["joblib"] = both.wall / turn.wall
    equal = {str(r["metrics"]) for r in results_of(Path(cwd) / "multirun/turn")} == {
        str(r["metrics"]) for r in results_of(Path(cwd) / "multirun/both")
    }
    figures["joblib_equal"] = equal
    rows.append(("sweep: joblib with two workers over in turn", f"{figures['joblib']:.2f}", "0.65"))
    rows.append(("sweep: results of both are equal", str(equal), "True"))
    return rows


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40, help="of each run of the parallel sweep")
    parser.add_argument("--answers-only", action="store_true", help="no runs and no sweeps")
    parser.add_argument("--no-sweeps", action="store_true", help="answers and the first step")
    add_out(parser)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as cwd:
        figures: dict[str, Any] = {"answers": answers(cwd)}
        for name, found in figures["answers"].items():
            rows.append((f"{name}, seconds", f"{found['seconds']:.2f}", "1.5"))
            rows.append((f"{name}, over importing torch", f"{found['over torch']:.2f}", "0.45"))
        if not args.answers_only:
            rows += start(cwd, figures)
        if not args.no_sweeps and not args.answers_only:
            rows += work(cwd, args.epochs, figures)
    report("Commands and sweeps", rows, {"commands": figures}, args.out)


if __name__ == "__main__":
    main()
