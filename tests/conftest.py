"""Tiny data that all tests share, and the commands as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import HealthCheck, settings
from processes import Command, Forks, environment
from tracing import leave_out_long_calls

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
leave_out_long_calls()

TINY_DATA = (
    "data.subjects=6", "data.seconds=1.2", "data.fps=10", "data.video_size=96", "data.size=64", "data.rate_fps=10",
    "data.prepare_workers=1",
)  # fmt: skip
TINY_TRAINING = (
    "trainer.max_epochs=2", "sampling.frames_per_clip=1", "data.batch_size=16", "data.workers=0", "trainer.threads=1",
    "callbacks=quiet", "callbacks.early_stopping=null",
)  # fmt: skip


LONGEST = ("test_sweeps.py", "test_train_command.py", "test_notebooks.py", "test_export.py", "test_experiments.py")
"""Files that come first, so that processes that share the tests end at about the same time."""


COVERAGE = pytest.StashKey[str | None]()


def pytest_configure(config: pytest.Config) -> None:
    """Of the processes that tests start, coverage measures the forks alone: others spend half of their time on it.

    The process that hands the tests out to others keeps it for them.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.stash[COVERAGE] = os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first; the order within a file stays."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides of a small synthetic dataset, generated and prepared once for all tests."""
    folder = tmp_path_factory.mktemp("tiny_data")
    return [*TINY_DATA, f"data.folder={folder}", f"data.prepared={folder}/prepared"]


@pytest.fixture(scope="session")
def tiny(tiny_data: list[str]) -> list[str]:
    """Overrides of a training run of seconds on the small dataset."""
    return [*tiny_data, *TINY_TRAINING]


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Forks]:
    """Where commands start without importing torch each."""
    found = Forks(tmp_path_factory.mktemp("forks"))
    found.coverage = pytestconfig.stash[COVERAGE]
    yield found
    found.close()


@pytest.fixture(scope="session")
def command(forks: Forks) -> Command:
    """Run ``python -m realfake.<name>`` as a process: ``command("train", "approach=temporal", cwd=folder)``.

    The process is a fork of one that has imported torch; with ``fresh=True`` it has an interpreter of its own.
    """

    def run(name: str, *arguments: str, cwd: Path, fresh: bool = False, **variables: str) -> CompletedProcess[str]:
        argv, env = [f"realfake.{name}", *arguments], environment(**variables)
        if not fresh:
            return forks.run(argv, cwd, env)
        line = [sys.executable, "-m", *argv]
        return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own: ``disk("size=1m")`` mounts it, a second call changes its options, e.g. ``"ro"``."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        options = f"remount,{options}" if place.is_mount() else options
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
        return place

    yield mount
    if place.is_mount():
        subprocess.run(["umount", "--lazy", str(place)], check=False)


@pytest.fixture(scope="session")
def trained(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folder of a finished tiny run with the given overrides, trained once a session."""
    from realfake.experiments.execution import train

    done: dict[tuple[str, ...], Path] = {}

    def run(*overrides: str) -> Path:
        if overrides not in done:
            folder = tmp_path_factory.mktemp("run") / "run"
            train([*tiny, *overrides], folder)
            done[overrides] = folder
        return done[overrides]

    return run
