"""Configurations that older runs saved, in the form of today: a key that came later says what they did without it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from realfake.config.base import Strict, as_plain
from realfake.config.data import TableColumns
from realfake.errors import UserError
from realfake.labels import EMOTIONS, THRESHOLD

FORMAT = 3
"""Of the configurations that runs save; it stands in them under ``format``. Those from before there was one are 1."""

FINGERPRINT = "data_fingerprint"
"""Key of the fingerprint of what a run read, beside its configuration."""
SIGNALS = "signals_read"
"""Key of what the signals gave of it, by content: :func:`realfake.data.derived_streams.streams_read`."""

Config = dict[str, Any]

WITHOUT = object()
"""Said of a key that an option does not have: it is not filled in, and goes if an older run saved it."""


def where(block: str, options: tuple[str, ...], value: Any) -> Callable[[Config], Any]:
    """``value`` where a block is one of some options, by their names or kinds; the others have no such key."""

    def of(config: Config) -> Any:
        chosen = _block(config, block.split(".")) or {}
        return value if chosen.get("name") in options or chosen.get("kind") in options else WITHOUT

    return of


NEW: dict[int, dict[str, Any]] = {
    2: {
        "data.subjects": "each_clip",
        "data.emotions": list(EMOTIONS),
        "data.columns": where("data", ("csv",), dict.fromkeys(TableColumns.model_fields)),
        "data.patience_sec": 300.0,
        "data.decoder": "pyav",
        "backbone.normalize": False,
        "backbone.cache_features": where("backbone", ("frame", "timm"), True),
        "backbone.channels": where("backbone", ("frame",), None),
        "backbone.input.repeat_crops": True,
        "backbone.repeat_crops": where("backbone", ("recurrent",), True),
        "backbone.frame.normalize": False,
        "backbone.frame.channels": where("backbone.frame", ("frame",), None),
        "backbone.frame.input.repeat_crops": True,
        "optimizer.decay_norms": True,
        "logger": {},
    },
    3: {
        "signals": {},
        "signals.features.variant": None,
        "signals.features.size": None,
        "signals.features.frames": None,
        "signals.features.stride_sec": "trained",
        "signals.features.rate_fps": 2.0,
        "backbone.streams": where("backbone", ("recurrent",), ["pixels"]),
        "backbone.fusion": where("backbone", ("recurrent",), "concatenate"),
        "backbone.gather": where("backbone", ("recurrent",), "moments"),
        "backbone.standardise": where("backbone", ("recurrent",), True),
        "auxiliary": {},
        "augmentation.jitter": 0.0,
        "sampling.pairs": False,
        "face.align": where("face", ("yunet",), False),
        "plugins": [],
        "callbacks.faces": True,
        "signals.features.streams": ["features"],
        "protocol": THRESHOLD,
        "callbacks.optimism": False,
        "split.by": where("split", ("kfold",), "balance"),
    },
}
"""Format → dotted key that came with it or since the one before → the value that reproduces what runs without it did.

Instead of a value, a function of the older configuration, in which the keys above it are filled in already; it may
answer :data:`WITHOUT`. A key below one that is not there, as of an option that was not chosen, is passed over.
"""


def to_save(config: Strict, fingerprint: str | None, signals: Sequence[str] = ()) -> Config:
    """A configuration as runs save it: plain values, with the number of their format and what data was read."""
    read = {FINGERPRINT: fingerprint, **({SIGNALS: list(signals)} if signals else {})}
    return {"format": FORMAT, **read, **as_plain(config)}


def upgrade(config: Config) -> Config:
    """A saved configuration in the present form, a copy without what is said about it.

    Args:
        config: Keys and values as a run saved them, of any format.

    Raises:
        UserError: If a later version of this program saved it.
    """
    config = deepcopy(config)
    saved = config.pop("format", 1)
    config.pop(FINGERPRINT, None)
    config.pop(SIGNALS, None)
    if not isinstance(saved, int) or not 1 <= saved <= FORMAT:
        raise UserError(f"format={saved}: expected 1 to {FORMAT}; a newer realfake wrote it, so use that one")
    if saved == 1:
        config = _filled_in(config)
    for step in range(saved + 1, FORMAT + 1):
        for key, value in NEW[step].items():
            *parents, last = key.split(".")
            node = _block(config, parents)
            if node is None:
                continue
            found = value(config) if callable(value) else deepcopy(value)
            if found is WITHOUT:
                node.pop(last, None)
            else:
                node.setdefault(last, found)
    return config


def _block(config: Config, steps: Sequence[str]) -> Config | None:
    """The keys and values below some keys; ``None`` if there are none."""
    found: Any = config
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}")


def _filled_in(config: Config) -> Config:
    """A configuration with the values of its own keys in place of ``${key}``, which Hydra leaves in what it saves.

    Nothing else is resolved: ``${oc.env:…}`` in somebody's file would put this user's secrets where they can be read.
    """

    def value_of(key: str) -> Any:
        found: Any = config
        for step in key.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        if not isinstance(value, str):
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole:
            found = value_of(whole[1])
            # A list is shared, not copied, so that no file grows by what it refers to.
            flat = not isinstance(found, list) or not any(isinstance(v, dict | list | str) for v in found)
            return found if flat and found is not None and not isinstance(found, dict) else value
        return _REFERENCE.sub(lambda m: m[0] if isinstance(v := value_of(m[1]), dict | list | None) else str(v), value)

    filled_in: Config = filled(config)
    return filled_in
