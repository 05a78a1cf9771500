"""Recurrent backbones: what they are fed and how time is pooled."""

from __future__ import annotations

import pytest
import torch
from model_cases import backbone_config

from realfake.models import build_backbone, sample_spec
from realfake.models.recurrent import pool_time

OUTPUTS = torch.tensor([[[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]]])  # one clip, three steps, one number a direction


@pytest.mark.parametrize(
    ("pool", "bidirectional", "expected"),
    [
        ("mean", True, [3.0, 20.0]),
        ("max", True, [6.0, 30.0]),
        ("last", True, [6.0, 10.0]),
        ("last", False, [6.0, 20.0]),
    ],
)
def test_pooling_over_time(pool: str, bidirectional: bool, expected: list[float]) -> None:
    assert pool_time(OUTPUTS, pool, bidirectional=bidirectional).tolist() == [expected]


def test_unknown_pooling_fails() -> None:
    with pytest.raises(ValueError, match="pool=median"):
        pool_time(OUTPUTS, "median", bidirectional=False)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_order_of_frames_matters_and_frames_do_not_mix_across_clips(name: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(backbone_config(name, "backbone.frames=4")).eval()
    x = torch.randn(backbone.blank(3).shape)
    with torch.no_grad():
        together = backbone(x)
        alone = torch.cat([backbone(clip[None]) for clip in x])
        shuffled = backbone(x[:, :, [2, 0, 3, 1]])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (together - shuffled).abs().max() > 1e-3 * together.abs().max()


def test_motion_ignores_what_is_constant() -> None:
    torch.manual_seed(0)
    with_motion = build_backbone(backbone_config("gru", "backbone.motion=true")).eval()
    torch.manual_seed(0)
    without = build_backbone(backbone_config("gru", "backbone.motion=false")).eval()
    still = torch.randn(2, 3, 1, 64, 64).expand(-1, -1, 16, -1, -1)
    with torch.no_grad():
        one, other = with_motion(still)
        torch.testing.assert_close(one, other)
        one, other = without(still)
        assert (one - other).abs().max() > 1e-3


def test_spec_is_the_frame_networks_with_the_clips_length() -> None:
    spec = sample_spec(backbone_config("gru", "backbone@backbone.frame=resnet18", "backbone.stride_sec=0.1"))
    assert (spec.pixels.size, spec.frames, spec.stride_sec) == (224, 16, 0.1)
    assert spec.pixels == sample_spec(backbone_config("resnet18")).pixels


def test_over_raw_pixels() -> None:
    """A step is all pixels of one frame, so the last output has seen them all."""
    frame = ["backbone@backbone.frame=pixels", "backbone.frame.input.size=16"]
    backbone = build_backbone(backbone_config("lstm", *frame, "backbone.motion=false", "backbone.pool=last"))
    assert backbone.net.rnn.input_size == 3 * 16 * 16
    x = torch.randn(backbone.blank(2).shape)
    with torch.no_grad():
        outputs, _ = backbone.net.rnn(x.transpose(1, 2).flatten(2))
        torch.testing.assert_close(backbone.eval()(x), outputs[:, -1])


def test_over_any_frame_backbone_with_its_own_weights(tmp_path) -> None:
    torch.manual_seed(3)
    size = ["backbone.name=mobilenetv3_small_050", "backbone.size=32"]
    frame = build_backbone(backbone_config("timm", *size))
    torch.save(frame.state_dict(), tmp_path / "frame.pt")
    backbone = build_backbone(
        backbone_config(
            "lstm",
            "backbone@backbone.frame=timm",
            "backbone.frame.name=mobilenetv3_small_050",
            "backbone.frame.size=32",
            f"backbone.frame.weights={tmp_path}/frame.pt",
            "backbone.bidirectional=true",
            "backbone.layers=1",
            "backbone.dropout=0.3",
        )
    )
    loaded = backbone.net.frame.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in frame.state_dict().items())
    assert backbone(torch.randn(backbone.blank(2).shape)).shape == (2, 512)
