"""Shards: several machines prepare one dataset, each its part, and end with the bytes of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import Gate, environment

from realfake.composing.composition import compose
from realfake.config import PrepareConfig
from realfake.data.preparation import prepare, prepare_shard
from realfake.data.shards import Shard
from realfake.data.store import PreparedStore
from realfake.errors import UserError

FEW = "data.limit_clips=9"


@pytest.fixture(scope="module")
def whole(tiny_data: list[str], tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    """Prepared by one process."""
    cfg = config(tiny_data, tmp_path_factory.mktemp("whole"))
    return prepare(cfg.data, cfg.face, progress=False)


def config(tiny_data: list[str], prepared: Path) -> PrepareConfig:
    return compose("prepare", [*tiny_data, FEW, f"data.prepared={prepared}"], PrepareConfig)


def work(cfg: PrepareConfig, number: int, count: int) -> PreparedStore | None:
    return prepare_shard(cfg.data, cfg.face, Shard(number, count), progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    """All files; times of change of the videos, which they share, among them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def jpegs(prepared: Path) -> dict[str, int]:
    """Files of crops, by their names, with what changes if one is written again."""
    return {path.name: path.stat().st_ino for path in prepared.rglob("*.mjpeg")}


def test_the_last_shard_completes_what_one_process_writes(
    whole: PreparedStore, tiny_data: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = config(tiny_data, tmp_path)
    assert work(cfg, 2, 4) is None
    assert caplog.messages[-1].endswith(
        "shard=2 shards=4 is done; shard 0, 1, 3 of 4 missing: the same command with shard=0,1,3 does it"
    )
    assert len(jpegs(tmp_path)) == 2
    for number in (3, 0):
        assert work(cfg, number, 4) is None
    assert "shard 1 of 4 missing: the same command with shard=1 does it" in caplog.messages[-1]
    before = jpegs(tmp_path)
    store = work(cfg, 1, 4)
    assert store is not None
    assert store.root is not None
    assert contents(store.folder) == contents(whole.folder)
    assert jpegs(tmp_path).items() > before.items()
    again = work(cfg, 3, 4)
    assert again is not None
    assert again.fingerprint == whole.fingerprint


@pytest.mark.parametrize("count", [1, 3])
def test_what_shards_have_done_stays_done(
    whole: PreparedStore, tiny_data: list[str], tmp_path: Path, count: int
) -> None:
    """Also if the others never come, and a run of training or another number of shards goes on."""
    cfg = config(tiny_data, tmp_path)
    assert work(cfg, 1, 2) is None
    done = jpegs(tmp_path)
    assert len(done) == 4
    if count == 1:
        store: PreparedStore | None = prepare(cfg.data, cfg.face, progress=False)
    else:
        *_, store = (work(cfg, number, count) for number in range(count))
    assert store is not None
    assert contents(store.folder) == contents(whole.folder)
    assert jpegs(tmp_path).items() > done.items()


def start(tiny_data: list[str], prepared: Path, words: list[str], gate: Gate | None) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "realfake.prepare", *tiny_data, FEW, f"data.prepared={prepared}", *words]
    return subprocess.Popen(
        line, cwd=prepared.parent, env=environment(**(gate.variables if gate else {})), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_shards_at_work_do_not_wait_for_each_other_but_a_run_waits_for_them(
    whole: PreparedStore, tiny_data: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(tmp_path, "*.mjpeg", after=1)
    cfg = config(tiny_data, tmp_path / "p")
    slow = start(tiny_data, tmp_path / "p", ["shard=0", "shards=2"], gate)
    try:
        gate.reached(slow)
        assert work(cfg, 1, 2) is None
        assert caplog.messages[-1].endswith("shard=1 shards=2 is done; shard 0 of 2 in work")
        run = start(tiny_data, tmp_path / "p", [], None)
        assert run.stdout is not None
        assert "waiting for another process that prepares" in run.stdout.readline()
        assert len(jpegs(tmp_path)) == 5
        gate.open()
        said = [process.communicate()[0] for process in (slow, run)]
        assert (slow.returncode, run.returncode) == (0, 0), said
    finally:
        slow.kill()
    store = prepare(cfg.data, cfg.face, progress=False)
    assert contents(store.folder) == contents(whole.folder)


@pytest.mark.slow
def test_killed_at_ten_moments_the_store_is_the_same(
    whole: PreparedStore, tiny_data: list[str], tmp_path: Path
) -> None:
    """Two shards in turn, killed before a file gets its name: of crops of either, and of the finished store."""
    prepared = tmp_path / "p"
    moments = [
        (0, "*.mjpeg", 0), (1, "*.mjpeg", 1), (0, "*.mjpeg", 2), (1, "*.mjpeg", 0), (0, "*.mjpeg", 1), (None, "", 0),
        (1, "*.mjpeg", 0), (1, "*crops.npy", 0), (0, "*clips.parquet", 0), (1, "*.mtimes.npy", 0),
        (0, "*store.json", 0),
    ]  # fmt: skip
    for moment, (number, pattern, after) in enumerate(moments):
        (tmp_path / str(moment)).mkdir()
        if number is None:  # the first shard ends
            assert work(config(tiny_data, prepared), 0, 2) is None
            continue
        gate = Gate(tmp_path / str(moment), pattern, after)
        process = start(tiny_data, prepared, [f"shard={number}", "shards=2"], gate)
        gate.reached(process)
        process.kill()
        process.communicate()
        gate.open()
        assert not list(prepared.rglob("store.json"))
    store = work(config(tiny_data, prepared), 1, 2)
    assert store is not None
    assert contents(store.folder) == contents(whole.folder)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shard=4", "shards=4"], "shard=4 shards=4: expected shard=one of 0 to 3, or more shards"),
        (["shard=1"], "shard=1 shards=1: expected shard=0, or more shards"),
        (["shards=0"], "shards=0: "),
    ],
)
def test_a_shard_that_is_none_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        compose("prepare", words, PrepareConfig)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)
