"""Folders of finished runs as training leaves them, made from random numbers: they say nothing about any model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from realfake.labels import AUTHENTICITIES, EMOTIONS
from realfake.scoring.metric_table import DEFINITIONS
from realfake.scoring.predictions import Predictions

SUBJECTS = tuple(f"s{i:02}" for i in range(10))


def fake_config(approach: str = "single_task", loss_mix: str = "sum", seed: int = 0, fold: int = 0) -> dict[str, Any]:
    """A part of what training composes, in the same layout."""
    return {
        "approach": {"name": approach, "samples": "frames", "tasks": ["joint"]},
        "data": {"name": "synthetic", "workers": None, "cache": "none"},
        "split": {"name": "kfold", "folds": 5, "fold": fold, "val": 0.2, "seed": 0, "official": True},
        "loss_mix": {"name": loss_mix},
        "optimizer": {"name": "sgd", "lr": 0.01},
        "trainer": {"gpus": "auto", "max_epochs": 30, "threads": None},
        "logger": {"tensorboard": {"graph": False}},
        "callbacks": {"early_stopping": None, "progress_bar": "none", "plots": True},
        "sweep": {"name": "demo", "resume": True},
        "seed": seed,
        "optimized_metric": "val/clip/joint_accuracy",
        "experiment_name": None,
    }


def fake_predictions(
    rng: np.random.Generator, skill: float, subjects: Sequence[str]
) -> tuple[Predictions, pd.DataFrame]:
    """Predictions of every emotion and authenticity of some subjects, some of whom are harder than others."""
    rows = list(itertools.product(subjects, range(len(EMOTIONS)), range(len(AUTHENTICITIES))))
    emotion, authenticity = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))
    ease = np.repeat(rng.normal(0, 0.7, len(subjects)), len(rows) // len(subjects))
    logits = rng.normal(size=(len(rows), 12))
    logits[np.arange(len(rows)), 6 * authenticity + emotion] += 3 * skill + ease
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    clips = pd.DataFrame(
        {
            "clip": [f"{s}/{AUTHENTICITIES[a]}_{EMOTIONS[e]}" for s, e, a in rows],
            "dataset": "synthetic",
            "subject": [s for s, _, _ in rows],
            "pair": [f"{s}/{EMOTIONS[e]}" for s, e, _ in rows],
        }
    )
    return Predictions.from_tasks({"joint": p}, np.arange(len(rows)), emotion, authenticity), clips


def clip_metrics(p: Predictions) -> dict[str, float]:
    """Accuracies of predictions, by hand."""
    return {
        f"{task}_accuracy": float((p.true(task) == p.predicted(task)).mean())
        for task in ("joint", "emotion", "authenticity")
    }


def write_run(
    folder: Path,
    overrides: Sequence[str] = (),
    config: dict[str, Any] | None = None,
    *,
    skill: float = 0.5,
    seed: int = 0,
    subjects: Sequence[str] = SUBJECTS,
    epochs: int = 30,
    status: str = "completed",
    error: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Write the folder of a run; returns what ``results.json`` holds."""
    rng = np.random.default_rng(seed)
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config or fake_config()))
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    (folder / "run.log").write_text("\n".join(f"[2026-01-01 12:00:{i:02} INFO] line {i}" for i in range(40)) + "\n")
    results: dict[str, Any] = {
        "status": status, "error": error, "approach": "single_task", "experiment": None, "overrides": list(overrides),
        "seed": seed, "metrics": {}, "metric_definitions": DEFINITIONS,
        "best_epoch": None, "config_digest": "0123456789ab", "published": None,
        "git_commit": "0" * 40, "versions": {"realfake": "0.1.0"},
    }  # fmt: skip
    if status == "completed":
        predictions, clips = fake_predictions(rng, skill, subjects)
        predictions.table(clips).to_csv(folder / "predictions.csv", index=False)
        epoch = np.arange(epochs)
        rise = skill * (1 - np.exp(-epoch / 6))
        table = pd.DataFrame({"epoch": epoch, "seconds": 1.5, "lr": 0.01})
        for stage, gap in (("train", 0.1), ("val", 0.0)):
            table[f"{stage}/frame/loss"] = 2.5 * np.exp(-rise - gap) + rng.normal(0, 0.03, epochs)
            for level in ("frame", "clip"):
                for name in ("joint_accuracy", "emotion_accuracy", "authenticity_accuracy", "authenticity_auroc"):
                    table[f"{stage}/{level}/{name}"] = np.clip(rise + gap + rng.normal(0, 0.03, epochs), 0, 1)
        table.to_csv(folder / "metrics.csv", index=False)
        best = int(table["val/clip/joint_accuracy"].argmax())
        figures = {f"test/clip/{k}": v for k, v in clip_metrics(predictions).items()}
        figures |= {"test/clip/authenticity_auroc": 0.5 + skill / 3, "test/frame/loss": 2.0 - skill}
        figures |= {str(k): float(v) for k, v in table.iloc[best].items() if "/" in str(k)}
        results |= {
            "metrics": figures, "optimized_metric": "val/clip/joint_accuracy", "best_epoch": best, "epochs": epochs,
            "seconds": {"fit": 40.0, "test": 2.0, "total": 40.0 + 10 * rng.random()}, "samples_per_second": 512.3,
            "parameters": {"all": 11_000_000, "trained": 11_000_000}, "data_fingerprint": "feedbeef", "device": "cpu",
        }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results | more))
    return results | more


def write_sweep(
    folder: Path, seeds: int = 2, folds: int = 2, mixes: Sequence[str] = ("sum", "dwa")
) -> list[dict[str, Any]]:
    """Write a sweep of approaches × loss mixes × seeds × folds."""
    written = []
    approaches = ("single_task", "multi_task", "temporal")
    for n, (a, m, seed, fold) in enumerate(itertools.product(approaches, mixes, range(seeds), range(folds))):
        overrides = [
            f"approach={a}",
            f"loss_mix={m}",
            f"seed={seed}",
            "split=kfold",
            f"split.fold={fold}",
            "sweep.name=demo",
        ]
        written.append(
            write_run(
                folder / f"{n:012x}",
                overrides,
                fake_config(a, m, seed, fold),
                skill=0.35 + 0.25 * approaches.index(a) + 0.05 * (m != "sum"),
                seed=100 * n + seed,
                subjects=[f"s{fold}{i}" for i in range(10)],
            )
        )
    return written
