"""Files are whole or absent whenever a process is killed; a folder has one process; a full disk is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import ROOT

from realfake.files import Locked, only_one, remove_parts, write_whole


def python(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


DIES_IN_FSYNC = """
import os, signal, sys
import torch
from realfake.experiments.callbacks import WholeCheckpoints
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
WholeCheckpoints().save_checkpoint({"weights": torch.ones(1000)}, sys.argv[1])
"""


def test_a_checkpoint_is_whole_or_absent(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "checkpoints/last.ckpt", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for before in (None, {"weights": torch.zeros(3)}):
        if before is not None:
            torch.save(before, path)
        process = python(DIES_IN_FSYNC, str(path), TMPDIR=str(elsewhere))
        assert process.wait(200) == -signal.SIGKILL, process.communicate()
        assert path.is_file() == (before is not None)
        assert len(list(path.parent.glob(".last.ckpt.*.part"))) == 1  # written beside its place, not in TMPDIR
        assert not list(elsewhere.glob("*.ckpt"))
        remove_parts(path.parent)
    assert torch.load(path, weights_only=True)["weights"].tolist() == [0, 0, 0]


def test_what_raises_leaves_the_old_file(tmp_path: Path) -> None:
    from realfake.files import open_whole

    path = tmp_path / "table.csv"
    write_whole(path, "old")
    with pytest.raises(ZeroDivisionError), open_whole(path) as file:
        file.write(b"half of the ne")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


HOLDS = """
import os, sys, time
from pathlib import Path
from realfake.files import only_one
with only_one(Path(sys.argv[1])):
    if os.fork() == 0:
        time.sleep(60)  # such as a process that loads data
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_ends_with_its_process_though_its_children_live(tmp_path: Path) -> None:
    process = python(HOLDS, str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Locked), only_one(tmp_path, on_wait=None):
        pass
    process.kill()
    process.wait()
    with only_one(tmp_path, on_wait=None):
        pass


def test_a_process_that_inherits_a_lock_holds_it(tmp_path: Path) -> None:
    """So that processes of a distributed run, which outlive the one that started them, are not joined by others."""
    with only_one(tmp_path) as lock:
        assert lock is not None
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with pytest.raises(Locked), only_one(tmp_path, on_wait=None):
        pass
    child.communicate(b"\n")
    with only_one(tmp_path, on_wait=None):
        pass
