"""Augmentation and normalisation: what changes, what may not, and that a clip's frames change alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from realfake.composing.composition import option
from realfake.config import Augmentation, InputSpec, tracker_info
from realfake.streams.augment import augment
from realfake.streams.preprocess import normalise
from realfake.streams.stream import SampleSpec, StreamSpec, StreamValues, as_pixels

STRONG = option(
    Augmentation, name="none", flip=0.5, rotate_deg=30.0, scale=0.2, translate=0.1, brightness=0.3, contrast=0.3,
    saturation=0.3, erase=0.5,
)  # fmt: skip


def spec(mean: list[float], std: list[float], frames: int | None = None, order: str = "rgb") -> InputSpec:
    return InputSpec.model_validate(
        {"size": 16, "mean": mean, "std": std, "channel_order": order, "frames": frames, "stride_sec": None,
         "repeat_crops": False}
    )  # fmt: skip


def changed(before: torch.Tensor, settings: Augmentation) -> torch.Tensor:
    after = augment(as_pixels(before), SampleSpec.of_pixels(spec([0.0] * 3, [1.0] * 3)).streams, settings)
    return after["pixels"].values if before.ndim == 5 else after["pixels"].values[:, 0]


def frames(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize("shape", [(4, 32, 32, 3), (4, 5, 32, 32, 3)])
def test_shape_and_type_stay_and_samples_differ(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    before = frames(*shape)
    before[:] = before[:1]
    after = changed(before, STRONG)
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    assert len({after[i].numpy().tobytes() for i in range(4)}) == 4


def test_frames_of_one_clip_change_alike() -> None:
    torch.manual_seed(0)
    before = frames(3, 1, 24, 24, 3).expand(3, 6, 24, 24, 3)
    after = changed(before, STRONG)
    for i in range(1, 6):
        assert torch.equal(after[:, i], after[:, 0])


def test_half_precision_of_the_network_leaves_the_frames_alone() -> None:
    before, found = frames(4, 32, 32, 3), []
    for half in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found.append(changed(before, STRONG))
    assert torch.equal(*found)


def test_nothing_set_changes_nothing() -> None:
    before = as_pixels(frames(2, 8, 8, 3))
    assert augment(before, (), option(Augmentation, name="none")) is before


def test_certain_flip_is_a_mirror() -> None:
    before = frames(2, 3, 8, 8, 3)
    assert torch.equal(changed(before, option(Augmentation, name="none", flip=1.0)), before.flip(-2))


def test_flip_and_rotation_share_one_interpolation() -> None:
    """A flip through the affine map equals the exact mirror where the angle is next to nothing."""
    before = frames(2, 16, 16, 3)
    after = changed(before, option(Augmentation, name="none", flip=1.0, rotate_deg=1e-6))
    assert (after.int() - before.flip(-2).int()).abs().max() <= 1


def test_rotation_turns_by_at_most_the_angle() -> None:
    torch.manual_seed(1)
    before = torch.zeros(64, 65, 65, 3, dtype=torch.uint8)
    before[:, 32, 60] = 255  # a point to the right of the centre
    after = changed(before, option(Augmentation, name="none", rotate_deg=35.0))[..., 0].float()
    weight = after.flatten(1).argmax(dim=1)
    angle = torch.atan2((weight // 65 - 32).float(), (weight % 65 - 32).float()).rad2deg()
    assert angle.abs().max() <= 37
    assert angle.max() > 20
    assert angle.min() < -20


def test_normalise_equals_the_definition_and_obeys_the_channel_order() -> None:
    before = frames(2, 4, 6, 6, 3)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    rgb = normalise(before, spec(mean, std, 4))
    assert rgb.shape == (2, 3, 4, 6, 6)
    wanted = (before.double() / 255 - torch.tensor(mean).double()) / torch.tensor(std).double()
    torch.testing.assert_close(rgb.double(), wanted.permute(0, 4, 1, 2, 3), atol=1e-5, rtol=0)
    bgr = normalise(before, spec(mean, std, 4, "bgr"))
    wanted = (before.flip(-1).double() / 255 - torch.tensor(mean).double()) / torch.tensor(std).double()
    torch.testing.assert_close(bgr.double(), wanted.permute(0, 4, 1, 2, 3), atol=1e-5, rtol=0)
    single = normalise(before[:, 0], spec(mean, std))
    assert single.is_contiguous(memory_format=torch.channels_last)


def test_normalise_refuses_floats() -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        normalise(torch.zeros(1, 4, 4, 3), spec([0.0] * 3, [1.0] * 3))


def test_points_move_together_and_other_numbers_stay() -> None:
    """One box a sample: the same shift and change of size, each axis its own, at all moments."""
    torch.manual_seed(0)
    settings = option(Augmentation, name="none", jitter=0.1)
    points, units = tracker_info("landmarks", "OpenFace 2"), tracker_info("units", "OpenFace 2")
    before = {
        info.name: StreamValues(torch.randn(40, 3, *info.shape), torch.zeros(40, 3), torch.ones(40, 3) > 0)
        for info in (points, units)
    }
    after = augment(before, [StreamSpec(points), StreamSpec(units)], settings)
    assert torch.equal(after["units"].values, before["units"].values)
    x, y = (streams["landmarks"].values.flatten(1, 2) for streams in (before, after))
    scale = (y[:, 0] - y[:, 1]) / (x[:, 0] - x[:, 1])
    shift = y[:, 0] - scale * x[:, 0]
    torch.testing.assert_close(y, scale[:, None] * x + shift[:, None], rtol=1e-3, atol=1e-3)
    for found in (scale - 1.0, shift):
        assert 0.08 < found.abs().max() < 0.1001
        assert found.unique().numel() > 70
