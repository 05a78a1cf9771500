"""One training run from a configuration: prepare, fit, test the best epoch, draw, write."""

from __future__ import annotations

import logging
import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelSummary, TQDMProgressBar
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy

from realfake.approaches import build_datamodule, build_module
from realfake.approaches.features import stored_network, use_features
from realfake.config import Plateau, TrainConfig
from realfake.data.lacking import lacking
from realfake.data.preparation_summary import log_remarks
from realfake.experiments.before_training import check_data, check_packages, one_sided
from realfake.experiments.callbacks import (
    MetricsTable,
    MovableCheckpoint,
    ProgressBar,
    ReduceOnPlateau,
    WholeCheckpoints,
)
from realfake.experiments.interruption import StopBetweenBatches
from realfake.experiments.loggers import build_loggers
from realfake.experiments.optimism import EachEpochTested, claims
from realfake.experiments.overhead import spare_overhead
from realfake.experiments.phases import Phases
from realfake.experiments.story import tell_beginning, tell_data, tell_network, tell_results
from realfake.models.weights import obtain_weights
from realfake.runs.checkpoints import (
    load_weights,
    read_checkpoint,
    remember,
    require_same_backbone,
    resume_path,
    take_backbone,
    take_best,
)
from realfake.runs.devices import Devices, trainer_precision
from realfake.runs.folder import RunFolder
from realfake.runs.network import Network
from realfake.runs.origin import initial_checkpoint, learned_with, origins
from realfake.runs.results import COMPLETED, describe_run, write_results
from realfake.scoring.metric_table import ACCURACIES, minimised

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.data.datamodule import ClipDataModule

log = logging.getLogger(__name__)


def train_here(cfg: TrainConfig, run: RunFolder, devices: Devices, stop: StopBetweenBatches) -> dict[str, Any]:
    """Train and test in this process; as one of several, if an environment (torchrun, SLURM) started several.

    Args:
        cfg: The configuration.
        run: Where everything is written.
        devices: Where to compute.
        stop: Listens to signals.

    Returns:
        What was written to ``results.json``.

    Raises:
        UserError: If data, weights or a checkpoint do not fit.
        Diverged: If a loss is no number.
        Interrupted: If a signal came.
    """
    phases = Phases()
    quiet_warnings()
    spare_overhead()
    seed_everything(cfg.seed, workers=True, verbose=False)
    tell_beginning(cfg, run, devices.name)
    resumed, initial = resume_path(cfg, run), initial_checkpoint(cfg) if cfg.init_from else None
    if initial is not None:
        require_same_backbone(cfg, initial)
    obtain_weights(cfg.backbone)
    check_packages(cfg)
    with phases.measure("prepare"):
        data = build_datamodule(cfg)
        data.prepare_data()
        data.setup()
        check_data(cfg, data, devices.count * cfg.trainer.num_nodes)
        learned = learned_with(cfg, data, origins(cfg, resumed, initial))
        log_remarks(data.opened())
        gaps = [*lacking(data.sets), *one_sided(cfg, data)]
        for remark in (*data.remarks(), *gaps):
            log.warning(remark)
        tell_data(data)
    with phases.measure("build"):
        module = build_module(cfg, data.class_counts())
        module.take_statistics(data.statistics({*module.backbone.standardised, *cfg.targets}))
        module.learned = learned.as_plain()
        if initial is not None:
            take_backbone(module.backbone, str(initial))
        tell_network(cfg, module)
    table = MetricsTable(run.metrics, cfg.metric)
    trainer = build_trainer(cfg, run, devices, [stop, *([EachEpochTested()] if cfg.callbacks.optimism else []), table])
    if trainer.is_global_zero:
        run.forget_tests()
        run.save_config(cfg, data.opened().fingerprint, data.signals_read())
    if stored_network(cfg) is not None:
        with phases.measure("features"):
            if resumed is not None:
                load_weights(module, resumed)  # which the trainer would do too late
            device, context = trainer.strategy.root_device, trainer.precision_plugin.forward_context
            use_features(cfg, module, data, device, begun=bool(resumed or initial), context=context)
    with phases.measure("fit"):
        fit(trainer, module, data, table, run, resumed)
        batches = trainer.num_training_batches
    if not cfg.trainer.fast_dev_run:
        load_weights(module, run.best)
    with phases.measure("test"):
        trainer.test(module, datamodule=data, verbose=False)
    assert module.test_predictions is not None
    if not trainer.is_global_zero:
        return {}
    best = best_row(table.rows, cfg.metric)
    metrics = {k: v for k, v in module.measured.items() if k.startswith("test/")}
    metrics |= {k: v for k, v in best.items() if k.startswith(("train/", "val/"))}
    results = describe_run(cfg, run) | {
        "status": COMPLETED,
        "metrics": dict(sorted(metrics.items())),
        "optimized_metric": cfg.metric,
        "tasks": list(cfg.tasks),
        "emotions": list(cfg.space.emotions),
        "best_epoch": best.get("epoch"),
        "epochs": len(table.rows),
        "overfit": _learned_by_heart(table.rows) if cfg.trainer.overfit_batches else None,
        "optimism": claims(table.rows, metrics) if cfg.callbacks.optimism else None,
        "samples_per_second": _speed(batches, data, trainer.world_size, table.rows),
        "parameters": {
            "all": sum(p.numel() for p in module.parameters()),
            "trained": sum(p.numel() for p in module.parameters() if p.requires_grad),
        },
        "data_fingerprint": data.opened().fingerprint,
        "people": data.people_note,
        "lacking": gaps,
        "init_from": None if initial is None else str(initial),
        "learned": {"people": len(learned.people), "files": len(learned.files), "unknown": list(learned.unknown)},
        "device": devices.name,
        "processes": trainer.world_size,
    }
    from realfake.experiments.artifacts import draw_pictures, write_artifacts
    from realfake.reports.run_page import write_run_page

    batch_size = cfg.data.eval_batch_size or cfg.data.batch_size
    with phases.measure("artifacts"):
        network = Network(module.eval(), cfg, trainer.strategy.root_device, batch_size) if cfg.callbacks.plots else None
        results |= write_artifacts(cfg, run, data, module.test_predictions, network)
    with phases.measure("plots"):
        write_results(run.results, results | {"seconds": phases.spent()})
        draw_pictures(cfg, run, results["metrics"])
    results["seconds"] = phases.spent()
    write_results(run.results, results)
    write_run_page(run)
    tell_results(results)
    log.info("run completed in %.1f seconds", results["seconds"]["total"])
    return results


def fit(
    trainer: Trainer,
    module: ApproachModule,
    data: ClipDataModule,
    table: MetricsTable,
    run: RunFolder,
    checkpoint: Path | None,
) -> None:
    """Fit, or go on from a checkpoint; one whose training had ended is only restored."""
    if checkpoint is not None:
        state = read_checkpoint(checkpoint)
        take_best(checkpoint, run)
        # The best epoch so far may stay it: from now on it is selected on this run's validation part as well.
        if module.learned != state["realfake"].get("learned") and module.learned is not None and run.best.is_file():
            remember(run.best, module.learned)
        rows = state["callbacks"].get(table.state_key, {"stopped": False})
        log.info("resuming after epoch %d from %s", state["epoch"], checkpoint)
        if rows["stopped"]:
            table.load_state_dict(rows)
            return
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)


def build_trainer(
    cfg: TrainConfig, run: RunFolder, devices: Devices, callbacks: list[Callback], loggers: list[Logger] | None = None
) -> Trainer:
    """The trainer of a configuration, with its callbacks and loggers.

    Args:
        cfg: The configuration.
        run: Where checkpoints and event files go.
        devices: Where to compute.
        callbacks: Further ones; those that keep state have to come before the checkpoints.
        loggers: Instead of those of the configuration.
    """
    t = cfg.trainer
    distributed = devices.count * t.num_nodes > 1
    loggers = build_loggers(cfg, run) if loggers is None else loggers
    return Trainer(
        accelerator=devices.accelerator,
        devices=devices.devices,
        num_nodes=t.num_nodes,
        strategy=_strategy(cfg, devices) if distributed and t.strategy == "auto" else t.strategy,
        precision=trainer_precision(cfg.precision, devices),  # type: ignore[arg-type]
        max_epochs=1 if cfg.fits_only else t.max_epochs,
        min_epochs=0 if cfg.fits_only else t.min_epochs,
        accumulate_grad_batches=t.accumulate_grad_batches,
        gradient_clip_val=t.gradient_clip_val,
        # Some operations of video networks have no deterministic CUDA kernel: they warn rather than fail.
        deterministic="warn" if t.deterministic else False,
        benchmark=not t.deterministic,
        log_every_n_steps=t.log_every_n_steps,
        check_val_every_n_epoch=t.check_val_every_n_epoch,
        num_sanity_val_steps=t.num_sanity_val_steps,
        limit_train_batches=t.limit_train_batches,
        limit_val_batches=t.limit_val_batches,
        limit_test_batches=t.limit_test_batches,
        overfit_batches=t.overfit_batches,
        fast_dev_run=t.fast_dev_run,
        profiler=t.profiler,
        callbacks=[*callbacks, *_callbacks(cfg, run, logged=bool(loggers))],
        plugins=[WholeCheckpoints()],
        logger=loggers,
        enable_progress_bar=cfg.callbacks.progress_bar != "none",
        enable_model_summary=cfg.callbacks.model_summary,
        default_root_dir=run.path,
        use_distributed_sampler=False,  # the batches know about processes themselves
    )


def _strategy(cfg: TrainConfig, devices: Devices) -> DDPStrategy:
    return DDPStrategy(
        process_group_backend="nccl" if devices.accelerator == "gpu" else "gloo",
        gradient_as_bucket_view=True,
        static_graph=cfg.trainer.accumulate_grad_batches == 1,
    )


def _callbacks(cfg: TrainConfig, run: RunFolder, *, logged: bool) -> list[Callback]:
    c, mode = cfg.callbacks, "min" if minimised(cfg.metric) else "max"
    found: list[Callback] = []
    if isinstance(cfg.scheduler, Plateau):
        found.append(ReduceOnPlateau(cfg.scheduler))
    if c.early_stopping is not None:
        stop = c.early_stopping
        # A metric that a part cannot show is no divergence.
        wanted = {"min_delta": stop.min_delta, "patience": stop.patience, "mode": mode, "check_finite": False}
        found.append(EarlyStopping(cfg.metric, **wanted))  # type: ignore[arg-type]
    if c.lr_monitor and logged:
        found.append(LearningRateMonitor())
    if c.progress_bar == "rich":
        found.append(ProgressBar(leave=False))
    elif c.progress_bar == "plain":
        found.append(TQDMProgressBar())
    elif c.progress_bar != "none":
        assert_never(c.progress_bar)
    if c.model_summary:
        found.append(ModelSummary(max_depth=1))
    folder = str(run.checkpoints)
    found += [
        MovableCheckpoint(
            folder,
            "best",
            monitor=cfg.metric,
            mode=mode,
            save_weights_only=True,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        ),
        MovableCheckpoint(folder, "last", enable_version_counter=False, save_on_train_epoch_end=True),
    ]
    return found


def best_row(rows: list[dict[str, float]], metric: str) -> dict[str, float]:
    """Row of the epoch whose weights ``best.ckpt`` holds: the first with the best metric; empty without rows."""
    known = [r for r in rows if metric in r and r[metric] == r[metric]]
    if not known:
        return {}
    sign = 1.0 if minimised(metric) else -1.0
    return min(known, key=lambda r: sign * r[metric])


def _learned_by_heart(rows: list[dict[str, float]]) -> dict[str, float]:
    """Loss and accuracies of the last epoch on the training samples."""
    last = rows[-1] if rows else {}
    found = {name: last.get(name, math.nan) for name in (f"train/frame/{n}" for n in ("loss", *ACCURACIES))}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def quiet_warnings() -> None:
    """Silence remarks of libraries that a user of this program can do nothing about."""
    for text in (
        ".*does not have many workers.*",
        ".*in eval mode at the start of training.*",  # a frozen backbone
        ".*It is recommended to use `self.log.*sync_dist=True.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*The number of training batches .* is smaller than the logging interval.*",
        ".*could not find the monitored key.*",  # in an epoch that is not validated; else it is an error
        ".*Trying to infer the `batch_size`.*",
        ".*compute_uint8_.*|.*deterministic implementation.*",
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
        ".*lr_scheduler.step.*before.*optimizer.step.*",
        ".*pkg_resources.*",
    ):
        warnings.filterwarnings("ignore", message=text)
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    os.environ.setdefault("POSSIBLE_USER_WARNINGS", "off")  # Lightning's tips about other products


def _speed(batches: int | float, data: ClipDataModule, processes: int, rows: list[dict[str, float]]) -> float | None:
    """Training samples a second over all processes, validation and checkpoints included."""
    samples = min(len(data.sets["train"]), batches * data.data.batch_size * processes)
    spent = sum(row["seconds"] for row in rows)
    return len(rows) * samples / spent if spent else None
