"""A trained network for other runtimes: uint8 crops in, probabilities out, compared with the original."""

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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from realfake import __version__
from realfake.approaches.module import ApproachModule
from realfake.config import TrainConfig, YunetFace
from realfake.data.samples import FrameSamples, WindowSamples
from realfake.data.splits import assign_parts
from realfake.data.store import MARK, PreparedStore
from realfake.errors import UserError, install
from realfake.files import write_whole
from realfake.labels import told_by
from realfake.models import input_spec
from realfake.runs.folder import RunFolder
from realfake.runs.results import read_results
from realfake.streams.preprocess import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUT = "frames"
DECISION = "decision"
"""The output behind those of the tasks that are told: the one decision on each sample."""
FILES = {"onnx": "model.onnx", "torch_export": "model.pt2"}
METADATA = "model.json"
CHECKED_BATCHES = (1, 7)
"""Sizes of the batches that are compared: one, and an odd one that nothing was compiled for."""

_MOST_IN_ONE_FILE = 1.8e9
"""Bytes of weights that fit into an ONNX file, whose format ends at 2 GiB; more lie beside it."""

Runtime = Callable[[np.ndarray], Sequence[np.ndarray]]


class Served(nn.Module):
    """What is exported: preprocessing, network, the probabilities of the tasks that are told, and the decision.

    Args:
        module: In evaluation mode.
    """

    def __init__(self, module: ApproachModule) -> None:
        super().__init__()
        self.backbone, self.heads, self.spec, self.space = module.backbone, module.heads, module.spec, module.space
        self.outputs = [*module.told, DECISION]

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Probabilities of every task that is told, and the decision (:meth:`realfake.labels.LabelSpace.decide`).

        Args:
            frames: uint8 (B, S, S, 3) or (B, T, S, S, 3), RGB.

        Returns:
            joint, emotion, authenticity (B, classes) float32, as far as they are told; class of the decision in the
            first of them (B,) int64.
        """
        features = self.backbone(normalise(frames, self.spec))
        heads = {task: head(features).softmax(dim=1) for task, head in self.heads.items()}
        p, decided = self.space.complete(heads), self.space.decide(heads)
        return *p.values(), decided[self.outputs[0]]

    def example(self, batch: int) -> Tensor:
        """Random input of the right shape."""
        _, _, *time, height, width = self.backbone.input_shape(batch)
        return torch.randint(0, 256, (batch, *time, height, width, 3), dtype=torch.uint8)


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
    module: ApproachModule, cfg: TrainConfig, kind: str, folder: Path, samples: Sequence[np.ndarray], compared: str,
    tolerance: float,
) -> Exported:  # fmt: skip
    """Export a network, and compare what was written with the original.

    Args:
        module: In evaluation mode, on the CPU.
        cfg: The run's configuration.
        kind: ``onnx`` or ``torch_export``.
        folder: Exists; receives the model and its metadata.
        samples: Batches of real input, uint8 (B, S, S, 3) or (B, T, S, S, 3); see :func:`real_samples`.
        compared: What they are, for the metadata.
        tolerance: Largest allowed difference of a probability.

    Raises:
        UserError: If a package is missing, or the exported network says something else than the original.
    """
    require_packages(kind)
    served = Served(module).eval()
    path = folder / FILES[kind]
    with _quiet():
        runtime = {"onnx": _to_onnx, "torch_export": _to_torch_export}[kind](served, path)
    difference = largest_difference(served, runtime, samples)
    if not difference <= tolerance:
        path.unlink()
        raise UserError(
            f"the exported network differs from the original by {difference:.2g} in a probability, more than "
            f"tolerance={tolerance:g}: nothing was written; try another format"
        )
    metadata = folder / METADATA
    write_whole(metadata, json.dumps(describe(cfg, kind, difference, compared), indent=2) + "\n")
    return Exported(path, metadata, difference, compared)


def largest_difference(served: Served, runtime: Runtime, batches: Sequence[np.ndarray]) -> float:
    """Largest difference between a probability of two runtimes over batches; NaN if one of them gives none.

    A decision differs by as much as it is less probable than the original's, by the original's own probabilities: where
    two classes are equally probable up to rounding, either may be decided for.
    """
    worst = 0.0
    for batch in batches:
        with torch.inference_mode():
            *original, decision = [p.numpy() for p in served(torch.from_numpy(batch))]
        *exported, decided = runtime(batch)
        differences = [np.abs(a.astype(np.float64) - b) for a, b in zip(original, exported, strict=True)]
        rows, p = np.arange(len(batch)), original[0].astype(np.float64)
        differences.append(p[rows, decision] - p[rows, np.asarray(decided).astype(np.int64)])
        worst = float(np.max([worst, *(d.max() for d in differences)]))  # a NaN stays one
    return worst


def real_samples(run: RunFolder, cfg: TrainConfig, clips: int) -> list[np.ndarray]:
    """Samples of clips of the run's test part, as testing gives them; none if the prepared data are not at hand.

    The data are known by their fingerprint in the run's results, so that no other data pass for them.

    Returns:
        Batches uint8 (B, S, S, 3) or (B, T, S, S, 3).
    """
    fingerprint = (read_results(run.path) or {}).get("data_fingerprint")
    for mark in sorted(Path(cfg.data.prepared).expanduser().glob(f"{cfg.data.name}-*/{MARK}")):
        store = PreparedStore.open(mark.parent)
        if store.fingerprint != fingerprint:
            continue
        rows = np.flatnonzero(assign_parts(store.table, cfg.split) == "test")
        rows = rows[np.linspace(0, len(rows) - 1, min(clips, len(rows))).round().astype(int)]
        spec = input_spec(cfg.backbone)
        kind = {"frames": FrameSamples, "sequences": WindowSamples}[cfg.approach.samples]
        samples = kind(store, rows, store.reader(spec.size), cfg.sampling, spec)
        frames = samples.__getitems__(range(len(samples)))["frames"].numpy()
        return in_batches(frames)
    return []


def in_batches(frames: np.ndarray) -> list[np.ndarray]:
    """Samples in batches of alternating :data:`CHECKED_BATCHES`."""
    found: list[np.ndarray] = []
    start = 0
    while start < len(frames):
        size = CHECKED_BATCHES[len(found) % len(CHECKED_BATCHES)]
        found.append(frames[start : start + size])
        start += size
    return found


def random_samples(module: ApproachModule, seed: int = 0) -> list[np.ndarray]:
    """One batch of noise of each of :data:`CHECKED_BATCHES`."""
    torch.manual_seed(seed)
    served = Served(module)
    return [served.example(size).numpy() for size in CHECKED_BATCHES]


def describe(cfg: TrainConfig, kind: str, difference: float, compared: str) -> dict[str, Any]:
    """What a user of the exported network has to know: labels, shapes, and how a face is cropped."""
    spec = input_spec(cfg.backbone)
    face = cfg.face.model_dump(mode="json")
    if isinstance(cfg.face, YunetFace):
        del face["weights"]  # a path of the machine that trained
    time, told = [] if spec.frames is None else [spec.frames], told_by(cfg.tasks)
    parts = ", whose two parts are the decided emotion and authenticity" if "joint" in told else ""
    return {
        "format": kind,
        "realfake": __version__,
        "approach": cfg.approach.name,
        "backbone": cfg.backbone.name,
        "labels": {task: list(cfg.space.names(task)) for task in told},
        "input": {
            "name": INPUT,
            "dtype": "uint8",
            "shape": ["batch", *time, spec.size, spec.size, 3],
            "colour": "RGB, 0 to 255; scaled and normalised inside",
            "size": spec.size,
            "frames": spec.frames,
            "stride_sec": spec.stride_sec,
            "repeat_crops": spec.repeat_crops,
        },
        "outputs": {
            **{task: {"dtype": "float32", "shape": ["batch", cfg.space.size(task)]} for task in told},
            DECISION: {
                "dtype": "int64",
                "shape": ["batch"],
                "meaning": f"index into labels.{told[0]}{parts}",
            },
        },
        "crop": {
            "face": face,
            "shape": "square around the box, its longer side plus the margin on each side; beyond the edge the border "
            "is repeated",
            "stored_size": cfg.data.size,
            "jpeg_quality": cfg.data.jpeg_quality,
            "resize": "area",
        },
        "sampling": {**cfg.sampling.model_dump(mode="json"), "rate_fps": cfg.data.rate_fps},
        "check": {"largest_difference": difference, "compared": compared},
    }


def _to_onnx(served: Served, path: Path) -> Runtime:
    import onnxruntime

    program = torch.onnx.export(
        served,
        (served.example(2),),
        dynamo=True,
        dynamic_shapes=({0: "batch"},),
        input_names=[INPUT],
        output_names=served.outputs,
        verbose=False,
    )
    assert program is not None
    size = sum(p.numel() * p.element_size() for p in served.parameters())
    for old in (path, path.with_name(f"{path.name}.data")):
        old.unlink(missing_ok=True)  # a link is replaced, not followed
    program.save(path, external_data=size > _MOST_IN_ONE_FILE)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda frames: session.run(served.outputs, {INPUT: frames})


def _to_torch_export(served: Served, path: Path) -> Runtime:
    with torch.no_grad():
        program = torch.export.export(served, (served.example(2),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    content = io.BytesIO()
    torch.export.save(program, content)
    write_whole(path, content.getvalue())
    loaded = torch.export.load(path).module()
    return lambda frames: [p.detach().numpy() for p in loaded(torch.from_numpy(frames))]


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
