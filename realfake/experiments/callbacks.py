"""What is done between epochs: the table of metrics, and the scheduler that waits for a metric."""

from __future__ import annotations

import csv
import io
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint, RichProgressBar
from pytorch_lightning.callbacks.progress.rich_progress import ProcessingSpeedColumn
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from realfake.config import Plateau
from realfake.errors import UserError
from realfake.experiments.story import tell_epoch
from realfake.files import write_whole
from realfake.runs.checkpoints import write_checkpoint
from realfake.scoring.metric_table import OPTIMISM, minimised

WIDE = 100
"""Columns of a screen that has room for the loss behind a progress bar."""


class MetricsTable(Checkpoint):
    """Keeps one row of metrics an epoch, and writes them to ``metrics.csv``.

    The rows are part of every checkpoint, so that a resumed run goes on with the rows of its checkpoint. It is a
    ``Checkpoint`` callback because those run last in an epoch, when everything has been logged; it has to stand before
    the callbacks that save.

    Args:
        path: Of ``metrics.csv``.
        metric: What the best epoch is selected by, which the log tells of every epoch.
    """

    def __init__(self, path: Path, metric: str | None = None) -> None:
        self.path, self.metric = path, metric
        self.rows: list[dict[str, float]] = []
        self.stopped = False
        """Whether training had ended by itself (early stopping) when this state was saved."""
        self._started = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of the epoch."""
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of the epoch and write the table."""
        row: dict[str, float] = {"epoch": trainer.current_epoch}
        measured: dict[str, float] = pl_module.measured  # type: ignore[assignment]
        for prefixes in (("train/", "val/"), f"{OPTIMISM}/"):
            row |= {k: measured[k] for k in sorted(measured) if k.startswith(prefixes)}
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        row["seconds"] = time.monotonic() - self._started
        self.rows.append(row)
        tell_epoch(row, self.metric)
        self.stopped = trainer.should_stop
        if trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self.write()

    def write(self) -> None:
        """Write all rows, as wide as the widest."""
        out = io.StringIO()
        columns = list(dict.fromkeys(k for row in self.rows for k in row))
        table = csv.DictWriter(out, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_whole(self.path, out.getvalue())

    def state_dict(self) -> dict[str, Any]:
        """Rows so far."""
        return {"rows": self.rows, "stopped": self.stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the rows of a checkpoint."""
        self.rows, self.stopped = list(state_dict["rows"]), state_dict["stopped"]


class MovableCheckpoint(ModelCheckpoint):
    """Remembers the best epoch also when the run goes on in another folder, or its folder was moved."""

    @cached_property
    def state_key(self) -> str:
        """As the base class makes it anew for each of the trainer's hooks, a dozen times a step."""
        return super().state_key

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """As the base class, but the last epoch is kept as long as the metric is undefined, not the first."""
        if current is not None and current.isnan() and all(score.isinf() for score in self.best_k_models.values()):
            return True
        return super().check_monitor_top_k(trainer, current)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the files of a checkpoint's run, which lie in this run's folder under the same names."""
        assert self.dirpath is not None
        folder = Path(self.dirpath)

        def here(path: str) -> str:
            return str(folder / Path(path).name) if path else path

        moved = {name: here(state_dict[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": self.dirpath})


class WholeCheckpoints(TorchCheckpointIO):
    """How the trainer writes checkpoints.

    By itself it writes them into ``TMPDIR`` and moves them, which is a copy if that is another file system: killed
    meanwhile, half a checkpoint would have the name of a whole one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint, whole or not at all; raises :class:`realfake.files.DiskError`."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_checkpoint(Path(path), checkpoint)


_PLATEAU_STATE = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch", "_last_lr")


class ReduceOnPlateau(Callback):
    """Lowers the learning rate once a validation metric no longer improves.

    Done here, before the checkpoint of the epoch is written: the trainer's own plateau schedulers move after it, so
    that a resumed run would lose a step.
    """

    def __init__(self, cfg: Plateau) -> None:
        self.cfg = cfg
        self.scheduler: ReduceLROnPlateau | None = None
        self._state: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take hold of the optimiser."""
        self.scheduler = ReduceLROnPlateau(
            trainer.optimizers[0],
            mode="min" if minimised(self.cfg.monitor) else "max",
            factor=self.cfg.factor,
            patience=self.cfg.patience,
            min_lr=self.cfg.min_lr,
            eps=0.0,  # min_lr is the only bound
        )
        if self._state:
            # The counters alone: factor, patience and bound are those configured now.
            self.scheduler.load_state_dict({name: self._state[name] for name in _PLATEAU_STATE})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the scheduler the metric of an epoch that was validated.

        Raises:
            UserError: If there is none of that name.
        """
        assert self.scheduler is not None
        measured: dict[str, float] = pl_module.measured  # type: ignore[assignment]
        known = sorted(name for name in measured if name.startswith("val/"))
        if not known:
            return
        if self.cfg.monitor not in known:
            raise UserError(f"scheduler.monitor={self.cfg.monitor}: no such metric; there are {', '.join(known)}")
        self.scheduler.step(measured[self.cfg.monitor])

    def state_dict(self) -> dict[str, Any]:
        """The scheduler's counters."""
        return {} if self.scheduler is None else dict(self.scheduler.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restored once training starts."""
        self._state = state_dict


class ProgressBar(RichProgressBar):
    """Rich's bar with the validation figures of the last epoch, and without the version of a logger; of 80 columns."""

    def configure_columns(self, trainer: Trainer) -> list[Any]:
        """Without the speed, which leaves room for the figures."""
        return [
            column for column in super().configure_columns(trainer) if not isinstance(column, ProcessingSpeedColumn)
        ]

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        shown = {"both": "val/clip/joint_accuracy", "AUROC": "val/clip/authenticity_auroc"}
        if self._console is not None and self._console.width >= WIDE:
            shown = {"loss": "val/frame/loss", **shown}
        found = {name: trainer.callback_metrics.get(key) for name, key in shown.items()}
        return {name: f"{float(value):.2f}" for name, value in found.items() if value is not None}
