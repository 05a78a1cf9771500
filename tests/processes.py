"""Processes for tests: commands in forks of one that has torch loaded, and gates at which a process waits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[1]

Command = Callable[..., subprocess.CompletedProcess[str]]


def environment(**changes: str) -> dict[str, str]:
    """Variables of a process that finds this checkout's package."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150", **changes}


class Running(Protocol):
    """A process that may have ended."""

    def poll(self) -> int | None:
        """Its exit status, ``None`` while it runs."""


def until(condition: Callable[[], object], *processes: Running) -> None:
    """Wait for a condition to come true; fails if one of the processes ends before.

    There is no limit of time but that of pytest, which is there for what hangs.
    """
    while not condition():
        ended = [code for process in processes if (code := process.poll()) is not None]
        if condition():
            return
        assert not ended, f"a process ended with {ended} before what it was to do"
        time.sleep(0.01)


class Gate:
    """A place at which processes wait for the test: just before a file of a certain name is complete, or deleted.

    Args:
        folder: Of the test; the gate is a pipe in it.
        pattern: Of the file's path; ``remove <pattern>`` of one that is deleted.
        after: How many such files each process may write before it waits.
    """

    def __init__(self, folder: Path, pattern: str, after: int = 0) -> None:
        self.fifo = folder / "gate"
        os.mkfifo(self.fifo)
        self.variables = {
            "GATE_FIFO": str(self.fifo), "GATE_PATTERN": pattern, "GATE_PASS": str(after),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests/held"))),
        }  # fmt: skip
        """Environment of the processes that are to wait."""
        self._held: int | None = None

    def _anybody_waits(self) -> bool:
        try:
            self._held = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            return False
        return True

    def reached(self, *processes: Running) -> None:
        """Return when a process waits here; fails if one of ``processes`` ends instead."""
        until(self._anybody_waits, *processes)

    def open(self) -> None:
        """Let everybody go on, now and from now on."""
        self.fifo.unlink()
        if self._held is not None:
            os.close(self._held)
            self._held = None


@dataclass
class Fork:
    """A process of :class:`Forks`, alone in its session; ``output`` is complete when it has ended."""

    pid: int
    out: Path
    err: Path
    ask: Callable[[dict[str, Any]], int | None]
    returncode: int | None = None

    def _wait(self, block: bool) -> int | None:
        if self.returncode is None:
            self.returncode = self.ask({"wait": self.pid, "block": block})
        return self.returncode

    def poll(self) -> int | None:
        """Its exit status, ``None`` while it runs."""
        return self._wait(block=False)

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        code = self._wait(block=True)
        assert code is not None
        return code

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    @property
    def output(self) -> str:
        """What it has said, on both streams."""
        return self.out.read_text() + self.err.read_text()


class Forks:
    """Runs commands in forks of a process that has imported torch and its like, which takes longer than most commands.

    The forks are processes with an environment, a session and an end of their own; only their interpreter is not
    started anew. What the commands start in their turn (workers, ranks) has interpreters of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        self._forks: list[Fork] = []
        self.coverage: str | None = None
        """What ``coverage`` needs to measure the forks, if they are to be measured."""

    def _start_server(self) -> None:
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("forking.py")), str(theirs.fileno())],
                env=environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def _ask(self, request: dict[str, Any]) -> int | None:
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            answer: int | None = json.loads(self._connection.recv(32))
        except BaseException:  # answers would no more belong to their questions
            self.close()
            raise
        return answer

    def start(self, argv: list[str], cwd: Path, env: dict[str, str]) -> Fork:
        """Start ``python -m <argv>``."""
        if self._server is None:
            self._start_server()
        out, err = (self.folder / f"{len(self._forks)}.{name}" for name in ("out", "err"))
        request = {"argv": argv, "cwd": str(cwd), "env": env, "out": str(out), "err": str(err)}
        pid = self._ask({**request, "coverage": self.coverage})
        assert pid is not None
        self._forks.append(Fork(pid, out, err, self._ask))
        return self._forks[-1]

    def run(self, argv: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run ``python -m <argv>`` to its end."""
        fork = self.start(argv, cwd, env)
        return subprocess.CompletedProcess(argv, fork.wait(), fork.out.read_text(), fork.err.read_text())

    def close(self) -> None:
        """End the server, and the forks that still run."""
        if self._server is None:
            return
        self._connection.close()
        self._server.kill()
        self._server.wait()
        self._server = None
        for fork in self._forks:
            if fork.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(fork.pid, signal.SIGKILL)
                fork.returncode = -signal.SIGKILL
