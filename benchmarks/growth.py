"""How work grows with what there is to work on: files that are listed, runs that are reported, sets that are resampled.

Each figure is a ratio of times taken in one process, in turns. The runs and predictions are made from random numbers.

python -m benchmarks.growth
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.results import add_out, report
from realfake.composing.composition import option
from realfake.config import SeedFramesData
from realfake.data.sources import build_source, limit_clips
from realfake.reports.leaderboard import make_report
from realfake.scoring.metrics import metrics
from realfake.scoring.statistics import bootstrap
from tests.fake_runs import write_sweep
from tests.simulated_people import people


def ratio(large: Callable[[], object], small: Callable[[], object], repeats: int) -> float:
    """Median over turns of the time that ``large`` takes over that of ``small``."""
    ratios = []
    for _ in range(repeats):
        seconds = []
        for work in (large, small):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


def listing(folder: Path, files: int) -> Callable[[], object]:
    """Write empty files in the thesis's layout; the work is to list them and to choose half of them."""
    images = folder / str(files) / "train" / "fake_angry"
    images.mkdir(parents=True)
    for i in range(files):
        (images / f"v{i // 50}a_{i}.jpg").touch()
    source = build_source(option(SeedFramesData, root=str(folder / str(files))))
    return lambda: limit_clips(source.listing().clips, files // 2)


def reporting(folder: Path, runs: int) -> Callable[[], object]:
    """Write finished runs; the work is to report on them."""
    write_sweep(folder / str(runs), seeds=runs // 6, folds=1)
    return lambda: make_report(folder / str(runs))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000, help="and eight times as many")
    parser.add_argument("--runs", type=int, default=30, help="a multiple of 6; and seven times as many")
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    add_out(parser)
    options = parser.parse_args()
    p, subject, pair = people(np.random.default_rng(6), 50)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        many_files, files = (listing(folder, n * options.files) for n in (8, 1))
        many_runs, runs = (reporting(folder, n * options.runs) for n in (7, 1))
        found = {
            "files": ratio(many_files, files, options.repeats) / 8,
            "runs": ratio(many_runs, runs, options.repeats) / 7,
            "resamples": ratio(
                lambda: bootstrap(p, subject, pair, resamples=options.resamples),
                lambda: [metrics(p, pair) for _ in range(20)],
                options.repeats,
            ) * 20 / options.resamples,
        }  # fmt: skip
    rows = [
        (f"listing {8 * options.files:,} files over {options.files:,}, a file", f"{found['files']:.2f}", "≤ 3"),
        (f"report over {7 * options.runs} runs over {options.runs}, a run", f"{found['runs']:.2f}", "≤ 2"),
        (
            f"{options.resamples:,} resamples of all metrics of 600 clips over computing them once, a resample",
            f"{found['resamples']:.3f}", "≤ 0.05",
        ),
    ]  # fmt: skip
    report("Growth", rows, {"growth": found}, options.out)


if __name__ == "__main__":
    main()
