"""The runs that a sweep was to have, which are more than its folder holds if it was cut short."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from realfake.reports.finished import EMPTY, FinishedRun
from realfake.runs.foreign import Unreadable, read_yaml
from realfake.runs.settings import is_setting, parse_override

SWEEP_FILE = "multirun.yaml"
"""What Hydra writes into the folder of a sweep: the command line, and the configuration."""
MOST = 20_000
"""Runs of a sweep that are told apart; of larger ones nothing is said."""

Job = frozenset[tuple[str, str]]


def missing_notes(runs: Sequence[FinishedRun]) -> list[str]:
    """A sentence for each sweep among the parents of ``runs`` of whose runs not all are there."""
    notes = []
    for folder in dict.fromkeys(run.folder.parent for run in runs):
        inside = [run for run in runs if run.folder.parent == folder]
        counted = missing(folder, inside)
        if counted is not None and counted[0]:
            lost, total = counted
            notes.append(
                f"{lost} of the {total} runs of the sweep {folder.name} are missing: they have not begun; repeat its "
                "command to do them."
            )
    return notes


def missing(sweep: Path, runs: Sequence[FinishedRun]) -> tuple[int, int] | None:
    """How many runs of a sweep have not begun, and how many it was to have.

    Args:
        sweep: Its folder.
        runs: Those that are there; one whose folder is empty shows that by itself and is not missing.

    Returns:
        Both numbers; ``None`` if the folder is no sweep's, or does not say.
    """
    try:
        saved: Any = read_yaml(sweep / SWEEP_FILE)
        sweeper, words = saved["hydra"]["sweeper"], [str(w) for w in saved["hydra"]["overrides"]["task"]]
        if not str(sweeper["_target_"]).endswith(".BasicSweeper"):  # a search counts its trials
            total = int(saved["sweep"]["trials"])
            return max(0, total - len(runs)), total
        words = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()] + words
        jobs = _jobs(words)
    except (Unreadable, OSError, LookupError, TypeError, ValueError, AttributeError):
        return None
    if jobs is None:
        return None
    begun = {frozenset(run.settings.items()) for run in runs}
    empty = sum(run.status == EMPTY for run in runs)
    return max(0, len(jobs - begun) - empty), len(jobs)


def _jobs(words: Sequence[str]) -> set[Job] | None:
    """The settings of each run, as Hydra's sweeper combines them; ``None`` if they are too many."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    axes: dict[str, list[tuple[str, str]]] = {}
    try:
        for override in OverridesParser.create().parse_overrides(list(words)):
            key = override.get_key_element()
            if override.is_sweep_override():
                values = list(itertools.islice(override.sweep_string_iterator(), MOST + 1))
            else:
                values = [override.get_value_element_as_str()]
            axes[key] = [parse_override(f"{key}={value}") for value in values if is_setting(f"{key}={value}")]
    except HydraException as error:
        raise ValueError(str(error)) from None
    varied = [settings for settings in axes.values() if settings]
    if math.prod(map(len, varied)) > MOST:
        return None
    return {frozenset(job) for job in itertools.product(*varied)}
