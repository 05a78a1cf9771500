"""SASE-FE, full release: ``FakeTrue_DB/<subject>/<code>.MP4``.

50 subjects, 12 videos each (Kulkarni et al. 2018, arXiv:1707.04061). The code says what was watched, then ``N`` for
neutral, then what is shown: ``N2H`` is a real smile, ``S2N2H`` a smile posed right after a sad video.
"""

from __future__ import annotations

import difflib
import itertools
from collections import defaultdict

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.label_names import suggest
from realfake.data.sources.listing import (
    VIDEO_ENDINGS,
    clip_name,
    descend,
    finish,
    join_respelt,
    list_files,
    require_root,
    respelt_subjects,
    split_ending,
    subject_id,
)
from realfake.labels import EMOTIONS, Authenticity, Emotion

LAYOUT = "<subject>/<code>.MP4 such as 'Anna/N2H.MP4' (the folder FakeTrue_DB)"

CODES: dict[str, tuple[Emotion, Authenticity]] = {
    "N2A": (Emotion.ANGRY, Authenticity.REAL),
    "N2C": (Emotion.CONTEMPT, Authenticity.REAL),
    "N2D": (Emotion.DISGUST, Authenticity.REAL),
    "N2H": (Emotion.HAPPY, Authenticity.REAL),
    "N2S": (Emotion.SAD, Authenticity.REAL),
    "N2Sur": (Emotion.SURPRISE, Authenticity.REAL),
    "H2N2A": (Emotion.ANGRY, Authenticity.FAKE),
    "H2N2C": (Emotion.CONTEMPT, Authenticity.FAKE),
    "H2N2D": (Emotion.DISGUST, Authenticity.FAKE),
    "S2N2H": (Emotion.HAPPY, Authenticity.FAKE),
    "H2N2S": (Emotion.SAD, Authenticity.FAKE),
    "D2N2Sur": (Emotion.SURPRISE, Authenticity.FAKE),
}
"""The twelve file names of the full release."""

SPELLINGS = CODES | {"D2N2S": CODES["D2N2Sur"]}
"""All that occur."""

_LOWER = {code.lower(): labels for code, labels in SPELLINGS.items()}


def read_code(stem: str) -> tuple[Emotion, Authenticity]:
    """Labels of a file name without its ending, in any case.

    Raises:
        ValueError: If it is none of the known codes; the nearest ones are named, and nothing is guessed.
    """
    labels = _LOWER.get(stem.strip().lower())
    if labels is None:
        near = suggest(stem.strip(), SPELLINGS, at_most=3)
        raise ValueError(f"unknown code {stem!r}{near or '; known: ' + ', '.join(SPELLINGS)}")
    return labels


def code_clip(path: str, dataset: str, part: str = "") -> Clip:
    """The clip of a file ``…/<subject>/<code>.<ending>``; raises ``ValueError`` with the reason if it is none."""
    stem, ending = split_ending(path)
    if ending not in VIDEO_ENDINGS:
        raise ValueError(f"not a video: expected a file ending in {', '.join(VIDEO_ENDINGS)}")
    folder, _, code = stem.rpartition("/")
    subject = subject_id(folder.rpartition("/")[2])
    if not subject:
        raise ValueError("not in a subject's folder: expected <subject>/<code>.MP4")
    emotion, authenticity = read_code(code)
    pair = f"{subject}/{EMOTIONS[emotion]}"
    return Clip(clip_name(path), path, dataset, subject, int(emotion), int(authenticity), pair, part)


def look_alikes(subjects: set[str]) -> list[Problem]:
    """A report for each two subjects whose names differ in little, e.g. ``vladimir`` and ``vladimiz``.

    They stay two subjects; only a person can tell. Names with digits differ in little by design.
    """
    names = sorted(s for s in subjects if len(s) >= 4 and not any(c.isdigit() for c in s))
    if len(names) > 500:
        return []
    return [
        Problem(b, f"kept, but subject {b!r} is spelt like {a!r}: if they are one person, rename one", kept=True)
        for a, b in itertools.combinations(names, 2)
        if difflib.SequenceMatcher(None, a, b).ratio() >= 0.85
    ]


def same_code_twice(clips: list[Clip]) -> list[Problem]:
    """A report for each set of files that claim to be the same recording; all of them are kept."""
    groups: defaultdict[tuple[str, int, int], list[str]] = defaultdict(list)
    for clip in clips:
        groups[clip.subject, clip.emotion, clip.authenticity].append(clip.path)
    return [
        Problem(paths[0], f"kept, but {len(paths)} files have one code and subject: {', '.join(paths)}", kept=True)
        for paths in groups.values()
        if len(paths) > 1
    ]


class SaseFe:
    """Reads the full release. ``root`` may be ``FakeTrue_DB`` or the folder that holds it."""

    def __init__(self, root: str | None, name: str = "sase_fe") -> None:
        self.name = name
        self.folder = descend(require_root(root, LAYOUT), "FakeTrue_DB")
        self.root = str(self.folder)

    def listing(self) -> Listing:
        """List the clips; raises :class:`UserError` if there is none."""
        files, problems = list_files(self.folder)
        clips: list[Clip] = []
        for path in files:
            try:
                if path.count("/") > 1:
                    raise ValueError("nested too deep: expected <subject>/<code>.MP4")
                clips.append(code_clip(path, self.name))
            except ValueError as error:
                problems.append(Problem(path, str(error)))
        problems += respelt_subjects(clip.path.rpartition("/")[0] for clip in clips)
        clips = join_respelt(clips)
        problems += same_code_twice(clips)
        problems += look_alikes({clip.subject for clip in clips})
        return finish(clips, problems, self.folder, LAYOUT)
