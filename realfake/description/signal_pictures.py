"""Pictures of streams: the mean course of each number in real and fake clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.description.dataset_pictures import COLORS
from realfake.description.signal_curves import POINTS
from realfake.files import open_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = {"real": "-", "fake": "--"}
"""Of lines, so that they are told apart in print."""
SHIFT = 1.12
"""From the start of one emotion's curve to that of the next one, in lengths of a clip."""
COLUMNS = 3
"""Of axes, where all clips alone are shown."""


def draw_streams(streams: dict[str, dict[str, Any]], folder: Path) -> dict[str, Path]:
    """Draw the curves of each stream that has any into an existing folder; caption → PNG file.

    Args:
        streams: See :func:`realfake.description.signal_curves.describe_streams`.
        folder: Existing folder.
    """
    from matplotlib.figure import Figure

    pictures = {}
    for name, stream in streams.items():
        curves = stream["curves"]
        if not curves:
            continue
        panels = list(next(iter(curves.values())))
        columns = 1 if len(panels) > 1 else min(COLUMNS, len(curves))
        rows = -(-len(curves) // columns)
        height = 0.7 + 1.05 * rows
        figure = Figure(figsize=(10, height))
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
        for axis, (component, of_panels) in zip(axes, curves.items(), strict=False):
            _component(axis, component, of_panels)
        for axis in axes[len(curves) :]:
            axis.set_axis_off()
        if len(panels) > 1:
            for k, panel in enumerate(panels):
                axes[0].text(k * SHIFT + 0.5, 1.06, panel, transform=axes[0].get_xaxis_transform(), ha="center")
        for axis in axes[-columns:]:
            axis.set_xlabel("part of the clip, from 0 to 1" + (" in each column" if len(panels) > 1 else ""))
        drawn = [line for axis in axes for line in axis.get_lines()]
        lines = {label: line for line in drawn if not (label := str(line.get_label())).startswith("_")}
        figure.legend(
            lines.values(), lines, loc="upper right", ncols=len(lines), frameon=False, fontsize=8, handlelength=3.0
        )
        figure.subplots_adjust(
            left=0.09, right=0.99, top=1 - 0.5 / height, bottom=0.5 / height, hspace=0.25, wspace=0.35
        )
        path = folder / f"stream_{name}.png"
        with open_whole(path) as file:
            figure.savefig(file, dpi=110, bbox_inches="tight", facecolor="white")
        of = f" ({stream['unit']})" if stream["unit"] else ""
        pictures[f"{name}{of}: mean over people, with its 95 % interval"] = path
    return pictures


def _component(axis: Axes, name: str, panels: dict[str, dict[str, Any]]) -> None:
    """One number: the curves of all clips and of each emotion beside each other."""
    moments = np.linspace(0.0, 1.0, POINTS)
    means = []
    for k, kinds in enumerate(panels.values()):
        for kind, curve in kinds.items():
            mean, low, high = (np.array(curve[word], float) for word in ("mean", "low", "high"))
            color, x = COLORS.get(kind, COLORS["other"]), moments + k * SHIFT
            axis.plot(x, mean, STYLES.get(kind, ":"), color=color, linewidth=1.3, label=kind)
            axis.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
            means.append(mean)
        if k:
            axis.axvline(k * SHIFT - (SHIFT - 1) / 2, color="#cccccc", linewidth=0.8)
    known = np.concatenate(means)
    known = known[np.isfinite(known)]
    if len(known):  # intervals of few people are wide: the curves have to be seen all the same
        room = max(float(np.ptp(known)), 1e-9)
        bottom, top = axis.get_ylim()
        axis.set_ylim(max(bottom, known.min() - room), min(top, known.max() + room))
    axis.set_xlim(-0.03, (len(panels) - 1) * SHIFT + 1.03)
    axis.set_xticks([k * SHIFT + part for k in range(len(panels)) for part in (0.0, 1.0)], ["0", "1"] * len(panels))
    axis.set_ylabel(name, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
