"""A trained network as it is used after training: loaded from its run, in evaluation mode, in batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from realfake.approaches import build_module
from realfake.approaches.module import ApproachModule
from realfake.composing.messages import changed
from realfake.config import BackboneConfig, OpenfaceSignal, PyfeatSignal, SequenceBackbone, TrainConfig
from realfake.errors import UserError
from realfake.labels import ABSENT
from realfake.runs.checkpoints import load_weights
from realfake.runs.folder import RunFolder, open_run
from realfake.scoring.predictions import Predictions
from realfake.streams.stream import StreamSet, StreamValues, take


def open_trained(
    run: str | Path, checkpoint: str | Path | None = None
) -> tuple[RunFolder, TrainConfig, ApproachModule]:
    """A finished run: its folder, its configuration as of here, and its network in evaluation mode, on the CPU.

    Args:
        run: The folder, or one of its checkpoints.
        checkpoint: Weights other than those of the best epoch.

    Raises:
        UserError: If configuration or checkpoint are missing, cannot be read, or do not fit each other.
    """
    folder = open_run(run)
    if checkpoint is None:
        checkpoint = run if Path(run).suffix == ".ckpt" else folder.best
    cfg = folder.located(folder.load_config())
    # All values come from the checkpoint: published weights need not be at hand.
    bare = changed(cfg, {"backbone": without_weights(cfg.backbone), "compile": False})
    module = build_module(bare)
    load_weights(module, Path(checkpoint))
    return folder, cfg, module.eval().requires_grad_(False)


def without_weights(cfg: BackboneConfig) -> BackboneConfig:
    """The same backbone with values of its own, not published ones."""
    frame = {"frame.weights": "none"} if isinstance(cfg, SequenceBackbone) else {}
    return changed(cfg, {"weights": "none", **frame})


def reads_tables(cfg: TrainConfig) -> list[str]:
    """Names of the signals from which the network's streams come and which read tables."""
    return [name for name, o in cfg.signals_seen.items() if isinstance(o, OpenfaceSignal | PyfeatSignal)]


def with_tables(cfg: TrainConfig, tables: str | None) -> TrainConfig:
    """The configuration with tables that lie elsewhere; ``None`` = where they lay in training.

    Raises:
        UserError: If the run's network looks at no tables, or at those of two tools.
    """
    if tables is None:
        return cfg
    kinds = reads_tables(cfg)
    if len(kinds) == 1:
        return changed(cfg, {f"signals.{kinds[0]}.root": tables})
    if kinds:
        raise UserError(
            f"tables={tables}: this run reads tables of {' and '.join(kinds)}; expected one; leave tables out and put "
            "them where they lay in training"
        )
    seen = ",".join(cfg.streams)
    raise UserError(
        f"tables={tables}: this run reads no tables, its network looks at [{seen}]; expected a run with streams of "
        "signals=[openface] or [pyfeat]; leave tables out"
    )


def choose_device(name: str) -> torch.device:
    """The device that a user names: ``auto`` is the first GPU if there is one, else the CPU.

    Raises:
        UserError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"device={name}: expected auto, cpu, cuda or cuda:<number>") from None
    visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device={name}: expected auto, cpu, cuda or cuda:<number>")
    if device.type == "cuda" and (device.index or 0) >= visible:
        raise UserError(f"device={name}: {visible} CUDA devices are visible; use device=cpu or device=auto")
    return device


def on_device(streams: dict[str, StreamValues], device: torch.device) -> dict[str, StreamValues]:
    """The same streams on a device."""
    return {name: StreamValues(*(t.to(device) for t in stream)) for name, stream in streams.items()}


class Network:
    """A trained network that answers for face crops.

    Args:
        module: In evaluation mode.
        cfg: The run's configuration.
        device: Where it computes.
        batch_size: Samples computed at once.
    """

    def __init__(self, module: ApproachModule, cfg: TrainConfig, device: torch.device, batch_size: int) -> None:
        self.module, self.cfg, self.device, self.batch_size = module.to(device), cfg, device, batch_size
        self.spec = module.spec

    @property
    def sees_clips(self) -> bool:
        """Whether a sample is a sequence of frames."""
        return self.spec.frames is not None

    @torch.inference_mode()
    def __call__(self, streams: StreamSet, times: np.ndarray, spans: np.ndarray, clip: int = 0) -> Predictions:
        """Predict samples of one clip.

        Args:
            streams: Of the clip, see :func:`realfake.data.stream_sets.clip_streams`.
            times: (N, T) moments of each of N samples, at least one, in seconds; T is 1 for a network that sees frames.
            spans: (N, 2) start and end of each.
            clip: Number of the clip in the streams.

        Returns:
            One row a sample; ``clip`` counts them.
        """
        rows = []
        for i in range(0, len(times), self.batch_size):
            some = slice(i, i + self.batch_size)
            logits = self._logits(take(streams, np.full(len(times[some]), clip), times[some], spans[some]))
            rows.append(self.module.probabilities(logits).cpu().numpy())
        probabilities = np.concatenate(rows)
        number, absent = np.arange(len(probabilities)), np.full(len(probabilities), ABSENT)
        return self.module.predictions(
            {"probabilities": probabilities, "clip": number, "emotion": absent, "authenticity": absent}
        )

    def _logits(self, streams: dict[str, StreamValues]) -> dict[str, torch.Tensor]:
        with self._precision():
            logits: dict[str, torch.Tensor] = self.module(on_device(streams, self.device))
        return logits

    def _precision(self) -> torch.autocast:
        """What testing computed in."""
        name = self.cfg.precision.name
        half = torch.float16 if name == "16" and self.device.type == "cuda" else torch.bfloat16
        return torch.autocast(self.device.type, half, enabled=name != "32")
