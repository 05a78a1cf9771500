"""``results.json``: what a run came to, and everything that is needed to trust the figure."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from realfake import __version__
from realfake.config import TrainConfig, as_plain
from realfake.data.face_choice import face_identity
from realfake.files import write_whole
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import Unreadable, read_json
from realfake.runs.settings import plugins_content
from realfake.scoring.metric_table import DEFINITIONS

COMPLETED, FAILED, INTERRUPTED = "completed", "failed", "interrupted"

_NOT_IDENTITY = ("sweep", "callbacks", "logger", "ckpt", "published", "experiment_name")
_PLACE = ("gpus", "require_gpu", "threads", "cpu_processes", "num_nodes")
"""Where a run computes, of the group ``trainer``; the threads, which change rounding, are noted by themselves."""

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy")


def read_results(folder: Path) -> dict[str, Any] | None:
    """What ``results.json`` of a folder holds; ``None`` if there is none or it is damaged."""
    try:
        found = read_json(Path(folder) / "results.json")
    except (OSError, Unreadable):
        return None
    return found if isinstance(found, dict) else None


def write_results(path: Path, values: dict[str, Any]) -> None:
    """Write a ``results.json``; numbers that are not finite become ``null``."""
    write_whole(path, json.dumps(_finite(values), indent=2, ensure_ascii=False) + "\n")


def describe_run(cfg: TrainConfig, run: RunFolder) -> dict[str, Any]:
    """The part of the results that is known before anything ran."""
    return {
        "status": None,
        "error": None,
        "approach": cfg.approach.name,
        "data": cfg.data.name,
        "face": face_identity(cfg.face),
        "experiment": cfg.experiment_name,
        "protocol": cfg.protocol,
        "overrides": run.overrides(),
        "seed": cfg.seed,
        "threads": run.noted_threads(),
        "metrics": {},
        "metric_definitions": DEFINITIONS,
        "best_epoch": None,
        "config_digest": config_digest(cfg),
        "published": cfg.published.model_dump() if cfg.published else None,
        "git_commit": git_commit(),
        "versions": versions(),
    }


def config_digest(cfg: TrainConfig) -> str:
    """Twelve hexadecimal characters that name what a run computes, whatever it is called and however it is logged."""
    plain = {key: value for key, value in as_plain(cfg).items() if key not in _NOT_IDENTITY}
    plain["plugins"] = plugins_content(plain)
    if not plain["plugins"]:  # as before there were any
        del plain["plugins"]
    plain["early_stopping"] = as_plain(cfg)["callbacks"]["early_stopping"]
    plain["trainer"] = {key: value for key, value in plain["trainer"].items() if key not in _PLACE}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def versions() -> dict[str, str]:
    """Versions of what computes."""
    found = {"realfake": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Commit of the checkout that the package runs from, ``+changes`` if it was edited; the one that it was installed
    from, if it was from a repository; else ``None``.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file():  # nor is it of a repository that its environment happens to lie in
        try:
            origin = distribution("realfake").read_text("direct_url.json")
        except PackageNotFoundError:
            return None
        commit: str | None = json.loads(origin or "{}").get("vcs_info", {}).get("commit_id")
        return commit
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
        state = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+changes" if state.stdout.strip() else "")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
