"""``plugins=[…]`` of a command line: loaded before anything is composed, and from nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from realfake.errors import UserError
from realfake.registry import as_word, load_files, load_installed

KEY = "plugins"


def load_plugins(words: list[str]) -> list[str]:
    """Load the plugins that a command line names, and those of installed packages.

    Args:
        words: The command line.

    Returns:
        The words, in which their files are named by absolute paths, since jobs may start in other folders.

    Raises:
        UserError: If one cannot be loaded, or the word is no list.
    """
    load_installed()
    found = []
    for word in words:
        paths = _paths(word)
        if paths is None:
            found.append(word)
            continue
        load_files(paths)
        found.append(as_word(str(Path(path).expanduser().absolute()) for path in paths))
    return found


def load_given(raw: DictConfig, words: list[str]) -> None:
    """Load the plugins of a composed configuration, which have to be those of its command line.

    Raises:
        UserError: If a file names others, or one cannot be loaded.
    """
    given = next((paths for word in reversed(words) if (paths := _paths(word)) is not None), [])
    named: Any = raw.get(KEY, [])
    if named is None or list(named) != given:
        raise UserError(f"{KEY}={named}: set in a file; expected on the command line alone, as {KEY}=[file.py]")
    load_installed()
    load_files(given)


def _paths(word: str) -> list[str] | None:
    """The files that a word names; ``None`` if it is about something else."""
    key, _, value = word.partition("=")
    if key.lstrip("+") != KEY:
        return None
    # Hydra's grammar knows no ~ outside of quotes, which paths begin with.
    quoted = re.sub(r"(?<=[\[,])\s*(~[^,\]'\"]*)", r"'\1'", value)
    try:
        override = OverridesParser.create().parse_override(f"{KEY}={quoted}")
        paths: Any = None if override.is_sweep_override() else override.value()
    except HydraException:
        paths = None
    if not isinstance(paths, list):
        raise UserError(f"{word}: expected one list of files, as {KEY}=[{value.strip('[]') or 'file.py'}]")
    return [str(getattr(path, "text", path)) for path in paths]
