"""Checkpoints of runs: read as tensors and plain values only, never as code."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from realfake import models
from realfake.config import TrainConfig, require
from realfake.errors import UserError
from realfake.files import open_whole, write_whole
from realfake.runs.folder import RunFolder, checkpoint_of
from realfake.runs.results import COMPLETED, config_digest, read_results

if TYPE_CHECKING:
    from realfake.approaches.module import ApproachModule
    from realfake.models import Backbone

log = logging.getLogger(__name__)


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; raises :class:`realfake.files.DiskError`."""
    with open_whole(path, _tensor_bytes(state)) as file:
        torch.save(state, file)


def _tensor_bytes(state: Any) -> int:
    if isinstance(state, torch.Tensor):
        return state.nbytes
    values = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return sum(map(_tensor_bytes, values))


def damage(run: RunFolder) -> str | None:
    """Why a run's ``last.ckpt`` is nothing to go on from, in one line; ``None`` if it is whole, and what belongs to it.

    To it belongs the ``best.ckpt`` that it counts on, if an epoch has been the best one by then.
    """
    try:
        state = read_checkpoint(run.last)
        counted_on = {
            Path(kept["best_model_path"]).name
            for kept in state.get("callbacks", {}).values()
            if isinstance(kept, dict) and kept.get("best_model_path")
        }
        if run.best.name in counted_on:
            read_checkpoint(run.best)
    except UserError as error:
        return str(error)
    return None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint of this program.

    Raises:
        UserError: If it is missing, damaged, holds code (which is not run), or is another program's.
    """
    state = models.read_checkpoint(path)
    if not isinstance(state, dict) or "realfake" not in state or "state_dict" not in state:
        raise UserError(
            f"{path}: not a checkpoint of realfake; other programs' weights go into backbone.weights=<file>"
        )
    about, tensors = state["realfake"], state["state_dict"]
    if not isinstance(about, dict) or not isinstance(tensors, dict) or not _are_tensors(tensors):
        raise UserError(f"{path}: damaged: expected names and tensors under state_dict, and keys and values beside it")
    return state


def _are_tensors(state: dict[Any, Any]) -> bool:
    return all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items())


def load_weights(module: ApproachModule, path: Path) -> None:
    """Load a checkpoint's weights into a module of the same configuration; raises :class:`UserError` if they differ."""
    state = read_checkpoint(path)["state_dict"]
    own = module.state_dict()
    wrong = sorted(own.keys() ^ state.keys()) or [k for k in own if own[k].shape != state[k].shape]
    if wrong:
        raise UserError(f"{path}: {len(wrong)} tensors do not fit the run's configuration, e.g. {', '.join(wrong[:5])}")
    # A mix has nothing to do with what a network says, and notes by NaN what it does not know yet.
    if bad := models.unusable(own, {name: value for name, value in state.items() if not name.startswith("mix.")}):
        raise UserError(f"{path}: {bad}")
    module.load_state_dict(state)


def resume_path(cfg: TrainConfig, run: RunFolder) -> Path | None:
    """The checkpoint to go on from; ``None`` to start anew.

    ``ckpt=last`` means this run's own ``last.ckpt`` or, in a new folder, that of the newest unfinished run with the
    same configuration beside it.

    Raises:
        UserError: If there is none.
    """
    if cfg.ckpt is None:
        return None
    if cfg.ckpt != "last":
        path = checkpoint_of("ckpt", cfg.ckpt, "last")
        saved = read_checkpoint(path)["realfake"].get("config")
        require(saved.get("plugins") if isinstance(saved, dict) else None, path)
        return path
    if run.last.is_file():
        with suppress(UserError):  # a metric that it measured need not be there any more
            require(run.noted_plugins(), run.last)
        return run.last
    digest = config_digest(cfg)
    beside = sorted(run.path.parent.glob("*/checkpoints/last.ckpt"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in beside:
        other = RunFolder(path.parent.parent)
        if (read_results(other.path) or {}).get("status") == COMPLETED:
            continue
        try:
            if config_digest(other.load_config()) == digest and damage(other) is None:
                return path
        except UserError:
            continue
    raise UserError(
        f"ckpt=last: no unfinished run with this configuration in {run.path.parent}; give ckpt=<run>, or "
        "hydra.run.dir=<folder of the run>"
    )


def take_best(checkpoint: Path, run: RunFolder) -> None:
    """Bring the best weights so far into the folder of a run that goes on from another folder's checkpoint.

    Raises:
        UserError: If they are not beside the checkpoint.
    """
    best = checkpoint.with_name(run.best.name)
    if best.resolve() == run.best.resolve():
        return
    if not best.is_file():
        raise UserError(
            f"{checkpoint}: no {best.name} beside it, whose epoch may stay the best one; resume from a run's own folder"
        )
    run.best.parent.mkdir(parents=True, exist_ok=True)
    write_whole(run.best, best.read_bytes())  # by every process, each of which finds all of it or nothing


def remember(path: Path, learned: dict[str, Any]) -> None:
    """Write into a checkpoint whom its weights have learned (as :meth:`realfake.data.learned.Learned.as_plain`)."""
    state = read_checkpoint(path)
    state["realfake"]["learned"] = learned
    write_checkpoint(path, state)


def require_same_backbone(cfg: TrainConfig, initial: Path) -> None:
    """Refuse a run that would start from another network than its own, before any data is touched.

    Raises:
        UserError: If so, with the override that makes them the same; if the checkpoint cannot be read.
    """
    saved = read_checkpoint(initial)["realfake"].get("config")
    backbone = saved.get("backbone") if isinstance(saved, dict) else None
    name = backbone.get("name") if isinstance(backbone, dict) else None
    if isinstance(saved, dict):
        require(saved.get("plugins"), initial, only=f"backbone={name}")
    if isinstance(name, str) and name != cfg.backbone.name:
        raise UserError(
            f"init_from={cfg.init_from}: its backbone is {name}, not {cfg.backbone.name}: add backbone={name}"
        )


def take_backbone(backbone: Backbone, source: str) -> None:
    """Start from the trained backbone of another run, or of a converted checkpoint; heads are not taken over.

    Args:
        backbone: Receives the weights.
        source: A run's folder, or a checkpoint.

    Raises:
        UserError: If there is none, or its backbone is another network.
    """
    path = checkpoint_of("init_from", source, "best")
    state = read_checkpoint(path)["state_dict"]
    own = {k.removeprefix("backbone."): v for k, v in state.items() if k.startswith("backbone.")}
    models.load_backbone_state(backbone, own, str(path))
    log.info("backbone taken from %s", path)
