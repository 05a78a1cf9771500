"""UvA-NEMO smiles (Dibeklioglu, Salah, Gevers; ECCV 2012): ``<number>_deliberate|spontaneous_smile_<k>.mp4``.

400 subjects, 597 spontaneous and 643 deliberate smiles. The number of a file is not the person, who may have several:
the list ``UvA-NEMO_Smile_Database_File_Details.txt`` of the release says who it is
(:mod:`realfake.data.sources.uva_nemo_details`), and without it nobody is known. Ten official folds come as lists of
file names, ``P_fold_all_<k>.txt`` (posed) and ``S_fold_all_<k>.txt`` (spontaneous), k = 1 to 10.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.label_names import AUTHENTICITY_WORDS
from realfake.data.sources.listing import (
    VIDEO_ENDINGS,
    clip_name,
    did_you_mean_path,
    finish,
    list_files,
    one_spelling,
    require_root,
    respelt_subjects,
    split_ending,
)
from realfake.data.sources.uva_nemo_details import VIDEO, read_details, read_text
from realfake.errors import UserError

SMILES = "happy"
"""The emotion of all clips."""
LAYOUT = "<number>_deliberate|spontaneous_smile_<k>.mp4"

_DETAILS = re.compile(r"details.*\.(txt|csv|tsv)$", re.IGNORECASE)
_RELEASE_LIST = re.compile(r"uva-nemo.*(details|labels).*\.(txt|csv|tsv)$", re.IGNORECASE)
_FOLD = re.compile(r"fold\D*(\d+)\.(txt|csv)$", re.IGNORECASE)


class UvaNemo:
    """Reads the release; ``details`` and ``folds`` are found in the root or beside it if they are not given."""

    name = "uva_nemo"

    def __init__(self, root: str | None, details: str | None = None, folds: str | None = None) -> None:
        self.folder = require_root(root, LAYOUT)
        self.root = str(self.folder)
        for key, value, exists in (("details", details, Path.is_file), ("folds", folds, Path.is_dir)):
            if value is not None and not exists(Path(value).expanduser()):
                what = "file" if key == "details" else "folder"
                raise UserError(f"data.{key}={value}: no such {what}{did_you_mean_path(Path(value).expanduser())}")
        self.details, self.folds = details, folds

    def listing(self) -> Listing:
        """List the clips.

        Raises:
            UserError: If there is none, if a list of details or of a fold is not understood, or if the lists contradict
                each other.
        """
        files, problems = list_files(self.folder)
        folds = self._fold_lists(files)
        clips: list[Clip] = []
        for path in files:
            stem, ending = split_ending(path)
            name = stem.rpartition("/")[2].strip()
            match = VIDEO.fullmatch(name)
            if ending not in VIDEO_ENDINGS:
                if not any(known.search(path) for known in (_DETAILS, _FOLD, _RELEASE_LIST)):
                    problems.append(Problem(path, "not a video and no list of details or folds"))
                continue
            if match is None:
                problems.append(Problem(path, f"the name says nothing known; expected {LAYOUT}"))
                continue
            clips.append(
                Clip(
                    clip_name(path), path, self.name, emotion=0, authenticity=int(AUTHENTICITY_WORDS[match[2].lower()])
                )
            )
        clips = _with_people(clips, self._subjects(files), problems)
        found = finish(self._with_folds(clips, folds, problems), problems, self.folder, LAYOUT)
        return replace(found, emotions=(SMILES,))

    def _subjects(self, files: list[str]) -> dict[str, str]:
        """Person of each video, from all lists of details."""
        subjects: dict[str, str] = {}
        for path in self._detail_lists(files):
            for name, subject in read_details(path).items():
                if subjects.setdefault(name, subject) != subject:
                    raise UserError(
                        f"{path}: {name} shows {subject!r}, but {subjects[name]!r} in another list of details; correct "
                        "one, or choose one with data.details=<file>"
                    )
        return subjects

    def _detail_lists(self, files: list[str]) -> list[Path]:
        if self.details is not None:
            return [Path(self.details).expanduser()]
        inside = [self.folder / f for f in files if _DETAILS.search(f)]
        beside = [p for p in sorted(self.folder.absolute().parent.iterdir()) if p.is_file() and _DETAILS.search(p.name)]
        # The release also has a list of the subjects, which names no file.
        found = [p for p in inside or beside if "subject_details" not in p.name.lower()]
        found = [p for p in found if "file" in p.name.lower()] or found
        return [p for p in found if VIDEO.search(read_text(p))] or found

    def _fold_lists(self, files: list[str]) -> dict[int, list[Path]]:
        if self.folds is not None:
            paths = sorted(Path(self.folds).expanduser().rglob("*"))
        else:
            paths = [self.folder / f for f in files if _FOLD.search(f)]
            beside = sorted(self.folder.absolute().parent.glob("*[Ff]old*"))
            paths = paths or [q for p in beside for q in (sorted(p.rglob("*")) if p.is_dir() else [p])]
        paths = [p for p in paths if _FOLD.search(p.name) and p.is_file() and "train" not in p.name.lower()]
        # The release also has folds of the young and the adult subjects alone: those of all subjects decide.
        paths = [p for p in paths if "all" in p.name.lower()] or paths
        lists: dict[int, list[Path]] = {}
        for path in paths:
            match = _FOLD.search(path.name)
            assert match is not None
            lists.setdefault(int(match[1]), []).append(path)
        return lists

    def _with_folds(self, clips: list[Clip], lists: dict[int, list[Path]], problems: list[Problem]) -> list[Clip]:
        fold_of: dict[str, int] = {}
        known = {_name(c) for c in clips}
        for fold, number in enumerate(sorted(lists)):
            for path in lists[number]:
                names = read_names(path)
                absent = [n for n in names if n not in known]
                if absent:
                    reason = f"names {len(absent)} videos that are not there, the first: {absent[0]!r}"
                    problems.append(Problem(path.name, reason, kept=True))
                for name in names:
                    if fold_of.setdefault(name, fold) != fold:
                        raise UserError(f"{path}: {name!r} is in two folds ({fold_of[name] + 1} and {fold + 1})")
        result = [replace(c, fold=fold_of.get(_name(c), -1)) for c in clips]
        without = [c.path for c in result if c.fold < 0]
        if fold_of and without:
            reason = f"kept, but no official fold names it and {len(without) - 1} more: these only ever train"
            problems.append(Problem(without[0], reason, kept=True))
        return result


def _with_people(clips: list[Clip], subjects: dict[str, str], problems: list[Problem]) -> list[Clip]:
    """The clips with the people on the list, and with those whom their number tells.

    A clip that the list lacks shows whom the other files of its number show, if no number on the list has two people.

    Args:
        clips: Without people.
        subjects: Person of each video on the list.
        problems: Added to.
    """
    problems += respelt_subjects(subjects.values(), "names")
    one = one_spelling(subjects.values())
    subjects = {name: one[subject] for name, subject in subjects.items()}
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for name, subject in subjects.items():
        owners[_number(name)].add(subject)
    single = all(len(people) == 1 for people in owners.values())
    result: list[Clip] = []
    by_number: list[str] = []
    unknown: list[str] = []
    for clip in clips:
        name = _name(clip)
        number = _number(name)
        subject = subjects.get(name, "")
        if not subject:
            subject = min(owners[number]) if single and number in owners else ""
            (by_number if subject else unknown).append(clip.path)
        result.append(replace(clip, subject=subject, pair=f"{subject or f'file {number}'}/{SMILES}"))
    lacks = (
        "the list of details names nobody for it" if subjects else "there is no list of details (data.details) for it"
    )
    for paths, who in (
        (by_number, "the person is that of the other files of the same number"),
        (unknown, "who is shown is unknown, as a person may have several numbers"),
    ):
        if paths:
            problems.append(Problem(paths[0], f"kept, but {lacks} and {len(paths) - 1} more: {who}", kept=True))
    return result


def _number(name: str) -> str:
    """``002_deliberate_smile_1`` → ``2``."""
    return str(int(name.partition("_")[0]))


def _name(clip: Clip) -> str:
    return split_ending(clip.path.rpartition("/")[2])[0].strip().casefold()


def read_names(path: Path) -> list[str]:
    """Names of the videos in a fold list, in lower case and without ending; raises :class:`UserError` without any."""
    found = [match[0].casefold() for match in VIDEO.finditer(read_text(path))]
    if not found:
        raise UserError(
            f"{path}: not understood as the list of a fold: it names no video such as 001_deliberate_smile_2.mp4; "
            "correct it, or give another folder of lists as data.folds=<folder>"
        )
    return found
