"""Loggers of the configuration; several at once are fine."""

from __future__ import annotations

import sys
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, Logger

from realfake.config import TrainConfig
from realfake.experiments.event_files import CurvesLogger, events_folder
from realfake.experiments.start import require_loggers
from realfake.runs.folder import RunFolder

MLFLOW = Path("outputs", "mlflow")
"""Where MLflow's local store lies: one for all runs, beside them and not among the code."""


def build_loggers(cfg: TrainConfig, run: RunFolder) -> list[Logger]:
    """Make the loggers, all of which write into the run's folder unless they are told otherwise.

    Raises:
        UserError: If the package of a logger is not installed.
    """
    require_loggers(cfg.logger)
    found: list[Logger] = []
    if cfg.logger.tensorboard is not None:
        found.append(
            CurvesLogger(
                run.path,
                name="",
                version=str(events_folder(run.tensorboard, run.path, run.overrides()).relative_to(run.path)),
                default_hp_metric=False,
                log_graph=cfg.logger.tensorboard.graph,
            )
        )
    if cfg.logger.csv is not None:
        found.append(CSVLogger(run.path, name="", version="csv"))
    if cfg.logger.wandb is not None:
        from pytorch_lightning.loggers import WandbLogger

        w = cfg.logger.wandb
        found.append(
            WandbLogger(
                name=run.path.name,
                save_dir=run.path,
                project=w.project,
                entity=w.entity,
                offline=w.offline,
                tags=w.tags or None,
            )
        )
    if cfg.logger.mlflow is not None:
        from pytorch_lightning.loggers import MLFlowLogger

        m = cfg.logger.mlflow
        store = MLFLOW.resolve()
        if m.tracking_uri is None:
            store.mkdir(parents=True, exist_ok=True)
        found.append(
            MLFlowLogger(
                experiment_name=m.experiment,
                run_name=run.path.name,
                tracking_uri=m.tracking_uri or f"sqlite:///{store / 'mlflow.db'}",
                artifact_location=None if m.tracking_uri else (store / "artifacts").as_uri(),
            )
        )
    return found


def close_loggers() -> None:
    """End the run of a logger that would otherwise take the next run of this process for the same one."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.finish()
