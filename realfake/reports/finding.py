"""Which folders below those that a user names are runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from realfake.data.sources.listing import printable
from realfake.errors import UserError
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import YAML_BYTES, Unreadable, read_text


def find_runs(folders: Sequence[Path], key: str = "dir") -> list[tuple[Path, str]]:
    """Folders of runs at or below ``folders``, with the names that tell them apart, sorted by name.

    A folder of which nothing but its name is left counts as well: a job that died before it began.

    Args:
        folders: A run, a sweep, any folder of runs, or several.
        key: By which the user named them.

    Raises:
        UserError: If a folder does not exist, or no run is found at all.
    """
    found: dict[Path, str] = {}
    for root in folders:
        if not root.is_dir():
            raise UserError(
                f"{key}={root}: no such folder; expected a run, a sweep under multirun/, or a folder of runs"
            )
        for run in _walk(root):
            name = run.resolve().name if run == root else str(run.relative_to(root))
            name = name if len(folders) == 1 or run == root else f"{root.name}/{name}"
            found.setdefault(run.resolve(), printable(name))
    if not found:
        raise UserError(
            f"{key}={','.join(map(str, folders))}: no run below it (no folder with .hydra/ or results.json); "
            f"expected e.g. {key}=multirun/<name>"
        )
    return sorted(found.items(), key=lambda item: item[1])


def _walk(root: Path) -> Iterator[Path]:
    waiting = [root]  # not by recursion: folders lie in each other more deeply than functions may
    while waiting:
        folder = waiting.pop()
        if _is_run(folder):
            yield folder
            continue
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda e: e.name)
        except OSError:  # not this user's
            continue
        if not inside and folder != root:
            yield folder
        waiting += [
            Path(e.path) for e in reversed(inside) if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")
        ]


def _is_run(folder: Path) -> bool:
    """Training writes these files; the configuration of any other command has no optimized metric."""
    run = RunFolder(folder)
    try:
        return "optimized_metric" in read_text(run.config, YAML_BYTES)
    except FileNotFoundError:
        return os.path.lexists(run.results) or run.config.parent.is_dir()
    except Unreadable:
        return True
