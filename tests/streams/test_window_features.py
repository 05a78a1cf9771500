"""Features of a frozen clip network for windows that slide over a clip."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import realfake
from realfake.composing.composition import compose, option
from realfake.config import FeaturesSignal, NoFace, PrepareConfig, SignalsConfig, StreamInfo, TrainConfig
from realfake.config.upgrade import upgrade
from realfake.data.media import Media
from realfake.data.preparation import prepare
from realfake.data.signal_store import prepare_signal, signal_digest
from realfake.data.store import PreparedStore
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.streams.frozen_features import FrozenFeatures
from realfake.streams.kinds import build_signal
from realfake.streams.preprocess import normalise
from realfake.streams.stream import StreamRows, StreamSpec
from realfake.streams.window_features import WindowFeatures, windows

SMALL = {"backbone": "cnn3d", "weights": "none", "size": 32, "frames": 4, "stride_sec": 0.2, "rate_fps": 5.0}
WORDS = ["signals=[features]", *(f"signals.features.{key}={value}" for key, value in SMALL.items())]


@pytest.fixture(scope="module")
def prepared(tiny_data: list[str]) -> tuple[PrepareConfig, PreparedStore]:
    cfg = compose("prepare", tiny_data, PrepareConfig)
    return cfg, prepare(cfg.data, cfg.face, progress=False)


# --- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "stride_sec", "rate_fps", "middles"),
    [
        (3.0, 0.5, 2.0, [0.75, 1.25, 1.75, 2.25]),  # 4 frames span 1.5 s
        (3.0, 0.5, 1.0, [0.75, 1.75]),
        (1.0, 0.5, 2.0, [0.5]),  # too short
        (3.0, None, 2.0, [1.5]),
        (0.0, 0.5, 2.0, [0.0]),  # a single crop
    ],
)
def test_windows_slide_from_the_first_crop_to_the_last(
    seconds: float, stride_sec: float | None, rate_fps: float, middles: list[float]
) -> None:
    crops = 1.0 + np.linspace(0.0, seconds, round(10 * seconds) + 1)
    found, rows = windows(crops, 4, stride_sec, rate_fps)
    np.testing.assert_allclose(found, 1.0 + np.array(middles), atol=1e-6)
    assert rows.shape == (len(middles), 4)
    if seconds > 2 and stride_sec:
        np.testing.assert_array_equal(rows - rows[:, :1], [[0, 5, 10, 15]] * len(middles))
        np.testing.assert_array_equal(rows[:, 0], np.round(10 * np.arange(len(middles)) / rate_fps))
    else:
        assert (np.diff(rows) >= 0).all()
        assert 0 <= rows.min() <= rows.max() < len(crops)


def test_before_the_first_window_and_after_the_last_these_count() -> None:
    times = np.array([1.0, 1.5, 2.0, 1.2], np.float32)  # of two clips, and one without any
    first, stored = np.array([0, 3, 4]), np.array([3, 1, 0])
    values = np.arange(4.0)
    spacing = np.array([0.5, np.inf, np.inf]) + 1e-6

    def valid(windowed: bool) -> tuple[np.ndarray, np.ndarray]:
        spec = StreamSpec(StreamInfo("x", (), "", windows=windowed))
        rows = StreamRows(spec, times, first, stored, values.__getitem__, spacing)
        return rows.at(np.array([0, 1, 2]), np.array([[0.0, 1.4, 3.0]] * 3))

    rows, there = valid(True)
    np.testing.assert_array_equal(rows[:2], [[0, 1, 2], [3, 3, 3]])
    np.testing.assert_array_equal(there, [[True] * 3, [True] * 3, [False] * 3])
    np.testing.assert_array_equal(valid(False)[1][0], [False, True, False])


# --- values ----------------------------------------------------------------------------------------------------------


def test_each_value_is_what_the_network_makes_of_its_window(prepared: tuple[PrepareConfig, PreparedStore]) -> None:
    cfg, store = prepared
    assert store.root is not None
    signal = build_signal(option(FeaturesSignal, **SMALL))
    assert isinstance(signal, WindowFeatures)
    clips = [Media.of_store(store, row, store.root / "x", cfg.data, cfg.face) for row in range(2)]
    (found, _) = (answer["features"] for answer in signal.extract_all(clips))
    spec = signal.backbone.pixels
    assert (spec.size, spec.frames, spec.stride_sec) == (32, 4, 0.2)
    times = clips[0].rows["time_sec"]
    middles, rows = windows(times, 4, 0.2, 5.0)
    np.testing.assert_array_equal(found.times_sec, middles)
    assert len(middles) >= 3
    crops = torch.from_numpy(clips[0].crops(32)[rows])
    with torch.inference_mode():
        each = torch.cat([signal.backbone(normalise(one[None], spec)) for one in crops])
    np.testing.assert_allclose(found.values, each, atol=1e-5)
    (alone,) = signal.extract(clips[0]).values()
    np.testing.assert_array_equal(alone.values, found.values)


def test_features_are_stored_once_for_a_network_and_its_windows(prepared: tuple[PrepareConfig, PreparedStore]) -> None:
    cfg, store = prepared
    options = option(FeaturesSignal, **SMALL, dtype=16)
    first = prepare_signal(store, cfg.data, cfg.face, options, progress=False)["features"]
    assert first.rows["values"].dtype == np.float16
    assert first.info.shape == (512,)
    assert first.rounding is not None
    before = (first.folder / "stream.json").stat().st_mtime_ns
    again = prepare_signal(store, cfg.data, cfg.face, options, progress=False)["features"]
    assert (again.folder, (again.folder / "stream.json").stat().st_mtime_ns) == (first.folder, before)
    others = [{"rate_fps": 4.0}, {"frames": 6}, {"size": 48}, {"stride_sec": None}, {"dtype": 32}]
    digests = {signal_digest(store, option(FeaturesSignal, **{**SMALL, "dtype": 16, **other})) for other in others}
    assert len(digests | {first.folder.name}) == len(others) + 1


def test_features_of_frames_are_found_where_they_were() -> None:
    """The digest of before there were windows."""
    identity = FrozenFeatures(option(FeaturesSignal, backbone="tiny_cnn", weights="none")).identity()
    assert hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12] == "77ad4a771629"


def test_a_folder_of_weights_is_known_by_its_content(tmp_path: Path) -> None:
    def identity(name: str, content: bytes) -> object:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(content)
        options = option(FeaturesSignal, **{**SMALL, "weights": str(tmp_path / name)})
        return WindowFeatures(options).identity()["weights"]

    assert identity("a", b"1") == identity("b", b"1") != identity("c", b"2")


def test_an_input_that_the_network_cannot_take_is_told_by_the_signal() -> None:
    options = option(FeaturesSignal, backbone="videomae", variant="tiny", weights="none", size=100)
    with pytest.raises(UserError, match=r"^signals\.features\.size=100: videomae needs a multiple of 16, such as 96$"):
        build_signal(options)


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_sequence_network_on_windows_predicts_a_new_video(tiny: list[str], tmp_path: Path) -> None:
    over_time = ["approach=temporal", "backbone.streams=[features]", "backbone.gather=interval", "backbone.hidden=8"]
    train([*tiny, *over_time, *WORDS, "trainer.max_epochs=1"], tmp_path / "run")
    known = pd.read_csv(tmp_path / "run" / "predictions.csv").set_index("clip")
    cfg = compose("prepare", [word for word in tiny if word.startswith("data.") and "batch" not in word], PrepareConfig)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    clip = known.index[0]
    video = store.root / dict(zip(store.table["clip"], store.table["path"], strict=True))[clip]
    found = realfake.load(tmp_path / "run", device="cpu").predict(video).by_name()
    for name, value in found.items():
        assert value == pytest.approx(known.loc[clip, f"p_{name}"], abs=1e-5)


def test_pictures_have_no_windows(tiny: list[str], tmp_path: Path) -> None:
    words = ["approach=single_task", "backbone=numbers", "backbone.streams=[features]", *WORDS]
    train([*tiny, *words, "trainer.max_epochs=1"], tmp_path / "run")
    predictor = realfake.load(tmp_path / "run", device="cpu", face=option(NoFace))
    with pytest.raises(UserError, match="looks at features: give a video"):
        predictor.predict(np.zeros((96, 96, 3), np.uint8))


def test_what_older_runs_saved_is_filled_in() -> None:
    saved = {"name": "features", "backbone": "tiny_cnn", "weights": "none", "dtype": 32}
    found = upgrade({"format": 2, "signals": {"features": saved}})["signals"]["features"]
    assert FeaturesSignal.model_validate(found) == option(FeaturesSignal, backbone="tiny_cnn", weights="none")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["signals.features.variant=base"], "signals.features.variant=base: expected null with inception_resnet_v1"),
        (["signals.features.frames=4"], "signals.features.frames=4: inception_resnet_v1 sees single frames"),
        (
            ["signals.features.backbone=videomae"],
            "signals.features.variant=null: expected tiny, small, base, large, huge with videomae",
        ),
        (
            ["signals.features.backbone=vjepa2", "signals.features.variant=base"],
            "signals.features.variant=base: expected tiny, large, huge, giant with vjepa2",
        ),
        (
            ["signals.features.backbone=swin3d_t"],
            "data.rate_fps=10: too few crops a second for swin3d_t, whose frames are 0.06667 s apart; expected "
            "data.rate_fps=15 or more, or signals.features.stride_sec=null",
        ),
        (["signals.features.backbone=swin"], "did you mean 'swin3d_t'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(words: list[str], said: str) -> None:
    run = ["approach=single_task", "backbone=numbers", "backbone.streams=[features]", "signals=[features]", *words]
    for command, given, schema in (
        ("train", run, TrainConfig),
        ("prepare", ["signals=[features]", *words], PrepareConfig),
        ("signals", ["signals=[features]", *words], SignalsConfig),
    ):
        with pytest.raises(UserError) as error:
            compose(command, given, schema)
        assert said in str(error.value), command
        assert "\n" not in str(error.value)
