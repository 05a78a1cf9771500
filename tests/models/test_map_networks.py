"""Networks over the maps of a frozen CNN: compact bilinear pooling, and features along trajectories."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from model_cases import backbone_config

from realfake.composing.composition import compose, option
from realfake.config import (
    FRAME_MAPS,
    IN_BOX,
    FeaturesSignal,
    FrameBackbone,
    HaarFace,
    StreamInfo,
    TrainConfig,
    tracker_info,
)
from realfake.config.derivations import stream_named
from realfake.data.faces import Box, crop
from realfake.data.store import CROP
from realfake.errors import UserError
from realfake.models import build_backbone
from realfake.models.tensor_sketch import TensorSketch
from realfake.models.trajectory_features import normalised, on_crop
from realfake.streams.frozen_features import MAP_LAYERS
from realfake.streams.stream import Extracted, StreamValues
from realfake.streams.tracker_signals import boxed

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


def test_maps_are_read_where_the_points_lie() -> None:
    """Maps that say their own place: what is read at a point is where it lies on the crop."""
    shape, margin = (2, 8, 8), 0.2
    infos = {"maps": StreamInfo("maps", shape, "ramps"), "landmarks": tracker_info("landmarks", "OpenFace 2", IN_BOX)}
    words = [f"backbone.margin={margin}", "backbone.normalise=none", "backbone.pool=[mean,max,deviation]"]
    network = build_backbone(backbone_config("trajectory_features", "backbone.frames=3", *words), infos)
    assert network.features == 3 * 68 * 2
    middles = (torch.arange(8) + 0.5) / 4 - 1.0  # of cells, where the crop reaches from -1 to 1
    ramps = torch.stack([middles.expand(8, 8), middles[:, None].expand(8, 8)]).expand(1, 3, -1, -1, -1)
    points = torch.rand(1, 3, 68, 2, generator=torch.Generator().manual_seed(0)) - 0.5  # within the box
    valid = torch.tensor([[True, False, True]])
    with_gaps = torch.where(valid[..., None, None], points, torch.nan)
    streams = {
        "maps": StreamValues(ramps, torch.zeros(1, 3), torch.ones(1, 3) > 0),
        "landmarks": StreamValues(with_gaps, torch.zeros(1, 3), valid),
    }
    seen = points[:, [0, 2]] / (0.5 + margin)
    pools = [seen.mean(dim=1), seen.amax(dim=1), seen.std(dim=1, correction=0)]
    expected = torch.cat([pool.flatten(1) for pool in pools], dim=1)
    expected = expected.sign() * expected.abs().sqrt()
    torch.testing.assert_close(network(streams), expected / expected.norm(), atol=1e-4, rtol=1e-4)


def test_maps_are_normalised_by_place_or_by_channel() -> None:
    maps = torch.rand(2, 3, 4, 5, 5) + 0.1
    assert torch.equal(normalised(maps, "none"), maps)
    torch.testing.assert_close(normalised(maps, "channel").amax(dim=2), torch.ones(2, 3, 5, 5))
    torch.testing.assert_close(normalised(maps, "spatiotemporal").amax(dim=(1, 3, 4)), torch.ones(2, 4))


def test_a_point_painted_into_a_picture_is_where_the_crop_has_it() -> None:
    rows = np.zeros(2, CROP)
    rows["time_sec"], rows["x"], rows["y"], rows["width"], rows["height"] = [0.0, 1.0], [60, 80], 40, 50, [80, 80]
    points = np.random.default_rng(0).uniform((75, 50), (115, 110), (1, 68, 2)).astype(np.float32)
    face = option(HaarFace)
    found = boxed(Extracted(np.array([0.5], np.float32), points, np.ones(1, np.float32)), rows)
    places = on_crop(torch.from_numpy(found), face.margin).numpy()[0]
    for point, place in zip(points[0].round(), places, strict=True):
        picture = np.zeros((200, 200, 3), np.uint8)
        x, y = point.astype(int).tolist()
        picture[y, x] = 255
        crop_of = crop(picture, Box(70, 40, 50, 80), face, 224)[..., 0]
        row, column = np.unravel_index(int(crop_of.argmax()), crop_of.shape)
        np.testing.assert_allclose((place + 1) * 112, [column, row], atol=3.0)
    assert np.abs(places).max() < 1.0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("signals.drawn.relative_to=face", r"lie; expected them as they are found, of a tracker with relative_to=box"),
        ("backbone.streams=[landmarks]", r"takes maps and the points of the face, such as \[maps,landmarks\]"),
        ("backbone.streams=[maps,landmarks_steady]", r"backbone=trajectory_features has to know where in the crop"),
        ("face=yunet face.align=true", r"expected face\.align=false"),
        ("signals.features.backbone=vit_b_16", r"signals\.features\.streams=\[maps\]: vit_b_16 has no maps"),
        ("signals.features.streams=[features]", r"backbone\.streams=\[maps,landmarks\]: the data have no stream maps"),
        ("backbone=compact_bilinear backbone.streams=[maps,landmarks]", r"compact_bilinear takes one stream"),
        ("backbone=compact_bilinear backbone.frames=16", r"backbone\.frames=16: expected a multiple of backbone\.fr"),
        ("backbone=compact_bilinear backbone.gather=interval", r"backbone\.gather=interval: expected"),
    ],
)  # fmt: skip
def test_what_the_networks_cannot_take_is_one_line(words: str, line: str) -> None:
    given = ["approach=temporal", "backbone=trajectory_features", "signals=[drawn,features]",
             "signals.drawn.relative_to=box", "signals.features.streams=[maps]"]  # fmt: skip
    with pytest.raises(UserError, match=line) as error:
        compose("train", [*given, *words.split()], TrainConfig)
    assert "\n" not in str(error.value)


def test_features_along_trajectories_of_the_published_size() -> None:
    """Maps of 512 × 7 × 7 at 68 points, two pools; and a step of the head that stands on them."""
    cfg = compose("train", ["experiment=field/trajectory_features"], TrainConfig)
    network = build_backbone(cfg.backbone, cfg.streams)
    shapes = {"maps": (2, 32, 512, 7, 7), "landmarks": (2, 32, 68, 2)}
    beside = torch.zeros(2, 32), torch.ones(2, 32) > 0
    found = network({name: StreamValues(torch.rand(shape), *beside) for name, shape in shapes.items()})
    assert (found.shape, list(network.parameters())) == ((2, 2 * 68 * 512), [])
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    head = torch.nn.Linear(found.shape[1], 12)
    head(found).square().mean().backward()
    assert torch.isfinite(head.weight.grad).all()
