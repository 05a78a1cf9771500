"""Bendjoudi et al. 2021 as an experiment: at its published size, and at that for CPUs."""

from __future__ import annotations

import pytest
import torch

from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.config import MultiFocalLoss, TrainConfig
from realfake.data.batch import Batch
from realfake.streams.stream import StreamValues


def stepped(cfg: TrainConfig) -> ApproachModule:
    """The module after the gradients of a training step on two noisy clips."""
    torch.manual_seed(0)
    module = ApproachModule(cfg).train()
    size = module.backbone.pixels.size
    shapes = {"pixels": (2, cfg.backbone.frames, size, size, 3), "units": (2, 75, 17), "units_apex": (2, 1, 2)}
    streams = {
        name: StreamValues(
            torch.randint(0, 256, shape, dtype=torch.uint8) if name == "pixels" else torch.randn(shape),
            torch.arange(shape[1]).expand(2, -1) / 25.0,
            torch.ones(shape[:2], dtype=torch.bool),
        )
        for name, shape in shapes.items()
    }
    both = torch.tensor([0, 1])
    batch = Batch(streams=streams, emotion=both, authenticity=both, clip=both, pair=both, sample=both)
    module._step(batch, "train").backward()
    return module


def check(module: ApproachModule) -> None:
    """Both classes' and the continuous loss reach the frames' network."""
    assert module.terms == ("emotion", "authenticity", "regression")
    assert all(isinstance(getattr(module.cfg.loss, task), MultiFocalLoss) for task in module.tasks)
    assert module.backbone.features == 2 * 2 * 128  # two directions of each stream, side by side
    assert module.auxiliary["regression"].layer.weight.shape == (2, 512)
    losses = module.train_means._steps[0].losses
    assert all(value > 0 for value in losses.values())
    frame = module.backbone.net.encoders["pixels"].frame
    assert all(p.grad is not None and p.grad.isfinite().all() for p in frame.parameters())


@pytest.mark.slow
def test_at_its_published_size() -> None:
    words = ["experiment=field/multi_task_huber", "backbone.frame.weights=none", "backbone.frames=2"]
    module = stepped(compose("train", words, TrainConfig))
    check(module)
    # Xception's 22,855,952 (Chollet 2017) without its 1000 classes of 2048 numbers.
    assert sum(p.numel() for p in module.backbone.net.encoders["pixels"].frame.parameters()) == 20_806_952
    assert sum(p.numel() for p in module.parameters()) == 22_858_290


def test_at_the_size_for_cpus() -> None:
    module = stepped(compose("train", ["experiment=field/small/multi_task_huber"], TrainConfig))
    check(module)
    assert sum(p.numel() for p in module.parameters()) == 604_762
