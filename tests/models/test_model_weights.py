"""Weights: by name, by path, checked, strict, and never executed."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from model_cases import backbone_config
from safetensors.torch import save_file
from torch import nn

from realfake.errors import UserError
from realfake.models import build_backbone, load_backbone_state
from realfake.models.weight_files import mismatch, read_state_dict
from realfake.models.weights import WeightsFile, fetch, published


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of torch's hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return build_backbone(backbone_config("tiny_cnn")).state_dict()


def publish(folder: Path, content: bytes, digest: str | None = None) -> WeightsFile:
    name = f"net-{(digest or hashlib.sha256(content).hexdigest())[:8]}.pth"
    (folder / name).write_bytes(content)
    return WeightsFile("v1", (folder / name).as_uri())


def error_of(name: str, weights: object) -> str:
    with pytest.raises(UserError) as error:
        build_backbone(backbone_config(name, f"backbone.weights={weights}"))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("resnet18", ["IMAGENET1K_V1 resnet18-f37072fd.pth f37072fd"]),
        ("vgg16", ["IMAGENET1K_V1 vgg16-397923af.pth 397923af"]),
        (
            "vit_b_16",
            [
                "IMAGENET1K_V1 vit_b_16-c867db91.pth c867db91",
                "IMAGENET1K_SWAG_E2E_V1 vit_b_16_swag-9ac1b537.pth 9ac1b537",
                "IMAGENET1K_SWAG_LINEAR_V1 vit_b_16_lc_swag-4e70ced5.pth 4e70ced5",
            ],
        ),
        ("swin3d_t", ["KINETICS400_V1 swin3d_t-7615ae03.pth 7615ae03"]),
        ("slow_r50", ["kinetics400 SLOW_8x8_R50.pyth None"]),
        (
            "inception_resnet_v1",
            ["vggface2 20180402-114759-vggface2.pt None", "casia_webface 20180408-102900-casia-webface.pt None"],
        ),
        ("gru", []),
    ],
)
def test_published_files(name: str, files: list[str]) -> None:
    assert [f"{f.name} {f.filename} {f.sha256_prefix}" for f in published(name)] == files


def test_pytorchvideo_files_are_those_of_its_hub() -> None:
    from pytorchvideo.models.hub import efficient_x3d_mobile_cpu, resnet, x3d

    paths = {**resnet.checkpoint_paths, **x3d.checkpoint_paths, **efficient_x3d_mobile_cpu._checkpoint_paths}
    for name in ("slow_r50", "x3d_s", "efficient_x3d_s"):
        assert [file.url for file in published(name)] == [paths[name]]


def test_download_once_and_check_what_came(hub: Path, tmp_path: Path) -> None:
    file = publish(tmp_path, b"weights")
    path = fetch(file)
    assert path == hub / file.filename
    assert path.read_bytes() == b"weights"
    (tmp_path / file.filename).unlink()
    assert fetch(file) == path  # from the cache
    path.write_bytes(b"wei")
    with pytest.raises(UserError, match=rf"does not begin with {file.sha256_prefix}; delete it"):
        fetch(file)


def test_download_of_something_else_is_refused(hub: Path, tmp_path: Path) -> None:
    file = publish(tmp_path, b"captive portal", digest="0" * 64)
    with pytest.raises(UserError, match="not the published file"):
        fetch(file)
    assert list(hub.iterdir()) == []


def test_without_a_network_the_error_says_what_to_do(hub: Path, tmp_path: Path) -> None:
    file = WeightsFile("v1", (tmp_path / "nowhere-01234567.pth").as_uri())
    with pytest.raises(UserError) as error:
        fetch(file)
    for part in (file.filename, file.url, str(hub)):
        assert part in str(error.value)


def test_default_and_a_name_mean_the_published_file(hub: Path) -> None:
    torch.manual_seed(5)
    reference = build_backbone(backbone_config("inception_resnet_v1")).net.state_dict()
    hub.mkdir(parents=True)
    path = hub / "20180402-114759-vggface2.pt"
    torch.save(reference | {"logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}, path)
    for weights in ("default", "VGGFace2"):
        ours = build_backbone(backbone_config("inception_resnet_v1", f"backbone.weights={weights}"))
        assert all(torch.equal(value, reference[key]) for key, value in ours.net.state_dict().items())


def test_unknown_names() -> None:
    assert "there are: none, default, IMAGENET1K_V1" in error_of("resnet18", "imagenet1k")
    assert "did you mean 'IMAGENET1K_V1'?" in error_of("resnet18", "IMAGENET1K_V2")
    assert "small_cnn has no published weights" in error_of("small_cnn", "default")
    assert error_of("resnet18", "some/file.pth").endswith("no such file")
    assert "there are: none, default, c3_in1k" in timm_error("nothing")


def timm_error(weights: str) -> str:
    with pytest.raises(UserError) as error:
        build_backbone(backbone_config("timm", "backbone.name=resnet10t", f"backbone.weights={weights}"))
    return str(error.value)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt", ".safetensors"])
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "model.",
        "module.module.",
        "model._orig_mod.",
        "a.b.encoder_q.",
    ],
)
def test_files_of_other_programs(state: dict[str, torch.Tensor], tmp_path: Path, ending: str, prefix: str) -> None:
    path = tmp_path / f"weights{ending}"
    content = {prefix + key: value.contiguous() for key, value in state.items()}
    if ending == ".safetensors":
        save_file(content, path)
    else:
        torch.save({"state_dict": content, "epoch": 3} if ending == ".ckpt" else content, path)
    loaded = build_backbone(backbone_config("tiny_cnn", f"backbone.weights={path}")).state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())


@pytest.mark.parametrize("wrapping", [("model",), ("model", "state_dict"), ("ema_weights",), ("run", "best")])
def test_a_network_inside_of_other_things(
    state: dict[str, torch.Tensor], tmp_path: Path, wrapping: tuple[str, ...]
) -> None:
    content: object = {f"model.{key}": value for key, value in state.items()} | {"criterion.weight": torch.ones(12)}
    for key in reversed(wrapping):
        content = {key: content, "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}
    torch.save(content, tmp_path / "last.ckpt")
    if wrapping == ("run", "best"):  # not to be told from anything else
        assert "expected a state dict" in error_of("tiny_cnn", tmp_path / "last.ckpt")
        return
    loaded = build_backbone(backbone_config("tiny_cnn", f"backbone.weights={tmp_path}/last.ckpt")).state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())


def test_a_reference_network_with_its_classifier_in_another_program(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    reference = resnet18(num_classes=7).state_dict()
    torch.save({"state_dict": {f"module.module.{key}": value for key, value in reference.items()}}, tmp_path / "r.pth")
    loaded = build_backbone(backbone_config("resnet18", f"backbone.weights={tmp_path}/r.pth")).net.state_dict()
    assert loaded.keys() == {key for key in reference if not key.startswith("fc.")}
    assert all(torch.equal(value, reference[key]) for key, value in loaded.items())


def test_of_two_networks_in_a_file_neither_is_chosen(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    names = ("student.", "teacher.")
    torch.save({prefix + key: value for prefix in names for key, value in state.items()}, tmp_path / "two.pth")
    assert "holds several such networks (student.net., teacher.net.)" in error_of("tiny_cnn", tmp_path / "two.pth")


def test_below_a_prefix_everything_has_to_fit(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    some = {f"model.{key}": value for key, value in list(state.items())[1:]} | {"model.net.more": torch.ones(1)}
    torch.save(some, tmp_path / "less.pth")
    message = error_of("tiny_cnn", tmp_path / "less.pth")
    assert message.endswith("keys 1 missing (blocks.0.weight), 1 unexpected (more)")


def test_timm_file_with_its_classifier(tmp_path: Path) -> None:
    import timm

    reference = timm.create_model("mobilenetv3_small_050", num_classes=8).eval()
    torch.save({f"model.{key}": value for key, value in reference.state_dict().items()}, tmp_path / "hsemotion.pt")
    overrides = ["backbone.name=mobilenetv3_small_050", f"backbone.weights={tmp_path}/hsemotion.pt", "backbone.size=64"]
    ours = build_backbone(backbone_config("timm", *overrides)).eval()
    reference.reset_classifier(0)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), reference(x))


def test_checkpoint_of_this_project(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    content = {f"backbone.{key}": value for key, value in state.items()} | {"heads.joint.output.bias": torch.zeros(12)}
    torch.save({"state_dict": content}, tmp_path / "best.ckpt")
    loaded = build_backbone(backbone_config("tiny_cnn", f"backbone.weights={tmp_path}/best.ckpt")).state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())


@pytest.mark.slow
def test_vit_positions_are_resized(tmp_path: Path) -> None:
    with torch.device("meta"):
        small = build_backbone(backbone_config("vit_b_16", "backbone.input.size=32"))
    state = {key.removeprefix("net."): torch.zeros(value.shape) for key, value in small.state_dict().items()}
    state["encoder.pos_embedding"] = torch.ones(1, 5, 768)
    torch.save({f"module.module.{key}": value for key, value in state.items()}, tmp_path / "vit.pth")
    overrides = ["backbone.input.size=64", f"backbone.weights={tmp_path}/vit.pth"]
    loaded = build_backbone(backbone_config("vit_b_16", *overrides)).net.encoder.pos_embedding
    torch.testing.assert_close(loaded, torch.ones(1, 17, 768))


def test_wrong_state_dict_names_five_keys_at_most(tmp_path: Path) -> None:
    torch.save({f"layer{i}.weight": torch.zeros(1) for i in range(9)}, tmp_path / "other.pth")
    message = error_of("resnet18", tmp_path / "other.pth")
    assert f"{tmp_path}/other.pth does not fit resnet18" in message
    assert "100 missing (conv1.weight, bn1.weight, bn1.bias, …)" in message
    assert "9 unexpected (layer0.weight, layer1.weight, …)" in message


def test_mismatch_of_shapes() -> None:
    expected = {"a": torch.zeros(2, 3), "b": torch.zeros(1)}
    assert mismatch(expected, expected) is None
    given = {"a": torch.zeros(4, 3), "b": torch.zeros(1)}
    assert mismatch(expected, given) == "1 of another shape (a (4, 3) instead of (2, 3))"
    many = {f"k{i}": torch.zeros(1) for i in range(7)}
    assert mismatch(many, {}) == "7 missing (k0, k1, k2, k3, k4, …)"


def test_load_backbone_state_is_all_or_nothing(state: dict[str, torch.Tensor]) -> None:
    backbone = build_backbone(backbone_config("tiny_cnn"))
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    part = dict(list(state.items())[1:])
    with pytest.raises(UserError, match=r"run x does not fit tiny_cnn: keys 1 missing \(net.blocks.0.weight\)"):
        load_backbone_state(backbone, part, "run x")
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    load_backbone_state(backbone, state, "run x")
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["in_checkpoint", "plain_pickle", "whole_module", "torchscript"])
def test_code_is_refused_and_not_run(kind: str, tmp_path: Path) -> None:
    path, mark = tmp_path / "model.pth", tmp_path / "executed"
    if kind == "in_checkpoint":
        torch.save({"state_dict": {}, "extra": Trap(mark)}, path)
    elif kind == "plain_pickle":
        path.write_bytes(pickle.dumps(Trap(mark)))
    elif kind == "whole_module":
        torch.save(nn.Linear(2, 2), path)
    else:
        torch.jit.script(nn.Linear(2, 2)).save(path)
    message = error_of("tiny_cnn", path)
    assert "refused" in message
    assert "torch.save(model.state_dict(), path)" in message
    assert not mark.exists()


def test_damaged_files(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(state, whole)
    contents = {
        "empty.pth": b"",
        "half.pth": whole.read_bytes()[:1000],
        "text.pth": b"<html>not found</html>" * 9,
        "a.safetensors": b"abc",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: damaged, or not a"):
            read_state_dict(tmp_path / name)
    torch.save({"accuracy": 0.9}, tmp_path / "results.pt")
    with pytest.raises(UserError, match="expected a state dict"):
        read_state_dict(tmp_path / "results.pt")
    with pytest.raises(UserError, match="no such file"):
        read_state_dict(tmp_path / "absent.pt")
