"""Tables and streams of another tracker than the one that a run was trained on: refused, unless accepted by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realfake.approaches.module import ApproachModule
from realfake.composing.composition import option
from realfake.composing.messages import changed
from realfake.config import (
    MediapipeSignal,
    OpenfaceSignal,
    PyfeatSignal,
    SignalConfig,
    StreamInfo,
    TrackerSignal,
    TrainConfig,
    as_plain,
    streams_named,
)
from realfake.config.trackers import TRACKERS, tracked
from realfake.errors import UserError
from realfake.models.fusion import Standardise
from realfake.runs.network import reads_tables, with_tables
from realfake.streams.stream import Translation
from realfake.streams.table_matching import any_table
from realfake.streams.tracker_tables import tracker_of

log = logging.getLogger(__name__)

_KEYS = {words: key for key, words in TRACKERS.items()}
_MEDIAPIPE = TRACKERS["mediapipe"]


@dataclass(frozen=True)
class Reading:
    """How streams of clips are read for a run."""

    cfg: TrainConfig
    """The run's configuration, with the signals and tables that are read now."""
    translations: Mapping[str, Translation] = field(default_factory=dict)
    """Of streams of another tracker, by their names."""
    notes: tuple[str, ...] = ()
    """A line on each of these, which belongs beside every figure."""


def reading(cfg: TrainConfig, module: ApproachModule, tables: str | None, accept: Sequence[str]) -> Reading:
    """How the streams of a run are read, from tables that lie elsewhere or of another tracker that is accepted.

    Args:
        cfg: The run's configuration.
        module: Its network, which knows the means of the training part.
        tables: Folder of the tables; ``None`` = as in the run.
        accept: At most one of :data:`realfake.config.trackers.TRACKERS`, whose streams may stand for the run's own.

    Raises:
        UserError: If the tables are another tracker's that is not accepted, nothing of it can be matched by name, or
            the run looks at nothing that it tells.
    """
    place, shown = _place(cfg, tables)
    table = any_table(place) if place else None
    found = tracker_of(table) if table else None
    wanted = TRACKERS[accept[0]] if accept else None
    own = {_by(options) for options in cfg.signals_seen.values() if isinstance(options, OpenfaceSignal | PyfeatSignal)}
    # The run's own tables where it was trained are no answer to who asks for another tracker.
    asked = wanted not in (None, *own) and tables is None
    if (found in own and not asked) or (wanted in own and found is None):
        return Reading(with_tables(cfg, tables))
    if found not in (None, wanted) and not asked:
        if not (replaced := _replaced(cfg, found)):
            return Reading(with_tables(cfg, tables))
        streams = ",".join(stream for given in replaced.values() for stream in given)
        trained_on = " and ".join(_by(cfg.signals[name]) for name in replaced)
        alone = f", accept=[{accept[0]}] those of {wanted} alone" if wanted else ""
        raise UserError(
            f"{shown}: tables of {found}, but this run was trained on [{streams}] of {trained_on}{alone}; "
            f"accept=[{_KEYS[found]}] takes them all the same, matched by the names of their components"
        )
    if wanted is None:
        return Reading(with_tables(cfg, tables))
    return _accepted(cfg, module, str(place) if place and found == wanted else tables, wanted)


def concerns(cfg: TrainConfig) -> bool:
    """Whether tables, and other trackers, are of any concern for a run."""
    return bool(reads_tables(cfg)) or any(_replaced(cfg, tracker) for tracker in _KEYS)


def _accepted(cfg: TrainConfig, module: ApproachModule, tables: str | None, tracker: str) -> Reading:
    replaced, key = _replaced(cfg, tracker), f"accept=[{_KEYS[tracker]}]"
    if not replaced:
        seen = ",".join(cfg.streams)
        raise UserError(f"{key}: this run looks at [{seen}], of which {tracker} tells nothing else; leave accept out")
    options = _options(cfg, replaced, tracker, tables, key)
    kept = {name: as_plain(o) for name, o in cfg.signals_seen.items() if name not in replaced}
    now = changed(cfg, {"signals": {**kept, options.name: as_plain(options)}})
    sources = {source for streams in replaced.values() for source in streams}
    means = {m.stream: m for m in module.backbone.modules() if isinstance(m, Standardise)}
    translations, notes = {}, []
    for name, own in cfg.streams.items():
        if own.source not in sources:
            continue
        given = streams_named([name], now.signals)[name]
        layer = means[name]
        translations[name] = _translation(own, given, layer.mean.tolist(), key)
        notes.append(_note(own, given, translations[name], "0" if layer.fixed else "the training part's mean"))
        log.warning("%s: %s", key, notes[-1])
    return Reading(now, translations, tuple(notes))


def _translation(own: StreamInfo, given: StreamInfo, mean: list[float], key: str) -> Translation:
    places = {component: k for k, component in enumerate(given.names())}
    columns = tuple(places.get(component, -1) for component in own.names())
    if max(columns) < 0:
        raise UserError(
            f"{key}: {given.name} ({given.words}) has none of the components that this run was trained on "
            f"({own.words}), {own.names()[0]} and others; expected tables of the run's own tracker"
        )
    return Translation(own, given, columns, tuple(mean))


def _note(own: StreamInfo, given: StreamInfo, translation: Translation, fill: str) -> str:
    lacking = [name for name, k in zip(own.names(), translation.columns, strict=True) if k < 0]
    shown = f"; {', '.join(lacking)} at {fill}" if lacking else ""
    scales = "" if own.unit == given.unit else f"; other scales: {given.unit}, trained on {own.unit}"
    return (
        f"{own.name}: {given.words} in place of {own.words}, {own.size - len(lacking)} of {own.size} components by "
        f"name{shown}{scales}; figures are not those of the run's own tracker"
    )


def _replaced(cfg: TrainConfig, tracker: str) -> dict[str, list[str]]:
    """Signals whose streams the tracker tells otherwise, and the streams of each that the network's come from."""
    sources = {info.source for info in cfg.streams.values()}
    of_signal = {
        name: [info.name for info in options.infos() if info.name in sources]
        for name, options in cfg.signals_seen.items()
        if _by(options) != tracker
    }
    return {name: own for name, own in of_signal.items() if any(stream in _tells(tracker) for stream in own)}


def _options(
    cfg: TrainConfig, replaced: dict[str, list[str]], tracker: str, tables: str | None, key: str
) -> SignalConfig:
    """The signal that gives the streams of a tracker."""
    sources = [stream for streams in replaced.values() for stream in streams]
    if lacking := [stream for stream in sources if stream not in _tells(tracker)]:
        raise UserError(f"{key}: {tracker} tells no {lacking[0]}, which this run looks at; leave accept out")
    if tracker == _MEDIAPIPE:
        if tables is not None:
            raise UserError(f"tables={tables}: {key} computes its streams of the videos; leave tables out")
        return option(MediapipeSignal)
    own = [o for name in replaced if isinstance(o := cfg.signals[name], TrackerSignal)]
    values = {"streams": sources, "root": tables, **({"relative_to": own[0].relative_to} if own else {})}
    if tracker == TRACKERS["pyfeat"]:
        return option(PyfeatSignal, **values)
    return option(OpenfaceSignal, version=3 if tracker == TRACKERS["openface3"] else 2, **values)


def _by(options: SignalConfig) -> str:
    """Who tells a signal's streams."""
    if isinstance(options, OpenfaceSignal | PyfeatSignal):
        return options.tracker
    return _MEDIAPIPE if isinstance(options, MediapipeSignal) else f"signals=[{options.name}]"


def _tells(tracker: str) -> tuple[str, ...]:
    """The streams of a tracker."""
    return tuple(info.name for info in option(MediapipeSignal).infos()) if tracker == _MEDIAPIPE else tracked(tracker)


def _place(cfg: TrainConfig, tables: str | None) -> tuple[Path | None, str]:
    """The folder in which tables are looked for, ``None`` if they lie beside the videos, and the key that says so."""
    if tables is not None:
        return Path(tables).expanduser(), f"tables={tables}"
    for name, options in cfg.signals_seen.items():
        if isinstance(options, OpenfaceSignal | PyfeatSignal) and options.root:
            return Path(options.root).expanduser(), f"signals.{name}.root={options.root}"
    return None, ""
