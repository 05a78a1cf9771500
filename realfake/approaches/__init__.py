"""One LightningModule an approach; each says only how it differs from the base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realfake.config import TrainConfig

if TYPE_CHECKING:
    from realfake.approaches.base import ApproachModule
    from realfake.data.datamodule import ClipDataModule


def approach_class(name: str) -> type[ApproachModule]:
    """The module class of an approach; raises ``KeyError`` for an unknown name."""
    from realfake.approaches.multi_task import MultiTask
    from realfake.approaches.single_task import SingleTask
    from realfake.approaches.temporal import Temporal
    from realfake.approaches.temporal_multi_task import TemporalMultiTask

    return {
        "single_task": SingleTask,
        "multi_task": MultiTask,
        "temporal": Temporal,
        "temporal_multi_task": TemporalMultiTask,
    }[name]


def build_datamodule(cfg: TrainConfig) -> ClipDataModule:
    """The data module that feeds the approach of a configuration: frames or sequences."""
    from realfake.data.frames import FrameDataModule
    from realfake.data.sequences import SequenceDataModule
    from realfake.models import input_spec

    kind = {"frames": FrameDataModule, "sequences": SequenceDataModule}[cfg.approach.samples]
    return kind(
        cfg.data,
        cfg.face,
        cfg.split,
        cfg.sampling,
        input_spec(cfg.backbone),
        seed=cfg.seed,
        tasks=tuple(cfg.approach.tasks),
    )
