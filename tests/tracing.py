"""Coverage is measured where it counts: not inside of long calls into other people's code.

Below Python 3.12 the tracer is called for every line of every package, which makes composing a configuration twice as
slow; from 3.12 on, ``COVERAGE_CORE=sysmon`` leaves out by itself what is not measured.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

LONG_CALLS = (
    "hydra._internal.hydra:Hydra.compose_config",
    "omegaconf:OmegaConf.load",
    "matplotlib.figure:Figure.savefig",
    "matplotlib.backends.backend_agg:FigureCanvasAgg.draw",
    "tensorboard.backend.event_processing.event_accumulator:EventAccumulator.Reload",
    "torch.onnx:export",
    "torch.export:export",
)
"""Functions that call nothing of this package that would not be called elsewhere too."""


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which nobody traces."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*args, **kwargs)
        finally:
            sys.settrace(tracer)
            sys._getframe().f_trace = tracer  # so that the tracer sees this call end

    return call


def leave_out_long_calls(loaded_only: bool = False) -> None:
    """Do not trace :data:`LONG_CALLS`, if anything is traced at all; those of modules that are loaded, or all."""
    if sys.gettrace() is None:
        return
    for place in LONG_CALLS:
        module, _, path = place.partition(":")
        if loaded_only and module not in sys.modules:
            continue
        owner: Any = importlib.import_module(module)
        *classes, name = path.split(".")
        for part in classes:
            owner = getattr(owner, part)
        found = owner.__dict__[name]
        static = isinstance(found, staticmethod)
        changed = untraced(found.__func__ if static else found)
        setattr(owner, name, staticmethod(changed) if static else changed)
