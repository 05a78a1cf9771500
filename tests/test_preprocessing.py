"""Training, testing and prediction show a network the same tensor of the same image, whatever its input spec says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

import realfake
from realfake.composing.composition import compose, conf_dir
from realfake.config import STREAM_NETWORKS, BackboneConfig, StreamInfo, TrainConfig
from realfake.experiments.execution import train
from realfake.labels import SASE_FE
from realfake.models import sample_spec

BACKBONES = sorted({p.stem for p in (conf_dir() / "backbone").glob("[!_]*.yaml")} - {"numbers", *STREAM_NETWORKS})
"""All that look at pixels."""
SEEN: dict[str, list[torch.Tensor]] = {"train": [], "test": [], "predict": []}
"""What the network was shown, by stage."""


class Recorder(nn.Module):
    """Stands in for a backbone: keeps its input, and gives features that training can move."""

    features = 4
    standardised = frozenset[str]()

    def __init__(self, cfg: BackboneConfig, streams: dict[str, StreamInfo]) -> None:
        super().__init__()
        self.spec = sample_spec(cfg, streams)
        self.scale = nn.Parameter(torch.ones(self.features))
        self.stage = "predict"

    def take_statistics(self, statistics: dict[str, object]) -> None:
        """Pixels have none."""
        assert not statistics

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        SEEN["train" if self.training else self.stage].extend(x.detach().clone())
        return x.flatten(1)[:, : self.features] * self.scale


def _testing(module: nn.Module) -> None:
    """In place of loading the best weights: what the network sees from here on is shown by testing."""
    for part in module.modules():
        if isinstance(part, Recorder):
            part.stage = "test"


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs in the thesis's layout, a clip of one frame each: no chance in which frame is drawn."""
    root = tmp_path_factory.mktemp("faces") / "data"
    rng = np.random.default_rng(0)
    for person, name in enumerate(("anna", "ben", "cleo")):
        for k, joint in enumerate(SASE_FE.names("joint")[:4]):
            folder = root / ("test" if name == "cleo" else "train") / joint
            folder.mkdir(parents=True, exist_ok=True)
            picture = cv2.resize(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8), (150, 200))
            assert cv2.imwrite(str(folder / f"{name}_N2H_frame{4 * person + k}.jpg"), picture)
    return root


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_same_image_gives_the_same_tensor(
    backbone: str, faces: Path, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [w for w in tiny if not w.startswith(("data.subjects", "data.seconds", "data.fps", "data.vid", "data.fol"))]
    words += ["data=seed_frames", f"data.root={faces}", "face=none", "augmentation=none", f"backbone={backbone}"]
    words += [f"data.prepared={tmp_path}", "data.size=224", "trainer.max_epochs=1", "data.batch_size=2"]
    words += ["backbone.name=resnet10t"] if backbone == "timm" else []
    try:
        cfg = compose("train", [*words, "approach=single_task"], TrainConfig)
        words.append("approach=single_task")
    except realfake.errors.UserError:
        words.append("approach=temporal")
        cfg = compose("train", words, TrainConfig)
    monkeypatch.setattr("realfake.approaches.module.build_backbone", Recorder)
    monkeypatch.setattr("realfake.experiments.training.load_weights", lambda module, path: _testing(module))
    for shown in SEEN.values():
        shown.clear()
    train(words, tmp_path / "run")
    spec = sample_spec(cfg.backbone)
    predictor = realfake.load(tmp_path / "run", device="cpu")
    trained, tested = list(SEEN["train"]), list(SEEN["test"])
    assert trained
    assert len(tested) >= 4
    assert all(t.shape[-2:] == (spec.pixels.size, spec.pixels.size) for t in trained + tested)
    if spec.frames is not None:
        return  # a clip network refuses photographs: tests/test_predict.py compares its clips
    SEEN["predict"].clear()
    for path in sorted(faces.rglob("*.jpg")):
        predictor.predict(path)
    predicted = {t.numpy().tobytes() for t in SEEN["predict"]}
    assert len(predicted) == 12
    assert {t.numpy().tobytes() for t in trained + tested} <= predicted
