"""Reports over finished runs: what is found, how it is ranked and grouped, and what is written."""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import fake_config, write_run, write_sweep
from processes import environment
from rich.console import Console

from realfake.composing.composition import compose
from realfake.config import ReportConfig
from realfake.errors import UserError
from realfake.reports.finding import find_runs
from realfake.reports.finished import read_run
from realfake.reports.leaderboard import Report, make_report
from realfake.reports.pooling import pooled_intervals, read_clips
from realfake.reports.ranking import command, rank, short_keys
from realfake.runs.folder import RunFolder
from realfake.runs.settings import look_up, parse_override
from realfake.scoring.metric_table import DEFINITIONS, REPORTED
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions

KINDS = {"failed", "diverged", "interrupted", "running", "damaged", "empty"}


@pytest.fixture(scope="module")
def report(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(sweep, tmp_path_factory.mktemp("report"))


def results_of(run: Any) -> dict[str, Any]:
    return json.loads((run.folder / "results.json").read_text())


# --- finding and reading ----------------------------------------------------------------------------------------------


def test_every_state_is_shown_with_its_cause(report: Report) -> None:
    assert report.board.counts == {"completed": 24} | dict.fromkeys(KINDS, 1)
    causes = {run.status: run.error for run in report.board.failures}
    assert causes["failed"] == "RuntimeError: out of <memory>"
    assert causes["diverged"] == "train/frame/loss is nan in epoch 3"
    assert "results.json cannot be read" in str(causes["damaged"])
    assert all(causes.values())
    (running,) = (run for run in report.board.runs if run.status == "running")
    assert "val/clip/joint_accuracy" in running.curves, "no definitions are known yet, and none are older"


def test_a_run_that_went_silent_is_not_called_running(tmp_path: Path) -> None:
    write_run(tmp_path / "run", status="failed")
    (tmp_path / "run" / "results.json").unlink()
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (time.time() - 7500,) * 2)
    run = read_run(tmp_path / "run", "run")
    assert run.status == "unfinished"
    assert run.error == "no results, and nothing written for 2 h 05 min: the job was killed"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("", "damaged"), ("[1]", "damaged"), ('{"status": "won"}', "damaged"), ("\x00\xff", "damaged"),
        ('{"status": "completed", "metrics": 3}', "damaged"),
        ('{"status": "completed", "metrics": {"a": "b"}}', "damaged"),
        ('{"status": "completed", "seconds": "x"}', "completed"),
    ],
)  # fmt: skip
def test_damaged_results_never_crash(tmp_path: Path, content: str, status: str) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "bad", ["seed=1"])
    (tmp_path / "bad" / "results.json").write_text(content)
    (tmp_path / "bad" / "metrics.csv").write_text("epoch,val\n1,2,3\n")
    (tmp_path / "bad" / "predictions.csv").write_text("clip\n1\n")
    (tmp_path / "bad" / ".hydra" / "config.yaml").write_text("optimized_metric: 3")
    board = make_report(tmp_path).board
    assert [run.status for run in board.runs] == ["completed", status]
    assert board.runs[0].name == "good"


def test_runs_are_found_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("a/b/run1", "a/run2", "run3"):
        write_run(tmp_path / name)
    (tmp_path / "a" / "run2" / "checkpoints").mkdir()  # inside of a run, so no run
    (tmp_path / "describe" / ".hydra").mkdir(parents=True)
    (tmp_path / "describe" / ".hydra" / "config.yaml").write_text("data: {name: synthetic}\n")  # another command's
    (tmp_path / ".submitit" / "job").mkdir(parents=True)
    assert [name for _, name in find_runs([tmp_path])] == ["a/b/run1", "a/run2", "run3"]
    assert [name for _, name in find_runs([tmp_path / "a" / "run2"])] == ["run2"]
    both = find_runs([tmp_path / "a", tmp_path / "run3", tmp_path / "a"])
    assert [name for _, name in both] == ["a/b/run1", "a/run2", "run3"]


def test_no_runs_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run below it"):
        make_report(tmp_path)
    with pytest.raises(UserError, match=r"no such folder"):
        make_report(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"dir is missing"):
        compose("report", [], ReportConfig)


def test_the_log_of_a_failure_ends_without_colours_and_bars(tmp_path: Path) -> None:
    write_run(tmp_path, status="failed", error="x")
    (tmp_path / "run.log").write_bytes(
        b"a" * 200_000 + b"\nEpoch 1\rEpoch 2\n\x1b[31mTraceback\x1b[0m \x07\xff\nlast\n\n"
    )
    assert read_run(tmp_path, "run").log_tail(3) == ["Epoch 2", "Traceback \ufffd", "last"]


# --- overrides --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optimizer.lr=1e-3", ("optimizer.lr", "0.001")), ("+a=b", ("a", "b")), ("++a.b=01", ("a.b", "1")),
        ("~debug", ("~debug", "removed")), ("name='x=y'", ("name", "x=y")), ("a=", ("a", "")),
        ("window=[0.1,0.9]", ("window", "[0.1,0.9]")),
    ],
)  # fmt: skip
def test_overrides_are_read(override: str, expected: tuple[str, str]) -> None:
    assert parse_override(override) == expected


def test_what_is_not_overridden_counts_with_its_own_setting(tmp_path: Path) -> None:
    write_run(tmp_path / "a", ["seed=0", "optimizer.lr=1e-2", "launcher=joblib"], fake_config())
    write_run(tmp_path / "b", ["approach=temporal", "hydra.verbose=true"], fake_config("temporal"))
    runs = [read_run(folder, name) for folder, name in find_runs([tmp_path])]
    board = rank(runs)
    assert board.varying == ("approach",), "seed and rate are the same in both, although only one overrides them"
    assert {run.setting("approach") for run in board.runs} == {"single_task", "temporal"}
    assert look_up(fake_config(), "loss@loss_mix") == "sum"
    assert look_up(fake_config(), "no.such.key") is None


def test_how_a_run_is_executed_is_no_column(tmp_path: Path) -> None:
    """What a group of such settings says of training is one, under its own key."""
    for k, stop in enumerate((None, {"patience": 3, "min_delta": 0.0})):
        config = fake_config(seed=k)
        config["callbacks"] |= {"plots": bool(k), "early_stopping": stop}
        config["trainer"] |= {"gpus": k, "max_epochs": 30 + k}
        config["logger"] = {} if k else {"csv": {}}
        how = (f"launcher={'joblib' if k else 'basic'}", f"trainer.gpus={k}", f"callbacks.plots={bool(k)}".lower())
        groups = (f"callbacks={'early_stopping' if k else 'quiet'}", f"trainer={'gpu' if k else 'cpu'}", "logger=csv")
        write_run(tmp_path / str(k), [f"seed={k}", *how, *groups[: 2 + k]], config)
    board = rank([read_run(folder, name) for folder, name in find_runs([tmp_path])])
    stopping = {f"callbacks.early_stopping.{name}" for name in ("patience", "min_delta")}
    assert set(board.varying) == {"seed", "trainer.max_epochs", *stopping}


def test_headings_of_overrides_are_short_and_apart() -> None:
    assert short_keys(("split.fold", "optimizer.lr", "seed")) == {
        "split.fold": "fold", "optimizer.lr": "lr", "seed": "seed",
    }  # fmt: skip
    assert short_keys(("data.size", "backbone.size")) == {"data.size": "data.size", "backbone.size": "backbone.size"}


def test_the_command_repeats_the_run(report: Report) -> None:
    run = next(run for run in report.board.runs if run.name == "000000000001")
    assert command(run) == "realfake train approach=single_task loss_mix=sum seed=0 split=kfold split.fold=1"


def test_the_command_is_quoted_for_a_shell(tmp_path: Path) -> None:
    write_run(tmp_path, ["data.root=/my data/$(x)", "sampling.window=[0.1,0.9]"])
    assert command(read_run(tmp_path, "run")).endswith("'data.root=/my data/$(x)' 'sampling.window=[0.1,0.9]'")


# --- ranking ----------------------------------------------------------------------------------------------------------


def test_the_table_is_ranked_by_the_test_figure_of_what_was_optimized(report: Report) -> None:
    table = pd.read_csv(report.leaderboard)
    values = table["test/clip/joint_accuracy"]
    known = values.dropna()
    assert report.board.metric == "test/clip/joint_accuracy"
    assert len(table) == 30
    assert len(known) == 24
    assert known.is_monotonic_decreasing
    assert values[24:].isna().all(), "runs without the metric come last"
    assert table["rank"][:24].tolist() == list(range(1, 25))
    for run, row in zip(report.board.runs[:24], table.itertuples(), strict=False):
        assert row.run == run.name
        assert run.metrics == results_of(run)["metrics"]


def test_smaller_is_better_for_errors_and_nan_comes_last(tmp_path: Path) -> None:
    for name, loss in (("a", 2.0), ("b", None), ("c", 1.0), ("d", 3.0)):
        write_run(tmp_path / name)
        results = json.loads((tmp_path / name / "results.json").read_text())
        results["metrics"]["test/frame/loss"] = loss
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    board = make_report(tmp_path, metric="test/frame/loss").board
    assert [run.name for run in board.runs] == ["c", "a", "d", "b"]


def test_runs_from_before_a_metric_was_there_have_a_dash(tmp_path: Path) -> None:
    name = "test/clip/authenticity_brier"
    for seed, brier in enumerate((0.3, None, 0.2)):
        results = write_run(tmp_path / str(seed), [f"seed={seed}"], fake_config(seed=seed), seed=seed)
        if brier is not None:
            results["metrics"][name] = brier
        (tmp_path / str(seed) / "results.json").write_text(json.dumps(results))
    report = make_report(tmp_path, metric=name, draws=100)
    assert [run.name for run in report.board.runs] == ["2", "0", "1"]
    assert not any(run.outdated for run in report.board.runs)
    assert pd.read_csv(report.leaderboard)[name].tolist()[:2] == [0.2, 0.3]
    assert page_data(page := report.page.read_text())["runs"][2]["metrics"][name] is None
    assert f'title="{name}: {REPORTED["authenticity_brier"].words}"' in page
    assert "smaller is better" in page
    groups = pd.read_csv(report.groups)
    assert (groups[f"{name} n"].tolist(), groups["completed"].tolist()) == ([2], [3])


def test_an_unknown_metric_is_one_line(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"metric=test/clip/joint_acuracy: no run has it; did you mean 'test/clip/joint_accuracy'\?"
    ):
        make_report(sweep, tmp_path, metric="test/clip/joint_acuracy")


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "a", ["seed=1"])
    write_run(tmp_path / "b", ["seed=2"], data_fingerprint="another")
    notes = make_report(tmp_path).board.notes
    assert "2 different prepared datasets" in notes[0]
    assert notes[1] == "Synthetic faces: these figures say nothing about people."


def make_old(folder: Path) -> dict[str, Any]:
    """Turn a run into one from before definitions had numbers; returns its results."""
    results = json.loads((folder / "results.json").read_text())
    del results["metric_definitions"]
    (folder / "results.json").write_text(json.dumps(results))
    return results


def evaluate_again(folder: Path, results: dict[str, Any], **more: Any) -> None:
    """What ``realfake evaluate`` leaves in a run's folder, with other figures."""
    metrics = {"test/clip/emotion_accuracy": 0.25, "test/clip/joint_accuracy": 0.2, "val/clip/joint_accuracy": 0.3}
    found = {
        "status": "completed", "stands_for_run": True, "metric_definitions": DEFINITIONS, "metrics": metrics,
        "data_fingerprint": results["data_fingerprint"],
    }  # fmt: skip
    again = RunFolder(folder).evaluation("test")
    again.mkdir(parents=True)
    (again / "results.json").write_text(json.dumps(found | more))
    shutil.copy(folder / "predictions.csv", again)


def test_figures_of_older_definitions_are_shown_and_never_ranked(tmp_path: Path) -> None:
    """Of a group of four seeds, one was tested before; it has the best figures."""
    for seed in range(4):
        write_run(
            tmp_path / str(seed), [f"seed={seed}"], fake_config(seed=seed), skill=0.9 if seed == 1 else 0.4, seed=seed
        )
    make_old(tmp_path / "1")
    report = make_report(tmp_path)
    assert report.board.runs[-1].name == "1"
    table = pd.read_csv(report.leaderboard)
    assert table["rank"].tolist()[:3] == [1, 2, 3]
    assert math.isnan(table["rank"][3])
    assert table["metric_definitions"].tolist() == [DEFINITIONS] * 3 + [1]
    assert math.isnan(table["test/clip/joint_accuracy low"][3]), "no figure of today stands beside one of then"
    groups = pd.read_csv(report.groups)
    assert groups["completed"].tolist() == [3, 1]
    assert math.isnan(groups["rank"][1])
    assert report.board.chosen == report.board.groups[0]
    assert report.board.notes[0].startswith("1 of the runs are not ranked")
    assert f"`realfake evaluate run={(tmp_path / '1').resolve()}" in report.board.notes[0]
    page = report.page.read_text()
    assert page_data(page)["runs"][3]["metrics"]["test/clip/joint_accuracy"] is None
    assert not any(name.endswith("accuracy") for name in page_data(page)["runs"][3]["curves"])
    screen = io.StringIO()
    report.show(Console(file=screen, width=150))
    assert "│ – │" in screen.getvalue()


def test_an_evaluation_brings_a_run_up_to_date(tmp_path: Path) -> None:
    for name in ("new", "old"):
        write_run(tmp_path / name, [f"loss_mix={name}"], fake_config(loss_mix=name), skill=0.5)
    results = make_old(tmp_path / "old")
    evaluate_again(tmp_path / "old", results)
    board = make_report(tmp_path).board
    assert [run.name for run in board.runs] == ["new", "old"]
    old = board.runs[1]
    assert not old.outdated
    assert (old.metric("test/clip/joint_accuracy"), old.metric("val/clip/joint_accuracy")) == (0.2, 0.3)
    assert math.isnan(old.metric("test/clip/authenticity_auroc")), "nothing of the older figures is left"
    assert old.metric("test/frame/loss") == results["metrics"]["test/frame/loss"]
    assert read_clips(old) is not None
    assert not any("not ranked" in note for note in board.notes)


@pytest.mark.parametrize(
    "more",
    [
        {"stands_for_run": False}, {"metric_definitions": 1}, {"data_fingerprint": "other"}, {"metrics": None},
        {"status": "failed"},
    ],
    ids=lambda more: next(iter(more)),
)  # fmt: skip
def test_another_evaluation_does_not(tmp_path: Path, more: dict[str, Any]) -> None:
    write_run(tmp_path / "old")
    evaluate_again(tmp_path / "old", make_old(tmp_path / "old"), **more)
    assert read_run(tmp_path / "old", "old").outdated


# --- groups -----------------------------------------------------------------------------------------------------------


def test_groups_pool_seeds_and_folds(report: Report) -> None:
    table = pd.read_csv(report.groups)
    row = table[(table["approach"] == "temporal") & (table["loss_mix"] == "dwa")].iloc[0]
    runs = [
        r
        for r in report.board.runs
        if r.completed and (r.setting("approach"), r.setting("loss_mix")) == ("temporal", "dwa")
    ]
    values = np.array([results_of(run)["metrics"]["test/clip/joint_accuracy"] for run in runs])
    assert (row["completed"], row["subjects"]) == (4, 20)
    assert row["test/clip/joint_accuracy mean"] == pytest.approx(values.mean())
    assert row["test/clip/joint_accuracy std"] == pytest.approx(values.std(ddof=1))
    assert row["test/clip/joint_accuracy n"] == 4
    assert row["test/clip/joint_accuracy pooled"] == pytest.approx(values.mean()), "folds of equal size"
    assert row["test/clip/joint_accuracy low"] < values.mean() < row["test/clip/joint_accuracy high"]
    assert "seed" not in table
    assert len(table) == 7, "six settings, and the one that never completed"


def test_the_setting_is_chosen_by_validation(tmp_path: Path) -> None:
    for name, val, test in (("a", 0.9, 0.4), ("b", 0.5, 0.8)):
        write_run(tmp_path / name, [f"loss_mix={name}"], fake_config(loss_mix=name))
        results = json.loads((tmp_path / name / "results.json").read_text())
        results["metrics"] |= {"val/clip/joint_accuracy": val, "test/clip/joint_accuracy": test}
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    board = make_report(tmp_path).board
    assert board.runs[0].name == "b"
    assert board.chosen is not None
    assert board.chosen.settings == {"loss_mix": "a"}


def test_pooled_figures_equal_those_of_all_clips_and_seeds_are_no_people(tmp_path: Path) -> None:
    names = [f"test/clip/{name}" for name in ("joint_accuracy", "authenticity_accuracy", "pair_accuracy")]
    clips = []
    for seed in (1, 2):
        write_run(tmp_path / str(seed), seed=seed, subjects=[f"s{i}" for i in range(8)])
        found = read_clips(read_run(tmp_path / str(seed), "run"))
        assert found is not None
        clips.append(found)
    one, both = pooled_intervals(clips[:1], names, 2000), pooled_intervals(clips, names, 2000)
    expected = [metrics(c.predictions, c.pair) for c in clips]
    for name in names:
        each = [e[name.rpartition("/")[2]] for e in expected]
        assert one[name].value == pytest.approx(each[0])
        assert both[name].value == pytest.approx(np.mean(each))
    # The same predictions twice are no news: the interval has to stay as wide as with one run.
    twice = pooled_intervals([clips[0], clips[0]], names, 2000)
    for name in names:
        assert (twice[name].low, twice[name].high) == pytest.approx((one[name].low, one[name].high))


def test_folds_that_tell_all_apart_do_so_together(tmp_path: Path) -> None:
    """Whatever the height at which each fold's model puts its scores."""
    clips = []
    for fold, height in enumerate((0.02, 0.3, 0.5, 0.7, 0.98)):
        write_run(tmp_path / str(fold), seed=fold, subjects=[f"{fold}{i}" for i in range(4)])
        found = read_clips(read_run(tmp_path / str(fold), "run"))
        assert found is not None
        p = found.predictions
        real = height + np.where(p.authenticity == 1, 0.01, -0.01)
        heads = {"emotion": p.p_emotion, "authenticity": np.stack([1 - real, real], axis=1)}
        p = Predictions.from_tasks(heads, p.clip, p.emotion, p.authenticity)
        clips.append(replace(found, predictions=p))
    found = pooled_intervals(clips, ["test/clip/authenticity_auroc", "test/clip/pair_accuracy"], 200)
    assert [i.value for i in found.values()] == [1.0, 1.0]


def test_a_clip_of_an_unknown_person_stands_for_itself_and_its_pair(tmp_path: Path) -> None:
    write_run(tmp_path, subjects=["", "b"])
    clips = read_clips(read_run(tmp_path, "run"))
    assert clips is not None
    assert len(np.unique(clips.subject)) == 6 + 1
    assert "for 12 of 24 clips" in str(clips.people)
    predictions = tmp_path / "predictions.csv"
    pd.read_csv(predictions, keep_default_na=False).assign(pair="").to_csv(predictions, index=False)
    clips = read_clips(read_run(tmp_path, "run"))
    assert clips is not None
    assert len(np.unique(clips.subject)) == 12 + 1


def test_one_subject_has_no_interval(tmp_path: Path) -> None:
    for fold in (0, 1, 2):
        write_run(
            tmp_path / str(fold),
            [f"split.fold={fold}"],
            fake_config(fold=fold),
            seed=fold,
            skill=fold,
            subjects="abc"[fold],
        )
    report = make_report(tmp_path)
    assert pd.read_csv(report.leaderboard)["test/clip/joint_accuracy low"].isna().all()
    row = pd.read_csv(report.groups).iloc[0]
    assert row["subjects"] == 3
    assert row["test/clip/joint_accuracy low"] < row["test/clip/joint_accuracy high"]


# --- page -------------------------------------------------------------------------------------------------------------


def page_data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_the_page_needs_nothing_else(report: Report) -> None:
    page = report.page.read_text()
    assert "default-src 'none'" in page
    assert not re.findall(r'src="(?!data:)[^"]*"|<link|@import|url\(', page)
    links = re.findall(r'href="(?!#)([^"]*)"', page)
    assert len(links) == 24
    assert all((report.page.parent / link).is_file() for link in links), "the pages of runs"
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}  # a name, never fetched


def test_the_page_holds_confusions_curves_and_published_figures(tmp_path: Path) -> None:
    published = {"source": "thesis", "row": "4.6", "metrics": {"test/clip/joint_accuracy": 0.3015}, "note": None}
    results = write_run(tmp_path, subjects=["a", "b"], published=published)
    page = make_report(tmp_path).page.read_text()
    run = page_data(page)["runs"][0]
    confusion = np.array(run["confusions"]["joint"]).reshape(12, 12)
    assert confusion.sum() == 24
    assert np.trace(confusion) / 24 == pytest.approx(results["metrics"]["test/clip/joint_accuracy"])
    curve = pd.read_csv(tmp_path / "metrics.csv")["val/clip/joint_accuracy"]
    assert run["curves"]["val/clip/joint_accuracy"][1] == pytest.approx(curve.tolist(), rel=1e-4)
    assert f"{results['metrics']['test/clip/joint_accuracy'] - 0.3015:+.3f}" in page


def test_text_of_files_and_overrides_is_escaped(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>'\"<b>&"
    write_run(tmp_path / "a<b>'&", [f"data.root={evil}"], status="failed", error=evil)
    (tmp_path / "a<b>'&" / "run.log").write_text(evil)
    write_run(
        tmp_path / "ok", [f"data.root={evil}2"], experiment=evil, published={"source": evil, "metrics": {evil: 1}}
    )
    page = make_report(tmp_path).page.read_text()
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<b>'&" not in page.replace("<b>val</b>", "")
    assert evil + "2" in page_data(page)["values"]["data.root"]


def test_long_curves_are_thinned(tmp_path: Path) -> None:
    write_run(tmp_path, epochs=3000)
    make_report(tmp_path)
    run = page_data((tmp_path / "report.html").read_text())["runs"][0]
    epochs = run["curves"]["val/clip/joint_accuracy"][0]
    assert len(epochs) <= 150
    assert (epochs[0], epochs[-1]) == (0, 2999)


USAGE = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, file=sys.stderr)
sys.exit(done.returncode)
"""
"""Runs a command, and says how many MiB of memory it took."""


def test_two_hundred_runs_are_small(tmp_path: Path) -> None:
    write_sweep(tmp_path / "big", seeds=7, folds=5, mixes=("sum", "dwa"))
    line = [sys.executable, "-c", USAGE, "-m", "realfake.report", f"dir={tmp_path / 'big'}"]
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "big" / "leaderboard.csv")) == 210
    assert float(done.stderr.split()[-1]) < 500
    assert (tmp_path / "big" / "report.html").stat().st_size < 5e6


# --- command ----------------------------------------------------------------------------------------------------------


def test_the_command_shows_the_table_and_writes_three_files(
    sweep: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    done = command("report", f"dir={sweep}", f"out={tmp_path / 'out'}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"], "nothing is left in the working folder"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["groups.csv", "leaderboard.csv", "report.html"]
    for text in (
        "loss_mix",
        "joint acc.",
        "95 % interval",
        "failed: f0failed: RuntimeError: out of <memory>",
        "precision",
    ):
        assert text in done.stdout
    assert "optimizer.lr" not in done.stdout, "only what varies is shown"


def test_the_command_without_runs_fails_in_one_line(tmp_path: Path, command: Callable[..., Any]) -> None:
    (tmp_path / "empty").mkdir()
    done = command("report", "dir=empty", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: dir=empty: no run below it")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "empty").is_dir()


def test_means_without_runs_are_no_numbers(report: Report) -> None:
    never = [group for group in report.board.groups if not group.completed]
    assert len(never) == 1
    assert math.isnan(never[0].mean("test/clip/joint_accuracy"))
