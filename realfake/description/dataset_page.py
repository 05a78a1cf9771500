"""The description of a dataset as tables on the screen and as one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.data.signal_parts import rounding_words
from realfake.files import write_whole
from realfake.pages import SYNTHETIC, counted, duration, is_photograph, render
from realfake.terminal import print_table

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

PROBES = "Do these tell real from fake, without the expression?"
PROBE_HEADINGS = ("seen", "AUROC", "95 % interval", "p (Holm)", "")

STREAM_HEADINGS = ("stream", "clips", "moments without gap", "quality, mean", "lowest tenth", "moments a second")


def print_description(console: Console, description: dict[str, Any]) -> None:
    """Show the description as tables."""

    def show(title: str, first: str, rows: dict[str, dict[str, Any]]) -> None:
        print_table(console, title, *_amounts(first, rows), sections=[len(rows) - 1] if "all" in rows else ())

    show(f"{description['dataset']}: classes", "class", {**description["classes"], "all": description["total"]})
    if description["parts"]:
        show("Parts", "part", description["parts"])
    for name, value in _videos(description):
        console.print(f"{name}: {value}", markup=False, highlight=False)
    console.print()
    print_table(console, PROBES, PROBE_HEADINGS, list(_probes(description)))
    print_table(console, "Streams", STREAM_HEADINGS, list(_streams(description)))
    for name, stream in description["streams"].items():
        if stream.get("rounding"):
            said = f"{name}, {rounding_words(stream['rounding'])}"
            console.print(said, markup=False, highlight=False, soft_wrap=True)


def write_page(description: dict[str, Any], pictures: dict[str, Path], curves: dict[str, Path], path: Path) -> None:
    """Write the page.

    Args:
        description: See :func:`realfake.description.dataset_statistics.describe`.
        pictures: Caption → PNG file.
        curves: The same of streams.
        path: Of the page.
    """
    total, channels, streams = description["total"], description["channels"], description["streams"]
    facts = [
        (f"{total['clips']:,}", "clip" if total["clips"] == 1 else "clips"),
        (f"{total['subjects']:,}", "subject" if total["subjects"] == 1 else "subjects"),
        (duration(total["seconds"]), "of video"),
        (f"{total['crops']:,}", "face crops"),
        (f"{100 * total['face_yield']:.1f} %", "frames with a face"),
        (f"{len(description['skipped']):,}", "files left out"),
    ]
    page = render(
        "description.html",
        title=f"Dataset {description['dataset']}",
        store=description["store"],
        fingerprint=description["fingerprint"],
        facts=facts,
        notes=[*([SYNTHETIC] if description["dataset"] == "synthetic" else []), *description.get("notes", [])],
        said=_verdict(description),
        classes=_amounts("class", {**description["classes"], "all": total}),
        figures=[(caption, file) for caption, file in pictures.items() if not is_photograph(file)],
        parts=_amounts("part", description["parts"] or {}),
        videos=_videos(description),
        probes=(PROBES, PROBE_HEADINGS, _probes(description)),
        streams=(STREAM_HEADINGS, _streams(description)),
        words=[f"{name}: {'; '.join(_said(s))}" for name, s in streams.items()],
        curves=[*curves.items()],
        channels=[
            (name, f"{mean:.6f}", f"{std:.6f}")
            for name, mean, std in zip(("red", "green", "blue"), channels["mean"], channels["std"], strict=True)
        ],
        sheets=[(caption, file) for caption, file in pictures.items() if is_photograph(file)],
        subjects=_amounts("subject", description["subjects"], "part"),
        most=MOST_ROWS,
        duplicates=[" = ".join(clips) for clips in description["duplicates"]],
        skipped=[f"{item['clip']}: {item['reason']}" for item in description["skipped"]],
    )
    write_whole(path, page)


def _verdict(description: dict[str, Any]) -> list[str]:
    """Whether real and fake can be told apart without the expression, in words; nothing if no probe could tell."""
    tried = [p for p in description["probes"] if not p["undefined"]]
    if not tried:
        return ["Whether anything but the expression tells real from fake is not known: no probe could be tried."]
    found = [p["probe"] for p in tried if p["beats_chance"]]
    if found:
        return [
            f"Real is told from fake without the expression, by {', '.join(found)}: a network may learn that instead."
        ]
    return [
        f"None of {counted(len(tried), 'probe')} tells real from fake without the expression.",
        "That shows no more than that these small models found nothing on so many people: see the intervals.",
    ]


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


def _probes(description: dict[str, Any]) -> list[list[str]]:
    """A row each: name, AUROC, interval, corrected p-value, and what is to be said of it."""
    rows = []
    for p in description["probes"]:
        if p["undefined"]:
            rows.append([p["probe"], "–", "–", "–", p["undefined"]])
            continue
        interval = "–" if p["low"] is None else f"{p['low']:.2f} to {p['high']:.2f}"
        said = "a shortcut" if p["beats_chance"] else ""
        rows.append([p["probe"], f"{p['auroc']:.2f}", interval, f"{p['adjusted_p']:.3g}", said])
    return rows


def _said(stream: dict[str, Any]) -> list[str]:
    """What a stream is, in which unit, and how exact."""
    rounding = stream.get("rounding")
    return [*filter(None, (stream["words"], stream["unit"])), *([rounding_words(rounding)] if rounding else [])]


def _streams(description: dict[str, Any]) -> list[list[str]]:
    """A row each, below :data:`STREAM_HEADINGS`."""
    rows = []
    for name, s in description["streams"].items():
        quality = ["–", "–"] if s["quality"] is None else [f"{s['quality'][key]:.3g}" for key in ("mean", "p10")]
        rate = "–" if s["per_second"] is None else f"{s['per_second']:.3g}"
        rows.append([name, f"{s['clips']:,} ({s['coverage']:.1%})", f"{s['sound']:.1%}", *quality, rate])
    return rows


def _number(key: str, value: float) -> str:
    if key.endswith("yield"):
        return f"{100 * value:.1f} %"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _amounts(first: str, rows: dict[str, dict[str, Any]], *extra: str) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a table of :data:`AMOUNTS`."""
    cells = [
        [name, *(amounts[key] for key in extra), *(_number(key, amounts[key]) for key in AMOUNTS)]
        for name, amounts in rows.items()
    ]
    return [first, *extra, *AMOUNTS.values()], cells
