"""A clip against its own neutral face: one encoder, compared; and the 3D DenseNet that it may be."""

from __future__ import annotations

import pytest
import torch
from model_cases import backbone_config
from torchvision.models import densenet121

from realfake.composing.composition import compose
from realfake.config import BOX, TrainConfig
from realfake.models import build_backbone
from realfake.models.densenet3d import DenseNet3d
from realfake.streams.stream import StreamValues


def box_stream(values: torch.Tensor, valid: torch.Tensor | None = None) -> dict[str, StreamValues]:
    shape = values.shape[:2]
    return {"box": StreamValues(values, torch.zeros(shape), torch.ones(shape) > 0 if valid is None else valid)}


@pytest.mark.parametrize(("compare", "features"), [("difference", 16), ("absolute_product", 32), ("cosine", 1)])
def test_one_encoder_for_both_whose_features_are_compared(compare: str, features: int) -> None:
    words = ["backbone.streams=[box]", "backbone.frames=4", "backbone.neutral_frames=3", "backbone.hidden=8"]
    torch.manual_seed(0)
    cfg = backbone_config("siamese", *words, f"backbone.compare={compare}")
    backbone = build_backbone(cfg, {"box": BOX}).eval()
    assert (backbone.spec.moments, backbone.features) == (7, features)
    values = torch.randn(2, 7, 4)
    encoder = backbone.net.encoders["box"].encoder.encoder
    n, a = (encoder(values[:, part], None) for part in (slice(3), slice(3, 7)))
    expected = {
        "difference": a - n,
        "absolute_product": torch.cat([(a - n).abs(), a * n], dim=1),
        "cosine": ((a * n).sum(1) / (a.norm(dim=1) * n.norm(dim=1)))[:, None],
    }[compare]
    torch.testing.assert_close(backbone(box_stream(values)), expected)
    gaps = torch.ones(2, 7) > 0
    gaps[0, :3] = False
    found = backbone(box_stream(torch.where(gaps[..., None], values, torch.nan), gaps))
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[1], expected[1])


def test_a_clip_that_stays_neutral_differs_in_nothing() -> None:
    torch.manual_seed(0)
    cfg = backbone_config("siamese", "backbone.frames=3", "backbone.neutral_frames=3")
    backbone = build_backbone(cfg).eval()
    still = torch.randn(2, 3, 1, 64, 64).expand(-1, -1, 6, -1, -1)
    torch.testing.assert_close(backbone(still), torch.zeros(2, 128))
    assert backbone.blank(2).shape == (2, 3, 6, 64, 64)


def test_densenet_121_in_three_dimensions() -> None:
    """As many numbers as the published one has, with each kernel one dimension more."""
    with torch.device("meta"):
        flat, net = densenet121(), DenseNet3d(32, [6, 12, 24, 16])
    flat.classifier = torch.nn.Identity()
    expected = sum(p.numel() * (p.shape[-1] if p.ndim == 4 else 1) for p in flat.parameters())
    assert sum(p.numel() for p in net.parameters()) == expected == 11_286_528
    assert net.eval()(torch.zeros(2, 3, 16, 112, 112, device="meta")).shape == (2, 1024)
    assert net(torch.zeros(2, 3, 2, 32, 32, device="meta")).shape == (2, 1024)


def test_the_volume_sees_moments_and_places_as_they_are() -> None:
    words = ["backbone@backbone.frame=pixels", "backbone.frame.input.size=32", "backbone.encoder=densenet3d",
             "backbone.growth=4", "backbone.layers=[1,1]", "backbone.frames=4",
             "backbone.neutral_frames=2"]  # fmt: skip
    torch.manual_seed(0)
    backbone = build_backbone(backbone_config("siamese", *words)).eval()
    x = torch.randn(2, 3, 6, 32, 32)
    net = backbone.net.encoder.encoder.net
    torch.testing.assert_close(backbone(x), net(x[:, :, 2:]) - net(x[:, :, :2]))
    with pytest.raises(
        ValueError, match=r"encoder=densenet3d: it looks at pixels alone, not at streams=\[box\] through"
    ):
        backbone_config("siamese", "backbone.streams=[box]", "backbone.encoder=densenet3d")


@pytest.mark.slow
def test_one_step_of_training_at_the_published_size() -> None:
    cfg = compose("train", ["experiment=field/siamese_neutral"], TrainConfig).backbone
    torch.manual_seed(0)
    backbone = build_backbone(cfg)
    assert backbone.blank(2).shape == (2, 3, 32, 112, 112)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.01)
    backbone(torch.randn(2, 3, 32, 112, 112)).square().mean().backward()
    optimizer.step()
    assert all(p.grad is not None and p.isfinite().all() for p in backbone.parameters())
