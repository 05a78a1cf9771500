"""The work on streams of single clips, in whatever process: computed, looked over, and written down as a part."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from realfake.config import DataConfig, FaceConfig, SignalConfig, StreamInfo
from realfake.data.media import Media
from realfake.data.store import PreparedStore
from realfake.errors import UserError
from realfake.files import open_whole, write_whole
from realfake.streams.kinds import build_signal
from realfake.streams.stream import Extracted, OverClips, Signal

PARTS = "parts"
LARGEST = float(np.finfo(np.float16).max)


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
    answers = _extracted_together(signal, clips) or [_extracted(signal, clip) for clip in clips]
    for row, (found, reason) in zip(part.rows, answers, strict=True):
        write_part(part_file(folder, row), {} if reason else found, reason)


def _extracted_together(signal: Signal, clips: list[Media]) -> list[tuple[dict[str, Extracted], str]] | None:
    """As :func:`_extracted`, of each of several clips; ``None`` if each has to be computed alone."""
    if len(clips) == 1 or not isinstance(signal, OverClips):
        return None
    try:
        return [(found, computed_fault(found, signal.infos())) for found in signal.extract_all(clips)]
    except Exception:  # of which clip, is found out by computing each alone
        return None


def _extracted(signal: Signal, clip: Media) -> tuple[dict[str, Extracted], str]:
    """The streams of a clip, or why there are none."""
    try:
        found = signal.extract(clip)
    except UserError as error:
        return {}, str(error)
    except OSError as error:
        return {}, f"cannot be read ({error.strerror or error})"
    except Exception as error:  # whatever a strange file does, the other clips go on
        return {}, " ".join(f"cannot be computed ({type(error).__name__}: {error})".split())
    return found, computed_fault(found, signal.infos())


@lru_cache(maxsize=2)
def _opened_by_text(store: Path, options: type, text: str) -> tuple[Any, PreparedStore]:
    return build_signal(options.model_validate_json(text)), PreparedStore.open(store)  # type: ignore[attr-defined]


def _opened(store: Path, options: SignalConfig) -> tuple[Any, PreparedStore]:
    return _opened_by_text(store, type(options), options.model_dump_json())


def computed_fault(found: dict[str, Extracted], infos: Sequence[StreamInfo]) -> str:
    """What is wrong with computed streams; empty if nothing is."""
    for info in infos:
        if info.name not in found:
            return f"the stream {info.name} was not computed"
        times, values, quality = found[info.name]
        n = len(times)
        if values.shape != (n, *info.shape) or quality.shape != (n,):
            return f"{info.name}: values {values.shape}, quality {quality.shape}: expected {(n, *info.shape)}, {(n,)}"
        if not n or not (quality > 0).any():
            return f"no moment has a value of {info.name}"
        if not np.isfinite(values[quality > 0]).all() or (np.diff(times) <= 0).any():
            return f"{info.name}: values have to be finite where there is no gap, and times rising"
        if info.dtype == "float16" and (most := np.abs(values[quality > 0]).max()) > LARGEST:
            return f"{info.name}: {most:g} does not fit into 16 bits, whose largest number is {LARGEST:g}; use dtype=32"
    return ""


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
    """What :attr:`realfake.data.signal_store.StoredStream.rounding` says."""
    return (
        f"kept in 16 bits: moments differ from those of 32 bits by {rounding['mean']:.1e} of their length in the mean, "
        f"{rounding['largest']:.1e} at most"
    )


def write_part(path: Path, found: dict[str, Extracted], reason: str) -> None:
    """Write down the streams of a clip, or why there are none."""
    arrays = {f"{name}/{field}": value for name, e in found.items() for field, value in e._asdict().items()}
    content = io.BytesIO()
    np.savez(content, reason=np.array(reason), **arrays)
    write_whole(path, content.getvalue())


def part_file(folder: Path, row: int) -> Path:
    """What was computed of a clip, until all are done."""
    return folder / PARTS / f"{row:08d}.npz"


def merge_parts(folder: Path, info: StreamInfo, counts: np.ndarray) -> dict[str, float] | None:
    """Write the file of a stream, all clips' values one after another.

    Args:
        folder: Of the signal.
        info: Of the stream.
        counts: (clips,) rows of each.

    Returns:
        What 16 bits take away, ``largest`` and ``mean`` of :func:`rounding_of`; ``None`` of 32 bits.
    """
    values = "<f4" if info.dtype == "float32" else "<f2"
    dtype = np.dtype([("time_sec", "<f4"), ("quality", "<f4"), ("values", values, info.shape)])
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (int(counts.sum()),)}
    differences: list[np.ndarray] = []
    with open_whole(folder / f"{info.name}.npy", int(counts.sum()) * dtype.itemsize) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for row in np.flatnonzero(counts).tolist():
            with np.load(part_file(folder, row)) as part:
                rows = np.zeros(counts[row], dtype)
                for field, source in (("time_sec", "times_sec"), ("quality", "quality"), ("values", "values")):
                    rows[field] = part[f"{info.name}/{source}"]
                if info.dtype == "float16":
                    differences.append(rounding_of(part[f"{info.name}/values"][rows["quality"] > 0]))
                file.write(rows.tobytes())
    if not differences:
        return None
    each = np.concatenate(differences)
    return {"largest": float(each.max()), "mean": float(each.mean())}
