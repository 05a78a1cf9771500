"""Work in several processes: results, exceptions, and processes that die."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realfake.data.work import Crashed, run_all, shown
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


def test_leaving_early_ends_the_workers() -> None:
    results = run_all(_work, list(range(6)), 2)
    next(results)
    results.close()
    assert list(run_all(_work, [], 2)) == []


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
