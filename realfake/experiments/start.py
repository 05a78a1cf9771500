"""What a training run needs to be there, asked before it starts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from realfake.config import LoggerConfig, TrainConfig, YunetFace
from realfake.errors import UserError, install
from realfake.runs.folder import checkpoint_of, runs_inside


def check_start(cfg: TrainConfig) -> None:
    """Refuse a configuration that names files or packages which are not there; answers without torch.

    Raises:
        UserError: On the first one.
    """
    if cfg.init_from is not None and not runs_inside(Path(cfg.init_from).expanduser()):
        checkpoint_of("init_from", cfg.init_from, "best")
    if cfg.ckpt not in (None, "last"):
        checkpoint_of("ckpt", cfg.ckpt, "last")
    require_loggers(cfg.logger)
    if isinstance(cfg.face, YunetFace):
        from realfake.data.faces import checked_weights

        checked_weights(cfg.face)


def require_loggers(cfg: LoggerConfig) -> None:
    """Raise :class:`UserError` if the package of a logger is not installed."""
    for name in ("wandb", "mlflow"):
        if getattr(cfg, name) is not None and find_spec(name) is None:
            raise UserError(f"logger={name}: the package is not installed: {install('loggers')}")
