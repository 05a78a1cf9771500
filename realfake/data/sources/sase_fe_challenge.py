"""SASE-FE, release of the ChaLearn LAP challenge (ICCV 2017).

Training videos lie in ``train/<integer id>/<code>.MP4``. Validation and test videos are ``<10 digits>_<EMOTION>.mp4``:
they tell neither the person nor whether the emotion is real. Each of them is a subject of its own here; a list of
labels beside the videos, if there is one, tells the authenticity.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.label_names import read_authenticity, read_emotion
from realfake.data.sources.listing import (
    VIDEO_ENDINGS,
    clip_name,
    finish,
    join_respelt,
    list_files,
    read_text,
    require_root,
    respelt_subjects,
    split_ending,
)
from realfake.data.sources.sase_fe import code_clip, same_code_twice
from realfake.errors import UserError
from realfake.labels import ABSENT

LAYOUT = "train/<integer id>/<code>.MP4 and val|test/<10 digits>_<EMOTION>.mp4"

_ANONYMOUS = re.compile(r"(\d{10})_(\S+)")
_LABEL_LIST = re.compile(r"label|ground.?truth|(^|[/_])gt([_.]|$)", re.IGNORECASE)
_CODES = {"0": "fake", "1": "real"}


class SaseFeChallenge:
    """Reads the challenge release; ``root`` holds the parts, or is one of them."""

    name = "sase_fe_challenge"

    def __init__(self, root: str | None) -> None:
        self.folder = require_root(root, LAYOUT)
        self.root = str(self.folder)

    def listing(self) -> Listing:
        """List the clips; raises :class:`UserError` if there is none or a list of labels cannot be read."""
        files, problems = list_files(self.folder)
        texts = [f for f in files if split_ending(f)[1] in (".csv", ".txt")]
        lists = [f for f in texts if _LABEL_LIST.search(f.rpartition("/")[2])]
        clips: list[Clip] = []
        for path in files:
            if path in lists:
                continue
            try:
                clips.append(self._clip(path))
            except ValueError as error:
                problems.append(Problem(path, str(error)))
        clips = join_respelt(clips)
        coded = [c for c in clips if c.subject]
        problems += respelt_subjects(c.path.rpartition("/")[0] for c in coded)
        problems += same_code_twice(coded)
        for path in lists:
            clips = self._label(clips, path, problems)
        return finish(clips, problems, self.folder, LAYOUT)

    def _clip(self, path: str) -> Clip:
        stem, ending = split_ending(path)
        folder, _, name = stem.rpartition("/")
        part = official_part(folder, self.folder.name)
        match = _ANONYMOUS.fullmatch(name.strip())
        if match is None or ending not in VIDEO_ENDINGS:
            if ending in VIDEO_ENDINGS and official_part(folder.rpartition("/")[2], ""):
                raise ValueError("expected <integer id>/<code>.MP4 or <10 digits>_<EMOTION>.mp4")
            return code_clip(path, self.name, part)
        try:
            emotion = read_emotion(match[2])
        except ValueError as error:
            raise ValueError(f"unknown emotion {error}") from None
        return Clip(clip_name(path), path, self.name, emotion=emotion, part=part)

    def _label(self, clips: list[Clip], path: str, problems: list[Problem]) -> list[Clip]:
        """Give the clips without a subject the labels of a list; one inside a part's folder speaks of that part."""
        labels = read_label_list(self.folder / path)
        part = official_part(path.rpartition("/")[0], "")
        result: list[Clip] = []
        used: set[str] = set()
        for clip in clips:
            stem = split_ending(clip.path.rpartition("/")[2])[0].casefold()
            meant = not clip.subject and stem in labels and part in ("", clip.part)
            result.append(replace(clip, authenticity=labels[stem]) if meant else clip)
            used |= {stem} if meant else set()
        for name in sorted(set(labels) - used):
            problems.append(Problem(path, f"names {name!r}, which is no video without a subject here", kept=True))
        return result


@lru_cache(maxsize=4096)
def official_part(folder: str, root_name: str) -> str:
    """``train``, ``val`` or ``test`` by the first folder whose name begins so, or by the root's own name."""
    for name in [*folder.split("/"), root_name]:
        for part, beginnings in (("train", ("train",)), ("val", ("val", "dev")), ("test", ("test",))):
            if name.casefold().startswith(beginnings):
                return part
    return ""


def read_label_list(path: Path) -> dict[str, int]:
    """Read a list of ``name,label`` lines: CSV or text, split at commas, semicolons, tabs or spaces.

    The name may have an ending and a folder; the label is a word for real or fake, or ``1`` (real) or ``0`` (fake).
    Empty lines, lines that begin with ``#`` and one line of headings are passed over.

    Returns:
        Name in lower case, without folder and ending → authenticity (0 or 1, or ``ABSENT``).

    Raises:
        UserError: Naming the file and the line that cannot be read.
    """
    labels: dict[str, int] = {}
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); expected lines of name,label") from None
    for number, line in enumerate(lines, 1):
        cells = [c.strip().strip("\"'") for c in re.split(r"[,;\t]|\s+", line.strip()) if c.strip()]
        if not cells or cells[0].startswith("#"):
            continue
        name = re.sub(r"\.[A-Za-z0-9]{1,4}$", "", re.split(r"[/\\]", cells[0])[-1]).casefold()
        try:
            labels[name] = read_authenticity(_CODES.get(cells[-1], cells[-1])) if len(cells) > 1 else ABSENT
        except ValueError as error:
            if number == 1:  # headings
                continue
            raise UserError(f"{path}, line {number}: unknown label {error}, or 1 (real), 0 (fake)") from None
        if len(cells) < 2:
            raise UserError(f"{path}, line {number}: {line.strip()!r} has no label; expected name,label")
    return labels
