"""Whether bf16, compilation and the cache change what a run comes to by more than another seed does.

Each setting is trained with the same seeds as the plain runs, with the project's defaults unless told otherwise, and
tested on its best epoch. Rounding of any kind makes training take another path, as another seed does; so two questions
are asked of the changes from the plain run of the same seed:

- how large is a change, against the difference between two plain runs of different seeds: root mean squares, whose
  ratio is 1 if the setting does what another seed does, and 0 if it does nothing;
- do the changes lean to one side: their mean with a 95 % interval (Student's t), against the standard deviation over
  seeds.

Dropout is off, since compiled code draws other random numbers, which is another seed by itself.

    python -m benchmarks.equivalence --approach temporal --seeds 8 --jobs 2
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.results import add_out, report
from realfake.data.work import run_all, shown

SETTINGS = {"bf16": ["precision=bf16"], "compile": ["compile=true"], "memmap": ["data.cache=memmap"]}
METRICS = ("val/frame/loss", "test/frame/loss", "test/clip/joint_accuracy", "test/clip/authenticity_auroc")
QUIET = ("callbacks=quiet", "logger=csv", "trainer.gpus=0", "trainer.threads=1", "data.workers=0", "data.cache=none")
STILL = {"temporal": ["backbone.dropout=0"], "temporal_multi_task": ["backbone.dropout=0"]}

Job = tuple[str, int]
"""A setting and a seed."""


def final_metrics(folder: Path, words: list[str], job: Job) -> list[float]:
    """Train, and give what the run came to."""
    from realfake.experiments.execution import train

    name, seed = job
    results = train([*words, *SETTINGS.get(name, []), f"seed={seed}"], folder / f"{name}{seed}")
    return [results["metrics"][metric] for metric in METRICS]


def measure(approach: str, seeds: range, settings: list[str], processes: int, extra: list[str]) -> dict[str, Any]:
    """For each metric: the plain runs, and how the others differ from them."""
    from benchmarks.equivalence import final_metrics  # by this name, other processes find it too

    words = [f"approach={approach}", *QUIET, *STILL.get(approach, []), *extra]
    values = {name: np.full((len(seeds), len(METRICS)), np.nan) for name in ("plain", *settings)}
    with tempfile.TemporaryDirectory() as folder:
        # One run first: it prepares the data.
        values["plain"][0] = final_metrics(Path(folder), words, ("plain", seeds[0]))
        todo = [(name, seed) for name in values for seed in seeds][1:]
        done = run_all(partial(final_metrics, Path(folder), words), todo, processes)
        for (name, seed), found in shown(done, len(todo), f"training {approach}"):
            if isinstance(found, Exception):
                raise found
            values[name][seed - seeds.start] = found
    return {
        "approach": approach,
        "seeds": list(seeds),
        "overrides": words,
        "plain": {m: _list(values["plain"][:, i]) for i, m in enumerate(METRICS)},
        "changes": {
            name: {m: _list((values[name] - values["plain"])[:, i]) for i, m in enumerate(METRICS)} for name in settings
        },
    }


def compare(plain: list[float], changes: list[float]) -> dict[str, Any]:
    """Size and direction of changes, against the spread of the plain runs."""
    c, deviation = np.array(changes), float(np.std(plain, ddof=1))
    half = float(stats.t.ppf(0.975, len(c) - 1) * c.std(ddof=1) / np.sqrt(len(c)))
    # Two draws of one distribution differ by √2 standard deviations in the root mean square.
    size = float(np.sqrt(np.mean(c**2)) / (np.sqrt(2.0) * deviation)) if deviation else float("nan")
    return {"deviation": deviation, "mean": float(c.mean()), "half": half, "size": size}


def _list(values: np.ndarray) -> list[float]:
    return [float(v) for v in values]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--approach", nargs="+", default=["temporal"])
    parser.add_argument("--seeds", type=int, default=8, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, one thread each")
    parser.add_argument("overrides", nargs="*", help="of the configuration")
    add_out(parser)
    options = parser.parse_args()
    rows, figures = [], []
    for approach in options.approach:
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        found = measure(approach, seeds, options.settings, options.jobs, options.overrides)
        figures.append(found)
        for metric, plain in found["plain"].items():
            for name in options.settings:
                c = compare(plain, found["changes"][name][metric])
                words = f"{c['mean']:+.3f} ± {c['half']:.3f}; {c['size']:.2f}"
                rows.append((f"{approach}, {name}: {metric}", words, f"{c['deviation']:.3f}; 1"))
    report(
        "Change of results: mean with 95 % interval; size\n(goal: standard deviation over seeds; size of another seed)",
        rows,
        {"equivalence": figures},
        options.out,
    )


if __name__ == "__main__":
    main()
