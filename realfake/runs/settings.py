"""What a run sets: overrides as Hydra saves them, and values of its configuration, as texts that can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from realfake.config.data import dataset_title

_NOT_VARIED = ("sweep.", "hydra.", "hydra/")
_NOT_VARIED_GROUPS = ("launcher", "search")
"""Overrides that say how a sweep is executed: no part of what a run computes."""


NOT_COMPUTED = (
    "sweep", "logger", "ckpt", "published", "experiment_name", "callbacks.progress_bar", "callbacks.model_summary",
    "callbacks.plots", "callbacks.faces", "callbacks.lr_monitor", "callbacks.optimism", "trainer.gpus",
    "trainer.require_gpu", "trainer.threads",
    "data.workers", "data.prepare_workers", "data.patience_sec", "data.cache", "backbone.cache_features",
)  # fmt: skip
"""Keys that do not change what a run computes, but for rounding."""

EXECUTION_GROUPS = ("callbacks", "trainer")
"""Groups whose options are sets of values, some of which say what is computed and some how."""

LOCATIONS = ("root", "prepared", "folder", "details", "folds")
"""Keys of a dataset that say where something lies, which is known by its content."""

SIGNAL_LOCATIONS = ("root", "weights")
"""The same of a signal: what it gave is noted by content (:data:`realfake.config.upgrade.SIGNALS`)."""


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


def without(config: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """A configuration without some of its dotted keys, as far as they are there."""
    config = deepcopy(config)
    for key in keys:
        *parents, last = key.split(".")
        inner: Any = config
        for step in parents:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner.pop(last, None)
    return config


def plugins_content(config: dict[str, Any]) -> dict[str, str]:
    """What a run takes of plugins, e.g. ``backbone=mynet`` → sha256 of their content; the place does not count."""
    used = [plugin for plugin in config.get("plugins", ()) if isinstance(plugin, dict)]
    return {words: str(plugin["sha256"])[:12] for plugin in used for words in plugin["provides"]}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two configurations and changes what a run computes: ``key (before, now …)`` each."""
    signals = (f"signals.{name}.{key}" for name in before.get("signals", {}) for key in SIGNAL_LOCATIONS)
    places = ("face.weights", *(f"data.{key}" for key in LOCATIONS), *signals)
    old, new = (
        _flat({**without(config, (*NOT_COMPUTED, *places)), "plugins": plugins_content(config)})
        for config in (before, now)
    )
    return [
        f"{key} ({old.get(key, 'absent')}, now {new.get(key, 'absent')})"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted key → value as a text."""
    found: dict[str, str] = {}
    for key, value in config.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: json.dumps(value)}
    return found


def title_of_data(config: dict[str, Any]) -> str:
    """What people call the dataset of a configuration."""
    return dataset_title(str(look_up(config, "data")), look_up(config, "data.root"))


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
