"""How every command starts: find the configuration, compose it, check it, run, and say what was wrong in one line."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from realfake.config import Strict
from realfake.errors import Interrupted, UserError
from realfake.files import LOCK, Locked, disk_error, only_one
from realfake.messages import COMPOSITION_ERRORS, explain, validate
from realfake.metric_names import minimised
from realfake.overrides import check_plugin, combinations, is_sweep, name_sweep, ordered, rewrite

__all__ = ["compose", "conf_dir", "main", "register_resolvers", "validate"]

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
    OmegaConf.register_new_resolver("search_direction", search_direction, replace=True)
    for name in ("storage_url", "trials_left", "sampler_seed"):
        OmegaConf.register_new_resolver(name, _study(name), replace=True)


def _study(name: str) -> Callable[..., Any]:
    def resolver(*args: Any) -> Any:
        from realfake.experiments import study

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


def main(
    config_name: str,
    schema: type[C],
    run: Callable[[C], Any],
    finish: Callable[[], int] = lambda: 0,
    check: Callable[[C], None] = lambda cfg: None,
) -> None:
    """Run a command as a Hydra application, and exit.

    Args:
        config_name: File of ``conf/`` without its ending.
        schema: What the composed configuration has to fit.
        run: Does the work; a number other than 0 that it returns as ``int`` is the exit status.
        finish: Called when all is done or has failed, e.g. to report on a sweep; returns an exit status too.
        check: Raises :class:`UserError` on what can be known before anything starts; asked for every run of a sweep.
    """
    status: list[int] = []
    refused: list[UserError] = []

    def task(raw: DictConfig) -> Any:
        try:
            cfg = validate(raw, schema, runtime=HydraConfig.get().runtime)
            check(cfg)
            result = run(cfg)
        except UserError as error:
            folder = Path(HydraConfig.get().runtime.output_dir)
            if HydraConfig.get().mode == RunMode.RUN:
                if HydraConfig.get().output_subdir is not None:  # else it is the folder that the user stands in
                    discard_empty_run(folder)
                refused.append(error)  # raised below, out of sight of Hydra, which would print a line of its own
                return None
            note_failure(folder, str(error))
            raise
        status.append(result if isinstance(result, int) else 0)
        return result

    # Hydra prints several lines and exits by itself unless it is told to raise.
    asked = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        words = ordered(sys.argv[1:], get_args_parser())
        words = rewrite(name_sweep(words), conf_dir(), sweep=is_sweep(words))
        sys.argv[1:] = ordered(words, get_args_parser())
        if is_sweep(sys.argv):
            check_sweep(config_name, sys.argv[1:], schema, check)
        if {"--help", "-h", "--hydra-help"} & set(sys.argv):
            list_groups_once()
        app = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(task)
        try:
            app()
            if refused:
                raise refused[0]
        finally:
            status.append(finish())
    except UserError as error:
        if any(status):  # jobs of a sweep: each has said why, and a report was made of them
            sys.exit(1)
        fail(str(error), asked)
    except COMPOSITION_ERRORS as error:
        fail(explain(error, schema, conf_dir()), asked)
    except Exception as error:
        refusal = disk_error(error, Path.cwd())
        if refusal is None:
            raise
        fail(str(refusal), asked)
    except Interrupted as error:
        print(error, file=sys.stderr)
        sys.exit(128 + error.number)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        if asked is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = asked
    sys.exit(max(status, default=0))


def list_groups_once() -> None:
    """Have Hydra remember the options of each config group.

    For a help text it asks five times for the options of every group, and copies all its settings each time: half a
    second of waiting.
    """
    ask = ConfigLoaderImpl.get_group_options

    @functools.cache
    def remembered(
        loader: ConfigLoaderImpl, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG
    ) -> list[str]:
        return ask(loader, group_name, results_filter)

    ConfigLoaderImpl.get_group_options = remembered  # type: ignore[method-assign, assignment]


def compose(config_name: str, overrides: list[str], schema: type[C]) -> C:
    """Compose and check a configuration outside of a command, e.g. in a notebook.

    Args:
        config_name: File of ``conf/`` without its ending.
        overrides: As on the command line, e.g. ``["approach=temporal", "seed=1"]``.
        schema: What it has to fit.

    Raises:
        UserError: As the command line would say it.
    """
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return _composed(config_name, rewrite(overrides, conf_dir(), sweep=False), schema)


def check_sweep(
    config_name: str, argv: list[str], schema: type[C], check: Callable[[C], None] = lambda cfg: None
) -> None:
    """Compose and check the runs of a sweep before the first one starts, and make sure its plugins are there.

    Raises:
        UserError: On the first combination that cannot work, with the combination.
    """
    args = get_args_parser().parse_args(argv)
    if any((args.cfg, args.help, args.hydra_help, args.info, args.config_path, args.config_name)):
        return
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        extra = [f"hydra.searchpath=[file://{Path(args.config_dir).resolve()}]"] if args.config_dir else []
        words = [*args.overrides, *extra]
        try:
            runs = combinations(parser.parse_overrides(words), conf_dir())
            node = hydra.compose(config_name, next(runs), return_hydra_config=True).hydra
            choices = node.runtime.choices
            check_plugin(f"launcher={choices.launcher}", node.launcher._target_)
            if choices.launcher == "ray":  # without a network, it waits minutes for the server that it reports to
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            check_plugin(f"search={choices.search}", node.sweeper._target_)
            if space := node.sweeper.get("params"):
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
        from realfake.experiments.study import prepare_study

        prepare_study(node.sweep.dir)


def _composed(config_name: str, overrides: list[str], schema: type[C]) -> C:
    try:
        raw = hydra.compose(config_name, overrides, return_hydra_config=True)
    except COMPOSITION_ERRORS as error:
        raise UserError(explain(error, schema, conf_dir())) from None
    runtime = raw.hydra.runtime
    OmegaConf.set_struct(raw, False)
    del raw["hydra"]
    return validate(raw, schema, runtime=runtime)


def fail(line: str, full_error: str | None) -> None:
    """Print ``line`` to standard error and exit with 1; with ``HYDRA_FULL_ERROR=1``, raise what is in flight."""
    if full_error == "1":
        raise  # noqa: PLE0704 - only called while an exception is handled
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def discard_empty_run(folder: Path) -> None:
    """Remove a run folder that holds nothing but Hydra's own files: the run never began."""
    if not folder.is_dir() or not {p.name for p in folder.iterdir()} <= {".hydra", "run.log", LOCK}:
        return
    with suppress(Locked, OSError), only_one(folder, on_wait=None):  # another process's run, or a read-only folder
        logging.shutdown()
        shutil.rmtree(folder)


def note_failure(folder: Path, line: str) -> None:
    """Say on the screen why a job of a sweep failed and, unless the job did so itself, in its ``results.json``."""
    print(f"error: {folder.name}: {line}", file=sys.stderr)
    path = folder / "results.json"
    if folder.is_dir() and not path.exists():
        with suppress(OSError):  # a full or read-only disk, which is what the line is about
            path.write_text(json.dumps({"status": "failed", "error": line, "metrics": {}}, indent=2) + "\n")


# Here, since the workers of a launcher import this module but do not pass through main().
register_resolvers()
