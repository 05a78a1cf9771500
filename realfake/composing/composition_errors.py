"""What Hydra raises on a wrong command line or file, as one line: the key, and the nearest valid one or the fix."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import yaml
from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel

from realfake.composing.catalogue import groups, no_such_option
from realfake.composing.messages import did_you_mean, first_lines, key_of, known_keys, options_with
from realfake.composing.overrides import KEYLESS
from realfake.errors import as_override

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)
"""What composing raises on a wrong input; :func:`explain` reads it."""


def explain(error: Exception, schema: type[BaseModel], conf: Path) -> str:
    """Make one line of what was raised while composing: the key, and the nearest valid one.

    Args:
        error: One of ``COMPOSITION_ERRORS``.
        schema: What the configuration should have fitted.
        conf: Folder of the config groups.
    """
    text = str(error) or str(error.__cause__ or type(error).__name__)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"{mark.name}, line {mark.line + 1}: no valid YAML: {error.problem}"
    if match := re.search(r"Interpolation key '([^']+)' not found", text):
        key = match.group(1).partition(".")[0]
        return f"{key} is missing: give it as {key}=…" if key in schema.model_fields else first_lines(text)
    if match := re.search(r"Could not (?:find|load) '([^']+)'", text):
        return _no_such_option(match.group(1), conf)
    if match := re.search(
        r"Could not (?:override|append to|delete)[^']*'([^']+)'|config group '([^']+)' does not", text
    ):
        key = (match.group(1) or match.group(2)).partition("@")[0].partition("=")[0]
        file = re.match(r"In '([^']+)'", text)
        place = f" in {file.group(1)}.yaml" if file else ""
        there = groups(conf)
        if "already at" in text:
            return f"{key} exists: write {key}=… without the +"
        if parts := [group for group in there if group.startswith(key + "/")]:
            return f"{key} is chosen by part: {', '.join(part + '=…' for part in parts)}"
        here = key.partition(".")[0] in (*schema.model_fields, "hydra")  # else no option of this command has it
        if here and (choices := options_with(key, conf)):
            return key_of(key, place, choices)
        if key in known_keys(schema) and key not in there:
            return f"{key}{place} is in none of the files that were chosen: write +{key}=…"
        near = [g for g in there if g != key and g.partition("/")[0] in (*schema.model_fields, *KEYLESS)]
        return f"unknown key {key!r}{place}{did_you_mean(key, [*known_keys(schema), *near])}"
    if match := re.search(r"Ambiguous value for argument '([^=']+)=(.*)'\n", text):
        key, value = match.group(1), match.group(2).replace("'", "")
        return f"{key}={value}: several values are a sweep, which needs -m; one list is written {key}=[{value}]"
    if match := re.search(r"Sweep parameters '([^']+)'", text):
        return f"{match.group(1)}: several values are a sweep, which needs -m"
    if isinstance(error, OverrideParseException):
        word = error.override
        key, given, value = word.partition("=")
        why = "no = in it"
        if given:
            text = as_override(key, value.strip("\"'"))
            why = f"brackets or quotes do not match, or a special character is unquoted; as text it is {text}"
        return f"{word}: not understood as key=value ({why})"
    return first_lines(text)


def _no_such_option(path: str, conf: Path) -> str:
    group, _, option = path.rpartition("/")
    if group.partition("/")[0] == "experiment":
        # Experiments lie in folders, which are part of their names.
        group, _, option = path.partition("/")
        valid = [str(p.relative_to(conf / group).with_suffix("")) for p in sorted((conf / group).rglob("*.yaml"))]
        near = difflib.get_close_matches(option, [v for v in valid if "/base/" not in v], n=3, cutoff=0.5)
        return f"{path.replace('/', '=', 1)}: no such experiment; {_nearest(near)} (realfake train --help lists them)"
    return no_such_option(group, option, conf)


def _nearest(near: list[str]) -> str:
    return f"did you mean {' or '.join(repr(n) for n in near)}?" if near else "none is spelt like it"
