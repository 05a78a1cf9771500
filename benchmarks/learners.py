"""What fitting a head costs against reading the features that it is fitted on: processor time, in turns.

What is fitted on is simulated: 434 numbers of each of 600 clips, as many as Saxen et al. (2017) have of a clip. Reading
is one pass of a run's own loader over stored numbers, scaled to 600 clips. The goal is ten passes.

    python -m benchmarks.learners --repeats 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.results import add_out, in_turns, report
from realfake.approaches import build_datamodule
from realfake.composing.composition import compose, option
from realfake.config import LogisticHead, PairSvmHead, TrainConfig
from realfake.labels import SASE_FE
from realfake.models import build_fitted_head
from realfake.models.fitted_heads import FitSamples

CLIPS, NUMBERS = 600, 434


def simulated(seed: int = 0) -> FitSamples:
    """A real and a fake clip of 50 people and six emotions, whose numbers say a little."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(range(CLIPS // 12), range(6), range(2), indexing="ij")
    subject, emotion, authenticity = (axis.ravel() for axis in grid)
    x = rng.normal(size=(CLIPS, NUMBERS)) + 0.15 * authenticity[:, None]
    pair = subject * 6 + emotion
    return FitSamples(x.astype(np.float32), emotion, authenticity, np.arange(CLIPS), pair, subject)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="of the configuration whose features are read")
    add_out(parser)
    args = parser.parse_args()
    words = ["approach=multi_task", "signals=[drawn]", "backbone=numbers", "backbone.streams=[units]"]
    words += ["sampling.frames_per_clip=1", "data.workers=0", *args.overrides]
    data = build_datamodule(compose("train", words, TrainConfig))
    data.setup()
    samples = simulated()
    reading = CLIPS / len(data.sets["train"])

    def read() -> None:
        for _ in data.fitting_loader(0):
            pass

    def fit(cfg: PairSvmHead | LogisticHead) -> None:
        build_fitted_head(cfg, NUMBERS, "authenticity", SASE_FE, guided=False).fit(samples, seed=0)

    works: dict[str, Callable[[], object]] = {
        "reading": read,
        "pair_svm": lambda: fit(option(PairSvmHead)),
        "logistic": lambda: fit(option(LogisticHead)),
    }
    seconds = in_turns(works, args.repeats, clock=time.process_time)
    seconds["reading"] = [reading * each for each in seconds["reading"]]
    ratios = {
        name: sorted(a / b for a, b in zip(seconds[name], seconds["reading"], strict=True))
        for name in ("pair_svm", "logistic")
    }
    rows = [
        (f"fitting {name} ({statistics.median(seconds[name]):.2f} s) over reading {CLIPS} clips once",
         f"{statistics.median(found):.1f} [{found[0]:.1f}, {found[-1]:.1f}]", "10")
        for name, found in ratios.items()
    ]  # fmt: skip
    report("Learners", rows, {"seconds": seconds, "ratios": ratios}, args.out)


if __name__ == "__main__":
    main()
