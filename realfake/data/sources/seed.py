"""The prepared folders of the thesis's own code, read as they are.

They hold face crops, so that they go with ``face=none``. Names that the thesis's scripts wrote tell the person
(:mod:`realfake.data.sources.thesis_names`); of other names, what stands before a code of SASE-FE at the end is the
subject. Else nobody knows who is shown; where an image's name tells its video, all images of it form a pair, so that a
split never tears a video apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from functools import lru_cache

from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.label_names import AUTHENTICITY_WORDS, emotion_words, read_joint
from realfake.data.sources.listing import (
    IMAGE_ENDINGS,
    clip_name,
    descend,
    finish,
    list_files,
    require_root,
    split_ending,
    subject_id,
)
from realfake.data.sources.sase_fe import SPELLINGS
from realfake.data.sources.sase_fe_challenge import official_part
from realfake.data.sources.thesis_names import infer_people, read_written
from realfake.labels import EMOTIONS, SASE_FE, Authenticity, Emotion

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
_SAYS_NOTHING = {"frame", "img", "image", "face", "crop", "video", "mp", *AUTHENTICITY_WORDS, *emotion_words(SASE_FE)}


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
        clips = _without_coincidences(self._with_people(clips, problems), problems)
        return finish(clips, problems, self.folder, self.layout)

    def telling(self, path: str) -> str:
        """The part of a path that tells who is shown."""
        return split_ending(path)[0].rpartition("/")[2]

    def _with_people(self, clips: list[Clip], problems: list[Problem]) -> list[Clip]:
        """The clips with the people of those names that the thesis's scripts wrote."""
        written = {clip.path: name for clip in clips if (name := read_written(self.telling(clip.path)))}
        people, inferred = infer_people(written.values())
        if inferred:
            reason = (
                f"kept: {len(inferred)} people are told from the frame numbers that follow their names "
                f"({', '.join(inferred[:5])}{', …' if len(inferred) > 5 else ''})"
            )
            problems.append(Problem(".", reason, kept=True))

        def known(clip: Clip) -> Clip:
            if clip.path not in written:
                return clip
            subject = people[written[clip.path]]
            return replace(clip, subject=subject, pair=f"{subject}/{EMOTIONS[clip.emotion]}" if subject else "")

        return list(map(known, clips))

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
        """A clip whose subject, or else whose video, is derived from ``stem``."""
        subject, video = derive_subject(stem)
        pair = f"{subject}/{EMOTIONS[emotion]}" if subject else video
        part = official_part(path.rpartition("/")[0], "")
        return Clip(clip_name(path), path, self.name, subject, emotion, authenticity, pair, part)


class SeedMultiTask(SeedFrames):
    """``train|test/<real_fake>_<emotion>_<rest>.jpg`` with the thesis's codes of its multi-task networks."""

    name = "seed_multi_task"
    folder_name = "data_mtl"
    layout = "train|test/<real_fake>_<emotion>_<rest>.jpg with codes such as 0_3_…, or words such as fake_sad_…"

    def clip(self, path: str, labels_of: dict[str, tuple[int, int] | str]) -> Clip:
        """The clip of a file; raises ``ValueError`` with the reason if it is none."""
        stem, ending = split_ending(path)
        if ending not in IMAGE_ENDINGS:
            raise ValueError(f"not an image: expected a file ending in {', '.join(IMAGE_ENDINGS)}")
        name = stem.rpartition("/")[2]
        if words := re.fullmatch(r"([^\W\d_]+_[^\W\d_]+)_(.*)", name):
            return self.make(path, words[2], *class_labels(words[1], labels_of))
        match = re.fullmatch(r"([01])_([0-5])(?:_(.*))?", name)
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
        return clip if clip.subject else replace(clip, pair="")

    def telling(self, path: str) -> str:
        """The part of a path that tells who is shown: the folder of the video."""
        return path.split("/")[-2]


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


def derive_subject(stem: str) -> tuple[str, str]:
    """What the name of an image tells of its person, and else of its video; empty where it tells nothing.

    ``anna_N2H_frame12`` → ``anna`` and nothing, ``ab7_03`` → nothing and ``video ab7``, ``fake_angry_7`` → nothing.
    """
    frame = _FRAME_AT_END.fullmatch(stem)
    if frame:
        return _of_video(frame[1])
    coded = _CODE_AT_END.fullmatch(stem)
    return subject_id(coded[1]) if coded else "", ""


@lru_cache(maxsize=4096)
def _of_video(name: str) -> tuple[str, str]:
    coded = _CODE_AT_END.fullmatch(name)
    if coded:
        return subject_id(coded[1]), ""
    video = subject_id(name)
    return "", f"video {video}" if {w.lower() for w in _WORD.findall(video)} - _SAYS_NOTHING else ""


def _without_coincidences(clips: list[Clip], problems: list[Problem]) -> list[Clip]:
    """Forget a video's name that is in two official parts or under two classes: it does not tell one video."""
    seen: defaultdict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for clip in clips:
        if not clip.subject and clip.pair:
            seen[clip.pair].add((clip.part, clip.emotion, clip.authenticity))
    doubtful = {video for video, places in seen.items() if len(places) > 1}
    leaking = sorted(video for video in doubtful if len({part for part, _, _ in seen[video]}) > 1)
    if leaking:
        reason = (
            f"kept, but {len(leaking)} names of videos are in both official parts ({', '.join(leaking[:3])}"
            f"{', …' if len(leaking) > 3 else ''}): images of one video may be on both sides"
        )
        problems.append(Problem(".", reason, kept=True))
    return [replace(c, pair="") if not c.subject and c.pair in doubtful else c for c in clips]
