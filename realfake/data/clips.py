"""The clip table: the only form in which the rest of the project knows a dataset.

A *clip* is one video (or one folder of images) of one person. A source reads a layout and lists clips; preparation
adds what only the file itself tells (frame rate, length, checksum).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from realfake.errors import UserError
from realfake.labels import ABSENT, EMOTIONS, LabelSpace

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "val", "test")
UNUSED = ""
"""Part of a clip that is left out: it belongs to an official part whose labels were never published."""


@dataclass(frozen=True)
class Clip:
    """One row of the clip table, as far as a layout tells it."""

    clip: str
    """Unique name: the path below the root, with ``/``, without the file's ending."""
    path: str
    """Path of the video (or image, or array) below the source's root, with ``/``."""
    dataset: str
    subject: str = ""
    """Empty = unknown, see :mod:`realfake.data.people`."""
    emotion: int = ABSENT
    authenticity: int = ABSENT
    pair: str = ""
    """Common to the real and the fake clips of one subject and emotion; empty = no pair."""
    part: str = ""
    """Official part of the dataset (``train``, ``val``, ``test``); empty = none."""
    fold: int = -1
    """Official fold of the dataset; -1 = none."""


@dataclass(frozen=True)
class Problem:
    """A file that a source or the preparation could not use, and why."""

    path: str
    reason: str
    kept: bool = False
    """The file is used all the same; the reason is a remark."""


@dataclass(frozen=True)
class Listing:
    """What a source found: its clips in a fixed order, and every file that it had to leave out."""

    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...] = field(default=())
    columns: tuple[str, ...] = ()
    """Headings of the table that was read; empty where a dataset is no table."""
    emotions: tuple[str, ...] = EMOTIONS
    """Names of the emotions that the clips' numbers mean."""

    def numbered(self, space: LabelSpace) -> Listing:
        """The same with emotions numbered as in a label space; clips that show others are left out, with the reason.

        Raises:
            UserError: If no clip is left.
        """
        if self.emotions == space.emotions:
            return self
        numbers, declared = space.numbers(self.emotions), f"data.emotions=[{','.join(space.emotions)}]"
        clips, problems = [], list(self.problems)
        for clip in self.clips:
            if clip.emotion == ABSENT or numbers[clip.emotion] != ABSENT:
                clips.append(replace(clip, emotion=numbers[clip.emotion]))
            else:
                problems.append(Problem(clip.path, f"shows {self.emotions[clip.emotion]}, which is not in {declared}"))
        if not clips:
            raise UserError(f"{declared}: no clip shows any of them; {problems[-1].path} {problems[-1].reason}")
        return replace(self, clips=tuple(clips), problems=tuple(problems), emotions=space.emotions)

    def frame(self) -> pd.DataFrame:
        """The clips as a table with one column per field of :class:`Clip`."""
        return clip_frame(self.clips)


class Source(Protocol):
    """Reads one layout. ``root`` is the folder to which clip paths are relative."""

    name: str
    root: str

    def listing(self) -> Listing:
        """List the clips, sorted by name; raises :class:`UserError` if the root is missing or holds no clip."""
        ...


def clip_frame(clips: Iterable[Clip]) -> pd.DataFrame:
    """Make the clip table of ``clips``; labels as int8, folds as int16, the rest as text.

    Raises:
        UserError: If two clips have the same name.
    """
    import pandas as pd

    columns = list(Clip.__dataclass_fields__)
    table = pd.DataFrame([vars(c) for c in clips], columns=columns)
    table = table.astype({"emotion": "int8", "authenticity": "int8", "fold": "int16"})
    twice = table["clip"][table["clip"].duplicated()]
    if len(twice):
        raise UserError(f"clip {twice.iloc[0]!r} is listed twice: clip names have to be unique")
    return table
