"""The one exception that stands for a wrong input."""

from __future__ import annotations


class UserError(Exception):
    """A wrong input, described in one line: the value, what was expected, and the fix.

    The command line prints the line and exits with 1; no traceback is shown, since the fault is not in the code.
    """
