"""Text files of run folders that anybody may have written: read within bounds, as plain values, nothing resolved."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from omegaconf.errors import OmegaConfBaseException

YAML_BYTES = 256 * 1024
"""The largest YAML file that is read; those of a run take about ten kilobytes."""
JSON_BYTES = 16 * 1024 * 1024
TABLE_BYTES = 64 * 1024 * 1024
DEPTH = 50
"""Levels of keys and lists inside of each other."""
DIGITS = 20
"""Of a whole number."""

_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_plain = partial(yaml.load, Loader=_FAST)
_MALFORMED = (
    OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError,
    RecursionError,
)  # fmt: skip


class Unreadable(ValueError):
    """A file cannot be read, or holds what no run writes; the text is the reason alone."""


def read_text(path: Path, most: int) -> str:
    """The text of a file.

    Args:
        path: The file.
        most: Bytes.

    Raises:
        FileNotFoundError: If there is none.
        Unreadable: If it is no file, larger, or no UTF-8.
    """
    try:
        if not path.is_file():  # a folder, or a pipe that would be waited for
            if path.exists() or path.is_symlink():
                raise Unreadable("not a file")
            raise FileNotFoundError(path)
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise Unreadable(f"more than {most // 1024} KiB, which no run writes")
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 at byte {error.start}") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(error.strerror or type(error).__name__) from None


def read_yaml(path: Path, parse: Callable[[str], Any] = _plain) -> Any:
    """Plain values of a YAML file; interpolations stay the texts that they are.

    A file that refers to parts of itself is refused, before anything is built of it: such parts may hold themselves,
    or be a billion values altogether.

    Args:
        path: The file.
        parse: Decides what is a number; only sees what refers to no part of itself and is not too deep.

    Raises:
        FileNotFoundError: If there is none.
        Unreadable: If it is no YAML, or none that a run writes.
    """
    text = read_text(path, YAML_BYTES)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_FAST):
            if isinstance(event, yaml.AliasEvent):
                raise Unreadable("it refers to parts of itself (*), which no run's files do")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:
                raise Unreadable(f"more than {DEPTH} levels deep")
        found = parse(text)
    except _MALFORMED as error:
        raise error if isinstance(error, Unreadable) else Unreadable(_reason(error)) from None
    _check_texts(found)
    return found


def read_json(path: Path) -> Any:
    """Plain values of a JSON file, whose numbers are finite.

    Raises:
        FileNotFoundError: If there is none.
        Unreadable: If it is no JSON, or none that a run writes.
    """
    try:
        text = read_text(path, JSON_BYTES)
        found = json.loads(text, parse_float=_finite, parse_int=_whole, parse_constant=_finite)
        _check_texts(found)
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, Unreadable) else Unreadable(_reason(error)) from None
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable(f"{text} is no finite number")
    return value


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise Unreadable(f"a whole number of {len(text)} digits")
    return int(text)


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Unreadable("a text in it is no Unicode") from None
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise Unreadable(f"the key {key!r} is no text")
            _check_texts(key)
            _check_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too many levels deep"
    if isinstance(error, yaml.MarkedYAMLError):
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return f"no valid YAML{line}: {error.problem}"
    return " ".join(str(error).split()) or type(error).__name__
