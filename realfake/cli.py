"""How every command starts: find the configuration, compose it, check it, run, and say what was wrong in one line."""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from realfake.config import Strict
from realfake.errors import UserError

C = TypeVar("C", bound=Strict)


def conf_dir() -> Path:
    """The folder of the config groups: ``conf/`` of a checkout, or its copy inside an installed package."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise UserError(f"no config groups beside {package}: reinstall the package, or run from a complete checkout")


def register_resolvers() -> None:
    """Register the interpolations that ``conf/`` uses; safe to call again."""
    OmegaConf.register_new_resolver("random_id", random_id, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("override_hash", override_hash, replace=True)


def random_id() -> str:
    """Four random characters that keep two runs of the same second apart."""
    return secrets.token_hex(2)


def override_hash(dirname: str) -> str:
    """Name of a sweep's run: the same overrides always give the same folder. ``dirname`` is Hydra's, sorted."""
    return hashlib.sha256(dirname.encode()).hexdigest()[:12]


def name_sweep(argv: list[str]) -> list[str]:
    """Give a sweep (``-m``) without a name one: a digest of its overrides, so that repeating the command finds it.

    The name travels as an override, since the jobs of a launcher do not share this process's command line.
    """
    if not {"-m", "--multirun"} & set(argv) or any(a.startswith("sweep.name=") for a in argv):
        return argv
    words = sorted(a for a in argv if not a.startswith(("-", "sweep.", "hydra.")))
    return [*argv, "sweep.name=sweep_" + hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]]


def main(config_name: str, schema: type[C], run: Callable[[C], Any]) -> None:
    """Run a command as a Hydra application, and exit.

    Args:
        config_name: File of ``conf/`` without its ending.
        schema: What the composed configuration has to fit.
        run: Does the work; a number other than 0 that it returns as ``int`` is the exit status.
    """
    status: list[int] = []

    def task(raw: DictConfig) -> Any:
        try:
            result = run(validate(raw, schema))
        except UserError:
            if HydraConfig.get().mode == RunMode.RUN:
                discard_empty_run(Path(HydraConfig.get().runtime.output_dir))
            raise
        status.append(result if isinstance(result, int) else 0)
        return result

    register_resolvers()
    sys.argv[1:] = name_sweep(sys.argv[1:])
    # Hydra prints several lines and exits by itself unless it is told to raise.
    asked = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        app = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(task)
        app()
    except UserError as error:
        fail(str(error), asked)
    except (HydraException, OmegaConfBaseException) as error:
        fail(explain(error, schema), asked)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        if asked is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = asked
    sys.exit(max(status, default=0))


def compose(config_name: str, overrides: list[str], schema: type[C]) -> C:
    """Compose and check a configuration outside of a command, e.g. in a notebook.

    Args:
        config_name: File of ``conf/`` without its ending.
        overrides: As on the command line, e.g. ``["approach=temporal", "seed=1"]``.
        schema: What it has to fit.

    Raises:
        UserError: As the command line would say it.
    """
    register_resolvers()
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            raw = hydra.compose(config_name, overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(explain(error, schema)) from None
    return validate(raw, schema)


def fail(line: str, full_error: str | None) -> None:
    """Print ``line`` to standard error and exit with 1; with ``HYDRA_FULL_ERROR=1``, raise what is in flight."""
    if full_error == "1":
        raise  # noqa: PLE0704 - only called while an exception is handled
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def discard_empty_run(folder: Path) -> None:
    """Remove a run folder that holds nothing but Hydra's own files: the run never began."""
    if folder.is_dir() and {p.name for p in folder.iterdir()} <= {".hydra", "run.log"}:
        logging.shutdown()
        shutil.rmtree(folder)


def validate(raw: DictConfig | dict[str, Any], schema: type[C]) -> C:
    """Check a composed configuration against its schema.

    Raises:
        UserError: On the first key that is unknown, missing or of the wrong type, and on settings that contradict
            each other; the line names the key, the value and the nearest valid one.
    """
    data = OmegaConf.to_container(raw, resolve=True) if isinstance(raw, DictConfig) else raw
    assert isinstance(data, dict)
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise UserError(_first_problem(error, data, schema)) from None


def _first_problem(error: ValidationError, data: Any, schema: type[BaseModel]) -> str:
    # Unknown keys first: a misspelt key also makes its namesake look missing.
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    problem = problems[0]
    key = ".".join(_plain_location(problem["loc"], data))
    kind, value = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return f"unknown key {key!r}{_did_you_mean(key, known_keys(schema))}"
    if kind == "missing":
        return f"{key} is missing: give it as {key}=…"
    if kind == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    if kind == "union_tag_invalid":
        tag = problem["ctx"]["discriminator"].strip("'")
        valid = re.findall(r"'([^']+)'", problem["ctx"]["expected_tags"])
        given = problem["ctx"]["tag"]
        return f"{key}.{tag}={given}: expected one of {', '.join(valid)}{_did_you_mean(given, valid)}"
    if kind == "literal_error":
        valid = re.findall(r"'([^']+)'", problem["ctx"]["expected"])
        return f"{key}={value}: expected {problem['ctx']['expected']}{_did_you_mean(str(value), valid)}"
    if isinstance(value, dict):
        value = "{…}"
    return f"{key}={value}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _plain_location(location: tuple[int | str, ...], data: Any) -> Iterator[str]:
    """Drop the names of union members that pydantic puts between the keys."""
    for i, step in enumerate(location):
        last = i == len(location) - 1
        if isinstance(data, dict) and (step in data or last):
            yield str(step)
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            yield str(step)
            data = data[step]


@cache
def known_keys(schema: type[BaseModel]) -> tuple[str, ...]:
    """Every dotted key that the schema knows, whichever option of a group it belongs to."""

    def models(annotation: Any) -> Iterator[type[BaseModel]]:
        if get_origin(annotation) is Annotated:
            yield from models(get_args(annotation)[0])
        elif get_origin(annotation) in (Union, UnionType):
            for member in get_args(annotation):
                yield from models(member)
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation

    def walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
        for name, info in model.model_fields.items():
            yield prefix + name
            for inner in models(info.annotation):
                yield from walk(inner, f"{prefix}{name}.")

    return tuple(dict.fromkeys(walk(schema, "")))


def _did_you_mean(given: str, valid: tuple[str, ...] | list[str]) -> str:
    # A key is most often misspelt in its last part, so neighbours of the same parent come first.
    parent = given.rpartition(".")[0]
    siblings = [v for v in valid if v.rpartition(".")[0] == parent]
    for candidates in (siblings, list(valid)):
        near = difflib.get_close_matches(given, candidates, n=1, cutoff=0.6)
        if near:
            return f"; did you mean {near[0]!r}?"
    return f"; known here: {', '.join(v.rpartition('.')[2] for v in siblings)}" if 0 < len(siblings) <= 30 else ""


def explain(error: Exception, schema: type[BaseModel]) -> str:
    """Make one line of what Hydra or OmegaConf raised: the key, and the nearest valid one."""
    text = str(error)
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, option = match.groups()
        valid = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
        return f"{group}={option}: no such option{_did_you_mean(option, valid)} (there are: {', '.join(valid)})"
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match.group(1).partition("@")[0]
        valid = [*known_keys(schema), *(str(p.relative_to(conf_dir())) for p in conf_dir().rglob("*") if p.is_dir())]
        return f"unknown key {key!r}{_did_you_mean(key, valid)}"
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
