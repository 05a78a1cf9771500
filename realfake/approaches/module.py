"""What all approaches share: one network with a head a task, one step for every stage, metrics over whole epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import nn

from realfake.approaches.epoch_losses import clip_losses, mean_of_known
from realfake.approaches.fitting import fit_heads, head_of
from realfake.approaches.optimization import build_optimizer, build_scheduler, parameter_groups, stay_as_configured
from realfake.approaches.record import EpochRecord, FeatureRecord
from realfake.approaches.step_means import StepMeans, TrainStep, guesses
from realfake.config import FittedHead, TrainConfig
from realfake.config.upgrade import to_save
from realfake.data.batch import Batch, target_of
from realfake.errors import UserError
from realfake.labels import told_by
from realfake.losses.auxiliary import AuxiliaryTerm, build_auxiliary
from realfake.losses.mixes import MixContext, build_mix, last_layer
from realfake.losses.tasks import TaskLoss, build_task_loss
from realfake.models import build_backbone
from realfake.models.backbone import Inputs
from realfake.scoring.metric_table import OPTIMISM, told_metrics
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions, pair_numbers
from realfake.scoring.protocols import decide
from realfake.streams.augment import augment
from realfake.streams.preprocess import network_input
from realfake.streams.stream import StreamSpec, StreamValues


class Diverged(RuntimeError):
    """Training or validation gave a loss that is no number."""


class ApproachModule(LightningModule):
    """A backbone with one head for each task.

    All of it follows from the configuration: tasks, the loss of each, loss mix, optimiser, scheduler, augmentation,
    frozen or trained backbone.

    Args:
        cfg: The run's configuration.
        class_counts: Training clips of each class of each task, for balanced class weights.
    """

    def __init__(self, cfg: TrainConfig, class_counts: dict[str, list[int]] | None = None) -> None:
        super().__init__()
        self.cfg = cfg
        self.tasks, self.space = cfg.tasks, cfg.space
        self.told = told_by(self.tasks)
        self.backbone = build_backbone(cfg.backbone, cfg.streams)
        self.spec = self.backbone.spec
        self.heads = nn.ModuleDict({task: head_of(cfg, task, self.backbone.features) for task in self.tasks})
        self.gathered = FeatureRecord() if isinstance(cfg.head, FittedHead) else None
        self.anchor = nn.Parameter(torch.zeros(0)) if cfg.fits_only else None
        """Stands for what is trained where nothing is: the trainer, and DDP, want a gradient of something."""
        counts = class_counts or {}
        self.losses = nn.ModuleDict(
            {t: build_task_loss(getattr(cfg.loss, t), self.space.size(t), counts.get(t)) for t in self.tasks}
        )
        self.taught, self.protocol = cfg.approach.taught(self.tasks), cfg.protocol
        chosen = cfg.auxiliary.chosen
        errors: Any = self.backbone.net.errors if cfg.auxiliary.next_frame else None
        features = self.backbone.features
        self.auxiliary = build_auxiliary(cfg.auxiliary, self.space, self.tasks, features, cfg.targets, errors)
        self.taken = (*self.spec.streams, *(StreamSpec(i) for n, i in cfg.targets.items() if n not in self.spec.names))
        """Streams of the network, and those that auxiliary terms need besides."""
        self.mix = build_mix(cfg.loss_mix, self.taught, {name: term.weight for name, term in chosen.items()})
        self.terms = self.mix.terms
        self.shared = last_layer(self.backbone)
        self.compiled = torch.compile(self.network, dynamic=False) if cfg.compile else self.network
        self.train_means = StepMeans(self.tasks, self.taught, tuple(self.auxiliary), self.space)
        self.records = nn.ModuleDict({stage: EpochRecord() for stage in ("val", "test")})
        self.measured: dict[str, float] = {}
        """Every metric that was measured in this epoch, in full precision; what is logged is float32."""
        self.test_predictions: Predictions | None = None
        self.learned: dict[str, Any] | None = None
        """Which people the weights have learned, as :meth:`realfake.data.learned.Learned.as_plain` says it."""

    # --- the network ---------------------------------------------------------------------------------------------

    def network(self, x: Inputs) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What the backbone takes → features (B, F), and logits (B, classes) of each task."""
        features = self.backbone(x)
        return features, self.head_logits(features)

    def logits(self, x: Inputs) -> dict[str, torch.Tensor]:
        """What the backbone takes → logits (B, classes) of each task; one backbone pass."""
        return self.network(x)[1]

    def head_logits(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        """Features (B, F) → logits (B, classes) of each task."""
        return {task: head(features) for task, head in self.heads.items()}

    def take_statistics(self, statistics: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Standardise numbers by mean and standard deviation (size,) of each stream in the training part."""
        self.backbone.take_statistics(statistics)
        for name in self.auxiliary:
            self._term(name).take_statistics(statistics)

    def forward(self, streams: dict[str, StreamValues]) -> dict[str, torch.Tensor]:
        """Streams of a batch → logits (B, classes) of each task."""
        logits: dict[str, torch.Tensor] = self.compiled(network_input(streams, self.spec))[1]
        return logits

    def predictions(self, rows: dict[str, np.ndarray]) -> Predictions:
        """Make predictions of what an epoch's record holds; see :meth:`probabilities` for the order of columns."""
        ends = np.cumsum([self.space.size(t) for t in self.tasks])[:-1]
        by_task = dict(zip(self.tasks, np.split(rows["probabilities"].astype(np.float64), ends, axis=1), strict=True))
        return Predictions.from_tasks(by_task, rows["clip"], rows["emotion"], rows["authenticity"], self.space)

    @staticmethod
    def probabilities(logits: dict[str, torch.Tensor]) -> torch.Tensor:
        """Softmax of each task, side by side in the order of the tasks, (B, K) float32."""
        return torch.cat([values.float().softmax(dim=1) for values in logits.values()], dim=1)

    def _loss(self, task: str) -> TaskLoss:
        loss = self.losses[task]
        assert isinstance(loss, TaskLoss)
        return loss

    def _term(self, name: str) -> AuxiliaryTerm:
        term = self.auxiliary[name]
        assert isinstance(term, AuxiliaryTerm)
        return term

    # --- steps ---------------------------------------------------------------------------------------------------

    def _step(self, batch: Batch, stage: str) -> torch.Tensor:
        if stage == "train":
            batch = Batch({**batch, "streams": augment(batch["streams"], self.taken, self.cfg.augmentation)})
        features, logits = self.compiled(network_input(batch["streams"], self.spec))
        if stage == "train" and self.anchor is not None:
            assert self.gathered is not None
            self.gathered.update(batch, features)
            return self.anchor.sum()
        return self._measure_step(batch, stage, features, logits)

    def _measure_step(
        self, batch: Batch, stage: str, features: torch.Tensor, logits: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        targets = {task: target_of(batch, task, self.space) for task in self.tasks}
        features, single = features.float(), {task: values.float() for task, values in logits.items()}
        if stage == "train":
            losses = {t: self.losses[t](single[t], targets[t]) for t in self.taught}
            counts = {}
            for name, term in self.auxiliary.items():
                losses[name], counts[name] = term(batch, features, single)
            total, weights = self.mix(losses, MixContext(logits, targets, counts, features, self.shared))
            self.train_means.keep(
                TrainStep(
                    batch["emotion"],
                    batch["authenticity"],
                    {t: value.detach() for t, value in logits.items()},
                    {t: value.detach() for t, value in losses.items()},
                    weights,
                    counts,
                    total.detach(),
                )
            )
            return total
        with torch.no_grad():
            each = [self._loss(t).per_sample(single[t], targets[t]) for t in self.tasks]
            each += [self._term(name).score(batch, features, single) for name in self.auxiliary]
            record: EpochRecord = self.records[stage]  # type: ignore[assignment]
            record.update(batch, self.probabilities(logits), torch.stack(each, dim=1))
        return torch.zeros(())

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Mixed loss of a batch."""
        loss = self._step(batch, "train")
        # Asked here, since handing a value to the trainer costs as much as a layer whether it is then written or not.
        due = (self.global_step + 1) % self.trainer.log_every_n_steps == 0  # type: ignore[attr-defined]
        if due and self.anchor is None:
            self.log("train/step_loss", loss.detach(), on_step=True, on_epoch=False, batch_size=len(batch["clip"]))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Fit what is fitted after the last batch of an epoch, before it is validated."""
        if self.gathered is None or batch_idx + 1 != self.trainer.num_training_batches:
            return
        labels, features = fit_heads(self)
        if self.anchor is not None:
            with torch.no_grad():
                self._measure_step(labels, "train", features, self.head_logits(features))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Record a batch."""
        self._step(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Record a batch."""
        self._step(batch, "test")

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Let the mix know that the gradient is complete."""
        self.mix.end_step()

    # --- epochs --------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch's figures, since this one may not be validated, and seed what is random on the device.

        A resumed run draws what an undisturbed one does.
        """
        self.measured.clear()
        words = np.random.SeedSequence([self.cfg.seed, self.current_epoch, self.global_rank]).generate_state(2)
        torch.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)

    def on_train_epoch_end(self) -> None:
        """Log the means of the epoch; raises :class:`Diverged`."""
        self.train_means.count()
        values = dict(zip(self.train_means.names, self.train_means.compute().tolist(), strict=True))
        self.train_means.reset()
        self._require_finite(values["loss"], "training")
        self.mix.end_epoch({term: values[f"loss_{term}"] for term in self.terms})
        self._log_all({f"train/frame/{name}": value for name, value in values.items()})

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the epoch; raises :class:`Diverged`."""
        found, _ = self._measure("val")
        self._require_finite(found["val/frame/loss"], "validation")
        self._log_all(found)

    def on_test_epoch_end(self) -> None:
        """Log the metrics and keep the predictions."""
        found, self.test_predictions = self._measure("test")
        self._log_all(found)

    def log_optimism(self) -> None:
        """Log what the test clips of the record came to, under names that nothing is chosen by."""
        found, _ = self._measure("test")
        names = {f"test/clip/{metric}" for metric in told_metrics(self.told)}
        self._log_all({f"{OPTIMISM}/{name}": value for name, value in found.items() if name in names})

    def _measure(self, stage: str) -> tuple[dict[str, float], Predictions]:
        record: EpochRecord = self.records[stage]  # type: ignore[assignment]
        rows = record.compute()
        record.reset()
        predictions = self.predictions(rows)
        pairs = pair_numbers(self.trainer.datamodule.opened().table)  # type: ignore[attr-defined]
        found = {f"{stage}/frame/loss_{t}": mean_of_known(rows["losses"][:, i]) for i, t in enumerate(self.tasks)}
        found[f"{stage}/frame/loss"] = float(np.sum(list(found.values())))
        labels = Batch(
            emotion=torch.from_numpy(rows["emotion"]),
            authenticity=torch.from_numpy(rows["authenticity"]),
            pair=torch.from_numpy(pairs[rows["clip"]]),
        )
        for name, scores in zip(self.auxiliary, rows["losses"].T[len(self.tasks) :], strict=True):
            found[f"{stage}/frame/loss_{name}"] = self._term(name).over_epoch(torch.from_numpy(scores), labels)
        clips = predictions.by_clip()
        clips = decide(clips, self.protocol, pairs[clips.clip])
        found |= {f"{stage}/clip/{name}": value for name, value in clip_losses(clips, self.tasks).items()}
        for level, p in (("frame", predictions), ("clip", clips)):
            found |= {f"{stage}/{level}/{name}": value for name, value in metrics(p, pairs[p.clip]).items()}
        return found, predictions

    def _log_all(self, values: dict[str, float]) -> None:
        self.measured |= values
        # Every process has computed the same numbers already.
        self.log_dict(values, on_step=False, on_epoch=True, sync_dist=False, batch_size=1)

    def _require_finite(self, loss: float, stage: str) -> None:
        if not np.isfinite(loss) and not self.trainer.sanity_checking:
            lr = self.trainer.optimizers[0].param_groups[0]["lr"]
            raise Diverged(
                f"diverged: the {stage} loss is {loss} in epoch {self.current_epoch} at a learning rate of {lr:g}; "
                "lower optimizer.lr or set trainer.gradient_clip_val"
            )

    def guesses(self, logits: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The decision on each sample, in the tasks that are told, each (B,) int64."""
        return guesses(self.space, logits)

    # --- optimisation and checkpoints ----------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """Optimiser over what is trained, and the scheduler if it moves with every step."""
        cfg = self.cfg
        # A fused optimiser unscales by itself, hence the trainer's mixed precision refuses to clip for it.
        fused = cfg.precision.name == "32" or not cfg.trainer.gradient_clip_val
        groups = parameter_groups(cfg.optimizer, (self.backbone, self.heads), nn.ModuleList((self.mix, self.auxiliary)))
        if self.anchor is not None:
            groups = [{"params": [self.anchor]}]
        optimizer = build_optimizer(cfg.optimizer, groups, fused=fused)
        steps, epochs = int(self.trainer.estimated_stepping_batches), self.trainer.max_epochs or 1
        scheduler = build_scheduler(cfg.scheduler, optimizer, steps, epochs)
        stay_as_configured(optimizer, cfg.scheduler)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say whose checkpoint this is: plain values only, so that it loads without unpickling code."""
        checkpoint["realfake"] = {"config": to_save(self.cfg, None), "learned": self.learned}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another program; raises :class:`UserError`."""
        if "realfake" not in checkpoint:
            raise UserError("this checkpoint was not written by realfake: give one of a run's folder checkpoints/")
