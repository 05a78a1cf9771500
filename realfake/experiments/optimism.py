"""Selection optimism: what a run would have claimed had it kept the epoch that is best on the *test* clips.

That is how several records on smiles were made: no validation part, windows drawn at random at test, and the best of
all epochs reported. Measured beside what the run reports, without any influence on it: what is drawn comes from a
stream of its own, and nothing selects, stops or ranks by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from realfake.scoring.metric_table import METRICS, OPTIMISM, minimised

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.data.datamodule import ClipDataModule


class EachEpochTested(Checkpoint):
    """Measures the test clips after each epoch, by samples that are drawn at random as in training.

    The figures of clips join those of the epoch as ``optimism/test/clip/<metric>``; the table of epochs keeps them, so
    that the best so far outlives an interruption. It is a ``Checkpoint`` callback because those run when everything
    else of an epoch is done; it has to stand before that table.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test the epoch; of several processes each its share."""
        module: ApproachModule = pl_module  # type: ignore[assignment]
        data: ClipDataModule = trainer.datamodule  # type: ignore[attr-defined]
        loader = data.redrawn_loader("test")
        loader.batch_sampler.set_epoch(trainer.current_epoch)  # type: ignore[union-attr]
        limit = trainer.limit_test_batches
        batches = limit if isinstance(limit, int) else int(limit * len(loader))
        training = [part for part in module.modules() if part.training]
        module.eval()
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            for number, batch in zip(range(batches), loader, strict=False):
                module.test_step(trainer.strategy.batch_to_device(batch), number)
        for part in training:
            part.training = True
        module.log_optimism()


def claims(rows: Sequence[Mapping[str, float]], reported: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """What the best test epoch would have claimed, beside what was reported.

    Args:
        rows: Figures of each epoch, ``optimism/test/clip/<metric>`` among them.
        reported: Of the run, ``test/clip/<metric>``.

    Returns:
        Metric → ``claimed``, the best of all epochs by this metric; its ``epoch``, the first of equal ones; ``kept``,
        what the run reports; ``optimism``, by how much the claim is the better one. Empty without such figures.
    """
    found = {}
    for metric in METRICS:
        column, kept = f"{OPTIMISM}/test/clip/{metric}", reported.get(f"test/clip/{metric}", np.nan)
        known = [(row[column], int(row["epoch"])) for row in rows if np.isfinite(row.get(column, np.nan))]
        if known and np.isfinite(kept):
            sign = -1.0 if minimised(metric) else 1.0
            claimed, epoch = max(known, key=lambda pair: sign * pair[0])
            found[metric] = {"claimed": claimed, "epoch": epoch, "kept": kept, "optimism": sign * (claimed - kept)}
    return found
