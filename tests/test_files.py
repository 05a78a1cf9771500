"""Files are whole or absent whenever a process is killed; a folder has one process; a full disk is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from processes import ROOT

from realfake.experiments.callbacks import WholeCheckpoints
from realfake.files import Locked, only_one, remove_parts, safe_name, write_whole
from realfake.runs.checkpoints import write_checkpoint


def python(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed_while_saving(path: Path) -> int:
    """Save a checkpoint in a process that dies when all of it is written, but not yet on the disk; its exit status."""
    child = os.fork()
    if child == 0:
        try:
            os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
            WholeCheckpoints().save_checkpoint({"weights": torch.ones(1000)}, path)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_checkpoint_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, elsewhere = tmp_path / "checkpoints/last.ckpt", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    for before in (None, {"weights": torch.zeros(3)}):
        if before is not None:
            torch.save(before, path)
        assert killed_while_saving(path) == -signal.SIGKILL
        assert path.is_file() == (before is not None)
        assert len(list(path.parent.glob(".last.ckpt.*.part"))) == 1  # written beside its place, not in TMPDIR
        assert not list(elsewhere.iterdir())
        remove_parts(path.parent)
    assert torch.load(path, weights_only=True)["weights"].tolist() == [0, 0, 0]


def test_what_raises_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_whole(path, "old")
    with pytest.raises(AttributeError, match="pickle"):
        write_checkpoint(path, {"weights": torch.ones(1000), "function": lambda: None})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("precious")
    (tmp_path / "table.csv").symlink_to("precious.txt")
    write_whole(tmp_path / "table.csv", "new")
    assert (tmp_path / "precious.txt").read_text() == "precious"
    assert not (tmp_path / "table.csv").is_symlink()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.sampled_from(["..", ".", "", "a/../b", "é" * 300]))
def test_safe_names_are_names_below_a_folder(text: str) -> None:
    name = safe_name(text)
    assert Path("folder", name).name == name
    assert name not in ("", ".", "..")
    assert len(f"{name}-before-1.curve.png".encode()) <= 255


HOLDS = """
import os, sys, time
from pathlib import Path
from realfake.files import only_one
with only_one(Path(sys.argv[1])):
    if os.fork() == 0:  # such as a process that loads data
        print("held", flush=True)  # by the child: it gives up the lock when it begins, not when it is made
        time.sleep(60)
        os._exit(0)
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
