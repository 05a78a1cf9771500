"""The list of file details of UvA-NEMO: which person a video shows.

In the release a line is a video: its file, the code of its subject, gender, age and kind of smile. Copies of the list
are separated by tabs (one or several), aligned with spaces, or saved as CSV, and their headings may take several lines.
The subject is only taken from a column that is known to hold it; a list that leaves a doubt is refused, since with an
age or the number of a file for a person, one person would lie in several parts of a split.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from realfake.data.sources.label_names import AUTHENTICITY_WORDS, is_no_label
from realfake.data.sources.listing import subject_id
from realfake.errors import UserError

VIDEO = re.compile(r"(\d+)_(deliberate|spontaneous|posed)_smile_(\d+)", re.IGNORECASE)
"""Name of a video without its ending: number of the file, kind of smile, number of the smile."""

_VIDEO_CELL = re.compile(rf"(?:.*[/\\])?({VIDEO.pattern})(?:\.\w+)?", re.IGNORECASE)
_GENDERS = {"male", "female", "m", "f", "man", "woman"}
_SMILES = set(AUTHENTICITY_WORDS)
_ABOUT = {
    "video": r"file|video|clip",
    "subject": r"subject|person|participant|code",
    "gender": r"gender|sex",
    "age": r"age\b|years?",
    "smile": r"smile|type|kind|label",
}
"""What a heading is about, by its words."""

Table = list[list[str]]


class _Doubt(ValueError):
    """Why the list cannot be read in some way; the more is understood of it, the more certain."""

    def __init__(self, reason: str, certainty: int = 0) -> None:
        super().__init__(reason)
        self.certainty = certainty


@dataclass(frozen=True)
class _Way:
    """How lines are split into cells."""

    pattern: str
    exact: bool
    """Whether two separators in a row have an empty cell between them."""

    def cells(self, line: str) -> list[str]:
        if self.pattern in ",;":
            found = next(csv.reader([line], delimiter=self.pattern), [])
        else:
            found = re.split(self.pattern, line.strip(" \r\n") if self.exact else line.strip())
        return [cell.strip().strip("\"'") for cell in found]

    def places(self, line: str) -> Iterator[tuple[str, int, int]]:
        """Each cell with its first column on a page, and the one behind its last."""
        line = line.expandtabs()
        gaps = [m.span() for m in re.finditer(self.pattern.replace(r"\t+", r"\s{2,}"), line)]
        edges = [(0, 0), *gaps, (len(line), len(line))]
        for (_, start), (end, _) in pairwise(edges):
            if line[start:end].strip():
                yield line[start:end], start, end


def read_details(path: Path) -> dict[str, str]:
    """Subject of each video in the list of file details.

    Cells are separated by commas or semicolons, by one or several tabs, or by spaces. The headings, which may take
    several lines, say which column holds the subject; a list without any has to be in the order of the release.

    Returns:
        Name of the video in lower case, without its ending → subject; a video whose subject is empty is left out.

    Raises:
        UserError: If the list cannot be read, or it is not certain which column holds the subject.
    """
    lines = read_text(path).splitlines()
    numbers = [i for i, line in enumerate(lines) if VIDEO.search(line)]
    rows, headings = [lines[i] for i in numbers], _headings(lines[: numbers[0]]) if numbers else []
    doubts: list[_Doubt] = []
    for way in _ways(rows):
        try:
            table = _table(rows, way)
        except _Doubt as doubt:
            doubts.append(doubt)
            continue
        for column in _subject_columns(table, rows, headings, way):
            try:
                return _subjects(table, column)
            except _Doubt as doubt:
                doubts.append(doubt)
        doubts.append(_Doubt("no heading says which column is the subject", 1))
    why = max(doubts, key=lambda doubt: doubt.certainty) if rows else "no line names a video"
    raise UserError(
        f"{path}: not understood as the list of details ({why}); expected a line a video such as "
        "001_deliberate_smile_2.mp4, and a column headed 'Subject Code' that says whom it shows: correct the list, or "
        "give another as data.details=<file>"
    )


def read_text(path: Path) -> str:
    """A text file in UTF-8 or, failing that, Latin-1; raises :class:`UserError` if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _ways(rows: Sequence[str]) -> list[_Way]:
    """The ways in which the rows may be separated, the strictest first; none without rows."""
    if not rows:
        return []
    for separator in ";,":
        if all(separator in row for row in rows):
            return [_Way(separator, exact=True)]
    tabs = [_Way(r"\t", exact=True), _Way(r"\t+", exact=False)] if any("\t" in row for row in rows) else []
    return [*tabs, _Way(r"\s{2,}", exact=False), _Way(r"\s+", exact=False)]


def _table(rows: Sequence[str], way: _Way) -> Table:
    """The rows' cells; raises unless all rows have as many, and no column is empty throughout."""
    table = [way.cells(row) for row in rows]
    width = len(table[0])
    for cells in table:
        if len(cells) != width:
            raise _Doubt(f"{cells[0]!r} has {len(cells)} cells, {table[0][0]!r} has {width}")
        if sum(_VIDEO_CELL.fullmatch(cell) is not None for cell in cells) != 1:
            raise _Doubt(f"{' '.join(cells)!r} does not name one video in a cell of its own")
    if width < 2 or not all(map(any, zip(*table, strict=True))):
        raise _Doubt("only the videos' names are in its lines" if width < 2 else "a column is empty")
    return table


def _headings(lines: Sequence[str]) -> list[str]:
    """The last lines above the rows that belong together, without rulings and titles."""
    block: list[str] = []
    for line in reversed(lines):
        if re.search(r"\w", line):
            block.insert(0, line)
        elif block and not line.strip():
            break
    title = re.compile(r"\w\S*(?: \S+)*[\s;,]*")  # begins at the margin, and has nothing beside it
    while len(block) > 1 and title.fullmatch(block[0]) and not re.search(r"[;,]\S", block[0]):
        block.pop(0)
    return block


def _subject_columns(table: Table, rows: Sequence[str], headings: Sequence[str], way: _Way) -> Iterator[int]:
    """Columns that may be called the subject's, the most certain first."""
    width = len(table[0])
    for named in (_by_cells(headings, width, way), _by_place(headings, rows, width, way), _by_order(headings, width)):
        subjects = [i for i, text in enumerate(named) if _about(text) == ["subject"]]
        codes = [i for i in subjects if re.search(r"code", named[i], re.I) and re.search(r"subject", named[i], re.I)]
        if len(subjects) == 1 or len(codes) == 1:
            yield (codes if len(codes) == 1 else subjects)[0]
    if _in_order_of_the_release(table):
        yield 1


def _by_cells(headings: Sequence[str], width: int, way: _Way) -> list[str]:
    """Heading of each column, if the headings are split into as many cells as the rows."""
    cells = [way.cells(line) for line in headings]
    if way.exact:
        cells = [row + [""] * (width - len(row)) for row in cells]
    return [" ".join(column) for column in zip(*cells, strict=True)] if all(len(r) == width for r in cells) else []


def _by_place(headings: Sequence[str], rows: Sequence[str], width: int, way: _Way) -> list[str]:
    """Heading of each column, if the headings stand above it: what overlaps its cells, or begins nearest to them."""
    if way.exact:
        return []
    cells = [list(way.places(row)) for row in rows]
    if any(len(row) != width for row in cells):
        return []
    columns = [(min(c[1] for c in column), max(c[2] for c in column)) for column in zip(*cells, strict=True)]
    found = [""] * width
    for line in headings:
        for text, start, end in _Way(r"\s{2,}", exact=False).places(line):
            overlap = [min(end, b) - max(start, a) for a, b in columns]  # negative: how far away
            found[overlap.index(max(overlap))] += f" {text}"
    return found


def _by_order(headings: Sequence[str], width: int) -> list[str]:
    """Heading of each column, if one line names as many different things as there are columns."""
    if len(headings) != 1:
        return []
    places = sorted((m.start(), about) for about, words in _ABOUT.items() for m in _occurrences(words, headings[0]))
    order = list(dict.fromkeys(about for _, about in places))
    return order if len(order) == width else []


def _about(heading: str) -> list[str]:
    """What a heading is about."""
    return [about for about, words in _ABOUT.items() if any(_occurrences(words, heading))]


def _occurrences(words: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?<![a-z])(?:{words})", text, re.IGNORECASE)


def _in_order_of_the_release(table: Table) -> bool:
    """Whether the columns hold, by their content: video, subject, gender, age and kind of smile.

    A person has one gender and one age; so has no age one subject, and no gender.
    """
    if len(table[0]) != 5:
        return False
    video, subject, gender, age, smile = zip(*table, strict=True)
    known = {s: (g, a) for s, g, a in zip(subject, gender, age, strict=True)}
    return (
        all(_VIDEO_CELL.fullmatch(v) for v in video)
        and all(g.lower() in _GENDERS for g in gender)
        and all(re.fullmatch(r"\d{1,3}", a) for a in age)
        and all(s.lower() in _SMILES for s in smile)
        and all(known[s] == (g, a) for s, g, a in zip(subject, gender, age, strict=True))
    )


def _subjects(table: Table, column: int) -> dict[str, str]:
    """Video → subject; raises if the column's content is something else, or contradicts the others."""
    columns = list(zip(*table, strict=True))
    if all(cell.lower() in _GENDERS | _SMILES or _VIDEO_CELL.fullmatch(cell) for cell in columns[column] if cell):
        raise _Doubt(f"{table[0][column]!r} stands where the subject is expected", 2)
    genders = [cells for cells in columns if all(cell.lower() in _GENDERS for cell in cells if cell)]
    subjects: dict[str, str] = {}
    gender_of: dict[str, str] = {}
    for number, row in enumerate(table):
        video = next(m[1].casefold() for cell in row if (m := _VIDEO_CELL.fullmatch(cell)))
        subject = subject_id(row[column])
        if is_no_label(subject):
            continue
        if subjects.setdefault(video, subject) != subject:
            raise _Doubt(f"{video} would show {subjects[video]!r} and {subject!r}", 2)
        for cells in genders[:1]:
            gender = cells[number].lower()[:1].replace("w", "f")
            if gender and gender_of.setdefault(subject, gender) != gender:
                raise _Doubt(f"subject {subject!r} would be both male and female", 2)
    return subjects
