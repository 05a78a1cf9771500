"""Work in several processes: results, exceptions, and processes that die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from realfake.data.work import Crashed, Hung, run_all, shown, time_limit_sec
from realfake.files import part_path, remove_parts, write_whole


def _work(item: int) -> int:
    if item == 3:
        raise ValueError("three")
    if item == 7:
        os._exit(1)  # as a decoder does that crashes
    return item * item


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_is_a_result(workers: int) -> None:
    results = dict(run_all(_work, list(range(6)), workers))
    assert {k: v for k, v in results.items() if k != 3} == {0: 0, 1: 1, 2: 4, 4: 16, 5: 25}
    assert isinstance(results[3], ValueError)


def test_a_process_that_dies_costs_its_item_alone() -> None:
    results = dict(run_all(_work, list(range(12)), 2))
    assert sorted(results) == list(range(12))
    assert isinstance(results[7], Crashed)
    assert all(results[i] == i * i for i in range(12) if i not in (3, 7))


def _wait(path: Path) -> str:
    return path.read_text()  # of a pipe: not before somebody opens its other end


def _limit_sec(path: Path) -> float:
    return 0.5 if path.name == "pipe" else 600.0


@pytest.mark.parametrize("workers", [1, 2])
def test_work_that_hangs_costs_its_item_alone(tmp_path: Path, workers: int) -> None:
    os.mkfifo(tmp_path / "pipe")
    files = [tmp_path / name for name in ("a", "pipe", "b", "c")]
    for path in files:
        if path.name != "pipe":
            path.write_text(path.name)
    results = dict(run_all(_wait, files, workers, _limit_sec))
    assert {p.name: r for p, r in results.items() if p.name != "pipe"} == {"a": "a", "b": "b", "c": "c"}
    assert isinstance(results[tmp_path / "pipe"], Hung)
    assert "patience_sec" in str(results[tmp_path / "pipe"])


def test_the_limit_grows_with_the_file() -> None:
    assert time_limit_sec(-1, 60.0) == 60.0
    assert time_limit_sec(50_000_000, 60.0) == 360.0


def test_leaving_early_ends_the_workers() -> None:
    results = run_all(_work, list(range(6)), 2)
    next(results)
    results.close()
    assert list(run_all(_work, [], 2)) == []


def _blocked(item: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_processes_leave_ctrl_c_to_their_parent_from_their_first_moment() -> None:
    assert dict(run_all(_blocked, [0, 1], 2)) == {0: True, 1: True}
    assert not _blocked(0)


def test_files_appear_whole(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "a.json"
    part_path(path).write_bytes(b"half")
    write_whole(path, b"whole")
    assert path.read_bytes() == b"whole"
    part_path(path).write_bytes(b"half")
    remove_parts(tmp_path, deep=False)
    assert part_path(path).exists()
    remove_parts(tmp_path)
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_the_bar_is_on_the_error_stream(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(shown(iter("abc"), 3, "working")) == list("abc")
    assert list(shown(iter("abc"), 3, "quiet", False)) == list("abc")
    assert list(shown(iter("abc"), 3, "short", after_sec=60.0)) == list("abc")
    out, err = capfd.readouterr()
    assert out == ""
    assert "working" in err
    assert "3/3" in err
    assert "quiet" not in err
    assert "short" not in err
