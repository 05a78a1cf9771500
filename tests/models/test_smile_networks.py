"""RealSmileNet, MeshSmileNet and HadaSmileNet: the outputs of their public code, gaps, any number of points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from model_cases import backbone_config, numbers, random_state
from torch import Tensor, nn

from realfake.composing.composition import compose
from realfake.config import MediapipeSignal, StreamInfo, TrainConfig
from realfake.config.trackers import tracker_info
from realfake.errors import UserError
from realfake.models import Backbone, build_backbone
from realfake.models.backbone import Inputs
from realfake.streams.stream import StreamValues

REFERENCE = np.load(Path(__file__).with_name("smile_reference.npz"))
MESH = MediapipeSignal(name="mediapipe", weights="unused", rate_fps="full").infos()[0]
MARKERS = StreamInfo("mesh_markers", (225,), "numbers of a clip")
OF_POINTS = ("mesh_smile_net", "hada_smile_net")
AS_RECORDED = ("backbone.lowest=[0.0,0.0,0.0]", "backbone.highest=[1.0,1.0,1.0]")
SMALL = (
    "backbone.lowest=[-1.0,-1.0]", "backbone.highest=[1.0,1.0]", "backbone.neighbours=4", "backbone.curves=6",
    "backbone.steps=3", "backbone.channels=[8,16]", "backbone.tokens=3", "backbone.heads=2", "backbone.layers=2",
    "backbone.time_layers=1", "backbone.hidden=8", "backbone.frames=4",
)  # fmt: skip


def values(tensor: Tensor, valid: Tensor | None = None) -> StreamValues:
    """A stream (B, T, *shape)."""
    there = torch.ones(tensor.shape[:2], dtype=torch.bool) if valid is None else valid
    return StreamValues(tensor, torch.arange(tensor.shape[1]).expand(tensor.shape[:2]) / 25, there)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def as_recorded(name: str, backbone: Backbone) -> Backbone:
    """The network in double precision with the weights, in their order, with which the reference was recorded."""
    shapes = [tuple(int(n) for n in shape.split()) for shape in REFERENCE[f"{name}_shapes"]]
    keys = [str(key) for key in REFERENCE[f"{name}_keys"]]
    state = random_state({key: torch.empty(shape) for key, shape in zip(keys, shapes, strict=True)})
    own = {key: value for key, value in backbone.net.state_dict().items() if not key.startswith("standardise.")}
    given = {key: v.reshape(own[key].shape) for key, v in zip(own, state.values(), strict=True)}
    backbone.net.load_state_dict(given, strict=False)
    return backbone.double().eval()


def recorded_case(name: str) -> tuple[Backbone, Inputs]:
    """A network of published size, and what its public code was given."""
    if name == "real":
        pixels = numbers("pixels", (2, 5, 3, 48, 48), 0.2, 0.5).double()
        return build_backbone(backbone_config("real_smile_net")), pixels.transpose(1, 2)
    mesh = {"mesh": values(numbers("cloud", (2, 2, 478, 3), 0.2, 0.5).double())}
    if name == "mesh":
        return build_backbone(backbone_config("mesh_smile_net", *AS_RECORDED), {"mesh": MESH}), mesh
    markers = values(numbers("markers", (2, 225)).double()[:, None])
    infos = {"mesh": MESH, "mesh_markers": MARKERS}
    return build_backbone(backbone_config("hada_smile_net", *AS_RECORDED), infos), mesh | {MARKERS.name: markers}


@pytest.mark.parametrize("name", ["real", "mesh", "hada"])
def test_same_features_as_the_public_code(name: str) -> None:
    backbone, given = recorded_case(name)
    with torch.no_grad():
        features = as_recorded(name, backbone)(given)
    assert features[0].sub(features[1]).abs().max() > 0.01
    torch.testing.assert_close(features, torch.from_numpy(REFERENCE[f"{name}_features"]), rtol=0, atol=1e-5)
    # Their one output for real and fake is the head's here.
    assert parameters(backbone) + backbone.features + 1 == int(REFERENCE[f"{name}_parameters"])


def test_repeated_last_frames_change_nothing() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(backbone_config("real_smile_net"))
    short = torch.rand(2, 3, 5, 48, 48)
    filled = torch.cat([short, short[:, :, -1:].expand(-1, -1, 4, -1, -1)], dim=2)
    states = []
    for given in (short, filled):
        backbone.net.encoder[0].reset_running_stats()
        torch.manual_seed(0)
        backbone.train()(given)
        states.append(backbone.net.encoder[0].running_mean.clone())
    torch.testing.assert_close(*states)
    with torch.no_grad():
        same, moving = backbone.eval()(filled), backbone(filled + torch.linspace(0, 0.1, 9)[:, None, None])
        torch.testing.assert_close(same, backbone(short))
    assert (moving - same).abs().max() > 1e-4


def small(name: str) -> tuple[Backbone, dict[str, StreamInfo]]:
    """A network of 68 points, and of 17 units where it takes numbers."""
    streams = ("landmarks", "units") if name == "hada_smile_net" else ("landmarks",)
    infos = {stream: tracker_info(stream, "OpenFace 2") for stream in streams}
    torch.manual_seed(0)
    words = [*SMALL, f"backbone.streams=[{','.join(infos)}]"]
    return build_backbone(backbone_config(name, *words), infos), infos


def random_streams(infos: Mapping[str, StreamInfo], valid: Tensor) -> dict[str, StreamValues]:
    torch.manual_seed(1)
    return {name: values(torch.randn(*valid.shape, *info.shape), valid) for name, info in infos.items()}


@pytest.mark.parametrize("name", OF_POINTS)
def test_gaps_say_nothing(name: str) -> None:
    backbone, infos = small(name)
    valid = torch.tensor([[True, False, True, True], [True, True, False, False], [False] * 4])
    given = random_streams(infos, valid)
    other = {
        key: s._replace(values=torch.where(valid.view(*valid.shape, *(1 for _ in infos[key].shape)), s.values, 7.0))
        for key, s in given.items()
    }
    statistics = []
    for streams in (given, other):
        trained, _ = small(name)
        torch.manual_seed(0)
        assert trained.train()(streams).isfinite().all()
        statistics.append(dict(trained.named_buffers()))
    torch.testing.assert_close(*statistics)
    with torch.no_grad():
        features = backbone.eval()(given)
        torch.testing.assert_close(features, backbone(other))
        shorter = {key: StreamValues(*(part[1:2, :2] for part in s)) for key, s in given.items()}
        torch.testing.assert_close(features[1:2], backbone(shorter))
    assert features.isfinite().all()


@pytest.mark.parametrize("name", OF_POINTS)
def test_every_weight_of_a_small_network_learns(name: str) -> None:
    backbone, infos = small(name)
    learns(backbone, random_streams(infos, torch.ones(2, 4, dtype=torch.bool)))


@pytest.mark.parametrize("name", OF_POINTS)
def test_half_precision_gives_numbers(name: str) -> None:
    backbone, infos = small(name)
    streams = random_streams(infos, torch.tensor([[True, True, False, True], [False] * 4]))
    with torch.autocast("cpu", torch.bfloat16):
        features = backbone(streams)
    features.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in backbone.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_POINTS)
def test_one_step_of_training_at_full_size(name: str) -> None:
    infos = {"mesh": MESH, "mesh_markers": MARKERS} if name == "hada_smile_net" else {"mesh": MESH}
    backbone = build_backbone(backbone_config(name), infos)
    assert (backbone.spec.frames, backbone.features) == (16, 256)
    learns(backbone, random_streams(infos, torch.ones(2, 16, dtype=torch.bool)))


def learns(backbone: Backbone, streams: dict[str, StreamValues]) -> None:
    """One step changes weights, and gives each a gradient, without which distributed training stops."""
    before = [p.detach().clone() for p in backbone.parameters()]
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.01)
    backbone(streams).square().mul(torch.arange(backbone.features)).mean().backward()
    assert [name for name, p in backbone.named_parameters() if p.grad is None] == []
    optimizer.step()
    assert any(not torch.equal(p, old) for p, old in zip(backbone.parameters(), before, strict=True))
    assert all(p.isfinite().all() for p in backbone.parameters())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("signals=[drawn] backbone=mesh_smile_net", "the data have no stream mesh"),
        ("signals=[drawn] backbone=mesh_smile_net backbone.streams=[units]", "units has no points of a face"),
        ("signals=[mediapipe] backbone=mesh_smile_net backbone.streams=[mesh,units]", "takes one stream of points"),
        ("signals=[mediapipe] backbone=mesh_smile_net backbone.standardise=true", "points keep their shape"),
        ("signals=[mediapipe] backbone=mesh_smile_net backbone.lowest=[0.0,0.0]", "a lower and a higher value"),
        ("signals=[mediapipe] backbone=mesh_smile_net backbone.curves=500", "expected backbone.curves=478 or fewer"),
        ("signals=[mediapipe] backbone=mesh_smile_net backbone.neighbours=478", "backbone.neighbours=477 or fewer"),
        ("signals=[mediapipe] backbone=mesh_smile_net backbone.heads=3", "a multiple of backbone.heads=3"),
        (
            "signals=[mediapipe] backbone=hada_smile_net backbone.streams=[mesh]",
            "a stream of points and one of numbers",
        ),
        ("signals=[drawn] backbone=mesh_smile_net backbone.streams=[landmarks]", "landmarks has 2 axes"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(overrides: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("train", ["approach=temporal", *overrides.split()], TrainConfig)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
