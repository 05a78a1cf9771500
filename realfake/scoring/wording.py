"""Figures as people read them: in the unit of their metric, without digits that say nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from realfake.scoring.metric_table import REPORTED

NOT_SELECTED = (
    "No epoch was selected: %s is undefined on the validation part in all of them, so that the last one was tested; "
    "choose another optimized_metric, such as val/clip/loss, or another split"
)
"""What is said of such a run, with its metric."""
NOTHING = "–"
"""Stands where there is no figure."""
NOTABLE_P = 0.05
"""A test that cannot give a smaller p-value cannot find anything, whatever there is."""


def decimals(value: float | None, places: int = 3, signed: bool = False) -> str:
    """A number with some decimals, or a dash; zero has no sign."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(value, places) + 0.0  # minus zero is zero
    return f"{rounded:{'+' if signed and rounded else ''}.{places}f}"


def number(metric: str, value: float | None, signed: bool = False) -> str:
    """The value of a metric, or of something else, in the metric's unit."""
    if value is None or not math.isfinite(value):
        return NOTHING
    percent = metric in REPORTED and REPORTED[metric].unit == "%"
    return f"{decimals(100 * value, 1, signed)} %" if percent else decimals(value, 3, signed)


def span(metric: str, interval: Mapping[str, float | None], signed: bool = False) -> str:
    """An interval's ends, e.g. ``[51.2, 63.0]``; empty if undefined."""
    ends = [number(metric, interval[key], signed).removesuffix(" %") for key in ("low", "high")]
    return "" if NOTHING in ends else f"[{', '.join(ends)}]"


def p_value(value: float | None, smallest: float | None = None) -> str:
    """A p-value; with the smallest one that was possible, where that is not below 0.05."""
    if value is None:
        return NOTHING
    text = "< 0.001" if value < 0.001 else f"{value:.3f}"
    return text if smallest is None or smallest < NOTABLE_P else f"{text} (least {smallest:.3f})"
