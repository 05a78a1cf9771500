"""One of several processes of a distributed run, started by torchrun: ``worker.py <run folder> [checkpoint]``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from realfake.composing.messages import changed
from realfake.errors import Interrupted
from realfake.experiments.execution import carry_out
from realfake.files import LogFile
from realfake.runs.folder import RunFolder


def main(folder: str, checkpoint: str | None = None) -> int:
    """Train by the configuration that the run's folder holds; returns the exit status."""
    run = RunFolder(Path(folder))
    first = os.environ.get("RANK", "0") == "0"
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if first:
        handlers.append(LogFile(str(run.log)))
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, handlers=handlers, format="%(message)s")
    cfg = changed(run.load_config(), {"ckpt": checkpoint})
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
