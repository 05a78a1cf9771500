"""The prepared folders of the thesis's own code, read as they are.

They hold face crops, so that they go with ``face=none``. No file of theirs says who the person is. Where an image's
name tells its video, all images of one video share a subject, so that a split never tears a video apart; where the
name ends in a code of SASE-FE, what stands before the code is the subject.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from functools import lru_cache

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.files import (
    IMAGE_ENDINGS,
    clip_name,
    descend,
    finish,
    list_files,
    require_root,
    split_ending,
    subject_id,
)
from realfake.data.sources.label_names import AUTHENTICITY_WORDS, EMOTION_WORDS, read_joint
from realfake.data.sources.sase_fe import SPELLINGS
from realfake.data.sources.sase_fe_challenge import official_part
from realfake.labels import EMOTIONS, Authenticity, Emotion

MULTI_TASK_EMOTIONS = (
    Emotion.HAPPY,
    Emotion.SAD,
    Emotion.SURPRISE,
    Emotion.DISGUST,
    Emotion.CONTEMPT,
    Emotion.ANGRY,
)
"""The thesis's multi-task code of an emotion is its place in this tuple."""

MULTI_TASK_AUTHENTICITIES = (Authenticity.FAKE, Authenticity.REAL)
"""Likewise for the authenticity."""

_CODE_AT_END = re.compile(rf"(.*?)[\s_.\-]*({'|'.join(sorted(SPELLINGS, key=len, reverse=True))})", re.IGNORECASE)
_FRAME_AT_END = re.compile(r"(.*?)[\s_.\-]*(?:frame|img|image|face|crop)?[\s_.\-]*\(?\d+\)?", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_SAYS_NOTHING = {"frame", "img", "image", "face", "crop", "video", "mp", *AUTHENTICITY_WORDS, *EMOTION_WORDS}


class SeedFrames:
    """``train|test/<class>/*.jpg``, each image a clip of one frame."""

    name = "seed_frames"
    folder_name = "data"
    layout = "train|test/<class>/*.jpg with classes such as fake_angry"

    def __init__(self, root: str | None) -> None:
        self.folder = descend(require_root(root, self.layout), self.folder_name)
        self.root = str(self.folder)

    def listing(self) -> Listing:
        """List the clips; raises :class:`UserError` if there is none."""
        files, problems = list_files(self.folder)
        clips: list[Clip] = []
        labels_of: dict[str, tuple[int, int] | str] = {}
        for path in files:
            try:
                clips.append(self.clip(path, labels_of))
            except ValueError as error:
                problems.append(Problem(path, str(error)))
        clips = _without_coincidences(clips, problems)
        return finish(clips, problems, self.folder, self.layout)

    def clip(self, path: str, labels_of: dict[str, tuple[int, int] | str]) -> Clip:
        """The clip of a file; raises ``ValueError`` with the reason if it is none.

        Args:
            path: Below the root.
            labels_of: What was read of folder names so far; added to.
        """
        stem, ending = split_ending(path)
        if ending not in IMAGE_ENDINGS:
            raise ValueError(f"not an image: expected a file ending in {', '.join(IMAGE_ENDINGS)}")
        folder, _, name = stem.rpartition("/")
        emotion, authenticity = class_labels(folder.rpartition("/")[2], labels_of)
        return self.make(path, name, emotion, authenticity)

    def make(self, path: str, stem: str, emotion: int, authenticity: int) -> Clip:
        """A clip whose subject is derived from ``stem``."""
        subject = derive_subject(stem)
        pair = f"{subject}/{EMOTIONS[emotion]}" if subject and not subject.startswith("video ") else ""
        part = official_part(path.rpartition("/")[0], "")
        return Clip(clip_name(path), path, self.name, subject, emotion, authenticity, pair, part)


class SeedMultiTask(SeedFrames):
    """``train|test/<real_fake>_<emotion>_<rest>.jpg`` with the thesis's codes of its multi-task networks."""

    name = "seed_multi_task"
    folder_name = "data_mtl"
    layout = "train|test/<real_fake>_<emotion>_<rest>.jpg with codes such as 0_3_…"

    def clip(self, path: str, labels_of: dict[str, tuple[int, int] | str]) -> Clip:
        """The clip of a file; raises ``ValueError`` with the reason if it is none."""
        stem, ending = split_ending(path)
        if ending not in IMAGE_ENDINGS:
            raise ValueError(f"not an image: expected a file ending in {', '.join(IMAGE_ENDINGS)}")
        match = re.fullmatch(r"([01])_([0-5])(?:_(.*))?", stem.rpartition("/")[2])
        if match is None:
            raise ValueError("expected <0|1>_<0-5>_<rest>: 0 fake, 1 real; then the emotion's code")
        emotion, authenticity = MULTI_TASK_EMOTIONS[int(match[2])], MULTI_TASK_AUTHENTICITIES[int(match[1])]
        return self.make(path, match[3] or "", int(emotion), int(authenticity))


class SeedSequences(SeedFrames):
    """``<class>/<video>/sequence.npy``: float32 (T, H, W, 3), BGR, 0-1, padded at the end with black frames."""

    name = "seed_sequences"
    folder_name = "data_sequences"
    layout = "<class>/<video>/sequence.npy with classes such as fake_angry"

    def clip(self, path: str, labels_of: dict[str, tuple[int, int] | str]) -> Clip:
        """The clip of a file; raises ``ValueError`` with the reason if it is none."""
        parts = path.split("/")
        if parts[-1].lower() != "sequence.npy" or len(parts) < 3:
            raise ValueError("expected <class>/<video>/sequence.npy")
        emotion, authenticity = class_labels(parts[-3], labels_of)
        clip = self.make(path, split_ending(parts[-2])[0] if "." in parts[-2] else parts[-2], emotion, authenticity)
        # A folder is a whole video here: only a code of SASE-FE tells a subject.
        return clip if not clip.subject.startswith("video ") else replace(clip, subject="")


def class_labels(folder: str, labels_of: dict[str, tuple[int, int] | str]) -> tuple[int, int]:
    """Emotion and authenticity of a class folder's name; each name is read once."""
    if folder not in labels_of:
        try:
            labels_of[folder] = read_joint(folder)
        except ValueError as error:
            labels_of[folder] = f"in the folder {error}"
    found = labels_of[folder]
    if isinstance(found, str):
        raise ValueError(found)
    return found


def derive_subject(stem: str) -> str:
    """What the name of an image tells of its person: ``anna_N2H_frame12`` → ``anna``, ``ab7_03`` → ``video ab7``.

    Empty if it tells nothing (``0012``, ``frame_3``, ``fake_angry_7``).
    """
    frame = _FRAME_AT_END.fullmatch(stem)
    if frame:
        return _subject_of_video(frame[1])
    coded = _CODE_AT_END.fullmatch(stem)
    return subject_id(coded[1]) if coded else ""


@lru_cache(maxsize=4096)
def _subject_of_video(name: str) -> str:
    coded = _CODE_AT_END.fullmatch(name)
    if coded:
        return subject_id(coded[1])
    video = subject_id(name)
    return f"video {video}" if {w.lower() for w in _WORD.findall(video)} - _SAYS_NOTHING else ""


def _without_coincidences(clips: list[Clip], problems: list[Problem]) -> list[Clip]:
    """Forget a video's name that is in two official parts or under two classes: it does not tell one video."""
    seen: defaultdict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for clip in clips:
        if clip.subject.startswith("video "):
            seen[clip.subject].add((clip.part, clip.emotion, clip.authenticity))
    doubtful = {s for s, places in seen.items() if len(places) > 1}
    leaking = sorted(s for s in doubtful if len({part for part, _, _ in seen[s]}) > 1)
    if leaking:
        reason = (
            f"kept, but {len(leaking)} names of videos are in both official parts ({', '.join(leaking[:3])}"
            f"{', …' if len(leaking) > 3 else ''}): images of one video may be on both sides"
        )
        problems.append(Problem(".", reason, kept=True))
    return [replace(c, subject="") if c.subject in doubtful else c for c in clips]
