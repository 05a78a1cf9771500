"""Run folders as a report finds them: read in whatever state they are, and never trusted to be whole."""

from __future__ import annotations

import csv
import io
import math
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from realfake.config import AUTO
from realfake.config.upgrade import upgrade
from realfake.data.sources.listing import printable
from realfake.labels import THRESHOLD
from realfake.pages import duration
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import (
    TABLE_BYTES,
    Unreadable,
    read_json,
    read_text,
    read_yaml,
)
from realfake.runs.results import COMPLETED, FAILED, INTERRUPTED
from realfake.runs.settings import is_setting, look_up, parse_override
from realfake.scoring.metric_table import DEFINITIONS, METRICS

DIVERGED, RUNNING, UNFINISHED, DAMAGED, EMPTY = "diverged", "running", "unfinished", "damaged", "empty"
STATUSES = (COMPLETED, DIVERGED, FAILED, DAMAGED, INTERRUPTED, UNFINISHED, RUNNING, EMPTY)
"""Every state that a run can be shown in."""

ALIVE_SEC = 600.0
"""A run without results counts as running if it wrote anything within this time."""
CURVE_POINTS = 150
"""Epochs kept of a learning curve."""

_TEXT, _NUMBER = "a text", "a number"
_TYPES = {
    **dict.fromkeys(("metrics", "published", "versions", "intervals"), "keys and values"),
    **dict.fromkeys(("best_epoch", "epochs", "samples_per_second", "metric_definitions", "seed"), _NUMBER),
    **dict.fromkeys(
        (
            "status", "error", "approach", "data", "experiment", "config_digest", "data_fingerprint", "git_commit",
            "people", "optimized_metric", "device", "protocol",
        ),
        _TEXT,
    ),
    "overrides": "a list",
}  # fmt: skip
"""What ``results.json`` holds under each key that is used, as an error says it; anything may be null as well."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a run's folder says, reduced to what fits into a table."""

    folder: Path
    name: str
    """Path below the folder that the report is about."""
    status: str
    error: str | None = None
    """Why the run has no result, in one line."""
    results: dict[str, Any] = field(default_factory=dict)
    """``results.json``."""
    config: dict[str, Any] = field(default_factory=dict)
    """What the run trained with, in the present form, as far as it can be read."""
    overrides: tuple[str, ...] = ()
    """The overrides of the run as Hydra saved them, without those of the sweep."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Test metrics, and the others at the best epoch; NaN where undefined."""
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """Metric → epochs, values; both (n,) with n at most ``CURVE_POINTS``."""
    definitions: int = DEFINITIONS
    """By which definitions the metrics were computed, see :data:`realfake.scoring.metric_table.DEFINITIONS`."""
    predictions: Path | None = None
    """Table of the predictions that the metrics were computed of; it need not exist."""

    @property
    def optimized_metric(self) -> str | None:
        """The validation metric that selected the best epoch."""
        found = self.results.get("optimized_metric") or self.config.get("optimized_metric")
        return str(found) if found and found != AUTO else None

    @property
    def outdated(self) -> bool:
        """Whether the run's figures mean something else than those of today; it is shown, but never ranked."""
        return self.completed and self.definitions != DEFINITIONS

    @property
    def protocol(self) -> str:
        """What decided real or fake of the run's clips."""
        return str(self.results.get("protocol") or self.config.get("protocol") or THRESHOLD)

    @cached_property
    def settings(self) -> dict[str, str]:
        """Override → value."""
        return dict(parse_override(o) for o in self.overrides)

    @property
    def seconds(self) -> float:
        """Wall time of the run, NaN if unknown."""
        seconds = self.results.get("seconds")
        return _number(seconds.get("total") if isinstance(seconds, dict) else seconds)

    @property
    def completed(self) -> bool:
        """Whether the run was trained and tested."""
        return self.status == COMPLETED

    def setting(self, key: str) -> str | None:
        """Value of an override key, or what the configuration has where it was not overridden; ``None`` if neither."""
        return self.settings[key] if key in self.settings else look_up(self.config, key)

    def metric(self, name: str) -> float:
        """A metric, NaN if the run has none of that name."""
        return self.metrics.get(name, math.nan)

    def log_tail(self, lines: int) -> list[str]:
        """The last lines of the run's log, without colour codes."""
        logs = [RunFolder(self.folder).log, *sorted(self.folder.glob("*.log"))]
        for path in logs:
            with suppress(OSError):
                if path.is_file() and path.stat().st_size:
                    return _tail(path, lines)
        return []


def read_run(folder: Path, name: str) -> FinishedRun:
    """Read a run's folder; whatever is missing or damaged is left out and shows in the status."""
    try:
        return _read_run(folder, name)
    except Exception as error:  # a folder may hold anything, and must not cost the report of all the others
        reason = " ".join(str(error).split())
        return FinishedRun(folder, name, DAMAGED, printable(f"cannot be read: {type(error).__name__}: {reason}")[:500])


def _read_run(folder: Path, name: str) -> FinishedRun:
    run = RunFolder(folder)
    results, problem = _read_results(run.results)
    config, bad_config = _read_yaml(run.saved_config, dict)
    saved, bad_overrides = _read_yaml(run.overrides_file, list)
    problem = problem or bad_config or bad_overrides
    overrides = saved or results.get("overrides") or []
    if problem is not None:  # none of its figures counts
        results = {key: value for key, value in results.items() if key != "metrics"}
    given = results.get("metrics")
    metrics = {str(k): _number(v) for k, v in given.items()} if isinstance(given, dict) else {}
    status, error = _state(run, results, problem)
    definitions, curves, tested = _definitions(results), _read_curves(run.metrics), run
    if status == COMPLETED and definitions != DEFINITIONS:
        # Losses mean what they meant; figures of training are not measured again.
        curves = {name: curve for name, curve in curves.items() if not _is_metric(name)}
        again = RunFolder(run.evaluation("test"))
        renewed = _read_results(again.results)[0]
        if _stands_for(renewed, results):
            definitions, tested = DEFINITIONS, again
            kept = {name: value for name, value in metrics.items() if not _is_metric(name)}
            metrics = kept | {str(k): _number(v) for k, v in renewed["metrics"].items()}
    return FinishedRun(
        folder=folder,
        name=name,
        status=status,
        error=error,
        results=results,
        config=config and upgrade(config),
        overrides=tuple(str(o) for o in overrides if is_setting(str(o))),
        metrics=metrics,
        curves=curves,
        definitions=definitions,
        predictions=tested.predictions,
    )


def _definitions(results: dict[str, Any]) -> int:
    """Number of the definitions of a run's metrics; 1 in results from before there were numbers."""
    found = results.get("metric_definitions", 1)
    return found if isinstance(found, int) else 1


def _stands_for(renewed: dict[str, Any], results: dict[str, Any]) -> bool:
    """Whether an evaluation says, by today's definitions, what the run's own results say."""
    return (
        renewed.get("status") == COMPLETED
        and renewed.get("stands_for_run") is True
        and _definitions(renewed) == DEFINITIONS
        and renewed.get("data_fingerprint") == results.get("data_fingerprint")
        and isinstance(renewed.get("metrics"), dict)
    )


def _is_metric(name: str) -> bool:
    return name.rpartition("/")[2] in METRICS


def _state(run: RunFolder, results: dict[str, Any], problem: str | None) -> tuple[str, str | None]:
    if problem is not None:
        return DAMAGED, problem
    if results:
        status, error = str(results.get("status")), results.get("error")
        if status not in STATUSES:
            return DAMAGED, f"results.json: status {status!r}, expected one of {', '.join(STATUSES)}"
        if status == FAILED and str(error).startswith("diverged"):
            status, error = DIVERGED, str(error).removeprefix("diverged").lstrip(": ")
        return status, str(error) if error else None
    written = [t for p in run.path.rglob("*") if (t := _file_time(p)) is not None]
    if not written:
        return EMPTY, "the folder is empty: the job ended before it began"
    age = time.time() - max(written)
    if age < ALIVE_SEC:
        return RUNNING, "no results yet"
    return UNFINISHED, f"no results, and nothing written for {duration(age)}: the job was killed"


def _file_time(path: Path) -> float | None:
    """When a file was written; ``None`` if it is none, or is gone by now."""
    try:
        return path.stat().st_mtime if path.is_file() else None
    except OSError:
        return None


def _read_results(path: Path) -> tuple[dict[str, Any], str | None]:
    """What ``results.json`` holds, and what is wrong with it; nothing is kept of one that is wrong."""
    try:
        found = read_json(path)
    except FileNotFoundError:
        return {}, "results.json is a link to nothing" if path.is_symlink() else None
    except Unreadable as error:
        return {}, f"results.json cannot be read: {error}"
    if not isinstance(found, dict):
        return {}, f"results.json holds a {type(found).__name__}, expected an object"
    wrong = _wrong_value(found)
    return ({}, f"results.json: {wrong}") if wrong else (found, None)


def _wrong_value(results: dict[str, Any]) -> str | None:
    """The first value of a type that no run writes."""
    kinds = {_TEXT: str, _NUMBER: int | float, "a list": list, "keys and values": dict}
    for key, kind in _TYPES.items():
        value = results.get(key)
        if value is not None and (not isinstance(value, kinds[kind]) or isinstance(value, bool)):
            return f"{key} is a {type(value).__name__}, expected {kind}"
    for name, value in (results.get("metrics") or {}).items():
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            return f"metrics: {name} is a {type(value).__name__}, expected a number"
    return None


def _read_yaml(path: Path, kind: type) -> tuple[Any, str | None]:
    """What a file of ``.hydra/`` holds, empty if it is not there or wrong; and what is wrong with it."""
    shown = f"{path.parent.name}/{path.name}"
    try:
        found = read_yaml(path)
    except FileNotFoundError:
        return kind(), None
    except Unreadable as error:
        return kind(), f"{shown} cannot be read: {error}"
    if isinstance(found, kind):
        return found, None
    return kind(), f"{shown} holds a {type(found).__name__}, expected a {kind.__name__}"


def _read_curves(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Column → epochs and values; read by hand, since pandas takes ten times as long for files as small as these."""
    try:
        heads, *rows = csv.reader(io.StringIO(read_text(path, TABLE_BYTES), newline=""))
    except (OSError, ValueError, csv.Error):
        return {}
    if "epoch" not in heads:
        return {}
    values = np.array([[_parsed(cell) for cell in row] for row in rows if len(row) == len(heads)], dtype=np.float64)
    curves = {}
    for i, name in enumerate(heads):
        if name == "epoch" or not len(values):
            continue
        known = values[:, [heads.index("epoch"), i]]
        known = known[np.isfinite(known).all(1)]
        if len(known):
            picked = np.unique(np.linspace(0, len(known) - 1, min(len(known), CURVE_POINTS)).round().astype(int))
            curves[name] = (known[picked, 0], known[picked, 1])
    return curves


def _parsed(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _tail(path: Path, lines: int, most: int = 65536) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - most))
        text = file.read().decode("utf-8", errors="replace")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    # A progress bar overwrites its line: only the last state of it counts.
    found = [line.rsplit("\r", 1)[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    return ["".join(c for c in line if c.isprintable() or c == "\t")[:500] for line in found if line][-lines:]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
