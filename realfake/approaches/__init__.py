"""One LightningModule for all approaches, which are configurations of it: which samples, which tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realfake.composing.messages import changed
from realfake.config import TrainConfig

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.data.datamodule import ClipDataModule


def build_module(cfg: TrainConfig, class_counts: dict[str, list[int]] | None = None) -> ApproachModule:
    """The module of a configuration, of its approach's own class if it has one; see :class:`ApproachModule`."""
    from realfake.approaches.module import ApproachModule

    own: ApproachModule | None = cfg.approach.build(cfg, class_counts)
    return ApproachModule(cfg, class_counts) if own is None else own


def build_datamodule(cfg: TrainConfig, *, targets: bool = True) -> ClipDataModule:
    """The data module that feeds the approach of a configuration: frames or sequences.

    Args:
        cfg: The configuration.
        targets: Whether streams come along that auxiliary terms alone need.
    """
    from realfake.approaches.features import stored_network
    from realfake.data.datamodule import FrameDataModule, SequenceDataModule
    from realfake.models import sample_spec

    kind = {"frames": FrameDataModule, "sequences": SequenceDataModule}[cfg.approach.samples]
    # Pixels whose features are stored are seen once.
    data = cfg.data if stored_network(cfg) is None else changed(cfg.data, {"cache": "none"})
    return kind(
        data,
        cfg.face,
        cfg.split,
        cfg.sampling,
        sample_spec(cfg.backbone, cfg.streams),
        cfg.signals,
        seed=cfg.seed,
        tasks=cfg.tasks,
        targets=tuple(cfg.targets.values()) if targets else (),
        every_sample=cfg.fits_only,
    )
