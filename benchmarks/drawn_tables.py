"""What the tables of a tracker tell of generated clips: real against posed, from what does not and what does know time.

AUROC of logistic regression on the clips of other people, in the mean over data seeds, with Student's 95 % interval.

python -m benchmarks.drawn_tables --seeds 0 1 2 3 4 --difficulty 0.3 1
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from benchmarks.results import add_out, report
from realfake.composing.composition import option
from realfake.config import DrawnSignal
from realfake.data.synthetic.generation import jobs
from realfake.data.synthetic.options import SyntheticSettings
from realfake.data.synthetic.oracle import Traces, draw_traces, moment_aurocs, tell
from realfake.data.synthetic.tracked import tracked_streams
from realfake.scoring.statistics import t_interval


def tables(settings: SyntheticSettings, faults: DrawnSignal) -> dict[str, Traces]:
    """Units as read from the tables, and landmarks without the head's place, size and turn; (clips, frames, …)."""
    read = [tracked_streams(settings, job, faults) for job in jobs(settings)]
    drawn = draw_traces(settings)
    units = np.stack([streams["units"].values for streams in read])
    points = np.stack([streams["landmarks"].values for streams in read])
    eyes = points[:, :, 45] - points[:, :, 36]
    turn = np.stack([np.stack([eyes[..., 0], eyes[..., 1]], -1), np.stack([-eyes[..., 1], eyes[..., 0]], -1)], -2)
    turn = turn / (eyes**2).sum(-1)[..., None, None]
    still = np.einsum("ctij,ctpj->ctpi", turn, points - points.mean(axis=2, keepdims=True))
    return {
        "units": replace(drawn, units=units),
        "landmarks": replace(drawn, units=still.reshape(*units.shape[:2], -1)),
    }


def order_free(traces: Traces) -> np.ndarray:
    """Mean, maximum and standard deviation of each component over the clip."""
    x = traces.units
    return np.concatenate([x.mean(axis=1), x.max(axis=1), x.std(axis=1)], axis=1)


def dynamics(traces: Traces) -> np.ndarray:
    """How far each component moves in all, and its fastest rise and fall over a fifth of a second; logarithms."""
    reach = max(1, round(0.2 / float(traces.times_sec[1])))
    change = traces.units[:, reach:] - traces.units[:, :-reach]
    moved = [np.abs(change).mean(axis=1), change.max(axis=1), -change.min(axis=1)]
    return np.asarray(np.log(np.concatenate(moved, axis=1).clip(min=0.0) + 0.01))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of the data")
    parser.add_argument("--difficulty", type=float, nargs="+", default=[SyntheticSettings.difficulty, 1.0])
    parser.add_argument("--subjects", type=int, default=SyntheticSettings.subjects)
    add_out(parser)
    options = parser.parse_args()
    rows = []
    figures = {}
    for difficulty in options.difficulty:
        found: dict[str, list[float]] = {}
        for seed in options.seeds:
            settings = SyntheticSettings(seed=seed, difficulty=difficulty, subjects=options.subjects)
            for stream, traces in tables(settings, option(DrawnSignal)).items():
                found.setdefault(f"{stream}, order-free", []).append(tell(order_free(traces), traces)[0])
                found.setdefault(f"{stream}, dynamics", []).append(tell(dynamics(traces), traces)[0])
                if stream == "units":
                    moments = moment_aurocs(traces)
                    found.setdefault("units, one moment, mean of all", []).append(float(moments.mean()))
                    found.setdefault("units, one moment, highest", []).append(float(moments.max()))
        for seen, values in found.items():
            mean = t_interval(np.array(values))
            ends = f" [{mean.low:.3f}, {mean.high:.3f}]" if len(values) > 1 else ""
            figures[f"{seen}, difficulty {difficulty:g}"] = values
            rows.append((f"{seen}, difficulty {difficulty:g}", f"{mean.value:.3f}{ends}", ""))
    report("AUROC of real against posed", rows, {"aurocs": figures}, options.out)


if __name__ == "__main__":
    main()
