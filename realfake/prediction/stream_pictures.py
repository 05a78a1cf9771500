"""Pictures of what streams add to a verdict: which stream, which of its points, which moments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from realfake.prediction.explain import Explanation
from realfake.prediction.explain_pictures import COLORS, said
from realfake.scoring.plots.style import GREY, SMALL, TEXT, new_figure, plain, save

MOST_POINTS = 10
"""Bars of a stream: those that add or take away most."""
MOST_SAMPLES = 3


def draw_shares(found: Sequence[Explanation], path: Path) -> Path:
    """Draw, for each of the first samples, a row a stream: what it adds as a whole, its points, and its moments."""
    shown = found[:MOST_SAMPLES]
    names = list(shown[0].streams)
    high = sum(0.6 + 2.1 * len(names) for _ in shown)
    figure = new_figure(11.0, high)
    top = high
    for e in shown:
        figure.text(0.04, (top - 0.3) / high, verdict(e), fontsize=TEXT)
        for row, name in enumerate(names):
            bottom = (top - 0.6 - 2.1 * (row + 1) + 0.55) / high
            box = (1.25 / high,)
            _whole(figure.add_axes((0.07, bottom, 0.14, *box)), e, name)
            if e.streams[name].names:
                _points(figure.add_axes((0.34, bottom, 0.22, *box)), e, name)
            _moments(figure.add_axes((0.65, bottom, 0.32, *box)), e, name)
        top -= 0.6 + 2.1 * len(names)
    return save(figure, path)


def verdict(e: Explanation) -> str:
    """On which stream, point and moment each label rests, in words."""
    parts = []
    for task in e.classes:
        name = max(e.streams, key=lambda n: e.streams[n].whole[task])
        share = e.streams[name]
        words = f"{said(e, task)} rests on {name}"
        if share.names:
            words += f", {share.names[int(np.argmax(share.points[task]))]}"
        moments = np.where(np.isnan(share.times_sec), -np.inf, share.time[task])
        if np.isfinite(moments).any():
            words += f", at {share.times_sec[int(np.argmax(moments))]:.1f} s"
        parts.append(words)
    return "; ".join(parts)


def _whole(axis: Axes, e: Explanation, name: str) -> None:
    tasks = list(e.classes)
    values = [100 * e.streams[name].whole[task] for task in tasks]
    axis.bar(range(len(tasks)), values, 0.6, color=[COLORS[task] for task in tasks])
    axis.set_xticks(range(len(tasks)), [e.classes[task] for task in tasks], fontsize=SMALL)
    axis.axhline(0, color=GREY, linewidth=0.8)
    plain(axis, "", "adds (% points)")
    axis.set_title(f"all of {name}", fontsize=SMALL, loc="left")


def _points(axis: Axes, e: Explanation, name: str) -> None:
    share = e.streams[name]
    most = np.max([np.abs(v) for v in share.points.values()], axis=0)
    chosen = np.sort(np.argsort(-most, kind="stable")[:MOST_POINTS])[::-1]
    place = np.arange(len(chosen))
    for k, (task, values) in enumerate(share.points.items()):
        axis.barh(place + (0.5 - k) * 0.38, 100 * values[chosen], 0.36, color=COLORS[task], label=e.classes[task])
    axis.set_yticks(place, [share.names[i] for i in chosen], fontsize=SMALL)
    axis.axvline(0, color=GREY, linewidth=0.8)
    plain(axis, "adds (% points)", "")
    few = f" ({len(chosen)} of {len(share.names)})" if len(chosen) < len(share.names) else ""
    axis.set_title(f"each of its numbers{few}", fontsize=SMALL, loc="left")


def _moments(axis: Axes, e: Explanation, name: str) -> None:
    share = e.streams[name]
    for task, values in share.time.items():
        axis.plot(share.times_sec, 100 * values, ".-", color=COLORS[task], label=e.classes[task])
    axis.axhline(0, color=GREY, linewidth=0.8)
    plain(axis, "seconds", "adds (% points)")
    axis.set_title("each moment", fontsize=SMALL, loc="left")
    axis.legend(fontsize=SMALL, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.95))
