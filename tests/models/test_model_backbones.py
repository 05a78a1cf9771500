"""Every backbone: composes, builds at full size, gives features of the declared length, learns, and can be frozen."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from model_cases import ALL_BACKBONES, CONF, backbone_config
from torchvision.models import get_model_weights

from realfake.composing.messages import changed
from realfake.composing.overrides import options
from realfake.config import CLIP_FEATURES, FRAME_FEATURES, STREAM_NETWORKS, VIDEO_TRANSFORMERS
from realfake.errors import UserError
from realfake.models import Backbone, build_backbone, sample_spec
from realfake.models.torchvision_networks import LAST_LAYER

FEATURES = {
    **FRAME_FEATURES,
    **CLIP_FEATURES,
    "videomae": 768,
    "vjepa2": 1024,
    "marlin": 768,
    "pixels": 3 * 224 * 224,
    "timm": 1280,
    "lstm": 256,
    "gru": 256,
    "tcn": 64,
    "transformer": 64,
    "siamese": 128,
}

# The smallest input on which a training step is quick, for the networks that take one.
SMALL = {
    "small_cnn": ["backbone.input.size=32"],
    "tiny_cnn": [],
    "resnet18": ["backbone.input.size=64"],
    "inception_resnet_v1": ["backbone.input.size=80"],
    "timm": ["backbone.name=mobilenetv3_small_050", "backbone.size=64"],
    "cnn3d": ["backbone.input.size=32", "backbone.input.frames=5"],
    "cnn3d_thesis": ["backbone.input.size=16", "backbone.input.frames=2"],
    "lstm_thesis": ["backbone.input.size=16", "backbone.input.frames=2"],
    "gru_thesis": ["backbone.input.size=16", "backbone.input.frames=2"],
    "lstm": ["backbone.frames=3"],
    "gru": ["backbone.frames=3"],
    "tcn": ["backbone.frames=3"],
    "transformer": ["backbone.frames=3"],
    "siamese": ["backbone.frames=3", "backbone.neutral_frames=2"],
    "x3d_s": ["backbone.input.size=64", "backbone.input.frames=4"],
    "efficient_x3d_s": ["backbone.input.size=64", "backbone.input.frames=4"],
    "r3d_18": ["backbone.input.size=32", "backbone.input.frames=4"],
    "mc3_18": ["backbone.input.size=32", "backbone.input.frames=4"],
    "real_smile_net": ["backbone.input.frames=5"],
    **{
        name: ["backbone.variant=tiny", "backbone.input.size=32", "backbone.input.frames=4"]
        for name in VIDEO_TRANSFORMERS
    },
}


LARGE = ("lstm_thesis", "gru_thesis", "vjepa2")
"""With gigabytes of weights at full size."""


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    if getattr(request.node, "callspec", None) and request.node.callspec.params.get("name") in VIDEO_TRANSFORMERS:
        pytest.importorskip("transformers", reason="the extra transformers is not installed")


def test_every_file_is_known_here() -> None:
    others = {"numbers", *STREAM_NETWORKS}  # that has no network, and those that look at no pixels
    assert {*options("backbone", CONF)} - others == set(ALL_BACKBONES) == set(FEATURES)


@pytest.mark.parametrize("name", ALL_BACKBONES)
def test_builds_at_full_size(name: str) -> None:
    cfg = backbone_config(name)
    with torch.device("meta") if name in LARGE else nullcontext():
        backbone = build_backbone(cfg)
    assert backbone.spec == sample_spec(cfg)
    assert backbone.features == FEATURES[name]
    assert backbone.training
    assert (backbone.spec.frames is None) == (cfg.kind in ("frame", "timm"))
    assert any(p.is_meta for p in backbone.parameters()) == (name in LARGE)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_one_step_of_training(name: str) -> None:
    learns(build_backbone(backbone_config(name, *SMALL[name])))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*ALL_BACKBONES} - {*LARGE, "pixels"}))
def test_one_step_of_training_at_full_size(name: str) -> None:
    learns(build_backbone(backbone_config(name)))


def learns(backbone: Backbone) -> None:
    torch.manual_seed(0)
    x = torch.randn(backbone.blank(2).shape)
    before = [p.detach().clone() for p in backbone.parameters()]
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.01)
    features = backbone(x)
    assert features.shape == (2, backbone.features)
    assert features.isfinite().all()
    features.square().mean().backward()
    without = [name for name, p in backbone.named_parameters() if p.grad is None]
    assert without == []
    optimizer.step()
    assert any(not torch.equal(p, old) for p, old in zip(backbone.parameters(), before, strict=True))
    assert all(p.isfinite().all() for p in backbone.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    # Counted from the layers of the thesis's code, less those of its classifiers.
    [
        ("cnn3d_thesis", 64_421_728),
        ("lstm_thesis", 1_028_395_008),
        ("gru_thesis", 2_312_308_224),
    ],
)
def test_size_of_the_networks_of_the_thesis(name: str, parameters: int) -> None:
    with torch.device("meta"):
        backbone = build_backbone(backbone_config(name))
    assert backbone.blank(1).shape == (1, 3, 20, 224, 224)
    assert sum(p.numel() for p in backbone.parameters()) == parameters


@pytest.mark.parametrize("name", ["tiny_cnn", "gru", "cnn3d"])
def test_normalised_features_have_length_one(name: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(backbone_config(name, *SMALL[name])).eval()
    x = torch.randn(backbone.blank(2).shape)
    torch.manual_seed(0)
    normalised = build_backbone(backbone_config(name, *SMALL[name], "backbone.normalize=true")).eval()
    with torch.no_grad():
        features = backbone(x)
        torch.testing.assert_close(normalised(x), features / features.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("name", ["tiny_cnn", "resnet18", "gru", "cnn3d"])
def test_seed_decides_initial_values(name: str) -> None:
    def build(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return build_backbone(backbone_config(name, *SMALL[name])).state_dict()

    first, again, other = build(0), build(0), build(1)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", ["resnet18", "inception_resnet_v1", "r3d_18"])
def test_channels_last_gives_the_same(name: str) -> None:
    backbone = build_backbone(backbone_config(name, *SMALL[name])).eval()
    torch.manual_seed(0)
    x = torch.randn(backbone.blank(2).shape)
    layout = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    with torch.no_grad():
        plain = backbone(x)
        other = backbone.to(memory_format=layout)(x.contiguous(memory_format=layout))
    torch.testing.assert_close(other, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "tiny_cnn", "gru", "x3d_s", "timm"])
def test_input_is_left_alone(name: str) -> None:
    backbone = build_backbone(backbone_config(name, *SMALL[name]))
    x = torch.randn(backbone.blank(2).shape)
    before = x.clone()
    backbone(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", ["resnet18", "inception_resnet_v1", "gru", "x3d_s", "timm"])
def test_frozen_backbone_stays_bit_identical(name: str) -> None:
    backbone = build_backbone(backbone_config(name, *SMALL[name], "backbone.freeze=true"))
    head = torch.nn.Linear(backbone.features, 2)
    model = torch.nn.Sequential(backbone, head).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    head_before = head.weight.detach().clone()
    features = []
    for _ in range(2):
        torch.manual_seed(0)
        x = torch.randn(backbone.blank(2).shape)
        features.append(backbone(x))
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert torch.equal(features[0], features[1])  # no dropout
    assert not features[0].requires_grad
    assert head.training
    assert not torch.equal(head.weight, head_before)


def test_frozen_frame_encoder_in_a_recurrent_network_that_learns() -> None:
    backbone = build_backbone(backbone_config("gru", "backbone.frames=3", "backbone.frame.freeze=true")).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    backbone(torch.randn(backbone.blank(2).shape)).square().mean().backward()
    optimizer.step()
    changed = {key for key, value in backbone.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith("net.rnn.") for key in changed)


@pytest.mark.parametrize("name", sorted(LAST_LAYER))
def test_normalisation_is_that_of_the_published_weights(name: str) -> None:
    spec, published = sample_spec(backbone_config(name)).pixels, get_model_weights(name).DEFAULT.transforms()
    assert spec.mean == pytest.approx(published.mean)
    assert spec.std == pytest.approx(published.std)


def test_facenet_normalisation() -> None:
    spec = sample_spec(backbone_config("inception_resnet_v1")).pixels
    grey = torch.arange(256.0)
    torch.testing.assert_close((grey / 255 - spec.mean[0]) / spec.std[0], (grey - 127.5) / 128)


def test_wrong_number_of_features_is_found_at_build() -> None:
    spec = changed(sample_spec(backbone_config("tiny_cnn")).pixels, {"size": 32})
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 1000))
    with pytest.raises(ValueError, match=r"gives \(2, 1000\) .* expected \(2, 512\)"):
        Backbone("mine", net, spec, 512)
    assert net.training


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("inception_resnet_v1", "backbone.input.size=48", "size=48: too small for inception_resnet_v1"),
        ("vit_b_16", "backbone.input.size=100", "vit_b_16 needs a multiple of 16, such as 96"),
        ("mvit_v2_s", "backbone.input.frames=8", "mvit_v2_s knows positions of 16 frames of 224 pixels"),
        ("s3d", "backbone.input.frames=3", "size=224, frames=3: too small for s3d"),
        ("timm", "backbone.name=resnet10x", "timm has no such model; did you mean resnet10t"),
        ("timm", "backbone.name=resnet10t.nothing", "no such weights .*c3_in1k"),
    ],
)
def test_impossible_input(name: str, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        build_backbone(backbone_config(name, override))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("resnet18", "backbone.input.frames=4", "sees single frames"),
        ("r3d_18", "backbone.input.frames=null", "sees clips"),
        ("resnet18", "+backbone.channels=[8]", "only tiny_cnn has this key"),
    ],
)
def test_impossible_configuration(name: str, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        backbone_config(name, override)


def test_tiny_cnn_with_other_channels() -> None:
    backbone = build_backbone(backbone_config("tiny_cnn", "backbone.channels=[8,8]", "backbone.input.size=96"))
    assert backbone.net.linear.in_features == 8 * 24 * 24
    learns(backbone)


def test_missing_timm_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UserError, match=r"pip install 'timm>="):
        sample_spec(backbone_config("timm"))
