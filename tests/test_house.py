"""The house: lower rooms never import upper ones, names stand once, and files fit in one sitting."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1] / "realfake"

FLOORS = (
    {"errors", "labels", "files", "pages", "published", "registry", "terminal"},
    {"scoring", "config"},
    {"composing", "cli"},
    {"streams", "data", "models", "losses"},
    {"approaches", "plugins"},
    {"runs"},
    {"reports"},
    {"comparison", "experiments"},
    {"description", "evaluation", "exporting", "prediction"},
    {"compare", "convert", "describe", "evaluate", "export", "predict", "prepare", "report", "signals", "train"},
    {"api", "__main__"},
)
"""Rooms and single files, from the ground up; the last are the commands, and what starts them: a word, and Python."""

COMMANDS = FLOORS[-2]

MODULES = {
    path.relative_to(HOUSE).with_suffix("").as_posix().removesuffix("/__init__"): path for path in HOUSE.rglob("*.py")
}


def floor_of(module: str) -> int:
    """Number of the floor that a module, e.g. ``data/sources/table``, is on."""
    room = module.split("/", maxsplit=1)[0]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imported(module: str) -> set[str]:
    """Modules of the package that one imports anywhere in it, also only for its types."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {name.replace(".", "/").removeprefix("realfake/") for name in found if name.startswith("realfake.")}
    return {name if name in MODULES else name.rpartition("/")[0] for name in inside} - {""}


def test_every_room_has_a_floor() -> None:
    rooms = {module.split("/")[0] for module in MODULES} - {"__init__"}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"__init__"}))
def test_nothing_is_imported_from_above(module: str) -> None:
    above = {name for name in imported(module) if floor_of(name) > floor_of(module)}
    assert not above


def test_no_folder_bears_the_name_of_a_command() -> None:
    folders = {path.name for path in HOUSE.rglob("*") if path.is_dir()}
    assert not folders & COMMANDS


def test_no_two_files_have_one_name() -> None:
    names = Counter(path.stem for path in MODULES.values() if path.stem != "__init__")
    assert {name for name, count in names.items() if count > 1} == set()


def test_files_fit_in_one_sitting() -> None:
    long = {module: lines for module, path in MODULES.items() if (lines := len(path.read_text().splitlines())) > 350}
    assert not long
