"""What a run shows and writes while it trains: the groups ``callbacks`` and ``logger``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realfake.config.base import Count, Strict


class EarlyStopping(Strict):
    patience: Count
    min_delta: Annotated[float, Field(ge=0.0)]


class CallbacksConfig(Strict):
    early_stopping: EarlyStopping | None
    lr_monitor: bool
    progress_bar: Literal["rich", "plain", "none"]
    model_summary: bool
    plots: bool | Literal["auto"]
    """Draw the pictures of ``plots/`` after testing; ``auto``: of a sweep, only of the run that its report chooses."""
    optimism: bool
    """Measure after each epoch what the best test epoch would have claimed: :mod:`realfake.experiments.optimism`."""
    faces: bool
    """Whether crops of faces may get into the run's folder; without, people stay out of what can be passed on."""


class TensorBoardLogger(Strict):
    graph: bool


class CsvLogger(Strict):
    pass


class WandbLogger(Strict):
    project: str
    entity: str | None
    offline: bool
    tags: list[str]


class MlflowLogger(Strict):
    experiment: str
    tracking_uri: str | None
    """null = a local store, ``mlruns`` in the working folder."""


class LoggerConfig(Strict):
    """The loggers in use; ``metrics.csv`` is always written beside them."""

    tensorboard: TensorBoardLogger | None = None
    csv: CsvLogger | None = None
    wandb: WandbLogger | None = None
    mlflow: MlflowLogger | None = None
