"""Pictures of a comparison: its differences with their intervals, and its power by the number of people."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realfake.comparison.comparing import Comparison, MetricDifference, SystemPair
from realfake.scoring.metric_table import REPORTED
from realfake.scoring.plots.style import BLACK, BLUE, DASHES, GREY, ORANGE, PALETTE, SMALL, TEXT, new_figure, plain

_LEFT, _RIGHT = 0.27, 0.97
_CHARACTERS = 90
"""Of a line as wide as the picture."""
MOST_CURVES = 6
"""Metrics whose power one picture shows."""


def forest(found: Comparison) -> Figure:
    """The difference of each metric of each two systems, with both 95 % intervals, and the margin as a band."""
    heights = [len(pair.metrics) + 1 for pair in found.pairs]
    height = 0.42 * sum(heights) + 1.1
    figure = new_figure(8.0, height)
    axis = figure.add_axes((_LEFT, 0.62 / height, _RIGHT - _LEFT, 1.0 - 1.1 / height))
    axis.axvline(0.0, color=GREY, linewidth=1)
    margin = found.pairs[0].metrics[0].margin
    if margin is not None:
        axis.axvspan(-margin, margin, color=GREY, alpha=0.15, linewidth=0)
    row, ticks = 0, {}
    for pair in found.pairs:
        edge = 0.02 - _LEFT / (_RIGHT - _LEFT)
        title = "\n".join(textwrap.wrap(f"{pair.a} − {pair.b}", _CHARACTERS)[:2])
        axis.text(
            edge, row, title, transform=axis.get_yaxis_transform(), fontsize=TEXT,
            fontweight="bold", va="center", parse_math=False,
        )  # fmt: skip
        for m in pair.metrics:
            row += 1
            ticks[row] = REPORTED[m.metric].heading
            _difference(axis, row, m)
        row += 1
    axis.set_yticks(list(ticks), list(ticks.values()))
    axis.set_ylim(row - 0.4, -0.6)
    plain(axis, "difference (0.05 = 5 points)")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.plot([], [], color=BLUE, linewidth=3, marker="o", label="95 %, people")
    axis.plot([], [], color=ORANGE, linewidth=1.5, marker="|", label="95 %, trainings")
    figure.legend(fontsize=SMALL, frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(_RIGHT, 1.0))
    return figure


def _difference(axis: Axes, row: int, m: MetricDifference) -> None:
    """Draw one metric into a row."""
    if math.isfinite(m.interval.low):
        axis.plot([m.interval.low, m.interval.high], [row, row], color=BLUE, linewidth=3, solid_capstyle="butt")
    axis.plot([m.interval.value], [row], color=BLUE, marker="o", markersize=7)
    if m.trainings is not None:
        ends = [m.trainings.interval.low, m.trainings.interval.high]
        axis.plot(ends, [row + 0.28] * 2, color=ORANGE, linewidth=1.5, marker="|", markersize=7)


def power(pair: SystemPair) -> Figure | None:
    """Power by the number of people, for the measured differences and for the given one; ``None`` = not known."""
    known = [m for m in pair.metrics if m.at_difference is not None and m.at_difference.known][:MOST_CURVES]
    if not known:
        return None
    figure = new_figure(8.0, 3.9)
    given = known[0].at_difference
    assert given is not None
    titles = (f"for a true difference of {abs(given.difference):.3g}", "for the differences that were measured")
    for panel, title in enumerate(titles):
        axis = figure.add_axes((0.08 + 0.48 * panel, 0.26, 0.42, 0.64))
        for k, m in enumerate(known):
            curve = m.at_measured if panel else m.at_difference
            if curve is None:
                continue
            axis.fill_between(curve.people, curve.low, curve.high, color=PALETTE[k], alpha=0.12, linewidth=0)
            axis.plot(
                curve.people, curve.value, color=PALETTE[k], linestyle=DASHES[k], marker="o", markersize=3,
                label=REPORTED[m.metric].heading,
            )  # fmt: skip
        axis.axhline(0.8, color=BLACK, linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        axis.set_xticks(given.people, [f"{n:,}" for n in given.people])
        axis.minorticks_off()
        axis.set_ylim(-0.02, 1.02)
        plain(axis, "test people", "" if panel else "power", title)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=SMALL, frameon=False, ncols=4, loc="lower center", handlelength=3)
    return figure
