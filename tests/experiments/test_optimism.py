"""What the best test epoch would have claimed stands beside what a run reports, and changes none of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.experiments.optimism import claims
from realfake.runs.results import read_results

WORDS = ("approach=temporal", "backbone.frames=4", "backbone.stride_sec=0.1", "head.dropout=0.5")
ON = "callbacks.optimism=true"
TIMES = ("seconds", "samples_per_second", "optimism", "overrides", "intervals")


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return found


def epochs(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv")


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text())
    return found


@pytest.fixture(scope="module")
def both(trained: Callable[..., Path]) -> tuple[Path, Path]:
    return trained(*WORDS), trained(*WORDS, ON)


def test_it_changes_nothing_else(both: tuple[Path, Path]) -> None:
    without, measured = both
    assert all(torch.equal(value, weights(measured)[name]) for name, value in weights(without).items())
    assert (without / "predictions.csv").read_bytes() == (measured / "predictions.csv").read_bytes()
    before, now = epochs(without), epochs(measured)
    pd.testing.assert_frame_equal(before.drop(columns="seconds"), now[before.columns.drop("seconds")])
    old, new = results(without), results(measured)
    assert {k: v for k, v in old.items() if k not in TIMES} == {k: v for k, v in new.items() if k not in TIMES}
    assert old["optimism"] is None


def test_it_is_the_best_of_the_epochs_beside_what_is_reported(both: tuple[Path, Path]) -> None:
    measured = both[1]
    rows, found = epochs(measured), results(measured)
    for metric in ("authenticity_accuracy", "authenticity_auroc", "authenticity_brier"):
        told, column = found["optimism"][metric], rows[f"optimism/test/clip/{metric}"]
        best = column.min() if metric == "authenticity_brier" else column.max()
        assert told["claimed"] == best == column[told["epoch"]]
        assert told["kept"] == found["metrics"][f"test/clip/{metric}"]
        flattering = told["kept"] - best if metric == "authenticity_brier" else best - told["kept"]
        assert told["optimism"] == pytest.approx(flattering)


def test_loggers_have_every_epoch(both: tuple[Path, Path]) -> None:
    events = EventAccumulator(str(both[1] / "tensorboard"))
    events.Reload()
    column = "optimism/test/clip/authenticity_brier"
    logged = [event.value for event in events.Scalars(column)]
    assert logged == pytest.approx(epochs(both[1])[column].tolist(), abs=1e-6)


def test_windows_are_drawn_anew(trained: Callable[..., Path], both: tuple[Path, Path]) -> None:
    """A network that does not learn is measured by other windows in each epoch; without room to move, by the same."""
    still = ("optimizer.lr=1e-12", "scheduler=none", "backbone.freeze=true", ON)
    drawn = epochs(trained(*WORDS, *still))["optimism/test/clip/authenticity_brier"]
    assert drawn.nunique() == len(drawn)
    assert results(both[1])["optimism"]["authenticity_brier"]["kept"] not in drawn.to_list()


def test_the_best_so_far_outlives_an_interruption(tiny: list[str], both: tuple[Path, Path], tmp_path: Path) -> None:
    words = [*tiny, *WORDS, ON, "scheduler=none"]
    train([*words, "trainer.max_epochs=1"], tmp_path / "run")
    (tmp_path / "run/results.json").unlink()
    train([*words, "ckpt=last"], tmp_path / "run")
    train(words, tmp_path / "whole")
    assert results(tmp_path / "run")["optimism"] == results(tmp_path / "whole")["optimism"]
    assert epochs(tmp_path / "run")["optimism/test/clip/authenticity_accuracy"].notna().all()


@pytest.mark.parametrize("words", [["trainer.fast_dev_run=true"], ["trainer.limit_test_batches=1"]])
def test_limits_are_kept(tiny: list[str], tmp_path: Path, words: list[str]) -> None:
    train([*tiny, *WORDS, ON, "trainer.max_epochs=1", "data.eval_batch_size=4", *words], tmp_path / "run")
    found = read_results(tmp_path / "run")
    assert found is not None
    assert found["optimism"]["authenticity_accuracy"]["claimed"] in (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("key", ["optimized_metric", "scheduler=plateau scheduler.monitor"])
def test_nothing_is_chosen_by_it(key: str) -> None:
    *words, last = key.split()
    with pytest.raises(UserError, match="nothing is chosen by training or test figures"):
        compose("train", [*words, f"{last}=optimism/test/clip/authenticity_accuracy"], TrainConfig)


def test_claims_of_no_epoch_or_of_undefined_figures() -> None:
    reported = {"test/clip/authenticity_accuracy": 0.5, "test/clip/authenticity_auroc": float("nan")}
    assert claims([], reported) == {}
    row = {"epoch": 3, "optimism/test/clip/authenticity_accuracy": 0.25, "optimism/test/clip/authenticity_auroc": 0.5}
    told = {"claimed": 0.25, "epoch": 3, "kept": 0.5, "optimism": -0.25}
    assert claims([row, {**row, "epoch": 4}], reported) == {"authenticity_accuracy": told}
