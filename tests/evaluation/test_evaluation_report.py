"""The report of an evaluation: its figures are those of the functions it calls, and its page says the same."""

from __future__ import annotations

import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from simulated_people import people

from realfake.errors import UserError
from realfake.evaluation.evaluation_page import LEAST_P, main_table, number, p_value, print_report, span, write_page
from realfake.evaluation.evaluation_report import Evaluation, Rival, evaluate_predictions
from realfake.labels import EMOTIONS
from realfake.scoring import plots
from realfake.scoring.metric_table import METRICS, REPORTED
from realfake.scoring.metrics import metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.statistics import bootstrap, compare

COUNTS = {"joint": [10] * 12, "emotion": [20] * 6, "authenticity": [60, 60]}
SUBJECTS = 8


def clip_table(dataset: str = "synthetic", subjects: int = SUBJECTS) -> pd.DataFrame:
    clip = np.arange(subjects * 12)
    subject = [f"00{s}" for s in clip // 12]
    return pd.DataFrame(
        {
            "clip": [f"{s}/<{c}>" for s, c in zip(subject, clip, strict=True)],
            "dataset": dataset,
            "subject": subject,
            "pair": [f"{s} {EMOTIONS[c % 6]}" for s, c in zip(subject, clip, strict=True)],
            "sha256": [f"{dataset}{c}" for c in clip],
        }
    )


def samples(seed: int, shift: float = 0.8) -> Predictions:
    """Three samples a clip, of a model that is too sure of itself."""
    rng = np.random.default_rng(seed)
    clips, _, _ = people(rng, SUBJECTS, shift=shift)
    rows = np.repeat(np.arange(len(clips)), 3)
    p = clips.select(rows)
    heads = {"emotion": p.p_emotion, "authenticity": p.p_authenticity}
    heads = {k: v ** rng.uniform(2.0, 3.0, (len(rows), 1)) for k, v in heads.items()}
    heads = {k: v / v.sum(axis=1, keepdims=True) for k, v in heads.items()}
    return Predictions.from_tasks(heads, p.clip, p.emotion, p.authenticity)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate_predictions(
        samples(0),
        clip_table(),
        COUNTS,
        about={"run": "outputs/<run>", "part": "test"},
        validation=samples(1),
        first_frame=samples(0).by_clip(),
        against=Rival("outputs/other", samples(2).by_clip(), clip_table()),
        leaks=[],
        losses={"frame": 2.345, "clip": 1.234},
        resamples=200,
    )


def test_it_is_plain_and_complete(evaluation):
    report = evaluation.report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["counts"] == {
        "samples": 288, "clips": 96, "subjects": 8, "datasets": ["synthetic"],
        "joint_labels": 96, "emotion_labels": 96, "authenticity_labels": 96,
    }  # fmt: skip
    for level in ("frame", "clip"):
        assert list(report["metrics"][level]) == list(REPORTED)


def test_its_figures_are_those_of_the_functions(evaluation):
    report, test = evaluation.report, samples(0)
    clips = test.by_clip()
    pair = np.arange(96) // 12 * 6 + np.arange(96) % 6
    for level, p in (("frame", test), ("clip", clips)):
        expected = metrics(p, pair[p.clip]) | {"loss": {"frame": 2.345, "clip": 1.234}[level]}
        assert {m: v["value"] for m, v in report["metrics"][level].items()} == pytest.approx(expected)
    interval = bootstrap(clips, clips.clip // 12, pair, resamples=200)["joint_accuracy"]
    assert report["metrics"]["clip"]["joint_accuracy"] == pytest.approx(interval.__dict__)
    assert report["proportions"]["joint"]["right"] == (clips.predicted("joint") == clips.joint).sum()
    assert report["by_emotion"]["happy"]["clips"] == 16
    assert [row["subject"] for row in report["by_subject"]] == [f"00{s}" for s in range(8)]
    assert report["baselines"]["majority"]["joint_accuracy"] == pytest.approx(1 / 12)
    assert report["baselines"]["emotion only"]["authenticity_accuracy"] == 0.5
    assert report["shuffle"]["joint_accuracy"]["p_value"] < 0.01
    assert report["leaks"] == []


def test_it_is_compared_with_another_run(evaluation):
    first, second = samples(2).by_clip(), samples(0).by_clip()
    expected = compare(first, second, second.clip // 12, names=["joint_accuracy"], resamples=200)["joint_accuracy"]
    found = evaluation.report["against"]
    assert (found["name"], found["clips"]) == ("outputs/other", 96)
    assert found["metrics"]["joint_accuracy"]["value"] == pytest.approx(expected.value)
    assert found["metrics"]["joint_accuracy"]["p_value"] == pytest.approx(expected.p_value)
    own = evaluation.report["first_frame"]["metrics"]
    assert all(difference["p_value"] == 1.0 for difference in own.values())


def test_only_common_clips_are_compared():
    other = samples(2).by_clip().select(np.arange(0, 96, 2))
    table = clip_table().iloc[::-1].reset_index(drop=True)
    other = replace(other, clip=95 - other.clip)
    test, kept = samples(0), np.arange(0, 96, 2)
    found = evaluate_predictions(test, clip_table(), COUNTS, against=Rival("x", other, table), resamples=20).report
    assert found["against"]["clips"] == 48
    expected = metrics(test.by_clip().select(kept))["joint_accuracy"] - metrics(other)["joint_accuracy"]
    assert found["against"]["metrics"]["joint_accuracy"]["value"] == pytest.approx(expected)


def test_runs_of_other_data_cannot_be_compared():
    other = samples(2).by_clip()
    rival = Rival("outputs/other", other, clip_table("sase_fe"))
    with pytest.raises(UserError, match="against=outputs/other: none of its 96 clips is among the 96"):
        evaluate_predictions(samples(0), clip_table(), COUNTS, against=rival, resamples=20)
    rival = Rival("outputs/other", replace(other, emotion=other.emotion[::-1]), clip_table())
    with pytest.raises(UserError, match="has another emotion there"):
        evaluate_predictions(samples(0), clip_table(), COUNTS, against=rival, resamples=20)


def test_calibration_is_taken_from_validation_and_applied_if_asked_for(evaluation):
    plain = evaluation.report
    calibrated = evaluate_predictions(
        samples(0), clip_table(), COUNTS, validation=samples(1), calibrate=True, resamples=20
    )
    found, before = calibrated.report, plain["calibration"]["authenticity"]
    assert found["calibration"] == plain["calibration"]
    assert found["metrics"]["clip"]["authenticity_ece"]["value"] == pytest.approx(before["ece_after"])
    assert plain["metrics"]["clip"]["authenticity_ece"]["value"] == pytest.approx(before["ece"])
    assert before["log_loss_after"] < before["log_loss"]
    for m in METRICS.keys() - {"authenticity_ece", "authenticity_brier"}:
        assert found["metrics"]["clip"][m]["value"] == pytest.approx(plain["metrics"]["clip"][m]["value"])
    with pytest.raises(UserError, match="calibration=temperature"):
        evaluate_predictions(samples(0), clip_table(), COUNTS, calibrate=True)


def test_a_temperature_that_rests_on_too_little_is_not_used_and_says_why(evaluation, tmp_path):
    """Of the three people that a small validation part has."""
    few = samples(1).select(np.arange(3 * 36))
    found = evaluate_predictions(samples(0), clip_table(), COUNTS, validation=few, calibrate=True, resamples=20)
    report, plain = found.report, evaluation.report
    assert np.array_equal(found.clips.p_joint, samples(0).by_clip().p_joint)
    reason = "a fit needs at least 5 validation people: found 3"
    for level in ("frame", "clip"):
        for t in report["temperatures"][level].values():
            assert (t["used"], t["refused"]) == (1.0, reason)
    for task, row in report["calibration"].items():
        assert row["temperature"] == 1.0
        assert row["log_loss_after"] == pytest.approx(row["log_loss"])
        assert row["log_loss"] == plain["calibration"][task]["log_loss"]
    out = io.StringIO()
    print_report(Console(file=out, width=200), report)
    write_page(report, {}, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for text in (out.getvalue(), page):
        assert text.count(reason) == 1
    assert "are temperature-scaled" not in page


def test_the_people_of_validation_are_those_of_its_own_table():
    """Tested on another dataset: the numbers of the clips mean other people there."""
    table = clip_table("elsewhere").assign(subject="one person")
    found = evaluate_predictions(
        samples(0), table, COUNTS, validation=samples(1), validation_table=clip_table(), resamples=20
    )
    assert found.report["temperatures"]["clip"]["authenticity"]["refused"] is None


def test_a_p_value_that_few_people_cannot_bring_lower_says_so(tmp_path):
    rows = np.arange(4 * 36)
    rival = Rival("other", samples(2).select(rows).by_clip(), clip_table())
    report = evaluate_predictions(samples(0).select(rows), clip_table(), COUNTS, against=rival, resamples=20).report
    out = io.StringIO()
    print_report(Console(file=out, width=200), report)
    write_page(report, {}, tmp_path / "page.html")
    for text in (out.getvalue(), (tmp_path / "page.html").read_text()):
        assert "(least 0.125)" in text
        assert LEAST_P[1:] in text


def test_a_dataset_without_emotions_is_scored_on_authenticity():
    test = samples(0)
    test = replace(test, emotion=np.full(len(test), -1))
    evaluation = evaluate_predictions(test, clip_table().assign(pair=""), COUNTS, resamples=50)
    found = evaluation.report["metrics"]["clip"]
    assert {m for m, v in found.items() if v["value"] is not None} == METRICS.keys() - {
        "pair_accuracy",
        "median_accuracy",
    } - {m for m in METRICS if METRICS[m].task != "authenticity"}
    assert [row[0] for row in main_table(evaluation.report)[1]] == [m.heading for m in METRICS.values()]
    assert evaluation.report["by_emotion"] == {}
    assert evaluation.report["leaks"] is None
    json.dumps(evaluation.report, allow_nan=False)


def test_the_page_needs_nothing_else_and_escapes_names(evaluation, tmp_path):
    figures = plots.draw_all(evaluation.clips, by_emotion=evaluation.by_emotion)
    path = tmp_path / "report.html"
    write_page(evaluation.report, plots.save_all(figures, tmp_path), path)
    page = path.read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("data:image/png;base64,") == len(figures)
    assert "outputs/&lt;run&gt;" in page
    assert "<run>" not in page
    assert "say nothing about people" in page
    joint = evaluation.report["metrics"]["clip"]["joint_accuracy"]
    assert number("joint_accuracy", joint["value"]) in page
    assert span("joint_accuracy", joint) in page
    assert "Against outputs/other, on 96 common clips" in page
    assert "No subject, pair or file is in two parts, or tested after it was learned or selected on." in page


def test_leaks_are_shown(tmp_path):
    leaks = ["'anna' of sase_fe has been learned or selected on (here in anna/N2H)"]
    evaluation = evaluate_predictions(samples(0), clip_table("sase_fe"), COUNTS, leaks=leaks, resamples=20)
    path = Path(tmp_path) / "report.html"
    write_page(evaluation.report, {}, path)
    assert "Training and test data overlap" in path.read_text()
    assert "say nothing about people" not in path.read_text()


def test_the_screen_shows_the_main_figures(evaluation):
    out = io.StringIO()
    print_report(Console(file=out, width=200), evaluation.report)
    text = out.getvalue()
    joint = evaluation.report["metrics"]["clip"]["joint_accuracy"]
    assert number("joint_accuracy", joint["value"]) in text
    assert "Against outputs/other" in text
    assert "no subject, pair or file is in two parts" in text


def test_every_metric_has_a_row_with_interval_and_chance_and_the_loss_where_it_is_known(evaluation, tmp_path):
    columns, rows = main_table(evaluation.report)
    assert len(set(columns)) == len(columns), "a narrow screen shows them apart from each other"
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert list(found) == [m.heading for m in REPORTED.values()]
    clip = evaluation.report["metrics"]["clip"]
    for name, guessing in (("authenticity_brier", "0.250"), ("authenticity_balanced_accuracy", "50.0 %")):
        line = found[REPORTED[name].heading]
        assert line["clips"] == number(name, clip[name]["value"])
        assert line["chance"] == guessing
        assert span(name, clip[name]) in rows[list(REPORTED).index(name)]
        assert span(name, clip[name])
    assert [cell for cell in rows[-1] if cell] == ["loss", "1.234", "2.345", "–", "–", "–", "–"]
    write_page(evaluation.report, {}, tmp_path / "page.html")
    page = html.unescape((tmp_path / "page.html").read_text())
    assert "Among\n11 metrics" in page
    for m in REPORTED.values():
        assert f"<dt>{m.heading}</dt><dd>{m.words}</dd>" in page


def test_numbers_for_people():
    assert number("joint_accuracy", 0.51234) == "51.2 %"
    assert number("authenticity_ece", 0.51234) == "0.512"
    assert number("joint_accuracy", None) == "–"
    assert number("joint_accuracy", 0.05, signed=True) == "+5.0 %"
    assert span("joint_f1", {"low": 0.1, "high": 0.2}) == "[10.0, 20.0]"
    assert span("joint_f1", {"low": None, "high": 0.2}) == ""
    assert [p_value(p) for p in (0.0004, 0.04, None)] == ["< 0.001", "0.040", "–"]
    assert [p_value(0.25, least) for least in (0.125, 0.05, 0.03)] == [
        "0.250 (least 0.125)",
        "0.250 (least 0.050)",
        "0.250",
    ]
