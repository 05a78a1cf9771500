"""Full and read-only disks, and paths that cannot be: one line that names them and the way out; nothing is lost."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from processes import Command

from realfake.composing.composition import compose
from realfake.config import PrepareConfig
from realfake.data.cache import open_cache
from realfake.data.preparation import prepare
from realfake.data.store import PreparedStore, StoreReader
from realfake.experiments.execution import train
from realfake.files import DiskError, LogFile
from realfake.runs.results import read_results

Disk = Callable[[str], Path]
Usage = namedtuple("Usage", "total used free")


def prepared(*overrides: str) -> PreparedStore:
    cfg = compose("prepare", list(overrides), PrepareConfig)
    return prepare(cfg.data, cfg.face, progress=False)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that was refused says."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_full_disk_while_preparing(tiny_data: list[str], disk: Disk) -> None:
    folder = disk("size=64k")
    words = [*tiny_data, f"data.prepared={folder}", "data.limit_clips=12"]
    with pytest.raises(DiskError, match=rf"{folder}/.* no room: .*free; .* give another data\.prepared"):
        prepared(*words)
    assert not list(folder.rglob("store.json"))
    assert not list(folder.rglob(".*.part"))
    disk("size=9m")
    store = prepared(*words)
    assert len(store) == 12
    assert store.read(11, [-1]).shape == (1, 64, 64, 3)


def test_a_full_disk_while_decoding(tiny_data: list[str], disk: Disk) -> None:
    store = prepared(*tiny_data)
    folder = disk("size=8m") / store.folder.name
    copy = PreparedStore.open(shutil.copytree(store.folder, folder, ignore=shutil.ignore_patterns("decoded-*")))
    with pytest.raises(DiskError, match=r"decoded-224-.*no room: .* MiB needed, .* free; .* use data.cache=none"):
        open_cache(copy, 224, progress=False)
    assert not list(folder.glob("*decoded-*"))


def test_room_that_vanishes_while_decoding(tiny_data: list[str], disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the disk had said before: what is written is set aside first, so no process dies of a signal."""
    store = prepared(*tiny_data)
    folder = disk("size=8m") / store.folder.name
    copy = PreparedStore.open(shutil.copytree(store.folder, folder, ignore=shutil.ignore_patterns("decoded-*")))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: Usage(1 << 41, 0, 1 << 40))
        with pytest.raises(DiskError, match=r"decoded-224-"):
            open_cache(copy, 224, progress=False)
    assert not list(folder.glob("*decoded-*"))


def test_an_intact_store_that_is_read_only(tiny_data: list[str], disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    ready = prepared(*tiny_data)
    folder = disk("size=20m")
    copy = shutil.copytree(
        ready.folder, folder / ready.folder.name, ignore=shutil.ignore_patterns("decoded-*", ".lock")
    )
    np.save(copy / ".mtimes.npy", np.load(copy / ".mtimes.npy") + 1)  # as if the videos had been copied since
    open_cache(PreparedStore.open(copy), 32, progress=False)
    (copy / ".lock").unlink()
    disk("ro")
    store = prepared(*tiny_data, f"data.prepared={folder}")
    assert store.folder == copy
    kept, fallback = open_cache(store, 32, progress=False), open_cache(store, 48, progress=False)
    assert isinstance(fallback, StoreReader)
    assert "crops are decoded as they are needed" in caplog.text
    np.testing.assert_array_equal(kept.gather(np.arange(5)), store.reader(32).gather(np.arange(5)))


def test_training_on_a_full_disk_goes_on_when_there_is_room(
    tiny: list[str], trained: Callable[..., Path], disk: Disk
) -> None:
    """There is room for the checkpoints of an epoch, and not for others beside them; with more, the run goes on."""
    words = ["approach=single_task", *tiny, "data.cache=none"]
    whole = trained("approach=single_task")
    run = disk(f"size={1.5 * (whole / 'checkpoints/last.ckpt').stat().st_size:.0f}") / "run"
    with pytest.raises(DiskError, match=rf"{run}/checkpoints/.*: no room: .* needed, .* free; .* hydra.run.dir"):
        train(words, run)
    assert not list(run.rglob(".*.part"))
    disk("size=50m")
    torch.load(run / "checkpoints/best.ckpt", weights_only=True)  # what was reached by then is kept
    results = train([*words, "ckpt=last"], run)
    assert results["metrics"] == (read_results(whole) or {})["metrics"]


def test_a_log_that_finds_no_room_is_one_line(disk: Disk, capfd: pytest.CaptureFixture[str]) -> None:
    folder = disk("size=64k")
    handler = LogFile(str(folder / "run.log"))
    (folder / "full").write_bytes(b"x" * 60000)
    for _ in range(20):
        handler.emit(logging.LogRecord("a", logging.INFO, "", 0, "much to say " * 200, None, None))
    handler.close()
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "run.log: no room" in said


def test_an_output_folder_that_is_read_only(command: Command, tiny: list[str], disk: Disk) -> None:
    folder = disk("size=1m,ro")
    said = one_line(command("train", *tiny, f"hydra.run.dir={folder}/run", cwd=folder.parent))
    assert f"{folder}/run" in said
    assert "Read-only file system" in said


@pytest.mark.parametrize("words", [
    "predict run={run} input={face} device=cpu", "describe", "export run={run} format=torch_export",
    "signals signals=[drawn] data.limit_clips=6",
], ids=lambda words: words.split()[0])  # fmt: skip
def test_an_output_folder_on_a_full_disk(
    command: Command, trained: Callable[..., Path], tiny_data: list[str], disk: Disk, tmp_path: Path, words: str
) -> None:
    """The disk is another one than that of the folder in which the command is started."""
    run, folder = trained("approach=multi_task"), disk("size=16k")
    name, *more = words.format(run=run, face=Path(skimage.data.__file__).with_name("astronaut.png")).split()
    done = command(
        name, *more, *(tiny_data if name in ("describe", "signals") else ()), f"out={folder}/out", cwd=tmp_path
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()[-1]
    assert re.match(rf"error: {folder}/out.*: no room: (.* needed, )?\d+ (bytes|KiB) free; ", said), done.stderr
    assert "Error executing job" not in done.stderr
    assert not list(folder.rglob(".*.part"))


LONG = "x" * 300


@pytest.mark.parametrize(("words", "line"), [
    ("predict run={run} input={file} out={file}", r"out=.*/file: .*/file is no folder; expected a folder"),
    ("report dir={run} out={file}/x", r"out=.*/file/x: .*/file is no folder; expected a folder"),
    ("describe out={file}", r"out=.*/file: .*/file is no folder"),
    ("evaluate run={run} out={file}", r"out=.*/file: .*/file is no folder"),
    ("convert model={file} out={file}", r"out=.*/file: .*/file is no folder"),
    ("train hydra.run.dir={file}", r".*/file: File exists; change that, or give another path"),
    ("train hydra.run.dir={file}/x", r".*/file/x: Not a directory; change that"),
    ("describe out={long}", r"{long}: File name too long"),
    ("predict run={run} input={long}.png", r"{long}\.png: File name too long"),
    ("predict run={long} input={file}", r"{long}: File name too long"),
    ("evaluate run={long}", r"{long}.*: File name too long"),
    ("report dir={long}", r"{long}.*: File name too long"),
    ("train init_from={long}", r"{long}.*: File name too long"),
    ("train ckpt={long}", r"{long}.*: File name too long"),
    ("describe data=sase_fe data.root={long}", r"{long}.*: File name too long"),
    ("describe data=csv data.root={long}", r"{long}.*: File name too long"),
])  # fmt: skip
def test_a_path_that_cannot_be_what_it_has_to_be(
    command: Command, trained: Callable[..., Path], tmp_path: Path, words: str, line: str
) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    name, *more = words.format(run=trained("approach=multi_task"), file=file, long=LONG).split()
    said = one_line(command(name, *more, cwd=tmp_path))
    assert re.match("error: " + line.format(long=LONG), said), said
    assert file.read_text() == "precious"


def test_a_data_folder_that_is_read_only(tiny_data: list[str], disk: Disk) -> None:
    with pytest.raises(DiskError, match=r"Read-only file system; change that, or give another data\.folder"):
        prepared(*tiny_data, f"data.folder={disk('size=1m,ro')}/data")
