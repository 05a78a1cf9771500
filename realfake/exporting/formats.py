"""A trained network for other runtimes: crops and other streams in, probabilities out, compared with the original."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from realfake.approaches.module import ApproachModule
from realfake.config import PredictiveLstmBackbone, TrainConfig
from realfake.data.samples import FrameSamples, WindowSamples
from realfake.data.splits import assign_parts
from realfake.data.store import MARK, PreparedStore
from realfake.data.stream_sets import compute_streams, stream_set
from realfake.errors import UserError, install
from realfake.exporting.metadata import describe
from realfake.exporting.served import Arrays, Served
from realfake.files import write_whole
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {"onnx": "model.onnx", "torch_export": "model.pt2"}
METADATA = "model.json"
CHECKED_BATCHES = (1, 7)
"""Sizes of the batches that are compared: one, and an odd one that nothing was compiled for."""

_MOST_IN_ONE_FILE = 1.8e9
"""Bytes of weights that fit into an ONNX file, whose format ends at 2 GiB; more lie beside it."""

Runtime = Callable[[Arrays], Sequence[np.ndarray]]


@dataclass(frozen=True)
class Exported:
    """What came of an export."""

    path: Path
    metadata: Path
    difference: float
    """Largest difference between a probability and the original's."""
    compared: str
    """On what."""


def require_packages(kind: str) -> None:
    """Raise :class:`UserError` if a package that the format needs is not installed."""
    missing = [n for n in ("onnx", "onnxscript", "onnxruntime") if find_spec(n) is None] if kind == "onnx" else []
    if missing:
        raise UserError(f"format=onnx needs {', '.join(missing)}: {install('export')}, or format=torch_export")


def export(
    module: ApproachModule, cfg: TrainConfig, kind: str, folder: Path, samples: Sequence[Arrays], compared: str,
    tolerance: float,
) -> Exported:  # fmt: skip
    """Export a network, and compare what was written with the original.

    Args:
        module: In evaluation mode, on the CPU.
        cfg: The run's configuration.
        kind: ``onnx`` or ``torch_export``.
        folder: Exists; receives the model and its metadata.
        samples: Batches of real input; see :func:`real_samples`.
        compared: What they are, for the metadata.
        tolerance: Largest allowed difference of a probability.

    Raises:
        UserError: If a package is missing, the network cannot be exported, or what was written says something else.
    """
    require_packages(kind)
    served = Served(module).eval()
    path = folder / FILES[kind]
    if isinstance(cfg.backbone, PredictiveLstmBackbone):
        raise UserError(
            "backbone=lstm_pb cannot be exported: its features are a gradient of its own; use realfake predict, or "
            "realfake.load in Python"
        )
    if any(stream.gather == "interval" and not stream.info.of_clip for stream in served.spec.streams):
        raise UserError(
            f"backbone={cfg.backbone.name} cannot be exported: with backbone.gather=interval samples differ in length; "
            "export a run with backbone.gather=moments"
        )
    with _quiet():
        try:
            runtime, used = {"onnx": _to_onnx, "torch_export": _to_torch_export}[kind](served, path)
        except (UserError, OSError):
            raise
        except Exception as error:
            path.unlink(missing_ok=True)
            reason = " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())
            raise UserError(f"backbone={cfg.backbone.name} cannot be exported as format={kind}: {reason}") from error
    difference = largest_difference(served, runtime, samples)
    if not difference <= tolerance:
        path.unlink()
        raise UserError(
            f"the exported network differs from the original by {difference:.2g} in a probability, more than "
            f"tolerance={tolerance:g}: nothing was written; try another format"
        )
    metadata = folder / METADATA
    write_whole(metadata, json.dumps(describe(cfg, kind, used, difference, compared), indent=2) + "\n")
    return Exported(path, metadata, difference, compared)


def largest_difference(served: Served, runtime: Runtime, batches: Sequence[Arrays]) -> float:
    """Largest difference between a probability of two runtimes over batches; NaN if one of them gives none.

    A decision differs by as much as it is less probable than the original's, by the original's own probabilities: where
    two classes are equally probable up to rounding, either may be decided for.
    """
    worst = 0.0
    for batch in batches:
        with torch.inference_mode():
            *original, decision = [p.numpy() for p in served(*map(torch.from_numpy, batch))]
        *exported, decided = runtime(batch)
        differences = [np.abs(a.astype(np.float64) - b) for a, b in zip(original, exported, strict=True)]
        rows, p = np.arange(len(decision)), original[0].astype(np.float64)
        differences.append(p[rows, decision] - p[rows, np.asarray(decided).astype(np.int64)])
        worst = float(np.max([worst, *(d.max() for d in differences)]))  # a NaN stays one
    return worst


def real_samples(run: RunFolder, cfg: TrainConfig, served: Served, clips: int) -> list[Arrays]:
    """Samples of clips of the run's test part, as testing gives them; none if the prepared data are not at hand.

    The data are known by their fingerprint in the run's results, so that no other data pass for them.

    Args:
        run: Its folder.
        cfg: Its configuration, with data that are where it says.
        served: Its network.
        clips: How many.
    """
    fingerprint = (read_results(run.path) or {}).get("data_fingerprint")
    for mark in sorted(Path(cfg.data.prepared).expanduser().glob(f"{cfg.data.name}-*/{MARK}")):
        store = PreparedStore.open(mark.parent)
        if store.fingerprint != fingerprint:
            continue
        rows = np.flatnonzero(assign_parts(store.table, cfg.split) == "test")
        rows = rows[np.linspace(0, len(rows) - 1, min(clips, len(rows))).round().astype(int)]
        spec = served.spec
        kind = {"frames": FrameSamples, "sequences": WindowSamples}[cfg.approach.samples]
        try:
            computed = compute_streams(store, spec, cfg.data, cfg.face, cfg.signals)
        except UserError:  # of changed options, say: then they are not at hand
            return []
        streams = stream_set(store, spec, None, computed)
        samples = kind(store, rows, streams, cfg.sampling, spec)
        return in_batches(served.arrays(samples.__getitems__(range(len(samples)))["streams"]))
    return []


def in_batches(arrays: Arrays) -> list[Arrays]:
    """Samples in batches of alternating :data:`CHECKED_BATCHES`."""
    found: list[Arrays] = []
    start = 0
    while start < len(arrays[0]):
        size = CHECKED_BATCHES[len(found) % len(CHECKED_BATCHES)]
        found.append(tuple(array[start : start + size] for array in arrays))
        start += size
    return found


def random_samples(served: Served, seed: int = 0) -> list[Arrays]:
    """One batch of noise of each of :data:`CHECKED_BATCHES`."""
    torch.manual_seed(seed)
    return [served.example(size) for size in CHECKED_BATCHES]


def _to_onnx(served: Served, path: Path) -> tuple[Runtime, list[str]]:
    import onnxruntime

    program = torch.onnx.export(
        served,
        tuple(map(torch.from_numpy, served.example(2))),
        dynamo=True,
        dynamic_shapes=(({0: "batch"},) * len(served.inputs),),
        input_names=served.inputs,
        output_names=served.outputs,
        verbose=False,
    )
    assert program is not None
    size = sum(p.numel() * p.element_size() for p in served.parameters())
    for old in (path, path.with_name(f"{path.name}.data")):
        old.unlink(missing_ok=True)  # a link is replaced, not followed
    program.save(path, external_data=size > _MOST_IN_ONE_FILE)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    used = [i.name for i in session.get_inputs()]

    def run(arrays: Arrays) -> Sequence[np.ndarray]:
        given = dict(zip(served.inputs, arrays, strict=True))
        return session.run(served.outputs, {name: given[name] for name in used})

    return run, used


def _to_torch_export(served: Served, path: Path) -> tuple[Runtime, list[str]]:
    shapes = (({0: torch.export.Dim("batch")},) * len(served.inputs),)
    with torch.no_grad():
        program = torch.export.export(served, tuple(map(torch.from_numpy, served.example(2))), dynamic_shapes=shapes)
    content = io.BytesIO()
    torch.export.save(program, content)
    write_whole(path, content.getvalue())
    loaded = torch.export.load(path).module()
    return lambda arrays: [p.detach().numpy() for p in loaded(*map(torch.from_numpy, arrays))], served.inputs


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what exporters tell about their inner life."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
