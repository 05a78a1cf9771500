"""Two heads on one backbone pass against a pass a head, and frozen networks whose features are stored.

python -m benchmarks.backbones
"""

from __future__ import annotations

import argparse
import statistics
import time
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pytorch_lightning import seed_everything

from benchmarks.results import add_out, report
from realfake.approaches import build_datamodule
from realfake.approaches.features import use_features
from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.config import TrainConfig

LARGE = ["approach=multi_task", "backbone=inception_resnet_v1", "augmentation=none"]
FROZEN = {
    "frames": (*LARGE, "backbone.freeze=true", "sampling.frames_per_clip=4"),
    "sequences": (
        "approach=temporal_multi_task",
        "backbone@backbone.frame=inception_resnet_v1",
        "backbone.frame.freeze=true",
        "backbone.frames=6",
    ),
}
"""What is frozen → overrides; all of it sees each crop about once an epoch."""


def shared(batch: int, repeats: int) -> list[float]:
    """Seconds of a training step with a pass a head, over those of one shared pass; pairs in turn."""
    cfg = compose("train", LARGE, TrainConfig)
    seed_everything(0, verbose=False)
    module = ApproachModule(cfg).train()
    blank = module.backbone.blank(batch)
    assert isinstance(blank, torch.Tensor)
    x = torch.randn_like(blank)
    emotion, authenticity = torch.randint(0, 6, (batch,)), torch.randint(0, 2, (batch,))

    def step(passes: int) -> float:
        start = time.perf_counter()
        if passes == 1:
            logits = module.logits(x)
        else:
            logits = {task: head(module.backbone(x)) for task, head in module.heads.items()}
        loss = torch.nn.functional.cross_entropy(logits["emotion"], emotion)
        loss = loss + torch.nn.functional.cross_entropy(logits["authenticity"], authenticity)
        module.zero_grad()
        loss.backward()
        return time.perf_counter() - start

    step(1)
    return [step(2) / step(1) for _ in range(repeats)]


def frozen(subjects: int, *words: str) -> tuple[float, float]:
    """Seconds of the first epoch, for which the features are computed and stored, and of the second, on the same."""
    with TemporaryDirectory() as prepared:
        given = (f"data.prepared={prepared}", f"data.subjects={subjects}", "data.seconds=1.5", "data.rate_fps=4")
        cfg = compose("train", ["augmentation=none", *given, *words], TrainConfig)
        seed_everything(0, verbose=False)
        data = build_datamodule(cfg)
        data.setup()
        module = ApproachModule(cfg, data.class_counts())
        optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad])

        def epoch() -> None:
            for batch in data.train_dataloader():
                logits = module(batch["streams"])
                loss = torch.nn.functional.cross_entropy(logits["emotion"], batch["emotion"])
                loss = loss + torch.nn.functional.cross_entropy(logits["authenticity"], batch["authenticity"])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        start = time.perf_counter()
        use_features(cfg, module, data, torch.device("cpu"))
        epoch()
        middle = time.perf_counter()
        epoch()
        return middle - start, time.perf_counter() - middle


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--subjects", type=int, default=4)
    add_out(parser)
    args = parser.parse_args()
    ratios = shared(args.batch, args.repeats)
    epochs = {name: frozen(args.subjects, *words) for name, words in FROZEN.items()}
    figures: dict[str, Any] = {"pass_a_head_over_shared": ratios, "frozen_epochs_seconds": epochs}
    rows = [
        (
            "inception_resnet_v1, two heads: a pass a head, over one pass",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            "1.8",
        ),
        *(
            (f"frozen inception_resnet_v1, {name}: first epoch over second", f"{first / second:.0f}", "100")
            for name, (first, second) in epochs.items()
        ),
    ]
    report("Backbones", rows, {"backbones": figures}, args.out)


if __name__ == "__main__":
    main()
