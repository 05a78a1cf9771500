"""``index.html`` of a run: what it found and what that holds, where it fails, examples, learning, how to repeat it.

Written from what the run's folder holds alone, at its end or at any time later.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realfake.config.upgrade import FINGERPRINT
from realfake.data.sources.listing import printable
from realfake.files import write_whole
from realfake.pages import SYNTHETIC, counted, render
from realfake.reports.example_cards import confusions, example_cards, read_details
from realfake.reports.finished import FinishedRun, read_run
from realfake.reports.pooling import read_clips
from realfake.reports.ranking import command
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import YAML_BYTES, Unreadable, read_text
from realfake.runs.settings import look_up, title_of_data
from realfake.scoring.baselines import chance
from realfake.scoring.metric_table import ACCURACIES, REPORTED, main_metrics, told_metrics
from realfake.scoring.predictions import Predictions, pair_numbers, subject_numbers
from realfake.scoring.statistics import HOLDS, Interval, bootstrap
from realfake.scoring.tables import by_emotion
from realfake.scoring.verdicts import verdict
from realfake.scoring.weak_spots import emotion_table, face_tables, plain_emotions, plain_subjects, subject_table
from realfake.scoring.wording import NOTHING, beside_figures, decimals, number, span

log = logging.getLogger(__name__)

FILES = ("predictions.csv", "metrics.csv", "results.json", "run.log")
SERIES = {"train/frame": "training samples", "val/frame": "validation samples", "val/clip": "validation clips"}
"""Prefix of a metric over epochs → what it is of."""


def write_run_page(run: RunFolder) -> Path | None:
    """Write the page of a completed run; ``None`` if it has no results, or its figures are of older definitions."""
    found = read_run(run.path, printable(run.path.resolve().name))
    if not found.completed or found.outdated:
        return None
    write_whole(run.page, render("run.html", **_page(found)))
    return run.page


def bring_up_to_date(run: FinishedRun) -> Path | None:
    """The page of a run, written if it is missing or older than the results; ``None`` if there can be none."""
    folder = RunFolder(run.folder)
    try:
        if folder.page.is_file() and folder.page.stat().st_mtime >= folder.results.stat().st_mtime:
            return folder.page
        return write_run_page(folder)
    except Exception as error:  # a folder may hold anything, be somebody else's, or lie on a disk that is read-only
        log.warning("%s: no page of this run (%s)", printable(str(run.folder)), " ".join(str(error).split())[:200])
        return None


def _page(run: FinishedRun) -> dict[str, Any]:
    results, clips, details = run.results, read_clips(run), read_details(RunFolder(run.folder))
    title = f"{results.get('approach')} on {title_of_data(run.config)}"
    experiment = results.get("experiment")
    values: dict[str, Any] = {
        "title": f"{title} ({experiment})" if experiment else title,
        "name": run.name,
        "created": time.strftime("%Y-%m-%d %H:%M"),
        "notes": _notes(run),
        "holds": HOLDS,
        "facts": _facts(run),
        "files": [name for name in FILES if (run.folder / name).is_file()],
        "config": _configuration(run),
        "command": command(run),
        "path": printable(str(run.folder)),
        "optimism": _optimism(run),
        "said": [], "tiles": [], "main": None, "emotions": None, "subjects": None, "faces": [], "examples": [],
        "words": [],
    }  # fmt: skip
    data: dict[str, Any] = {"learning": _learning(run), "best_epoch": results.get("best_epoch")}
    data |= {"confusions": {}, "examples": []}
    if clips is not None:
        p = clips.predictions
        # Numbered as when the run ended, so that the intervals are those of its results.
        subject, pair = subject_numbers(clips.table)[p.clip], pair_numbers(clips.table)[p.clip]
        intervals = bootstrap(p, subject, pair)
        examples = example_cards(clips, details["examples"])
        values |= {
            "said": verdict(p, subject, intervals),
            "tiles": _tiles(run, p, intervals),
            "intervals": any(math.isfinite(i.low) for i in intervals.values()),
            "main": _main_table(run, p, intervals),
            "words": [(REPORTED[m].heading, REPORTED[m].words) for m in told_metrics(p.tasks)],
            "emotions": emotion_table(plain_emotions(p, by_emotion(p, subject, pair))),
            "subjects": subject_table(plain_subjects(p, subject, pair, clips.table)),
            "faces": face_tables(p, subject, pair, details["faces"]),
            "examples": examples,
        }
        data["confusions"] = confusions(p)
        data["examples"] = [e["curves"] for e in examples]
    return values | {"data": data}


def _notes(run: FinishedRun) -> list[str]:
    """What has to be said before any figure."""
    results, notes = run.results, []
    if look_up(run.config, "data") == "synthetic":
        notes.append(SYNTHETIC)
    notes += beside_figures(results)
    if results.get("overfit"):
        notes.append("Trained to learn a few batches by heart (trainer.overfit_batches): a test of the software.")
    learned = results.get("learned")
    for origin in (learned.get("unknown") or []) if isinstance(learned, dict) else []:
        notes.append(f"Whom {origin} has learned is not known: tested people may be among them.")
    return notes


def _optimism(run: FinishedRun) -> str | None:
    """What the best test epoch would have claimed, in a sentence; ``None`` if that was not measured."""
    told = run.results.get("optimism") or {}
    claims = [
        f"{number(m, told[m].get('claimed'))} {REPORTED[m].heading} ({number(m, run.optimism(m), signed=True)})"
        for m in main_metrics()
        if math.isfinite(run.optimism(m))
    ]
    if not claims:
        return None
    return (
        "Had the epoch that is best on the test clips been kept, by samples drawn at random, this run would have "
        f"claimed {', '.join(claims)}: in brackets selection optimism, which is what such a claim has too much."
    )


def _known(run: FinishedRun, metric: str) -> bool:
    return math.isfinite(run.metric(f"test/clip/{metric}"))


def _tiles(run: FinishedRun, p: Predictions, intervals: Mapping[str, Interval]) -> list[tuple[str, str, str, str]]:
    guessing = chance(p)
    return [
        (
            number(m, run.metric(f"test/clip/{m}")),
            REPORTED[m].heading,
            _span(m, intervals.get(m)),
            f"guessing {number(m, guessing[m])}" if m in guessing else "",
        )
        for m in main_metrics()
        if _known(run, m)
    ]


def _main_table(
    run: FinishedRun, p: Predictions, intervals: Mapping[str, Interval]
) -> tuple[list[str], list[list[str]]]:
    guessing = chance(p)
    rows = [
        [
            REPORTED[m].heading,
            number(m, run.metric(f"test/clip/{m}")),
            _span(m, intervals.get(m)),
            number(m, run.metric(f"test/frame/{m}")),
            number(m, guessing.get(m)),
        ]
        for m in REPORTED
        if _known(run, m)
    ]
    return ["metric", "clips", "95 % interval", "samples", "guessing"], rows


def _span(metric: str, i: Interval | None) -> str:
    return "" if i is None else span(metric, {"low": i.low, "high": i.high})


def _learning(run: FinishedRun) -> list[dict[str, Any]]:
    """Curves over epochs, a panel each: loss, accuracies, weights of several task losses, learning rate."""
    panels = {
        metric.replace("_", " "): {words: f"{prefix}/{metric}" for prefix, words in SERIES.items()}
        for metric in ("loss", *ACCURACIES)
    }
    prefix = "train/frame/weight_"
    weights = {name.removeprefix(prefix): name for name in sorted(run.curves) if name.startswith(prefix)}
    if len(weights) > 1:
        panels["weights of the task losses"] = weights
    panels["learning rate"] = {"learning rate": "lr"}
    drawn = []
    for title, names in panels.items():
        known = {words: run.curves[name] for words, name in names.items() if name in run.curves}
        lines = {w: [[int(e) for e in x], [float(f"{v:.5g}") for v in y]] for w, (x, y) in known.items()}
        if lines:
            drawn.append({"title": title, "lines": lines})
    return drawn


def _facts(run: FinishedRun) -> list[tuple[str, str]]:
    results, seconds = run.results, run.results.get("seconds")
    backbone, streams = look_up(run.config, "backbone"), look_up(run.config, "backbone.streams")
    best, over = results.get("best_epoch"), "" if streams is None else " over " + streams.replace('"', "")
    facts: dict[str, Any] = {
        "backbone": f"{backbone}{over}",
        "split": look_up(run.config, "split"),
        "seed": results.get("seed"),
        "best epoch": None if best is None else f"{best} (of {counted(results.get('epochs') or 0, 'epoch')})",
        "selected on": run.optimized_metric,
        "protocol": run.protocol,
        "parameters": _listed(results.get("parameters"), lambda v: f"{v:,}"),
        "samples a second": decimals(results.get("samples_per_second"), 0),
        "seconds": _listed(seconds, lambda v: f"{v:.1f}"),
        "device": results.get("device"),
        "threads": results.get("threads"),
        "config": results.get("config_digest"),
        "data": results.get("data_fingerprint"),
        "commit": results.get("git_commit"),
        "versions": _listed(results.get("versions"), str),
    }
    return [(key, str(value)) for key, value in facts.items() if value not in (None, "", NOTHING)]


def _listed(values: Any, shown: Any) -> str | None:
    if not isinstance(values, dict):
        return None
    return ", ".join(f"{k} {shown(v)}" for k, v in values.items() if v is not None)


def _configuration(run: FinishedRun) -> str:
    """What was saved, without what it says about itself."""
    try:
        text = read_text(RunFolder(run.folder).saved_config, YAML_BYTES)
    except (OSError, Unreadable):
        return ""
    return "\n".join(line for line in text.splitlines() if not line.startswith((FINGERPRINT, "format:")))
