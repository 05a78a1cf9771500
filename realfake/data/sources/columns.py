"""Which column of a table says what: by its heading, by what the user says, or by its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from realfake.data.sources.label_names import (
    AUTHENTICITY_WORDS,
    SWITCH_WORDS,
    emotion_words,
    is_no_label,
    read_authenticity,
    read_emotion,
    read_joint,
    read_switch,
    suggest,
)
from realfake.errors import UserError, as_override
from realfake.labels import ABSENT, Authenticity, LabelSpace

COLUMNS = ("path", "subject", "emotion", "authenticity", "clip", "dataset", "pair", "part", "fold")
"""What a table can say of a clip, by its usual headings."""

HEADINGS: dict[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "video", "video_path", "video_file"),
    "subject": (
        "subject", "subject_id", "subjectid", "subject_code", "participant", "participant_id", "participantid",
        "participant_code", "person", "person_id", "personid", "speaker", "speaker_id", "actor", "actor_id", "proband",
        "probandin", "vp", "vp_nr", "vp_id", "vpn", "vp_code", "versuchsperson",
    ),
    "emotion": ("emotion", "emotions", "emotion_label"),
    "authenticity": ("authenticity", "genuineness", "veracity", "real_fake", "real_or_fake", "fake_real"),
    "real": ("real", "is_real", "genuine", "is_genuine", "spontaneous", "is_spontaneous", "authentic", "is_authentic"),
    "fake": ("fake", "is_fake", "posed", "is_posed", "acted", "is_acted", "deliberate", "is_deliberate", "faked"),
    "clip": ("clip", "clip_name"),
    "dataset": ("dataset", "corpus", "database"),
    "pair": ("pair", "pair_id"),
    "part": ("part", "split", "partition"),
    "fold": ("fold",),
}  # fmt: skip
"""Column → its headings in lower case, words joined by ``_``; in those of ``real`` and ``fake`` 1 means that."""

ANY_LABEL = ("label", "labels", "class", "category", "typ", "type", "condition", "kind", "target", "expression")
"""Headings that say nothing: their words tell whether they are emotions, authenticities or both."""

IGNORED = "columns ignored: "
"""How the remark on columns that are not read begins."""
WORDS_SHOWN = 6
"""Of a column that is not read although its heading is one of :data:`ANY_LABEL`."""

_AUTHENTICITY = ("authenticity", "real", "fake")
_ONE_IS_REAL = ("authenticity", "genuineness")
"""Headings of an amount, of which 1 is all."""


@dataclass
class Reading:
    """How a table's columns are read."""

    space: LabelSpace
    """Of the emotions."""
    columns: dict[str, str] = field(default_factory=dict)
    """Column → heading."""
    joint: bool = False
    """Emotion and authenticity are two words of one column."""
    remarks: list[str] = field(default_factory=list)
    """What was assumed, and what is not read, one sentence each."""

    def authenticity(self) -> Callable[[str], int]:
        """Reads the cells of the column of authenticities; raises ``ValueError`` like those of ``label_names``."""
        if self.joint:
            return lambda text: self._joint(text)[1]
        kind = next((k for k in _AUTHENTICITY if k in self.columns), None)
        heading = _key(self.columns[kind]) if kind else ""
        one = next((k for k in ("real", "fake") if k == kind or heading in HEADINGS[k]), None)
        if one is not None:
            return lambda text: read_switch(text, one)
        if heading in _ONE_IS_REAL:
            return lambda text: read_switch(text, "real") if _digit(text) else read_authenticity(text)
        usual = heading in HEADINGS["authenticity"]
        return lambda text: _undirected(text, self.columns.get("authenticity", ""), usual)

    def emotion(self) -> Callable[[str], int]:
        """Reads the cells of the column of emotions, likewise."""
        return lambda text: self._joint(text)[0] if self.joint else read_emotion(text, self.space)

    def _joint(self, text: str) -> tuple[int, int]:
        return (ABSENT, ABSENT) if is_no_label(text) else read_joint(text, self.space)


def read_columns(
    table: str, cells: Mapping[str, Sequence[str]], given: Mapping[str, str | None], space: LabelSpace
) -> Reading:
    """Find the column of each thing that a table can say.

    Args:
        table: Its name, for errors.
        cells: Heading → text of each row.
        given: ``data.columns``: column → heading, ``None`` = look for it.
        space: Of the emotions.

    Raises:
        UserError: If a given heading is not there, or several headings may mean one thing.
    """
    found = Reading(space)
    left = {h: _key(h) for h in cells}
    for column, heading in given.items():
        if heading is not None:
            alike = [heading] if heading in cells else [h for h, key in left.items() if key == _key(heading)]
            if not alike:
                near = suggest(heading, cells)
                raise UserError(f"data.columns.{column}={heading}: {table} has no such heading{near}{_these(cells)}")
            _only_one(table, column, [(column, h) for h in alike])
            found.columns[column] = alike[0]
    found.joint = "emotion" in found.columns and found.columns["emotion"] == found.columns.get("authenticity")
    if len(twice := [c for c in _AUTHENTICITY if c in found.columns]) > 1:
        raise UserError(f"data.columns.{twice[0]} and data.columns.{twice[1]} both say what is real: give one")
    for heading in set(found.columns.values()):
        del left[heading]
    assumed: list[str] = []
    for column in COLUMNS:
        kinds = _AUTHENTICITY if column == "authenticity" else (column,)
        if any(k in found.columns for k in kinds):
            continue
        known = [(k, h) for k in kinds for usual in HEADINGS[k] for h, key in left.items() if key == usual]
        if known:
            _only_one(table, column, known)
            kind, heading = known[0]
            found.columns[kind] = heading
            if left.pop(heading) != column:
                assumed.append(f"{heading!r} as {column}")
        elif column == "subject" and (ids := [h for h, key in left.items() if key == "id"]):
            _read_id(found, ids[0], left, cells, assumed)
    _read_any(table, found, left, cells, assumed)
    if assumed:
        found.remarks.append(
            f"columns read: {', '.join(assumed)}; if that is wrong, give data.columns.<column>=<heading>"
        )
    if (
        (heading := found.columns.get("authenticity"))
        and _key(heading) in _ONE_IS_REAL
        and any(map(_digit, cells[heading]))
    ):
        found.remarks.append(f"column {heading!r}: 1 is read as real, 0 as fake")
    if left:
        hints = "".join(suggest(h, [c for c in COLUMNS if c not in found.columns]) for h in left)
        names = ", ".join(f"{h!r}{_words_of(cells[h]) if key in ANY_LABEL else ''}" for h, key in left.items())
        found.remarks.append(f"{IGNORED}{names}{hints}; known: {', '.join(COLUMNS)}")
    return found


def _only_one(table: str, column: str, known: Sequence[tuple[str, str]]) -> None:
    if len(known) > 1:
        names = " and ".join(repr(heading) for _, heading in known)
        ways = " or ".join(as_override(f"data.columns.{kind}", heading) for kind, heading in known)
        raise UserError(f"{table}: the headings {names} may all mean the {column}: say which, {ways}")


def _words_of(cells: Sequence[str]) -> str:
    words = sorted({v.strip() for v in cells if not is_no_label(v)})
    shown = ", ".join([*map(repr, words[:WORDS_SHOWN]), *(["…"] if len(words) > WORDS_SHOWN else [])])
    return f" (which holds {shown or 'nothing'})"


def _key(heading: str) -> str:
    return re.sub(r"[\s.\-]+", "_", heading.strip().lower())


def _these(cells: Mapping[str, Sequence[str]]) -> str:
    return f" (headings: {', '.join(map(repr, cells)) or 'none'})"


def _read_id(
    found: Reading, heading: str, left: dict[str, str], cells: Mapping[str, Sequence[str]], assumed: list[str]
) -> None:
    """A column ``id`` is the person if it comes again: else it may just as well count the rows."""
    values = [v for v in cells[heading] if v.strip()]
    if len(set(values)) < len(values):
        found.columns["subject"] = heading
        del left[heading]
        assumed.append(f"{heading!r} as subject")
    else:
        found.remarks.append(
            f"column {heading!r} has another value in every row, so that it is not read as the person; if it is, "
            f"give data.columns.subject={heading}"
        )


def _read_any(
    table: str, found: Reading, left: dict[str, str], cells: Mapping[str, Sequence[str]], assumed: list[str]
) -> None:
    """Read columns whose heading says nothing by their words; numbers alone stop if nothing else says what is real."""
    switches: list[tuple[str, set[str]]] = []
    for heading in [h for usual in ANY_LABEL for h, key in left.items() if key == usual]:
        words = {w for v in cells[heading] if not is_no_label(w := v.strip().lower())}
        emotion, authenticity = "emotion" in found.columns, any(k in found.columns for k in _AUTHENTICITY)
        read: tuple[str, ...] = ()
        if _mostly(words, emotion_words(found.space)) and not emotion:
            read = ("emotion",)
        elif _mostly(words - SWITCH_WORDS, AUTHENTICITY_WORDS) and not authenticity:
            read = ("authenticity",)
        elif sum(_is_joint(w, found.space) for w in words) * 2 > len(words) and not emotion and not authenticity:
            read, found.joint = ("emotion", "authenticity"), True
        elif words and words <= SWITCH_WORDS:
            switches.append((heading, words))
        if read:
            found.columns |= dict.fromkeys(read, heading)
            del left[heading]
            assumed.append(f"{heading!r} as {' and '.join(read)}")
    if switches and not any(k in found.columns for k in _AUTHENTICITY):
        heading, words = switches[0]
        raise UserError(_which_is_real(f"{table}, column {heading!r}", sorted(words)[-1], heading))


def _mostly(words: Iterable[str], known: Iterable[str]) -> bool:
    words = set(words)
    return len(words & set(known)) * 2 > len(words)


def _is_joint(text: str, space: LabelSpace) -> bool:
    try:
        read_joint(text, space)
    except ValueError:
        return False
    return True


def _digit(text: str) -> bool:
    return text.strip().removesuffix(".0") in ("0", "1")


def _undirected(text: str, heading: str, usual: bool) -> int:
    """An authenticity under a heading that does not say which of 1 and 0 is real; true and false only if ``usual``."""
    word = text.strip().lower()
    if word in SWITCH_WORDS and not (usual and word in AUTHENTICITY_WORDS):
        raise ValueError(_which_is_real("", text, heading))
    return read_authenticity(text)


def _which_is_real(where: str, value: str, heading: str) -> str:
    names = " or ".join(
        f"{as_override(f'data.columns.{a.name.lower()}', heading)} (1 = {a.name.lower()})"
        for a in (Authenticity.REAL, Authenticity.FAKE)
    )
    return f"{where}{': ' if where else ''}{value!r} does not say what is real; give {names}, or write real and fake"
