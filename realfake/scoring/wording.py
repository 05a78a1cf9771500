"""Figures as people read them: in the unit of their metric, without digits that say nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from realfake.scoring.metric_table import REPORTED

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


def not_selected(results: Mapping[str, Any]) -> str | None:
    """That no epoch of a run was the best one, in a sentence; ``None`` if one was."""
    if results.get("best_epoch") is not None or not results.get("epochs"):
        return None
    return (
        f"No epoch was selected: {results.get('optimized_metric')} is undefined on the validation part in all of them, "
        "so that the last one was tested; choose another optimized_metric, such as val/clip/loss, or another split"
    )


def beside_figures(results: Mapping[str, Any]) -> list[str]:
    """What has to be said wherever figures of a run stand: of unknown people, of what its clips lack, of selection."""
    said = (results.get("people"), *(results.get("lacking") or ()), not_selected(results))
    return [str(words) for words in said if words]


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
