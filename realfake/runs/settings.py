"""What a run sets: overrides as Hydra saves them, and values of its configuration, as texts that can be compared."""

from __future__ import annotations

import json
import re
from typing import Any

_NOT_VARIED = ("sweep.", "hydra.", "hydra/")
_NOT_VARIED_GROUPS = ("launcher", "search")
"""Overrides that say how a sweep is executed: no part of what a run computes."""


def parse_override(override: str) -> tuple[str, str]:
    """Key and value of an override in Hydra's grammar; equal numbers get equal texts (``1e-3`` and ``0.001``)."""
    key, equals, value = override.partition("=")
    if not equals:
        return key, "removed" if key.startswith("~") else ""
    return key.lstrip("+~"), _plain(value)


def _plain(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    try:
        if re.fullmatch(r"[+-]?\d+", value):
            return str(int(value))
        return repr(float(value))
    except ValueError:
        return value


def is_setting(override: str) -> bool:
    """Whether an override says what a run computes, and not how its sweep is executed."""
    key = parse_override(override)[0]
    return not key.startswith(_NOT_VARIED) and key not in _NOT_VARIED_GROUPS


def look_up(config: dict[str, Any], key: str) -> str | None:
    """Value of an override key in a configuration; the name of a group's option. ``None`` if there is no such key."""
    if key == "experiment":
        key = "experiment_name"
    found: Any = config
    for step in key.rpartition("@")[2].replace("/", ".").split("."):
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    if isinstance(found, dict):
        found = found.get("name")
    if found is None:
        return None
    return _plain(json.dumps(found, default=str) if isinstance(found, list | bool) else str(found))
