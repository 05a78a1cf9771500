"""Networks of the thesis's code, rebuilt here by structure, give the same logits after conversion."""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from processes import Command
from torch import Tensor, nn
from torchvision.models import resnet18

from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.config import ConvertConfig, ConvertInput, EvaluateConfig, PredictConfig
from realfake.data.sources.seed import MULTI_TASK_EMOTIONS
from realfake.errors import UserError
from realfake.evaluation.evaluating import evaluate_run
from realfake.labels import EMOTIONS
from realfake.models.conversion import convert
from realfake.models.inception_resnet_v1 import InceptionResnetV1
from realfake.predict import run as predict
from realfake.runs.checkpoints import load_weights, read_checkpoint, take_backbone
from realfake.runs.converted import convert_model
from realfake.runs.folder import open_run
from realfake.runs.origin import learned_by

SIZE = 96
SPEC, SMALL = (
    compose("convert", ["model=m.pth", f"input.size={size}", "input.frames=4"], ConvertConfig).input
    for size in (SIZE, 32)
)
"""The same in all tests: known networks are looked up once for each input."""
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
    """InceptionResnetV1 with two heads 512→256→k over the embedding of length 1; its published classifier is unused."""

    def __init__(self) -> None:
        super().__init__()
        self.base = InceptionResnetV1()
        self.base.logits = nn.Linear(512, 8631)
        self.emotion = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 6))
        self.real = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = nn.functional.normalize(self.base(x))
        return self.real(features), self.emotion(features)


class SmallNet(nn.Module):
    """LeNet-like, 12 classes, for 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84), nn.Linear(84, 12)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2):
            x = nn.functional.max_pool2d(conv(x).relu(), 2)
        return self.fc3(self.fc2(self.fc1(x.flatten(1)).relu()).relu())


class Clips3d(nn.Module):
    """3D-CNN of 3×5×5 kernels, for 4 frames of 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 16, (3, 5, 5), (1, 2, 2), (1, 2, 2))
        self.conv2 = nn.Conv3d(16, 32, (3, 5, 5), padding=(1, 2, 2))
        self.conv3 = nn.Conv3d(32, 64, (3, 5, 5), padding=(1, 2, 2))
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm3d(16), nn.BatchNorm3d(32), nn.BatchNorm3d(64)
        self.fc1, self.fc2 = nn.Linear(64 * 2 * 2 * 2, 512), nn.Linear(512, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool3d(self.bn1(self.conv1(x)).relu(), (1, 2, 2))
        x = nn.functional.max_pool3d(self.bn2(self.conv2(x)).relu(), (1, 2, 2))
        x = nn.functional.max_pool3d(self.bn3(self.conv3(x)).relu(), 2)
        return self.fc2(self.fc1(x.flatten(1)).relu())


class PixelLstm(nn.Module):
    """LSTM that takes the three channels for time steps, for 4 frames of 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm1 = nn.LSTM(4 * 32 * 32, 256, num_layers=2, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(256, 512), nn.Linear(512, 12)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.lstm1(x.flatten(2))
        return self.fc2(self.fc1(outputs[:, -1]).relu())


class PixelGru(nn.Module):
    """GRU that takes a clip for its one time step, for 4 frames of 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.gru1 = nn.GRU(3 * 4 * 32 * 32, 256, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(256, 128), nn.Linear(128, 12)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.gru1(x.flatten(1)[:, None])
        return self.fc2(self.fc1(outputs[:, 0]).relu())


def save_as_its_scripts(net: nn.Module, path: Path, monkeypatch: pytest.MonkeyPatch, *, zipped: bool = True) -> None:
    """A ``model.pth`` after a step of training, with a pickled loss whose module no longer exists afterwards."""
    script = ModuleType("loss_functions")
    criterion = type("MFL", (nn.Module,), {"__module__": script.__name__})
    script.MFL = criterion  # type: ignore[attr-defined]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    sum(p.square().sum() for p in net.parameters()).backward()
    optimizer.step()
    loss = criterion()
    loss.alpha, loss.weight = 0.25, nn.Parameter(torch.ones(12))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, script.__name__, script)
        content = {
            "epoch": 10,
            "model_state_dict": net.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "loss": loss,
        }
        torch.save(content, path, _use_new_zipfile_serialization=zipped)


def converted_logits(model: Path, out: Path, x: Tensor, spec: ConvertInput) -> dict[str, Tensor]:
    """What the run that ``model`` becomes says of normalised input."""
    convert_model(ConvertConfig(plugins=[], model=str(model), out=str(out), input=spec))
    run = open_run(out)
    cfg = run.load_config()
    module = ApproachModule(cfg).eval()
    load_weights(module, run.best)
    with torch.no_grad():
        return module.logits(x)


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
    convert_model(ConvertConfig(plugins=[], model=str(model), out=str(out), input=SPEC))
    return out


def test_hydra_net_becomes_a_run_with_the_same_logits(hydra_net: tuple[HydraNet, Path], hydra_run: Path) -> None:
    run = open_run(hydra_run)
    cfg = run.load_config()
    assert (cfg.approach.name, cfg.backbone.name, cfg.head.name) == ("multi_task", "resnet18", "mlp")
    assert (cfg.backbone.input.size, cfg.backbone.input.frames) == (SIZE, None)
    module = ApproachModule(cfg).eval()
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
    module = ApproachModule(cfg)
    take_backbone(module.backbone, str(hydra_run))
    assert torch.equal(module.backbone.net.conv1.weight, hydra_net[0].net.conv1.weight)


@pytest.mark.parametrize("older", [False, True])
def test_nobody_knows_whom_it_has_learned(hydra_run: Path, tmp_path: Path, older: bool) -> None:
    """Its folder says nothing of the people, and not that they are those of the default data."""
    state = read_checkpoint(open_run(hydra_run).best)
    if older:
        del state["realfake"]["learned"]
    torch.save(state, tmp_path / "best.ckpt")
    learned = learned_by(tmp_path / "best.ckpt")
    assert not learned.people
    assert "which another program trained" in learned.unknown[0]


def test_the_command(hydra_net: tuple[HydraNet, Path], command: Command, tmp_path: Path) -> None:
    model = tmp_path / "my model=1.pth"
    model.write_bytes(hydra_net[1].read_bytes())
    done = command("convert", f"model='{model}'", f"input.size={SIZE}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "resnet18 with 2 heads: emotion (512), authenticity (512)" in " ".join(done.stdout.split())
    run = open_run(tmp_path / "outputs" / "converted" / "my_model_1")
    assert run.load_config().backbone.name == "resnet18"
    assert "approach=multi_task" in run.overrides()


def test_a_run_is_not_overwritten(hydra_net: tuple[HydraNet, Path], hydra_run: Path) -> None:
    with pytest.raises(UserError, match="holds a run already"):
        convert_model(ConvertConfig(plugins=[], model=str(hydra_net[1]), out=str(hydra_run), input=SPEC))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("build", "backbone", "hidden", "shape"),
    [
        (SmallNet, "small_cnn", None, (2, 3, 32, 32)),
        (Clips3d, "cnn3d_thesis", None, (2, 3, 4, 32, 32)),
        (PixelLstm, "lstm_thesis", [512], (2, 3, 4, 32, 32)),
        (PixelGru, "gru_thesis", [128], (2, 3, 4, 32, 32)),
    ],
)
def test_files_with_a_pickled_loss(
    build: Callable[[], nn.Module],
    backbone: str,
    hidden: list[int] | None,
    shape: tuple[int, ...],
    zipped: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    net = build().eval()
    save_as_its_scripts(net, tmp_path / "model.pth", monkeypatch, zipped=zipped)
    x = torch.randn(shape)
    ours = converted_logits(tmp_path / "model.pth", tmp_path / "run", x, SMALL)
    with torch.no_grad():
        torch.testing.assert_close(ours["joint"], net(x))
    cfg = open_run(tmp_path / "run").load_config()
    assert (cfg.backbone.name, getattr(cfg.head, "hidden", None)) == (backbone, hidden)
    spec = cfg.backbone.input
    if len(shape) == 4:
        assert (cfg.approach.name, spec.channel_order, spec.mean[0]) == ("single_task", "rgb", 0.427)
    else:  # its sequences are what OpenCV reads, scaled to 0-1
        assert (cfg.approach.name, spec.channel_order, spec.mean, spec.std) == ("temporal", "bgr", [0.0] * 3, [1.0] * 3)


class Trap:
    """Calls something when it is unpickled in full."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.what = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.what


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("trap", ["touch", "eval", "system", "load", "state"])
def test_nothing_in_a_file_is_run(trap: str, zipped: bool, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    torch.save(Trap(Path.touch, mark), tmp_path / "inner.pth")
    traps: dict[str, object] = {
        "touch": Trap(Path.touch, mark),
        "eval": Trap(eval, f"open({str(mark)!r}, 'w')"),
        "system": Trap(os.system, f"touch {mark}"),
        "load": Trap(torch.load, str(tmp_path / "inner.pth"), None, None),
        "state": {"nested": [Trap(Path.touch, mark)]},
    }
    content = {"model_state_dict": SmallNet().state_dict(), "loss": traps[trap]}
    torch.save(content, tmp_path / "model.pth", _use_new_zipfile_serialization=zipped)
    cfg = ConvertConfig(plugins=[], model=str(tmp_path / "model.pth"), out=str(tmp_path / "run"), input=SMALL)
    convert_model(cfg)
    assert not mark.exists()


def test_tensors_cannot_hide_in_what_is_not_read(tmp_path: Path) -> None:
    torch.save({"model_state_dict": Trap(dict, {"a": torch.zeros(1)})}, tmp_path / "model.pth")
    with pytest.raises(UserError, match="expected a state dict"):
        convert_model(ConvertConfig(plugins=[], model=str(tmp_path / "model.pth"), out=None, input=SPEC))


def test_chimera_net(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = ChimeraNet().eval()
    torch.save({"epoch": 1, "model_state_dict": net.state_dict()}, tmp_path / "model.pth")
    x = torch.randn(2, 3, SIZE, SIZE)
    ours = converted_logits(tmp_path / "model.pth", tmp_path / "run", x, SPEC)
    with torch.no_grad():
        torch.testing.assert_close(ours["authenticity"], net(x)[0])
    found = convert(net.state_dict(), SPEC, MULTI_TASK_EMOTIONS, "model.pth")
    assert (found.backbone, found.hidden, set(found.heads), found.normalize) == (
        "inception_resnet_v1",
        [256],
        {"emotion", "authenticity"},
        True,
    )
    assert torch.equal(found.heads["authenticity"]["hidden0.weight"], net.real[0].weight)
    assert torch.equal(found.heads["emotion"]["output.bias"][EMOTIONS.index("happy")], net.emotion[2].bias[0])
    assert found.notes == ["2 tensors that no output depends on are left out: base.logits.weight, base.logits.bias"]


def test_chimera_net_v2_cannot_have_been_trained() -> None:
    net = ChimeraNet()
    net.base.conv2d_1a = nn.Conv2d(3, 128, 7, stride=2, padding=3, bias=False)
    with pytest.raises(UserError, match=r"m.pth: a ChimeraNetV2, which cannot run .*thesis/multi_task_chimera_v2"):
        convert(net.state_dict(), SPEC, MULTI_TASK_EMOTIONS, "m.pth")


@pytest.mark.parametrize("hidden", [[], [256, 128]], ids=["its own output", "a classifier over the embedding"])
def test_single_task_network(hidden: list[int]) -> None:
    """The network's own output stands on the embedding as it is, any other on the embedding of length 1."""
    net = nn.Module()
    net.features = InceptionResnetV1()
    sizes = [512, *hidden, 12]
    linears = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    if hidden:
        net.classifier = nn.Sequential(*[m for linear in linears for m in (linear, nn.ReLU(), nn.Dropout())][:-2])
    else:
        net.features.logits = linears[0]
    found = convert(net.state_dict(), SPEC, MULTI_TASK_EMOTIONS, "model.pth")
    assert (found.backbone, found.hidden, list(found.heads), found.notes, found.normalize) == (
        "inception_resnet_v1",
        hidden,
        ["joint"],
        [],
        bool(hidden),
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


def test_cropped_faces_need_no_detector(tmp_path: Path) -> None:
    """The thesis's faces are cropped already, while a converted run names the detector that its scripts used."""
    torch.manual_seed(0)
    torch.save(SmallNet().state_dict(), tmp_path / "model.pth")
    convert_model(ConvertConfig(plugins=[], model=str(tmp_path / "model.pth"), out=str(tmp_path / "run"), input=SMALL))
    rng = np.random.default_rng(0)
    codes = {"S2N2H": "fake_happy", "N2H": "real_happy"}
    for person, code, frame in product(("anna", "ben", "cleo", "dora"), codes, (10, 11)):
        folder = tmp_path / "data" / ("test" if person == "dora" else "train") / codes[code]
        folder.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        noise.save(folder / f"{code}.MP4{person}{frame}.jpg")
    words = [f"run={tmp_path}/run", f"input={tmp_path}/data", f"out={tmp_path}/out", "annotate=false"]
    assert predict(compose("predict", words, PredictConfig)) == 1  # a detector finds no face in noise
    assert predict(compose("predict", [*words, "face=none"], PredictConfig)) == 0
    words = [f"run={tmp_path}/run", "data=seed_frames", f"data.root={tmp_path}/data", f"data.prepared={tmp_path}/store"]
    words += ["face=none", "plots=false", "resamples=100", "data.prepare_workers=1", "data.workers=0"]
    folder = evaluate_run(compose("evaluate", words, EvaluateConfig))
    assert len((folder / "predictions.csv").read_text().splitlines()) == 17


def test_model_has_to_be_given() -> None:
    with pytest.raises(UserError, match="model is missing"):
        compose("convert", [], ConvertConfig)
