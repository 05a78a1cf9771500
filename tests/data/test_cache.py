"""The cache of decoded crops gives what the store gives, is built once, and needs room."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from processes import until

from realfake.approaches import build_datamodule
from realfake.composing.composition import compose
from realfake.config import PrepareConfig, TrainConfig
from realfake.data import cache
from realfake.data.cache import MemmapCache, cache_path, open_cache
from realfake.data.preparation import prepare
from realfake.data.store import PreparedStore, StoreReader
from realfake.errors import UserError


@pytest.fixture(scope="module")
def store(tiny_data: list[str], tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    cfg = compose("prepare", tiny_data, PrepareConfig)
    ready = prepare(cfg.data, cfg.face, progress=False)
    copy = tmp_path_factory.mktemp("cache") / ready.folder.name
    return PreparedStore.open(shutil.copytree(ready.folder, copy))


@pytest.mark.parametrize("size", [32, 48, 64])
def test_the_cache_gives_what_the_store_gives(store: PreparedStore, size: int) -> None:
    cached = open_cache(store, size, progress=False)
    rows = np.random.default_rng(0).integers(0, len(store.crops), 50)
    np.testing.assert_array_equal(cached.gather(rows), store.reader(size).gather(rows))
    for i in (0, len(store) - 1):
        np.testing.assert_array_equal(cached.read(i, [0, 3, -1]), store.read(i, [0, 3, -1], size))
    assert cached.gather(rows).flags.writeable
    assert cached.path.stat().st_size == pytest.approx(len(store.crops) * size * size * 3, abs=200)


def test_it_is_built_once_even_by_several_at_once(store: PreparedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    built: list[int] = []
    build = cache._build

    def ask(number: int) -> MemmapCache:
        asked.append(number)
        return open_cache(store, 40, progress=False)

    def count(*args: object) -> None:
        built.append(1)
        until(lambda: len(asked) == 3)
        build(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "_build", count)
    with ThreadPoolExecutor(3) as pool:
        caches = list(pool.map(ask, range(3)))
    assert len(built) == 1
    assert len({c.path for c in caches}) == 1
    assert not list(store.folder.glob(".*.part"))


def _sum(reader: MemmapCache) -> int:
    return int(reader.gather(np.arange(5)).sum())


def test_it_is_shared_with_other_processes(store: PreparedStore) -> None:
    cached = open_cache(store, 32, progress=False)
    assert len(pickle.dumps(cached)) < 3000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_sum, (cached,)) == _sum(cached)


def test_too_little_room_is_told_before_writing(store: PreparedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(UserError, match=r"decoded-56-.* no room: .* needed, .* free; .* use data\.cache=none"):
        open_cache(store, 56, progress=False)
    assert not list(store.folder.glob("decoded-56-*"))


def test_if_there_is_room_for_it(
    store: PreparedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage, needed = namedtuple("usage", "total used free"), len(store.crops) * 20 * 20 * 3
    free = [2 * needed - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 0, free[0]))
    fallback = open_cache(store, 20, if_room=True, progress=False)
    assert isinstance(fallback, StoreReader)
    assert "of decoded crops would take more than half of the room there" in caplog.text
    assert not list(store.folder.glob("decoded-20-*"))
    free[0] += 1
    cached = open_cache(store, 20, if_room=True, progress=False)
    assert isinstance(cached, MemmapCache)
    np.testing.assert_array_equal(cached.gather(np.arange(9)), fallback.gather(np.arange(9)))
    free[0] = 0
    assert isinstance(open_cache(store, 20, if_room=True, progress=False), MemmapCache)  # it is there


def test_auto_keeps_what_training_reads_again_and_again(store: PreparedStore, tiny: list[str]) -> None:
    words = [*tiny, "approach=single_task", "backbone.input.size=28", f"data.prepared={store.folder.parent}"]
    cfg = compose("train", words, TrainConfig)
    assert cfg.data.cache == "auto"
    path = cache_path(PreparedStore.open(store.folder), 28)
    for once in (True, False):
        data = build_datamodule(cfg)
        data.once = once
        data.setup()
        assert data.opened().folder == store.folder
        assert path.exists() is not once
        assert data.decodes is once
    assert data.workers(training=True) == 0


def test_a_failure_while_building_leaves_nothing(store: PreparedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> np.ndarray:
        raise UserError("a file is gone")

    with monkeypatch.context() as patched:
        patched.setattr("realfake.data.store.StoreReader.gather", fail)
        with pytest.raises(UserError, match="a file is gone"):
            open_cache(store, 24, progress=False)
    assert not [p for p in store.folder.iterdir() if "24-" in p.name]
    assert open_cache(store, 24, progress=False).gather(np.array([0])).shape == (1, 24, 24, 3)


def test_content_that_changed_gets_another_file(store: PreparedStore) -> None:
    other = PreparedStore(Path(store.folder), {**store.settings, "fingerprint": "f" * 32})
    assert cache.cache_path(other, 32) != cache.cache_path(store, 32)
