"""Parts so small that something cannot be measured: one clip, or clips of one class."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.sources import build_source
from realfake.experiments.execution import train

WORDS = [
    "data=csv", "data.size=32", "data.prepare_workers=1", "face=none", "split=official", "approach=multi_task",
    "backbone=tiny_cnn", "backbone.input.size=32", "sampling.frames_per_clip=1", "data.workers=0", "trainer.threads=1",
    "callbacks=early_stopping", "callbacks.plots=false", "callbacks.early_stopping.patience=3", "trainer.max_epochs=2",
    "optimized_metric=val/clip/authenticity_auroc",
]  # fmt: skip


def test_what_so_small_parts_cannot_show_is_said(tiny_data: list[str], tmp_path: Path) -> None:
    """Training and validation clips are real, and one clip is tested."""
    source = build_source(compose("train", tiny_data, TrainConfig).data, progress=False)
    listing = source.listing()
    people = sorted({clip.subject for clip in listing.clips})
    rows, tested = ["path,subject,emotion,authenticity,part"], 0
    for clip in listing.clips:
        part = {people[0]: "test", people[1]: "val"}.get(clip.subject, "train")
        tested += part == "test"
        if (part == "test" and tested > 1) or (part != "test" and not clip.authenticity):
            continue
        label = "real" if clip.authenticity else "fake"
        video = Path(source.root) / clip.path
        rows.append(f"{video},{clip.subject},{listing.emotions[clip.emotion]},{label},{part}")
    (tmp_path / "sheet.csv").write_text("\n".join(rows))
    place = [f"data.root={tmp_path}/sheet.csv", f"data.prepared={tmp_path}/prepared"]
    results = train([*WORDS, *place], tmp_path / "run")
    assert results["best_epoch"] is None
    assert results["epochs"] == 2, "an undefined metric ends no training"
    kept = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)
    assert kept["epoch"] == 1, "the last epoch"
    assert results["lacking"] == [
        "The training part shows one class of authenticity alone, real: no other can be learned."
    ]
    said = "No epoch was selected: val/clip/authenticity_auroc is undefined on the validation part"
    assert said in (tmp_path / "run/run.log").read_text()
    assert said in (tmp_path / "run/index.html").read_text()
    assert math.isfinite(results["metrics"]["test/clip/loss"])
    assert len((tmp_path / "run/predictions.csv").read_text().splitlines()) == 2
