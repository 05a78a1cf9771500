"""Guests in configurations: options that plugins brought, and what a configuration says of those that it needs."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidationInfo, create_model
from pydantic_core import CoreSchema, core_schema

from realfake.config.base import Strict
from realfake.errors import UserError
from realfake.registry import Origin, as_word, everything, load_installed, registered

log = logging.getLogger(__name__)


class Guests:
    """Marks a field that may hold an option of a plugin too, by its ``name``; it is checked and saved by its own class.

    Args:
        kind: See :class:`realfake.registry.Registered`.
        base: Only options of this class; ``None`` = all of the kind.
    """

    def __init__(self, kind: str, base: type[Strict] | None = None) -> None:
        self.kind, self.base = kind, base

    def classes(self) -> dict[str, type[Strict]]:
        """Name → class of the options that there are."""
        found: dict[str, type[Strict]] = registered(self.kind)
        return {name: made for name, made in found.items() if self.base is None or issubclass(made, self.base)}

    def _validate(self, value: Any, own: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        classes = self.classes()
        made = classes.get(value.get("name", "")) if isinstance(value, dict) else None
        if made is not None:
            return made.model_validate(value, context=info.context)
        return value if type(value) in classes.values() else own(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As pydantic asks for it."""
        # Saved by what it is: by what the field declares, a guest would lose the keys of its own.
        return core_schema.with_info_wrap_validator_function(
            self._validate, handler(source), serialization=core_schema.simple_ser_schema("any")
        )


class GuestFields(Guests):
    """Marks a field whose keys are options, several at once: those of plugins are keys of it too.

    Args:
        kind: As of :class:`Guests`.
        base: The class of the field.
    """

    def __init__(self, kind: str, base: type[Strict]) -> None:
        super().__init__(kind, base)

    def classes(self) -> dict[str, type[Strict]]:
        """The class of the field with the keys of plugins; empty if there are none."""
        brought = registered(self.kind)
        return {"": _with_fields(self.base, tuple(brought.items()))} if self.base and brought else {}

    def _validate(self, value: Any, own: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        whole = self.classes().get("")
        return whole.model_validate(value, context=info.context) if whole and isinstance(value, dict) else own(value)


@cache
def _with_fields(base: type[Strict], brought: tuple[tuple[str, type[Strict]], ...]) -> type[Strict]:
    fields: dict[str, Any] = {name: (made | None, None) for name, made in brought}
    return create_model(base.__name__, __base__=base, **fields)


class UsedPlugin(Strict):
    """A plugin that a run needs, as its configuration notes it once it is known what the run takes from it."""

    path: str
    """Where it lay: of a package, its folder."""
    sha256: str
    """Of its content, which is part of what the run computes; the place is not."""
    package: str | None
    """Name and version; null = a file."""
    provides: list[str]
    """What the run takes from it, e.g. ``backbone=mynet``."""


def used_by(config: BaseModel, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The plugins that a configuration needs, as plain :class:`UsedPlugin`, sorted.

    Args:
        config: Whose options may be of plugins.
        metrics: Names of what is measured.
    """
    chosen = {type(model) for model in _models(config)}
    provides: dict[Origin, list[str]] = {}
    for guest in everything():
        if guest.made in chosen if isinstance(guest.made, type) else guest.name in metrics:
            provides.setdefault(guest.origin, []).append(guest.words)
    found = [UsedPlugin(**vars(origin), provides=sorted(words)) for origin, words in provides.items()]
    return [plugin.model_dump() for plugin in sorted(found, key=lambda plugin: plugin.provides)]


def _models(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        value = vars(value)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _models(inner)


def require(saved: Any, source: Path, only: str | None = None) -> None:
    """Make sure that the plugins that a saved configuration needs have been loaded, and say which have changed.

    None of them is loaded because the configuration names it.

    Args:
        saved: What stands under ``plugins``.
        source: The file, for messages.
        only: What alone is needed of them, e.g. ``backbone=mynet``; ``None`` = all that they provide.

    Raises:
        UserError: If one has not, with what to give.
    """
    load_installed()
    there, missing = {guest.words: guest for guest in everything()}, dict[str, Origin]()
    for plugin in saved if isinstance(saved, list) else ():
        try:
            used = UsedPlugin.model_validate(plugin)
        except ValidationError:  # a run that has not begun knows what was given alone
            continue
        origin = Origin(used.path, used.sha256, used.package)
        needed = [words for words in used.provides if only in (None, words)]
        missing |= {words: origin for words in needed if words not in there}
        _remark(used, {there[words].origin for words in needed if words in there}, source)
    if missing:
        files = dict.fromkeys(origin.path for origin in missing.values() if not origin.package)
        remedies = [f"install {origin.package}" for origin in dict.fromkeys(missing.values()) if origin.package]
        remedies += [f"give {shlex.quote(word) if ' ' in (word := as_word(files)) else word}"] if files else []
        raise UserError(
            f"{source}: needs plugins that are not loaded, for {', '.join(missing)}: {' and '.join(remedies)}"
        )


def _remark(used: UsedPlugin, now: set[Origin], source: Path) -> None:
    for origin in now:
        if origin.sha256 != used.sha256 and (source, origin) not in _REMARKED:
            _REMARKED.add((source, origin))
            log.warning(
                "%s: %s is another than the run was trained with (sha256 %.12s, now %.12s)",
                source, origin.path, used.sha256, origin.sha256,
            )  # fmt: skip


_REMARKED: set[tuple[Path, Origin]] = set()
