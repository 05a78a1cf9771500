"""The report of an evaluation, as tables on the screen and as one HTML page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.files import write_whole
from realfake.pages import SYNTHETIC, counted, render
from realfake.reports.example_cards import confusions, example_cards, read_details
from realfake.reports.pooling import read_tested
from realfake.runs.folder import RunFolder
from realfake.scoring.metric_table import REPORTED, main_metrics
from realfake.scoring.predictions import pair_numbers, subject_numbers
from realfake.scoring.statistics import Interval
from realfake.scoring.verdicts import verdict
from realfake.scoring.weak_spots import emotion_table, face_tables, subject_table
from realfake.scoring.wording import NOTABLE_P, number, p_value, span
from realfake.terminal import print_table

if TYPE_CHECKING:
    from rich.console import Console

CAPTIONS = {
    "confusion_joint": "Confusion of the joint classes",
    "confusion_emotion": "Confusion of the emotions",
    "confusion_authenticity": "Confusion of real and fake",
    "reliability": "Reliability: how often it is right, by how sure it is",
    "roc": "Receiver operating characteristic",
    "by_emotion": "Accuracy by emotion",
    "learning_curves": "Training",
    "examples": "The surest right and wrong clips",
}
LEAST_P = "least: the smallest p-value that the test can give on so few people, however large the effect is"
_SIZES = ("clips", "subjects")


def print_report(console: Console, report: Mapping[str, Any]) -> None:
    """Show the report's main figures as tables."""

    def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
        print_table(console, title, columns, rows)

    counts = report["counts"]
    columns, rows = main_table(report)
    # In two tables, since one with all columns is wider than most terminals.
    title = f"{counted(counts['clips'], 'clip')} of {counted(counts['subjects'], 'subject')}"
    show(title, columns[:5], [row[:5] for row in rows])
    beside = [[row[0], row[1], *row[5:]] for row in rows]
    show("Beside the simplest guesses (clips)", [columns[0], columns[1], *columns[5:]], beside)
    if report["by_emotion"]:
        show("By emotion (clips)", *emotion_table(report["by_emotion"]))
    if any(row["temperature"] is not None for row in report["calibration"].values()):
        show("Calibration (clips)", *calibration_table(report))
        for line in refusals(report):
            console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    for title, found in differences(report):
        show(title, *difference_table(found))
    if report["settings"]["decided"]:
        console.print(report["settings"]["decided"], highlight=False)
    console.print(f"95 % interval: {report['settings']['intervals_hold']}", highlight=False)
    if few_people(report):
        console.print(LEAST_P, highlight=False)
    if report["leaks"]:
        console.print(
            f"{len(report['leaks'])} overlaps with what was learned, e.g. {report['leaks'][0]}",
            style="red",
            markup=False,
        )
    elif report["leaks"] is None:
        console.print("whether the tested people have been learned before is not known", style="yellow")
    else:
        known = "known " if report["people"] else ""
        console.print(
            f"no {known}subject, pair or file is in two parts, or tested after it was learned or selected on",
            style="green",
        )
    if report["people"]:
        console.print(report["people"], style="yellow", markup=False, soft_wrap=True, highlight=False)


def main_table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Every metric of clips and samples, with its interval and the baselines."""
    clip, frame, baselines = report["metrics"]["clip"], report["metrics"]["frame"], report["baselines"]
    columns = ["metric", "clips", "95 %, clips", "samples", "95 %, samples", *baselines, "p (shuffled labels)"]
    rows = []
    for m in clip:
        known = [number(m, found.get(m)) for found in baselines.values()]
        luck = report["shuffle"].get(m)
        rows.append(
            [
                REPORTED[m].heading,
                number(m, clip[m]["value"]),
                span(m, clip[m]),
                number(m, frame[m]["value"]),
                span(m, frame[m]),
                *known,
                p_value(luck["p_value"], luck["smallest_p"]) if luck else "",
            ]
        )
    return columns, rows


def calibration_table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Calibration error and log loss of each task before and after temperature scaling."""
    keys = ("ece", "ece_after", "log_loss", "log_loss_after", "temperature")
    rows = [[task, *(number(k, found.get(k)) for k in keys)] for task, found in report["calibration"].items()]
    return ["task", "error", "error, scaled", "log loss", "log loss, scaled", "temperature"], rows


def scaled_tasks(report: Mapping[str, Any]) -> list[str]:
    """Tasks whose clip probabilities were scaled."""
    found = report["temperatures"].get("clip", {}) if report["settings"]["calibrated"] else {}
    return [task for task, t in found.items() if t["refused"] is None]


def refusals(report: Mapping[str, Any]) -> list[str]:
    """Why temperatures are not used, one line a reason: of clips, and of samples if these were to be scaled too."""
    levels = {"clip": "clips", "frame": "samples"} if report["settings"]["calibrated"] else {"clip": "clips"}
    tasks: dict[str, list[str]] = {}
    for level, what in levels.items():
        for task, t in report["temperatures"].get(level, {}).items():
            if t["refused"] is not None:
                tasks.setdefault(t["refused"], []).append(f"{task} ({what})")
    return [f"temperature 1 for {', '.join(names)}: {reason}" for reason, names in tasks.items()]


def proportion_table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Right clips of all, with Wilson's interval."""
    rows = []
    for task, found in report["proportions"].items():
        m, total = f"{task}_accuracy", found["total"]
        value = found["right"] / total if total else None
        rows.append([REPORTED[m].heading, f"{found['right']:,} of {total:,}", number(m, value), span(m, found)])
    return ["", "right", "accuracy", "Wilson 95 %"], rows


def differences(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The comparisons that were made, with their titles."""
    made = [report[key] for key in ("against", "first_frame") if report[key]]
    return [
        (f"Against {other['name']}, on {counted(other['clips'], 'common clip')}", other["metrics"]) for other in made
    ]


def difference_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Differences of every metric, with interval and p-value."""
    rows = [
        [
            REPORTED[m].heading,
            number(m, d["first"]),
            number(m, d["second"]),
            number(m, d["value"], signed=True),
            span(m, d, signed=True),
            p_value(d["p_value"], d["smallest_p"]),
        ]
        for m, d in found.items()
    ]
    return ["metric", "other", "this", "difference", "95 % interval", "p (permutation)"], rows


def few_people(report: Mapping[str, Any]) -> bool:
    """Whether any p-value of the report could not have been below 0.05."""
    tests = [*report["shuffle"].values(), *(d for _, found in differences(report) for d in found.values())]
    return any(t["smallest_p"] is not None and t["smallest_p"] >= NOTABLE_P for t in tests)


def write_page(report: Mapping[str, Any], pictures: Mapping[str, Path], path: Path) -> None:
    """Write the page.

    Args:
        report: See :func:`realfake.evaluation.evaluation_report.evaluate_predictions`.
        pictures: Name → PNG file, see :func:`realfake.scoring.plots.save_all`.
        path: Of the page.
    """
    clip, folder = report["metrics"]["clip"], RunFolder(path.parent)
    clips, details = read_tested(folder.predictions), read_details(folder)
    guessing = report["baselines"]["chance"]
    tiles = [
        (
            number(m, clip[m]["value"]),
            REPORTED[m].heading,
            span(m, clip[m]),
            f"guessing {number(m, guessing[m])}" if m in guessing else "",
        )
        for m in main_metrics()
        if m in clip
    ]
    said, faces, cards = [], [], []
    data: dict[str, Any] = {"confusions": {}, "examples": []}
    if clips is not None:
        p, subject = clips.predictions, subject_numbers(clips.table)[clips.predictions.clip]
        nothing = math.nan
        intervals = {m: Interval(**{k: nothing if v is None else v for k, v in i.items()}) for m, i in clip.items()}
        said = verdict(p, subject, intervals)
        faces = face_tables(p, subject, pair_numbers(clips.table)[p.clip], details["faces"])
        cards = example_cards(clips, details["examples"])
        data = {"confusions": confusions(p), "examples": [card["curves"] for card in cards]}
    # What stands on the page as tables and examples already.
    tables = {*(f"confusion_{task}" for task in data["confusions"]), *(["examples"] if cards else [])}
    run = report["about"].get("run")
    write_whole(
        path,
        render(
            "evaluation.html",
            title=f"Evaluation of {run}" if run else "Evaluation",
            report=report,
            sizes=", ".join(counted(report["counts"][key], key.removesuffix("s")) for key in _SIZES),
            notes=_notes(report),
            said=said,
            tiles=tiles,
            main=main_table(report),
            words=[(REPORTED[m].heading, REPORTED[m].words) for m in clip],
            emotions=emotion_table(report["by_emotion"]),
            subjects=subject_table(report["by_subject"]),
            faces=faces,
            examples=cards,
            calibration=calibration_table(report),
            refusals=refusals(report),
            scaled=scaled_tasks(report),
            least_p=LEAST_P if few_people(report) else None,
            proportions=proportion_table(report),
            differences=[(title, difference_table(found)) for title, found in differences(report)],
            plots=[(CAPTIONS.get(name, name), file) for name, file in pictures.items() if name not in tables],
            data=data,
        ),
    )


def _notes(report: Mapping[str, Any]) -> list[str]:
    """What has to be said before any figure."""
    notes = [SYNTHETIC] if "synthetic" in report["counts"]["datasets"] else []
    notes += [report["people"]] if report["people"] else []
    if report["leaks"]:
        notes.append(
            "Training and test data overlap: see the end of the page. The figures are too good by an unknown amount."
        )
    return notes
