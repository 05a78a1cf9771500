"""What a training run needs to be there, asked before it starts."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from realfake.composing.messages import changed
from realfake.config import AUTO, FaceConfig, LoggerConfig, SyntheticData, TrainConfig, YunetFace, as_plain
from realfake.data.face_choice import checked_weights, resolved_face
from realfake.errors import UserError, install
from realfake.labels import several
from realfake.runs.folder import checkpoint_of, runs_inside


def resolved(cfg: TrainConfig, *, again: bool = True, begun_with: FaceConfig | None = None) -> TrainConfig:
    """The configuration with what ``auto`` means in its place: of the detector, and of tasks and metric.

    Tasks and metric depend on the emotions that clips show, the detector on what can be had on this machine.

    Args:
        cfg: The configuration.
        again: Whether to list the dataset again if this process has done so before.
        begun_with: See :func:`realfake.data.face_choice.resolved_face`.

    Raises:
        UserError: If the dataset cannot be listed, the epoch is to be selected by what is not measured, or the
            detector cannot be had.
    """
    undecided = cfg.approach.tasks == AUTO and cfg.tasks != ("authenticity",)
    key = json.dumps(as_plain(cfg.data), sort_keys=True)
    if undecided and not isinstance(cfg.data, SyntheticData) and (again or key not in _SEVERAL):
        from realfake.data.sources import list_clips

        _SEVERAL[key] = several(clip.emotion for clip in list_clips(cfg.data)[1].clips)
    try:
        cfg = cfg.resolved(emotions=_SEVERAL.get(key, True))
    except ValueError as error:
        raise UserError(str(error)) from None
    return changed(cfg, {"face": resolved_face(cfg.face, begun_with)})


_SEVERAL: dict[str, bool] = {}
"""Dataset's configuration → whether its clips show several emotions."""


def check_start(cfg: TrainConfig) -> None:
    """Refuse a configuration that does not fit its data, or names what is not there; answers without torch.

    Raises:
        UserError: On the first reason.
    """
    cfg = resolved(cfg, again=False)
    if cfg.init_from is not None and not runs_inside(Path(cfg.init_from).expanduser()):
        checkpoint_of("init_from", cfg.init_from, "best")
    if cfg.ckpt not in (None, "last"):
        checkpoint_of("ckpt", cfg.ckpt, "last")
    require_loggers(cfg.logger)
    if isinstance(cfg.face, YunetFace):
        checked_weights(cfg.face)


def require_loggers(cfg: LoggerConfig) -> None:
    """Raise :class:`UserError` if the package of a logger is not installed."""
    for name in ("wandb", "mlflow"):
        if getattr(cfg, name) is not None and find_spec(name) is None:
            raise UserError(f"logger={name}: the package is not installed: {install('loggers')}")
