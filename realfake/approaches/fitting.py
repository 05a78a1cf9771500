"""Heads that are fitted: the features of all training samples are gathered, and learners are put on them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from realfake.config import FittedHead, TrainConfig
from realfake.data.batch import Batch
from realfake.models import build_fitted_head, build_head
from realfake.models.fitted_heads import FitSamples, FittedModule
from realfake.streams.preprocess import network_input

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.data.datamodule import ClipDataModule


def head_of(cfg: TrainConfig, task: str, features: int) -> nn.Module:
    """The head for a task on a vector of so many features, whether it is trained or fitted."""
    if isinstance(cfg.head, FittedHead):
        return build_fitted_head(cfg.head, features, task, cfg.space, guided=not cfg.fits_only)
    return build_head(cfg.head, features, cfg.space.size(task))


def fit_heads(module: ApproachModule) -> tuple[Batch, torch.Tensor]:
    """Fit the heads on the features of this epoch's training samples, those of all processes, each of which does it.

    Of a backbone that is trained, features are computed now, in evaluation mode and without augmentation; of a frozen
    one they are those that passed during the epoch.

    Args:
        module: In training, at the end of an epoch.

    Returns:
        Labels of the samples, and what the heads were fitted on (N, F) float32.

    Raises:
        UserError: If a learner cannot be fitted on them.
    """
    record = module.gathered
    assert record is not None
    if module.anchor is None:
        _gather(module)
    rows = record.compute()
    record.reset()
    data: ClipDataModule = module.trainer.datamodule  # type: ignore[attr-defined]
    people = np.unique(data.opened().table["subject"].to_numpy(str), return_inverse=True)[1]
    arrays = {name: value for name, value in rows.items() if name != "sample"}
    samples = FitSamples(**arrays, subject=people[arrays["clip"]])
    for head in module.heads.values():
        assert isinstance(head, FittedModule)
        head.fit(samples, module.cfg.seed)
    kept = {name: torch.from_numpy(value).to(module.device) for name, value in rows.items()}
    return Batch(emotion=kept["emotion"], authenticity=kept["authenticity"], pair=kept["pair"]), kept["features"]


@torch.no_grad()
def _gather(module: ApproachModule) -> None:
    """Compute the features of all training samples, or of as many batches as the epoch was limited to."""
    trainer, t = module.trainer, module.cfg.trainer
    limited = t.fast_dev_run or t.overfit_batches or t.limit_train_batches is not None
    module.eval()
    with trainer.precision_plugin.forward_context():
        loader = trainer.datamodule.fitting_loader(module.current_epoch)  # type: ignore[attr-defined]
        for read in islice(loader, int(trainer.num_training_batches) if limited else None):
            batch = trainer.strategy.batch_to_device(read)
            features = module.backbone(network_input(batch["streams"], module.spec))
            module.gathered.update(batch, features)  # type: ignore[union-attr]
    module.train()
