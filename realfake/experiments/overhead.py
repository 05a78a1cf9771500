"""What a step costs beside the network, and can do without."""

from __future__ import annotations

import ctypes

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def spare_overhead() -> None:
    """Set this process up for many equal steps.

    On a CPU the C library gives large blocks back to the system when they are freed and asks for them again in the
    next step, which then clears every page: up to a seventh of a step. Kept instead, the most that a step needs is
    what the process holds, as it would at its peak anyway.

    Deterministic algorithms fill new tensors with NaN before they are written, which only helps to find errors.

    What both bring, ``python -m benchmarks.savings`` tells (docs/benchmarks.md).
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if torch.cuda.is_available():
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_MMAP_THRESHOLD, 2**30)
