"""What a prepared store is to be made of, and where it lies: known before anything is prepared."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realfake.config import DataConfig, FaceConfig, SignalConfig
from realfake.data.clips import Listing
from realfake.data.face_choice import face_identity, resolved_face
from realfake.data.jobs import Job, list_jobs
from realfake.data.sources import list_clips
from realfake.data.store import TURNED

log = logging.getLogger(__name__)

PREPARATION_VERSION = 2
"""Counted up whenever the same settings would give other crops, so that no old store passes for new."""


@dataclass(frozen=True)
class Plan:
    """A store that is to be made, and of what."""

    folder: Path
    data: DataConfig
    face: FaceConfig
    signals: tuple[SignalConfig, ...]
    """That follow."""
    listing: Listing
    jobs: list[Job]
    settings: dict[str, Any]
    root: Path
    """Of the files."""
    progress: bool

    def wait(self) -> None:
        """Say that another process works there."""
        log.warning("waiting for another process that prepares %s", self.folder)


def planned(
    data: DataConfig,
    face: FaceConfig,
    signals: Iterable[SignalConfig],
    progress: bool,
    check: Callable[[Listing], None] | None = None,
) -> Plan:
    """List a dataset; the arguments are those of :func:`realfake.data.preparation.prepare`."""
    source, listing = list_clips(data, progress=progress)
    if check is not None:
        check(listing)
    face, root = resolved_face(face), Path(source.root)
    jobs = list_jobs(root, listing.clips, data.patience_sec)
    settings = store_settings(data, face, listing, jobs)
    folder = Path(data.prepared).expanduser() / f"{data.name}-{settings['digest']}"
    return Plan(folder, data, face, tuple(signals), listing, jobs, settings, root, progress)


def extraction_settings(data: DataConfig, face: FaceConfig) -> dict[str, Any]:
    """All that shapes the crops of a file."""
    settings: dict[str, Any] = {
        "version": PREPARATION_VERSION,
        "window": data.window,
        "rate_fps": data.rate_fps,
        "size": data.size,
        "jpeg_quality": data.jpeg_quality,
        "face": face_identity(face),
    }
    if settings["face"].get("align"):  # what was prepared before rolls were kept is prepared again
        settings[TURNED] = True
    if data.decoder != "pyav":  # colours of 10 bits, and pixels that are made square, come out otherwise
        settings["decoder"] = data.decoder
    return settings


def store_settings(data: DataConfig, face: FaceConfig, listing: Listing, jobs: Sequence[Job]) -> dict[str, Any]:
    """What ``store.json`` says of a store before it is made: everything that shapes it, and the digest of that."""
    extraction = extraction_settings(data, face)
    digest = hashlib.sha256(json.dumps([data.name, extraction, data.duplicates], sort_keys=True).encode())
    for clip, job in zip(listing.clips, jobs, strict=True):
        digest.update(repr((*vars(clip).values(), job.size)).encode())
    for problem in listing.problems:
        digest.update(repr(problem).encode())
    return {
        "dataset": data.name,
        "size": data.size,
        "extraction": extraction,
        "duplicates": data.duplicates,
        "digest": digest.hexdigest()[:12],
    }
