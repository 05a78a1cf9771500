"""Figures as people read them: metrics in their units, ends of intervals, p-values."""

from __future__ import annotations

from collections.abc import Mapping

from realfake.scoring.metric_table import REPORTED

NOTHING = "–"
NOTABLE_P = 0.05
"""A test that cannot give a smaller p-value cannot find anything, whatever there is."""
LEAST_P = "least: the smallest p-value that the test can give on so few people, however large the effect is"


def number(metric: str, value: float | None, signed: bool = False) -> str:
    """The value of a metric, or of something else, for people: in the metric's unit."""
    if value is None:
        return NOTHING
    sign = "+" if signed else ""
    percent = metric in REPORTED and REPORTED[metric].unit == "%"
    return f"{100 * value:{sign}.1f} %" if percent else f"{value:{sign}.3f}"


def span(metric: str, interval: Mapping[str, float | None], signed: bool = False) -> str:
    """An interval's ends, e.g. ``[51.2, 63.0]``; empty if undefined."""
    low, high = interval["low"], interval["high"]
    if low is None or high is None:
        return ""
    ends = (number(metric, end, signed).removesuffix(" %") for end in (low, high))
    return f"[{', '.join(ends)}]"


def p_value(value: float | None, smallest: float | None = None) -> str:
    """A p-value for people; with the smallest one that was possible, where that is not below 0.05."""
    if value is None:
        return NOTHING
    text = "< 0.001" if value < 0.001 else f"{value:.3f}"
    return text if smallest is None or smallest < NOTABLE_P else f"{text} (least {smallest:.3f})"
