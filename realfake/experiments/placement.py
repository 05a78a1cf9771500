"""Where the runs of a parallel sweep on one machine compute: each has a GPU of its own, or its share of the cores."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.config import TrainConfig

if TYPE_CHECKING:
    from hydra.conf import HydraConf

PARALLEL_LAUNCHERS = ("JoblibLauncher",)
"""Launchers that run several jobs at once on this machine without dividing it themselves, as SLURM and Ray do."""


@contextmanager
def placed(cfg: TrainConfig, hydra_cfg: HydraConf) -> Iterator[TrainConfig]:
    """The configuration of a job with its place filled in; the place is held while the block runs."""
    launcher: Any = hydra_cfg.launcher
    job: Any = hydra_cfg.job
    if not str(launcher.get("_target_", "")).endswith(PARALLEL_LAUNCHERS) or "num" not in job:
        yield cfg
        return
    import torch

    visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if visible and cfg.trainer.gpus in ("auto", 1):
        with claim_gpu(visible) as gpu:
            yield _with(cfg, gpus=[gpu])
        return
    cores = len(os.sched_getaffinity(0))
    jobs = int(launcher.get("n_jobs") or -1)
    jobs = jobs if jobs > 0 else max(1, cores + 1 + jobs)
    yield _with(cfg, threads=cfg.trainer.threads or max(1, cores // jobs))


@contextmanager
def claim_gpu(visible: int) -> Iterator[int]:
    """Hold the number of a GPU that no other job of this user on this machine holds; waits for one.

    The claim is a file lock, which ends with the process however that ends.
    """
    folder = Path(tempfile.gettempdir()) / f"realfake-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for number in range(visible):
            with (folder / f"{number}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                yield number
                return
        time.sleep(1.0)


def _with(cfg: TrainConfig, **changes: Any) -> TrainConfig:
    return cfg.model_copy(update={"trainer": cfg.trainer.model_copy(update=changes)})
