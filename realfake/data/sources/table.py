"""A table of clips (CSV or Parquet), for any dataset that has no layout of its own here.

Columns, in any order and case; :mod:`realfake.data.sources.columns` knows other headings for them:

=============  ========================================================================================
path           required; the video, relative to the table (absolute also works)
subject        the person; empty = unknown
emotion        one of ``data.emotions`` or a synonym; empty = unknown
authenticity   real, fake or a synonym; empty = unknown
clip           unique name; default: the path without its ending
dataset        default: the name of the table's file
pair           common to the real and fake clips that belong together; default: subject and emotion
part           official part: train, val, test
fold           official fold: 0, 1, …
=============  ========================================================================================
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.columns import COLUMNS, read_columns
from realfake.data.sources.label_names import is_no_label, suggest
from realfake.data.sources.listing import (
    clip_name,
    did_you_mean_path,
    finish,
    join_respelt,
    person_key,
    read_text,
    respelt_subjects,
    subject_id,
)
from realfake.data.sources.sase_fe import look_alikes
from realfake.errors import UserError
from realfake.labels import ABSENT, SASE_FE, LabelSpace

if TYPE_CHECKING:
    import pandas as pd

LAYOUT = f"a CSV or Parquet table with the column path and, as known, {', '.join(COLUMNS[1:])}"
_PARTS = {"": "", "train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "val"
)


class ClipTable:
    """Reads a table of clips; ``root`` is the table's folder.

    Args:
        table: Path of the table.
        columns: Column → its heading in the table, ``None`` = one of the usual ones.
        space: Of the emotions.
        keep_contradictions: Keep files that the table names with several labels.
    """

    name = "csv"

    def __init__(
        self,
        table: str | None,
        columns: Mapping[str, str | None] | None = None,
        space: LabelSpace = SASE_FE,
        keep_contradictions: bool = False,
    ) -> None:
        if table is None or not table.strip():
            raise UserError(f"data.root is missing: give the table as data.root=/path/clips.csv; expected {LAYOUT}")
        self.table = Path(table).expanduser()
        if not self.table.is_file():
            what = f"no such file{did_you_mean_path(self.table)}"
            if self.table.exists():
                what = "is a folder" if self.table.is_dir() else "not a regular file"
            raise UserError(f"data.root={table}: {what}; expected {LAYOUT}")
        self.root = str(self.table.parent)
        self.columns, self.space, self.keep_contradictions = columns or {}, space, keep_contradictions

    def listing(self) -> Listing:
        """List the clips.

        Raises:
            UserError: Naming the row and the value, if a label, part or fold is unknown, a path is empty or a clip
                name comes twice; also if there is no column ``path`` or no clip, or a heading may mean two things.
        """
        frame = read_table(self.table)
        texts: dict[str, list[str]] = {h: frame[h].tolist() for h in frame.columns}
        reading = read_columns(str(self.table), texts, self.columns, self.space)
        if "path" not in reading.columns:
            found = ", ".join(map(repr, texts)) or "none"
            raise UserError(f"{self.table}: no column 'path' (columns: {found}); expected {LAYOUT}")
        self.reading = reading
        self._read_emotion, self._read_authenticity = reading.emotion(), reading.authenticity()
        problems = [Problem(self.table.name, remark, kept=True) for remark in reading.remarks]
        rows: list[tuple[int, Clip]] = []
        first_name: dict[str, int] = {}
        people: defaultdict[str, set[str]] = defaultdict(set)
        columns = [texts[h] if (h := self._heading(c)) else [""] * len(frame) for c in COLUMNS]
        # Row 1 of a spreadsheet holds the headings.
        for row, values in enumerate(zip(*columns, strict=True), 2):
            cells = {
                c: "" if c != "path" and is_no_label(v) else v.strip() for c, v in zip(COLUMNS, values, strict=True)
            }
            clip = self._clip(row, cells)
            file = self.table.parent / clip.path
            try:
                what = "not a regular file" if file.exists() else f"no such file below {self.root}"
                there = file.is_file() or file.is_dir()
            except OSError as error:  # a name that no file can have, or a folder that is closed to this user
                what, there = str(error.strerror), False
            if not there:
                problems.append(Problem(clip.path, f"row {row}: {what}"))
                continue
            rows.append((row, clip))
            if clip.subject:
                people[clip.dataset].add(cells["subject"])
        clips = []
        for row, clip in self._each_file_once(rows, problems):
            name = columns[COLUMNS.index("clip")][row - 2]
            if not is_no_label(name) and first_name.setdefault(clip.clip, row) != row:
                raise UserError(
                    f"{self.table}, row {row}: clip {clip.clip!r} is also in row {first_name[clip.clip]}; clip names "
                    "have to be unique"
                )
            clips.append(clip)
        for spellings in people.values():
            problems += respelt_subjects(spellings, "names")
        clips = join_respelt(clips)
        for dataset in people:
            problems += look_alikes({c.subject for c in clips if c.dataset == dataset})
        return replace(finish(clips, problems, self.table, LAYOUT, tuple(texts)), emotions=self.space.emotions)

    def _heading(self, column: str) -> str | None:
        names = ("authenticity", "real", "fake") if column == "authenticity" else (column,)
        return next((self.reading.columns[n] for n in names if n in self.reading.columns), None)

    def _each_file_once(self, rows: list[tuple[int, Clip]], problems: list[Problem]) -> Iterator[tuple[int, Clip]]:
        """The first of the rows that name one file, by whatever path; none, if they disagree about what it shows."""
        of_file: defaultdict[Path, list[tuple[int, Clip]]] = defaultdict(list)
        for row, clip in rows:
            of_file[(self.table.parent / clip.path).resolve()].append((row, clip))
        for same in of_file.values():
            (first_row, first), *more = same
            said = {(c.emotion, c.authenticity, person_key(c.subject), c.part, c.fold) for _, c in same}
            if len(said) > 1:
                if self.keep_contradictions:
                    yield from same
                    continue
                numbers = " and ".join(str(row) for row, _ in same)
                reason = f"rows {numbers} name this file with different labels, people or parts"
                problems.append(Problem(first.path, f"{reason} (data.duplicates=keep keeps it)"))
                continue
            problems += [Problem(c.path, f"row {row} lists it again; row {first_row} is kept") for row, c in more]
            yield first_row, first

    def _clip(self, row: int, cells: dict[str, str]) -> Clip:
        path = cells["path"]
        if not path:
            raise self._error(row, "path", "is empty; expected the path of a video, relative to the table")
        if "\\" in path and not (self.table.parent / path).exists():
            path = path.replace("\\", "/")
        name = cells["clip"] or clip_name(path)
        if cells["clip"] and clip_name(f"{name}.x") != name:
            raise self._error(row, "clip", f"{name!r}; expected a plain name, folders with '/' and without '..'")
        try:
            emotion = self._read_emotion(cells["emotion"])
        except ValueError as error:
            way = "if the table has other emotions, declare them all, as in data.emotions=[happy,fear]"
            raise self._error(row, "emotion", f"{error}; {way}") from None
        try:
            authenticity = self._read_authenticity(cells["authenticity"])
        except ValueError as error:
            raise self._error(row, "authenticity", str(error)) from None
        part = _PARTS.get(cells["part"].lower())
        if part is None:
            near = suggest(cells["part"], _PARTS)
            raise self._error(row, "part", f"{cells['part']!r}{near}; expected train, val, test")
        fold = cells["fold"].removesuffix(".0") or "-1"
        if cells["fold"] and not (re.fullmatch(r"[0-9]{1,5}", fold) and int(fold) < 2**15):
            raise self._error(row, "fold", f"{cells['fold']!r}; expected 0, 1, … or nothing")
        subject, pair = subject_id(cells["subject"]), cells["pair"]
        dataset = cells["dataset"] or self.table.stem
        if not pair and subject and emotion != ABSENT:
            pair = f"{subject}/{self.space.emotions[emotion]}"
        return Clip(name, path, dataset, subject, emotion, authenticity, pair, part, int(fold))

    def _error(self, row: int, column: str, what: str) -> UserError:
        return UserError(f"{self.table}, row {row}, column {self._heading(column) or column}: {what}")


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV (comma, semicolon or tab) or Parquet file as text.

    Raises:
        UserError: If the file is no such table, or names a column twice.
    """
    import pandas as pd

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            raw = pd.read_parquet(path)
            frame = pd.DataFrame({c: ["" if pd.isna(v) else _text(v) for v in raw[c].tolist()] for c in raw.columns})
        else:
            text = read_text(path)
            # Separators in the heading decide: the sniffer of the csv module is thrown by commas in paths.
            separator = max(",;\t", key=text.partition("\n")[0].count)
            lines = io.StringIO(text, newline="")
            rows = [r for r in csv.reader(lines, delimiter=separator, strict=True) if any(c.strip() for c in r)]
            widths = {len(r) for r in rows}
            if rows and widths != {len(rows[0])}:
                bad = next(i for i, r in enumerate(rows, 1) if len(r) != len(rows[0]))
                raise ValueError(f"row {bad} has {len(rows[bad - 1])} cells, the heading {len(rows[0])}")
            frame = pd.DataFrame(rows[1:], columns=pd.Index(rows[0] if rows else [], dtype=object), dtype=object)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())}); expected {LAYOUT}") from None
    frame.columns = pd.Index([str(c).strip() for c in frame.columns], dtype=object)
    twice = frame.columns.str.lower().duplicated()
    if twice.any():
        raise UserError(f"{path}: column {str(frame.columns[twice][0]).lower()!r} comes twice")
    return frame


def _text(value: Any) -> str:
    """A cell as text; where others are missing, whole numbers come as 1.0."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
