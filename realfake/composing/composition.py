"""From ``conf/`` and the words of a command line to a checked configuration, of one run or of a whole sweep."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from realfake.composing.catalogue import conf_dir
from realfake.composing.composition_errors import COMPOSITION_ERRORS, explain
from realfake.composing.messages import models_of, option_name, validate
from realfake.composing.overrides import SEVERAL, check_plugin, combinations, ordered, rewrite
from realfake.composing.plugin_words import KEY as PLUGINS
from realfake.composing.plugin_words import load_given, load_plugins
from realfake.config import Losses, Strict, TrainConfig
from realfake.errors import UserError
from realfake.scoring.metric_table import minimised

C = TypeVar("C", bound=Strict)


def register_resolvers() -> None:
    """Register the interpolations that ``conf/`` uses; safe to call again."""
    OmegaConf.register_new_resolver("random_id", random_id, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("override_hash", override_hash, replace=True)
    OmegaConf.register_new_resolver("search_direction", search_direction, replace=True)
    for name in ("storage_url", "trials_left", "sampler_seed"):
        OmegaConf.register_new_resolver(name, _study(name), replace=True)


def _study(name: str) -> Callable[..., Any]:
    def resolver(*args: Any) -> Any:
        from realfake.composing import study

        return getattr(study, name)(*args)

    return resolver


def random_id() -> str:
    """Four random characters that keep two runs of the same second apart."""
    return secrets.token_hex(2)


def override_hash(dirname: str) -> str:
    """Name of a sweep's run: the same overrides always give the same folder. ``dirname`` is Hydra's, sorted."""
    return hashlib.sha256(dirname.encode()).hexdigest()[:12]


def search_direction(metric: str) -> str:
    """Which way Optuna goes for a metric."""
    return "minimize" if minimised(metric) else "maximize"


def compose(config_name: str, overrides: list[str], schema: type[C]) -> C:
    """Compose and check a configuration outside of a command, e.g. in a notebook.

    Args:
        config_name: File of ``conf/`` without its ending.
        overrides: As on the command line, e.g. ``["approach=temporal", "seed=1"]``.
        schema: What it has to fit.

    Raises:
        UserError: As the command line would say it.
    """
    overrides = load_plugins(overrides)
    with _composing():
        return _composed(config_name, rewrite(overrides, conf_dir(), sweep=False), schema)


@contextmanager
def _composing() -> Iterator[None]:
    """Let Hydra compose from ``conf/``, also within a command, which is a composed application itself."""
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = outer


def option(kind: type[C], **values: Any) -> C:
    """An option of a group as its file has it, e.g. ``option(HaarFace, margin=0.3)``.

    Args:
        kind: Its class. Where that stands for several options, ``name`` says which one.
        values: In place of those of the file; of keys and values, those that are not named stay.

    Raises:
        UserError: If there is no such option, or a value does not fit.
    """
    name = values.pop("name", None) or option_name(kind)
    merged: Any = OmegaConf.merge(_file_of(_group_of(kind), name), values)
    return validate(merged, kind, trained=True)


@cache
def _file_of(group: str, name: str) -> Any:
    with _composing():
        try:
            # A dataset chooses its detector too, so that it is composed where that is.
            found = hydra.compose("prepare", [f"data={name}"]) if group == "data" else hydra.compose(f"{group}/{name}")
        except COMPOSITION_ERRORS as error:
            raise UserError(explain(error, TrainConfig, conf_dir())) from None
    OmegaConf.set_struct(found, False)
    inside = f".{name}" if group in SEVERAL else ""
    return OmegaConf.select(found, group.replace("/", ".") + inside)


def _group_of(kind: type[Strict]) -> str:
    """The group whose options a class describes; ``loss/joint`` of those of all losses."""
    fields = TrainConfig.model_fields | {f"loss/{task}": info for task, info in Losses.model_fields.items()}
    return next(group for group, info in fields.items() if kind in models_of(info))


def check_sweep(
    config_name: str, argv: list[str], schema: type[C], check: Callable[[C], None] = lambda cfg: None
) -> None:
    """Compose and check the runs of a sweep before the first one starts, and make sure its plugins are there.

    Raises:
        UserError: On the first combination that cannot work, with the combination.
    """
    words, options = parsed(argv)
    if options.keys() - {"--multirun", "--config-dir"}:
        return
    with _composing():
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        try:
            runs = combinations(parser.parse_overrides(words), conf_dir())
            node = hydra.compose(config_name, next(runs), return_hydra_config=True).hydra
            choices = node.runtime.choices
            check_plugin(f"launcher={choices.launcher}", node.launcher._target_)
            if choices.launcher == "ray":  # without a network, it waits minutes for the server that it reports to
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            check_plugin(f"search={choices.get('search')}", node.sweeper._target_)
            if space := node.sweeper.get("params"):
                if PLUGINS in space:
                    raise UserError(f"search={choices.search}: {PLUGINS} is for the command line alone")
                words += [f"{key}={value}" for key, value in space.items()]
            runs = combinations(parser.parse_overrides(words), conf_dir())
        except COMPOSITION_ERRORS as error:
            raise UserError(explain(error, schema, conf_dir())) from None
        all_runs = list(runs)
        constant = set.intersection(*map(set, all_runs))
        for run in all_runs:
            try:
                check(_composed(config_name, run, schema))
            except UserError as error:
                differing = " ".join(word for word in run if word not in constant)
                raise UserError(f"{error} (in the run {differing})" if differing else str(error)) from None
    if node.sweeper.get("storage"):
        from realfake.composing.study import prepare_study

        prepare_study(node.sweep.dir)


def parsed(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    """Overrides of a command line, and its options with their values."""
    words = ordered(argv)
    options = {name: value for name, _, value in (w.partition("=") for w in words if w.startswith("-"))}
    overrides = [word for word in words if not word.startswith("-")]
    if folder := options.get("--config-dir"):
        overrides.append(f"hydra.searchpath=[file://{Path(folder).resolve()}]")
    return overrides, options


def _composed(config_name: str, overrides: list[str], schema: type[C]) -> C:
    try:
        raw = hydra.compose(config_name, overrides, return_hydra_config=True)
    except COMPOSITION_ERRORS as error:
        raise UserError(explain(error, schema, conf_dir())) from None
    runtime = raw.hydra.runtime
    OmegaConf.set_struct(raw, False)
    del raw["hydra"]
    load_given(raw, overrides)
    return validate(raw, schema, runtime=runtime, words=overrides)


# Here, since the workers of a launcher import this module but do not pass through a command.
register_resolvers()
