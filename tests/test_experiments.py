"""Every shipped experiment is trained, tested and used for a prediction, on tiny data."""

from __future__ import annotations

from pathlib import Path

import pytest

import realfake
from realfake.composing.composition import compose, conf_dir
from realfake.config import FeaturesSignal, MeshNetwork, TrainConfig
from realfake.data.sources import build_source
from realfake.experiments.execution import train
from realfake.labels import told_by

SHIPPED = conf_dir() / "experiment"
NAMES = sorted(
    str(p.relative_to(SHIPPED).with_suffix(""))
    for p in SHIPPED.rglob("*.yaml")
    if p.parent.name not in ("_base", "from_run")
)
SMALL = {"tiny_cnn", "small_cnn", "gru", "lstm", "cnn3d_thesis", "pixels", "real_smile_net"}
POINTS = [
    "signals=[drawn]", "backbone.lowest=[-2.0,-2.0]", "backbone.highest=[2.0,2.0]", "backbone.neighbours=4",
    "backbone.curves=4", "backbone.steps=2", "backbone.channels=[8]", "backbone.tokens=2", "backbone.heads=2",
    "backbone.layers=2", "backbone.time_layers=1", "backbone.hidden=8", "backbone.frames=4",
]  # fmt: skip
"""Networks of points, small, with those of the drawn faces, which need no weights of a tracker."""


def stand_in(cfg: TrainConfig) -> list[str]:
    """Overrides that make the experiment's network small; one that takes long to build is replaced.

    The networks themselves are built at full size in ``tests/models``.
    """
    features = cfg.signals_seen.get("features")
    if isinstance(features, FeaturesSignal) and features.variant is not None:
        pytest.importorskip("transformers", reason="the extra transformers is not installed")
        words = ("variant=tiny", "weights=none", "size=32", "frames=2", "stride_sec=0.1")
        return [f"signals.features.{word}" for word in words]
    words = ["backbone.weights=none"]
    if "maps" in cfg.backbone.takes or "maps_centred" in cfg.backbone.takes:
        # Of untrained maps, and points without the tables of a tracker.
        words += ["signals.features.backbone=tiny_cnn", "signals.features.weights=none", "backbone.stride_sec=null",
                  "data.window=[0.0,1.0]"]  # fmt: skip
        points = ["signals=[drawn,features]", "~signals.openface", "signals.drawn.relative_to=box"]
        return [*words, *(points if "openface" in cfg.signals else [])]
    if cfg.backbone.kind == "siamese":
        return [*words, "backbone.frames=2", "backbone.neutral_frames=2", "backbone.growth=4", "backbone.layers=[1]",
                "backbone.frame.input.size=32"]  # fmt: skip
    if cfg.backbone.kind == "numbers":
        return words
    if cfg.backbone.kind == "lstm_pb":
        return [*words, "backbone.hidden=16", "backbone.layers=1", "backbone.context=4", "head.rounds=5"]
    if isinstance(cfg.backbone, MeshNetwork):
        drawn = ",".join(stream.replace("mesh", "landmarks") for stream in cfg.backbone.streams)
        target = ["auxiliary.regression.target=landmarks_markers"] if cfg.auxiliary.regression else []
        return [*words, *POINTS, f"backbone.streams=[{drawn}]", *target]
    if cfg.backbone.kind in ("clip", "recurrent"):
        if cfg.backbone.name not in SMALL:
            words.append("backbone=cnn3d_thesis")
        if cfg.backbone.kind == "recurrent":
            if cfg.backbone.frame.name not in SMALL:
                words += ["backbone@backbone.frame=tiny_cnn", "backbone.frame.name=tiny_cnn"]
            size = "backbone.frame.input.size=32"
            return [*words, size, "backbone.frames=4", "backbone.hidden=16", "backbone.frame.weights=none"]
        return [*words, "backbone.input.size=32", "backbone.input.frames=4"]
    if cfg.backbone.name not in SMALL:
        words.append("backbone=tiny_cnn")
    return [*words, "backbone.input.size=32"]


@pytest.fixture(scope="module")
def video(tiny: list[str]) -> Path:
    """A video of the small dataset."""
    source = build_source(compose("train", tiny, TrainConfig).data, progress=False)
    return Path(source.root) / source.listing().clips[0].path


@pytest.mark.parametrize("name", NAMES)
def test_experiment(name: str, tiny: list[str], video: Path, tmp_path: Path) -> None:
    cfg = compose("train", [f"experiment={name}"], TrainConfig)
    once = ["trainer.max_epochs=1", "data.rate_fps=10", "sampling.window=[0.0,1.0]"]
    results = train([*tiny, f"experiment={name}", *stand_in(cfg), *once], tmp_path / "run")
    assert results["status"] == "completed"
    assert results["experiment"] == name
    told = told_by(cfg.tasks)
    for task in told:
        assert 0.0 <= results["metrics"][f"test/clip/{task}_accuracy"] <= 1.0
    if cfg.published is not None:
        assert results["published"]["metrics"] == cfg.published.metrics
    found = realfake.load(tmp_path / "run", device="cpu").predict(video)
    for task in told:
        assert getattr(found, f"p_{task}").sum() == pytest.approx(1.0, abs=1e-5)
        assert getattr(found, f"p_{task}").shape == (len(cfg.space.names(task)),)


def test_fine_tuning_starts_from_a_run(tiny: list[str], tmp_path: Path) -> None:
    """A frozen base out of a finished run, and a new head: the backbone's values do not move at all."""
    import torch

    small = ["backbone=tiny_cnn", "backbone.input.size=32", "backbone.weights=none", "data.rate_fps=10"]
    train([*tiny, *small, "approach=multi_task"], tmp_path / "first")
    words = [*tiny, *small, "experiment=thesis/from_run/fine_tune", f"init_from={tmp_path / 'first'}"]
    results = train(words, tmp_path / "second")
    assert results["status"] == "completed"
    first, second = (
        torch.load(tmp_path / f"{n}/checkpoints/best.ckpt", weights_only=True) for n in ("first", "second")
    )
    base = {k: v for k, v in first["state_dict"].items() if k.startswith("backbone.")}
    assert base
    for key, value in base.items():
        assert torch.equal(second["state_dict"][key], value), key
