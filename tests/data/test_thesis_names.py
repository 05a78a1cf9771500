"""People in the file names of the thesis's scripts: ``<CODE>.MP4<person><frame>.jpg``, the person twice for N2SUR."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from realfake.composing.composition import option
from realfake.config import HoldoutSplit, KFoldSplit, LosoSplit, SeedFramesData, SeedMultiTaskData, ThesisSplit
from realfake.data.people import check_people
from realfake.data.sources import build_source
from realfake.data.sources.sase_fe import CODES
from realfake.data.sources.thesis_names import infer_people, read_written
from realfake.data.splits import assign_parts
from realfake.errors import UserError
from realfake.labels import EMOTIONS, SASE_FE

PEOPLE = {
    "plain": ("Anna", "Ben", "Carla"),
    "digits": ("Anna1", "Ben2", "Cy3"),
    "numbered": ("SUBJECT 01", "SUBJECT 02", "SUBJECT 03"),
    "of other lengths": ("Subject 1", "Subject 2", "Subject 12"),
    "one within another": ("Anna", "Anna2", "Ben"),
    "said twice": ("Mimi", "Lulu", "Anna"),
    "cases": ("ANNA", "ben", "Mari Liis"),
}
FRAMES = {"hundreds": range(214, 240), "tens": range(41, 61), "99 and 100": range(95, 106), "sparse": (149, 249, 349)}
WITHOUT_N2SUR = [code for code in CODES if code != "N2Sur"]


def names(
    people: Iterable[str], frames: Iterable[int], codes: Iterable[str] = CODES, missing: int = 0
) -> list[tuple[str, str, str]]:
    """(code, person, stem) as the thesis's scripts write them; of ``missing``, every so manieth is not there."""
    written = []
    for code in codes:
        for person in people:
            written += [
                (code, person, f"{code.upper()}.MP4{person * (2 if code == 'N2Sur' else 1)}{frame:02d}")
                for frame in frames
            ]
    return [w for i, w in enumerate(written) if not missing or i % missing]


def told(written: Sequence[tuple[str, str, str]]) -> dict[str, set[str]]:
    """Person → what was told of the person's names."""
    read = [read_written(stem) for _, _, stem in written]
    people, _ = infer_people(name for name in read if name)
    found = defaultdict(set)
    for (_, person, _), name in zip(written, read, strict=True):
        assert name is not None
        found[person].add(people[name])
    return found


@pytest.mark.parametrize("missing", [0, 7])
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("spelling", PEOPLE)
def test_n2sur_says_who_all_are(spelling: str, frames: str, missing: int) -> None:
    found = told(names(PEOPLE[spelling], FRAMES[frames], missing=missing))
    assert found == {person: {person.lower().replace(" ", "")} for person in PEOPLE[spelling]}


@pytest.mark.parametrize("missing", [0, 7])
@pytest.mark.parametrize("codes", [WITHOUT_N2SUR, ["N2A"]], ids=["many", "one"])
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("spelling", PEOPLE)
def test_without_n2sur_nobody_is_torn_apart(spelling: str, frames: str, codes: list[str], missing: int) -> None:
    found = told(names(PEOPLE[spelling], FRAMES[frames], codes, missing))
    assert all(len(v) == 1 for v in found.values())
    if frames in ("hundreds", "tens") or spelling in ("plain", "said twice", "cases"):
        assert len({frozenset(v) for v in found.values()} - {frozenset({""})}) == len(found)


def test_where_nothing_tells_digits_of_a_person_from_those_of_a_frame(tmp_path: Path) -> None:
    found = told(names(PEOPLE["numbered"], (149, 249, 349), WITHOUT_N2SUR))
    assert found == {person: {""} for person in PEOPLE["numbered"]}
    assert told([("N2A", "7", "N2A.MP4214"), ("N2A", "7", "N2A.MP4215")]) == {"7": {""}}


def test_a_person_whose_n2sur_is_missing_is_named_like_the_others() -> None:
    written = names(PEOPLE["numbered"], range(214, 240))
    some = [w for w in written if w[:2] != ("N2Sur", "SUBJECT 03")]
    assert told(some) == told(written)


@pytest.mark.parametrize(
    ("people", "frames"),
    [
        ([f"SUBJECT {i}" for i in range(1, 14)], (210, 270, 329)),
        ([f"P{i}" for i in range(1, 51)], (180, 195, 270, 359)),
        ([f"S{i}" for i in range(1, 26)], range(195, 240, 5)),
        (["P1", "P12", "P13"], (210, 270, 329)),
        (["Anna", "Anna1", "Anna2"], (195, 215, 229)),
    ],
    ids=lambda value: str(value[0]),
)
def test_a_person_whose_n2sur_is_missing_is_nobody_else(people: list[str], frames: Sequence[int]) -> None:
    written = [w for w in names(people, frames) if w[:2] != ("N2Sur", people[0])]
    found = told(written)
    own = [{person.lower().replace(" ", "")} for person in people]
    assert found.pop(people[0]) <= own[0] | {""}
    assert [v - {""} for v in found.values()] == own[1:]


def write(root: Path, path: Callable[[str, str], str], written: Sequence[tuple[str, str, str]]) -> None:
    for code, _, stem in written:
        file = root / f"{path(code, stem)}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT))


def of_class(code: str, stem: str) -> str:
    return f"train/{SASE_FE.names('joint')[SASE_FE.joint_classes(*CODES[code])]}/{stem}"


def of_codes(code: str, stem: str) -> str:
    order = ["happy", "sad", "surprise", "disgust", "contempt", "angry"]
    emotion, authenticity = CODES[code]
    return f"train/{int(authenticity)}_{order.index(EMOTIONS[emotion])}_{stem}"


def of_words(code: str, stem: str) -> str:
    return f"train/{SASE_FE.names('joint')[SASE_FE.joint_classes(*CODES[code])]}_{stem}"


@pytest.mark.parametrize("path", [of_class, of_codes, of_words])
@pytest.mark.parametrize("spelling", PEOPLE)
def test_three_people_of_each_spelling_are_split_without_a_leak(
    tmp_path: Path, spelling: str, path: Callable[[str, str], str]
) -> None:
    written = names(PEOPLE[spelling], range(49, 52))
    write(tmp_path, path, written)
    data = (
        option(SeedFramesData, root=str(tmp_path))
        if path is of_class
        else option(SeedMultiTaskData, root=str(tmp_path))
    )
    listing = build_source(data).listing()
    check_people(listing, data.model_copy(update={"subjects": "known"}), None)
    table = listing.frame()
    assert set(table["subject"]) == {p.lower().replace(" ", "") for p in PEOPLE[spelling]}
    person_of = {path(code, stem): person for code, person, stem in written}
    splits = (
        option(HoldoutSplit, official=False), option(ThesisSplit), option(KFoldSplit, folds=3),
        option(LosoSplit),
    )  # fmt: skip
    for split in splits:
        parts_of = defaultdict(set)
        for clip, part in zip(table["clip"], assign_parts(table, split), strict=True):
            parts_of[person_of[clip]].add(part)
        assert sorted(map(sorted, parts_of.values())) == [["test"], ["train"], ["val"]]


def test_people_that_cannot_be_told_are_refused(tmp_path: Path) -> None:
    write(tmp_path, of_class, names(PEOPLE["numbered"], (149, 249, 349), WITHOUT_N2SUR))
    data = option(SeedFramesData, root=str(tmp_path), subjects="known")
    with pytest.raises(UserError, match=r"99 of 99 clips name no person, .*\(data=csv, .*data\.subjects=each_clip"):
        check_people(build_source(data).listing(), data, option(ThesisSplit))
