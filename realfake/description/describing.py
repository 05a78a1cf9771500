"""From a configuration to the described dataset: prepare, split, compute, draw, write."""

from __future__ import annotations

import json
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realfake.config import DescribeConfig
from realfake.data.derived_streams import derived_streams
from realfake.data.people import check_people, people_note
from realfake.data.preparation import prepare
from realfake.data.signal_store import prepare_signal
from realfake.data.splits import assign_parts
from realfake.data.store import PreparedStore
from realfake.data.stored_streams import StoredStream
from realfake.data.work import cores
from realfake.description.dataset_page import print_description, write_page
from realfake.description.dataset_pictures import draw_all
from realfake.description.dataset_statistics import channel_moments, class_names, describe
from realfake.description.probe_features import probe_features
from realfake.description.shortcut_probes import Probe, as_plain, run_probes, warning
from realfake.description.signal_curves import describe_streams
from realfake.description.signal_pictures import draw_streams
from realfake.errors import UserError
from realfake.files import require_inside, write_whole
from realfake.scoring.predictions import subject_numbers


def probe(store: PreparedStore, bar: Progress, threads: int) -> list[Probe]:
    """Whether anything but the expression tells real from fake, with a bar."""
    task = bar.add_task("shortcuts", total=len(store) + 1)
    seen = probe_features(store, lambda: bar.advance(task), threads)
    found = run_probes(seen, store.table["authenticity"].to_numpy(), subject_numbers(store.table))
    bar.advance(task)
    return found


def describe_dataset(cfg: DescribeConfig, console: Console | None = None) -> Path:
    """Describe the dataset of a configuration; returns the folder that holds the result.

    A dataset that cannot be split as configured (too few people) is described all the same, with a note.
    """
    console = console or Console()
    folder = (
        Path(cfg.out).expanduser()
        if cfg.out
        else Path("outputs/describe") / f"{cfg.data.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    )
    require_inside(folder, [folder / "plots"])
    signals = tuple(cfg.signals.values())
    store = prepare(cfg.data, cfg.face, signals, check=lambda found: check_people(found, cfg.data, cfg.split))
    notes = [note for note in [people_note(store.table["subject"])] if note]
    try:
        parts = assign_parts(store.table, cfg.split)
    except UserError as error:
        parts = None
        notes.append(f"Not split: {error}")
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )
    with bar:
        task = bar.add_task("channel statistics", total=len(store))
        threads = min(8, cores())
        moments = channel_moments(store, lambda: bar.advance(task), threads)
        probes = probe(store, bar, threads)
    stored: dict[str, StoredStream] = {}
    for options in signals:
        stored |= prepare_signal(store, cfg.data, cfg.face, options)
    stored |= derived_streams(store, cfg.derived_infos, cfg.signals, stored)
    labels = class_names(store.table, cfg.data.space)
    notes += [shortcut for found in probes if (shortcut := warning(found))]
    description = {
        **describe(store, parts, moments, labels),
        "probes": [*map(as_plain, probes)],
        "streams": describe_streams(store, stored, cfg.data.space),
        "notes": notes,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "description.json", text + "\n")
    with console.status("drawing"):
        pictures = draw_all(description, store, labels, folder / "plots", faces=cfg.faces)
        curves = draw_streams(description["streams"], folder / "plots")
    write_page(description, pictures, curves, folder / "description.html")
    print_description(console, description)
    for note in notes:
        console.print(note, style="yellow", markup=False)
    console.print(f"page {folder / 'description.html'}", markup=False, soft_wrap=True)
    return folder
