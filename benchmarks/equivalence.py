"""Whether bf16, compilation and the cache change what a run comes to by more than another seed does.

The same runs with several seeds, each setting against the plain run of its own seed; real training, tested on the best
epoch. Rounding of any kind makes a run take another path, as another seed does, so that single runs differ; the mean
change is what a setting does to results. Dropout is off, since compiled code draws other random numbers.

    python -m benchmarks.equivalence --seeds 5 --epochs 12
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import add_out, report
from realfake.experiments.execution import train

SETTINGS = {"bf16": ["precision=bf16"], "compile": ["compile=true"], "memmap": ["data.cache=memmap"]}
METRICS = ("val/frame/loss", "test/frame/loss", "test/clip/joint_accuracy")
DATA = ("data.subjects=8", "data.seconds=1.5", "data.fps=12", "data.rate_fps=8", "data.video_size=112", "data.size=96")
QUIET = ("callbacks=quiet", "callbacks.early_stopping=null", "logger=csv", "trainer.gpus=0", "data.workers=0")
STILL = {"temporal": ["backbone.dropout=0"], "temporal_multi_task": ["backbone.dropout=0"]}


def measure(approach: str, seeds: int, epochs: int, extra: list[str]) -> dict[str, Any]:
    """For each metric: standard deviation over seeds, and mean and largest change of each setting."""
    plain = [f"approach={approach}", *DATA, *QUIET, "data.cache=none", f"trainer.max_epochs={epochs}"]
    plain += [*STILL.get(approach, []), *extra]
    values: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for (name, words), seed in itertools.product({"plain": [], **SETTINGS}.items(), range(seeds)):
            results = train([*plain, *words, f"seed={seed}"], Path(folder) / f"{name}{seed}")
            values.setdefault(name, []).append([results["metrics"][metric] for metric in METRICS])
    found: dict[str, Any] = {"approach": approach, "seeds": seeds, "epochs": epochs}
    for i, metric in enumerate(METRICS):
        of = {name: np.array(runs)[:, i] for name, runs in values.items()}
        changes = {name: of[name] - of["plain"] for name in SETTINGS}
        found[metric] = {"plain": float(of["plain"].mean()), "deviation": float(of["plain"].std(ddof=1))}
        found[metric]["range"] = float(np.ptp(of["plain"]))
        found[metric] |= {name: [float(c.mean()), float(np.abs(c).max())] for name, c in changes.items()}
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--approach", nargs="+", default=["temporal"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("overrides", nargs="*", help="of the configuration")
    add_out(parser)
    options = parser.parse_args()
    rows, figures = [], []
    for approach in options.approach:
        found = measure(approach, options.seeds, options.epochs, options.overrides)
        figures.append(found)
        for metric, name in itertools.product(METRICS, SETTINGS):
            mean, largest = found[metric][name]
            what = f"{approach}, {name}: change of {metric}, mean (largest)"
            rows.append(
                (
                    what,
                    f"{mean:+.4f} ({largest:.4f})",
                    f"± {found[metric]['deviation']:.4f} ({found[metric]['range']:.4f})",
                )
            )
    report(
        "Change of results, against the standard deviation of seeds (and their range)",
        rows,
        {"equivalence": figures},
        options.out,
    )


if __name__ == "__main__":
    main()
