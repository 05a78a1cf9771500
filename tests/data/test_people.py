"""Clips of unknown people: who refuses them, and where it is said that they count one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realfake.approaches import build_datamodule
from realfake.composing.composition import compose, option
from realfake.config import (
    CsvData,
    DescribeConfig,
    EvaluateConfig,
    HoldoutSplit,
    KFoldSplit,
    OfficialSplit,
    PrepareConfig,
    SaseFeChallengeData,
    SplitConfig,
    TrainConfig,
)
from realfake.data.clips import Clip, Listing
from realfake.data.people import check_people, people_note
from realfake.data.sources import build_source
from realfake.errors import UserError
from realfake.labels import AUTHENTICITIES, EMOTIONS

HOLDOUT = option(HoldoutSplit)


def test_people_have_to_be_known_or_waived_in_every_dataset() -> None:
    listing = Listing((Clip("a", "a.mp4", "d", "x"), Clip("b", "b.mp4", "d")), columns=("path", "Wer"))
    known = option(CsvData, root="t.csv", subjects="known")
    with pytest.raises(
        UserError,
        match=r"1 of 2 clips name no person, the first: b; .*data\.columns\.subject=<heading> "
        r"\(headings: 'path', 'Wer'\), .*data\.subjects=each_clip",
    ):
        check_people(listing, known, HOLDOUT)
    check_people(listing, option(CsvData, root="t.csv", subjects="each_clip"), HOLDOUT)
    check_people(Listing(listing.clips[:1]), known, HOLDOUT)
    for name in ("csv", "sase_fe", "sase_fe_challenge", "uva_nemo", "seed_frames", "seed_multi_task", "seed_sequences"):
        data = compose("prepare", [f"data={name}", "data.root=x"], PrepareConfig).data
        assert data.subjects == "known"
        with pytest.raises(UserError, match="each_clip"):
            check_people(listing, data, HOLDOUT)


@pytest.mark.parametrize(
    ("split", "works"),
    [
        (HOLDOUT, True), (None, True), (option(HoldoutSplit, official=False), False),
        (option(KFoldSplit), False), (option(OfficialSplit), True),
    ],
)  # fmt: skip
def test_the_challenge_may_test_people_whom_it_does_not_name(split: SplitConfig | None, works: bool) -> None:
    clips = (Clip("train/1/N2H", "n.mp4", "d", "1", part="train"), Clip("val/0000000001_SAD", "v.mp4", "d", part="val"))
    data = option(SaseFeChallengeData, root="x", subjects="known")
    if works:
        check_people(Listing(clips), data, split)
        return
    with pytest.raises(UserError, match=r"use split=holdout, .*data\.subjects=each_clip"):
        check_people(Listing(clips), data, split)


def test_the_note_counts_clips_without_a_person() -> None:
    assert people_note(["a", "b"]) is None
    assert "for 2 of 3 clips" in str(people_note(["", "a", ""]))


@pytest.fixture(scope="module")
def table(tiny_data: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the tiny videos that does not name people, and has a column that nobody understands."""
    source = build_source(compose("prepare", tiny_data, PrepareConfig).data, progress=False)
    path = tmp_path_factory.mktemp("table") / "clips.csv"
    rows = [
        f"{source.root}/{c.path},{EMOTIONS[c.emotion]},{AUTHENTICITIES[c.authenticity]},3"
        for c in source.listing().clips
        if c.emotion < 2
    ]
    path.write_text("\n".join(["file,label,typ,age", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def as_csv(table: Path) -> list[str]:
    return [
        "data=csv", f"data.root={table}", f"data.prepared={table.parent}/prepared", "data.size=64",
        "data.prepare_workers=1", "face=none",
    ]  # fmt: skip


def test_commands_stop_before_they_prepare(as_csv: list[str], table: Path, tmp_path: Path) -> None:
    from realfake.description.describing import describe_dataset
    from realfake.experiments.execution import train

    with pytest.raises(UserError, match=r"24 of 24 clips name no person"):
        train([*as_csv, "trainer.gpus=0"], tmp_path / "run")
    with pytest.raises(UserError, match=r"headings: 'file', 'label', 'typ', 'age'"):
        describe_dataset(compose("describe", [*as_csv, f"out={tmp_path}/out"], DescribeConfig))
    assert not (table.parent / "prepared").exists()


def test_a_column_that_was_not_understood_is_named_where_labels_are_missing(as_csv: list[str], table: Path) -> None:
    other = table.with_name("other.csv")
    other.write_text("\n".join(["file,typ", *(f"{row.partition(',')[0]},x" for row in table.read_text().split()[1:])]))
    words = [*as_csv, f"data.root={other}", "data.subjects=each_clip", "approach.tasks=[authenticity]"]
    with pytest.raises(UserError, match=r"left for the train part; columns ignored: 'typ' \(which holds 'x'\)"):
        build_datamodule(compose("train", words, TrainConfig)).setup()


def test_every_figure_says_that_clips_count_one_by_one(
    as_csv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from realfake.description.describing import describe_dataset
    from realfake.evaluation.evaluating import evaluate_run
    from realfake.experiments.execution import train
    from realfake.experiments.summary import print_summary
    from realfake.reports.leaderboard import make_report
    from realfake.runs.folder import RunFolder
    from realfake.runs.results import write_results

    note = "No person is known for 24 of 24 clips: each such clip (or pair) counts as a person of its own"
    run = tmp_path / "run"
    results = train(
        [
            *as_csv, "data.subjects=each_clip", "approach=multi_task", "backbone=tiny_cnn", "trainer.max_epochs=1",
            "sampling.frames_per_clip=1", "data.batch_size=8", "data.workers=0", "trainer.threads=1", "callbacks=quiet",
            "callbacks.early_stopping=null",
        ],
        run,
    )  # fmt: skip
    assert "columns ignored: 'age'" in caplog.text
    assert "'typ' as authenticity" in caplog.text
    assert note in json.loads((run / "results.json").read_text())["people"]

    def said() -> str:
        return " ".join(capsys.readouterr().out.split())

    said()
    print_summary(results, RunFolder(run))
    assert note in said()
    cfg = compose("evaluate", [f"run={run}", "resamples=100", "plots=false"], EvaluateConfig)
    folder = evaluate_run(cfg)
    assert note in said()
    assert note in (folder / "evaluation.html").read_text()
    assert note in json.loads((folder / "results.json").read_text())["people"]
    describe_dataset(compose("describe", [*as_csv, "data.subjects=each_clip", f"out={tmp_path}/out"], DescribeConfig))
    assert note in said()
    assert note in (tmp_path / "out" / "description.html").read_text()
    for older in (False, True):
        if older:  # runs did not say so once: their predictions do
            write_results(run / "results.json", {k: v for k, v in results.items() if k not in ("people", "run")})
        report = make_report(run, draws=100)
        report.show()
        of_run = note if not older else "No person is known for"
        assert of_run in said()
        for path in (report.page, report.leaderboard, report.groups):
            assert of_run in path.read_text()


def test_known_people_need_no_remark(tiny_data: list[str]) -> None:
    cfg = compose("train", tiny_data, TrainConfig)
    listing = build_source(cfg.data, progress=False).listing()
    check_people(listing, cfg.data, cfg.split)
    assert people_note(c.subject for c in listing.clips) is None
