"""Config groups and their options: the files of ``conf/``, and what plugins have brought; all look for them here."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from realfake.errors import UserError, nearest
from realfake.labels import TASKS
from realfake.registry import everything


@cache
def conf_dir() -> Path:
    """The folder of the config groups: ``conf/`` of a checkout, or its copy inside an installed package."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise UserError(f"no config groups beside {package}: reinstall the package, or run from a complete checkout")


def groups_of(kind: str) -> tuple[str, ...]:
    """The groups that choose what plugins bring of a kind; of a loss, one a task."""
    return tuple(f"loss/{task}" for task in TASKS) if kind == "loss" else (kind,)


def groups(conf: Path) -> list[str]:
    """All groups below a folder of them, e.g. ``loss/joint``."""
    return sorted(str(p.relative_to(conf)) for p in conf.rglob("*") if p.is_dir())


def options(group: str, conf: Path) -> list[str]:
    """Names of a group's options; a file that begins with an underscore is only inherited by others."""
    return sorted({p.stem for p in (conf / group).glob("[!_]*.yaml")} | _brought(group, conf).keys())


def text_of(group: str, option: str, conf: Path) -> str | None:
    """The YAML of an option, or of a file that options inherit from; ``None`` if there is none in this folder."""
    file = conf / group / f"{option}.yaml"
    return file.read_text(encoding="utf-8") if file.is_file() else _brought(group, conf).get(option)


def package_of(group: str, text: str) -> str:
    """Where in the configuration an option's keys come to lie: ``_global_``, or a dotted key."""
    header = re.match(r"\s*#\s*@package\s+(\S+)", text)
    return header.group(1) if header else group.replace("/", ".")


def no_such_option(group: str, name: str, conf: Path) -> str:
    """What is said of a name that none of a group's options has."""
    there = options(group, conf)
    return f"{group}={name}: no such option{nearest(name, there)} (there are: {', '.join(there)})"


def _brought(group: str, conf: Path) -> dict[str, str]:
    """Name → YAML of the options of a group that plugins have brought; they belong to this program's own folder."""
    if conf != conf_dir():
        return {}
    return {guest.name: guest.yaml for guest in everything() if group in groups_of(guest.kind)}
