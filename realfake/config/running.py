"""A run: its approach, how and where it is carried out, and the whole of it with the combinations that cannot work."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ValidationInfo, model_validator

from realfake.config.approach import AUTO, ApproachOptions, auto_metric, check_comparison
from realfake.config.backbones import BackboneConfig, ClipSeeing, choices
from realfake.config.base import (
    Count,
    Seed,
    Strict,
    as_plain,
    is_new,
)
from realfake.config.data import LocatedData, Sampling, check_pairs, check_subjects
from realfake.config.derivations import FROM_BEGINNING
from realfake.config.face_options import FaceConfig
from realfake.config.guests import GuestFields, Guests, UsedPlugin, used_by
from realfake.config.head_options import FittedHead, HeadConfig, MlpHead
from realfake.config.losses import AuxiliaryConfig, Losses, MixConfig, check_terms
from realfake.config.networks import BATCH_NORM_OF_VECTORS, ClipNetwork, check_rate
from realfake.config.optimisation import Augmentation, Cosine, OptimizerConfig, Plateau, SchedulerConfig
from realfake.config.recording import CallbacksConfig, LoggerConfig
from realfake.config.signal_options import SignalConfig, Signals, StreamInfo, check_windows, signals_of, streams_named
from realfake.config.split_options import SplitConfig
from realfake.config.stream_networks import SequenceBackbone, SiameseBackbone, StreamNetwork
from realfake.config.trainer_options import PrecisionConfig, TrainerConfig
from realfake.errors import nearest
from realfake.labels import LabelSpace, Protocol, told_by
from realfake.scoring.metric_table import OPTIMISM, measured_names


class SweepConfig(Strict):
    """How a run that belongs to a sweep (``-m``) behaves."""

    name: str | None
    """Folder under ``multirun/``; null = a digest of the sweep's overrides."""
    resume: bool
    """Go on with a half-trained run from its ``last.ckpt``."""
    rerun: Literal["none", "failed", "all"]
    """Finished runs to train again. Failed runs are left alone with ``none``."""
    report: bool
    trials: Count
    """Runs of a search (``search=…``)."""


class Published(Strict):
    """A published figure that an experiment stands beside."""

    source: str
    row: str
    metrics: dict[str, float]
    """Metric name of this project → published value, in the unit of the metric (accuracies 0-1)."""
    note: str | None = None


def _run_given(run: str) -> str:
    if not run.strip():
        raise ValueError("init_from is missing: give the trained run as init_from=outputs/…")
    return run


class TrainConfig(Strict):
    """``realfake train``."""

    approach: Annotated[ApproachOptions, Guests("approach")]
    data: LocatedData
    split: SplitConfig
    face: FaceConfig
    signals: Signals
    sampling: Sampling
    backbone: BackboneConfig
    head: HeadConfig
    loss: Losses
    auxiliary: Annotated[AuxiliaryConfig, GuestFields("auxiliary", AuxiliaryConfig)]
    loss_mix: MixConfig
    optimizer: OptimizerConfig
    scheduler: SchedulerConfig
    augmentation: Augmentation
    trainer: TrainerConfig
    precision: PrecisionConfig
    logger: LoggerConfig
    callbacks: CallbacksConfig
    sweep: SweepConfig
    compile: bool
    """Compile the network with torch.compile."""
    seed: Seed
    optimized_metric: str
    """Selects the best epoch, see :mod:`realfake.scoring.metric_table`; ``auto`` = :data:`AUTO_METRICS`."""
    protocol: Protocol
    """What decides real or fake of a clip, see :mod:`realfake.scoring.protocols`."""
    ckpt: str | None
    """A checkpoint to resume from: a path, or ``last``."""
    init_from: Annotated[str, AfterValidator(_run_given)] | None
    """A finished run whose trained backbone this run starts from, with new heads; or a sweep that has it."""
    published: Published | None
    experiment_name: str | None
    """Name of the experiment file, for tables."""
    plugins: list[str | UsedPlugin]
    """Files as given on the command line; once it is known what the run takes from plugins, those that it needs."""

    @property
    def space(self) -> LabelSpace:
        """The classes of the run's data."""
        return self.data.space

    @property
    def streams(self) -> dict[str, StreamInfo]:
        """What the network looks at, by its name."""
        return streams_named(self.backbone.takes, self.signals)

    @property
    def targets(self) -> dict[str, StreamInfo]:
        """Streams that auxiliary terms need, by their names; no input of the network."""
        return self.auxiliary.targets(self.signals)

    @property
    def signals_seen(self) -> dict[str, SignalConfig]:
        """The signals that give any of :attr:`streams`, by their names."""
        return signals_of(self.signals, self.streams.values())

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those of the heads; ``auto`` goes by the emotions that the data declare."""
        if self.approach.tasks != AUTO:
            return tuple(self.approach.tasks)
        return self.approach.means[1] if len(self.data.emotions) > 1 else ("authenticity",)

    @property
    def fits_only(self) -> bool:
        """Whether nothing is trained by gradients: a learner is fitted on features of a frozen backbone."""
        return isinstance(self.head, FittedHead) and self.backbone.freeze

    @property
    def metric(self) -> str:
        """The validation metric that selects the best epoch."""
        return auto_metric(self.tasks, self.protocol) if self.optimized_metric == AUTO else self.optimized_metric

    def resolved(self, *, emotions: bool = True) -> TrainConfig:
        """The same with what ``auto`` means in its place, and the plugins that it needs.

        Args:
            emotions: Whether the clips show several of the emotions that are declared.

        Raises:
            ValueError: If a metric that something goes by is then not measured.
        """
        plain = as_plain(self)
        if self.approach.tasks == AUTO:
            plain["approach"]["tasks"] = list(self.tasks) if emotions else ["authenticity"]
        with_tasks = TrainConfig.model_validate(plain, context={"trained": True})
        with_tasks._check_metrics()
        check_terms(self.auxiliary, self.loss_mix, with_tasks.tasks, self.backbone)
        check_comparison(self.approach, self.protocol, self.auxiliary, with_tasks.tasks)
        measured = [name.rpartition("/")[2] for name in measured_names("val", with_tasks.tasks)]
        plain["plugins"] = used_by(with_tasks, measured)
        return TrainConfig.model_validate({**plain, "optimized_metric": with_tasks.metric}, context={"trained": True})

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> TrainConfig:
        wants_clips = self.approach.samples == "sequences"
        has_clips = isinstance(self.backbone, ClipSeeing)
        if wants_clips and not has_clips:
            raise ValueError(
                f"backbone={self.backbone.name} is a frame backbone, but approach={self.approach.name} needs a clip "
                f"backbone: one of {', '.join(choices(clips=True))}"
            )
        if has_clips and not wants_clips:
            raise ValueError(
                f"backbone={self.backbone.name} is a clip backbone, but approach={self.approach.name} needs a frame "
                f"backbone: one of {', '.join(choices(clips=False))}"
            )
        self._check_streams()
        self._check_spacing()
        # A run that was trained before these were refused is still evaluated as it was trained.
        if is_new(info):
            self._check_training()
            self._check_emotions()
            self._check_weights()
            self._check_metrics()
            self._check_batch_norm()
            if isinstance(self.head, FittedHead):
                self.head.check(self)
            check_terms(self.auxiliary, self.loss_mix, self.tasks, self.backbone)
            check_comparison(self.approach, self.protocol, self.auxiliary, self.tasks)
            check_pairs(self.sampling, self.data)
            check_subjects(self.data, self.split)
        return self

    def _check_streams(self) -> None:
        try:
            streams_named(self.backbone.takes, self.signals)
        except ValueError as error:
            raise ValueError(f"backbone.streams=[{','.join(self.backbone.takes)}]: {error}") from None

    def _check_training(self) -> None:
        (start, end), (first, last) = self.sampling.window, self.data.window
        if start < first or last < end:  # the crops at the borders of what is stored would be repeated
            raise ValueError(
                f"sampling.window=[{start},{end}] reaches beyond data.window=[{first},{last}], the part of each clip "
                f"that is prepared; expected a window within it, such as sampling.window=[{first},{last}]"
            )
        taken = {**self.streams, **self.targets}
        neutral = [name for name, info in taken.items() if {*FROM_BEGINNING} & {*info.rules}]
        if isinstance(self.backbone, SiameseBackbone):
            neutral.append(f"the neutral face of backbone={self.backbone.name}")
        if neutral and first > 0:
            raise ValueError(
                f"data.window=[{first},{last}]: {neutral[0]} is measured from the beginning of each clip; expected "
                f"data.window=[0.0,{last}] (sampling.window=[{first},{last}] may stay)"
            )
        if isinstance(self.backbone, StreamNetwork):
            self.backbone.check(self.streams, self.face)
        t, s = self.trainer, self.scheduler
        if t.fast_dev_run:
            return
        if t.check_val_every_n_epoch > t.max_epochs:
            raise ValueError(
                f"trainer.check_val_every_n_epoch={t.check_val_every_n_epoch}: expected at most trainer.max_epochs="
                f"{t.max_epochs}, since without a validation there is no best epoch"
            )
        if isinstance(s, Cosine) and s.warmup_epochs >= t.max_epochs and not self.fits_only:
            raise ValueError(
                f"scheduler.warmup_epochs={s.warmup_epochs}: expected fewer than trainer.max_epochs={t.max_epochs}"
            )
        if isinstance(s, Cosine | Plateau) and s.min_lr > self.optimizer.lr:
            raise ValueError(f"scheduler.min_lr={s.min_lr:g}: expected at most optimizer.lr={self.optimizer.lr:g}")

    def _check_emotions(self) -> None:
        if len(self.data.emotions) < 2 and self.approach.tasks not in (AUTO, ["authenticity"]):
            raise ValueError(
                f"approach.tasks=[{','.join(self.approach.tasks)}]: data={self.data.name} has one emotion, "
                f"{self.data.emotions[0]}, which there is nothing to tell from; expected approach.tasks="
                "[authenticity], or several in data.emotions"
            )

    def _check_weights(self) -> None:
        for task in told_by(self.tasks):
            names, weights = self.space.names(task), getattr(self.loss, task).class_weights
            if isinstance(weights, list) and len(weights) != len(names):
                raise ValueError(
                    f"loss.{task}.class_weights={weights}: {len(weights)} values, expected {len(names)}, one for "
                    f"each of {', '.join(names)}"
                )

    def _check_metrics(self) -> None:
        self._check_metric("optimized_metric", self.metric)
        if isinstance(self.scheduler, Plateau):
            self._check_metric("scheduler.monitor", self.scheduler.monitor)

    def _check_metric(self, key: str, metric: str) -> None:
        if metric.partition("/")[0] in ("train", "test", OPTIMISM):
            raise ValueError(
                f"{key}={metric}: expected a validation metric such as val/clip/joint_accuracy (nothing is chosen "
                "by training or test figures)"
            )
        known = measured_names("val", self.tasks, self.auxiliary.chosen)
        if metric not in known:
            raise ValueError(
                f"{key}={metric}: no such metric{nearest(metric, known)} (there are, with approach.tasks="
                f"[{','.join(self.tasks)}]: {', '.join(known)})"
            )

    def _check_batch_norm(self) -> None:
        if self.data.batch_size > 1:
            return
        if isinstance(self.head, MlpHead) and self.head.batch_norm and self.head.hidden:
            where, way = "head.batch_norm=true", "head.batch_norm=false"
        elif self.backbone.name in BATCH_NORM_OF_VECTORS and not self.backbone.freeze:
            where, way = f"backbone={self.backbone.name}, which has batch norm,", "backbone.freeze=true"
        else:
            return
        raise ValueError(
            f"data.batch_size=1: {where} takes statistics of a batch; expected data.batch_size=2 or more, or {way}"
        )

    def _check_spacing(self) -> None:
        check_windows(self.signals_seen, self.data.rate_fps)
        if isinstance(self.backbone, ClipNetwork):
            key, stride, repeat = "input.stride_sec", self.backbone.input.stride_sec, self.backbone.input.repeat_crops
        elif isinstance(self.backbone, SequenceBackbone) and "pixels" in self.backbone.takes:
            key, stride, repeat = "stride_sec", self.backbone.stride_sec, self.backbone.repeat_crops
        else:
            return
        if not repeat:
            check_rate(self.data.rate_fps, stride, self.backbone.name, f"backbone.{key}")
