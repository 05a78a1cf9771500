"""``realfake compare``: which runs stand against which, what is refused, and what is written."""

from __future__ import annotations

import io
import itertools
import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from browsing import fits, needs_browser, opened_browser
from fake_runs import fake_config, write_run
from processes import Command
from rich.console import Console

from realfake.comparison.choosing import chosen_systems
from realfake.comparison.comparing import Comparison, compare_runs
from realfake.comparison.comparison_page import explained, sentence, show, training_table, write
from realfake.composing.composition import compose
from realfake.config import CompareConfig
from realfake.errors import UserError
from realfake.labels import EMOTIONS
from realfake.pages import SYNTHETIC
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import read_table
from realfake.scoring.statistics import holm, t_interval

FOLDS, SEEDS = 5, (1, 2)
MISSING = ("temporal", 2, 3)
"""A run of the sweep that is not there."""
QUICK: dict[str, Any] = {"resamples": 200, "permutations": 500, "people": []}


def write_fold(folder: Path, approach: str, seed: int, fold: int, *, skill: float = 0.5, **more: Any) -> None:
    """One run, on four people of its fold."""
    write_run(
        folder / f"{approach}{seed}{fold}",
        [f"approach={approach}", f"seed={seed}", "split=kfold", f"split.fold={fold}"],
        fake_config(approach, seed=seed, fold=fold),
        skill=skill,
        seed=100 * fold + 10 * seed + len(approach),
        subjects=[f"s{fold}{i}" for i in range(4)],
        epochs=2,
        **more,
    )


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems × five folds × two seeds, but for one run."""
    folder = tmp_path_factory.mktemp("multirun") / "z"
    for approach, skill in (("single_task", 0.3), ("temporal", 0.9)):
        for seed in SEEDS:
            for fold in range(FOLDS):
                if (approach, seed, fold) != MISSING:
                    write_fold(folder, approach, seed, fold, skill=skill)
    return folder


@pytest.fixture(scope="module")
def found(sweep: Path) -> Comparison:
    systems = chosen_systems(config(f"dir={sweep}", "by=approach"))
    return compare_runs(systems, margin=0.05, resamples=500, permutations=1000, people=[10, 80])


def config(*words: str) -> CompareConfig:
    return compose("compare", list(words), CompareConfig)


def names(*words: str) -> dict[str, list[str]]:
    return {name: [run.name for run in runs] for name, runs in chosen_systems(config(*words)).items()}


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_a_fold_that_is_missing_is_named_and_left_out_on_both_sides(found: Comparison, sweep: Path) -> None:
    (pair,) = found.pairs
    assert (pair.a, pair.b, pair.people, pair.clips) == ("single_task", "temporal", 20, 240)
    assert len(pair.parts) == 9
    assert pair.parts[:3] == ("fold 0, seed 1", "fold 0, seed 2", "fold 1, seed 1")
    assert "fold 3, seed 2" not in pair.parts
    assert found.notes == (
        "temporal has no finished run of fold 3, seed 2: left out of single_task against temporal, on both sides.",
        SYNTHETIC,
    )
    by_hand = []
    for name in ("single_task", "temporal"):
        tables = [
            read_table(sweep / f"{name}{seed}{fold}" / "predictions.csv")[0]
            for seed in SEEDS
            for fold in range(FOLDS)
            if (seed, fold) != MISSING[1:]
        ]
        by_hand.append(np.mean([metrics(p)["joint_accuracy"] for p in tables]))  # all have equally many clips
    m = pair.metrics[0]
    assert (m.metric, m.a, m.b) == ("joint_accuracy", *(pytest.approx(v) for v in by_hand))
    assert m.interval.value == pytest.approx(m.a - m.b)
    assert m.verdict == "worse"


def test_what_is_missing_on_both_sides_is_named(tmp_path: Path) -> None:
    sweep = tmp_path / "z"
    for approach in ("single_task", "temporal"):
        for seed, fold in ((1, 1), (1, 2), (2, 1)):
            write_fold(sweep, approach, seed, fold)
    task = ["approach=single_task,temporal", "seed=1,2", "split=kfold", "split.fold=0,1,2"]
    saved = {
        "hydra": {"sweeper": {"_target_": "x.BasicSweeper", "params": None}, "overrides": {"task": task}},
    }
    (sweep / "multirun.yaml").write_text(yaml.safe_dump(saved))
    said = (
        "6 of the 12 runs of the sweep z are missing: they have not begun; repeat its command to do them.",
        "Neither single_task nor temporal has a finished run of fold 2, seed 2.",
        "single_task against temporal covers 2 of 5 folds, without 0, 3, 4.",
        SYNTHETIC,
    )
    assert compare_runs(chosen_systems(config(f"dir={sweep}", "by=approach")), **QUICK).notes == said
    # Rows that nobody asked for are no missing ones.
    some = compare_runs({"a": sweep / "single_task11", "b": sweep / "temporal11"}, **QUICK)
    assert some.notes == (said[0], "a against b covers 1 of 5 folds, without 0, 2, 3, 4.", SYNTHETIC)


def test_the_interval_over_trainings_is_that_of_the_means_of_folds(found: Comparison, sweep: Path) -> None:
    def right(name: str, seed: int, fold: int) -> float:
        return metrics(read_table(sweep / f"{name}{seed}{fold}" / "predictions.csv")[0])["joint_accuracy"]

    folds = [
        np.mean([right("single_task", seed, fold) - right("temporal", seed, fold) for seed in seeds])
        for fold, seeds in ((fold, SEEDS if fold != MISSING[2] else SEEDS[:1]) for fold in range(FOLDS))
    ]
    trainings = found.pairs[0].metrics[0].trainings
    assert trainings is not None
    expected = t_interval(np.array(folds), 1 / 4)
    assert trainings.basis == "5 splits"
    assert (trainings.interval.low, trainings.interval.high) == pytest.approx((expected.low, expected.high))


def test_p_values_are_adjusted_for_all_that_is_tested(found: Comparison) -> None:
    measured = found.pairs[0].metrics
    assert [m.p_holm for m in measured] == holm([m.p_value for m in measured])
    assert len(measured) == 4


def test_a_smallest_p_that_is_too_large_is_told_of_the_adjusted_one(tmp_path: Path) -> None:
    people = [f"s{i}" for i in range(6)]
    for name, skill in (("a", 0.5), ("b", 0.45)):
        write_run(tmp_path / name, [], fake_config(), skill=skill, seed=ord(name), subjects=people, epochs=1)
    runs = {name: tmp_path / name for name in "ab"}
    (pair,) = compare_runs(runs, **QUICK).pairs
    assert [m.smallest_holm for m in pair.metrics] == holm([m.smallest_p for m in pair.metrics])
    first = pair.metrics[0]
    assert (first.smallest_p, first.smallest_holm, first.verdict) == (2 / 64, 8 / 64, "open")
    assert "; no result could have been below 0.125)" in sentence(pair, first)
    (alone,) = compare_runs(runs, metrics=["joint_accuracy"], **QUICK).pairs
    assert "could have been" not in sentence(alone, alone.metrics[0])


def test_a_margin_is_met_by_the_narrower_interval(sweep: Path) -> None:
    system = str(sweep / "single_task*")
    (pair,) = compare_runs({"a": system, "b": system}, metrics=["emotion_accuracy"], margin=0.3, **QUICK).pairs
    (m,) = pair.metrics
    assert m.equivalent
    assert m.verdict == "equivalent"
    assert m.within is not None
    ends = f"[{100 * m.within.low:+.1f}, {100 * m.within.high:+.1f}]"
    assert (
        sentence(pair, m) == f"emotion: a and b are within ±30 points of each other (0.0 points, 90 % interval {ends})."
    )
    assert training_table(pair)[0][-1] == "within ±30 points"
    assert m.interval.low < m.within.low < 0 < m.within.high < m.interval.high
    (near,) = compare_runs({"a": system, "b": system}, metrics=["emotion_accuracy"], margin=0.01, **QUICK).pairs
    assert near.metrics[0].verdict == "open"


def test_the_same_runs_on_both_sides_are_said(sweep: Path) -> None:
    system = [sweep / "single_task10", sweep / "single_task11"]
    same = compare_runs({"a": system, "b": system[:1]}, metrics=["joint_accuracy"], **QUICK)
    assert "a and b have 1 of the runs in common, which cannot differ from themselves." in same.notes
    (m,) = same.pairs[0].metrics
    assert (m.interval.value, m.p_value) == (0.0, 1.0)
    assert m.interval.low < 0.0 < m.interval.high


def test_the_power_of_equal_predictions_cannot_be_told(tmp_path: Path) -> None:
    for name, fold in itertools.product("ab", range(2)):
        people = [f"s{fold}{i}" for i in range(3)]
        write_run(tmp_path / name / str(fold), [], fake_config(fold=fold), seed=fold, subjects=people, epochs=1)
    same = compare_runs({"a": tmp_path / "a", "b": tmp_path / "b"}, metrics=["joint_accuracy"], people=[10, 20])
    assert "a against b: all people show the same difference in both right: power cannot be told." in same.notes
    assert same.power_frame()["people"].tolist() == [10, 20]
    assert same.power_frame()[["power", "low", "high"]].isna().all(axis=None)
    screen = io.StringIO()
    (tmp_path / "out").mkdir()
    for name in ("power.png", "power12.png", "power_of_mine.png"):
        (tmp_path / "out" / name).touch()
    page = write(same, tmp_path / "out")
    show(same, page, Console(file=screen, width=80))
    rows = [line.replace("│", " ").split() for line in screen.getvalue().splitlines()]
    assert [row for row in rows if row[:1] in (["10"], ["20"])] == [["10", "–"], ["20", "–"]]
    assert all(all(row) for row in training_table(same.pairs[0])[1])
    assert {file.name for file in (tmp_path / "out").glob("*.png")} == {"differences.png", "power_of_mine.png"}
    assert "power cannot be told" in page.read_text()
    (saved,) = json.loads((tmp_path / "out" / "compare.json").read_text())["pairs"][0]["metrics"]
    assert saved["at_difference"]["value"] == [None, None]


def test_one_person_gives_no_interval_and_says_why(tmp_path: Path) -> None:
    for name, skill in (("a", 0.2), ("b", 0.9)):
        write_run(tmp_path / name, [], fake_config(), skill=skill, seed=len(name), subjects=["s1"], epochs=1)
    one = compare_runs({"a": tmp_path / "a", "b": tmp_path / "b"}, margin=0.1)
    assert any(note.startswith("a against b: one test person") for note in one.notes)
    assert repr(one).startswith("a − b: 1 pair of runs, 1 person, 12 clips\n  joint_accuracy  ")
    assert "nan" not in repr(one)
    for m in one.pairs[0].metrics:
        assert np.isnan([m.interval.low, m.interval.high]).all()
        assert m.at_difference is None
        assert m.p_value == 1.0
        assert not m.equivalent
    show(one, write(one, tmp_path / "out"), Console(file=io.StringIO(), width=80))


def test_systems_that_tell_emotions_alone_are_compared_by_these(tmp_path: Path) -> None:
    for name in "ab":
        write_fold(tmp_path / name, name, 1, 0)
        path = tmp_path / name / f"{name}10" / "predictions.csv"
        table = pd.read_csv(path, keep_default_na=False)
        kept = ["clip", "dataset", "subject", "pair", "emotion", "predicted_emotion", *(f"p_{e}" for e in EMOTIONS)]
        table[kept].to_csv(path, index=False)
    found = compare_runs({name: tmp_path / name for name in "ab"}, **QUICK)
    assert [m.metric for m in found.pairs[0].metrics] == ["emotion_accuracy"]
    with pytest.raises(
        UserError, match="metric=joint_accuracy: a and b are not both measured by it; expected one of emo"
    ):
        compare_runs({name: tmp_path / name for name in "ab"}, metrics=["joint_accuracy"], **QUICK)


def test_wrong_numbers_from_python_are_one_line() -> None:
    with pytest.raises(UserError, match=r"margin=0: expected more than 0"):
        compare_runs({"a": "x", "b": "y"}, margin=0)
    with pytest.raises(UserError, match=r"people\.0=0: expected at least 1"):
        compare_runs({"a": "x", "b": "y"}, people=[0])
    with pytest.raises(UserError, match="a: nothing to compare it with"):
        compare_runs({"a": "x"})
    both = {"a": "x", "b": "y"}
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (None, {}, "systems=None: expected names and runs"),
        (["x", "y"], {}, r"systems=\['x', 'y'\]: expected names and runs"),
        ({"a": None, "b": "y"}, {}, "a=None: expected a folder of runs, or a list"),
        ({"a": ["x", 3], "b": "y"}, {}, r"a=\['x', 3\]: expected a folder of runs"),
        (both, {"people": 5}, "people=5: expected a list"),
        (both, {"people": [2.5]}, r"people\.0=2\.5: expected a whole number"),
        (both, {"metrics": 3}, "metric=3: expected text"),
        (both, {"seed": -1}, "seed=-1: expected at least 0"),
    ]
    for systems, options, said in wrong:
        with pytest.raises(UserError, match=said) as error:
            compare_runs(systems, **options)
        assert "\n" not in str(error.value)


def test_any_number_of_systems_is_compared_pair_by_pair(sweep: Path) -> None:
    three = {
        name: [sweep / f"{approach}1{f}" for f in range(2)]
        for name, approach in (("x", "single_task"), ("y", "temporal"))
    }
    three["z"] = [sweep / "temporal20", sweep / "temporal21"]
    with pytest.raises(
        UserError, match=r"x and z: no two runs have one split and seed, e\.g\. fold 0, seed 1 and fold 0"
    ):
        compare_runs(three, **QUICK)
    three["z"] = three["x"]
    many = compare_runs(three, metrics=["test/clip/joint_accuracy", "pair_accuracy"], **QUICK)
    assert [(p.a, p.b) for p in many.pairs] == [("x", "y"), ("x", "z"), ("y", "z")]
    xy, xz, yz = (pair.metrics for pair in many.pairs)
    assert [m.p_holm for m in (*xy, *yz)] == holm([m.p_value for m in (*xy, *yz)])
    assert all(np.isnan(m.p_holm) and m.verdict == "open" for m in xz), "runs against themselves are no test"
    assert sentence(many.pairs[1], xz[0]).endswith(", p 1.000).")
    assert "Holm: adjusted for the 4 differences" in " ".join(explained(many))
    assert many.to_frame()["a"].tolist() == ["x", "x", "x", "x", "y", "y"]
    assert "x − y: 2 pairs of runs, 8 people" in repr(many)


# --- what the command line means -------------------------------------------------------------------------------------


def test_systems_are_folders_patterns_or_rows(sweep: Path) -> None:
    ten = [f"single_task{seed}{fold}" for seed in SEEDS for fold in range(FOLDS)]
    nine = [f"temporal{seed}{fold}" for seed in SEEDS for fold in range(FOLDS) if (seed, fold) != MISSING[1:]]
    assert names(f"dir={sweep}", "by=approach") == {"single_task": ten, "temporal": nine}
    rows = names(f"dir={sweep}", "a=approach=temporal", "b=[approach=single_task,seed=2]")
    assert rows == {"approach=temporal": nine, "approach=single_task, seed=2": ten[5:]}
    patterns = names(f"a={sweep}/temporal*", f"b=[{sweep}/single_task1*,{sweep}/single_task20]")
    assert [len(runs) for runs in patterns.values()] == [9, 6]
    named = names(f"dir={sweep}", "systems={late: approach=temporal, early: approach=single_task}")
    assert {name: len(runs) for name, runs in named.items()} == {"late": 9, "early": 10}
    assert list(names(f"systems=[{sweep}/temporal10,{sweep}/temporal11]")) == ["temporal10", "temporal11"]
    assert list(names(f"a={sweep}/temporal10", f"b={sweep}/temporal10"))[1].endswith("temporal10 (2)")
    assert names(f"dir={sweep}", "by=[approach,seed]").keys() >= {"temporal, 1", "single_task, 2"}


def test_rows_are_chosen_by_value(tmp_path: Path) -> None:
    for name, overrides, faces, seconds in (
        ("x", [], False, 1), ("y", ["callbacks.faces=False", "data.seconds=1.0"], False, 1.0),
        ("z", ["callbacks.faces=true"], True, 2),
    ):  # fmt: skip
        made = fake_config()
        made["callbacks"]["faces"], made["data"]["seconds"] = faces, seconds
        write_run(tmp_path / name, overrides, made, subjects=["s1"], epochs=1)
    rows = names(
        f"dir={tmp_path}", "a=[callbacks.faces=false,data.seconds=1.0]", "b=[callbacks.faces=True,data.seconds=2.0]"
    )
    assert list(rows.values()) == [["x", "y"], ["z"]]
    assert names(f"dir={tmp_path}", "by=[callbacks.faces,data.seconds]") == {"false, 1": ["x", "y"], "true, 2": ["z"]}


@pytest.mark.parametrize(("words", "said"), [
    ([], "a and b are missing: give them as a=multirun/x b=multirun/y, or dir=multirun/x by=approach"),
    (["a=x"], "b is missing: give it as b=multirun/y"),
    (["a=x", "b=y", "by=approach"], "a and b and by are given: expected one of a and b, systems, by"),
    (["by=approach"], "dir is missing: give the folder of the runs"),
    (["a=x", "b=y", "margin=0"], "margin=0: expected more than 0"),
    (["a=x", "b=y", "people=[0]"], "people.0=0: expected at least 1"),
    (["a=x", "b=y", "marign=0.1"], "unknown key 'marign'; did you mean 'margin'?"),
    (["a=x", "b=y"], "a=x: no such folder; expected a run, a sweep under multirun/, or a folder of runs"),
    (["a=x*", "b=y"], r"a=x*: no folder matches; expected runs or sweeps, as in a=multirun/x*"),
    (["dir={sweep}", "by=aproach"], "by=aproach: no run in dir has it; did you mean 'approach'? (they differ"),
    (["dir={sweep}", "by=optimizer"], "by=optimizer: all runs in dir have sgd: nothing to compare"),
    (["dir={sweep}", "a=approach=temporel", "b=approach=temporal"],
     "a=approach=temporel: no run in dir has it; did you mean 'temporal'? (there are: single_task, temporal)"),
    (["dir={sweep}", "a=nothing=1", "b=seed=1"], "a=nothing=1: no run in dir has nothing; they differ in approach"),
    (["dir={sweep}", "a=approach=temporal", "b=seed=1"], "differ in approach.name; expected one configuration"),
    (["dir={sweep}", "by=approach", "metric=pair_acuracy"], "no such metric; did you mean 'pair_accuracy'?"),
    (["dir={sweep}", "by=approach", "metric=loss"], "metric=loss: takes more than predictions; expected one of"),
    (["dir={sweep}", "a=[seed=1,approach=temporal]", "b=[seed=2,approach=single_task]"],
     "no two runs have one split and seed, e.g. fold 0, seed 1 and fold 0, seed 2; train both"),
])  # fmt: skip
def test_a_wrong_input_is_one_line(words: list[str], said: str, sweep: Path) -> None:
    def compared() -> None:
        cfg = config(*(word.format(sweep=sweep) if "{" in word else word for word in words))
        compare_runs(chosen_systems(cfg), metrics=None if cfg.metric is None else [str(cfg.metric)], **QUICK)

    with pytest.raises(UserError) as error:
        compared()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


# --- what does not match ---------------------------------------------------------------------------------------------


def relabelled(path: Path) -> None:
    table = pd.read_csv(path, keep_default_na=False)
    table.loc[0, "authenticity"] = "real" if table.loc[0, "authenticity"] == "fake" else "fake"
    table.to_csv(path, index=False)


def cut(path: Path) -> None:
    pd.read_csv(path, keep_default_na=False).iloc[1:].to_csv(path, index=False)


def other_person(path: Path) -> None:
    table = pd.read_csv(path, keep_default_na=False)
    table.loc[0, "subject"] = "s99"
    table.to_csv(path, index=False)


def twice(path: Path) -> None:
    table = pd.read_csv(path, keep_default_na=False)
    pd.concat([table, table.iloc[:1]]).to_csv(path, index=False)


def broken(path: Path) -> None:
    path.write_text("clip,dataset\n")


@pytest.mark.parametrize(("more", "change", "said"), [
    ({"data_fingerprint": "other"}, None, r"x and y, fold 0, .*: trained on other prepared data \(feedbeef, other\)"),
    ({"metric_definitions": 1}, None, r"y: temporal10 was tested by older definitions of .* `realfake evaluate run=/"),
    ({}, relabelled, r"clip s00/fake_angry has another authenticity there; compare runs of the same data"),
    ({}, cut, r"1 clip was tested by one of them alone, e\.g\. s00/fake_angry; compare runs of the same"),
    ({}, other_person, r"clip s00/fake_angry is of another person there"),
    ({}, twice, r"y: temporal10: predictions\.csv holds a clip twice; expected a row a clip"),
    ({}, broken, r"y: temporal10: .*predictions\.csv: no table of predictions \(column"),
    ({}, Path.unlink, r"y: temporal10: predictions\.csv is missing"),
    ({"status": "failed", "error": "it broke"}, None, r"y: none of its 1 runs has a result .*it broke"),
])  # fmt: skip
def test_what_does_not_match_is_refused_with_the_reason(
    tmp_path: Path, more: dict[str, Any], change: Callable[[Path], None] | None, said: str
) -> None:
    write_fold(tmp_path / "x", "single_task", 1, 0)
    write_fold(tmp_path / "y", "temporal", 1, 0, **more)
    if change:
        change(tmp_path / "y" / "temporal10" / "predictions.csv")
    systems = {"x": tmp_path / "x", "y": tmp_path / "y"}
    with pytest.raises(UserError, match=said) as error:
        compare_runs(systems, **QUICK)
    assert "\n" not in str(error.value)
    if "data_fingerprint" in more:
        assert compare_runs(systems, same_data=False, **QUICK).pairs[0].people == 4


def test_two_runs_of_one_fold_are_refused_and_unfinished_ones_named(tmp_path: Path) -> None:
    for fold in range(2):
        write_fold(tmp_path / "x", "single_task", 1, fold)
        write_fold(tmp_path / "y", "temporal", 1, fold, status="failed" if fold else "completed", error="broke" * fold)
    some = compare_runs({"x": tmp_path / "x", "y": tmp_path / "y"}, **QUICK)
    assert some.notes[0] == "y: temporal11 is left out: failed (broke)"
    assert "y has no finished run of fold 1, seed 1: left out" in some.notes[1]
    write_fold(tmp_path / "x" / "again", "single_task", 1, 0)
    said = r"x: again/single_task10 and single_task10 are both of fold 0, seed 1; expected one run a fold and seed"
    with pytest.raises(UserError, match=said):
        compare_runs({"x": tmp_path / "x", "y": tmp_path / "y"}, **QUICK)


# --- what is written -------------------------------------------------------------------------------------------------


def test_the_screen_has_80_columns(found: Comparison, tmp_path: Path) -> None:
    screen = io.StringIO()
    show(found, tmp_path / "index.html", Console(file=screen, width=80))
    said = screen.getvalue()
    assert "…" not in said.replace("metric=…", "")
    tables = said[: said.index("both right: ")].splitlines()
    assert max(map(len, tables)) <= 80
    assert "Power at 0.05 for a true difference of 0.05" in said
    for metric in found.pairs[0].metrics:
        assert f"[{100 * metric.interval.low:+.1f}" in said or f"[{metric.interval.low:+.3f}" in said


def test_the_command_writes_tables_pictures_and_a_page(command: Command, sweep: Path, tmp_path: Path) -> None:
    words = [f"dir={sweep}", "a=approach=temporal", "b=approach=single_task", "metric=[joint_accuracy,pair_accuracy]"]
    done = command("compare", *words, "people=[20,40]", "resamples=200", "out=cmp", cwd=tmp_path, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "cmp"
    assert {path.name for path in out.iterdir()} == {
        "compare.csv", "power.csv", "compare.json", "differences.png", "power.png", "index.html",
    }  # fmt: skip
    table, power = pd.read_csv(out / "compare.csv"), pd.read_csv(out / "power.csv")
    assert table["metric"].tolist() == ["joint_accuracy", "pair_accuracy"]
    assert (table["low"] <= table["difference"]).all()
    assert len(power) == 2 * 2 * 2
    saved = json.loads((out / "compare.json").read_text())
    first = saved["pairs"][0]["metrics"][0]
    assert first["interval"]["value"] == pytest.approx(table["difference"][0])
    assert (first["verdict"], first["margin"], first["equivalent"]) == ("better", None, None)
    assert first["at_difference"]["people"] == [20, 40]
    assert len(saved["systems"]["approach=temporal"]) == 9
    assert "approach=temporal has no finished run of fold 3, seed 2" in done.stdout
    assert "http" not in (out / "index.html").read_text().replace("http-equiv", "")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with opened_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@needs_browser
def test_the_page_opens_without_an_error_and_fits(browser: Any, found: Comparison, tmp_path: Path) -> None:
    browser.get(write(found, tmp_path / "a folder & more").as_uri())
    assert browser.title == "Comparison of single_task and temporal"
    assert browser.get_log("browser") == []
    assert len(browser.find_elements("css selector", "img")) == 2
    sizes = browser.execute_script("return [...document.images].map((i) => i.naturalWidth)")
    assert min(sizes) > 100
    assert "temporal has no finished run of fold 3, seed 2" in browser.find_element("css selector", ".note").text
    assert fits(browser, 1280)


@needs_browser
def test_long_names_fit_a_phone(browser: Any, sweep: Path, tmp_path: Path) -> None:
    names = [f"approach={name},loss_mix=uncertainty,optimizer.lr=0.001,seed=1" for name in ("temporal", "single_task")]
    systems = {name: sweep / f"{name[9:].partition(',')[0]}10" for name in names}
    browser.get(write(compare_runs(systems, **QUICK | {"people": [10, 20]}), tmp_path).as_uri())
    phone = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}  # a window is never so narrow
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.execute_script("document.querySelectorAll('details').forEach((e) => e.open = true)")
    assert browser.execute_script("return innerWidth === 400 && document.documentElement.scrollWidth <= 400")
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('figure')].map((e) => [getComputedStyle(e).overflowX, e.offsetWidth])"
    )
    assert len(boxes) == 2
    assert all(overflow == "auto" and width <= 400 for overflow, width in boxes)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@needs_browser
def test_names_run_nothing(browser: Any, sweep: Path, tmp_path: Path) -> None:
    evil = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    systems = {evil: sweep / "temporal10", "$b_$": sweep / "single_task10"}
    browser.get(write(compare_runs(systems, **QUICK), tmp_path).as_uri())
    assert browser.title == f"Comparison of {evil} and $b_$"
    assert browser.get_log("browser") == []
    assert len(browser.find_elements("css selector", "img")) == 1


def test_the_guides_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the guide, on runs of the names that it uses."""
    for approach, other in (("single_task", "old"), ("temporal", "new")):
        for seed in SEEDS:
            write_fold(tmp_path / "multirun" / "two", approach, seed, 0)
            write_fold(tmp_path / "multirun" / other, approach, seed, 0)
    for seed, name in zip(SEEDS, ("first", "second"), strict=True):
        (tmp_path / "outputs" / "temporal").mkdir(parents=True, exist_ok=True)
        (tmp_path / "multirun" / "new" / f"temporal{seed}0").rename(tmp_path / "outputs" / "temporal" / name)
    write_fold(tmp_path / "multirun" / "new", "temporal", 1, 0)
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).resolve().parents[2] / "docs" / "comparing.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("realfake compare ")]
    assert len(lines) == 6
    for line in lines:
        cfg = config(*shlex.split(line)[2:])
        assert compare_runs(chosen_systems(cfg), margin=cfg.margin, **QUICK).pairs[0].people == 4
    python = text.partition("```python\n")[2].partition("```")[0]
    said: dict[str, Any] = {}
    exec(python, said)
    assert len(said["table"]) == 1
