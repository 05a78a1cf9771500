"""What is compared: a system is one configuration, trained for several folds and seeds."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realfake.data.sources.listing import printable
from realfake.errors import UserError
from realfake.reports.expected import SWEEP_FILE, missing_notes
from realfake.reports.finding import find_runs
from realfake.reports.finished import FinishedRun, read_run
from realfake.reports.leaderboard import track
from realfake.reports.ranking import mean_optimism
from realfake.reports.spread import split_of
from realfake.runs.settings import differences, look_up, without

Place = Path | str
"""A run, a sweep, any folder of runs, or a pattern of such."""
Part = tuple[tuple[str, str], ...]
"""What a run was trained and tested on, and its seed: keys and values of its configuration."""


@dataclass(frozen=True, eq=False)
class System:
    """The finished runs of one configuration."""

    name: str
    runs: Mapping[Part, FinishedRun]
    unfinished: tuple[str, ...]
    """Of each run that has no result, what there is to say."""

    def optimism(self, metric: str) -> float:
        """By how much its best test epochs would have claimed more, the mean over runs; NaN if it was not measured."""
        return mean_optimism(self.runs.values(), metric)


def runs_at(places: Place | FinishedRun | Sequence[Place | FinishedRun], key: str) -> list[FinishedRun]:
    """All runs at or below some places.

    Args:
        places: One, or several; runs that were read already stay what they are.
        key: By which the user named them, for errors.

    Raises:
        UserError: If there is none.
    """
    given = list(places) if isinstance(places, Iterable) and not isinstance(places, str) else [places]
    if not all(isinstance(place, Place | FinishedRun) for place in given):
        raise UserError(f"{key}={places!r}: expected a folder of runs, or a list, as in {key}=multirun/x")
    folders = [folder for place in given if isinstance(place, Place) for folder in _matching(place, key)]
    found = find_runs(folders, key) if folders else []
    read = [read_run(folder, name) for folder, name in track(found, "reading runs")]
    return [*read, *(place for place in given if isinstance(place, FinishedRun))]


def _matching(place: Place, key: str) -> list[Path]:
    """A folder, or those that a pattern matches."""
    path = Path(place).expanduser()
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True))  # noqa: PTH207 - of any folder
    found = [p for p in matches if p.is_dir()]
    if not found:
        raise UserError(f"{key}={place}: no folder matches; expected runs or sweeps, as in {key}=multirun/x*")
    return found


def system_of(name: str, runs: Sequence[FinishedRun]) -> System:
    """One system of all its runs.

    Args:
        name: As it is shown.
        runs: Of one configuration, but for folds and seeds.

    Raises:
        UserError: If no run is finished, they are several configurations, two are of the same fold and seed, or one was
            tested by older definitions of the metrics.
    """
    if not runs:
        raise UserError(f"{name}: no runs given; expected folders of runs, as in multirun/<name>")
    finished = [run for run in runs if run.completed]
    unfinished = tuple(
        f"{name}: {run.name} is left out: {run.status}{f' ({run.error})' if run.error else ''}"
        for run in runs
        if not run.completed
    )
    if not finished:
        raise UserError(f"{name}: none of its {len(runs)} runs has a result ({unfinished[0].rpartition(': ')[2]})")
    found: dict[Part, FinishedRun] = {}
    first = finished[0]
    for run in finished:
        if run.outdated:
            raise UserError(
                f"{name}: {run.name} was tested by older definitions of the metrics; bring it up to date with "
                f"`realfake evaluate run={printable(str(run.folder))}`"
            )
        part = _part(run)
        if part is None:
            raise UserError(f"{name}: {run.name} does not say how its people were split; train it again")
        if differ := differences(*(without(r.config, _PARTS) for r in (first, run))):
            keys = ", ".join(d.partition(" (")[0] for d in differ[:4]) + (", …" if len(differ) > 4 else "")
            raise UserError(
                f"{name}: {first.name} and {run.name} differ in {keys}; expected one configuration, trained for "
                "several folds and seeds: choose by dir=… by=…, or name its runs alone"
            )
        if part in found:
            raise UserError(
                f"{name}: {found[part].name} and {run.name} are both of {described(part, found)}; expected one run a "
                "fold and seed: name the one that counts"
            )
        found[part] = run
    return System(name, found, unfinished)


_PARTS = ("split", "seed", "data.seed")
"""Keys in which the runs of a system may differ."""


def _part(run: FinishedRun) -> Part | None:
    split = split_of(run)
    if split is None:
        return None
    words = {f"split.{key}": str(value) for key, value in split.model_dump().items()}
    others = {key: value for key in ("seed", "data.seed") if (value := look_up(run.config, key)) is not None}
    return tuple((words | others).items())


FOLD_AND_SEED = ("split.fold", "seed")


def split_alone(part: Part) -> Part:
    """A part without its fold and seed."""
    return tuple(word for word in part if word[0] not in FOLD_AND_SEED)


def by_fold(part: Part) -> tuple[Part, list[int]]:
    """By which parts are sorted: split, fold, seed, as numbers."""
    values = dict(part)
    return split_alone(part), [int(values.get(key, 0)) for key in FOLD_AND_SEED]


def described(part: Part, among: Sequence[Part] | Mapping[Part, object] = ()) -> str:
    """A part for a reader, e.g. ``fold 3, seed 1``: its fold and seed, and what else differs among others."""
    values = [dict(other) for other in (part, *among)]
    words = {
        key.removeprefix("split."): value
        for key, value in part
        if key in FOLD_AND_SEED or len({other.get(key) for other in values}) > 1
    }
    return ", ".join(f"{key} {value}" for key, value in words.items())


def missing_of_sweeps(runs: Sequence[FinishedRun]) -> list[str]:
    """A sentence for each sweep that some runs are of and that lacks runs, whether these were asked for or not."""
    known = {run.folder.resolve(): run for run in runs}
    sweeps = [f for f in dict.fromkeys(folder.parent for folder in known) if (f / SWEEP_FILE).is_file()]
    there = [known.get(folder) or read_run(folder, name) for sweep in sweeps for folder, name in find_runs([sweep])]
    return missing_notes(there)


def same_folder(systems: Sequence[System]) -> list[str]:
    """A sentence for each two systems that have runs in common."""
    notes = []
    for one, other in itertools.combinations(systems, 2):
        shared = {r.folder.resolve() for r in one.runs.values()} & {r.folder.resolve() for r in other.runs.values()}
        if shared:
            many = f"{len(shared)} of the runs" if len(shared) < len(one.runs) else "all runs"
            notes.append(f"{one.name} and {other.name} have {many} in common, which cannot differ from themselves.")
    return notes
