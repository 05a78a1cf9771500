"""Runs of smile networks: tested again, predicted, exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from processes import Command
from test_experiments import POINTS
from test_several_streams import videos

import realfake
from realfake.evaluation import testing

HADA = ("approach=temporal", *POINTS, "backbone=hada_smile_net", "backbone.streams=[landmarks,units]")
REAL = ("approach=temporal", "approach.tasks=[authenticity]", "backbone=real_smile_net", "backbone.input.size=32",
        "backbone.input.frames=8", "backbone.input.stride_sec=0.2")  # fmt: skip


KINDS = pytest.mark.parametrize("overrides", [HADA, REAL], ids=["points and numbers", "pixels"])


@KINDS
def test_tested_again_and_predicted_they_say_the_same(overrides: tuple[str, ...], trained: Callable[..., Path]) -> None:
    run = trained(*overrides)
    results = json.loads((run / "results.json").read_text())
    tested = testing.Tester(run, "cpu").test().metrics
    assert tested == {k: v for k, v in results["metrics"].items() if k.startswith("test/")}
    known = pd.read_csv(run / "predictions.csv").set_index("clip")
    predictor = realfake.load(run, device="cpu")
    for clip, path in videos(run)[:2]:
        for name, value in predictor.predict(path).by_name().items():
            assert value == pytest.approx(known.loc[clip, f"p_{name}"], abs=1e-6)


@pytest.mark.slow
@KINDS
def test_exported_they_say_the_same(
    overrides: tuple[str, ...], trained: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    done = command("export", f"run={trained(*overrides)}", f"out={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    check = json.loads((tmp_path / "model.json").read_text())["check"]
    assert check["largest_difference"] < 1e-5
