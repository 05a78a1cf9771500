"""Lists of file details of UvA-NEMO as they go around: whatever separates them, the subject is read, or it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from realfake.composing.composition import option
from realfake.config import UvaNemoData
from realfake.data.people import check_people
from realfake.data.sources import build_source
from realfake.data.sources.uva_nemo_details import read_details
from realfake.errors import UserError

ROWS = (
    ("001_deliberate_smile_2.mp4", "001", "female", "20", "deliberate"),
    ("001_spontaneous_smile_1.mp4", "001", "female", "20", "spontaneous"),
    ("002_deliberate_smile_1.mp4", "002", "male", "20", "deliberate"),
    ("105_spontaneous_smile_3.mp4", "002", "male", "20", "spontaneous"),
)
EXPECTED = {row[0].removesuffix(".mp4"): row[1] for row in ROWS}
HEADINGS = ("Filename", "Subject Code", "Gender", "Age", "Smile type")
TITLE = "UvA-NEMO Smile Database\n\n"


def aligned(*lines: tuple[str, ...]) -> str:
    wide = [max(len(row[i]) for row in lines if i < len(row)) + 2 for i in range(max(map(len, lines)))]
    return "".join("".join(f"{cell:{wide[i]}}" for i, cell in enumerate(row)) + "\n" for row in lines)


def separated(by: str, *lines: tuple[str, ...]) -> str:
    return "".join(by.join(row) + "\n" for row in lines)


def picked(*order: int) -> list[tuple[str, ...]]:
    """The rows with their cells in another order."""
    return [tuple(row[i] for i in order) for row in ROWS]


LISTS = {
    "tabs": TITLE + separated("\t", HEADINGS, *ROWS),
    "double tabs": TITLE + separated("\t\t", HEADINGS, *ROWS),
    "double tabs in the rows alone": TITLE + separated("\t", HEADINGS) + separated("\t\t", *ROWS),
    "tabs where they align": TITLE
    + "Filename\t\t\tSubject Code\tGender\tAge\tSmile type\n"
    + "".join(f"{a}\t{'' if 'spont' in a else chr(9)}{b}\t\t{c}\t{d}\t{e}\n" for a, b, c, d, e in ROWS),
    "a gender is missing": TITLE + separated("\t", HEADINGS, *ROWS[:3], (ROWS[3][0], "002", "", "20", "spontaneous")),
    "spaces": TITLE + aligned(HEADINGS, *ROWS),
    "single spaces": TITLE + separated(" ", HEADINGS, *ROWS),
    "semicolons": separated(";", HEADINGS, *ROWS),
    "quoted": separated(",", *(tuple(f'"{c}"' for c in row) for row in (HEADINGS, *ROWS))),
    "two lines over spaces": "Details\n"
    + aligned(("", "Subject", "", "Age", "Smile"), ("Filename", "Code", "Gender", "(years)", "Type"), ("---",), *ROWS),
    "two lines over tabs": "Details\n\n"
    + separated("\t", ("", "Subject", "", "", "Smile"), ("Filename", "Code", "Gender", "Age", "Type"), *ROWS),
    "two lines over double tabs": "Details\n\n\t\t\t\tSubject\nFilename\t\t\tCode\tGender\tAge\n"
    + separated("\t", *picked(0, 1, 2, 3)),
    "a title right above": "UvA-NEMO Smile Database - File Details\n" + aligned(HEADINGS, *ROWS),
    "no headings": "\n\n\n\n" + aligned(*ROWS),
    "headings that say nothing": "This list\nhas lines\nwith words\nof its own\n" + separated("\t", *ROWS),
    "another order": aligned(("Age", "Filename", "Gender", "Subject"), *picked(3, 0, 2, 1)),
    "another order over two lines": aligned(
        ("File", "Age of", "Code of", "Gender"), ("", "subject", "subject", ""), *picked(0, 3, 1, 2)
    ),
    "another order, single spaces": separated(" ", ("Filename", "Age", "Subject Code", "Gender"), *picked(0, 3, 1, 2)),
    "several columns of the subject": separated(
        "\t", ("Filename", "Subject Age", "Subject Gender", "Subject Code"), *picked(0, 3, 2, 1)
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_subject_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "details.txt"
    path.write_text(LISTS[name])
    assert read_details(path) == EXPECTED


DOUBTFUL = {
    "no column of the subject": (separated("\t", ("Filename", "Age", "Gender"), *picked(0, 3, 2)), "which column"),
    "the age alone": (separated("\t", *picked(0, 3)), "which column"),
    "the age of the subject": (aligned(("File", "Subject's age"), *picked(0, 3)), "which column"),
    "an age that is called the subject": (
        separated(",", ("Filename", "Subject", "Gender"), *picked(0, 3, 2)), "subject '20' would be both male and fem"
    ),
    "the age first, without headings": (aligned(*picked(0, 3, 2, 1, 4)), "which column"),
    "a kind of smile": (separated("\t", ("File", "Subject"), *picked(0, 4)), "'deliberate' stands where the subject"),
    "rows of other lengths": (TITLE + aligned(HEADINGS, *ROWS) + "003_deliberate_smile_1.mp4   003\n", "has 2 cells"),
    "a video of two people": (separated("\t", HEADINGS, *ROWS, (ROWS[0][0], "003", *ROWS[0][2:])), "'001' and '003'"),
    "names alone": (separated("\t", *picked(0)), "only the videos' names"),
    "another list": ("Subject Code\tGender\n001\tfemale\n", "no line names a video"),
    "nothing": ("", "no line names a video"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_list_that_leaves_a_doubt_is_an_error(name: str, tmp_path: Path) -> None:
    text, why = DOUBTFUL[name]
    path = tmp_path / "details.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"details\.txt: not understood as the list of details \(.*{why}") as caught:
        read_details(path)
    assert "\n" not in str(caught.value)


def videos(root: Path) -> Path:
    root.mkdir()
    for row in ROWS:
        (root / row[0]).write_bytes(row[0].encode())
    return root


def test_who_is_not_on_the_list_is_nobody_on_it(tmp_path: Path) -> None:
    """Number 105 is subject 002; file number 002, which the list lacks, is not taken for that person."""
    root = videos(tmp_path / "videos")
    (root / "File_Details.txt").write_text(aligned(HEADINGS, *ROWS[:2], ROWS[3]))
    listing = build_source(option(UvaNemoData, root=str(root))).listing()
    subjects = {c.clip: c.subject for c in listing.clips}
    assert subjects["105_spontaneous_smile_3"] == "002"
    assert subjects["002_deliberate_smile_1"] == ""
    assert [p.path for p in listing.problems] == [ROWS[2][0]]
    assert "the list of details names nobody for it" in listing.problems[0].reason


def people(root: Path) -> dict[str, str]:
    """Person of each video without ending, if all are known."""
    data = option(UvaNemoData, root=str(root))
    listing = build_source(data).listing()
    check_people(listing, data.model_copy(update={"subjects": "known"}), None)
    return {c.clip: c.subject for c in listing.clips}


@pytest.mark.parametrize("name", ["no line", "an empty cell"])
def test_who_is_not_on_the_list_is_whom_others_of_the_number_show(name: str, tmp_path: Path) -> None:
    root = videos(tmp_path / "videos")
    rows = [row for i, row in enumerate(ROWS) if i != 1 or name != "no line"]
    details = root / "File_Details.txt"
    details.write_text(separated("\t", HEADINGS, *rows).replace("smile_1.mp4\t001\t", "smile_1.mp4\t\t"))
    assert people(root) == EXPECTED
    (root / "105_spontaneous_smile_4.mp4").touch()
    details.write_text(
        details.read_text() + separated("\t", ("105_deliberate_smile_1.mp4", "001", "female", "20", "posed"))
    )
    with pytest.raises(UserError, match=r"2 of 5 clips name no person, .*data\.details=<file>, .*each_clip"):
        people(root)


def test_spellings_of_a_person_are_joined(tmp_path: Path) -> None:
    root = videos(tmp_path / "videos")
    rows = [(row[0], ("P001", "P1", "P2", "P002")[i], *row[2:]) for i, row in enumerate(ROWS)]
    (root / "File_Details.txt").write_text(separated("\t", HEADINGS, *rows))
    assert list(people(root).values()) == ["p001", "p001", "p002", "p002"]
    problems = build_source(option(UvaNemoData, root=str(root))).listing().problems
    assert [p.reason.count("are read as one subject") for p in problems] == [1, 1]


def test_lists_of_several_names_are_read_together(tmp_path: Path) -> None:
    root = videos(tmp_path / "videos")
    with pytest.raises(UserError, match=r"4 of 4 clips name no person, .*data\.details=<file>, .*each_clip"):
        people(root)
    (root / "details_young.txt").write_text(aligned(HEADINGS, *ROWS[:2]))
    (root / "details_adult.txt").write_text(aligned(HEADINGS, *ROWS[2:]))
    (root / "details_of_people.txt").write_text("Subject Code\tGender\n001\tfemale\n")
    assert people(root) == EXPECTED


def test_lists_that_contradict_each_other(tmp_path: Path) -> None:
    root = videos(tmp_path / "videos")
    (root / "File_Details.txt").write_text(aligned(HEADINGS, *ROWS))
    (root / "File_Details_new.txt").write_text(aligned(HEADINGS, *ROWS[:3], (ROWS[3][0], "105", *ROWS[3][2:])))
    with pytest.raises(UserError, match=r"105_spontaneous_smile_3 shows '105', but '002' in another list"):
        build_source(option(UvaNemoData, root=str(root))).listing()


def test_a_fold_that_names_no_video(tmp_path: Path) -> None:
    root = videos(tmp_path / "videos")
    (root / "P_fold_all_1.txt").write_text("1\n2\n")
    with pytest.raises(UserError, match=r"P_fold_all_1\.txt: not understood as the list of a fold"):
        build_source(option(UvaNemoData, root=str(root))).listing()
