"""The work of ``realfake signals``: the streams of each clip side by side, in a table of its own."""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.console import Console
from rich.progress import track

from realfake.config import (
    SignalConfig,
    SignalsConfig,
    StreamInfo,
    TrackerSignal,
    as_plain,
    signals_of,
    tracker_info,
)
from realfake.data.clip_rows import as_extracted, gathered, rows_at_once
from realfake.data.derived_streams import derived_streams
from realfake.data.extraction import extract_crops
from realfake.data.face_choice import resolved_face
from realfake.data.faces import build_detector
from realfake.data.jobs import file_sha256, file_size
from realfake.data.media import Media
from realfake.data.planning import extraction_settings
from realfake.data.preparation import prepare
from realfake.data.signal_store import prepare_signal
from realfake.data.sources.listing import clip_name
from realfake.data.store import PreparedStore
from realfake.data.stored_streams import StoredStream
from realfake.data.stream_sets import clip_values
from realfake.data.work import Hung, bounded, time_limit_sec
from realfake.errors import UserError
from realfake.files import DiskError, disk_errors, only_one, remove_parts, require_inside, write_whole
from realfake.prediction.inputs import find_inputs
from realfake.streams.derivation import VERSION
from realfake.streams.kinds import build_signal
from realfake.streams.openface_writing import column_names, in_step, openface_table, write_openface_table
from realfake.streams.stream import Extracted, Requires

log = logging.getLogger(__name__)

_MARK = "signals.json"


@dataclass(frozen=True)
class Found:
    """The streams of a clip."""

    clip: str
    fps: float
    size: tuple[int, int]
    """Width and height of the picture in pixels."""
    streams: dict[str, Callable[[], Iterator[Extracted]]]
    """Each reads its stream, piece after piece."""
    reasons: tuple[str, ...] = ()
    """Why streams are missing, and what is doubtful, a line each."""


@dataclass(frozen=True)
class SignalTables:
    """The tables of :func:`write_signal_tables`."""

    folder: Path
    paths: dict[str, Path]
    """Clip → its table, also where an earlier call has written it."""
    without: dict[str, tuple[str, ...]]
    """Clip of which there is none → why."""


def write_signal_tables(cfg: SignalsConfig, console: Console | None = None) -> SignalTables:
    """Write a table for each clip of a dataset, or for each file.

    What an earlier call with the same settings has written into the folder stays; a clip without any stream is named.

    Raises:
        UserError: If the folder holds tables of other settings, or nothing can be read or prepared.
    """
    console, signals = console or Console(), [_in_picture(options) for options in cfg.signals.values()]
    new = f"outputs/signals/{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(2)}"
    folder = Path(cfg.out or new).expanduser()
    if cfg.input is None:
        store = prepare(cfg.data, cfg.face, signals)
        data: Any = store.fingerprint
        contents = {}
        names, found = store.table["clip"].tolist(), partial(_of_store, store, cfg, signals)
    else:
        given = [cfg.input] if isinstance(cfg.input, str) else cfg.input
        paths = list(dict.fromkeys(path for text in given for path in find_inputs(text)))
        data = extraction_settings(cfg.data, resolved_face(cfg.face))
        names = _names(paths)
        contents = {name: _content(path) for name, path in zip(names, paths, strict=True)}
        for options in signals:
            if isinstance(signal := build_signal(options), Requires):
                signal.require(paths)
        found = partial(_of_files, folder, dict(zip(names, paths, strict=True)), cfg, signals)
    identity: dict[str, Any] = {options.name: build_signal(options).identity() for options in signals}
    identity["data"] = data
    if cfg.derived:
        of_derived = signals_of(cfg.signals, cfg.derived_infos)
        of = {name: build_signal(options).identity() for name, options in of_derived.items()}
        identity["derived"] = {"streams": cfg.derived, "version": VERSION, "of": of}
    tables = {name: folder / f"{name}.{cfg.format}" for name in names}
    with disk_errors(folder, "give another out="):
        folder.mkdir(parents=True, exist_ok=True)
        require_inside(folder, [path.parent for path in tables.values()])
        with only_one(folder, lambda: log.warning("waiting for another process that writes into %s", folder)):
            for place in {folder, *(path.parent for path in tables.values())}:
                remove_parts(place, deep=False)
            _check_same(folder, identity, contents, names, cfg.format)
            without = _write(tables, found, signals, cfg.derived_infos, console)
    lost = f" ({len(without)} clips have none)" if without else ""
    count = len(names) - len(without)
    console.print(f"{count} table{'s' * (count != 1)} in {folder}{lost}", markup=False, soft_wrap=True)
    return SignalTables(folder, {name: path for name, path in tables.items() if name not in without}, without)


def _write(
    tables: dict[str, Path],
    found: Callable[[list[str]], Iterator[Found]],
    signals: list[SignalConfig],
    derived: Sequence[StreamInfo],
    console: Console,
) -> dict[str, tuple[str, ...]]:
    """Write those of the tables that are not there; returns the clips that have none, and why."""
    todo = [name for name, path in tables.items() if not path.exists()]
    without: dict[str, tuple[str, ...]] = {}
    for clip in track(found(todo) if todo else (), "tables", total=len(todo), console=console, transient=True):
        for reason in clip.reasons:
            console.print(f"{clip.clip}: {reason}", style="yellow", markup=False, soft_wrap=True)
        if not clip.streams:
            without[clip.clip] = clip.reasons
            continue
        path = tables[clip.clip]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_openface_table(path, _tables(clip, signals, derived))
    return without


def _in_picture(options: SignalConfig) -> SignalConfig:
    """The same with landmarks from which their pixels can be told."""
    if not isinstance(options, TrackerSignal):
        return options
    return type(options).model_validate({**as_plain(options), "relative_to": "picture"})


def _check_same(
    folder: Path, identity: dict[str, Any], contents: dict[str, str], names: Sequence[str], form: str
) -> None:
    """Write down what the tables of a folder are, or refuse a folder that holds others; those of other files go.

    Args:
        folder: Of the tables.
        identity: What all of them have in common.
        contents: Checksums of the files that they are of, by their names; a dataset's are in its identity.
        names: Of the tables that are asked for.
        form: Their format.
    """
    formats = get_args(SignalsConfig.model_fields["format"].annotation)
    path = folder / _MARK
    before = json.loads(path.read_text()) if path.exists() else None
    known: dict[str, str] = before.pop("files", {}) if before else {}
    if before is not None and before != json.loads(json.dumps(identity)):
        raise UserError(f"{folder}: holds tables of other data or settings ({_MARK} says which); give another out=")
    for other in (other for other in formats if before is not None and other != form):
        if any((folder / f"{name}.{other}").exists() for name in known.keys() | set(names)):
            raise UserError(
                f"{folder}: holds tables with format={other}, not format={form}; give that, or another out="
            )
    for name in (name for name, content in contents.items() if content != known.get(name, content)):
        for ending in formats:
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
    now = {**identity, **({"files": known | contents} if contents else {})}
    if before is None or known | contents != known:
        write_whole(path, json.dumps(now, indent=2, sort_keys=True) + "\n")


def _content(path: Path) -> str:
    """Checksum of a file; empty if it cannot be read."""
    try:
        return file_sha256(path)
    except (OSError, UserError):
        return ""


def _names(paths: list[Path]) -> list[str]:
    """Of the tables: the path below the folder that all files share, with its ending if another has the name too."""
    common = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    full = [path.absolute().relative_to(common).as_posix() for path in paths]
    short = [clip_name(name) for name in full]
    return [name if short.count(name) == 1 else long for name, long in zip(short, full, strict=True)]


def _of_store(
    store: PreparedStore, cfg: SignalsConfig, signals: list[SignalConfig], clips: list[str]
) -> Iterator[Found]:
    stored: dict[str, StoredStream] = {}
    face = resolved_face(cfg.face)
    for options in signals:
        stored |= prepare_signal(store, cfg.data, face, options)
    bases: dict[str, StoredStream] = {}
    for options in signals_of(cfg.signals, cfg.derived_infos).values():
        bases |= prepare_signal(store, cfg.data, face, options)
    stored |= derived_streams(store, cfg.derived_infos, cfg.signals, bases)
    ends = {name: (stream, np.cumsum(stream.counts), stream.counts) for name, stream in stored.items()}
    row_of = {clip: row for row, clip in enumerate(store.table["clip"].tolist())}
    for clip in clips:
        row = row_of[clip]
        streams: dict[str, Callable[[], Iterator[Extracted]]] = {}
        for name, (stream, end, counts) in ends.items():
            if counts[row]:
                streams[name] = partial(_stored_pieces, stream, int(end[row] - counts[row]), int(end[row]))
        fps, width, height = (store.table[name].iloc[row].item() for name in ("fps", "width", "height"))
        yield Found(clip, fps, (width, height), streams)


def _stored_pieces(stream: StoredStream, start: int, stop: int) -> Iterator[Extracted]:
    step = rows_at_once(stream.rows.dtype)
    for first in range(start, stop, step):
        yield as_extracted(stream.rows[first : min(first + step, stop)])


def _of_files(
    folder: Path, paths: dict[str, Path], cfg: SignalsConfig, signals: list[SignalConfig], clips: list[str]
) -> Iterator[Found]:
    built = {options.name: build_signal(options) for options in signals}
    of_derived = [build_signal(options) for options in signals_of(cfg.signals, cfg.derived_infos).values()]
    face = resolved_face(cfg.face)
    for clip in clips:
        path = paths[clip]
        limit = time_limit_sec(file_size(path), cfg.data.patience_sec)
        streams: dict[str, Callable[[], Iterator[Extracted]]] = {}
        try:
            crops = bounded(partial(extract_crops, path, cfg.data, face, build_detector(face), folder), limit)
        except DiskError:
            raise
        except Exception as error:  # whatever a decoder does with a strange file, the other clips go on
            yield Found(clip, 0.0, (0, 0), {}, (_said(error),))
            continue
        reasons = list(crops.remarks)
        media = Media.of_crops(crops, path, cfg.data, face)
        for name, signal in built.items():
            try:
                found = bounded(partial(gathered, signal, media, folder), limit)
                streams |= {stream: rows.read for stream, rows in found.items()}
            except DiskError:
                raise
            except Exception as error:
                reasons.append(f"signals=[{name}]: {_said(error)}")
        for info in cfg.derived_infos:
            try:
                computed = bounded(partial(clip_values, media, [info], of_derived), limit)
                streams |= {stream: partial(iter, [values]) for stream, values in computed.items()}
            except Exception as error:
                reasons.append(f"{info.name}: {_said(error)}")
        yield Found(clip, crops.info.fps, (crops.info.width, crops.info.height), streams, tuple(reasons))


def _said(error: Exception) -> str:
    """What is wrong with a file, in one line."""
    if isinstance(error, UserError | Hung):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return " ".join(f"cannot be computed ({type(error).__name__}: {error})".split())


def _tables(found: Found, signals: list[SignalConfig], derived: Sequence[StreamInfo]) -> Iterator[Any]:
    """The streams side by side, landmarks of trackers in pixels; in parts, one below the other."""
    names = {info.name: column_names(info) for info in derived if info.name in found.streams}
    in_pixels = False
    for options in signals:
        infos = {info.name: info for info in options.infos() if info.name in found.streams}
        if "landmarks" in infos and isinstance(options, TrackerSignal):
            in_pixels = True
            infos["landmarks"] = tracker_info("landmarks", options.tracker)
        names |= {name: column_names(info) for name, info in infos.items()}
    for streams in in_step({name: read() for name, read in found.streams.items()}):
        if in_pixels:
            values = streams["landmarks"].values * found.size[1] + np.array(found.size, np.float32) / 2.0
            streams["landmarks"] = streams["landmarks"]._replace(values=values)
        yield openface_table(streams, names, found.fps)
