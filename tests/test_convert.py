"""Networks of the thesis's code, rebuilt here by structure, give the same logits after conversion."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from realfake.approaches import approach_class
from realfake.cli import compose
from realfake.config import ConvertConfig, InputSpec
from realfake.data.sources.seed import MULTI_TASK_EMOTIONS
from realfake.errors import UserError
from realfake.experiments.checkpoints import load_weights, take_backbone
from realfake.experiments.conversion import convert_model
from realfake.experiments.folder import open_run
from realfake.labels import EMOTIONS
from realfake.models.conversion import convert
from realfake.models.inception_resnet_v1 import InceptionResnetV1

SIZE = 96
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
SPEC = InputSpec(size=SIZE, mean=[0.427, 0.3508, 0.2971], std=[0.1844, 0.1809, 0.1545], frames=4)
THESIS_ORDER = ("happy", "sad", "surprise", "disgust", "contempt", "angry")


class HydraNet(nn.Module):
    """ResNet-18 with two heads d→d, ReLU, d→k; the heads' names are only one of the possible ones."""

    def __init__(self) -> None:
        super().__init__()
        self.net = resnet18()
        self.net.fc = nn.Identity()
        self.fc1 = nn.Sequential(OrderedDict(linear=nn.Linear(512, 512), relu=nn.ReLU(), final=nn.Linear(512, 2)))
        self.fc2 = nn.Sequential(OrderedDict(linear=nn.Linear(512, 512), relu=nn.ReLU(), final=nn.Linear(512, 6)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.net(x)
        return self.fc1(features), self.fc2(features)


class ChimeraNet(nn.Module):
    """InceptionResnetV1 with two heads 512→256→k, and the classifier of its published weights, unused."""

    def __init__(self) -> None:
        super().__init__()
        self.base = InceptionResnetV1()
        self.base.logits = nn.Linear(512, 8631)
        self.emotion = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 6))
        self.real = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.base(x)
        return self.real(features), self.emotion(features)


@pytest.fixture(scope="module")
def hydra_net(tmp_path_factory: pytest.TempPathFactory) -> tuple[HydraNet, Path]:
    torch.manual_seed(0)
    net = HydraNet().eval()
    path = tmp_path_factory.mktemp("hydra_net") / "model.pth"
    torch.save(net.state_dict(), path)
    return net, path


@pytest.fixture(scope="module")
def hydra_run(hydra_net: tuple[HydraNet, Path]) -> Path:
    model = hydra_net[1]
    out = model.parent / "run"
    convert_model(ConvertConfig(model=str(model), out=str(out), input=SPEC))
    return out


def test_hydra_net_becomes_a_run_with_the_same_logits(hydra_net: tuple[HydraNet, Path], hydra_run: Path) -> None:
    run = open_run(hydra_run)
    cfg = run.load_config()
    assert (cfg.approach.name, cfg.backbone.name, cfg.head.name) == ("multi_task", "resnet18", "mlp")
    assert (cfg.backbone.input.size, cfg.backbone.input.frames) == (SIZE, None)
    module = approach_class(cfg.approach.name)(cfg).eval()
    load_weights(module, run.best)
    x = torch.randn(3, 3, SIZE, SIZE)
    with torch.no_grad():
        real, emotion = hydra_net[0](x)
        ours = module.logits(x)
    torch.testing.assert_close(ours["authenticity"], real)
    for i, name in enumerate(THESIS_ORDER):
        torch.testing.assert_close(ours["emotion"][:, EMOTIONS.index(name)], emotion[:, i])


def test_training_starts_from_a_converted_network(hydra_net: tuple[HydraNet, Path], hydra_run: Path) -> None:
    cfg = open_run(hydra_run).load_config()
    module = approach_class(cfg.approach.name)(cfg)
    take_backbone(module.backbone, str(hydra_run))
    assert torch.equal(module.backbone.net.conv1.weight, hydra_net[0].net.conv1.weight)


def test_the_command(hydra_net: tuple[HydraNet, Path], tmp_path: Path) -> None:
    model = tmp_path / "my model=1.pth"
    model.write_bytes(hydra_net[1].read_bytes())
    command = [sys.executable, "-m", "realfake.convert", f"model='{model}'", f"input.size={SIZE}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "resnet18 with 2 heads: emotion (512), authenticity (512)" in " ".join(done.stdout.split())
    run = open_run(tmp_path / "outputs" / "converted" / "my_model_1")
    assert run.load_config().backbone.name == "resnet18"
    assert "approach=multi_task" in run.overrides()


def test_a_run_is_not_overwritten(hydra_net: tuple[HydraNet, Path], hydra_run: Path) -> None:
    with pytest.raises(UserError, match="holds a run already"):
        convert_model(ConvertConfig(model=str(hydra_net[1]), out=str(hydra_run), input=SPEC))


def test_chimera_net() -> None:
    torch.manual_seed(0)
    net = ChimeraNet().eval()
    found = convert(net.state_dict(), SPEC, MULTI_TASK_EMOTIONS, "model.pth")
    assert (found.backbone, found.hidden, set(found.heads)) == (
        "inception_resnet_v1",
        [256],
        {"emotion", "authenticity"},
    )
    assert torch.equal(found.heads["authenticity"]["hidden0.weight"], net.real[0].weight)
    assert torch.equal(found.heads["emotion"]["output.bias"][EMOTIONS.index("happy")], net.emotion[2].bias[0])
    assert found.notes == ["2 tensors that no output depends on are left out: base.logits.weight, base.logits.bias"]


@pytest.mark.parametrize("hidden", [[], [256, 128]])
def test_single_task_network(hidden: list[int]) -> None:
    net = InceptionResnetV1()
    sizes = [512, *hidden, 12]
    linears = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    net.logits = nn.Sequential(*[m for linear in linears for m in (linear, nn.ReLU())][:-1])
    found = convert(net.state_dict(), SPEC, MULTI_TASK_EMOTIONS, "model.pth")
    assert (found.backbone, found.hidden, list(found.heads), found.notes) == (
        "inception_resnet_v1",
        hidden,
        ["joint"],
        [],
    )
    assert torch.equal(found.heads["joint"]["output.weight"], linears[-1].weight)


def test_replaced_output_that_was_never_called() -> None:
    from pytorchvideo.models.hub import x3d_s

    net = x3d_s()
    net.fc = nn.Linear(2048, 12)
    found = convert(net.state_dict(), SPEC, MULTI_TASK_EMOTIONS, "model.pth")
    assert (found.backbone, list(found.heads)) == ("x3d_s", ["joint"])
    assert torch.equal(found.heads["joint"]["output.weight"], net.blocks[-1].proj.weight[:12])
    assert "still has 400 outputs" in found.notes[0]


def test_no_known_network_and_no_known_output() -> None:
    with pytest.raises(UserError, match=r"m.pth: none of the known networks .* its tensors: weight, bias"):
        convert(nn.Linear(2, 2).state_dict(), SPEC, MULTI_TASK_EMOTIONS, "m.pth")
    net = resnet18(num_classes=7)
    with pytest.raises(
        UserError, match=r"resnet18 found, but no output of 12 classes .* left over: fc.weight, fc.bias"
    ):
        convert(net.state_dict(), SPEC, MULTI_TASK_EMOTIONS, "m.pth")


def test_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "model.pth")
    cfg = compose("convert", [f"model={tmp_path}/model.pth", f"out={tmp_path}/run"], ConvertConfig)
    with pytest.raises(UserError, match="refused, since it holds pickled objects"):
        convert_model(cfg)
    assert not (tmp_path / "run").exists()


def test_model_has_to_be_given() -> None:
    with pytest.raises(UserError, match="model is missing"):
        compose("convert", [], ConvertConfig)
