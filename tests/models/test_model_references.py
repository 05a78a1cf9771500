"""Networks against the implementations that they claim to be: same state dict, same features; published sizes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from model_cases import backbone_config, numbers, random_state
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from realfake.models import Backbone, build_backbone

REFERENCE = Path(__file__).with_name("facenet_reference.npz")

# name: (path of the reference's classifier, overrides that keep it quick)
QUICK = {
    "resnet18": ("fc", ["backbone.input.size=64"]),
    "r3d_18": ("fc", ["backbone.input.size=40", "backbone.input.frames=6"]),
    "mc3_18": ("fc", ["backbone.input.size=40", "backbone.input.frames=6"]),
    "r2plus1d_18": ("fc", ["backbone.input.size=40", "backbone.input.frames=6"]),
    "swin3d_t": ("head", ["backbone.input.size=64", "backbone.input.frames=4"]),
    "x3d_s": ("blocks.5.proj", []),
    "efficient_x3d_s": ("projection.model", ["backbone.input.size=96", "backbone.input.frames=5"]),
}
FULL = {
    "efficientnet_v2_m": ("classifier.1", []),
    "vgg16": ("classifier.6", []),
    "vit_b_16": ("heads.head", []),
    "s3d": ("classifier.1", []),
    "mvit_v2_s": ("head.1", []),
    "slow_r50": ("blocks.5.proj", []),
}
CASES = [
    *(pytest.param(name, *case, id=name) for name, case in QUICK.items()),
    *(pytest.param(name, *case, id=name, marks=pytest.mark.slow) for name, case in FULL.items()),
]


def reference_of(name: str) -> nn.Module:
    if name in ("slow_r50", "x3d_s", "efficient_x3d_s"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pytorchvideo.models import hub
        return getattr(hub, name)()
    return get_model(name, weights=None)


@pytest.mark.parametrize(("name", "classifier", "overrides"), CASES)
def test_same_features_as_the_reference(name: str, classifier: str, overrides: list[str], tmp_path: Path) -> None:
    reference = reference_of(name).eval()
    state = reference.state_dict()
    # Indices of relative positions stay as they are.
    state |= random_state({key: value for key, value in state.items() if value.is_floating_point()})
    reference.load_state_dict(state)
    torch.save({"model_state": state}, tmp_path / "weights.pth")
    ours = build_backbone(backbone_config(name, *overrides, f"backbone.weights={tmp_path}/weights.pth")).eval()

    seen: list[Tensor] = []
    reference.get_submodule(classifier).register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    x = numbers("input", tuple(ours.blank(2).shape))
    with torch.no_grad():
        reference(x)
        features = ours(x)
    scale = features.abs().max()
    assert features[0].sub(features[1]).abs().max() > 1e-3 * scale
    torch.testing.assert_close(features / scale, seen[0].reshape(features.shape) / scale, rtol=0, atol=1e-5)

    removed = sum(value.numel() for key, value in state.items() if key.startswith(f"{classifier}."))
    assert parameters(ours) + removed == parameters(reference)
    if name not in ("slow_r50", "x3d_s", "efficient_x3d_s"):
        assert parameters(reference) == get_model_weights(name).DEFAULT.meta["num_params"]


# Published counts: torchvision's model pages; facenet-pytorch with VGGFace2's 8,631 identities; pytorchvideo's model
# zoo gives 32.45 million for Slow-R50 and 3.79 million for X3D-S, with Kinetics' 400 classes.
@pytest.mark.parametrize(
    ("name", "classes", "published"),
    [
        ("vgg16", 1000, 138_357_544),
        ("vit_b_16", 1000, 86_567_656),
        ("s3d", 400, 8_320_048),
        ("mvit_v2_s", 400, 34_537_744),
        ("inception_resnet_v1", 8631, 27_910_327),
        ("slow_r50", 400, 32.45e6),
        ("x3d_s", 400, 3.79e6),
        ("efficient_x3d_s", 400, 3.79e6),
    ],
)
def test_published_number_of_parameters(name: str, classes: int, published: float) -> None:
    with torch.device("meta"):
        backbone = build_backbone(backbone_config(name))
    total = parameters(backbone) + (backbone.features + 1) * classes
    assert total == (published if isinstance(published, int) else pytest.approx(published, abs=0.005e6))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def facenet(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """Our network with the state dict with which the reference's outputs were recorded, classifier included."""
    reference = np.load(REFERENCE)
    shapes = [tuple(int(n) for n in shape.split()) for shape in reference["shapes"]]
    like = {str(key): torch.empty(shape) for key, shape in zip(reference["keys"], shapes, strict=True)}
    assert {"conv2d_1a.conv.weight", "last_linear.weight", "last_bn.weight", "logits.weight"} <= set(like)
    path = tmp_path_factory.mktemp("facenet") / "20180402-114759-vggface2.pt"
    torch.save(random_state(like), path)
    return build_backbone(backbone_config("inception_resnet_v1", f"backbone.weights={path}")).eval()


def test_same_embedding_as_facenet_pytorch(facenet: Backbone) -> None:
    reference = np.load(REFERENCE)
    images = numbers("images", (2, 3, 160, 160), 0.5)
    with torch.no_grad():
        embedding = facenet(images)
        facenet.normalize = True
        normalised = facenet(images)
        facenet.normalize = False
    torch.testing.assert_close(embedding, torch.from_numpy(reference["embedding"]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(normalised, torch.from_numpy(reference["normalised"]), rtol=0, atol=1e-5)


def test_same_keys_as_facenet_pytorch(facenet: Backbone) -> None:
    keys = [str(key) for key in np.load(REFERENCE)["keys"] if not str(key).startswith("logits.")]
    assert list(facenet.net.state_dict()) == keys


def test_facenet_without_some_keys_is_refused(facenet: Backbone, tmp_path: Path) -> None:
    state = facenet.net.state_dict()
    del state["last_bn.weight"], state["conv2d_1a.conv.weight"]
    torch.save(state, tmp_path / "part.pt")
    with pytest.raises(Exception, match=r"2 missing \(conv2d_1a.conv.weight, last_bn.weight\)"):
        build_backbone(backbone_config("inception_resnet_v1", f"backbone.weights={tmp_path}/part.pt"))
