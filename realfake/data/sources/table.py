"""A table of clips (CSV or Parquet), for any dataset that has no layout of its own here.

Columns, in any order and case:

=============  ========================================================================================
path           required; the video, relative to the table (absolute also works)
subject        the person; empty = unknown, the clip is then a subject of its own
emotion        angry, contempt, disgust, happy, sad, surprise or a synonym; empty = unknown
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
from pathlib import Path
from typing import TYPE_CHECKING

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.files import clip_name, did_you_mean_path, finish, subject_id
from realfake.data.sources.label_names import read_authenticity, read_emotion, suggest
from realfake.errors import UserError
from realfake.labels import ABSENT, EMOTIONS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("path", "subject", "emotion", "authenticity", "clip", "dataset", "pair", "part", "fold")
LAYOUT = f"a CSV or Parquet table with the column path and, as known, {', '.join(COLUMNS[1:])}"
_PARTS = {"": "", "train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "val"
)


class ClipTable:
    """Reads a table of clips; ``root`` is the table's folder."""

    name = "csv"

    def __init__(self, table: str | None) -> None:
        if table is None or not table.strip():
            raise UserError(f"data.root is missing: give the table as data.root=/path/clips.csv; expected {LAYOUT}")
        self.table = Path(table).expanduser()
        if not self.table.is_file():
            what = "is a folder" if self.table.is_dir() else f"no such file{did_you_mean_path(self.table)}"
            raise UserError(f"data.root={table}: {what}; expected {LAYOUT}")
        self.root = str(self.table.parent)

    def listing(self) -> Listing:
        """List the clips.

        Raises:
            UserError: Naming the row and the value, if a label, part or fold is unknown, a path is empty or a clip
                name comes twice; also if there is no column ``path`` or no clip.
        """
        frame = read_table(self.table)
        problems: list[Problem] = []
        extra = [c for c in frame.columns if c not in COLUMNS]
        if extra:
            hints = "".join(suggest(c, [k for k in COLUMNS if k not in frame.columns]) for c in extra)
            reason = f"columns ignored: {', '.join(map(repr, extra))}{hints}; known: {', '.join(COLUMNS)}"
            problems.append(Problem(self.table.name, reason, kept=True))
        clips: list[Clip] = []
        first_row: dict[str, int] = {}
        first_name: dict[str, int] = {}
        columns = [frame[c].tolist() if c in frame.columns else [""] * len(frame) for c in COLUMNS]
        # Row 1 of a spreadsheet holds the headings.
        for row, values in enumerate(zip(*columns, strict=True), 2):
            cells = {c: v.strip() for c, v in zip(COLUMNS, values, strict=True)}
            clip = self._clip(row, cells)
            if clip.path in first_row:
                problems.append(Problem(clip.path, f"row {row} lists it again; row {first_row[clip.path]} is kept"))
                continue
            first_row[clip.path] = row
            if not (self.table.parent / clip.path).exists():
                problems.append(Problem(clip.path, f"row {row}: no such file below {self.root}"))
                continue
            if cells["clip"] and first_name.setdefault(clip.clip, row) != row:
                raise UserError(
                    f"{self.table}, row {row}: clip {clip.clip!r} is also in row {first_name[clip.clip]}; clip names "
                    "have to be unique"
                )
            clips.append(clip)
        return finish(clips, problems, self.table, LAYOUT)

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
            emotion = read_emotion(cells["emotion"])
        except ValueError as error:
            raise self._error(row, "emotion", str(error)) from None
        try:
            authenticity = read_authenticity(cells["authenticity"])
        except ValueError as error:
            raise self._error(row, "authenticity", str(error)) from None
        part = _PARTS.get(cells["part"].lower())
        if part is None:
            near = suggest(cells["part"], _PARTS)
            raise self._error(row, "part", f"{cells['part']!r}{near}; expected train, val, test")
        fold = cells["fold"].removesuffix(".0") or "-1"
        if not fold.removeprefix("-").isdigit() or not -1 <= int(fold) < 2**15:
            raise self._error(row, "fold", f"{cells['fold']!r}; expected 0, 1, … or nothing")
        subject, pair = subject_id(cells["subject"]), cells["pair"]
        dataset = cells["dataset"] or self.table.stem
        if not pair and subject and emotion != ABSENT:
            pair = f"{subject}/{EMOTIONS[emotion]}"
        return Clip(name, path, dataset, subject, emotion, authenticity, pair, part, int(fold))

    def _error(self, row: int, column: str, what: str) -> UserError:
        return UserError(f"{self.table}, row {row}, column {column}: {what}")


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV (comma, semicolon or tab) or Parquet file as text; column names in lower case.

    Raises:
        UserError: If the file is no such table, or has no column ``path``, or names a column twice.
    """
    import pandas as pd

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            raw = pd.read_parquet(path)
            frame = pd.DataFrame({c: ["" if pd.isna(v) else str(v) for v in raw[c].tolist()] for c in raw.columns})
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                heading = file.readline()
                file.seek(0)
                # Separators in the heading decide: the sniffer of the csv module is thrown by commas in paths.
                separator = max(",;\t", key=heading.count)
                rows = [r for r in csv.reader(file, delimiter=separator, strict=True) if any(c.strip() for c in r)]
            widths = {len(r) for r in rows}
            if rows and widths != {len(rows[0])}:
                bad = next(i for i, r in enumerate(rows, 1) if len(r) != len(rows[0]))
                raise ValueError(f"row {bad} has {len(rows[bad - 1])} cells, the heading {len(rows[0])}")
            frame = pd.DataFrame(rows[1:], columns=pd.Index(rows[0] if rows else [], dtype=object), dtype=object)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())}); expected {LAYOUT}") from None
    frame.columns = pd.Index([str(c).strip().lower() for c in frame.columns], dtype=object)
    if not frame.columns.is_unique:
        raise UserError(f"{path}: column {frame.columns[frame.columns.duplicated()][0]!r} comes twice")
    if "path" not in frame.columns:
        found = ", ".join(map(repr, frame.columns)) or "none"
        raise UserError(f"{path}: no column 'path' (columns: {found}); expected {LAYOUT}")
    return frame
