"""Streams that follow from those of a prepared dataset: a folder each beside them.

``streams/<name>-<digest>/`` is that of a signal with one stream; the digest is of the base's folder and the rules, so
that nothing of a video is looked at again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import numpy as np

from realfake.config import BOX, SignalConfig, StreamInfo, signals_of
from realfake.data.media import box_stream
from realfake.data.signal_store import signal_digest
from realfake.data.store import PreparedStore
from realfake.data.stored_streams import MARK, STREAMS, StoredStream, mark_complete, write_stream
from realfake.data.work import shown
from realfake.errors import UserError
from realfake.files import disk_errors, only_one, remove_parts
from realfake.streams.derivation import VERSION, derivation
from realfake.streams.kinds import build_signal
from realfake.streams.stream import Extracted

log = logging.getLogger(__name__)

_NEEDS = {False: "rates need three moments in a row", True: "a descriptor of a clip needs four moments"}


def derived_streams(
    store: PreparedStore,
    infos: Iterable[StreamInfo],
    signals: dict[str, SignalConfig],
    computed: Mapping[str, StoredStream],
    *,
    progress: bool = True,
) -> dict[str, StoredStream]:
    """Open the derived ones of some streams, by their names; those that are missing are computed first.

    Args:
        store: The prepared dataset.
        infos: Of streams; those that are not derived are passed over.
        signals: Those that give the bases.
        computed: The streams of these signals, by their names.
        progress: Whether to show a progress bar where it takes long.

    Raises:
        UserError: If no clip has one, or the canonical face is needed and nobody knows it.
    """
    found: dict[str, StoredStream] = {}
    for info in (info for info in infos if info.rules):
        base = computed.get(info.source)
        folder = store.folder / STREAMS / _folder_name(info, base.folder.name if base else _of_boxes(store))
        stream = found[info.name] = StoredStream(info, folder)
        if not (folder / MARK).exists():
            with disk_errors(folder, "give another data.prepared"):
                folder.mkdir(parents=True, exist_ok=True)
                with only_one(folder, partial(log.warning, "waiting for another process that computes %s", folder)):
                    if not (folder / MARK).exists():
                        _compute(store, stream, base, signals, progress)
        if lost := json.loads((folder / MARK).read_text())["failed"]:
            log.warning("%s: %d of %d clips have none, e.g. %s", info.name, len(lost), len(store), lost[0])
    return found


def streams_read(store: PreparedStore, infos: Iterable[StreamInfo], signals: dict[str, SignalConfig]) -> list[str]:
    """What signals give of some streams, and what is derived of it, by content: names of folders, sorted."""
    infos = list(infos)
    names = {name: signal_digest(store, options) for name, options in signals_of(signals, infos).items()}
    base_of = {info.name: names[name] for name in names for info in signals[name].infos()}
    derived = [_folder_name(info, base_of.get(info.source, _of_boxes(store))) for info in infos if info.rules]
    return sorted({*names.values(), *derived})


def box_clips(store: PreparedStore) -> Iterator[Extracted]:
    """The stream ``box`` of each clip."""
    for clip, (width, height) in enumerate(zip(store.table["width"], store.table["height"], strict=True)):
        rows = store.rows(clip)
        yield Extracted(rows["time_sec"], box_stream(rows, width, height), np.ones(len(rows), np.float32))


def _of_boxes(store: PreparedStore) -> str:
    return f"{BOX.name} of {store.fingerprint}"


def _folder_name(info: StreamInfo, base: str) -> str:
    identity = json.dumps({"base": base, "rules": info.rules, "version": VERSION}, sort_keys=True)
    return f"{info.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _compute(
    store: PreparedStore,
    stream: StoredStream,
    base: StoredStream | None,
    signals: dict[str, SignalConfig],
    progress: bool,
) -> None:
    info, folder = stream.info, stream.folder
    remove_parts(folder)
    derive = derivation(info, [build_signal(options) for options in signals_of(signals, [info]).values()])
    names = store.table["clip"].tolist()
    counts = np.zeros(len(store), [(info.name, "<i8")])
    counts[info.name] = store.table["stored"] if base is None else base.counts
    if info.of_clip:
        counts[info.name] = counts[info.name].clip(max=1)
    failed: list[str] = []

    def clips() -> Iterator[Extracted]:
        every = shown(box_clips(store) if base is None else base.clips(), len(names), info.name, progress, after_sec=2)
        for name, clip in zip(names, every, strict=True):
            found = derive(clip)
            if not (found.quality > 0).any():
                failed.append(name)
            yield found

    write_stream(folder, info, int(counts[info.name].sum()), clips())
    if len(failed) == len(names):
        shutil.rmtree(folder)
        raise UserError(f"{info.name}: none of {len(names)} clips has it; {_NEEDS[info.of_clip]}")
    source = None if base is None else base.folder.name
    mark_complete(folder, counts, {"base": source, "streams": {info.name: info.words}, "failed": failed})
