"""Check a composed configuration; make one line of what is wrong: the key, and the nearest valid one or the fix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from hydra.conf import RuntimeConf
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from realfake.composing.catalogue import groups, options, package_of, text_of
from realfake.composing.overrides import ALIASES, SEVERAL
from realfake.config import Guests, Strict, as_plain
from realfake.errors import UserError, nearest
from realfake.registry import name_of

C = TypeVar("C", bound=Strict)

_ABSENT = object()


def validate(
    raw: DictConfig | dict[str, Any],
    schema: type[C],
    *,
    runtime: RuntimeConf | DictConfig | None = None,
    words: Sequence[str] = (),
    trained: bool = False,
) -> C:
    """Check a composed configuration against its schema.

    Args:
        raw: What Hydra composed.
        schema: What it has to fit.
        runtime: ``hydra.runtime`` of the composition, with which an unknown key is traced to its file.
        words: Overrides. What an experiment sets of an option that they replace by another goes with that option.
        trained: It is that of a run that was trained, maybe before some of its settings were refused together.

    Raises:
        UserError: On the first key that is unknown, missing or of the wrong type, and on settings that contradict
            each other; the line names the key, the value and the nearest valid one.
    """
    try:
        data = OmegaConf.to_container(raw, resolve=True) if isinstance(raw, DictConfig) else raw
    except OmegaConfBaseException as error:
        message = first_lines(str(error)).partition(" full_key: ")[0]
        raise UserError(f"{error.full_key}: {message}" if error.full_key else message) from None
    if not isinstance(data, dict):
        raise UserError(f"expected keys and values, found a {type(data).__name__}")
    if isinstance(raw, DictConfig) and (missing := OmegaConf.missing_keys(raw)):
        key = min(missing)
        raise UserError(f"{key} is missing: give it as {key}=…")
    _leave_out_members(data, words)
    try:
        while True:
            try:
                return schema.model_validate(data, context={"trained": trained})
            except ValidationError as error:
                if not _leave_out(error, data, words, schema, runtime):
                    raise
    except ValidationError as error:
        raise UserError(_first_problem(error, data, schema, runtime)) from None


def changed(config: C, changes: dict[str, Any]) -> C:
    """A copy with other values, checked as that of a trained run is (pydantic's own copy checks nothing).

    Args:
        config: What is copied.
        changes: Dotted key → value, which may be a configuration itself, e.g. ``{"trainer.threads": 2}``.

    Raises:
        UserError: If the result does not fit the class of ``config``; the line names the key and the value.
    """
    data = as_plain(config)
    for key, value in changes.items():
        *parents, last = key.split(".")
        node = data
        for step in parents:
            node = node[step]
        node[last] = as_plain(value) if isinstance(value, Strict) else value
    return validate(data, type(config), trained=True)


def _given(words: Sequence[str]) -> dict[str, str]:
    """Dotted keys that overrides set, of a group where it lies, and their values."""
    found = [(key.lstrip("+~"), value) for key, _, value in (word.partition("=") for word in words)]
    return {(key.partition("@")[2] or key).replace("/", "."): value for key, value in found}


def _leave_out_members(data: dict[Any, Any], words: Sequence[str]) -> None:
    """Of options of which several may be chosen, leave out what is said of others than those that overrides chose."""
    given = _given(words)
    for group in SEVERAL:
        if group in given and isinstance(members := data.get(group), dict):
            chosen = re.findall(r"\w+", given[group])
            for name in [n for n in members if n not in chosen]:
                if not any(f"{key}.".startswith(f"{group}.{name}.") for key in given):
                    del members[name]


def _leave_out(
    error: ValidationError, data: dict[Any, Any], words: Sequence[str], schema: type[BaseModel], runtime: Any
) -> bool:
    """Leave out keys of other options of the groups that overrides chose from; whether there were any."""
    given, known, found = _given(words), known_keys(schema), False
    folders = [] if runtime is None else _folders(runtime)
    for problem in error.errors():
        key = ".".join(_plain_location(problem["loc"], data))
        if problem["type"] != "extra_forbidden" or key not in known:
            continue
        *parents, last = key.split(".")
        chosen = [group for k in range(len(parents)) if (group := ".".join(parents[: k + 1])) in given]
        own = any(_says(folder, group.replace(".", "/"), given[group], key) for folder in folders for group in chosen)
        if chosen and not own and not any(each == key or each.startswith(f"{key}.") for each in given):
            node = data
            for step in parents:
                node = node[step]
            del node[last]
            found = True
    return found


def _first_problem(error: ValidationError, data: Any, schema: type[BaseModel], runtime: Any) -> str:
    # Unknown keys first: a misspelt key also makes its namesake look missing.
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    problem = problems[0]
    key = ".".join(_plain_location(problem["loc"], data))
    kind, value = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        file = _file_with(key, runtime) if runtime is not None else None
        if key in known_keys(schema) and runtime is not None:
            for folder in _folders(runtime):
                if choices := options_with(key, folder):
                    return key_of(key, f" in {file}" if file else "", choices)
        return f"unknown key {key!r}{f' in {file}' if file else ''}{did_you_mean(key, known_keys(schema))}"
    if kind == "missing":
        return f"{key} is missing: give it as {key}=…"
    if kind == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    if kind == "union_tag_invalid":
        tag = problem["ctx"]["discriminator"].strip("'")
        valid = re.findall(r"'([^']+)'", problem["ctx"]["expected_tags"])
        given = problem["ctx"]["tag"]
        return f"{key}.{tag}={given}: expected one of {', '.join(valid)}{nearest(given, valid)}"
    if kind == "union_tag_not_found":
        return f"{key}={_short(value)}: expected one option of the group, as in {key}=<name>"
    # A key that may be of several types has a problem for each: name them all.
    expected = dict.fromkeys(_expectation(p) for p in problems if ".".join(_plain_location(p["loc"], data)) == key)
    options = re.findall(r"'([^']+)'", problem["ctx"]["expected"]) if kind == "literal_error" else []
    return f"{key}={_short(value)}: expected {' or '.join(expected)}{nearest(str(value), options)}"


_EXPECTATIONS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text (quote it if it looks like a number)",
    "list_type": "a list, such as [a,b]",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "none_required": "null",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "finite_number": "a finite number",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
}


def _expectation(problem: Any) -> str:
    pattern = _EXPECTATIONS.get(problem["type"])
    if pattern is None:
        message: str = problem["msg"]
        return message[0].lower() + message[1:]
    return pattern.format(**problem.get("ctx", {}))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list):
        return "[" + ",".join("[…]" if isinstance(v, list) else _short(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not value.strip():
        return f"'{value}'"
    return "null" if value is None else str(value)


def _plain_location(location: tuple[int | str, ...], data: Any) -> Iterator[str]:
    """Drop the names of union members that pydantic puts between the keys."""
    for i, step in enumerate(location):
        last = i == len(location) - 1
        if isinstance(data, dict) and (step in data or (last and "[" not in str(step))):
            yield str(step)
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            yield str(step)
            data = data[step]


def _file_with(key: str, runtime: Any) -> Path | None:
    """The file that says ``key``, among those of the chosen options; the last one, which is the one that counts."""
    folders = _folders(runtime)
    found = None
    for choice, option in runtime.choices.items():
        group = choice.partition("@")[0]
        for name in [option] if isinstance(option, str) else option or []:
            for folder in folders:
                file = folder / group / f"{name}.yaml"
                if file.is_file() and _says(folder, group, name, key):
                    found = file
    if found is None:
        return None
    shown = [found.relative_to(folder.parent) for folder in folders if found.is_relative_to(folder)]
    return shown[0]


def options_with(key: str, conf: Path) -> list[str]:
    """The options of a group, as ``head=mlp``, whose files say a key of it; what they change of others is left out."""

    def own(group: str, name: str) -> str:
        package = package_of(group, text_of(group, name, conf) or "")
        return f"{group if package == '_global_' else package}."

    return [
        f"{group}={name}"
        for group in groups(conf)
        for name in options(group, conf)
        if key.startswith(own(group, name)) and _says(conf, group, name, key)
    ]


def key_of(key: str, place: str, options: Sequence[str]) -> str:
    """What is said of a key whose option was not chosen."""
    shown = next((short + key.removeprefix(full) for short, full in ALIASES.items() if key.startswith(full)), key)
    return (
        f"{shown}{place} is a key of {' or '.join(options)} only: choose {'that' if len(options) == 1 else 'one'} too"
    )


def _folders(runtime: Any) -> list[Path]:
    return [Path(source.path) for source in runtime.config_sources if source.schema == "file"]


def _says(conf: Path, group: str, option: str, key: str) -> bool:
    package = package_of(group, text_of(group, option, conf) or "")
    if package != "_global_":
        if not key.startswith(package + "."):
            return False
        key = key.removeprefix(package + ".")
    return _holds(conf, group, option, key.split("."))


def _holds(conf: Path, group: str, option: str, steps: list[str]) -> bool:
    """Whether an option, or one beside it that it inherits from, has a key."""
    content = yaml.safe_load(text_of(group, option, conf) or "") or {}
    node: Any = content
    for step in steps:
        node = node.get(step, _ABSENT) if isinstance(node, dict) else _ABSENT
    inherited = (name for name in content.get("defaults", ()) if isinstance(name, str) and name != "_self_")
    return node is not _ABSENT or any(_holds(conf, group, base, steps) for base in inherited)


def models_of(field: FieldInfo) -> Iterator[type[BaseModel]]:
    """The classes of keys and values that a field may hold."""
    yield from models_in(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The same of an annotation."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        yield from models_in(inner)
        for mark in marks:
            yield from mark.classes().values() if isinstance(mark, Guests) else ()
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from models_in(member)
    elif get_origin(annotation) is dict:  # several options of a group, by their names
        yield from models_in(get_args(annotation)[1])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def option_name(kind: type[BaseModel]) -> str:
    """The option that a class describes; of several, the first."""
    name: str = name_of(kind) or get_args(kind.model_fields["name"].annotation)[0]
    return name


def known_keys(schema: type[BaseModel]) -> tuple[str, ...]:
    """Every dotted key that the schema knows, whichever option of a group it belongs to."""

    def walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
        for name, info in model.model_fields.items():
            yield prefix + name
            for inner in models_of(info):
                below = f"{prefix}{name}."
                if get_origin(info.annotation) is dict:
                    below += f"{option_name(inner)}."
                    yield below[:-1]
                yield from walk(inner, below)

    return tuple(dict.fromkeys(walk(schema, "")))


def did_you_mean(key: str, valid: Sequence[str]) -> str:
    """The nearest of the valid dotted keys; if none is near, those beside it, if they are few."""
    valid = [v for v in valid if v != key]  # as a key of an option that was not chosen
    # A key is most often misspelt in its last part, so neighbours of the same parent come first.
    parent = key.rpartition(".")[0]
    siblings = [v for v in valid if v.rpartition(".")[0] == parent]
    known = f"; known here: {', '.join(v.rpartition('.')[2] for v in siblings)}" if 0 < len(siblings) <= 30 else ""
    return nearest(key, siblings) or nearest(key, valid) or known


def first_lines(text: str) -> str:
    """What libraries say before the first empty line, in one."""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
