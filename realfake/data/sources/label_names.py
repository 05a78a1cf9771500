"""The words that datasets use for the labels, and one place that reads them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from realfake.labels import ABSENT, AUTHENTICITIES, SASE_FE, Authenticity, LabelSpace

_EMOTION_SYNONYMS = (
    ("angry", "anger", "enraged", "rage", "wut", "wütend", "ärger", "zorn"),
    ("contempt", "contentment", "contemptuous", "verachtung"),  # the challenge release writes CONTENTMENT for contempt
    ("disgust", "disgusted", "ekel"),
    ("happy", "happiness", "joy", "joyful", "smile", "smiling", "enjoyment", "freude", "fröhlich", "glücklich"),
    ("sad", "sadness", "sorrow", "trauer", "traurig"),
    ("surprise", "surprised", "astonishment", "astonished", "überraschung", "überrascht"),
    ("fear", "afraid", "fearful", "scared", "frightened", "angst", "furcht"),
    ("neutral", "neutrality"),
)
"""Words that mean the same."""
_AUTHENTICITY_SYNONYMS = {
    Authenticity.FAKE: (
        "posed", "deliberate", "acted", "false", "faked", "feigned", "simulated", "voluntary", "insincere",
        "gespielt", "gestellt", "posiert", "unecht", "simuliert", "vorgetäuscht",
    ),
    Authenticity.REAL: (
        "genuine", "spontaneous", "felt", "true", "authentic", "sincere", "involuntary", "evoked",
        "echt", "spontan", "authentisch", "gefühlt",
    ),
}  # fmt: skip
_NO_LABEL = {
    "", "none", "nan", "null", "nil", "na", "n/a", "n.a.", "<na>", "nat", "unknown", "unbekannt", "k.a.",
    "#n/a", "#n/v", "#na", "#nv", "#null!", "#ref!", "#value!", "#wert!", "#bezug!", "#name?",
    "?", "??", "???", "-", "--", "---", "–", "—",
}  # fmt: skip
"""Words for nothing, those of spreadsheets among them."""
_ON, _OFF = ("1", "1.0", "true", "yes", "wahr", "ja"), ("0", "0.0", "false", "no", "falsch", "nein")
SWITCH_WORDS = frozenset((*_ON, *_OFF))
"""Words that only a heading gives a meaning."""


@lru_cache(maxsize=16)
def emotion_words(space: LabelSpace) -> dict[str, int]:
    """Every accepted word for an emotion, in lower case → its number: the names themselves, and their synonyms."""
    names = {name: number for number, name in enumerate(space.emotions)}
    synonyms = {w: names[n] for words in _EMOTION_SYNONYMS for n in reversed(words) if n in names for w in words}
    return synonyms | names


AUTHENTICITY_WORDS: dict[str, Authenticity] = {name: Authenticity(i) for i, name in enumerate(AUTHENTICITIES)} | {
    word: authenticity for authenticity, words in _AUTHENTICITY_SYNONYMS.items() for word in words
}
"""Every accepted word for an authenticity, in lower case."""


def read_emotion(text: str, space: LabelSpace = SASE_FE) -> int:
    """Emotion of a word in any case; ``ABSENT`` for an empty one. Raises ``ValueError`` naming the nearest word."""
    return _read(text, emotion_words(space), space.emotions)


def read_authenticity(text: str) -> int:
    """Authenticity of a word in any case; ``ABSENT`` for an empty one. Raises ``ValueError`` like above."""
    return _read(text, AUTHENTICITY_WORDS, AUTHENTICITIES)


def read_switch(text: str, one: str) -> int:
    """Authenticity of a cell under a heading such as ``posed``.

    Args:
        text: A word for an authenticity, or 1, true, yes (or 0, false, no) for what the heading says (or not).
        one: What 1 means: ``real`` or ``fake``.

    Raises:
        ValueError: Naming the nearest word.
    """
    word = text.strip().lower()
    if word not in SWITCH_WORDS:
        return read_authenticity(text)
    return int((word in _ON) == (one == AUTHENTICITIES[Authenticity.REAL]))


def is_no_label(text: str) -> bool:
    """Whether a cell is empty or a word for nothing, such as ``NaN``."""
    return text.strip().lower() in _NO_LABEL


def read_joint(text: str, space: LabelSpace = SASE_FE) -> tuple[int, int]:
    """Emotion and authenticity of e.g. ``fake_angry`` or ``Real Happiness``; raises ``ValueError`` otherwise."""
    words = [w for w in re.split(r"[\s_\-]+", text.strip().lower()) if w]
    if len(words) == 2:
        for first, second in (words, words[::-1]):
            if first in AUTHENTICITY_WORDS and second in emotion_words(space):
                return emotion_words(space)[second], int(AUTHENTICITY_WORDS[first])
    near = suggest(text, space.names("joint"))
    raise ValueError(f"{text!r} is no class{near}; expected <{'|'.join(AUTHENTICITIES)}>_<emotion>")


def _read(text: str, words: Mapping[str, int], names: Sequence[str]) -> int:
    word = text.strip().lower()
    if is_no_label(word):
        return ABSENT
    if word not in words:
        raise ValueError(f"{text!r}{suggest(word, words)}; expected {', '.join(names)} or nothing")
    return int(words[word])


def suggest(given: str, known: Iterable[str], *, at_most: int = 1) -> str:
    """``; did you mean 'x'?`` with the nearest known words, or nothing."""
    spelt = {k.lower(): k for k in known}
    near = difflib.get_close_matches(given.lower(), spelt, n=at_most, cutoff=0.55)
    return f"; did you mean {' or '.join(repr(spelt[n]) for n in near)}?" if near else ""
