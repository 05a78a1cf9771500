"""The log of a run that is trained from Python; for a command, Hydra sets it up."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from realfake.composing.catalogue import conf_dir
from realfake.files import LogFile, WithoutStory
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import read_yaml


@contextmanager
def logged(run: RunFolder) -> Iterator[None]:
    """Write what is said while the block runs into ``run.log``, and show it, as a command does.

    A program that has handlers of its own shows it, or not, by these.
    """
    forms = read_yaml(conf_dir() / "hydra/job_logging/run.yaml")["formatters"]
    root = logging.getLogger()
    handlers: dict[logging.Handler, str] = {LogFile(str(run.log)): "full"}
    if not root.handlers:
        screen = logging.StreamHandler(sys.stdout)
        screen.addFilter(WithoutStory())
        handlers[screen] = "short"
    level = root.level
    root.setLevel(min(level, logging.INFO))
    for handler, form in handlers.items():
        handler.setFormatter(logging.Formatter(forms[form]["format"]))
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
