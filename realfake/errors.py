"""What ends a command without being a fault of the code: a wrong input, or a signal."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence


class UserError(Exception):
    """A wrong input, described in one line: the value, what was expected, and the fix.

    The command line prints the line and exits with 1; no traceback is shown, since the fault is not in the code.
    """


class Interrupted(BaseException):
    """A signal asked the program to end. Not an ``Exception``, so that nothing takes it for a mishap and goes on."""

    def __init__(self, number: int) -> None:
        import signal

        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int]]:
        return Interrupted, (self.number,)  # jobs of a sweep may hand it from process to process


def install(extra: str) -> str:
    """The command that installs what an extra asks for, wherever this package itself came from."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = [line.partition(";") for line in requires("realfake") or []]
    except PackageNotFoundError:  # a checkout that is only on the path
        lines = []
    packages = [name.strip() for name, _, marker in lines if re.search(rf"extra == ['\"]{extra}['\"]", marker)]
    return "pip install " + (shlex.join(packages) if packages else f"-e '.[{extra}]'")


def nearest(given: str, valid: Sequence[str]) -> str:
    """``; did you mean …?`` with the one of ``valid`` that is spelt most like ``given``, or nothing."""
    near = difflib.get_close_matches(given, valid, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def as_override(key: str, value: str) -> str:
    """``key=value`` as a shell and Hydra take it: text of more than plain characters is quoted for both."""
    return f"{key}={value}" if re.fullmatch(r"[\w./-]+", value, re.ASCII) else shlex.quote(f"{key}={quoted(value)}")


def quoted(value: str) -> str:
    """A text as Hydra takes it, whatever is in it."""
    text = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ("\\" if found[2] else "") + found[2], value)
    return f'"{text}"'
