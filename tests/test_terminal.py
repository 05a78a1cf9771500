"""Tables on screens of any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from realfake.terminal import print_table

COLUMNS = ("metric", "clips", "first frame", "95 % interval", "p (shuffled labels)")
ROWS = [["real or fake, balanced", "50.0 %", "49.3 %", "[+41.2, +58.9]", "1.000 (least 1.000)"],
        ["emotion", "16.7 %", "–", "", "< 0.001"]]  # fmt: skip


def printed(width: int, *args: object, **kwargs: object) -> list[str]:
    """The lines on a screen of a width."""
    out = io.StringIO()
    print_table(Console(file=out, width=width), *args, **kwargs)  # type: ignore[arg-type]
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [200, 100, 80, 60, 48])
def test_no_cell_is_broken(width: int) -> None:
    lines = printed(width, "[b]Beside[/b] the simplest guesses", COLUMNS, ROWS, sections=[1])
    assert max(map(len, lines)) <= width
    assert lines[0] == "[b]Beside[/b] the simplest guesses"
    text = "\n".join(lines)
    assert all(cell in text for row in ROWS for cell in row)
    assert all(word in text for name in COLUMNS for word in name.split())
    tables = sum("metric" in line for line in lines)
    assert tables == 1 or width < 80
    assert text.count("emotion") == tables


def test_what_is_wider_than_the_screen_is_broken_and_not_lost() -> None:
    long = ["x" * 70, "y" * 50]
    lines = printed(60, "", ("run", "seen"), [long])
    assert max(map(len, lines)) <= 60
    assert ("".join(lines).count("x"), "".join(lines).count("y")) == (70, 50)


@pytest.mark.parametrize(("columns", "rows"), [(("a",), [["x"]]), (("a", "b"), [])])
def test_small_tables(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    lines = printed(80, "", columns, rows)
    assert all(any(name in line for line in lines) for name in (*columns, *(row[0] for row in rows)))
