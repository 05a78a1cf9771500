"""Tables for terminals: one that is too wide first gives up its lines, then goes on below its first column again."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_table(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    sections: Collection[int] = (),
) -> None:
    """Print a table in which no word and no number is broken, unless it is wider than the screen by itself.

    Args:
        console: Where to.
        title: Above the table, plain text; ``""`` = none.
        columns: Headings, which take several lines if there is no other room; the first column says what a row is of
            and is repeated, the others stand at the right.
        rows: Plain texts, as many as there are headings.
        sections: Rows before which a line is drawn.
    """
    if title:
        console.print(title, style="italic", markup=False, highlight=False)
    keep = list(range(len(columns)))
    for upto in range(len(keep), 1, -1):
        for lines, heads in product((True, False), (columns, _folded(columns, rows))):
            table = _table(heads, rows, keep[:upto], sections, lines=lines)
            if console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width:
                console.print(table)
                if upto < len(keep):
                    left = [0, *keep[upto:]]
                    print_table(console, "", [columns[k] for k in left], [[row[k] for k in left] for row in rows],
                                sections=sections)  # fmt: skip
                return
    console.print(_table(columns, rows, keep, sections, breaking=True))


def _folded(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Headings no wider than what stands below them, nor than their longest word."""
    return [
        textwrap.fill(name, max([1, *(len(word) for word in name.split()), *(len(row[k]) for row in rows)]))
        for k, name in enumerate(columns)
    ]


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    keep: Sequence[int],
    sections: Collection[int],
    *,
    lines: bool = True,
    breaking: bool = False,
) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table() if lines else Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    for k in keep:
        table.add_column(Text(columns[k]), justify="right" if k else "left", no_wrap=not breaking, overflow="fold")
    for number, row in enumerate(rows):
        if number in sections:
            table.add_section()
        table.add_row(*(Text(row[k]) for k in keep))
    return table
