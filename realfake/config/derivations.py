"""Streams that follow from others, such as ``units_velocity`` or ``mesh_steady``: known before any data is read.

How their values are computed: :mod:`realfake.streams.derivation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from realfake.config.clip_descriptors import (
    APEX,
    CUTOFFS_HZ,
    DYNAMICS,
    MARKER_POINTS,
    MARKERS,
    SAXEN_UNITS,
    SMILE_PHASES,
)
from realfake.config.stream_info import PIXELS, StreamInfo
from realfake.config.trackers import IN_EYES
from realfake.errors import nearest

NEUTRAL_SEC = 0.5
"""How long a clip is taken to be neutral, from the first moment at which the face is there."""
SMOOTH_SEC = 0.1
"""Standard deviation of the Gaussian over time with which curves are smoothed before their phases are told."""
FROM_BEGINNING = ("neutral", "apex", "markers")
"""Rules that measure from how a clip begins."""
PHASES = ("neutral", "onset", "apex", "offset")
"""By their numbers."""

_STEADY_ON = {
    "canonical": ("the canonical face", "centimetres of the canonical face"),
    "300-W": ("the clip's own median face, made symmetric", IN_EYES),
}


def partners(info: StreamInfo) -> tuple[int, ...]:
    """Of points, for each the number of the one at its mirror image."""
    sides = info.shape[1]
    return tuple(info.mirrored[sides * point][0] // sides for point in range(info.shape[0]))


def pairs(info: StreamInfo) -> tuple[tuple[int, int, float], ...]:
    """Of numbers, those of both sides, the first of them first, and the factor between them in a symmetric face."""
    return tuple((k, other, factor) for k, (other, factor) in enumerate(info.mirrored) if k < other)


def _steady(info: StreamInfo) -> StreamInfo:
    if not info.points or info.rules:
        raise ValueError("steady takes points of a face as they are found, such as mesh_steady or landmarks_steady")
    face, unit = _STEADY_ON[info.points]
    return replace(info, words=f"{info.words}, without the head's pose and size: laid onto {face}", unit=unit)


def _velocity(info: StreamInfo) -> StreamInfo:
    return replace(info, words=f"change a second of: {info.words}", unit=f"{info.unit} a second".strip())


def _acceleration(info: StreamInfo) -> StreamInfo:
    words = f"change a second of the change a second of: {info.words}"
    return replace(info, words=words, unit=f"{info.unit} a second squared".strip())


def _asymmetry(info: StreamInfo) -> StreamInfo:
    if info.points:
        found = partners(info)
        names = tuple(f"{p}-{q}" if p < q else f"{p}" for p, q in enumerate(found) if p <= q)
        words = f"distance of each point from its partner's mirror image, of: {info.words}"
        return replace(info, shape=(len(names),), components=names, words=words, mirrored=(), points="")
    if not (both := pairs(info)):
        raise ValueError(f"asymmetry takes points, or numbers with left and right; {info.source} has no sides")
    names = tuple(f"{info.names()[left]}-{info.names()[right]}" for left, right, _ in both)
    flip = tuple((k, -1.0) for k in range(len(names)))
    words = f"one side minus the other of: {info.words}"
    return replace(info, shape=(len(names),), components=names, words=words, mirrored=flip)


def _neutral(info: StreamInfo) -> StreamInfo:
    words = f"difference to the clip's neutral face (median of its first {NEUTRAL_SEC:g} s) of: {info.words}"
    return replace(info, words=words)


def _centred(info: StreamInfo) -> StreamInfo:
    return replace(info, words=f"difference to the clip's mean of: {info.words}")


def _phase(info: StreamInfo) -> StreamInfo:
    if any(factor < 0 for _, factor in info.mirrored):
        raise ValueError(f"phase takes intensities, such as units; {info.source} has numbers of both signs")
    numbers = ", ".join(f"{number} {phase}" for number, phase in enumerate(PHASES))
    return replace(info, words=f"phase (longest rise, longest fall after it) of: {info.words}", unit=numbers)


def _saxen(info: StreamInfo) -> StreamInfo:
    if lacking := [unit for unit in SAXEN_UNITS if unit not in info.names()]:
        raise ValueError(f"saxen takes action units, such as units; {info.source} has no {lacking[0]}")
    return replace(info, shape=(len(SAXEN_UNITS),), components=SAXEN_UNITS, mirrored=())


def _dynamics(info: StreamInfo) -> StreamInfo:
    # The statistics of a number of the other sign are no multiples of its own; then a mirrored face has the same.
    symmetric = all(factor == 1.0 for _, factor in info.mirrored)
    places = range(len(DYNAMICS))
    return replace(
        info,
        shape=(info.size, len(DYNAMICS)),
        words=f"{len(DYNAMICS)} statistics over the clip, of curve, speed and acceleration, of: {info.words}",
        components=tuple(f"{name}_{statistic}" for name in info.names() for statistic in DYNAMICS),
        unit=f"by statistic: seconds, shares, counts, and as the curve{f' ({info.unit})' if info.unit else ''}",
        mirrored=tuple((len(DYNAMICS) * other + k, 1.0) for other, _ in info.mirrored for k in places if symmetric),
        points="",
        of_clip=True,
    )


def _markers(info: StreamInfo) -> StreamInfo:
    if not info.points or info.rules != ("steady",):
        raise ValueError("markers takes points of a face as they are found, such as mesh_markers or landmarks_markers")
    parts = [f"{region}-{phase}" for region in MARKER_POINTS[info.points] for phase in SMILE_PHASES]
    return replace(
        info,
        shape=(len(parts), len(MARKERS)),
        words=f"D-markers, {len(MARKERS)} of each region in each phase of a smile, of: {info.words}",
        components=tuple(f"{part}_{marker}" for part in parts for marker in MARKERS),
        unit="by marker: seconds, shares, and parts of the region's width, also a second and a second squared",
        mirrored=(),
        points="",
        of_clip=True,
    )


def _apex(info: StreamInfo) -> StreamInfo:
    words = f"mean distance of all numbers from the neutral face at its height, and when that is, of: {info.words}"
    unit = f"intensity: as the numbers{f' ({info.unit})' if info.unit else ''}; time: share of the clip"
    return replace(
        info, shape=(len(APEX),), components=APEX, words=words, unit=unit, mirrored=(), points="", of_clip=True
    )


class Rule(NamedTuple):
    """How a stream follows from another."""

    words: str
    """What it is, for tables."""
    follows: Callable[[StreamInfo], StreamInfo]
    """What the new stream is; raises ``ValueError`` where there is none."""


RULES = {
    "steady": Rule("points without the head's pose and size", _steady),
    "velocity": Rule("change a second", _velocity),
    "acceleration": Rule("change of that a second", _acceleration),
    "asymmetry": Rule("what one side of the face does alone", _asymmetry),
    "neutral": Rule("difference to the clip's own neutral face", _neutral),
    "centred": Rule("difference to the clip's own mean", _centred),
    "phase": Rule("neutral, onset, apex or offset", _phase),
    "saxen": Rule(f"action units {', '.join(SAXEN_UNITS)}", _saxen),
    **{
        rule: Rule(f"statistics over the clip of curve, speed, acceleration, each low-passed at {hz:g} Hz", _dynamics)
        for rule, hz in CUTOFFS_HZ.items()
    },
    "apex": Rule("how far the face is from neutral at the height of the clip, and when that is", _apex),
    "markers": Rule("D-markers of lips, eyelids and cheeks in onset, apex and offset of a smile", _markers),
}
"""Suffix of a stream's name → what it means; several follow one after another: ``mesh_steady_velocity``."""


def stream_named(name: str, known: Mapping[str, StreamInfo]) -> StreamInfo:
    """A stream by its name, which may have suffixes of :data:`RULES`.

    Args:
        name: Such as ``units``, ``units_velocity``, ``mesh_steady_velocity``.
        known: Streams that something computes, by their names.

    Raises:
        ValueError: If there is no such stream, or nothing that follows from it so; one line without the key.
    """
    head, suffixes = name, list[str]()
    while head not in known and "_" in head:
        head, _, last = head.rpartition("_")
        suffixes.insert(0, last)
    if head not in known:
        ending = "".join(f"_{s}" for i, s in enumerate(suffixes) if all(later in RULES for later in suffixes[i:]))
        near = nearest(name, [near for k in known if _exists(near := f"{k}{ending}", known)])
        raise ValueError(
            f"the data have no stream {name}{near} (there are: {', '.join(known)}); others come from signals=[…]"
        )
    for suffix in suffixes:
        if suffix not in RULES:
            raise ValueError(f"{name}: no stream follows by {suffix!r}{nearest(suffix, tuple(RULES))} (there are: "
                             f"{', '.join(f'{head}_{rule}' for rule in RULES)})")  # fmt: skip
    return _derived(name, known[head], suffixes) if suffixes else known[head]


def _exists(name: str, known: Mapping[str, StreamInfo]) -> bool:
    try:
        return bool(stream_named(name, known))
    except ValueError:
        return False


def _derived(name: str, base: StreamInfo, rules: Iterable[str]) -> StreamInfo:
    rules = list(rules)
    if base.name == PIXELS.name:
        raise ValueError(f"{name}: {base.name} are pictures; expected a stream of numbers, such as box_velocity")
    if base.points and {"asymmetry", "apex", "markers"} & set(rules) and "steady" not in rules:
        rules.insert(0, "steady")  # what a turned head's sides look like is no asymmetry of the face, nor a movement
    info = replace(base, base=base, name=name, dtype="float32")
    for rule in rules:
        if info.of_clip:
            raise ValueError(f"{name}: a whole clip has one value; let {info.rules[-1]} stand last")
        if info.rules[-1:] == ("phase",) and rule not in CUTOFFS_HZ:
            raise ValueError(f"{name}: nothing but dynamics follows from phases; let phase stand last")
        try:
            info = RULES[rule].follows(info)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        info = replace(info, rules=(*info.rules, rule))
    return info
