"""Features of a frozen network, stored once beside the crops: what frames and sequences train on in place of pixels."""

from __future__ import annotations

import json
import logging
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import realfake
from realfake.approaches.features import stored_network
from realfake.composing.composition import compose, option
from realfake.composing.messages import changed
from realfake.config import FeaturesSignal, FrameBackbone, NoFace, PrepareConfig, TimmBackbone, TrainConfig
from realfake.config.upgrade import upgrade
from realfake.data.media import Media
from realfake.data.preparation import prepare
from realfake.data.signal_parts import grouped
from realfake.data.signal_store import prepare_here
from realfake.data.store import CROP, PreparedStore
from realfake.data.video import VideoInfo
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.exporting.formats import export, random_samples
from realfake.exporting.served import Served
from realfake.files import DiskError
from realfake.models import build_backbone, frame_network
from realfake.prediction.explain import require_explainable
from realfake.runs.folder import RunFolder
from realfake.runs.network import Network, open_trained
from realfake.streams.frozen_features import FeaturesOf, FrozenFeatures

LOADING = ("data.batch_size", "data.workers")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a tiny_cnn."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(build_backbone(option(FrameBackbone, name="tiny_cnn")).net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def own(tiny: list[str], tiny_data: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides of a tiny run whose prepared data nobody else's features lie beside."""
    cfg = compose("prepare", tiny_data, PrepareConfig)
    ready = prepare(cfg.data, cfg.face, progress=False)
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(ready.folder, folder / ready.folder.name, ignore=shutil.ignore_patterns("streams"))
    return [*(word for word in tiny if not word.startswith("data.prepared=")), f"data.prepared={folder}"]


def of_data(own: list[str]) -> list[str]:
    """What preparation has of the overrides of a run."""
    return [word for word in own if word.startswith("data.") and word.partition("=")[0] not in LOADING]


def stored(own: list[str]) -> dict[Path, int]:
    """Folders of features that are complete, and when they were."""
    (store,) = Path(own[-1].partition("=")[2]).iterdir()
    return {mark.parent: mark.stat().st_mtime_ns for mark in store.glob("streams/features-*/stream.json")}


@pytest.fixture(scope="module")
def on_numbers(own: list[str], weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of frames on the stored stream."""
    signal = ["signals=[features]", "signals.features.backbone=tiny_cnn", f"signals.features.weights={weights}"]
    folder = tmp_path_factory.mktemp("on_numbers") / "run"
    train([*own, "approach=single_task", "backbone=numbers", "backbone.streams=[features]", *signal], folder)
    return folder


def test_a_frozen_network_and_the_signal_of_its_name_share_one_file(
    own: list[str], weights: Path, on_numbers: Path, tmp_path: Path
) -> None:
    before = stored(own)
    assert len(before) == 1
    words = [*own, "backbone.freeze=true", "augmentation=none", f"backbone.weights={weights}", "trainer.max_epochs=1"]
    assert "features" in train(words, tmp_path / "frames")["seconds"]
    assert stored(own) == before
    one_override = ["approach=temporal", "backbone.frames=4", "backbone.frame.freeze=true", "augmentation=none"]
    train([*own, *one_override, f"backbone.frame.weights={weights}", "trainer.max_epochs=1"], tmp_path / "sequences")
    assert stored(own) == before


def test_sequences_on_stored_features_are_what_they_are_on_pixels(own: list[str], tmp_path: Path) -> None:
    words = [*own, "approach=temporal", "signals=[motion]", "signals.motion.grid=1", "backbone.streams=[pixels,motion]",
             "backbone.frames=4", "backbone.frame.freeze=true", "augmentation=none"]  # fmt: skip
    first = train(words, tmp_path / "first")
    before = stored(own)
    again = train([*words, "optimizer.lr=0.01"], tmp_path / "again")  # another run of a sweep, with the same seed
    assert stored(own) == before
    assert again["metrics"] != first["metrics"]
    plain = train([*words, "backbone.frame.cache_features=false"], tmp_path / "plain")
    assert "features" in first["seconds"]
    assert "features" not in plain["seconds"]
    for name, value in plain["metrics"].items():
        assert first["metrics"][name] == pytest.approx(value, abs=1e-5), name
    _, _, module = open_trained(tmp_path / "first")
    assert frame_network(module.backbone).frozen  # whole, for those who have pixels alone


def test_a_run_on_numbers_predicts_videos_and_pictures_and_is_exported(on_numbers: Path, tmp_path: Path) -> None:
    known = pd.read_csv(on_numbers / "predictions.csv").set_index("clip")
    cfg = RunFolder(on_numbers).load_config()
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    clip = known.index[0]
    video = store.root / dict(zip(store.table["clip"], store.table["path"], strict=True))[clip]
    predictor = realfake.load(on_numbers, device="cpu")
    for name, value in predictor.predict(video).by_name().items():
        assert value == pytest.approx(known.loc[clip, f"p_{name}"], abs=1e-6)
    row = store.table["clip"].tolist().index(clip)
    face = store.read(row, np.array([0]))[0]
    cropped = realfake.load(on_numbers, device="cpu", face=option(NoFace))
    (seen,) = cropped.predict(face).faces
    assert 0.0 < seen.by_name()["real"] < 1.0
    _, run_cfg, module = open_trained(on_numbers)
    samples = random_samples(Served(module).eval())
    export(module, run_cfg, "torch_export", tmp_path, samples, "noise", 1e-6)
    inputs = json.loads((tmp_path / "model.json").read_text())["inputs"]
    assert inputs["features"]["shape"] == ["batch", 1, 64]
    assert inputs["features"]["computed_by"]["backbone"] == "tiny_cnn"
    with pytest.raises(UserError, match="backbone=numbers looks at the numbers of a single moment"):
        require_explainable(Network(module, run_cfg, CPU, 4))


def test_features_that_cannot_be_stored_are_computed_in_every_epoch(
    own: list[str], disk: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = disk("size=20m")
    (store,) = Path(own[-1].partition("=")[2]).iterdir()
    shutil.copytree(store, place / store.name, ignore=shutil.ignore_patterns("streams", "decoded*"))
    disk("size=20m,ro")
    words = [*own[:-1], f"data.prepared={place}", "backbone.freeze=true", "augmentation=none", "trainer.max_epochs=1"]
    with caplog.at_level(logging.WARNING):
        assert train(words, tmp_path / "run")["status"] == "completed"
    (said,) = [r.getMessage() for r in caplog.records if "backbone.cache_features" in r.getMessage()]
    assert said.startswith("backbone.cache_features: features are computed in every epoch, since /")
    assert "Read-only file system" in said


def test_without_room_for_all_features_none_is_computed(own: list[str], features: FeaturesOf) -> None:
    cfg = compose("prepare", of_data(own), PrepareConfig)
    store = prepare(cfg.data, cfg.face, progress=False)
    before = sorted(store.folder.glob("streams/*"))
    with pytest.raises(DiskError, match=r"no room: 2097152\.0 GiB needed"):
        prepare_here(store, cfg.data, cfg.face, features, "features", needed=2**50, progress=False)
    assert sorted(store.folder.glob("streams/*")) == before


def test_weights_of_no_name_are_told_by_what_they_are() -> None:
    config = changed(option(TimmBackbone, name="timm", size=32, freeze=True), {"name": "mobilenetv3_small_050"})
    tiny = option(FrameBackbone, name="tiny_cnn", freeze=True)
    found = []
    for network, seed in ((tiny, 1), (tiny, 1), (tiny, 2), (config, 1)):
        torch.manual_seed(seed)
        found.append(FeaturesOf(network, build_backbone(network), CPU, described=False).identity())
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert found[3]["pixels"]["size"] == 32
    half = FeaturesOf(tiny, build_backbone(tiny), CPU, described=False, precision="bf16")
    assert half.identity()["precision"] == "bf16"


@pytest.mark.parametrize(
    ("words", "is_stored"),
    [
        ("backbone.freeze=true augmentation=none", True),
        ("backbone.freeze=true", False),  # augmented
        ("augmentation=none", False),  # trained
        ("backbone.freeze=true augmentation=none trainer.fast_dev_run=true", False),
        ("backbone.freeze=true augmentation=none backbone.cache_features=false", False),
        ("approach=temporal backbone.frame.freeze=true augmentation=none", True),
        ("approach=temporal backbone.freeze=true augmentation=none", True),
        ("approach=temporal backbone.frame.freeze=true augmentation=none precision=bf16", False),
        ("approach=temporal backbone.frame.freeze=true augmentation=none backbone.streams=[box]", False),
        ("approach=temporal backbone=cnn3d backbone.freeze=true augmentation=none", False),
    ],
)
def test_what_is_stored(words: str, is_stored: bool) -> None:
    assert (stored_network(compose("train", words.split(), TrainConfig)) is not None) == is_stored


# --- how they are computed -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def features() -> FeaturesOf:
    torch.manual_seed(5)  # no run has these weights
    tiny = option(FrameBackbone, name="tiny_cnn", freeze=True)
    return FeaturesOf(tiny, build_backbone(tiny).eval(), CPU, described=False)


def test_short_clips_share_batches(own: list[str], features: FeaturesOf) -> None:
    cfg = compose("prepare", of_data(own), PrepareConfig)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    clips = [Media.of_store(store, row, store.root / "x", cfg.data, cfg.face) for row in range(7)]
    assert sum(len(clip.rows) for clip in clips) > 2 * features.batch
    for clip, found in zip(clips, features.extract_all(clips), strict=True):
        (alone,) = features.extract(clip).values()
        np.testing.assert_allclose(found["features"].values, alone.values, atol=1e-6)
        np.testing.assert_array_equal(found["features"].times_sec, clip.rows["time_sec"])
    assert grouped([0, 2, 3, 5], np.array([12, 99, 12, 12, 99, 12]), 32) == [(0, 2, 3), (5,)]
    assert grouped([0, 2], np.array([12, 99, 12]), 1) == [(0,), (2,)]


def test_maps_are_those_that_features_are_made_of(own: list[str]) -> None:
    cfg = compose("prepare", of_data(own), PrepareConfig)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    clip = Media.of_store(store, 0, store.root / "x", cfg.data, cfg.face)
    words = {"backbone": "tiny_cnn", "weights": "none"}
    both, alone, plain = (
        FrozenFeatures(option(FeaturesSignal, **words, **({"streams": streams} if streams else {})))
        for streams in (["maps", "features"], ["maps"], None)
    )
    found = both.extract(clip)
    assert list(found) == ["maps", "features"]
    assert [info.name for info in both.infos()] == ["maps", "features"]
    with torch.no_grad():
        made = both.backbone.net.linear(torch.from_numpy(found["maps"].values).flatten(1))
    np.testing.assert_allclose(made.numpy(), found["features"].values, atol=1e-6)
    np.testing.assert_array_equal(alone.extract(clip)["maps"].values, found["maps"].values)
    np.testing.assert_array_equal(plain.extract(clip)["features"].values, found["features"].values)
    assert "streams" not in plain.identity()  # of what was stored before there were maps
    assert len({json.dumps(signal.identity()) for signal in (both, alone, plain)}) == 3
    assert upgrade({"format": 2, "signals": {"features": words}})["signals"]["features"]["streams"] == ["features"]


def test_of_a_long_clip_no_more_than_a_batch_is_in_memory(features: FeaturesOf, own: list[str]) -> None:
    cfg = compose("prepare", own[:1], PrepareConfig)
    (folder,) = Path(own[-1].partition("=")[2]).iterdir()
    (jpeg,) = PreparedStore.open(folder).jpegs(0, [0])
    rows = np.zeros(1500, CROP)
    rows["time_sec"] = np.arange(len(rows)) / 25

    class Many:
        """The same JPEG over and over."""

        def __call__(self, some: slice) -> list[bytes]:
            return [jpeg] * len(range(*some.indices(len(rows))))

    clip = Media(None, VideoInfo(25.0, len(rows), 60.0, 96, 96), rows, np.zeros(len(rows)), Many(), cfg.data, cfg.face)
    crops = len(rows) * 3 * features.backbone.pixels.size**2
    values = len(rows) * features.backbone.features * 4
    tracemalloc.start()
    try:
        found = features.extract(clip)["features"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.values) == len(rows)
    assert peak < 0.2 * crops + 3 * values
