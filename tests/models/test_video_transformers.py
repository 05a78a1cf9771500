"""Transformers for video: features of the code that they come from, published sizes and files, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import backbone_config, numbers, random_state

from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.errors import UserError
from realfake.models import Backbone, build_backbone
from realfake.models.weights import obtain_weights, published
from realfake.runs.origin import is_own, origins

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

REFERENCE = Path(__file__).with_name("video_transformers_reference.npz")
TINY = ("backbone.variant=tiny", "backbone.input.size=32", "backbone.input.frames=4")
CLIPS = numbers("clips", (2, 3, 4, 32, 32), 0.5)
SIZE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def tiny(name: str, weights: Path | str) -> Backbone:
    return build_backbone(backbone_config(name, *TINY, f"backbone.weights={weights}")).eval()


def features(backbone: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return backbone(CLIPS)


@pytest.mark.parametrize(("name", "prefix"), [("marlin", ""), ("videomae", ""), ("videomae", "module.encoder.")])
def test_files_of_the_publications_give_the_features_of_their_code(name: str, prefix: str, tmp_path: Path) -> None:
    """Weights as their code names them; what it gives for them was recorded by ``record_video_transformers.py``."""
    reference = np.load(REFERENCE)
    shapes = [tuple(int(n) for n in shape.split()) for shape in reference[f"{name}_shapes"]]
    state = dict(zip(reference[f"{name}_keys"].tolist(), map(torch.empty, shapes), strict=True))
    state = random_state({key: value for key, value in state.items() if not key.startswith("head.")})
    extra = {"decoder.blocks.0.attn.qkv.weight": torch.ones(3, 2), "enc_dec_proj.weight": torch.ones(1, 2)}
    content = {f"{prefix}{key}": value for key, value in state.items()} | (extra if name == "marlin" else {})
    torch.save({"module": content} if prefix else content, tmp_path / "weights.pt")
    found = features(tiny(name, tmp_path / "weights.pt"))
    np.testing.assert_allclose(found, reference[f"{name}_features"], atol=1e-5)


def videomae_options(**more: Any) -> Any:
    return transformers.VideoMAEConfig(
        **SIZE, intermediate_size=256, image_size=32, num_frames=4, decoder_num_hidden_layers=1, **more
    )


def test_a_folder_of_a_fine_tuned_videomae(tmp_path: Path) -> None:
    theirs = transformers.VideoMAEForVideoClassification(videomae_options()).eval()
    theirs.load_state_dict(random_state(theirs.state_dict()))
    theirs.save_pretrained(tmp_path / "tuned")
    seen: list[torch.Tensor] = []
    theirs.classifier.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with torch.inference_mode():
        theirs(CLIPS.transpose(1, 2))
    torch.testing.assert_close(features(tiny("videomae", tmp_path / "tuned")), seen[0])
    torch.testing.assert_close(features(tiny("videomae", tmp_path / "tuned" / "model.safetensors")), seen[0])


def test_a_videomae_that_was_only_pretrained_gets_a_new_norm(tmp_path: Path) -> None:
    theirs = transformers.VideoMAEForPreTraining(videomae_options(use_mean_pooling=False))
    state = random_state(theirs.state_dict())
    theirs.load_state_dict(state)
    theirs.save_pretrained(tmp_path / "pretrained")
    body = theirs.videomae.eval()
    body.layernorm = None
    with torch.inference_mode():
        tokens = body(CLIPS.transpose(1, 2)).last_hidden_state
    expected = torch.nn.functional.layer_norm(tokens.mean(1), (64,), eps=1e-12)
    torch.testing.assert_close(features(tiny("videomae", tmp_path / "pretrained")), expected)
    body.save_pretrained(tmp_path / "body")
    torch.testing.assert_close(features(tiny("videomae", tmp_path / "body")), expected)
    old = {key.replace("query.bias", "q_bias").replace("value.bias", "v_bias"): value for key, value in state.items()}
    torch.save(old, tmp_path / "pytorch_model.bin")  # as releases before 5 named them
    torch.testing.assert_close(features(tiny("videomae", tmp_path / "pytorch_model.bin")), expected)


@pytest.mark.parametrize("kind", ["VJEPA2Model", "VJEPA2ForVideoClassification"])
def test_a_folder_of_vjepa2(kind: str, tmp_path: Path) -> None:
    predictor = {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    options = transformers.VJEPA2Config(**SIZE, crop_size=32, frames_per_clip=4, num_pooler_layers=1, **predictor)
    theirs = getattr(transformers, kind)(options).eval()
    theirs.save_pretrained(tmp_path / "vjepa2")
    model = getattr(theirs, "vjepa2", theirs)
    with torch.inference_mode():
        tokens = model.get_vision_features(CLIPS.transpose(1, 2))
    torch.testing.assert_close(features(tiny("vjepa2", tmp_path / "vjepa2")), tokens.mean(1))


@pytest.mark.parametrize("name", ["videomae", "vjepa2"])
def test_a_checkpoint_of_this_project(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    ours = build_backbone(backbone_config(name, *TINY)).eval()
    state = {f"backbone.{key}": value for key, value in ours.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "run.ckpt")
    torch.testing.assert_close(features(tiny(name, tmp_path / "run.ckpt")), features(ours))


# Model zoos: MARLIN's counts its fixed positions, as VideoMAE's paper does; V-JEPA 2's are rounded.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant", "tokens", "expected", "tolerance"),
    [
        ("videomae", "small", 1568, 22e6, 0.5e6),
        ("videomae", "base", 1568, 87e6, 0.5e6),
        ("videomae", "large", 1568, 305e6, 0.5e6),
        ("videomae", "huge", 1568, 633e6, 1e6),
        ("marlin", "small", 1568, 22.48e6, 0.005e6),
        ("marlin", "base", 1568, 87.43e6, 0.005e6),
        ("marlin", "large", 1568, 305.47e6, 0.005e6),
        ("vjepa2", "large", 0, 300e6, 5e6),
        ("vjepa2", "huge", 0, 600e6, 50e6),
        ("vjepa2", "giant", 0, 1e9, 0.05e9),
    ],
)
def test_published_number_of_parameters(
    name: str, variant: str, tokens: int, expected: float, tolerance: float
) -> None:
    with torch.device("meta"):
        backbone = build_backbone(backbone_config(name, f"backbone.variant={variant}"))
    width = backbone.features
    assert sum(p.numel() for p in backbone.parameters()) + tokens * width == pytest.approx(expected, abs=tolerance)
    size = 256 if name == "vjepa2" else 224
    assert backbone.blank(1, "meta").shape == (1, 3, 16, size, size)


def test_published_files_of_marlin() -> None:
    assert [file.filename for file in published("marlin")] == [
        "marlin_vit_base_ytf.encoder.pt", "marlin_vit_small_ytf.encoder.pt", "marlin_vit_large_ytf.encoder.pt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("videomae", "backbone.weights=default", "weights MCG-NJU/videomae-base cannot be downloaded"),
        ("vjepa2", "backbone.weights=facebook/vjepa2-vitg-fpc64-384", "weights facebook/vjepa2-vitg-fpc64-384 cannot"),
        ("marlin", "backbone.weights=default", "marlin_vit_base_ytf.encoder.pt cannot be downloaded"),
    ],
)
def test_without_a_network_the_error_says_what_to_do(
    name: str, words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers where files are published."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("realfake.models.weights.MARLIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UserError, match=said) as error:
        obtain_weights(backbone_config(name, words))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("videomae", ["backbone.weights=kinetics"], "no such file or folder; expected a path, or a name of the hub"),
        ("videomae", ["backbone.weights=missing.safetensors"], "no such file or folder; expected a path, or a name"),
        ("videomae", ["backbone.weights=tests"], r"no \*\.safetensors or \*\.bin in this folder"),
        ("videomae", [*TINY, "backbone.weights=default"], "videomae has no published weights of variant=tiny"),
        ("marlin", ["backbone.weights=marlin_vit_bse_ytf"], "did you mean 'marlin_vit_base_ytf'"),
    ],
)
def test_weights_that_are_none(name: str, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    with pytest.raises(UserError, match=said):
        obtain_weights(backbone_config(name, *words))


def test_whom_the_weights_of_a_folder_have_learned_is_asked(tmp_path: Path) -> None:
    cfg = compose("train", ["approach=temporal", "backbone=videomae", f"backbone.weights={tmp_path}"], TrainConfig)
    assert origins(cfg, None, None) == {"backbone.weights": tmp_path}
    assert not is_own(tmp_path)


def test_weights_of_another_variant_do_not_fit(tmp_path: Path) -> None:
    torch.save(tiny("marlin", "none").net.state_dict(), tmp_path / "tiny.pt")
    cfg = backbone_config("marlin", "backbone.variant=small", f"backbone.weights={tmp_path}/tiny.pt")
    with torch.device("meta"), pytest.raises(UserError, match=r"does not fit marlin: .* of another shape"):
        build_backbone(cfg)


@pytest.mark.slow
def test_one_step_of_training_of_vjepa2_at_full_width() -> None:
    """Of a short and small clip: the published one is 2048 tokens."""
    torch.manual_seed(0)
    net = build_backbone(backbone_config("vjepa2", "backbone.input.size=32", "backbone.input.frames=4")).train()
    before = net.net.encoder.layer[23].mlp.fc2.weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(CLIPS).square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    optimizer.step()
    assert not torch.equal(net.net.encoder.layer[23].mlp.fc2.weight, before)


def test_the_library_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(UserError, match="backbone=vjepa2 needs the package transformers: pip install "):
        build_backbone(backbone_config("vjepa2", *TINY))
