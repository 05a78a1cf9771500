"""Links that lie in a folder of results under the names of its files; what they point to has to stay as it is."""

from __future__ import annotations

from pathlib import Path

PRECIOUS = "not to be written to"


def linked(out: Path, *names: str) -> list[Path]:
    """Make a link of each name below ``out``, to a file beside it."""
    links = [out / name for name in names]
    for link in links:
        link.parent.mkdir(parents=True, exist_ok=True)
        target = link.with_name(f"{link.name}.precious")
        target.write_text(PRECIOUS)
        link.symlink_to(target.name)
    return links


def assert_replaced(links: list[Path]) -> None:
    """Files stand in the place of the links now, and nothing went through them."""
    for link in links:
        assert link.is_file(), link
        assert not link.is_symlink(), link
        assert link.with_name(f"{link.name}.precious").read_text() == PRECIOUS, link
