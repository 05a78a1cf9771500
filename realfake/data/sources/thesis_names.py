"""Who is shown on the frames that the thesis's scripts wrote: ``<CODE>.MP4<person><frame>.jpg``.

The scripts join the video's name, the person's folder and the number of the frame (every one of a part of the video, at
least two digits) without a mark between them; for ``N2SUR`` the person stands twice. One of them takes all spaces out
of the names afterwards, so that people are compared without spaces here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from realfake.data.sources.listing import VIDEO_ENDINGS, subject_id
from realfake.data.sources.sase_fe import SPELLINGS

_CODES = "|".join(sorted(SPELLINGS, key=len, reverse=True))
_ENDINGS = "|".join(e.removeprefix(".") for e in VIDEO_ENDINGS)
_WRITTEN = re.compile(rf"(?:.*_)?({_CODES})\.(?:{_ENDINGS})(.*)", re.IGNORECASE)
_TWICE = re.compile(r"(?P<word>.*?\D)(?P<digits>\d*)(?P=word)(?P=digits)(?P<frame>\d+)")
_DOUBLED_CODE = "n2sur"

_FEWEST_FRAMES = 2
"""Frames a video has on average, if runs of numbers are to tell anything."""
_SMALLEST_STEP, _LARGEST_MISS = 5, 30
"""Frame numbers of two people lie further apart than the first; frames of one video less than the second."""


@dataclass(frozen=True)
class Written:
    """What a name of the thesis's scripts holds: the code in lower case, and the person with the frame's number."""

    code: str
    rest: str


def read_written(stem: str) -> Written | None:
    """Take a file's name (without its ending) apart; ``None`` if the thesis's scripts did not write it."""
    match = _WRITTEN.fullmatch(stem.strip())
    return Written(match[1].lower(), "".join(subject_id(match[2]).split())) if match else None


def infer_people(names: Iterable[Written]) -> tuple[dict[Written, str], list[str]]:
    """Tell people from frame numbers, by what all names of a dataset say together.

    A name that ends in digits (``SUBJECT 01``) runs into the number of the frame: ``0149`` may be frame 49 of ``01``,
    or frame 149 of ``0``. In this order, for each word before the digits:

    1. ``N2SUR`` says the person exactly, and so which beginnings of the digits are people.
    2. The frame numbers that these say tell where other people's digits end.
    3. Frames of one video follow each other. Digits are split into as few people as leave no large gap in a video, such
       that no two neighbours come to two people, and that people lie further apart than any two neighbours of one.
    4. The same digits behind several words are frame numbers.

    People are rather joined than torn apart where two readings fit.

    Args:
        names: Of all images.

    Returns:
        Person of each name, empty where it cannot be told; and the people whom no ``N2SUR`` names.
    """
    people: dict[Written, str] = {}
    single: defaultdict[str, dict[Written, str]] = defaultdict(dict)
    doubled: list[tuple[Written, re.Match[str]]] = []
    for name in sorted(set(names), key=lambda n: (n.code, n.rest)):
        match = _TWICE.fullmatch(name.rest) if name.code == _DOUBLED_CODE else None
        if match:
            doubled.append((name, match))
        else:
            word = name.rest.rstrip("0123456789")
            single[word][name] = name.rest[len(word) :]
    known: defaultdict[str, set[str]] = defaultdict(set)
    frames: list[int] = []
    for name, match in doubled:
        word = name.rest.rstrip("0123456789")
        if word in single and match["word"] not in single:  # a name such as Mimi, written once
            single[word][name] = name.rest[len(word) :]
            continue
        people[name] = match["word"] + match["digits"]
        known[match["word"]].add(match["digits"])
        frames.append(int(match["frame"]))
    window = (min(frames) / 2, max(frames) * 2) if frames else None
    inferred: set[str] = set()
    for word, written in single.items():
        if not word:  # nothing but digits
            people |= dict.fromkeys(written, "")
            continue
        digits = {d for d in written.values() if d}
        if word in known:
            found = _by_names(digits, known[word], window)
            inferred |= {word + n for n in set(found.values()) - known[word]}
        else:
            others = [set(o.values()) for w, o in single.items() if w != word]
            found = _by_window(digits, window) or _by_runs(written) or _by_others(digits, others)
            inferred |= {word + n for n in found.values() if n}
        for name, d in written.items():
            own = "" if not d else found.get(d)
            people[name] = "" if own is None else word + own
    return people, sorted(inferred)


def _is_frame(digits: str) -> bool:
    return len(digits) == 2 or (len(digits) > 2 and digits[0] != "0")


def _inside(frame: str, window: tuple[float, float] | None) -> bool:
    return window is not None and _is_frame(frame) and window[0] <= int(frame) <= window[1]


def _by_names(digits: set[str], names: set[str], window: tuple[float, float] | None) -> dict[str, str]:
    """Beginning of each of ``digits`` that is one of the known ``names``, or of a person who has no N2SUR.

    A name is known with certainty only where its frame fits the window, or no other beginning's frame does: what looks
    like a frame of one person may be another one's who has no N2SUR (``1213`` with 12 known, and 1 not).
    """
    lengths = {len(n) for n in names}
    if lengths == {0} or (len(lengths) == 1 and any(n[0] == "0" for n in names)):  # no digits, or filled up with zeros
        return {d: d[:k] for k in lengths for d in digits if _is_frame(d[k:])}
    inside = {d: {d[:k] for k in range(len(d)) if _inside(d[k:], window)} for d in digits}
    known = {d: {n for n in names if d.startswith(n) and _is_frame(d[len(n) :])} for d in digits}
    without: set[str] = set()
    for d in digits:
        if not inside[d] & known[d]:
            alike = {n for n in inside[d] if not known[d] and {len(n)} == lengths}
            without |= alike or inside[d]
    fits = {d: inside[d] & (known[d] | without) if inside[d] else known[d] for d in digits}
    return {d: min(n) for d, n in fits.items() if len(n) == 1 and (n <= known[d] or not known[d])}


def _by_window(digits: set[str], window: tuple[float, float] | None) -> dict[str, str]:
    """Beginnings of ``digits`` that leave a frame inside of the window, if each has just one."""
    found = {}
    for d in digits:
        ends = [k for k in range(len(d)) if _inside(d[k:], window)]
        if len(ends) != 1:
            return {}
        found[d] = d[: ends[0]]
    return found


def _by_runs(written: Mapping[Written, str]) -> dict[str, str]:
    """Beginnings of the digits by which every video is a run of frames, and people are apart; empty without any."""
    videos: defaultdict[str, set[str]] = defaultdict(set)
    for name, d in written.items():
        if d:
            videos[name.code].add(d)
    digits = set().union(*videos.values())
    images, longest = sum(map(len, videos.values())), max(map(len, digits), default=0)
    splits = [{d: d[:k] for d in digits} for k in range(longest)]
    splits += [{d: d[: max(0, len(d) - k)] for d in digits} for k in range(2, longest)]
    best: dict[str, str] = {}
    rank = (len(digits) + 1, 0)
    for names in splits:
        if not all(_is_frame(d[len(n) :]) for d, n in names.items()):
            continue
        people = len(set(names.values()))
        each = len({(code, names[d]) for code, of_code in videos.items() for d in of_code})
        miss, step = _gaps(videos, names)
        if people > 1:
            runs = images >= _FEWEST_FRAMES * each and 2 * each >= people * len(videos)
            if not runs or step is None or step <= max(_SMALLEST_STEP, 2 * miss):
                continue
        if miss <= _LARGEST_MISS and (people, miss) < rank:
            best, rank = names, (people, miss)
    return best


def _gaps(videos: Mapping[str, set[str]], names: Mapping[str, str]) -> tuple[int, int | None]:
    """The largest distance of two neighbouring frames in the usual video, and the smallest one of two people's numbers.

    The second is ``None`` if no video's code has two people.
    """
    largest: list[int] = []
    between: list[int] = []
    for digits in videos.values():
        frames: defaultdict[str, list[int]] = defaultdict(list)
        for d in digits:
            frames[names[d]].append(int(d[len(names[d]) :]))
        largest.append(max([1, *(b - a for run in frames.values() for a, b in pairwise(sorted(run)))]))
        ordered = sorted(digits, key=int)
        between += [int(b) - int(a) for a, b in pairwise(ordered) if names[a] != names[b]]
        # 01|99 goes on as 01|100, not as 011|00.
        for d in digits:
            longer = names[d]
            between += [
                min(abs(int(d[len(n) :]) - f) for f in frames[n])
                for n in (longer[:k] for k in range(len(longer)))
                if n in frames
            ]
    return sorted(largest)[len(largest) // 2], min(between, default=None)


def _by_others(digits: set[str], others: Iterable[set[str]]) -> dict[str, str]:
    """No beginning at all, if another word has half of the digits too."""
    if any(2 * len(digits & o) >= min(len(digits), len(o)) > 0 for o in others) and all(map(_is_frame, digits)):
        return dict.fromkeys(digits, "")
    return {}
