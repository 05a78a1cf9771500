"""Everything that is said about a model's predictions, as one report: intervals, baselines, calibration, comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.comparison.pairing import common_rows, comparable
from realfake.errors import UserError
from realfake.labels import ABSENT, THRESHOLD, Protocol, several
from realfake.scoring.baselines import chance, emotion_only, majority, shuffle_test
from realfake.scoring.calibration import (
    Temperature,
    apply_temperatures,
    choose_temperatures,
    log_loss,
    reliability,
)
from realfake.scoring.metric_table import LEVELS
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions, clip_names, pair_numbers, subject_numbers
from realfake.scoring.protocols import decide, explained
from realfake.scoring.statistics import HOLDS, LEVEL, RESAMPLES, Interval, bootstrap, compare
from realfake.scoring.tables import by_emotion, proportion
from realfake.scoring.weak_spots import plain_emotions, plain_subjects

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rival:
    """Another run's predictions, to be compared with."""

    name: str
    clips: Predictions
    """One row a clip."""
    table: pd.DataFrame
    """Its clip table; columns ``clip`` and ``dataset``."""


@dataclass(frozen=True)
class Evaluation:
    """What was found, and what is drawn of it."""

    report: dict[str, Any]
    """Plain values, undefined ones None: see :func:`evaluate_predictions`."""
    samples: Predictions
    """Calibrated, if that was asked for; one row a sample."""
    clips: Predictions
    """Calibrated, if that was asked for; one row a clip."""
    by_emotion: dict[str, dict[str, Interval]] = field(default_factory=dict)


def evaluate_predictions(
    test: Predictions,
    table: pd.DataFrame,
    class_counts: Mapping[str, Sequence[float]],
    *,
    about: Mapping[str, str] | None = None,
    validation: Predictions | None = None,
    validation_table: pd.DataFrame | None = None,
    calibrate: bool = False,
    first_frame: Predictions | None = None,
    against: Rival | None = None,
    leaks: Sequence[str] | None = None,
    people: str | None = None,
    protocol: Protocol = THRESHOLD,
    losses: Mapping[str, float] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Evaluate predictions at the level of samples and of clips.

    Args:
        test: One row a sample.
        table: Clip table to whose rows ``test.clip`` points; columns ``clip``, ``dataset``, ``subject``, ``pair``.
        class_counts: Training clips of each class of ``joint``, ``emotion`` and ``authenticity``.
        about: What the report is about (run, data, part, …), shown as it is.
        validation: Predictions of the validation part, one row a sample, from which temperatures are taken.
        validation_table: Its clip table; None = ``table``.
        calibrate: Scale the test predictions by these temperatures before anything else, as far as they are reliable:
            see :func:`realfake.scoring.calibration.choose_temperatures`.
        first_frame: The model's predictions from each clip's first frame alone, one row a clip.
        against: Another run on the same clips.
        leaks: Lines about subjects, pairs and files that are in several parts, or that the model has learned before;
            None = not known.
        people: What has to be said of unknown people, see :func:`realfake.data.people.people_note`.
        protocol: What decides real or fake of a clip, of the model, of its first frames and of the other run; the other
            baselines look at no clip.
        losses: Level → loss that testing found; None = not known, as of probabilities that are scaled afterwards.
        resamples: Of the bootstrap.
        seed: Of everything that is drawn.

    Returns:
        The report's keys: ``about``, ``settings``, ``counts``; ``metrics`` (level → metric → value, low, high),
        ``proportions`` (task → right, total and Wilson's interval, see :func:`realfake.scoring.tables.proportion`),
        ``by_emotion``,
        ``by_subject``, ``baselines``, ``first_frame`` and ``against`` (differences to them), ``shuffle``,
        ``calibration``, ``temperatures`` (level → task → used, fitted, why refused), ``leaks``, ``people``.

    Raises:
        UserError: If calibration is asked for without validation predictions, or if the rival shares no clip.
    """
    samples, clips = test, test.by_clip()
    temperatures: dict[str, dict[str, Temperature]] = {}
    if validation is not None:
        persons = subject_numbers(table if validation_table is None else validation_table)
        levels = {"frame": validation, "clip": validation.by_clip()}
        temperatures = {level: choose_temperatures(p, persons[p.clip]) for level, p in levels.items()}
    used = {level: {task: t.used for task, t in found.items()} for level, found in temperatures.items()}
    calibration = _calibration(clips, used.get("clip"))
    if calibrate:
        if not temperatures:
            raise UserError("calibration=temperature: there are no validation clips to take temperatures from")
        samples = apply_temperatures(samples, used["frame"])
        clips = apply_temperatures(clips, used["clip"])
    subjects, pairs = subject_numbers(table), pair_numbers(table)
    subject, pair = subjects[clips.clip], pairs[clips.clip]
    clips = decide(clips, protocol, pair)
    found = {
        level: bootstrap(p, subjects[p.clip], pairs[p.clip], resamples=resamples, seed=seed)
        for level, p in zip(LEVELS, (samples, clips), strict=True)
    }
    for level, value in (losses or {}).items():
        found[level]["loss"] = Interval(value, math.nan, math.nan)
    emotions = by_emotion(clips, subject, pair, resamples=resamples, seed=seed)
    baselines = {
        "chance": chance(clips),
        "majority": majority(clips, class_counts, pair),
    }
    if "authenticity" in clips.p and ("emotion" in clips.p or several(clips.emotion)):
        baselines["emotion only"] = metrics(emotion_only(clips, class_counts), pair)
    versus: dict[str, Any] = {"first_frame": None, "against": None}
    if first_frame is not None:
        first_frame = decide(first_frame, protocol, pairs[first_frame.clip])
        baselines["first frame"] = metrics(first_frame, pairs[first_frame.clip])
        own = Rival("its own first frames", first_frame, table)
        versus["first_frame"] = _against(own, clips, table, resamples, seed)
    if against is not None:
        theirs = decide(against.clips, protocol, pair_numbers(against.table)[against.clips.clip])
        against = replace(against, clips=theirs)
        versus["against"] = _against(against, clips, table, resamples, seed)
    report = {
        "about": dict(about or {}),
        "settings": {
            "resamples": resamples,
            "level": LEVEL,
            "seed": seed,
            "calibrated": calibrate,
            "intervals_hold": HOLDS,
            "protocol": protocol,
            "decided": explained(clips),
        },
        "counts": {
            "samples": len(samples),
            "clips": len(clips),
            "subjects": len(np.unique(subject)),
            "datasets": sorted({str(d) for d in table["dataset"].to_numpy(object)[clips.clip]}),
            **{f"{task}_labels": int((clips.true(task) != ABSENT).sum()) for task in clips.tasks},
        },
        "metrics": {level: {n: asdict(i) for n, i in intervals.items()} for level, intervals in found.items()},
        "proportions": {task: _proportion(clips, task) for task in clips.tasks},
        "by_emotion": plain_emotions(clips, emotions),
        "by_subject": plain_subjects(clips, subject, pair, table),
        "baselines": baselines,
        "shuffle": shuffle_test(clips, subject, pair, seed=seed),
        "calibration": calibration,
        "temperatures": {
            level: {task: asdict(t) for task, t in found.items()} for level, found in temperatures.items()
        },
        **versus,
        "leaks": None if leaks is None else list(leaks),
        "people": people,
    }
    return Evaluation(_plain(report), samples, clips, emotions)


def _calibration(clips: Predictions, temperatures: dict[str, float] | None) -> dict[str, dict[str, float | None]]:
    """Calibration error and log loss of each task, and what the temperature makes of them."""
    found: dict[str, dict[str, float | None]] = {}
    after = None if temperatures is None else apply_temperatures(clips, temperatures)
    for task in clips.tasks:
        found[task] = {
            "temperature": None if temperatures is None else temperatures[task],
            **_quality(clips, task, ""),
            **({} if after is None else _quality(after, task, "_after")),
        }
    return found


def _quality(p: Predictions, task: str, ending: str) -> dict[str, float | None]:
    known = p.true(task) != ABSENT
    loss = log_loss(p.probabilities(task)[known], p.true(task)[known])
    return {f"ece{ending}": reliability(p, task).ece, f"log_loss{ending}": loss}


def _proportion(p: Predictions, task: str) -> dict[str, float]:
    right, total, interval = proportion(p, task)
    return {"right": right, "total": total, "low": interval.low, "high": interval.high}


def _against(rival: Rival, clips: Predictions, table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Difference of the model to another system, over the clips that both have."""
    mine, theirs = common_rows(clip_names(table)[clips.clip], clip_names(rival.table)[rival.clips.clip])
    key = f"against={rival.name}"
    if not len(mine):
        raise UserError(
            f"{key}: none of its {len(rival.clips)} clips is among the {len(clips)} that are tested "
            "here; compare runs of the same data, split and part"
        )
    rows = clips.clip[mine]
    first, second, names = comparable(rival.clips.select(theirs), clips.select(mine), clip_names(table)[rows], key)
    subject, pair = subject_numbers(table)[rows], pair_numbers(table)[rows]
    found = compare(first, second, subject, pair, names=names, resamples=resamples, seed=seed)
    return {"name": rival.name, "clips": len(mine), "metrics": {n: asdict(d) for n, d in found.items()}}


def _plain(value: Any) -> Any:
    """Values as JSON has them: no number that is none."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return value
