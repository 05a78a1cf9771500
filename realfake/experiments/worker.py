"""One of several processes of a distributed run, started by torchrun: ``worker.py <run folder> <config> <plugins>``."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from realfake.composing.messages import validate
from realfake.config import TrainConfig
from realfake.errors import Interrupted
from realfake.experiments.execution import carry_out
from realfake.files import LogFile, WithoutStory
from realfake.registry import load_files, load_installed
from realfake.runs.folder import RunFolder


def main(folder: str, config: str, plugins: str) -> int:
    """Train by a configuration in JSON, which was checked before, with files of plugins; returns the exit status."""
    load_installed()
    load_files(json.loads(plugins))
    run = RunFolder(Path(folder))
    first = os.environ.get("RANK", "0") == "0"
    screen = logging.StreamHandler()
    screen.addFilter(WithoutStory())
    handlers: list[logging.Handler] = [screen]
    if first:
        handlers.append(LogFile(str(run.log)))
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, handlers=handlers, format="%(message)s")
    cfg = validate(json.loads(config), TrainConfig, trained=True)
    try:
        carry_out(cfg, run)  # its starter holds the lock
    except Interrupted as error:
        return 128 + error.number
    except Exception as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
