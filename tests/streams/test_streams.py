"""Streams: gathered at moments or over intervals, mirrored, standardised, fused; gaps and padding change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from realfake.composing.composition import compose
from realfake.config import BOX, MotionSignal, StreamInfo, TrainConfig
from realfake.data.faces import Box
from realfake.models import build_backbone
from realfake.models.fusion import Fused, Standardise
from realfake.streams.augment import mirror
from realfake.streams.kinds import build_signal
from realfake.streams.stream import StreamRows, StreamSpec, StreamValues

INFO = StreamInfo("speed", (2,), "a test's numbers", ("across", "down"), mirrored=((0, -1.0), (1, 1.0)))


def rows_of(gather: str = "moments", quality: list[float] | None = None) -> StreamRows:
    """Two clips: six values 0.1 s apart, and three values 0.2 s apart from 1 s on."""
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 1.2, 1.4], np.float32)
    values = np.stack([times, -times], axis=1)
    spec = StreamSpec(INFO, gather)  # type: ignore[arg-type]
    known = None if quality is None else np.array(quality)
    first, stored, spacing = np.array([0, 6]), np.array([6, 3]), np.array([0.1, 0.2])
    return StreamRows(spec, times, first, stored, values.__getitem__, spacing, known)


def test_moments_get_the_nearest_value_and_gaps_are_gaps() -> None:
    quality = [1.0, 1, 0, 1, 1, 1, 1, 1, 1]
    times = np.array([[0.04, 0.21, 0.9], [0.9, 1.25, 1.39]])
    found = rows_of(quality=quality).take(np.array([0, 1]), times, times[:, [0, 2]])
    torch.testing.assert_close(found.times_sec, torch.tensor([[0.0, 0.2, 0.5], [1.0, 1.2, 1.4]]))
    torch.testing.assert_close(found.values[..., 1], -found.times_sec)
    assert found.valid.tolist() == [[True, False, False], [True, True, True]]  # a gap, and 0.4 s behind the last


def test_intervals_get_all_values_and_are_filled_up_to_the_longest() -> None:
    span = np.array([[0.1, 0.3], [1.0, 1.1], [5.0, 6.0]])
    found = rows_of("interval").take(np.array([0, 1, 0]), np.zeros((3, 4)), span)
    assert found.valid.tolist() == [[True, True, True], [True, False, False], [False, False, False]]
    torch.testing.assert_close(found.values[0, :, 0], torch.tensor([0.1, 0.2, 0.3]))


def test_a_clip_without_the_stream_has_no_value() -> None:
    rows = rows_of()
    rows.stored = np.array([6, 0])
    for gather in ("moments", "interval"):
        rows.spec = StreamSpec(INFO, gather)  # type: ignore[arg-type]
        found = rows.take(np.array([1, 0]), np.array([[1.0, 1.2], [0.0, 0.1]]), np.array([[1.0, 1.2], [0.0, 0.1]]))
        assert found.valid.tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("info", [INFO, BOX, MotionSignal(name="motion", rate_fps=5.0, grid=3, size=32).infos()[0]])
def test_mirroring_twice_changes_nothing(info: StreamInfo) -> None:
    values = torch.randn(2, 3, *info.shape)
    once = mirror(values, info, torch.tensor([True, False]))
    assert torch.equal(once[1], values[1])
    assert not torch.equal(once[0], values[0])
    assert torch.equal(mirror(once, info, torch.tensor([True, False])), values)


class Moving:
    """A picture that moves to the right by two pixels a frame, at ten frames a second, with a face of 64 pixels."""

    def __init__(self, *, mirrored: bool = False) -> None:
        import cv2

        noise = np.random.default_rng(0).integers(0, 256, (18, 40, 3), dtype=np.uint8)
        self.wide, self.mirrored = cv2.resize(noise, (200, 90), interpolation=cv2.INTER_CUBIC), mirrored

    def frames(self, rate_fps: float | None = None):
        for k in range(5):
            image = self.wide[:, 60 - 2 * k : 150 - 2 * k]
            yield k / 10, np.ascontiguousarray(image[:, ::-1] if self.mirrored else image), Box(13, 13, 64, 64)

    def face(self, image: np.ndarray, box: Box, size: int) -> np.ndarray:
        x, y = int(box.x), int(box.y)
        return image[y : y + size, x : x + size]


def test_motion_is_measured_in_sides_of_the_face_a_second() -> None:
    motion = build_signal(MotionSignal(name="motion", rate_fps="full", grid=4, size=64))
    found = motion.extract(Moving())["motion"]  # type: ignore[arg-type]
    np.testing.assert_allclose(found.times_sec, [0.1, 0.2, 0.3, 0.4], atol=1e-6)
    np.testing.assert_allclose(found.values[:, 0], 2 / 64 * 10, rtol=0.1)
    np.testing.assert_allclose(found.values[:, 1], 0, atol=0.03)
    other = motion.extract(Moving(mirrored=True))["motion"]  # type: ignore[arg-type]
    swapped = mirror(torch.from_numpy(found.values)[None], motion.infos()[0], torch.tensor([True]))[0]
    np.testing.assert_allclose(other.values, swapped.numpy(), atol=0.03)


@pytest.mark.parametrize("name", ["gru", "lstm", "tcn", "transformer"])
@pytest.mark.parametrize("pool", ["mean", "max", "last"])
def test_padding_behind_a_sample_changes_nothing(name: str, pool: str) -> None:
    if pool == "last" and name in ("tcn", "transformer"):
        pool = "max"
    words = ["approach=temporal", f"backbone={name}", "backbone.streams=[box]", "backbone.gather=interval"]
    cfg = compose("train", [*words, f"backbone.pool={pool}"], TrainConfig)
    torch.manual_seed(0)
    backbone = build_backbone(cfg.backbone, cfg.streams).eval()
    values, valid = torch.randn(1, 5, 4), torch.tensor([[True, True, False, True, True]])
    times = torch.arange(5.0)[None]
    alone = backbone({"box": StreamValues(values, times, valid)})
    padded = StreamValues(
        torch.cat([values, torch.full((1, 3, 4), torch.nan)], dim=1),
        torch.arange(8.0)[None],
        torch.cat([valid, torch.zeros(1, 3, dtype=torch.bool)], dim=1),
    )
    torch.testing.assert_close(backbone({"box": padded}), alone, atol=1e-6, rtol=0)
    nothing = backbone({"box": StreamValues(values, times, torch.zeros_like(valid))})
    assert nothing.isfinite().all()


def test_numbers_are_standardised_and_what_stands_still_is_only_moved() -> None:
    layer = Standardise(INFO)
    layer.take(torch.tensor([2.0, 5.0]), torch.tensor([4.0, 0.0]))
    valid = torch.tensor([[True, False]])
    found = layer(StreamValues(torch.tensor([[[10.0, 6.0], [9.0, torch.nan]]]), torch.zeros(1, 2), valid))
    torch.testing.assert_close(found, torch.tensor([[[2.0, 1.0], [0.0, 0.0]]]))


class Fixed(torch.nn.Module):
    """An encoder that says what it is told to."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, stream: StreamValues) -> Tensor:
        return self.features


def test_fusions_equal_their_equations() -> None:
    torch.manual_seed(0)
    x = {"a": torch.randn(3, 2), "b": torch.randn(3, 4)}
    streams = {name: StreamValues(v, v, v) for name, v in x.items()}

    def fused(how: str) -> Fused:
        return Fused({n: Fixed(v) for n, v in x.items()}, {n: v.shape[1] for n, v in x.items()}, how)

    together = torch.cat([x["a"], x["b"]], dim=1)
    assert torch.equal(fused("concatenate")(streams), together)
    for how in ("gate", "multiply"):
        layer = fused(how)
        h = [torch.tanh(layer.projections[n](v)) for n, v in x.items()]
        assert h[0].shape == (3, layer.features) == (3, 4)
        expected = h[0] * h[1]
        if layer.gate is not None:
            z = layer.gate(together).exp()
            expected = (z[:, :1] * h[0] + z[:, 1:] * h[1]) / z.sum(dim=1, keepdim=True)
        torch.testing.assert_close(layer(streams), expected)
