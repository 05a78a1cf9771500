"""How every command starts: find the configuration, compose it, check it, run, and say what was wrong in one line."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from realfake.composing.catalogue import conf_dir
from realfake.composing.composition import check_sweep
from realfake.composing.composition_errors import COMPOSITION_ERRORS, explain
from realfake.composing.help import help_text
from realfake.composing.messages import validate
from realfake.composing.overrides import is_sweep, name_sweep, ordered, rewrite
from realfake.composing.plugin_words import load_given, load_plugins
from realfake.config import Strict
from realfake.errors import Interrupted, UserError
from realfake.files import LOCK, Locked, one_line, only_one, require_folder, write_whole

C = TypeVar("C", bound=Strict)


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
            words = list(HydraConfig.get().overrides.task)
            load_given(raw, words)
            cfg = validate(raw, schema, runtime=HydraConfig.get().runtime, words=words)
            out = getattr(cfg, "out", None)
            # Here, since Hydra prints a line of its own about what it sees.
            with one_line(Path(out or "")), packages_needed():
                if out is not None:
                    require_folder(out)
                check(cfg)
                result = run(cfg)
        except UserError as error:
            folder = Path(HydraConfig.get().runtime.output_dir)
            if HydraConfig.get().mode == RunMode.RUN:
                if HydraConfig.get().output_subdir is not None:  # else it is the folder that the user stands in
                    logging.shutdown()
                    discard_empty_run(folder)
                refused.append(error)  # raised below, out of sight of Hydra, which would print a line of its own
                return None
            note_failure(folder, str(error), HydraConfig.get().output_subdir is not None)
            raise
        status.append(result if isinstance(result, int) else 0)
        return result

    # Hydra prints several lines and exits by itself unless it is told to raise.
    asked = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        words = ordered(sys.argv[1:])
        words = sys.argv[1:] = rewrite(name_sweep(load_plugins(words)), conf_dir(), sweep=is_sweep(words))
        if "--help" in words and not any(word.startswith("--config-path") for word in words):
            what = run.__globals__["__doc__"].partition("\n")[0].replace("``", "")
            print(what, help_text(config_name, words), sep="\n\n")
            sys.exit(0)
        if is_sweep(words):
            check_sweep(config_name, words, schema, check)
        Hydra.get_mode = mode_asked_for  # type: ignore[assignment, method-assign]
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
    except Exception:
        try:
            with one_line(Path()):
                raise
        except UserError as refusal:
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


@contextmanager
def packages_needed() -> Iterator[None]:
    """Say as :class:`UserError`, in one line, if a package of others that the block imports is missing or damaged."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "realfake":
            raise
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise UserError(f"{reason}: a package is missing or damaged; install it, or realfake, again") from error


def mode_asked_for(app: Hydra, config_name: str | None, overrides: list[str]) -> RunMode | None:
    """``hydra.mode`` of a command line, for which Hydra composes it once before it does so to run it.

    Hydra's own method keeps an error to itself, which the second composition then has to find again.
    """
    composed = app.compose_config(
        config_name, overrides, RunMode.MULTIRUN, with_log_configuration=False, validate_sweep_overrides=False
    )
    found: RunMode | None = composed.hydra.mode
    return found


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
        shutil.rmtree(folder)
        if folder.parent.parent.name == "outputs":  # that of the approach, unless other runs lie in it
            folder.parent.rmdir()


def note_failure(folder: Path, line: str, is_run: bool) -> None:
    """Say on the screen why a job of a sweep failed and, of a run that did not do so itself, in ``results.json``."""
    print(f"error: {folder.name}: {line}", file=sys.stderr)
    path = folder / "results.json"
    if is_run and folder.is_dir() and not path.exists():
        with suppress(UserError):  # a full or read-only disk, which is what the line is about
            write_whole(path, json.dumps({"status": "failed", "error": line, "metrics": {}}, indent=2) + "\n")
