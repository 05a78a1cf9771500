"""Which table of a tracker belongs to which video: by name, and by the folders that tell equal names apart."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realfake.errors import UserError

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_PREFIXES = ("", "face_analysis_")
"""OpenFace 3 puts the second one before the video's name."""


@dataclass(frozen=True)
class Matched:
    """The tables of some videos."""

    tables: dict[Path, Path]
    """Video → its table."""
    missing: dict[Path, str]
    """Video → why it has none."""
    spare: tuple[str, ...] = ()
    """A line on each table below the root that is no video's."""


def match_tables(videos: Sequence[Path], root: Path | None, key: str) -> Matched:
    """Find the table of each video.

    Beside the video it has the video's name. Below a root it has the video's name too, and lies in folders that are
    called like the video's, as many as there are below the root.

    Args:
        videos: All of a dataset.
        root: Folder of the tables; ``None`` = they lie beside the videos.
        key: Option that gives the root, for errors.

    Raises:
        UserError: If the root is no folder or holds no table, or a table would be that of two videos.
    """
    named = {} if root is None else _named(root, key)
    owners: dict[Path, Path] = {}
    missing = {}
    for video in videos:
        expected = f"expected {video.stem}{ENDINGS[0]}"
        if root is None:
            best = [table for table in _beside(video) if table.is_file()]
            none = f"no table beside it; {expected} there, or give {key}=/folder/of/tables"
        else:
            tables = [t for prefix in _PREFIXES for t in named.get(f"{prefix}{video.stem}".casefold(), [])]
            fitting = [t for t in tables if _common(video, t) >= len(t.parent.relative_to(root).parts)]
            best = [t for t in fitting if _common(video, t) == max(_common(video, other) for other in fitting)]
            elsewhere = f" in folders named as the video's, unlike {tables[0]}" if tables else ""
            none = f"no table below {root}; {expected}{elsewhere}"
        if len(best) == 1:
            if (other := owners.setdefault(best[0], video)) != video:
                alike = other.parent == video.parent
                fix = "give these videos names of their own" if alike else "put it in a folder named as its video's"
                raise UserError(f"{key}: {best[0]} may be the table of {other} or of {video}; {fix}")
        else:
            missing[video] = f"{best[0]} and {best[1]} may both be its table; leave one there" if best else none
    spare = (t for tables in named.values() for t in tables if t not in owners)
    return Matched({v: t for t, v in owners.items()}, missing, tuple(f"{t}: no clip has this name" for t in spare))


def _named(root: Path, key: str) -> dict[str, list[Path]]:
    """The tables below a folder by their names without endings, in lower case."""
    if not root.is_dir():
        raise UserError(f"{key}={root}: no such folder; expected one with a table (CSV or Parquet) for each clip")
    if not os.access(root, os.R_OK | os.X_OK):
        raise UserError(f"{key}={root}: cannot be listed; expected a folder that you may read")
    named: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(root.rglob("*")):
        if (name := _stem(path)) and path.is_file():
            named[name].append(path)
    if not named:
        raise UserError(f"{key}={root}: no table below it; expected names such as <video>{', <video>'.join(ENDINGS)}")
    return named


def any_table(root: Path) -> Path | None:
    """Some table below a folder, always the same one; ``None`` if there is none."""
    return min((path for path in root.rglob("*") if _stem(path) and path.is_file()), default=None)


def _beside(video: Path) -> list[Path]:
    return [video.with_name(f"{prefix}{video.stem}{ending}") for prefix in _PREFIXES for ending in ENDINGS]


def _stem(path: Path) -> str:
    """The name without the ending of a table, in lower case; empty = no table."""
    name = path.name.casefold()
    ending = next((e for e in sorted(ENDINGS, key=len, reverse=True) if name.endswith(e)), None)
    return name[: -len(ending)] if ending else ""


def _common(video: Path, table: Path) -> int:
    """How many folders above both are called alike, from the file upwards."""
    pairs = zip(reversed(video.parent.parts), reversed(table.parent.parts), strict=False)
    count = 0
    for a, b in pairs:
        if a.casefold() != b.casefold():
            break
        count += 1
    return count
