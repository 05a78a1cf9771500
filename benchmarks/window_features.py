"""What a sweep over heads costs on stored features of a frozen transformer for video, against computing these once.

The transformer looks at a few clips as its file says. Heads train on stored features of the whole dataset, which come
from a network of the same width that looks at next to nothing: how long a head takes does not depend on what the
numbers are. Processor time, since other work on the machine takes wall time; clips and runs take turns.

    python -m benchmarks.window_features --size base
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.results import add_out, report
from realfake.composing.composition import compose, option
from realfake.config import FeaturesSignal, PrepareConfig
from realfake.data.media import Media
from realfake.data.preparation import prepare
from realfake.data.signal_store import prepare_signal
from realfake.experiments.execution import train
from realfake.streams.kinds import build_signal

HEADS = (
    *((f"optimizer.lr={rate}",) for rate in (0.0003, 0.001, 0.003, 0.01, 0.03)),
    *(("head=mlp", f"head.hidden=[{size}]") for size in (32, 64, 128, 256, 512)),
)
NEXT_TO_NOTHING = {"size": 32, "frames": 2, "stride_sec": 2.0}
"""Two frames as far apart as the first and the last of a window."""


def measure(size: str, clips: int, folds: int, data: list[str]) -> tuple[list[float], list[float], int]:
    """Processor seconds of each clip's features and of each run, and how many clips there are."""
    cfg = compose("prepare", data, PrepareConfig)
    store = prepare(cfg.data, cfg.face)
    assert store.root is not None
    common: dict[str, Any] = {"backbone": "videomae", "variant": size, "weights": "none"}
    signal = build_signal(option(FeaturesSignal, **common))
    words = [f"signals.features.{key}={value}" for key, value in (common | NEXT_TO_NOTHING).items()]
    prepare_signal(store, cfg.data, cfg.face, option(FeaturesSignal, **common, **NEXT_TO_NOTHING))
    chosen = np.linspace(0, len(store) - 1, clips).round().astype(int).tolist()
    jobs = list(product(range(folds), HEADS))
    quiet = ("callbacks=quiet", "trainer.threads=1", "trainer.gpus=0", "split=kfold")
    seconds: tuple[list[float], list[float]] = ([], [])

    def clip(row: int) -> None:
        signal.extract(Media.of_store(store, row, store.root / "x", cfg.data, cfg.face))  # type: ignore[operator]

    with TemporaryDirectory() as folder:

        def run(number: int) -> None:
            fold, head = jobs[number]
            given = [*data, "experiment=field/videomae", *words, *quiet, f"split.fold={fold}", *head]
            train(given, Path(folder) / f"run{number}")

        clip(chosen[0])  # rehearsals, which build the network and import what runs need
        run(0)
        for turn in range(max(len(chosen), len(jobs))):
            turns = (clip, chosen[turn : turn + 1], seconds[0]), (run, [turn][: turn < len(jobs)], seconds[1])
            for act, numbers, found in turns:
                for number in numbers:
                    start = time.process_time()
                    act(number)
                    found.append(time.process_time() - start)
    return *seconds, len(store)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="base", help="variant of VideoMAE")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--folds", type=int, default=5, help="those whose runs are measured")
    parser.add_argument("--data", nargs="*", default=[], help="overrides, such as data.folder=…")
    add_out(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    features, runs, clips = measure(args.size, args.clips, args.folds, args.data)
    generator = np.random.default_rng(0)

    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        return float(1.0 + 5 * len(HEADS) * b.mean() / (clips * a.mean()))

    a, b = np.array(features), np.array(runs)
    drawn = [ratio(generator.choice(a, len(a)), generator.choice(b, len(b))) for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    rows = [
        (f"VideoMAE {args.size}: features of a clip, s", f"{statistics.mean(features):.2f}", ""),
        ("a run of a head on stored features, s", f"{statistics.mean(runs):.2f}", ""),
        (
            f"five folds, ten heads, and the features of {clips} clips, over these features",
            f"{ratio(a, b):.3f} [{low:.3f}, {high:.3f}]",
            "≤ 1.2",
        ),
    ]
    report("Features of windows", rows, {"window_features": {"clip_seconds": features, "run_seconds": runs}}, args.out)


if __name__ == "__main__":
    main()
