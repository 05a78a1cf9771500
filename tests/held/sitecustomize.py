"""Has a process wait where a test wants to look, kill or interrupt it; imported by every interpreter that finds it.

The place is just before a finished file gets its name, or before something is deleted, as seen by an audit hook:
nothing of the program is replaced. See :class:`processes.Gate`.
"""

from __future__ import annotations

import fnmatch
import os
import sys
from typing import Any

GATE, PATTERN, PASS = (os.environ.get(f"GATE_{name}", "") for name in ("FIFO", "PATTERN", "PASS"))
passed = 0


def wait_at_the_gate(event: str, arguments: tuple[Any, ...]) -> None:
    """Wait before the first matching file after ``GATE_PASS`` others comes or goes, until the gate is opened."""
    global passed  # noqa: PLW0603 - a count of this process
    if event == "os.rename":
        what = os.fspath(arguments[1])
    elif event in ("os.remove", "shutil.rmtree"):
        what = f"remove {os.fspath(arguments[0])}"
    else:
        return
    if what.startswith("remove ") != PATTERN.startswith("remove ") or not fnmatch.fnmatch(what, PATTERN):
        return
    passed += 1
    if passed > int(PASS) and os.path.exists(GATE):  # noqa: PTH110 - pathlib is not worth an import in each process
        with open(GATE) as gate:  # noqa: PTH123
            gate.read()


if GATE:
    sys.addaudithook(wait_at_the_gate)
