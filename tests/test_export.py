"""Exported networks say what the originals say, in other runtimes and without this package."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from links import assert_replaced, linked
from processes import Command

import realfake
from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.errors import UserError
from realfake.exporting import formats as exporting
from realfake.exporting.formats import export, random_samples, real_samples
from realfake.exporting.served import Served
from realfake.labels import EMOTIONS, SASE_FE
from realfake.prediction.predicted import ImagePrediction
from realfake.runs.network import open_trained
from realfake.streams.stream import as_pixels

ASTRONAUT = Path(skimage.data.__file__).parent / "astronaut.png"
GUIDE = Path(__file__).resolve().parents[1] / "docs" / "export.md"

Trained = Callable[..., Path]


def session_outputs(path: Path, frames: np.ndarray) -> list[np.ndarray]:
    """What ONNX Runtime says, in a session of its own."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["joint", "emotion", "authenticity", "decision"], {"frames": frames})  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(["approach=single_task", "backbone=small_cnn", "backbone.input.size=32"], id="small_cnn"),
        pytest.param(["approach=temporal_multi_task", "backbone=gru", "backbone.frames=6"], id="gru"),
        pytest.param(
            ["approach=multi_task", "backbone=inception_resnet_v1", "backbone.input.size=96", "backbone.weights=none"],
            id="inception_resnet_v1", marks=pytest.mark.slow,
        ),
        pytest.param(
            [
                "approach=temporal", "backbone=r3d_18", "backbone.input.size=48", "backbone.input.frames=4",
                "backbone.weights=none",
            ],
            id="r3d_18", marks=pytest.mark.slow,
        ),
        pytest.param(
            [
                "approach=temporal", "backbone=slow_r50", "backbone.input.size=64", "backbone.input.frames=8",
                "backbone.weights=none",
            ],
            id="slow_r50", marks=pytest.mark.slow,
        ),
        pytest.param(
            ["approach=multi_task", "backbone=vit_b_16", "backbone.input.size=32", "backbone.weights=none"],
            id="vit_b_16", marks=pytest.mark.slow,
        ),
        pytest.param(
            [
                "approach=temporal", "backbone=swin3d_t", "backbone.input.size=64", "backbone.input.frames=4",
                "backbone.weights=none",
            ],
            id="swin3d_t", marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_onnx_says_what_the_network_says(overrides: list[str], tmp_path: Path) -> None:
    cfg = compose("train", overrides, TrainConfig)
    torch.manual_seed(0)
    module = ApproachModule(cfg)
    with torch.no_grad():
        for head in module.heads.values():
            head.output.weight.mul_(10)  # an untrained network says the same of everything
    module.eval().requires_grad_(False)
    samples = random_samples(Served(module))
    assert [len(frames) for (frames,) in samples] == [1, 7]
    done = export(module, cfg, "onnx", tmp_path, samples, "noise", 1e-4)
    served = Served(module).eval()
    for (batch,) in samples:
        *original, decision = [p.numpy() for p in served(torch.from_numpy(batch))]
        *probabilities, decided = session_outputs(done.path, batch)
        assert decided.dtype == np.int64
        assert np.array_equal(decided, decision)
        for ours, theirs in zip(original, probabilities, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4)
            np.testing.assert_allclose(theirs.sum(axis=1), 1, atol=1e-5)
        assert batch.dtype == np.uint8
        logits = module(as_pixels(batch))
        said = module.predictions(
            {
                "probabilities": module.probabilities(logits).numpy(),
                "clip": np.arange(len(batch)),
                "emotion": np.full(len(batch), -1),
                "authenticity": np.full(len(batch), -1),
            }
        )
        for ours, theirs in zip(original, (said.p_joint, said.p_emotion, said.p_authenticity), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
        assert np.array_equal(decision, said.decision)
    assert max(p.max() for p in original) - min(p.min() for p in original) > 0.05


@pytest.fixture(scope="module")
def exported(trained: Trained, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a network that the command exported, from a run whose data are at hand."""
    folder = tmp_path_factory.mktemp("export")
    links = linked(folder, "model.onnx", "model.json")
    done = command("export", f"run={trained('approach=multi_task')}", f"out={folder}", cwd=folder)
    assert_replaced(links)
    assert done.returncode == 0, done.stderr
    assert "largest difference to the original" in done.stdout
    assert "clips of the test part" in done.stdout
    return folder


def test_the_command_checks_on_real_clips(exported: Path) -> None:
    meta = json.loads((exported / "model.json").read_text())
    assert meta["labels"]["joint"] == list(SASE_FE.names("joint"))
    assert meta["input"]["shape"] == ["batch", 64, 64, 3]
    assert meta["check"]["largest_difference"] < 1e-5
    assert meta["crop"]["face"]["name"] == "haar"
    assert str(Path.home()) not in (exported / "model.json").read_text()
    batch = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert [p.shape for p in session_outputs(exported / "model.onnx", batch)] == [(3, 12), (3, 6), (3, 2), (3,)]
    assert meta["outputs"]["decision"] == {"dtype": "int64", "shape": ["batch"]} | {
        "meaning": "index into labels.joint, whose two parts are the decided emotion and authenticity"
    }


def test_real_samples_are_those_of_the_test_part(trained: Trained) -> None:
    folder, cfg, module = open_trained(trained("approach=temporal"))
    batches = real_samples(folder, cfg, Served(module), clips=5)
    assert [len(frames) for (frames,) in batches] == [1, 4]
    assert batches[0][0].shape == (1, 16, 64, 64, 3)
    assert batches[0][0].std() > 10
    elsewhere = cfg.model_copy(update={"data": cfg.data.model_copy(update={"prepared": "nowhere"})})
    assert real_samples(folder, elsewhere, Served(module), clips=5) == []


def test_torch_export_loads_without_this_package(trained: Trained, tmp_path: Path) -> None:
    folder, cfg, module = open_trained(trained("approach=temporal"))
    samples = real_samples(folder, cfg, Served(module), clips=8)
    links = linked(tmp_path, "model.pt2")
    done = export(module, cfg, "torch_export", tmp_path, samples, "clips", 1e-4)
    assert_replaced(links)
    assert done.difference < 1e-6
    np.save(tmp_path / "clip.npy", samples[1][0])
    code = (
        "import sys, numpy, torch\n"
        "p = torch.export.load('model.pt2').module()(torch.from_numpy(numpy.load('clip.npy')))\n"
        "assert 'realfake' not in sys.modules\n"
        "numpy.save('said.npy', p[1].detach().numpy())\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    _, emotion, *_ = Served(module)(torch.from_numpy(samples[1][0]))
    np.testing.assert_allclose(np.load(tmp_path / "said.npy"), emotion.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        pytest.param(lambda p: [*(q + 2e-4 for q in p[:3]), p[3]], r"0\.0002", id="probabilities"),
        pytest.param(lambda p: [*p[:3], p[3] % 6 + 6 * (p[3] < 6)], r"0\.", id="decision"),
    ],
)
def test_a_difference_fails_loudly(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]], difference: str,
) -> None:  # fmt: skip
    _, cfg, module = open_trained(trained("approach=multi_task"))
    original = exporting._to_torch_export

    def wrong(served: Served, path: Path) -> tuple[exporting.Runtime, list[str]]:
        runtime, used = original(served, path)
        return (lambda arrays: change(runtime(arrays))), used

    monkeypatch.setattr(exporting, "_to_torch_export", wrong)
    with pytest.raises(UserError, match=rf"differs from the original by {difference}"):
        export(module, cfg, "torch_export", tmp_path, random_samples(Served(module)), "noise", 1e-4)
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnx, onnxscript, onnxruntime: pip install 'onnx>=1\.\d+' 'onnxruntime>="):
        exporting.require_packages("onnx")
    exporting.require_packages("torch_export")


def test_the_example_of_the_guide(trained: Trained, exported: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    assert sum(bool(line) for line in code.splitlines()) == 10
    for name in ("model.onnx", "model.json"):
        shutil.copy(exported / name, tmp_path)
    shutil.copy(ASTRONAUT, tmp_path / "face.png")
    done = subprocess.run(
        [sys.executable, "-c", code + "import sys; assert not {'realfake', 'torch'} & set(sys.modules)"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = realfake.load(trained("approach=multi_task"), device="cpu").predict(ASTRONAUT)
    assert isinstance(said, ImagePrediction)
    joint, emotion, authenticity = ast.literal_eval(done.stdout)
    face = said.faces[0]
    for printed, p in ((joint, face.p_joint), (emotion, face.p_emotion), (authenticity, face.p_authenticity)):
        np.testing.assert_allclose(list(printed.values()), p, atol=0.02)
    assert list(emotion) == list(EMOTIONS)
