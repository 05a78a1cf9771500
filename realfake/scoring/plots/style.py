"""What all pictures share: sizes, colours that the colour-blind and a grey printer tell apart, and files."""

from __future__ import annotations

import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from realfake.files import open_whole

DPI = 100
TEXT, SMALL = 10, 8
"""Font sizes in points."""

BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#222222",
)  # fmt: skip
"""Okabe and Ito 2008, https://jfly.uni-koeln.de/color/."""
GREY = "#888888"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE)
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
"""Line styles, so that a line is known without its colour."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, apart from pyplot's global state."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def plain(axis: Axes, xlabel: str = "", ylabel: str = "", title: str = "") -> None:
    """Label an axis and take away what carries no information."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL)
    axis.set_xlabel(xlabel, fontsize=TEXT)
    axis.set_ylabel(ylabel, fontsize=TEXT)
    if title:
        axis.set_title(title, fontsize=TEXT, loc="left")


def remark(figure: Figure, text: str) -> None:
    """Write a remark below everything that is drawn; the figure grows by it."""
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(text, int(width * 17))
    below = 0.13 * len(lines) + 0.08
    for axis in figure.axes:
        box = axis.get_position()
        axis.set_position(
            (box.x0, (box.y0 * height + below) / (height + below), box.width, box.height * height / (height + below))
        )
    for written in figure.texts:
        x, y = written.get_position()
        written.set_position((x, (y * height + below) / (height + below)))
    figure.set_size_inches(width, height + below)
    figure.text(0.03, 0.04 / (height + below), "\n".join(lines), fontsize=SMALL, color=VERMILION, va="bottom")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_whole(path) as file:
        figure.savefig(file, dpi=DPI, format="png", pil_kwargs={"compress_level": 3})
    return path
