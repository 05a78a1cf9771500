"""Shards: several machines prepare one dataset, each its part, and end with the bytes of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import Fork, Forks, Gate, environment, until
from weights import found_weights

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


MOMENTS = [
    ("*.mjpeg", 0), ("*.mjpeg", 4), ("remove */.journal-shard-2-of-4.jsonl", 0), ("*/clips.parquet", 0),
    ("*/crops.npy", 0), ("*/store.json", 0), ("remove */.journal.jsonl", 0), ("remove */.journal.crops", 0),
    ("remove */.lock-shard-1-of-4", 0), ("*/motion-*/parts/00000003.zip", 0), ("*/motion.npy", 0),
    ("*/motion-*/stream.json", 0), ("remove */motion-*/parts", 0), ("*/drawn-*/counts.npy", 0),
    ("remove */drawn-*/.lock-shard-3-of-4", 0),
]  # fmt: skip
MORE_MOMENTS = [("*/mediapipe-*/parts/00000005.zip", 0), ("*/mesh.npy", 0), ("remove */mediapipe-*/parts", 0)]


@pytest.mark.slow
def test_killed_at_any_moment_a_sweep_of_shards_ends_with_the_bytes_of_one_process(
    tiny_data: list[str], tmp_path: Path, forks: Forks
) -> None:
    """Each time it is started again, until it lives: over crops, their tables, what is tidied up, and three signals."""
    signals, moments = ["signals=[motion,drawn]", "signals.motion.grid=2", "signals.drawn.streams=[landmarks]"], MOMENTS
    if weights := found_weights("face_landmarker.task"):
        signals = ["signals=[motion,drawn,mediapipe]", *signals[1:], f"signals.mediapipe.weights={weights}"]
        moments = MOMENTS + MORE_MOMENTS

    def begin(folder: str, *words: str, gate: Gate | None = None) -> Fork:
        line = ["realfake.prepare", *tiny_data, FEW, *signals, f"data.prepared={tmp_path / folder}", *words]
        return forks.start(line, tmp_path, environment(**(gate.variables if gate else {})))

    def sweep(gate: Gate | None = None) -> Fork:
        return begin("parts", "-m", "shard=0,1,2,3", "shards=4", gate=gate)

    assert begin("one").wait() == 0
    (tmp_path / "lost").mkdir()
    gate = Gate(tmp_path / "lost", "*.mjpeg", after=1)
    lost = [begin("parts", f"shard={number}", "shards=4", gate=gate) for number in (0, 2)]
    until(lambda: len(jpegs(tmp_path / "parts")) == 2, *lost)
    for process in lost:
        process.kill()
        process.wait()
    for number, (pattern, after) in enumerate(moments):
        (tmp_path / str(number)).mkdir()
        gate = Gate(tmp_path / str(number), pattern, after)
        process = sweep(gate)
        gate.reached(process)
        process.kill()
        process.wait()
        gate.open()
    assert sweep().wait() == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "one")


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
