"""Networks over the maps of a frozen CNN: compact bilinear pooling, and features along trajectories."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from model_cases import backbone_config

from realfake.composing.composition import option
from realfake.config import FRAME_MAPS, FeaturesSignal, FrameBackbone
from realfake.config.derivations import stream_named
from realfake.models import build_backbone
from realfake.models.tensor_sketch import TensorSketch
from realfake.streams.frozen_features import MAP_LAYERS
from realfake.streams.stream import StreamValues

MAPS = option(FeaturesSignal, backbone="alexnet", streams=["maps"]).infos()[0]
MAPS_CENTRED = stream_named("maps_centred", {"maps": MAPS})


def test_inner_products_of_sketches_are_about_the_squares_of_inner_products() -> None:
    """Unbiased, with the variance that Pham & Pagh 2013 prove, over many drawings of the hashes."""
    rng = np.random.default_rng(0)
    x, y = torch.from_numpy(rng.normal(size=(2, 40))).float()
    x, y = x / x.norm(), (y + x) / (y + x).norm()
    size, drawings = 64, 400
    found = torch.stack([(s(x) * s(y)).sum() for s in (TensorSketch(40, size, seed) for seed in range(drawings))])
    bound = math.sqrt(8.0 / size)
    assert float(found.std()) < bound
    assert float(found.mean()) == pytest.approx(float(x @ y) ** 2, abs=4.0 * bound / math.sqrt(drawings))


def test_a_sketch_is_the_circular_convolution_of_two_count_sketches() -> None:
    sketch = TensorSketch(5, 7, seed=3)
    x = torch.randn(5, generator=torch.Generator().manual_seed(1))
    assert sketch.hashes.abs().sum(dim=2).eq(1.0).all()
    expected = np.zeros(7)
    for i in range(5):
        for j in range(5):
            (p, q) = (int(sketch.hashes[k, n].abs().argmax()) for k, n in ((0, i), (1, j)))
            expected[(p + q) % 7] += float(sketch.hashes[0, i, p] * sketch.hashes[1, j, q] * x[i] * x[j])
    np.testing.assert_allclose(sketch(x).numpy(), expected, atol=1e-6)
    places = torch.randn(2, 3, 5)
    torch.testing.assert_close(sketch(places, mean_of=1), sketch(places).mean(dim=1))
    assert torch.equal(sketch.hashes, TensorSketch(5, 7, seed=3).hashes)
    assert not torch.equal(sketch.hashes, TensorSketch(5, 7, seed=4).hashes)


@pytest.mark.parametrize("name", ["tiny_cnn", "alexnet", "resnet18", "inception_resnet_v1"])
def test_maps_have_the_shape_that_is_known_before(name: str) -> None:
    with torch.device("meta"):
        backbone = build_backbone(option(FrameBackbone, name=name)).eval()
        found: list[torch.Size] = []
        backbone.net.get_submodule(MAP_LAYERS[name]).register_forward_hook(lambda *a: found.append(a[2].shape))
        backbone(backbone.blank(1, "meta"))
    assert [tuple(shape[1:]) for shape in found] == [FRAME_MAPS[name]]
    assert set(FRAME_MAPS) == set(MAP_LAYERS)


def test_compact_bilinear_of_the_published_size() -> None:
    """Maps of 256 × 6 × 6, 15 moments in five steps, vectors of 64, an LSTM of 64, a sketch of 512."""
    torch.manual_seed(0)
    backbone = build_backbone(backbone_config("compact_bilinear"), {"maps_centred": MAPS_CENTRED})
    # Theirs has one bias a gate where torch's has two.
    assert sum(p.numel() for p in backbone.parameters()) == 4 * (64 * (64 + 64) + 64) + 4 * 64
    assert (MAPS.shape, backbone.features, backbone.net.pool.hashes.shape) == ((256, 6, 6), 512, (2, 256, 64))
    seen: list[torch.Size] = []
    backbone.net.lstm.register_forward_hook(lambda *a: seen.append(a[1][0].shape))
    values = torch.randn(2, 15, 256, 6, 6)
    valid = torch.ones(2, 15, dtype=torch.bool)
    valid[1, 3:6] = False
    stream = StreamValues(values, torch.zeros(2, 15), valid)
    found = backbone.eval()({"maps_centred": stream})
    assert seen == [(2, 5, 64)]
    assert torch.isfinite(found).all()
    values[1, 3:6] = float("nan")  # gaps say nothing
    torch.testing.assert_close(backbone({"maps_centred": stream}), found)
    found.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in backbone.parameters())
