"""``details.json``: what tested clips were like beyond their figures, so that a page needs the run's folder alone.

How well the face of each clip was seen; and of the surest right and wrong clips the course of the probabilities, the
streams that the network saw, and crops of the face.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.data.sampling import fixed_moments, nearest, sampled_interval, sliding_windows
from realfake.files import write_whole
from realfake.reports.example_cards import Course, Details, Example, Face, OverTime
from realfake.runs.network import Network
from realfake.scoring.calibration import apply_temperatures
from realfake.scoring.plots.examples import choose_examples
from realfake.scoring.predictions import Predictions
from realfake.streams.stream import StreamRows

if TYPE_CHECKING:
    from realfake.data.datamodule import ClipDataModule
    from realfake.data.store import PreparedStore

WINDOWS = 9
"""Of the curve of a network that sees clips: those of all examples together are about as many as a test has."""
FACES = 3
"""Crops of an example, over its sampled part; the one in its middle is among them."""
FACE_PX, JPEG_QUALITY = 112, 85
POINTS = 60
"""Of a stream's curve at most."""
COMPONENTS = 4
"""Of a stream at most: those that vary most in the clip."""


def write_details(
    path: Path,
    clips: Predictions,
    samples: Predictions,
    data: ClipDataModule,
    network: Network | None,
    *,
    faces: bool,
    temperatures: Mapping[str, float] | None = None,
) -> None:
    """Write the file.

    Args:
        path: Of the file.
        clips: One row a tested clip, in the order of ``predictions.csv``.
        samples: One row a sample.
        data: What was tested on.
        network: That was tested, which is asked for windows over time if it sees clips; ``None`` = it is not.
        faces: Whether crops of faces are written as well.
        temperatures: Task → temperature by which ``samples`` were scaled.
    """
    store = data.opened()
    seen = [info.name for info in data.spec.numbers]
    shown: list[Example] = []
    for right, rows in zip((True, False), choose_examples(clips), strict=True):
        for row in rows.tolist():
            clip = int(clips.clip[row])
            interval = sampled_interval(float(store.table["duration_sec"].iloc[clip]), data.sampling.window)
            streams = data.sets["test"].streams
            shown.append(
                {
                    "clip": str(store.table["clip"].iloc[clip]),
                    "dataset": str(store.table["dataset"].iloc[clip]),
                    "right": right,
                    "interval_sec": _known(np.array(interval)),
                    "over_time": _over_time(clip, interval, samples, data, network, temperatures),
                    "streams": {n: _course(s, clip, interval) for n, s in streams.items() if n in seen},
                    "faces": _faces(store, clip, interval) if faces else [],
                }
            )
    content: Details = {"faces": _face_quality(store, clips.clip), "examples": shown}
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _face_quality(store: PreparedStore, clips: np.ndarray) -> dict[str, list[float | None]]:
    """Of each clip (N,): median of its faces' longer sides in pixels of the video; part of the looks that found one."""
    sides = [np.median(store.boxes(int(clip))[:, 2:].max(axis=1)) for clip in clips]
    found = store.table["yield"].to_numpy(np.float64)[clips]
    return {"size_px": _plain(np.array(sides), 1), "yield": _plain(found)}


def _over_time(
    clip: int,
    interval: tuple[float, float],
    samples: Predictions,
    data: ClipDataModule,
    network: Network | None,
    temperatures: Mapping[str, float] | None,
) -> OverTime | None:
    """Probabilities over the clip: of the frames that were tested, or of windows that slide over it."""
    store, window_sec = data.opened(), 0.0
    times = store.timestamps(clip)
    if data.spec.frames is not None:
        if network is None:
            return None
        times_sec, moments, spans, window_sec = sliding_windows(times, interval, data.spec, most=WINDOWS)
        p = network(data.sets["test"].streams, moments, spans, clip)
        p = p if temperatures is None else apply_temperatures(p, temperatures)
    else:
        moments, _ = fixed_moments(times, float(store.table["duration_sec"].iloc[clip]), data.sampling, data.spec)
        times_sec, p = times[nearest(times, moments[:, 0])], samples.select(samples.clip == clip)
        if len(times_sec) != len(p):  # not all of its frames were tested
            return None
    told = [task for task in ("emotion", "authenticity") if task in p.p]
    courses = {name: p.p[task][:, k] for task in told for k, name in enumerate(p.space.names(task))}
    return {
        "times_sec": _known(times_sec),
        "window_sec": round(float(window_sec), 3),
        "p": {name: _known(values, 4) for name, values in courses.items()},
    }


def _course(rows: StreamRows, clip: int, interval: tuple[float, float]) -> Course:
    """A stream of a clip where it was sampled: the numbers that vary most, with null in gaps."""
    own, there = rows.within(np.array([clip]), np.array([interval]))
    chosen = own[0][np.linspace(0, len(own[0]) - 1, min(POINTS, len(own[0]))).round().astype(int)]
    values = rows.gather(chosen).reshape(len(chosen), -1).astype(np.float64)
    values[~np.isin(chosen, own[0][there[0]])] = np.nan
    sound, info = values[np.isfinite(values).all(axis=1)], rows.spec.info
    spread = np.ptp(sound, axis=0) if len(sound) else np.zeros(values.shape[1])
    most = np.sort(np.argsort(-spread, kind="stable")[:COMPONENTS])
    return {
        "words": info.words,
        "unit": info.unit,
        "of": info.size,
        "times_sec": _plain(rows.times_sec[chosen]),
        "values": {info.names()[k]: _plain(values[:, k], 4) for k in most.tolist()},
    }


def _faces(store: PreparedStore, clip: int, interval: tuple[float, float]) -> list[Face]:
    """Crops of the sampled part, evenly apart, as JPEG in base64."""
    import simplejpeg

    times = store.timestamps(clip)
    wanted = np.linspace(*interval, FACES + 2)[1:-1]
    chosen = np.unique(nearest(times, wanted))
    found: list[Face] = []
    for crop, time_sec in zip(store.read(clip, chosen, FACE_PX), times[chosen], strict=True):
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(crop), JPEG_QUALITY, "RGB")
        found.append({"time_sec": round(float(time_sec), 3), "jpeg": base64.b64encode(jpeg).decode()})
    return found


def _known(values: np.ndarray, digits: int = 3) -> list[float]:
    """Numbers with a few decimals."""
    return [round(v, digits) for v in np.asarray(values, np.float64).tolist()]


def _plain(values: np.ndarray, digits: int = 3) -> list[float | None]:
    """The same, null where there is none."""
    return [v if math.isfinite(v) else None for v in _known(values, digits)]
