"""Sources: every layout, and every kind of dirt that such folders hold."""

from __future__ import annotations

import itertools
import os
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from realfake.composing.composition import option
from realfake.config import (
    CsvData,
    OfficialSplit,
    SaseFeChallengeData,
    SaseFeData,
    SeedFramesData,
    SeedMultiTaskData,
    SeedSequencesData,
    UvaNemoData,
)
from realfake.data.clips import Clip, Listing
from realfake.data.sources import build_source, limit_clips
from realfake.data.sources.sase_fe import CODES, SaseFe
from realfake.data.sources.seed import derive_subject
from realfake.data.splits import assign_parts, check_split
from realfake.errors import UserError
from realfake.labels import ABSENT, EMOTIONS, SASE_FE, Authenticity, Emotion

CODE_NAMES = list(CODES)


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode("utf-8", "surrogateescape"))
    return root


def by_name(listing: Listing) -> dict[str, Clip]:
    return {c.clip: c for c in listing.clips}


def reasons(listing: Listing) -> dict[str, str]:
    return {p.path: p.reason for p in listing.problems}


# --- SASE-FE ---------------------------------------------------------------------------------------------------------


def test_sase_fe_reads_every_code(tmp_path: Path) -> None:
    root = touch(tmp_path / "FakeTrue_DB", *(f"Anna/{c}.MP4" for c in CODE_NAMES))
    source = build_source(option(SaseFeData, root=str(root)))
    listing = source.listing()
    assert not listing.problems
    assert [c.clip for c in listing.clips] == sorted(f"Anna/{c}" for c in CODE_NAMES)
    assert all(
        c.subject == "anna" and c.dataset == "sase_fe" and (Path(source.root) / c.path).is_file() for c in listing.clips
    )
    assert Counter(SASE_FE.joint_classes(c.emotion, c.authenticity) for c in listing.clips) == dict.fromkeys(
        range(12), 1
    )
    pairs = Counter(c.pair for c in listing.clips)
    assert pairs == {f"anna/{e}": 2 for e in EMOTIONS}
    table = listing.frame()
    assert table.dtypes["emotion"] == "int8"
    assert len(table) == 12


@pytest.mark.parametrize(
    ("code", "joint"),
    [
        ("n2sur", "real_surprise"),
        ("D2N2S", "fake_surprise"),
        ("d2n2SUR", "fake_surprise"),
        ("S2N2H", "fake_happy"),
        ("N2s", "real_sad"),
    ],
)
def test_sase_fe_codes_in_any_case(tmp_path: Path, code: str, joint: str) -> None:
    (clip,) = SaseFe(str(touch(tmp_path, f"x/{code}.mp4"))).listing().clips
    assert SASE_FE.names("joint")[SASE_FE.joint_classes(clip.emotion, clip.authenticity)] == joint


def test_sase_fe_never_drops_in_silence(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        "Bob/N2H.MP4", "Bob/H2NA.MP4", "Bob/notes.txt", "Bob/.DS_Store", "Bob/._N2H.MP4", "Bob/Thumbs.db",
        "Bob/desktop.ini", ".DS_Store", "N2A.MP4", "Bob/extra/N2S.MP4", "Bob/N2H (1).mp4",
    )  # fmt: skip
    listing = SaseFe(str(root)).listing()
    assert [c.clip for c in listing.clips] == ["Bob/N2H"]
    found = reasons(listing)
    assert set(found) == {"Bob/H2NA.MP4", "Bob/notes.txt", "N2A.MP4", "Bob/extra/N2S.MP4", "Bob/N2H (1).mp4"}
    assert "H2NA" in found["Bob/H2NA.MP4"]
    assert "'H2N2A'" in found["Bob/H2NA.MP4"]
    assert "not a video" in found["Bob/notes.txt"]
    assert "not in a subject's folder" in found["N2A.MP4"]
    assert "nested too deep" in found["Bob/extra/N2S.MP4"]
    assert not any(p.kept for p in listing.problems)


def test_sase_fe_subjects_with_free_spelling(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Jürgen Õ") for form in ("NFC", "NFD"))
    assert composed != decomposed
    root = touch(
        tmp_path,
        "Mari Liis/N2H.MP4", "mari  liis/S2N2H.MP4", " MARI LIIS/N2A.mov", "Эмма/N2C.avi",
        f"{composed}/N2D.mp4", f"{decomposed}/N2D.mp4",
    )  # fmt: skip
    listing = SaseFe(str(root)).listing()
    assert {c.subject for c in listing.clips} == {"mari liis", "эмма", composed.casefold()}
    assert len({c.clip.casefold() for c in listing.clips}) == 6
    assert all((root / c.path).is_file() for c in listing.clips)
    remarks = [p for p in listing.problems if "one subject" in p.reason]
    assert len(remarks) == 2
    assert all(p.kept for p in listing.problems)


def test_sase_fe_subjects_whose_numbers_are_written_in_other_ways(tmp_path: Path) -> None:
    listing = SaseFe(str(touch(tmp_path, "Subject 01/N2H.mp4", "subject_1/N2A.mp4", "SUBJECT 11/N2A.mp4"))).listing()
    assert sorted(c.subject for c in listing.clips) == ["subject 01", "subject 01", "subject 11"]
    (remark,) = listing.problems
    assert "2 folders are read as one subject ('Subject 01', 'subject_1')" in remark.reason


def test_sase_fe_same_code_twice_keeps_both(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/N2H.mp4", "a/n2h.MP4", "a/N2H.avi", "b/D2N2S.mp4", "b/D2N2Sur.mp4")
    listing = SaseFe(str(root)).listing()
    assert sorted(by_name(listing)) == ["a/N2H", "a/N2H~2", "a/n2h~3", "b/D2N2S", "b/D2N2Sur"]
    assert len({c.path for c in listing.clips}) == 5
    assert sum("one code and subject" in p.reason for p in listing.problems) == 2
    assert listing == SaseFe(str(root)).listing()


def test_sase_fe_names_subjects_that_are_spelt_alike(tmp_path: Path) -> None:
    root = touch(tmp_path, "Vladimir/N2H.mp4", "Vladimiz/N2H.mp4", "Subject 01/N2H.mp4", "Subject 02/N2H.mp4")
    listing = SaseFe(str(root)).listing()
    assert len({c.subject for c in listing.clips}) == 4
    (remark,) = listing.problems
    assert "'vladimiz' is spelt like 'vladimir'" in remark.reason


def test_sase_fe_root_one_level_above(tmp_path: Path) -> None:
    touch(tmp_path, "SASE/FakeTrue_DB/x/N2H.mp4", "SASE/readme.txt")
    source = SaseFe(str(tmp_path / "SASE"))
    assert source.root == str(tmp_path / "SASE" / "FakeTrue_DB")
    assert [c.clip for c in source.listing().clips] == ["x/N2H"]


def test_names_that_are_no_utf8_and_broken_links_are_reported(tmp_path: Path) -> None:
    touch(tmp_path, "x/N2H.mp4", os.fsdecode(b"x/N2A\xff.mp4"))
    (tmp_path / "x" / "N2S.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "x" / "loop").symlink_to(tmp_path)
    listing = SaseFe(str(tmp_path)).listing()
    assert [c.clip for c in listing.clips] == ["x/N2H"]
    found = reasons(listing)
    assert "not valid UTF-8" in found["x/N2A\\xff.mp4"]
    assert found["x/N2S.mp4"] == "a broken link"
    assert "listed already" in found["x/loop"]


def test_linked_subject_folders_are_read(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/N2H.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "Eve").symlink_to(tmp_path / "elsewhere")
    assert [c.subject for c in SaseFe(str(tmp_path / "root")).listing().clips] == ["eve"]


def test_the_root_is_checked(tmp_path: Path) -> None:
    touch(tmp_path, "FakeTrue_DB/x/readme.txt", "table.csv")
    with pytest.raises(UserError, match=r"data\.root is missing: give .*<subject>/<code>\.MP4"):
        SaseFe(None)
    with pytest.raises(UserError, match=r"FakeTrueDB: no such folder; did you mean .*FakeTrue_DB\?; expected"):
        SaseFe(str(tmp_path / "FakeTrueDB"))
    with pytest.raises(UserError, match=r"table\.csv is a file: expected a folder"):
        SaseFe(str(tmp_path / "table.csv"))
    with pytest.raises(UserError, match=r"no clip found; 1 files do not fit, the first: x/readme\.txt: not a video"):
        SaseFe(str(tmp_path / "FakeTrue_DB")).listing()
    for error in ("", "  "):
        with pytest.raises(UserError, match=r"data\.root is missing"):
            SaseFe(error)


# --- challenge release -----------------------------------------------------------------------------------------------

CHALLENGE = (
    "Train/1/N2H.MP4", "Train/1/S2N2H.MP4", "Train/12/D2N2S.MP4",
    "val/0000000001_CONTENTMENT.mp4", "val/0000000002_SURPRISE.mp4",
    "test_videos/0000000003_anger.mp4", "test_videos/0000000004_Happiness.mp4",
)  # fmt: skip


def challenge(root: Path) -> Listing:
    return build_source(option(SaseFeChallengeData, root=str(root))).listing()


def test_challenge_parts_subjects_and_labels(tmp_path: Path) -> None:
    root = touch(tmp_path / "release", *CHALLENGE, "val/123_HAPPY.mp4", "val/0000000009_BORED.mp4", "Train/N2A.MP4")
    listing = challenge(root)
    clips = by_name(listing)
    assert len(clips) == 7
    assert Counter(c.part for c in clips.values()) == {"train": 3, "val": 2, "test": 2}
    assert clips["Train/1/S2N2H"].subject == "1"
    assert clips["Train/1/S2N2H"].pair == clips["Train/1/N2H"].pair == "1/happy"
    contempt = clips["val/0000000001_CONTENTMENT"]
    assert (contempt.subject, contempt.emotion, contempt.authenticity) == ("", Emotion.CONTEMPT, ABSENT)
    assert clips["test_videos/0000000003_anger"].emotion == Emotion.ANGRY
    found = reasons(listing)
    assert set(found) == {"val/123_HAPPY.mp4", "val/0000000009_BORED.mp4", "Train/N2A.MP4"}
    assert "BORED" in found["val/0000000009_BORED.mp4"]


@pytest.mark.parametrize(
    "text",
    [
        "name,label\n0000000001_CONTENTMENT.mp4,real\n0000000002_SURPRISE.mp4,fake\n",
        "\ufeffval/0000000001_CONTENTMENT.mp4;TRUE\r\n0000000002_surprise;Posed\r\n",
        "# ours\n0000000001_CONTENTMENT 1\n\n0000000002_SURPRISE\t0",
    ],
)
def test_challenge_list_of_labels(tmp_path: Path, text: str) -> None:
    root = touch(tmp_path / "release", *CHALLENGE)
    (root / "val" / "val_labels.csv").write_text(text, encoding="utf-8")
    listing = challenge(root)
    clips = by_name(listing)
    assert clips["val/0000000001_CONTENTMENT"].authenticity == Authenticity.REAL
    assert clips["val/0000000002_SURPRISE"].authenticity == Authenticity.FAKE
    assert clips["test_videos/0000000003_anger"].authenticity == ABSENT
    assert not listing.problems


def test_challenge_list_of_labels_that_is_wrong(tmp_path: Path) -> None:
    root = touch(tmp_path / "release", *CHALLENGE)
    (root / "labels.txt").write_text("0000000001_CONTENTMENT real\n9999999999_HAPPY fake\n")
    assert "'9999999999_happy'" in reasons(challenge(root))["labels.txt"]
    (root / "labels.txt").write_text("0000000001_CONTENTMENT real\n0000000002_SURPRISE reel\n")
    with pytest.raises(UserError, match=r"labels\.txt, line 2: unknown label 'reel'; did you mean 'real'"):
        challenge(root)
    (root / "labels.txt").write_text("0000000001_CONTENTMENT\n")
    with pytest.raises(UserError, match=r"line 1: .* has no label"):
        challenge(root)


# --- tables ----------------------------------------------------------------------------------------------------------


def read_table(path: Path) -> Listing:
    return build_source(option(CsvData, root=str(path))).listing()


def test_csv_with_every_column(tmp_path: Path) -> None:
    touch(tmp_path, "videos/a 1.mp4", "videos/b.mov", "c.mp4")
    table = tmp_path / "mine.csv"
    table.write_text(
        "\ufeffPath,Subject,emotion,AUTHENTICITY,clip,dataset,pair,part,fold\n"
        "videos/a 1.mp4,Anna  B,Happiness,genuine,,,,validation,3\n"
        "videos\\b.mov,anna b,happy,Posed,clips/second,other,p1,train,\n"
        "c.mp4,,,,,,,,\n",
        encoding="utf-8",
    )
    listing = read_table(table)
    assert not listing.problems
    clips = by_name(listing)
    assert clips["videos/a 1"] == Clip("videos/a 1", "videos/a 1.mp4", "mine", "anna b", 3, 1, "anna b/happy", "val", 3)
    assert clips["clips/second"] == Clip("clips/second", "videos/b.mov", "other", "anna b", 3, 0, "p1", "train", -1)
    assert clips["c"] == Clip("c", "c.mp4", "mine")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_separators(tmp_path: Path, separator: str) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "t.csv").write_text(f"subject{separator}path\nx{separator}a.mp4\n")
    assert [c.subject for c in read_table(tmp_path / "t.csv").clips] == ["x"]


def test_parquet_with_missing_values(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4")
    frame = pd.DataFrame(
        {"path": ["a.mp4", "b.mp4"], "emotion": ["sad", None], "fold": [1.0, np.nan], "subject": [7, 8]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    clips = by_name(read_table(tmp_path / "t.parquet"))
    assert (clips["a"].emotion, clips["a"].fold, clips["a"].subject) == (Emotion.SAD, 1, "7")
    assert (clips["b"].emotion, clips["b"].fold) == (ABSENT, -1)


def test_csv_reports_what_it_cannot_use(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "t.csv").write_text("path,emotoin,age\na.mp4,sad,3\ngone.mp4,sad,4\na.mp4,happy,5\n")
    listing = read_table(tmp_path / "t.csv")
    assert [c.clip for c in listing.clips] == ["a"]
    found = [(p.path, p.reason) for p in listing.problems]
    assert len(found) == 3
    assert any("row 3: no such file" in r for _, r in found)
    assert any("row 4 lists it again; row 2 is kept" in r for _, r in found)
    assert any("columns ignored: 'emotoin', 'age'; did you mean 'emotion'?" in r for _, r in found)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.mp4,hapy,real,", r"row 2, column emotion: 'hapy'; did you mean 'happy'\?; expected angry"),
        ("a.mp4,happy,rael,", r"row 2, column authenticity: 'rael'; did you mean 'real'"),
        ("a.mp4,happy,real,tset", r"row 2, column part: 'tset'; did you mean 'test'"),
        (",happy,real,", r"row 2, column path: is empty"),
        ("a.mp4,happy,real", r"row 2 has 3 cells, the heading 4"),
    ],
)
def test_csv_errors_name_the_row(tmp_path: Path, row: str, message: str) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "t.csv").write_text(f"path,emotion,authenticity,part\n{row}\n")
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,fold\na.mp4,first\n", "column fold: 'first'; expected 0, 1"),
        ("path,clip\na.mp4,../../x\n", r"column clip: '\.\./\.\./x'; expected a plain name"),
        ("path,clip\na.mp4,x\nb.mp4,x\n", r"row 3: clip 'x' is also in row 2"),
        ("movie,subject\na.mp4,x\n", r"no column 'path' \(columns: 'movie', 'subject'\)"),
        ("path,Path\na.mp4,a.mp4\n", "column 'path' comes twice"),
        ("", "no column 'path'"),
        ("path\n", "no clip found; expected a CSV"),
    ],
)
def test_csv_that_is_no_table_of_clips(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "t.csv")


def test_csv_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_bytes(b"path\n\xff\xfe.mp4\n")
    (tmp_path / "clips.parquet").write_bytes(b"no parquet")
    for name in ("clips.csv", "clips.parquet"):
        with pytest.raises(UserError, match=f"{name}: cannot be read") as caught:
            read_table(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"clip\.csv: no such file; did you mean .*clips\.csv"):
        read_table(tmp_path / "clip.csv")
    with pytest.raises(UserError, match="is a folder"):
        read_table(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match=r"pipe\.csv: not a regular file; expected"):
        read_table(tmp_path / "pipe.csv")
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(UserError, match=r"link: no such file; expected"):
        read_table(tmp_path / "link")
    with pytest.raises(UserError, match=r"data\.root is missing"):
        build_source(option(CsvData))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_csv_as_excel_saves_it(tmp_path: Path, encoding: str) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "t.csv").write_bytes("path\tsubject\r\na.mp4\tJüri Õun\r\n".encode(encoding))
    assert [c.subject for c in read_table(tmp_path / "t.csv").clips] == ["jüri õun"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("path,subject\na.mp4,x\nb.mp4,Jüri\n".encode("cp1252"), "row 3 is not UTF-8: save it as CSV UTF-8"),
        ("path,subject\na.mp4,Jüri\n".encode("utf-16-le"), "save it as CSV UTF-8"),
        ("path,subject\na.mp4,x\n".encode("utf-16")[:-1], "is not UTF-16: save it as CSV UTF-8"),
        (b"PK\x03\x04\x14", "a workbook of Excel or the like: save it as CSV UTF-8"),
        ("path,fold\na.mp4,²\n".encode(), "row 2, column fold: '²'; expected 0, 1, … or nothing"),
        ("path,fold\na.mp4,٣\n".encode(), "row 2, column fold: '٣'; expected 0, 1, … or nothing"),
    ],
)
def test_csv_text_that_is_not_understood_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        read_table(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_csv_paths_that_are_no_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    long = "x" * 300 + ".mp4"
    (tmp_path / "t.csv").write_text(f"path\na.mp4\npipe.mp4\n{long}\n")
    listing = read_table(tmp_path / "t.csv")
    assert [c.path for c in listing.clips] == ["a.mp4"]
    assert [(p.path, p.reason) for p in listing.problems] == [
        ("pipe.mp4", "row 3: not a regular file"),
        (long, "row 4: File name too long"),
    ]


def test_csv_clip_names_stay_inside_of_the_store(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/a.mp4", "elsewhere/c.mp4", "tables/..b.mp4")
    (tmp_path / "tables/t.csv").write_text(f"path\n../elsewhere/a.mp4\n{tmp_path}/elsewhere/c.mp4\n..b.mp4\n")
    names = [c.clip for c in read_table(tmp_path / "tables/t.csv").clips]
    assert "elsewhere/a" in names
    assert len(names) == 3
    assert not any(n.startswith("/") or ".." in n.split("/") for n in names)


# --- UvA-NEMO --------------------------------------------------------------------------------------------------------

SMILES = ("001_deliberate_smile_2", "001_spontaneous_smile_1", "002_deliberate_smile_1", "105_spontaneous_smile_3")


def smiles(root: Path, **keys: Any) -> Listing:
    return build_source(option(UvaNemoData, root=str(root), **keys)).listing()


def test_uva_nemo_names(tmp_path: Path) -> None:
    root = touch(tmp_path / "videos", *(f"{s}.mp4" for s in SMILES), "003_posed.mp4", "readme.pdf")
    listing = smiles(root)
    assert [c.clip for c in listing.clips] == sorted(SMILES)
    assert ({c.emotion for c in listing.clips}, listing.emotions) == ({0}, ("happy",))
    assert [c.authenticity for c in listing.clips] == [0, 1, 0, 1]
    assert [c.subject for c in listing.clips] == [""] * 4
    assert listing.clips[0].pair == listing.clips[1].pair != listing.clips[2].pair
    assert {c.fold for c in listing.clips} == {-1}
    found = reasons(listing)
    assert set(found) == {"003_posed.mp4", "readme.pdf", f"{SMILES[0]}.mp4"}
    assert "there is no list of details" in found[f"{SMILES[0]}.mp4"]


@pytest.mark.parametrize("where", ["inside", "beside", "given"])
def test_uva_nemo_details_and_folds(tmp_path: Path, where: str) -> None:
    release = tmp_path / "release"
    touch(release / "videos", *(f"{s}.mp4" for s in SMILES))
    home = {"inside": release / "videos", "beside": release, "given": tmp_path / "other"}[where]
    (home / "folds").mkdir(parents=True)
    (home / "UvA-NEMO_Smile_Database_Subject_Details.txt").write_text("Subject Code\tGender\n001\tfemale\n")
    details = home / "UvA-NEMO_Smile_Database_File_Details.txt"
    details.write_text(
        "UvA-NEMO Smile Database\n\nDetails of the files\n\nFilename\tSubject Code\tGender\tAge\tSmile type\n"
        "001_deliberate_smile_2.mp4\t001\tfemale\t20\tdeliberate\n001_spontaneous_smile_1.mp4\t001\tfemale\t20\tspontaneous\n"
        "002_deliberate_smile_1.mp4\t002\tmale\t30\tdeliberate\n105_spontaneous_smile_3.mp4\t002\tmale\t30\tspontaneous\n"
    )
    for kind, fold, name in [("P", 1, SMILES[0]), ("S", 1, SMILES[1]), ("P", 10, SMILES[2]), ("S", 10, SMILES[3])]:
        (home / "folds" / f"{kind}_fold_all_{fold}.txt").write_text(f"{name}.mp4\r\n")
    (home / "folds" / "P_fold_young_2.txt").write_text(f"{SMILES[0]}.mp4\n")
    keys = {"details": str(details), "folds": str(home / "folds")} if where == "given" else {}
    listing = smiles(release / "videos", **keys)
    assert not [p for p in listing.problems if "young" not in p.path]
    assert {c.clip: (c.subject, c.fold) for c in listing.clips} == {
        SMILES[0]: ("001", 0), SMILES[1]: ("001", 0), SMILES[2]: ("002", 1), SMILES[3]: ("002", 1),
    }  # fmt: skip


def test_uva_nemo_folds_that_are_wrong(tmp_path: Path) -> None:
    root = touch(tmp_path / "videos", *(f"{s}.mp4" for s in SMILES))
    (root / "P_fold_all_1.txt").write_text(f"{SMILES[0]}.mp4\n999_deliberate_smile_1.mp4\n")
    found = reasons(smiles(root))
    assert "names 1 videos that are not there, the first: '999_deliberate_smile_1'" in found["P_fold_all_1.txt"]
    assert any("no official fold names it and 2 more" in r for r in found.values())
    (root / "P_fold_all_2.txt").write_text(f"{SMILES[0]}.mp4\n")
    with pytest.raises(UserError, match=r"is in two folds \(1 and 2\)"):
        smiles(root)
    with pytest.raises(UserError, match=r"data\.folds=.*nowhere: no such folder"):
        smiles(root, folds=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"data\.details=.*detail: no such file"):
        smiles(root, details=str(tmp_path / "detail"))


def test_official_protocols_of_the_releases(tmp_path: Path) -> None:
    """Ten folds of the smiles and the parts of the challenge, from their layouts to who is tested."""
    kinds = {"P": "deliberate", "S": "spontaneous"}
    videos = touch(
        tmp_path / "nemo/videos", *(f"{k:03}_{kind}_smile_1.mp4" for k in range(20) for kind in kinds.values())
    )
    lines = [f"{k:03}_{kind}_smile_1.mp4\tP{k}\t{'male' if k % 2 else 'female'}\t30\t{kind}" for k in range(20)
             for kind in kinds.values()]  # fmt: skip
    details = tmp_path / "nemo/UvA-NEMO_Smile_Database_File_Details.txt"
    details.write_text("\n".join(["Filename\tSubject Code\tGender\tAge\tSmile type", *lines]))
    for fold, (letter, kind) in itertools.product(range(1, 11), kinds.items()):
        names = [f"{k:03}_{kind}_smile_1.mp4" for k in range(20) if k % 10 == fold - 1]
        touch(tmp_path / "nemo", f"folds/{letter}_fold_all_{fold}.txt")
        (tmp_path / f"nemo/folds/{letter}_fold_all_{fold}.txt").write_text("\n".join(names))
    nemo = smiles(videos).frame()
    tested = [set(nemo["subject"][assign_parts(nemo, option(OfficialSplit, fold=k)) == "test"]) for k in range(10)]
    assert [len(people) for people in tested] == [2] * 10
    assert set.union(*tested) == set(nemo["subject"])
    with pytest.raises(UserError, match="has 10 folds; expected one of them"):
        check_split(nemo, option(OfficialSplit))

    root = touch(tmp_path / "challenge", *(f"train/{k}/{code}.MP4" for k in range(5) for code in ("N2H", "S2N2H")))
    touch(root, "val/0000000001_HAPPY.mp4", "test/0000000002_HAPPY.mp4", "test/0000000003_HAPPY.mp4")
    with pytest.raises(UserError, match="no authenticity is known in the dataset's own test part"):
        check_split(challenge(root).frame(), option(OfficialSplit))
    (root / "test/test_labels.csv").write_text("0000000002_HAPPY,real\n0000000003_HAPPY,fake\n")
    (root / "val/val_labels.csv").write_text("0000000001_HAPPY,real\n")
    frame = challenge(root).frame()
    assert assign_parts(frame, option(OfficialSplit)).tolist() == frame["part"].tolist()


# --- the thesis's prepared folders -----------------------------------------------------------------------------------


def test_seed_frames(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "data",
        "train/fake_angry/anna_H2N2A_frame1.jpg", "train/fake_angry/anna_H2N2A_frame2.jpg", "train/real_sad/ab7_1.jpg",
        "train/real_sad/ab7_2.png", "test/real_happy/0012.jpg", "test/Real_Happy/frame_3.JPEG", "test/fake_hapy/1.jpg",
        "test/real_happy/list.txt",
    )  # fmt: skip
    listing = build_source(option(SeedFramesData, root=str(tmp_path))).listing()
    clips = by_name(listing)
    assert len(clips) == 6
    assert clips["train/fake_angry/anna_H2N2A_frame1"].subject == "anna"
    assert clips["train/fake_angry/anna_H2N2A_frame1"].pair == "anna/angry"
    one, two = clips["train/real_sad/ab7_1"], clips["train/real_sad/ab7_2"]
    assert (one.subject, one.pair) == (two.subject, two.pair) == ("", "video ab7")  # a video, but nobody's
    assert clips["test/real_happy/0012"].subject == ""
    assert {c.part for c in clips.values()} == {"train", "test"}
    assert "did you mean 'fake_happy'" in reasons(listing)["test/fake_hapy/1.jpg"]
    assert (Path(root) / "test/real_happy/list.txt").is_file()
    assert "not an image" in reasons(listing)["test/real_happy/list.txt"]


def test_seed_frames_of_one_name_in_both_parts_are_named(tmp_path: Path) -> None:
    root = touch(tmp_path / "d", "train/real_sad/ab7_1.jpg", "test/real_sad/ab7_2.jpg", "test/real_sad/cd8_2.jpg")
    listing = build_source(option(SeedFramesData, root=str(root))).listing()
    assert sorted(c.pair for c in listing.clips) == ["", "", "video cd8"]
    assert "1 names of videos are in both official parts (video ab7)" in reasons(listing)["."]


@pytest.mark.parametrize(
    ("stem", "subject", "video"),
    [
        ("Anna B_N2Sur_frame_012", "anna b", ""), ("anna-d2n2s-3", "anna", ""), ("N2H_3", "", ""),
        ("image (4)", "", ""), ("fake_angry_7", "", ""), ("clip17x_0003", "", "video clip17x"), ("0003", "", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_subject_and_video_of_an_image_name(stem: str, subject: str, video: str) -> None:
    assert derive_subject(stem) == (subject, video)


def test_seed_multi_task_uses_its_own_codes(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "data_mtl", *(f"train/{a}_{e}_x{e}_{a}.jpg" for a in (0, 1) for e in range(6)), "test/2_7_x.jpg"
    )
    listing = build_source(option(SeedMultiTaskData, root=str(root))).listing()
    order = ["happy", "sad", "surprise", "disgust", "contempt", "angry"]
    assert {c.clip.rpartition("/")[2]: (EMOTIONS[c.emotion], c.authenticity) for c in listing.clips} == {
        f"{a}_{e}_x{e}_{a}": (order[e], a) for a in (0, 1) for e in range(6)
    }
    assert "expected <0|1>_<0-5>_<rest>" in reasons(listing)["test/2_7_x.jpg"]


def test_seed_sequences(tmp_path: Path) -> None:
    for folder in ("fake_disgust/anna_H2N2D", "real_sad/0004"):
        (tmp_path / folder).mkdir(parents=True)
        np.save(tmp_path / folder / "sequence.npy", np.zeros((2, 4, 4, 3), np.float32))
    touch(tmp_path, "real_sad/0005/other.npy")
    listing = build_source(option(SeedSequencesData, root=str(tmp_path))).listing()
    clips = by_name(listing)
    assert clips["fake_disgust/anna_H2N2D/sequence"].subject == "anna"
    assert clips["real_sad/0004/sequence"].subject == ""
    assert clips["real_sad/0004/sequence"].emotion == Emotion.SAD
    assert "expected <class>/<video>/sequence.npy" in reasons(listing)["real_sad/0005/other.npy"]


# --- size and limits -------------------------------------------------------------------------------------------------


def make_clips(subjects: int, codes: int = 12) -> list[Clip]:
    labels = list(CODES.values())[:codes]
    return [
        Clip(f"s{s:02}/{i}", f"s{s:02}/{i}.mp4", "d", f"s{s:02}", int(e), int(a))
        for s in range(subjects)
        for i, (e, a) in enumerate(labels)
    ]


@pytest.mark.parametrize("count", [1, 12, 13, 24, 50, 119])
def test_limit_is_even_over_classes_and_subjects(count: int) -> None:
    clips = make_clips(10)
    chosen = limit_clips(clips, count)
    assert len(chosen) == count
    assert list(chosen) == [c for c in clips if c in set(chosen)]
    classes = Counter((c.emotion, c.authenticity) for c in clips if c in set(chosen))
    subjects = Counter(c.subject for c in chosen)
    assert len(classes) == min(12, count)
    assert max(classes.values()) - min(classes.values()) <= 1
    assert len(subjects) == min(10, count)
    assert max(subjects.values()) - min(subjects.values()) <= 2
    assert limit_clips(chosen, count) == chosen
    assert limit_clips(clips, count) == chosen


def test_limit_of_none_or_more_keeps_all() -> None:
    clips = make_clips(2)
    assert limit_clips(clips, None) == limit_clips(clips, 1000) == tuple(clips)


def test_listing_takes_work_in_proportion_to_the_files(tmp_path: Path) -> None:
    def calls(files: int) -> int:
        folder = tmp_path / str(files) / "train" / "fake_angry"
        folder.mkdir(parents=True)
        for i in range(files):
            os.close(os.open(folder / f"v{i // 5}a_{i}.jpg", os.O_CREAT))
        source = build_source(option(SeedFramesData, root=str(tmp_path / str(files))))
        made = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal made
            made += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            assert len(limit_clips(source.listing().clips, files // 2)) == files // 2
        finally:
            sys.setprofile(None)
        return made

    assert calls(1600) < 12 * calls(200)  # in proportion: 8; quadratic: 64
