"""A server whose processes start with torch and its like imported: each command is a fork of it.

Started as ``python tests/forking.py <socket>`` by :class:`processes.Forks`. It reads requests, one a line, as JSON:

- ``argv`` (a module and its arguments), ``cwd``, ``env``, ``out`` and ``err`` (files), ``coverage`` (its settings or
  ``null``): answered with the number of a process that runs the module as ``python -m`` would;
- ``wait`` (such a number) and ``block``: answered with its exit status (the negative signal that ended it, ``null`` if
  it has not ended).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any, TextIO

from tracing import leave_out_long_calls

PRELOADED = (
    "torch", "torchvision", "torchmetrics", "pytorch_lightning", "torch.utils.tensorboard", "scipy.stats", "pandas",
    "pyarrow.parquet", "matplotlib.pyplot", "cv2", "av", "simplejpeg", "PIL.Image", "hydra", "omegaconf", "pydantic",
    "rich.progress", "rich.table", "jinja2", "coverage",
)  # fmt: skip
"""What the commands import of other people's code; nothing of the package itself."""


def serve(connection: socket.socket, requests: TextIO) -> dict[str, Any]:
    """Answer requests; returns in the forks, with the request."""
    for line in requests:
        request: dict[str, Any] = json.loads(line)
        answer: int | None
        if "wait" in request:
            pid, status = os.waitpid(request["wait"], 0 if request["block"] else os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                return request
        connection.sendall(json.dumps(answer).encode())
    sys.exit()


def become(request: dict[str, Any]) -> None:
    """Make this process look like one that a shell has started."""
    os.setsid()
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[0] = str(Path.cwd())
    sys.argv = list(request["argv"])
    if request["coverage"]:
        os.environ["COVERAGE_PROCESS_CONFIG"] = request["coverage"]
        importlib.import_module("coverage").process_startup(force=True)
        leave_out_long_calls(loaded_only=True)
        del os.environ["COVERAGE_PROCESS_CONFIG"]
    if "GATE_FIFO" in os.environ:
        sys.path.append(os.environ["PYTHONPATH"].rpartition(os.pathsep)[2])
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell had it ignored
    connection = socket.socket(fileno=int(sys.argv[1]))
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # the forks share this memory as long as nobody looks through it
    become(serve(connection, connection.makefile("r")))
    connection.close()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
