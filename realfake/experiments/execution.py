"""A run from its beginning to its end, whatever that is: skipped, resumed, completed, failed or interrupted."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from realfake.cli import discard_empty_run
from realfake.composing.composition import compose, random_id
from realfake.composing.messages import changed
from realfake.config import AutoFace, TrainConfig, as_plain
from realfake.data.derived_streams import streams_read
from realfake.data.preparation import prepare
from realfake.data.work import cores
from realfake.errors import Interrupted, UserError
from realfake.experiments.interruption import StopBetweenBatches
from realfake.experiments.placement import keep_threads, note_threads
from realfake.experiments.run_log import logged
from realfake.experiments.start import check_start, resolved
from realfake.experiments.summary import from_here
from realfake.files import STORY, Locked, disk_error, one_line, only_one, remove_parts
from realfake.registry import files as plugin_files
from realfake.runs.folder import RunFolder
from realfake.runs.results import (
    COMPLETED,
    FAILED,
    INTERRUPTED,
    describe_run,
    read_results,
    write_results,
)
from realfake.runs.settings import differences

log, story = logging.getLogger(__name__), logging.getLogger(STORY)


class Kept(dict[str, Any]):
    """Results of an earlier attempt that is left as it is."""


class RunFailed(UserError):
    """A run ended with an error that is described in its own folder."""


class TrainedElsewhere(UserError):
    """Another process trains the run at this moment."""


def execute(
    cfg: TrainConfig, run: RunFolder, *, in_sweep: bool = False, share: int | None = None, wait: bool = False
) -> dict[str, Any]:
    """Carry a run out, and leave ``results.json`` however it ends. One process at a time does so in a folder.

    Args:
        cfg: The configuration.
        run: Its folder, which exists and holds ``.hydra/``.
        in_sweep: Whether the folder may hold an earlier attempt at the same run, see ``cfg.sweep``.
        share: Threads that a parallel launcher leaves to the run, if nothing else says how many it takes.
        wait: Whether to wait for another process that trains this run, and take its results.

    Returns:
        The results; :class:`Kept` if the run is left as it is.

    Raises:
        TrainedElsewhere: If another process trains this run.
        RunFailed: If the run fails, or had failed and is left as it is.
        DiskError: If the disk is full or read-only; what was reached by then is kept, to go on from.
        Interrupted: If a signal came.
    """
    if not first_of_cluster():  # the first process holds the lock for all
        return carry_out(cfg, run, in_sweep=in_sweep, share=share)
    on_wait = (lambda: log.info("waiting for another process that trains %s", run.path)) if wait else None
    try:
        with only_one(run.path, on_wait) as lock:
            remove_parts(run.path, deep=False)
            remove_parts(run.checkpoints, deep=False)
            return carry_out(cfg, run, in_sweep=in_sweep, share=share, lock=lock)
    except Locked:
        raise TrainedElsewhere(
            f"{run.path}: another process trains this run; let it end, or give another hydra.run.dir"
        ) from None


def carry_out(
    cfg: TrainConfig, run: RunFolder, *, in_sweep: bool = False, share: int | None = None, lock: int | None = None
) -> dict[str, Any]:
    """:func:`execute` for a process that holds the run's lock (its descriptor), or works for the one that does."""
    goes_on = (in_sweep or cfg.ckpt == "last") and run.trained_config.is_file()
    begun_with = run.load_config().face if goes_on and isinstance(cfg.face, AutoFace) else None
    if in_sweep:
        earlier = read_results(run.path)
        cfg = resolved(cfg, begun_with=begun_with)
        changes = changes_since(run, cfg)
        kept = None if changes else _kept(earlier, run, cfg)
        if kept is not None:
            return kept
        if changes:
            log.warning("%s: trained again, since it was begun with other settings: %s", run.path, ", ".join(changes))
        if cfg.sweep.resume and not changes and earlier_attempt_goes_on(earlier, run):
            cfg = changed(cfg, {"ckpt": "last"})
        else:
            _clear(run)
    stop = StopBetweenBatches()
    with ExitStack() as stack:
        stack.enter_context(stop.listening())
        try:
            cfg = keep_threads(
                _unless_damaged(resolved(cfg, begun_with=begun_with), run), run, in_sweep=in_sweep, share=share
            )
            if in_sweep:
                log.info("%s: %s", from_here(run.path), shlex.join(run.overrides()))
            return _train(cfg, run, stop, lock)
        except Interrupted as error:
            write_results(run.results, describe_run(cfg, run) | {"status": INTERRUPTED, "error": str(error)})
            log.warning("%s; go on with ckpt=last hydra.run.dir=%s", error, run.path)
            raise
        except Exception as error:
            fix = f"give another hydra.{'sweep' if in_sweep else 'run'}.dir"
            if (full := disk_error(error, run.path, fix)) is not None:
                with suppress(OSError, UserError):  # kept as it is, to go on from when there is room
                    write_results(run.results, describe_run(cfg, run) | {"status": INTERRUPTED, "error": str(full)})
                raise full from error
            line = _one_line(error)
            if isinstance(error, UserError) and not in_sweep and not run.checkpoints.exists():
                raise  # nothing began: nothing is left behind
            log.debug("the run failed", exc_info=True)
            with suppress(OSError), run.log.open("a", encoding="utf-8") as file:
                file.write(traceback.format_exc())
            if not run.trained_config.is_file():
                run.save_config(cfg, None)
            write_results(run.results, describe_run(cfg, run) | {"status": FAILED, "error": line})
            raise RunFailed(f"{run.path}: {line}") from error


def train(overrides: Sequence[str], folder: str | Path | None = None) -> dict[str, Any]:
    """Train from Python, e.g. in a notebook, as ``realfake train`` does on the command line.

    Args:
        overrides: As on the command line, e.g. ``["approach=temporal", "seed=1"]``.
        folder: Of the run; ``None`` = a new one below ``outputs/``.

    Returns:
        The results, with the folder under ``run``.

    Raises:
        UserError: If the run cannot begin, or fails.
    """
    from omegaconf import OmegaConf

    cfg = compose("train", list(overrides), TrainConfig)
    check_start(cfg)
    if folder is None:
        folder = Path("outputs") / cfg.approach.name / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{random_id()}"
    run = RunFolder(Path(folder).expanduser())
    with one_line(run.path):
        run.config.parent.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(as_plain(cfg)), run.config)
        OmegaConf.save(OmegaConf.create(list(overrides)), run.overrides_file)
        runtime = {"hydra": {"runtime": {"cwd": str(Path.cwd())}}}
        OmegaConf.save(OmegaConf.create(runtime), run.config.with_name("hydra.yaml"))
        try:
            with logged(run):
                results = execute(cfg, run)
        except UserError:
            discard_empty_run(run.path)
            raise
    return {**results, "run": str(run.path)}


def earlier_attempt_goes_on(earlier: dict[str, Any] | None, run: RunFolder) -> bool:
    """Whether an unfinished attempt left a checkpoint; one that failed by itself would only fail again."""
    return run.last.is_file() and (earlier or {}).get("status") not in (COMPLETED, FAILED)


def changes_since(run: RunFolder, cfg: TrainConfig) -> list[str]:
    """What has changed since the run in a folder was begun, of its configuration and of the data that it read.

    Empty if nothing has, or if nothing is known of it: the run is older than the note, its data cannot be had now.
    """
    if not run.trained_config.is_file():
        return []
    now = as_plain(cfg)
    # First, since what a plugin is now may not take what it was configured with then.
    plugins = differences({"plugins": run.noted_plugins()}, {"plugins": now["plugins"]})
    changes = plugins or differences(as_plain(run.load_config()), now)
    fingerprint = run.trained_on()
    if changes or fingerprint is None:
        return changes
    try:
        store = prepare(cfg.data, cfg.face)
        read = streams_read(store, {**cfg.streams, **cfg.targets}.values(), cfg.signals)
    except UserError as error:
        log.warning("%s: whether its data is still the same cannot be told: %s", run.path, error)
        return []
    if store.fingerprint != fingerprint:
        return ["the data"]
    return [] if run.signals_read() in ([], read) else ["the files that signals are read from or computed with"]


def _kept(earlier: dict[str, Any] | None, run: RunFolder, cfg: TrainConfig) -> dict[str, Any] | None:
    """Results of an earlier attempt that is left as it is; raises :class:`RunFailed` if it had failed."""
    if earlier is None or cfg.sweep.rerun == "all":
        return None
    if earlier.get("status") == COMPLETED:
        known = run.trained_config.is_file()
        unknown = "" if known else " by an older version, which did not note with what settings"
        (story if known else log).info("%s: completed before%s: left as it is", run.path, unknown)
        return Kept(earlier)
    if earlier.get("status") == FAILED and cfg.sweep.rerun != "failed":
        raise RunFailed(f"{earlier.get('error')} (failed before: left as it is; sweep.rerun=failed tries again)")
    return None


def _clear(run: RunFolder) -> None:
    """Remove what an earlier attempt left, so that nothing of it passes for new."""
    import shutil

    run.forget_tests()
    for path in (run.results, run.metrics):
        path.unlink(missing_ok=True)
    for folder in (run.checkpoints, run.tensorboard):
        shutil.rmtree(folder, ignore_errors=True)


def _unless_damaged(cfg: TrainConfig, run: RunFolder) -> TrainConfig:
    """The configuration, without going on from the run's own checkpoint if that is damaged: then all begins anew."""
    from realfake.runs.checkpoints import damage

    if cfg.ckpt != "last" or not run.last.is_file() or started_by_cluster():
        return cfg
    problem = damage(run)
    if problem is None:
        return cfg
    log.warning("%s; the run is trained anew", problem)
    _clear(run)
    return changed(cfg, {"ckpt": None})


def _train(cfg: TrainConfig, run: RunFolder, stop: StopBetweenBatches, lock: int | None) -> dict[str, Any]:
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from realfake.experiments.loggers import close_loggers
    from realfake.experiments.training import train_here
    from realfake.runs.devices import choose_devices, use_threads

    devices = choose_devices(cfg.trainer)
    if devices.count > 1 and not started_by_cluster():
        return train_in_processes(cfg, run, devices.count, lock)
    try:
        with use_threads(cfg.trainer.threads) as threads:
            note_threads(run, threads)
            return train_here(cfg, run, devices, stop)
    except SIGTERMException:  # what Lightning makes of it, at the border of two batches as well
        raise Interrupted(signal.SIGTERM) from None
    finally:
        close_loggers()


def started_by_cluster() -> bool:
    """Whether torchrun or SLURM has started one process a device already."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) > 1


def first_of_cluster() -> bool:
    """Whether this process is the first of those that torchrun or SLURM started, or the only one."""
    return not started_by_cluster() or os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


def train_in_processes(cfg: TrainConfig, run: RunFolder, processes: int, lock: int | None = None) -> dict[str, Any]:
    """Train in several processes of this machine, one a device, by torchrun.

    The processes are given the configuration of this very run. (Lightning's own launcher repeats the command line,
    which inside of a sweep would start the whole sweep again.) They hold the run's lock too, since they outlive this
    process if that is killed.

    Raises:
        RunFailed: If a process fails; the others are ended.
        Interrupted: If a signal came; the processes have got it too.
    """
    if cfg.ckpt == "last":
        from realfake.runs.checkpoints import resume_path

        cfg = changed(cfg, {"ckpt": str(resume_path(cfg, run))})
    run.results.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
        "-m", "realfake.experiments.worker", str(run.path), json.dumps(as_plain(cfg)),
        json.dumps(plugin_files()),
    ]  # fmt: skip
    log.info("starting %d processes", processes)
    environment = {"OMP_NUM_THREADS": str(max(1, cores() // processes)), **os.environ}
    if cfg.trainer.threads is not None:
        environment["OMP_NUM_THREADS"] = str(cfg.trainer.threads)
    child = subprocess.Popen(command, env=environment, pass_fds=() if lock is None else (lock,))
    try:
        code = child.wait()
    except BaseException:
        child.terminate()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
        raise
    results = read_results(run.path)
    if results is None:
        raise RunFailed(f"the processes ended with exit status {code} before testing was done; see {run.log}")
    if results["status"] != COMPLETED:
        raise RunFailed(str(results["error"]))
    return results


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, UserError) or text.startswith("diverged") else f"{type(error).__name__}: {text}"
