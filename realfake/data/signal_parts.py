"""The work on streams of single clips, in whatever process: computed, looked over, and written down as a part."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from realfake.config import DataConfig, FaceConfig, SignalConfig, StreamInfo
from realfake.data.clip_rows import ClipRows, as_extracted, computed_fault, gathered, row_type, rows_at_once
from realfake.data.media import Media
from realfake.data.store import PreparedStore
from realfake.data.stored_streams import write_stream
from realfake.errors import UserError
from realfake.files import DiskError, open_whole
from realfake.streams.kinds import build_signal
from realfake.streams.stream import Extracted, OverClips, Signal

PARTS = "parts"
_REASON = ".reason"
"""In the file of a clip: why there are no streams."""


@dataclass(frozen=True)
class Part:
    """The work on one clip, or on several that are computed together."""

    rows: tuple[int, ...]
    paths: tuple[Path, ...]
    limit_sec: float


def grouped(rows: Sequence[int], stored: np.ndarray, least: int) -> list[tuple[int, ...]]:
    """Clips that follow each other in groups of at least so many crops.

    Args:
        rows: Of the clips.
        stored: (clips of the store,) crops of each.
        least: Crops of a group, but for the last one.
    """
    groups: list[tuple[int, ...]] = []
    group: list[int] = []
    for row in rows:
        group.append(row)
        if stored[group].sum() >= least:
            groups.append(tuple(group))
            group = []
    return [*groups, *([tuple(group)] if group else [])]


def compute_part(
    part: Part, *, store: Path, data: DataConfig, face: FaceConfig, options: SignalConfig, folder: Path
) -> None:
    """Compute the streams of clips and write them down, or why that cannot be."""
    signal, opened = _opened(store, options)
    compute_clips(part, signal=signal, opened=opened, data=data, face=face, folder=folder)


def compute_clips(
    part: Part, *, signal: Signal, opened: PreparedStore, data: DataConfig, face: FaceConfig, folder: Path
) -> None:
    """As :func:`compute_part`, by a signal that is at hand."""
    clips = [Media.of_store(opened, row, path, data, face) for row, path in zip(part.rows, part.paths, strict=True)]
    together = _extracted_together(signal, clips, folder)
    for k, (row, clip) in enumerate(zip(part.rows, clips, strict=True)):
        write_part(part_file(folder, row), *(together[k] if together else _gathered(signal, clip, folder)))


def _extracted_together(
    signal: Signal, clips: list[Media], folder: Path
) -> list[tuple[dict[str, ClipRows], str]] | None:
    """As :func:`_gathered`, of each of several clips; ``None`` if each has to be computed alone."""
    if len(clips) == 1 or not isinstance(signal, OverClips):
        return None
    answers = []
    try:
        for found in signal.extract_all(clips):
            reason = computed_fault(found, signal.infos())
            rows = {info.name: ClipRows(info, folder) for info in (() if reason else signal.infos())}
            for name, own in rows.items():
                own.add(found[name])
            answers.append((rows, reason))
    except DiskError:
        raise
    except Exception:  # of which clip, is found out by computing each alone
        return None
    return answers


def _gathered(signal: Signal, clip: Media, folder: Path) -> tuple[dict[str, ClipRows], str]:
    """The streams of a clip, or why there are none."""
    try:
        return gathered(signal, clip, folder), ""
    except DiskError:
        raise
    except UserError as error:
        return {}, str(error)
    except OSError as error:
        return {}, f"cannot be read ({error.strerror or error})"
    except Exception as error:  # whatever a strange file does, the other clips go on
        return {}, " ".join(f"cannot be computed ({type(error).__name__}: {error})".split())


@lru_cache(maxsize=2)
def _opened_by_text(store: Path, options: type, text: str) -> tuple[Any, PreparedStore]:
    return build_signal(options.model_validate_json(text)), PreparedStore.open(store)  # type: ignore[attr-defined]


def _opened(store: Path, options: SignalConfig) -> tuple[Any, PreparedStore]:
    return _opened_by_text(store, type(options), options.model_dump_json())


def rounding_of(values: np.ndarray) -> np.ndarray:
    """How much moments lose by being kept in 16 bits: ``‖x₁₆ − x‖ / ‖x‖`` of each x.

    Args:
        values: (n, *shape) float32, without gaps.

    Returns:
        (n,) float64; 0 of moments that are nothing but zeros.
    """
    exact = values.reshape(len(values), -1).astype(np.float64)
    lost = np.linalg.norm(exact.astype(np.float16) - exact, axis=1)
    return np.divide(lost, length := np.linalg.norm(exact, axis=1), out=np.zeros(len(exact)), where=length > 0)


def rounding_words(rounding: dict[str, float]) -> str:
    """What :attr:`realfake.data.stored_streams.StoredStream.rounding` says."""
    return (
        f"kept in 16 bits: moments differ from those of 32 bits by {rounding['mean']:.1e} of their length in the mean, "
        f"{rounding['largest']:.1e} at most"
    )


def write_part(path: Path, found: dict[str, ClipRows], reason: str) -> None:
    """Write down the streams of a clip, or why there are none."""
    with open_whole(path) as file, zipfile.ZipFile(file, "w") as part:
        part.writestr(_REASON, reason)
        for name, rows in found.items():
            with part.open(name, "w", force_zip64=True) as member:
                rows.copy(member)


def part_file(folder: Path, row: int) -> Path:
    """What was computed of a clip, until all are done."""
    return folder / PARTS / f"{row:08d}.zip"


def look_at_part(folder: Path, row: int, infos: Sequence[StreamInfo]) -> tuple[str, dict[str, int]]:
    """Why a clip has no streams, or how many moments each has."""
    with zipfile.ZipFile(part_file(folder, row)) as part:
        if reason := part.read(_REASON).decode():
            return reason, {}
        sizes = {info.name: row_type(info, exact=True).itemsize for info in infos}
        return "", {name: part.getinfo(name).file_size // size for name, size in sizes.items()}


def merge_parts(folder: Path, info: StreamInfo, counts: np.ndarray) -> dict[str, float] | None:
    """Write the file of a stream, all clips' values one after another.

    Args:
        folder: Of the signal.
        info: Of the stream.
        counts: (clips,) rows of each.

    Returns:
        What 16 bits take away, ``largest`` and ``mean`` of :func:`rounding_of`; ``None`` of 32 bits.
    """
    differences: list[np.ndarray] = []

    def pieces() -> Iterator[Extracted]:
        for found in _pieces(folder, info, counts):
            if info.dtype == "float16":
                differences.append(rounding_of(found.values[found.quality > 0]))
            yield found

    write_stream(folder, info, int(counts.sum()), pieces())
    if not differences:
        return None
    each = np.concatenate(differences)
    return {"largest": float(each.max()), "mean": float(each.mean())}


def _pieces(folder: Path, info: StreamInfo, counts: np.ndarray) -> Iterator[Extracted]:
    dtype = row_type(info, exact=True)
    for row in np.flatnonzero(counts).tolist():
        with zipfile.ZipFile(part_file(folder, row)) as part, part.open(info.name) as rows:
            while content := rows.read(rows_at_once(dtype) * dtype.itemsize):
                yield as_extracted(np.frombuffer(content, dtype))
