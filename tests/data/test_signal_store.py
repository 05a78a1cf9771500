"""Streams beside the crops: computed once, by any number of processes, taken up after a kill, and never mixed."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from realfake.composing.composition import compose, option
from realfake.composing.messages import changed
from realfake.config import BOX, FrameBackbone, PrepareConfig, features_info
from realfake.data import signal_store
from realfake.data.media import Media
from realfake.data.preparation import prepare
from realfake.data.shards import Shard
from realfake.data.signal_parts import PARTS, computed_fault
from realfake.data.signal_store import MARK, StoredStream, prepare_signal, prepare_signal_shard
from realfake.data.store import PreparedStore
from realfake.data.stream_sets import clip_streams, stream_set
from realfake.data.work import run_all
from realfake.description.signal_curves import describe_streams
from realfake.errors import UserError
from realfake.models import build_backbone
from realfake.streams.kinds import build_signal
from realfake.streams.preprocess import normalise
from realfake.streams.stream import Extracted, SampleSpec, StreamSpec


@pytest.fixture(scope="module")
def cfg(tiny_data: list[str]) -> PrepareConfig:
    words = ["signals=[motion]", "signals.motion.grid=2", "signals.motion.size=32", "data.prepare_workers=1"]
    return compose("prepare", [*tiny_data, *words], PrepareConfig)


@pytest.fixture
def store(cfg: PrepareConfig, tmp_path: Path) -> PreparedStore:
    """A copy whose streams are nobody else's."""
    ready = prepare(cfg.data, cfg.face, progress=False)
    ignore = shutil.ignore_patterns("streams")
    copy = PreparedStore.open(shutil.copytree(ready.folder, tmp_path / ready.folder.name, ignore=ignore))
    copy.root = ready.root
    return copy


def motion(store: PreparedStore, cfg: PrepareConfig) -> StoredStream:
    return prepare_signal(store, cfg.data, cfg.face, cfg.signals["motion"], progress=False)["motion"]


def contents(stream: StoredStream) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(stream.folder.iterdir())}


def test_crops_stay_and_times_rise(store: PreparedStore, cfg: PrepareConfig) -> None:
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    found = motion(store, cfg)
    assert {path: path.read_bytes() for path in before} == before
    assert len(found.counts) == len(store)
    assert found.rows["values"].shape == (found.counts.sum(), 2, 2, 2)
    frames = store.table["frames"].to_numpy()
    assert (found.counts >= 0.9 * (frames - 1)).all()
    start = found.counts[0]
    assert (np.diff(found.rows["time_sec"][:start]) > 0).all()
    assert np.abs(found.rows["values"]).max() > 0.01


def test_interrupted_work_is_taken_up_with_the_same_bytes(
    store: PreparedStore, cfg: PrepareConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def some(function, items, workers, limit):
        yield from run_all(function, items[:5], workers, limit)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(signal_store, "run_all", some)
        with pytest.raises(KeyboardInterrupt):
            motion(store, cfg)
    (folder,) = (store.folder / "streams").iterdir()
    assert len(list((folder / PARTS).glob("*.zip"))) == 5
    assert not (folder / MARK).exists()
    whole = contents(motion(store, cfg))
    shutil.rmtree(folder)
    two = changed(cfg, {"data.prepare_workers": 2})
    assert contents(motion(store, two)) == whole


def test_shards_end_with_the_same_bytes(
    store: PreparedStore, cfg: PrepareConfig, caplog: pytest.LogCaptureFixture
) -> None:
    whole = motion(store, cfg)
    bytes_of_one = contents(whole)
    shutil.rmtree(whole.folder)
    *others, last = (
        prepare_signal_shard(store, cfg.data, cfg.face, cfg.signals["motion"], Shard(number, 3), progress=False)
        for number in (1, 0, 2)
    )
    assert others == [None, None]
    assert "shard=0 shards=3 is done; shard 2 of 3 missing: the same command with shard=2 does it" in caplog.text
    assert last is not None
    assert contents(last["motion"]) == bytes_of_one


def test_other_options_are_other_streams(store: PreparedStore, cfg: PrepareConfig) -> None:
    first = motion(store, cfg)
    second = motion(
        store, changed(cfg, {"signals": {"motion": {"rate_fps": 5.0, "grid": 2, "size": 32, "name": "motion"}}})
    )
    assert first.folder != second.folder
    assert second.counts.sum() < first.counts.sum()


def test_a_clip_that_fails_is_a_gap_and_named(
    store: PreparedStore, cfg: PrepareConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.root is not None
    path = store.table["path"].array[1]
    copy = shutil.copytree(store.root, tmp_path / "videos")
    (copy / path).write_bytes(b"no video")
    store.root = copy
    found = motion(store, cfg)
    assert found.counts[1] == 0
    assert (np.delete(found.counts, 1) > 0).all()
    assert f"1 of {len(store)} clips have none, e.g. {store.table['clip'].array[1]}: " in caplog.text


def test_a_signal_that_no_clip_has_is_refused(store: PreparedStore, cfg: PrepareConfig, tmp_path: Path) -> None:
    store.root = tmp_path / "nowhere"
    with pytest.raises(UserError, match=r"^signals=\[motion\]: none of \d+ clips has it; the first, .*: "):
        motion(store, cfg)
    assert not list((store.folder / "streams").iterdir())


def test_a_clip_by_itself_has_the_streams_that_it_has_in_a_dataset(store: PreparedStore, cfg: PrepareConfig) -> None:
    computed = prepare_signal(store, cfg.data, cfg.face, cfg.signals["motion"], progress=False)
    infos = (BOX, computed["motion"].info)
    spec = SampleSpec(4, None, False, None, tuple(map(StreamSpec, infos)))
    of_store = stream_set(store, spec, None, computed)
    row = len(store) - 1
    assert store.root is not None
    media = Media.of_store(store, row, store.root / store.table["path"].array[row], cfg.data, cfg.face)
    alone = clip_streams(media, spec, [build_signal(cfg.signals["motion"])])
    times, span = np.linspace(0.1, 0.9, 4)[None], np.array([[0.0, 1.0]])
    for gather in ("moments", "interval"):
        for name in spec.names:
            for rows in (of_store[name], alone[name]):
                rows.spec = replace(rows.spec, gather=gather)
            ours = of_store[name].take(np.array([row]), times, span)
            theirs = alone[name].take(np.array([0]), times, span)
            assert ours.valid.all()
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_missing_weights_are_told_before_any_work(store: PreparedStore, cfg: PrepareConfig) -> None:
    """Of a dataset that is prepared, too, by the option's own name."""
    words = ["signals=[features]", "signals.features.backbone=tiny_cnn", "signals.features.weights=no.pth"]
    options = compose("prepare", words, PrepareConfig).signals["features"]
    for call in (prepare_signal, partial(prepare_signal_shard, shard=Shard(1, 2))):
        with pytest.raises(UserError, match=r"^signals=\[features\]: signals\.features\.weights=no\.pth: no such file"):
            call(store, cfg.data, cfg.face, options, progress=False)
    assert not list(store.folder.glob("streams/features-*"))


@pytest.mark.parametrize("bits", [32, 16])
def test_features_are_what_the_frozen_network_says(
    bits: int, store: PreparedStore, cfg: PrepareConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(3)
    network = build_backbone(option(FrameBackbone, name="tiny_cnn")).eval()
    torch.save(network.net.state_dict(), tmp_path / "tiny.pth")
    words = ["signals=[features]", "signals.features.backbone=tiny_cnn", f"signals.features.dtype={bits}"]
    chosen = compose("prepare", [*words, f"signals.features.weights={tmp_path}/tiny.pth"], PrepareConfig)
    with caplog.at_level(logging.INFO):
        found = prepare_signal(store, cfg.data, cfg.face, chosen.signals["features"], progress=False)["features"]
    assert (found.counts == store.table["stored"]).all()
    with torch.inference_mode():
        expected = network(normalise(torch.from_numpy(store.read(0, np.arange(found.counts[0]), 64)), network.pixels))
    ours = found.rows["values"][: found.counts[0]]
    if bits == 32:
        np.testing.assert_array_equal(ours, expected.numpy())
        assert found.rounding is None
    else:
        assert ours.dtype == np.float16
        np.testing.assert_allclose(ours, expected.numpy(), rtol=2**-11, atol=1e-7)
        # All moments are told of, and what they lost: these are the 32 bits that were rounded.
        exact = changed(chosen.signals["features"], {"dtype": 32})
        other = (
            prepare_signal(store, cfg.data, cfg.face, exact, progress=False)["features"].rows["values"].astype(float)
        )
        lost = np.linalg.norm(found.rows["values"] - other, axis=1) / np.linalg.norm(other, axis=1)
        assert found.rounding == {"largest": pytest.approx(lost.max()), "mean": pytest.approx(lost.mean())}
        assert 1e-5 < found.rounding["mean"] < found.rounding["largest"] < 2**-11
        (line,) = [r.getMessage() for r in caplog.records if "16 bits" in r.getMessage()]
        assert line.startswith(
            "signals=[features]: features, kept in 16 bits: moments differ from those of 32 bits by "
        )
        described = describe_streams(store, {"features": found}, cfg.data.space)["features"]
        assert described["rounding"] == found.rounding


def test_what_does_not_fit_into_16_bits_is_refused() -> None:
    values = np.array([[1.0, -7e4]], np.float32)
    found = {"features": Extracted(np.zeros(1, np.float32), values, np.ones(1, np.float32))}
    line = r"^features: 70000 does not fit into 16 bits, whose largest number is 65504; use dtype=32$"
    assert re.match(line, computed_fault(found, [features_info("x", 2, 16)]))
    assert computed_fault(found, [features_info("x", 2, 32)]) == ""
