"""Which runs the command line means by each system: folders and patterns, or rows of a sweep by their overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from realfake.comparison.systems import runs_at
from realfake.config import CompareConfig
from realfake.errors import UserError, nearest
from realfake.reports.finished import FinishedRun
from realfake.reports.ranking import varying_keys
from realfake.runs.settings import parse_override


def chosen_systems(cfg: CompareConfig) -> dict[str, list[FinishedRun]]:
    """Name → runs of each system that a command line asks for.

    Raises:
        UserError: If one has no run.
    """
    rows = None if cfg.dir is None else runs_at(cfg.dir, "dir")
    if cfg.by is not None:
        assert rows is not None  # as the configuration was checked
        return systems_by(rows, [cfg.by] if isinstance(cfg.by, str) else cfg.by)
    if isinstance(cfg.systems, Mapping):
        given = [(name, f"systems.{name}", words) for name, words in cfg.systems.items()]
    else:
        both = [("a", cfg.a or []), ("b", cfg.b or [])]
        keyed = both if cfg.systems is None else [(f"systems[{i}]", words) for i, words in enumerate(cfg.systems)]
        names = _names([words for _, words in keyed])
        given = [(name, key, words) for name, (key, words) in zip(names, keyed, strict=True)]
    found = {}
    for name, key, words in given:
        several = [words] if isinstance(words, str) else words
        found[name] = runs_at(several, key) if rows is None else rows_of(rows, several, key)
    return found


def _names(given: Sequence[str | list[str]]) -> list[str]:
    """What systems are called that were given no names: as shortly as tells them apart."""
    whole = [", ".join([words] if isinstance(words, str) else words) for words in given]
    short = [words if "=" in words else Path(words).name for words in whole]
    for names in (short, whole):
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(whole, start=1)]


def rows_of(runs: Sequence[FinishedRun], overrides: Sequence[str], key: str) -> list[FinishedRun]:
    """Those of some runs that have the settings of overrides such as ``approach=temporal``.

    Raises:
        UserError: If there is none; the line says which settings there are.
    """
    for name, value in map(parse_override, overrides):
        there = sorted({str(run.setting(name)) for run in runs} - {"None"})
        if not there:
            varying = varying_keys(runs)
            raise UserError(f"{key}={name}={value}: no run in dir has {name}; they differ in {', '.join(varying)}")
        if _compared(value) not in map(_compared, there):
            hint = nearest(value, there)
            raise UserError(f"{key}={name}={value}: no run in dir has it{hint} (there are: {', '.join(there)})")
        runs = [run for run in runs if _compared(run.setting(name)) == _compared(value)]
    return list(runs)


def _compared(value: str | None) -> str | float | None:
    """A value as it is compared: ``1`` and ``1.0`` are one number, ``False`` and ``false`` one answer."""
    if value is None or value.lower() in ("true", "false"):
        return value and value.lower()
    try:
        return float(value)
    except ValueError:
        return value


def systems_by(runs: Sequence[FinishedRun], keys: Sequence[str]) -> dict[str, list[FinishedRun]]:
    """Runs by the values of some override keys, e.g. ``["approach"]``.

    Raises:
        UserError: If no run has a key, or all runs have the same values.
    """
    varying = varying_keys(runs)
    for key in keys:
        if all(run.setting(key) is None for run in runs):
            raise UserError(
                f"by={key}: no run in dir has it{nearest(key, varying)} (they differ in {', '.join(varying)})"
            )
    found: dict[str, list[FinishedRun]] = {}
    named: dict[tuple[str | float | None, ...], str] = {}
    for run in runs:
        if run.config or run.overrides:  # else the job died before it began
            values = [run.setting(key) for key in keys]
            name = named.setdefault(tuple(map(_compared, values)), ", ".join(map(str, values)))
            found.setdefault(name, []).append(run)
    if len(found) < 2:
        raise UserError(f"by={','.join(keys)}: all runs in dir have {next(iter(found), 'none')}: nothing to compare")
    return dict(sorted(found.items()))
