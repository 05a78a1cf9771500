"""UvA-NEMO smiles (Dibeklioglu, Salah, Gevers; ECCV 2012): ``<number>_deliberate|spontaneous_smile_<k>.mp4``.

400 subjects, 597 spontaneous and 643 deliberate smiles. The number of a file is not always the person: the list
``UvA-NEMO_Smile_Database_File_Details.txt`` of the release says who it is. Ten official folds come as lists of file
names, ``P_fold_all_<k>.txt`` (posed) and ``S_fold_all_<k>.txt`` (spontaneous), k = 1 to 10.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.files import (
    VIDEO_ENDINGS,
    clip_name,
    did_you_mean_path,
    finish,
    list_files,
    require_root,
    split_ending,
    subject_id,
)
from realfake.data.sources.label_names import AUTHENTICITY_WORDS
from realfake.errors import UserError
from realfake.labels import EMOTIONS, Emotion

LAYOUT = "<subject>_deliberate|spontaneous_smile_<k>.mp4"

_VIDEO = re.compile(r"(\d+)_(deliberate|spontaneous|posed)_smile_(\d+)", re.IGNORECASE)
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
        """List the clips; raises :class:`UserError` if there is none, or if the fold lists contradict each other."""
        files, problems = list_files(self.folder)
        details = self._detail_lists(files)
        folds = self._fold_lists(files)
        subjects = {name: s for path in details for name, s in read_details(path).items()}
        clips: list[Clip] = []
        for path in files:
            stem, ending = split_ending(path)
            name = stem.rpartition("/")[2].strip()
            match = _VIDEO.fullmatch(name)
            if ending not in VIDEO_ENDINGS:
                if not any(known.search(path) for known in (_DETAILS, _FOLD, _RELEASE_LIST)):
                    problems.append(Problem(path, "not a video and no list of details or folds"))
                continue
            if match is None:
                problems.append(Problem(path, f"the name says nothing known; expected {LAYOUT}"))
                continue
            subject = subjects.get(name.casefold(), subject_id(match[1]))
            clips.append(
                Clip(
                    clip_name(path),
                    path,
                    self.name,
                    subject,
                    int(Emotion.HAPPY),
                    int(AUTHENTICITY_WORDS[match[2].lower()]),
                    f"{subject}/{EMOTIONS[Emotion.HAPPY]}",
                )
            )
        missing = [c.path for c in clips if _name(c) not in subjects]
        if subjects and missing:
            reason = f"kept, but the list of details lacks it and {len(missing) - 1} more; their number is the subject"
            problems.append(Problem(missing[0], reason, kept=True))
        return finish(self._with_folds(clips, folds, problems), problems, self.folder, LAYOUT)

    def _detail_lists(self, files: list[str]) -> list[Path]:
        if self.details is not None:
            return [Path(self.details).expanduser()]
        inside = [self.folder / f for f in files if _DETAILS.search(f)]
        beside = [p for p in sorted(self.folder.absolute().parent.iterdir()) if p.is_file() and _DETAILS.search(p.name)]
        return [p for p in (inside or beside) if "file" in p.name.lower() or len(inside or beside) == 1]

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


def _name(clip: Clip) -> str:
    return split_ending(clip.path.rpartition("/")[2])[0].strip().casefold()


def read_names(path: Path) -> list[str]:
    """Names of the videos in a fold list, in lower case and without ending: the first of each line that fits."""
    found = (_VIDEO.search(line) for line in _text(path).splitlines())
    return [match[0].casefold() for match in found if match]


def read_details(path: Path) -> dict[str, str]:
    """Subject of each video in the list of file details: cells split at tabs, semicolons or commas.

    The line of headings, wherever it is, says which column holds the subject (its name contains ``subject``, and
    ``code`` if several do); without headings it is the second one.

    Returns:
        Name of the video in lower case, without its ending → subject.
    """
    subjects: dict[str, str] = {}
    column = 1
    for line in _text(path).splitlines():
        cells = [c.strip().strip("\"'") for c in re.split(r"[\t;,]", line)]
        videos = [m for c in cells if (m := _VIDEO.match(c))]
        if videos and column < len(cells) and cells[column]:
            subjects[videos[0][0].casefold()] = subject_id(cells[column])
        elif not videos and len(cells) > 1:
            headings = [i for i, c in enumerate(cells) if "subject" in c.lower()]
            column = next((i for i in headings if "code" in cells[i].lower()), headings[0] if headings else column)
    return subjects


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
