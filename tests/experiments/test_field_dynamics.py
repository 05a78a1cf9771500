"""Systems of facial dynamics: sizes as published, trained at that size, and what they say of a video."""

from __future__ import annotations

from pathlib import Path

import pytest

import realfake
from realfake.approaches import build_module
from realfake.composing.composition import compose
from realfake.config import PairSvmHead, TrainConfig
from realfake.data.sources import build_source
from realfake.experiments.execution import train
from realfake.models.pair_svm import PairSvm
from realfake.runs.network import open_trained


def test_the_published_ranking_has_the_published_sizes() -> None:
    """62 statistics of seven units, and 75 machines of C = 1 on half of the differences each."""
    cfg = compose("train", ["experiment=field/dynamics_svm"], TrainConfig)
    module = build_module(cfg)
    assert module.backbone.features == 62 * 7
    head = module.heads["authenticity"]
    assert isinstance(head, PairSvm)
    assert head.weight.shape == (2, 434)
    assert isinstance(cfg.head, PairSvmHead)
    assert (cfg.head.members, cfg.head.C, cfg.head.share) == (75, 1.0, 0.5)
    assert cfg.published is not None
    assert cfg.published.metrics == {"test/clip/authenticity_accuracy": 0.667}


@pytest.mark.parametrize("name", ["svm", "logistic", "trees"])
def test_small_sizes_inherit_the_published_ones(name: str) -> None:
    large, small = (compose("train", [f"experiment=field/{s}dynamics_{name}"], TrainConfig) for s in ("", "small/"))
    assert small.backbone == large.backbone
    assert large.published is not None
    assert small.published is None  # a figure of another size
    assert small.experiment_name == f"field/small/dynamics_{name}"


def test_a_system_is_trained_tested_and_asked(tiny: list[str], tmp_path: Path) -> None:
    results = train([*tiny, "experiment=field/dynamics_svm", "callbacks=quiet"], tmp_path / "run")
    assert results["epochs"] == 1
    assert results["published"]["row"] == "challenge, test"
    _, cfg, _ = open_trained(tmp_path / "run")
    source = build_source(cfg.data, progress=False)
    video = Path(source.root) / source.listing().clips[0].path
    p = realfake.load(tmp_path / "run", device="cpu").predict(video)
    assert p.p_joint.sum() == pytest.approx(1.0, abs=1e-5)
