"""What every source needs of a folder: its files in a fixed order, names for clips, and clear errors."""

from __future__ import annotations

import codecs
import difflib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from realfake.data.clips import Clip, Listing, Problem
from realfake.errors import UserError

VIDEO_ENDINGS = (
    ".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts", ".ts",
)  # fmt: skip
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
UNREAD_IMAGE_ENDINGS = (
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".svg", ".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw",
)  # fmt: skip
"""Pictures that cannot be read."""
UNREAD_ENDINGS = (
    *UNREAD_IMAGE_ENDINGS, ".gif", ".flv", ".f4v", ".vob", ".ogv", ".m2ts", ".mxf", ".asf", ".rm", ".rmvb", ".m2v",
)  # fmt: skip
"""Pictures and videos that are not looked for; a folder that holds some is told."""

_AS_UTF8 = "save it as CSV UTF-8 (in Excel: Save As, 'CSV UTF-8 (Comma delimited)')"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""What .xlsx and .ods, and .xls begin with."""
_PLAIN_NAME = re.compile(r"[\w\-]+(/[\w\-]+)*", re.ASCII)
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "$recycle.bin"}


def require_root(root: str | None, layout: str) -> Path:
    """The folder ``data.root``, checked.

    Args:
        root: As configured.
        layout: What the folder should hold, for the error.

    Raises:
        UserError: If the root is not given, does not exist (the nearest neighbour is named) or is no folder.
    """
    if root is None or not root.strip():
        raise UserError(f"data.root is missing: give the folder as data.root=/path/to/it; expected there: {layout}")
    folder = Path(root).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"data.root={root} is a file: expected a folder with {layout}")
    raise UserError(f"data.root={root}: no such folder{did_you_mean_path(folder)}; expected a folder with {layout}")


def did_you_mean_path(missing: Path) -> str:
    """``; did you mean …?`` with the existing neighbour of a missing path that is spelt most like it, or nothing."""
    parent = missing.parent
    while not parent.is_dir() and parent != parent.parent:
        missing, parent = parent, parent.parent
    try:
        siblings = {p.name.casefold(): p for p in sorted(parent.iterdir()) if p.name[0] != "." and p != missing}
    except OSError:
        return ""
    near = difflib.get_close_matches(missing.name.casefold(), siblings, n=1, cutoff=0.6)
    return f"; did you mean {siblings[near[0]]}?" if near else ""


def descend(folder: Path, name: str) -> Path:
    """``folder``, or the folder ``name`` (in any case) inside it if the user pointed one level too high."""
    if folder.name.casefold() == name.casefold():
        return folder
    inside = [p for p in sorted(folder.iterdir()) if p.name.casefold() == name.casefold() and p.is_dir()]
    return inside[0] if inside else folder


def list_files(root: Path) -> tuple[list[str], list[Problem]]:
    """Every file below ``root``, sorted, as paths relative to it with ``/``.

    Hidden files and the clutter of operating systems (``.DS_Store``, ``Thumbs.db``, ``desktop.ini``) are ignored.
    Links to folders are followed, each folder at most once.

    Returns:
        The paths, and what could not be listed (unreadable folders, broken links, names that are not UTF-8).
    """
    files: list[str] = []
    problems: list[Problem] = []
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        folder = root / prefix
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                problems.append(Problem(printable(prefix), "a link to a folder that is listed already"))
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            problems.append(Problem(printable(prefix) or ".", f"cannot be listed: {error.strerror}"))
            continue
        for entry in found:
            if entry.name.startswith(".") or entry.name.casefold() in _CLUTTER:
                continue
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if printable(path) != path:
                problems.append(Problem(printable(path), "the name is not valid UTF-8: rename it"))
            elif entry.is_dir():
                waiting.append(path)
            elif entry.is_file():
                files.append(path)
            else:
                problems.append(Problem(path, "a broken link" if entry.is_symlink() else "not a regular file"))
    return sorted(files), problems


def image_files(folder: Path) -> list[Path]:
    """The images of a folder that is a clip, in the order of their names, numbers in them counted (2 before 10).

    Folders in it are no part of it, nor are hidden files and other ones.
    """
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if split_ending(e.name)[1] in IMAGE_ENDINGS and e.is_file()]
    return [folder / name for name in sorted((n for n in names if not n.startswith(".")), key=_counted)]


def _counted(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", name)
    return [(int(p), "") if i % 2 else (-1, p) for i, p in enumerate(parts)], name


def unread(names: Iterable[str]) -> str:
    """``2 .heic, 1 .gif``: pictures and videos among files that are not read; empty = none."""
    count = Counter(ending for name in names if (ending := split_ending(name)[1]) in UNREAD_ENDINGS)
    return ", ".join(f"{number} {ending}" for ending, number in sorted(count.items()))


def read_text(path: Path) -> str:
    """The text of a table: UTF-8, or UTF-16 that says so in its first bytes; other encodings are not guessed.

    Raises:
        ValueError: If it is neither, with the fix.
    """
    data = path.read_bytes()
    if data.startswith(_WORKBOOKS):
        raise ValueError(f"it is a workbook of Excel or the like: {_AS_UTF8}")
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise ValueError(f"row {row} is not {encoding.upper()[:6].rstrip('-')}: {_AS_UTF8}") from None
    if "\0" in text:
        raise ValueError(f"it holds zero bytes: {_AS_UTF8}")
    return text


def printable(path: str) -> str:
    """``path`` for any screen and any file: bytes that are no UTF-8, and control characters, written as escapes."""
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in path)


def _escaped(code: int) -> str:
    code -= 0xDC00 * (0xDC80 <= code <= 0xDCFF)  # how Python keeps a byte of a name that is no UTF-8
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def split_ending(path: str) -> tuple[str, str]:
    """``a/b.MP4`` → (``a/b``, ``.mp4``)."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return (folder + slash + stem, f".{ending.lower()}") if stem.strip(".") and dot else (path, "")


def clip_name(path: str) -> str:
    """Name of the clip at ``path``: without ending, composed Unicode (NFC), and never outside of a folder."""
    stem = split_ending(path)[0]
    if _PLAIN_NAME.fullmatch(stem):  # nearly all; a listing may hold a million
        return stem
    stem = unicodedata.normalize("NFC", stem)
    parts = [p.strip() for p in re.split(r"[/\\]", stem)]
    return "/".join(p for p in parts if p.strip(".") and not re.fullmatch(r"[A-Za-z]:", p))


@lru_cache(maxsize=4096)
def subject_id(name: str) -> str:
    """One spelling for one person: composed Unicode, lower case, single spaces.

    ``Anna B``, ``anna  b`` and ``ANNA B `` are the same subject, so that a slip in a folder's name can never put one
    person into two parts of a split.
    """
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


@lru_cache(maxsize=4096)
def person_key(name: str) -> str:
    """What all spellings of one person have in common; that of a key is the key itself.

    As in :func:`subject_id`, and besides ``01``, ``1`` and ``1.0`` are one, and so are ``VP2``, ``VP 02`` and ``vp-2``:
    what stands between a letter and a number says nothing; between two numbers it does.
    """
    joined = re.sub(r"(?<=[^\W\d_])[\s._\-\u2010-\u2015]+(?=\d)", "", subject_id(name))
    return re.sub(r"(?<![\d.])0+(?=\d)", "", re.sub(r"(?<=\d)(\.0+)+$", "", joined))


def respelt_subjects(folders: Iterable[str], what: str = "folders") -> list[Problem]:
    """A report for each subject that several folders belong to; the clips are kept, under the one subject.

    Args:
        folders: Their paths, of which the last part is the person; or spellings of people as they are.
        what: ``folders``, or what the spellings are called.
    """
    spellings: dict[str, list[str]] = {}
    for folder in sorted(set(folders)):
        name = folder.rpartition("/")[2] if what == "folders" else folder
        spellings.setdefault(person_key(name), []).append(folder)
    return [
        Problem(
            group[0],
            f"kept, but {len(group)} {what} are read as one subject ({', '.join(map(repr, group))}): rename one if "
            "they are two people",
            kept=True,
        )
        for group in spellings.values()
        if len(group) > 1
    ]


def one_spelling(subjects: Iterable[str]) -> dict[str, str]:
    """Each spelling → the one for all spellings of the person, as :func:`respelt_subjects` reports them."""
    one: dict[str, str] = {}
    return {subject: one.setdefault(person_key(subject), subject) for subject in sorted(set(subjects))}


def join_respelt(clips: Iterable[Clip]) -> list[Clip]:
    """The clips, with one subject for all spellings of a person that :func:`respelt_subjects` reports."""
    clips = list(clips)
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        spellings[clip.dataset].add(clip.subject)
    one = {dataset: one_spelling(subjects) for dataset, subjects in spellings.items()}
    result = []
    for clip in clips:
        subject = one[clip.dataset][clip.subject]
        own = clip.pair.startswith(f"{clip.subject}/") and subject != ""
        pair = subject + clip.pair.removeprefix(clip.subject) if own else clip.pair
        result.append(clip if subject == clip.subject else replace(clip, subject=subject, pair=pair))
    return result


def unique_names(clips: Iterable[Clip]) -> tuple[list[Clip], list[Problem]]:
    """Number clips whose names differ at most in case, so that their files can lie in one folder of any system.

    The second of ``a/N2H`` and ``a/n2h`` becomes ``a/n2h~2``; the order is that of the paths.
    """
    taken: set[str] = set()
    result: list[Clip] = []
    problems: list[Problem] = []
    for clip in sorted(clips, key=lambda c: (c.clip, c.path)):
        name, number = clip.clip, 1
        while name.casefold() in taken:
            number += 1
            name = f"{clip.clip}~{number}"
        taken.add(name.casefold())
        if number > 1:
            problems.append(Problem(clip.path, f"kept as clip {name!r}: another file has the same name", kept=True))
        result.append(clip if number == 1 else replace(clip, clip=name))
    return result, problems


def finish(
    clips: Iterable[Clip], problems: Sequence[Problem], root: Path, layout: str, columns: Sequence[str] = ()
) -> Listing:
    """The listing of a source, sorted by clip name; ``columns`` are the headings of its table, if it has one.

    Raises:
        UserError: If there is no clip at all.
    """
    named, more = unique_names(clips)
    problems = sorted([*problems, *more], key=lambda p: (p.path, p.reason))
    if not named:
        why = f"; {len(problems)} files do not fit, the first: " if problems else ""
        why += f"{problems[0].path}: {problems[0].reason}" if problems else ""
        raise UserError(f"data.root={root}: no clip found{why}; expected {layout}")
    return Listing(tuple(sorted(named, key=lambda c: c.clip)), tuple(problems), tuple(columns))
