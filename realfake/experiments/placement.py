"""Where a run computes: in a parallel sweep on one machine with a GPU of its own or its share of the cores.

How many threads torch takes is part of what a run computes: sums over other pieces round differently, and the
differences grow from step to step. So a run notes its number where it can be found again, and what goes on later, in
another place, keeps to it.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.composing.messages import changed
from realfake.config import TrainConfig
from realfake.data.work import cores
from realfake.files import Locked, only_one, write_whole
from realfake.runs.folder import RunFolder

if TYPE_CHECKING:
    from hydra.conf import HydraConf

log = logging.getLogger(__name__)

PARALLEL_LAUNCHERS = ("JoblibLauncher",)
"""Launchers that run several jobs at once on this machine without dividing it themselves, as SLURM and Ray do."""


@contextmanager
def placed(cfg: TrainConfig, hydra_cfg: HydraConf) -> Iterator[tuple[TrainConfig, int | None]]:
    """The configuration of a job with its GPU filled in, and its share of the threads; held while the block runs.

    Yields:
        The configuration, and the threads that each process of the run may take; ``None`` = as many as torch takes.
    """
    launcher: Any = hydra_cfg.launcher
    job: Any = hydra_cfg.job
    if not str(launcher.get("_target_", "")).endswith(PARALLEL_LAUNCHERS) or "num" not in job:
        yield cfg, None
        return
    import torch

    visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if visible and cfg.trainer.gpus in ("auto", 1):
        with claim_gpu(visible) as gpu:
            yield with_trainer(cfg, gpus=[gpu]), None
        return
    jobs = int(launcher.get("n_jobs") or -1)
    jobs = jobs if jobs > 0 else max(1, cores() + 1 + jobs)
    yield cfg, max(1, cores() // (jobs * cfg.trainer.cpu_processes))


@contextmanager
def claim_gpu(visible: int) -> Iterator[int]:
    """Hold the number of a GPU that no other job of this user on this machine holds; waits for one.

    The claim is a file lock, which ends with the process however that ends.
    """
    folder = Path(tempfile.gettempdir()) / f"realfake-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for number in range(visible):
            place = folder / str(number)
            place.mkdir(exist_ok=True)
            with ExitStack() as stack:
                try:
                    stack.enter_context(only_one(place, on_wait=None))
                except Locked:
                    continue
                yield number
                return
        time.sleep(1.0)


def keep_threads(cfg: TrainConfig, run: RunFolder, *, in_sweep: bool, share: int | None) -> TrainConfig:
    """Fill in ``trainer.threads`` where it is not set.

    Args:
        cfg: The configuration.
        run: Its folder.
        in_sweep: Whether the folders beside it are runs of the same sweep.
        share: What a parallel launcher leaves to the run.

    Returns:
        The configuration, with the number that this run had before, that of the run whose checkpoint it goes on from,
        or that of the sweep's other runs; else with the share, which may be ``None``.
    """
    if cfg.trainer.threads is not None:
        return cfg
    numbers = (other.noted_threads() for other in _relatives(cfg, run, in_sweep))
    earlier = next((number for number in numbers if number is not None), None)
    if earlier is not None and share not in (None, earlier):
        log.info("%d threads, as before; this launcher would give %d (trainer.threads=… chooses)", earlier, share)
    return with_trainer(cfg, threads=earlier or share)


def note_threads(run: RunFolder, threads: int) -> None:
    """Write down, before anything is computed, with how many threads a run computes: it may be killed."""
    write_whole(run.threads, f"{threads}\n")


def _relatives(cfg: TrainConfig, run: RunFolder, in_sweep: bool) -> Iterator[RunFolder]:
    """Folders of the runs whose number of threads this one has to have, the nearest first."""
    if in_sweep or cfg.ckpt is not None:
        yield run
    if cfg.ckpt is not None:
        from realfake.runs.checkpoints import resume_path

        checkpoint = resume_path(cfg, run)
        assert checkpoint is not None
        yield RunFolder(checkpoint.parent.parent)
    if in_sweep:
        yield from map(RunFolder, sorted(path for path in run.path.parent.iterdir() if path.is_dir()))


def with_trainer(cfg: TrainConfig, **changes: Any) -> TrainConfig:
    """The configuration with other values in the group ``trainer``."""
    return changed(cfg, {f"trainer.{key}": value for key, value in changes.items()})
