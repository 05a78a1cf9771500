"""The field's systems at the size that a CPU trains, on generated faces: what they find, what luck finds, their cost.

Of each system: folds by seeds on the default data, pooled, with intervals over people; and one fold of each of several
datasets of other people whose real and posed clips do not differ (`data.difficulty=1`), where whatever lies above one
half is luck, and selection optimism is what the best test epoch claims out of nothing. Beside them logistic regression
on what each clip does in the streams themselves (`benchmarks.drawn_tables`), over folds of people. Runs are those of
two sweeps: started again, this does what is missing. With `--page` the table goes between the marks of that page.

    python -m benchmarks.field --page docs/field.md
    python -m benchmarks.field --systems dynamics_svm lstm_pb --folds 2 --seeds 1 --data-seeds 0
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawn_tables import dynamics, tables
from benchmarks.results import add_out, machine, report
from realfake.approaches import build_module
from realfake.composing.composition import compose, conf_dir, option
from realfake.config import DrawnSignal, TrainConfig
from realfake.data.sources.synthetic import Synthetic
from realfake.data.synthetic.oracle import draw_traces, score, tell
from realfake.errors import UserError
from realfake.files import write_whole
from realfake.pages import counted
from realfake.reports.finding import find_runs
from realfake.reports.finished import FinishedRun, read_run
from realfake.reports.pooling import compute_figures
from realfake.reports.ranking import rank
from realfake.scoring.metric_table import REPORTED
from realfake.scoring.statistics import t_interval
from realfake.scoring.wording import NOTHING, number, span

SMALL = "field/small/"
METRICS = ("joint_accuracy", "authenticity_accuracy", "authenticity_auroc", "pair_accuracy")
RANKED = "authenticity_auroc"
CLAIMED = "authenticity_accuracy"
"""What the best test epochs of the literature were chosen and claimed by."""
MARKS = ("<!-- figures of benchmarks.field: begin -->", "<!-- figures of benchmarks.field: end -->")
QUIET = (
    "callbacks.progress_bar=none", "callbacks.plots=false", "callbacks.model_summary=false", "callbacks.optimism=true",
    "logger=null", "trainer.threads=1", "trainer.gpus=0", "data.workers=0", "sweep.report=false",
)  # fmt: skip


def experiments(names: Sequence[str]) -> dict[str, str]:
    """System → its experiment; without names, all small ones of the field. A name with a slash is an experiment."""
    if not names:
        names = [path.stem for path in sorted((conf_dir() / "experiment" / SMALL).glob("*.yaml"))]
    return {name.rpartition("/")[2]: name if "/" in name else SMALL + name for name in names}


def sweep(name: str, processes: int, words: Sequence[str]) -> list[FinishedRun]:
    """All runs of a sweep, trained unless they are there already; one that fails leaves the others alone."""
    launcher = ["launcher=joblib", f"launcher.n_jobs={processes}"] if processes > 1 else []
    command = [sys.executable, "-m", "realfake.train", "-m", f"sweep.name={name}", *words, *QUIET, *launcher]
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    return [read_run(folder, run) for folder, run in find_runs([Path("multirun") / name])]


def pooled(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """Figures of one system over folds and seeds, with intervals over people, and what a run costs."""
    board = rank(runs, f"test/clip/{RANKED}", ("seed", "split.fold"))
    group = board.groups[0]
    found = compute_figures(board, 2000).groups.get(group, {})
    intervals = {m: found[f"test/clip/{m}"] for m in METRICS if f"test/clip/{m}" in found}
    done = group.completed[0]
    return {
        **{m: [i.value, i.low, i.high] for m, i in intervals.items()},
        "runs": len(group.completed),
        "failed": [f"{run.name}: {run.error}" for run in board.failures],
        "optimism": group.optimism(f"test/clip/{CLAIMED}"),
        "parameters": done.results["parameters"]["all"],
        "sees": list(TrainConfig.model_validate(done.config, context={"trained": True}).streams),
        "processor_seconds": float(np.median([run.results["seconds"]["processor"] for run in group.completed])),
    }


def published(experiment: str) -> dict[str, Any]:
    """Of the system at its published size: trained parameters, and what was published, on which data."""
    words = [f"experiment={experiment.replace(SMALL, 'field/')}"]
    cfg = compose("train", words, TrainConfig)
    networks = {"backbone": cfg.backbone, "backbone.frame": getattr(cfg.backbone, "frame", None)}
    # What is counted needs no files.
    words += [f"{place}.weights=none" for place, net in networks.items() if getattr(net, "weights", "none") != "none"]
    module = build_module(compose("train", words, TrainConfig))
    figures = cfg.published.metrics.items() if cfg.published is not None else ()
    told = [f"{number(name.rpartition('/')[2], value)}, {cfg.published.row}" for name, value in figures]  # type: ignore[union-attr]
    return {"parameters": sum(p.numel() for p in module.parameters()), "figure": "; ".join(told) or NOTHING}


def nothing_to_find(runs: Sequence[FinishedRun]) -> dict[str, list[float]]:
    """Means over datasets, with Student's interval, of AUROC and selection optimism where nothing is to be found."""
    values = {
        "auroc": [run.metric(f"test/clip/{RANKED}") for run in runs if run.completed],
        "optimism": [run.optimism(f"test/clip/{CLAIMED}") for run in runs if run.completed],
    }
    return {name: _ends(found, -1.0 if name == "optimism" else 0.0) for name, found in values.items() if found}


def ceilings(words: Sequence[str], seeds: Sequence[int]) -> dict[str, list[float]]:
    """AUROC of logistic regression, over folds of people, on what clips do in the streams; mean over datasets."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        data = compose("train", [*words, f"data.seed={seed}"], TrainConfig).data
        settings = Synthetic(data, progress=False).settings  # type: ignore[arg-type]
        for stream, traces in tables(settings, option(DrawnSignal)).items():
            found.setdefault(f"{stream}, as tracked", []).append(tell(dynamics(traces), traces)[0])
        found.setdefault("units, as drawn", []).append(score(draw_traces(settings)).authenticity_auroc)
    return {name: _ends(values) for name, values in found.items()}


def _ends(values: Sequence[float], least: float = 0.0) -> list[float]:
    """Mean and Student's 95 % interval, as far as a figure can be that; without a spread it has none."""
    mean = t_interval(np.array([v for v in values if np.isfinite(v)]))
    if mean.low == mean.high:
        return [mean.value, np.nan, np.nan]
    return [mean.value, *(float(np.clip(end, least, 1.0)) for end in (mean.low, mean.high))]


def shown(metric: str, figure: Sequence[float] | None, *, signed: bool = False) -> str:
    """A figure with its interval, as people read it."""
    if not figure:
        return NOTHING
    value, low, high = figure
    ends = span(metric, {"low": low, "high": high}, signed)
    return f"{number(metric, value, signed).removesuffix(' %')} {ends}".strip()


def markdown(systems: dict[str, dict[str, Any]], oracle: dict[str, dict[str, list[float]]], about: str) -> str:
    """The table of a page."""
    heads = ["system", "sees", "published", "parameters as published", "small",
             *(REPORTED[m].heading for m in METRICS), "AUROC, nothing to find", "claimed too much there, points",
             "processor s a run"]  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, found in systems.items():
        null = found["null"]
        whole = found["published"]
        cells = [f"`{name}`", ", ".join(found["sees"]), whole["figure"]]
        cells += [f"{whole['parameters']:,}", f"{found['parameters']:,}", *(shown(m, found.get(m)) for m in METRICS)]
        cells += [shown(RANKED, null.get("auroc")), shown(CLAIMED, null.get("optimism"), signed=True)]
        cells += [f"{found['processor_seconds']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    for stream in oracle["default"]:
        cells = [shown(RANKED, oracle[part].get(stream)) for part in ("default", "null")]
        lines.append(f"| logistic regression on a clip | {stream} | | | | | | {cells[0]} | | {cells[1]} | | |")
    return "\n".join([*lines, "", about])


def put_into(page: Path, table: str) -> None:
    """Write a table between the marks of a page; raises :class:`UserError` if it has none."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (begin and end):
        raise UserError(f"--page {page}: the lines {MARKS[0]} and {MARKS[1]} are not in it")
    write_whole(page, f"{before}{begin}\n{table}\n{end}{after}")


def main() -> None:
    """Train what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=[], help="some of field/small/, or whole names of experiments")
    parser.add_argument("--folds", type=int, default=5, help="of five")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--data-seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="where nothing is to be found"
    )
    parser.add_argument("--processes", type=int, default=2, help="runs at a time")
    parser.add_argument("--page", type=Path, help="put the table into this page")
    add_out(parser)
    options, words = parser.parse_known_args()
    names = experiments(options.systems)
    if not names:
        raise UserError(f"no experiment {SMALL}*; give some with --systems")
    common = [f"experiment={','.join(names.values())}", "split=kfold", "split.folds=5", *words]
    parts = ",".join(map(str, range(options.folds)))
    seeds = ",".join(str(1 + k) for k in range(options.seeds))
    mark = "" if not words else "_" + hashlib.sha256(" ".join(words).encode()).hexdigest()[:6]
    main_runs = sweep(f"field{mark}", options.processes, [*common, f"split.fold={parts}", f"seed={seeds}"])
    draws = f"data.seed={','.join(map(str, options.data_seeds))}"
    null = sweep(
        f"field_null{mark}", options.processes, [*common, "split.fold=0", "seed=1", "data.difficulty=1", draws]
    )
    systems = {}
    for name, experiment in names.items():
        own = [[run for run in runs if run.setting("experiment") == experiment] for runs in (main_runs, null)]
        if any(run.completed for run in own[0]):
            systems[name] = {**pooled(own[0]), "null": nothing_to_find(own[1]), "published": published(experiment)}
    oracle = {
        "default": ceilings(words, [0]),
        "null": ceilings([*words, "data.difficulty=1"], options.data_seeds),
    }
    host = machine()
    about = (
        f"{time.strftime('%Y-%m-%d')}, {host['processor']}, {host['cores']} cores, "
        f"{counted(options.processes, 'run')} at a time with a thread each; {options.folds} of 5 folds, "
        f"{counted(options.seeds, 'seed')}, data seeds of the last columns {', '.join(map(str, options.data_seeds))}."
    )
    failed = [line for found in systems.values() for line in found["failed"]]
    rows = [
        (name, f"AUROC {shown(RANKED, found.get(RANKED))}, {found['processor_seconds']:.0f} s", "60 s")
        for name, found in systems.items()
    ]
    report("the field's systems", rows, {"systems": systems, "oracle": oracle}, options.out)
    table = markdown(systems, oracle, about)
    print(table)
    for line in [*failed, *(f"{name}: no run came to an end" for name in names if name not in systems)]:
        print(line)
    if options.page is not None:
        put_into(options.page, table)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
