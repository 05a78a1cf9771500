"""The description of a dataset as tables on the screen and as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

AMOUNTS = {
    "clips": "clips",
    "subjects": "subjects",
    "seconds": "seconds",
    "frames": "frames",
    "sampled": "looked at",
    "crops": "faces",
    "face_yield": "face yield",
}
"""Column of the description → heading."""

MOST_ROWS = 1000


def print_description(console: Console, description: dict[str, Any]) -> None:
    """Show the description as tables."""
    from rich.markup import escape as plain
    from rich.table import Table

    def show(title: str, first: str, rows: dict[str, dict[str, Any]]) -> None:
        table = Table(title=title, title_justify="left")
        table.add_column(first, no_wrap=True)
        for heading in AMOUNTS.values():
            table.add_column(heading, justify="right")
        for name, amounts in rows.items():
            table.add_row(plain(name), *(_number(key, amounts[key]) for key in AMOUNTS))
        console.print(table)

    show(f"{plain(description['dataset'])}: classes", "class", {**description["classes"], "all": description["total"]})
    if description["parts"]:
        show("Parts", "part", description["parts"])
    summary = Table(title="Videos", title_justify="left", show_header=False)
    for name, value in _videos(description):
        summary.add_row(name, plain(value))
    console.print(summary)


def write_page(description: dict[str, Any], pictures: dict[str, Path], path: Path) -> None:
    """Write the page; every name that came from a file or a user is escaped, every picture is inside.

    Args:
        description: See :func:`realfake.description.dataset_statistics.describe`.
        pictures: Caption → PNG file.
        path: Of the page.
    """
    total, subjects = description["total"], description["subjects"]
    tiles = [
        (f"{total['clips']:,}", "clips"),
        (f"{total['subjects']:,}", "subjects"),
        (_duration(total["seconds"]), "of video"),
        (f"{total['crops']:,}", "face crops"),
        (f"{100 * total['face_yield']:.1f} %", "frames with a face"),
        (f"{len(description['skipped']):,}", "files left out"),
    ]
    sheets = {caption: file for caption, file in pictures.items() if file.name.startswith("contact_")}
    figures = {caption: file for caption, file in pictures.items() if caption not in sheets}
    channels = description["channels"]
    colour_rows = [
        [name, f"{mean:.6f}", f"{std:.6f}"]
        for name, mean, std in zip(("red", "green", "blue"), channels["mean"], channels["std"], strict=True)
    ]
    shown = dict(list(subjects.items())[:MOST_ROWS])
    cut = f" (the first {MOST_ROWS:,} are shown; all are in description.json)" if len(subjects) > MOST_ROWS else ""
    page = Template(files("realfake.description").joinpath("templates/description.html").read_text("utf-8")).substitute(
        title=escape(f"Dataset {description['dataset']}"),
        subtitle=escape(f"store {description['store']}, fingerprint {description['fingerprint']}"),
        tiles="".join(f'<div class="tile"><b>{escape(v)}</b><span>{escape(k)}</span></div>' for v, k in tiles),
        notes="".join(f"<p>{escape(note)}</p>" for note in description.get("notes", [])),
        classes=_amount_table("class", {**description["classes"], "all": total}),
        figures="".join(_figure(c, f) for c, f in figures.items()),
        parts=_amount_table("part", description["parts"]) if description["parts"] else "<p>None.</p>",
        videos=_table(["", ""], [[name, value] for name, value in _videos(description)]),
        channels=_table(["channel", "mean", "standard deviation"], colour_rows),
        sheets="".join(_figure(c, f) for c, f in sheets.items()),
        subjects_summary=escape(f"{len(subjects):,} subjects{cut}"),
        subjects=_amount_table("subject", shown, extra="part"),
        duplicates=_list(" = ".join(clips) for clips in description["duplicates"]),
        skipped=_list(f"{item['clip']}: {item['reason']}" for item in description["skipped"]),
    )
    path.write_text(page, encoding="utf-8")


def _videos(description: dict[str, Any]) -> list[tuple[str, str]]:
    def listed(counts: dict[str, int]) -> str:
        shown = ", ".join(f"{name} ({count:,})" for name, count in list(counts.items())[:8])
        return shown + (f" and {len(counts) - 8} more" if len(counts) > 8 else "")

    length = description["duration_sec"]
    return [
        ("resolution in pixels (clips)", listed(description["resolution"])),
        ("frames per second (clips)", listed(description["fps"])),
        (
            "duration in seconds",
            f"{length['min']:g} to {length['max']:g}, median {length['median']:g}, mean {length['mean']:g}",
        ),
        ("identical files", f"{len(description['duplicates']):,} sets"),
        ("files left out", f"{len(description['skipped']):,}"),
    ]


def _number(key: str, value: float) -> str:
    if key.endswith("yield"):
        return f"{100 * value:.1f} %"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _amount_table(first: str, rows: dict[str, dict[str, Any]], extra: str | None = None) -> str:
    heading = [first, *([extra] if extra else []), *AMOUNTS.values()]
    return _table(
        heading,
        [
            [name, *([amounts[extra]] if extra else []), *(_number(k, amounts[k]) for k in AMOUNTS)]
            for name, amounts in rows.items()
        ],
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(h)}</th>" for h in heading)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(items: Iterable[str]) -> str:
    lines = list(items)
    if not lines:
        return "<p>None.</p>"
    more = f"<li>and {len(lines) - MOST_ROWS:,} more</li>" if len(lines) > MOST_ROWS else ""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines[:MOST_ROWS]) + more + "</ul>"


def _figure(caption: str, file: Path) -> str:
    text = escape(caption)
    data = base64.b64encode(_small(file)).decode()
    kind = "jpeg" if file.name.startswith("contact_") else "png"
    return f'<figure><img alt="{text}" src="data:image/{kind};base64,{data}"><figcaption>{text}</figcaption></figure>'


def _small(file: Path) -> bytes:
    """The picture's bytes; photographs as JPEG, or the page would grow to many megabytes."""
    if not file.name.startswith("contact_"):
        return file.read_bytes()
    from PIL import Image

    out = io.BytesIO()
    Image.open(file).save(out, "JPEG", quality=88)
    return out.getvalue()
