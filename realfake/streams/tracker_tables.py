"""Reads the table that a tracker wrote of a video, a row a frame and face: OpenFace 2 and 3, py-feat.

Columns are found by name, in any order, and a table may lack those of a stream. What concerns single frames only (a
lost face, a damaged row, a line cut short) is a gap there; what concerns the table is one line.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.config.landmarks import UNITS
from realfake.config.trackers import TRACKERS
from realfake.errors import UserError
from realfake.streams.stream import Extracted
from realfake.streams.tracker_formats import FORMATS, Columns, TableFormat

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 6
"""Columns that an error names."""
_EMPTY = "holds no frame; let the tracker run again, or remove the table"
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan", re.IGNORECASE)


def read_tracker_table(
    source: Path | io.StringIO, tracker: str, fps: float, boxes: np.ndarray | None = None
) -> dict[str, Extracted]:
    """Read the streams of a clip from a tracker's table.

    Args:
        source: CSV (comma, semicolon with decimal commas, or tab), the same in gzip, or Parquet; or its text.
        tracker: Of :data:`realfake.streams.tracker_formats.FORMATS`.
        fps: Frames a second of the video, for tables that number frames only.
        boxes: Our track of the face, (m,) with ``time_sec``, ``x``, ``y``, ``width``, ``height``: of several faces
            in the table, the one that overlaps it most in each frame is taken; without boxes (or landmarks), the one
            with most confident frames.

    Returns:
        Stream → its moments, for each stream whose columns the table has. All have the same moments.

    Raises:
        UserError: If the file is no such table, is empty or damaged, or no face was tracked in it.
    """
    form, name = FORMATS[tracker], str(source) if isinstance(source, Path) else "the table"
    texts, headings = _texts(source, name, form)
    table = _numbers(texts, name, form)
    found = {stream: columns for stream, c in form.streams.items() if (columns := _there(c, table))}
    # Points are called alike by all.
    if not found or _writer(headings) not in (None, tracker):
        raise UserError(f"{name}: {_unlike(headings, form, tracker)}")
    if table.empty:
        raise UserError(f"{name}: {_EMPTY}")
    table["time"] = _times(table, form, fps)
    table["quality"] = _quality(table, form)
    table["face"] = texts[form.face].fillna("") if form.face in texts else ""
    table = table[table["time"].notna()].sort_values("time", kind="stable")
    if not (table["quality"] > 0).any():
        raise UserError(
            f"{name}: no face was tracked in any of {len(texts)} rows; look at the video, or remove the table"
        )
    table = _with_holes(_one_face(table, found.get("landmarks"), boxes, name), form)
    times = table["time"].to_numpy(np.float32)
    return {stream: Extracted(times, *_values(table, times, columns)) for stream, columns in found.items()}


def tracker_of(source: Path) -> str | None:
    """Who wrote a table, by its headings: of :data:`FORMATS`, or ``MediaPipe`` of one that ``realfake signals`` wrote.

    ``None`` if nobody is known by them, or it cannot be read.
    """
    try:
        return _writer(_texts(source, str(source), next(iter(FORMATS.values())))[1])
    except UserError:
        return None


def _writer(headings: list[str]) -> str | None:
    there = set(headings)
    if {f"units_{unit}" for unit in UNITS} <= there:
        return TRACKERS["mediapipe"]
    for name, form in FORMATS.items():
        known = there.union(*(names for column, names in form.lists.items() if column in there))
        if form.signs <= there and any(_there(columns, known) for columns in form.streams.values()):
            return name
    return None


def _texts(source: Path | io.StringIO, name: str, form: TableFormat) -> tuple[pd.DataFrame, list[str]]:
    """The columns that matter, as text, and the headings of all."""
    import pandas as pd

    try:
        if isinstance(source, Path) and source.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(source)
            return table[[c for c in table.columns if c in form.wanted]].astype(str), list(map(str, table.columns))
        if isinstance(source, Path):
            raw = source.read_bytes()
            raw = gzip.decompress(raw) if source.suffix.lower() == ".gz" else raw
            source = io.StringIO(raw.decode("utf-8-sig", errors="replace"))
        text = source.read()
        heading, _, rest = text.partition("\n")
        separator = max(",;\t", key=heading.count)
        text = text.removesuffix(rest.rpartition("\n")[2])  # trackers end each line: it is cut, perhaps in a number
        table = pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, skipinitialspace=True, on_bad_lines="skip", index_col=False,
            usecols=lambda column: column.strip() in form.wanted,
        )  # fmt: skip
    except pd.errors.EmptyDataError:
        raise UserError(f"{name}: {_EMPTY}") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{name}: cannot be read ({' '.join(str(error).split())}); write it again") from None
    table.columns = table.columns.str.strip()
    if separator == ";":
        table = table.apply(lambda column: column.str.replace(",", ".") if column.name not in form.lists else column)
    return table, [cell.strip() for cell in heading.split(separator)]


def _numbers(texts: pd.DataFrame, name: str, form: TableFormat) -> pd.DataFrame:
    """Cells as numbers, lists of numbers as several columns; NaN where a cell is damaged."""
    import pandas as pd

    columns: dict[str, np.ndarray] = {}
    for heading in texts.columns:
        cells = texts[heading]
        if heading in form.lists:
            names = form.lists[heading]
            rows = [_listed(cell, len(names)) for cell in cells]
            columns |= dict(zip(names, np.array(rows).reshape(len(rows), len(names)).T, strict=True))
        elif heading != form.face:
            columns[heading] = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
            if np.isfinite(columns[heading]).any():
                continue
            said = np.flatnonzero(cells.notna() & ~cells.str.strip().str.lower().isin(("", "nan")))
            if len(said):
                raise UserError(
                    f"{name}, row {said[0] + 2}, column {heading}: {cells.iloc[said[0]]!r}; expected a number"
                )
    return pd.DataFrame(columns, index=texts.index)


def _listed(cell: object, count: int) -> list[float]:
    found = [float(number) for number in _NUMBER.findall(cell)] if isinstance(cell, str) else []
    return found[:count] if len(found) >= count else [np.nan] * count


def _there(columns: Columns, table: Container[str]) -> Columns | None:
    """The columns of a stream that the table has, as it writes them."""
    if all(name in table for name in columns.names) and columns.absent not in table:
        return columns
    return columns.instead and _there(columns.instead, table)


def _unlike(headings: list[str], form: TableFormat, tracker: str) -> str:
    """What is wrong with a table that has none of the streams' columns, or is another tracker's."""
    shown, hint = headings[:_SHOWN], ""
    if (writer := _writer(headings)) not in (None, tracker):
        words = FORMATS[writer].words if writer in FORMATS else f"{writer}, as realfake signals writes it"
        key = next(key for key, told in TRACKERS.items() if told == writer)
        hint = (
            f"; it looks like one of {words}, which a run that was trained on {tracker} takes with accept=[{key}] only"
        )
    return f"no columns of {form.words} in it (found: {', '.join(shown) or 'none'}){hint}"


def _times(table: pd.DataFrame, form: TableFormat, fps: float) -> np.ndarray:
    """Seconds of each row: as the table says, else by the frame's number; NaN where neither is known."""
    counted = (
        (table[form.frame].to_numpy() - form.first_frame) / fps if form.frame in table else np.full(len(table), np.nan)
    )
    if form.time is None or form.time not in table:
        return counted
    told = table[form.time].to_numpy()
    # Of pictures in a folder, some trackers say 0 throughout.
    return np.where(np.isfinite(told), told, counted) if np.nanmax(told, initial=0.0) > 0 else counted


def _quality(table: pd.DataFrame, form: TableFormat) -> np.ndarray:
    """Confidence of each row from 0 to 1; 0 where the face was lost."""
    quality = table[form.confidence].to_numpy() if form.confidence in table else np.ones(len(table))
    if form.success in table:
        quality = np.where(table[form.success].to_numpy() == 1, quality, 0.0)
    return np.nan_to_num(quality).clip(0.0, 1.0)


def _one_face(table: pd.DataFrame, landmarks: Columns | None, boxes: np.ndarray | None, name: str) -> pd.DataFrame:
    """One row a moment, of one person's face."""
    if table["time"].duplicated().any():
        if landmarks is not None and boxes is not None and len(boxes):
            points = landmarks.convert(table[list(landmarks.names)].to_numpy())
            rank = _overlap(points, table["time"].to_numpy(), boxes)
            table = table.assign(rank=rank, quality=np.where(rank > 0, table["quality"], 0.0))
            if not (table["quality"] > 0).any():
                raise UserError(
                    f"{name}: none of its faces lies where the clip's face is; it may be of another video, or of "
                    "the same one in another size"
                )
        else:
            total = table.groupby("face")["quality"].transform("sum")
            table = table[table["face"] == table["face"].iloc[int(np.argmax(total))]]
            table = table.assign(rank=table["quality"])
        table = table.sort_values(["time", "rank"], kind="stable").drop_duplicates("time", keep="last")
    return table


def _overlap(points: np.ndarray, times: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of each row's landmarks, (n, 68, 2), and our box at that time; 0 where unknown, (n,)."""
    known = np.nan_to_num(points, nan=-1e9)
    low, high = known.min(axis=1), known.max(axis=1)
    x, y, w, h = (np.interp(times, boxes["time_sec"], boxes[k]) for k in ("x", "y", "width", "height"))
    our_low, our_high = np.stack([x, y], axis=1), np.stack([x + w, y + h], axis=1)
    shared = (np.minimum(high, our_high) - np.maximum(low, our_low)).clip(min=0.0).prod(axis=1)
    return np.asarray(shared / ((high - low).prod(axis=1) + w * h - shared))


def _with_holes(table: pd.DataFrame, form: TableFormat) -> pd.DataFrame:
    """The same with gaps at both ends of every hole in the frames' numbers and in time."""
    import pandas as pd

    if form.frame not in table or len(table) < 3:
        return table
    frames, times = table[form.frame].to_numpy(), table["time"].to_numpy()
    steps = np.diff(frames)
    usual = np.nanquantile(steps, 0.5, method="lower")
    step_sec = float(np.nanmedian(np.diff(times) / steps) * usual)
    after = np.flatnonzero((steps > 1.5 * usual) & (np.diff(times) > 1.5 * step_sec))
    ends = np.concatenate([times[after] + step_sec, times[after + 1] - step_sec])
    holes = pd.DataFrame({"time": np.unique(ends.astype(np.float32)), "quality": 0.0})
    return pd.concat([table, holes]).sort_values("time", kind="stable").drop_duplicates("time")


def _values(table: pd.DataFrame, times: np.ndarray, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Values and quality of one stream; damaged rows become gaps, which are filled from their ends."""
    values = table[list(columns.names)].to_numpy(np.float64, copy=True)
    if columns.radians_with and columns.radians_with not in table:
        values = np.deg2rad(values)
    quality = np.where(np.isfinite(values).all(axis=1), table["quality"].to_numpy(), 0.0).astype(np.float32)
    good = quality > 0
    if good.any():
        for column in values.T:
            column[~good] = np.interp(times[~good], times[good], column[good])
    else:
        values = np.zeros_like(values)
    return columns.convert(values).astype(np.float32), quality
