"""A trained network as it is used after training: loaded from its run, in evaluation mode, in batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from realfake.approaches.module import ApproachModule
from realfake.composing.messages import changed
from realfake.config import BackboneConfig, RecurrentBackbone, TrainConfig
from realfake.data.samples import CropReader
from realfake.errors import UserError
from realfake.labels import ABSENT
from realfake.runs.checkpoints import load_weights
from realfake.runs.folder import RunFolder, open_run
from realfake.scoring.predictions import Predictions


def open_trained(
    run: str | Path, checkpoint: str | Path | None = None
) -> tuple[RunFolder, TrainConfig, ApproachModule]:
    """A finished run: its folder, its configuration, and its network in evaluation mode, on the CPU.

    Args:
        run: The folder, or one of its checkpoints.
        checkpoint: Weights other than those of the best epoch.

    Raises:
        UserError: If configuration or checkpoint are missing, cannot be read, or do not fit each other.
    """
    folder = open_run(run)
    if checkpoint is None:
        checkpoint = run if Path(run).suffix == ".ckpt" else folder.best
    cfg = folder.load_config()
    # All values come from the checkpoint: published weights need not be at hand.
    bare = changed(cfg, {"backbone": without_weights(cfg.backbone), "compile": False})
    module = ApproachModule(bare)
    load_weights(module, Path(checkpoint))
    return folder, cfg, module.eval().requires_grad_(False)


def without_weights(cfg: BackboneConfig) -> BackboneConfig:
    """The same backbone with values of its own, not published ones."""
    frame = {"frame.weights": "none"} if isinstance(cfg, RecurrentBackbone) else {}
    return changed(cfg, {"weights": "none", **frame})


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
    def __call__(self, crops: CropReader, index: np.ndarray) -> Predictions:
        """Predict samples.

        Args:
            crops: Gives crops at the input size.
            index: (N, T) which crops make each of N samples, at least one; T is 1 for a network that sees frames.

        Returns:
            One row a sample; ``clip`` counts them.
        """
        rows = []
        for i in range(0, len(index), self.batch_size):
            logits = self._logits(self.frames(crops, index[i : i + self.batch_size]))
            rows.append(self.module.probabilities(logits).cpu().numpy())
        probabilities = np.concatenate(rows)
        number, absent = np.arange(len(probabilities)), np.full(len(probabilities), ABSENT)
        return self.module.predictions(
            {"probabilities": probabilities, "clip": number, "emotion": absent, "authenticity": absent}
        )

    def frames(self, crops: CropReader, index: np.ndarray) -> np.ndarray:
        """The samples of ``index`` as the network takes them, uint8 (N, S, S, 3) or (N, T, S, S, 3)."""
        frames = crops.gather(index.reshape(-1))
        return frames.reshape(*index.shape, *frames.shape[1:]) if self.sees_clips else frames

    def _logits(self, frames: np.ndarray) -> dict[str, torch.Tensor]:
        with self._precision():
            logits: dict[str, torch.Tensor] = self.module(torch.from_numpy(frames).to(self.device))
        return logits

    def _precision(self) -> torch.autocast:
        """What testing computed in."""
        name = self.cfg.precision.name
        half = torch.float16 if name == "16" and self.device.type == "cuda" else torch.bfloat16
        return torch.autocast(self.device.type, half, enabled=name != "32")
