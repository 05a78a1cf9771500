"""What ends a command without being a fault of the code: a wrong input, or a signal."""

from __future__ import annotations

import difflib
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


def nearest(given: str, valid: Sequence[str]) -> str:
    """``; did you mean …?`` with the one of ``valid`` that is spelt most like ``given``, or nothing."""
    near = difflib.get_close_matches(given, valid, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
