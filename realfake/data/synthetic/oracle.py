"""The ceiling: how well a simple model tells the labels from the action units themselves.

:func:`oracle` sees the whole trace, :func:`static_oracle` one moment: their distance is what time is worth.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realfake.data.sources.sase_fe import CODES
from realfake.data.synthetic.settings import SyntheticSettings
from realfake.data.synthetic.units import COLUMNS, SIDED
from realfake.data.synthetic.writing import jobs, read_settings, trace_of
from realfake.errors import UserError


@dataclass(frozen=True)
class OracleResult:
    """Accuracies (0 to 1) in cross-validation over subjects."""

    authenticity_accuracy: float
    emotion_accuracy: float
    joint_accuracy: float
    clips: int


@dataclass(frozen=True)
class Traces:
    """All traces of a dataset."""

    times_sec: np.ndarray
    """``(frames,)``"""
    units: np.ndarray
    """``(clips, frames, len(COLUMNS))``"""
    emotion: np.ndarray
    authenticity: np.ndarray
    subject: np.ndarray


def load_traces(root: Path) -> Traces:
    """Read the traces below ``root`` as the generator wrote them."""
    settings = read_settings(root)
    tables = [np.loadtxt(j.trace(Path(root)), delimiter=",", skiprows=1, ndmin=2) for j in jobs(settings)]
    return _traces(settings, tables[0][:, 0], np.stack([t[:, 1:] for t in tables]))


def draw_traces(settings: SyntheticSettings) -> Traces:
    """The traces that a dataset of these settings has, without its videos."""
    units = np.stack([trace_of(settings, j) for j in jobs(settings)])
    return _traces(settings, np.arange(settings.frames) / settings.fps, units)


def oracle(root: Path) -> OracleResult:
    """Accuracy of a linear model on the dynamics of the whole trace; folds are by subject."""
    return score(load_traces(root), static=False)


def static_oracle(root: Path, at: float = 0.55) -> OracleResult:
    """Accuracy of a linear model on one moment, ``at`` (a fraction of the clip); folds are by subject."""
    return score(load_traces(root), static=True, at=at)


def score(traces: Traces, static: bool, at: float = 0.55) -> OracleResult:
    """Cross-validate on ``traces``; needs at least two subjects."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    moment = _moment(traces, at)
    asymmetry = _asymmetry(moment)
    emotion = np.full(len(moment), -1)
    authenticity = np.full(len(moment), -1)
    folds = GroupKFold(min(10, len(np.unique(traces.subject))))
    for train, test in folds.split(moment, groups=traces.subject):
        teller = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
        teller.fit(moment[train], traces.emotion[train])
        emotion[test] = teller.predict(moment[test])
        # What is weak or strong depends on the emotion, so units are relative to those of the emotion.
        seen = np.where(np.isin(np.arange(len(moment)), test), emotion, traces.emotion)
        parts = [_relative(moment, seen, train), asymmetry[:, None]]
        if not static:
            parts.append(_dynamics(traces))
        features = np.concatenate(parts, axis=1)
        judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        judge.fit(features[train], traces.authenticity[train])
        authenticity[test] = judge.predict(features[test])
    right_emotion, right_authenticity = emotion == traces.emotion, authenticity == traces.authenticity
    return OracleResult(
        float(right_authenticity.mean()),
        float(right_emotion.mean()),
        float((right_emotion & right_authenticity).mean()),
        len(moment),
    )


def _traces(settings: SyntheticSettings, times_sec: np.ndarray, units: np.ndarray) -> Traces:
    labels = list(CODES.values())
    clips = jobs(settings)
    return Traces(
        times_sec,
        units,
        np.array([int(labels[j.clip][0]) for j in clips]),
        np.array([int(labels[j.clip][1]) for j in clips]),
        np.array([j.subject for j in clips]),
    )


def _moment(traces: Traces, at: float) -> np.ndarray:
    """Units at a moment without blinks: means of both sides, differences of the sides, central units."""
    row = traces.units[:, min(int(at * traces.units.shape[1]), traces.units.shape[1] - 1)]
    pairs = row[:, : 2 * len(SIDED)].reshape(len(row), -1, 2)
    return np.concatenate([pairs.mean(2), np.abs(pairs[..., 0] - pairs[..., 1]), row[:, 2 * len(SIDED) : -1]], axis=1)


def _asymmetry(moment: np.ndarray) -> np.ndarray:
    n = len(SIDED)
    return moment[:, n : 2 * n].sum(1) / (moment[:, :n].sum(1) + 0.1)


def _relative(moment: np.ndarray, emotion: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Strength of the emotion's hard units, as a part of its other units, standardised per emotion."""
    from realfake.data.synthetic.units import HARD, PROTOTYPES
    from realfake.labels import Emotion

    names = [*SIDED, *[f"{u}_difference" for u in SIDED], *COLUMNS[2 * len(SIDED) : -1]]
    out = np.zeros((len(moment), 2))
    for e in Emotion:
        hard = moment[:, [names.index(u) for u in HARD[e]]].sum(1)
        easy = moment[:, [names.index(u) for u in PROTOTYPES[e] if u not in HARD[e]]].sum(1)
        ratio = np.log((hard + 0.05) / (easy + 0.05))
        pairs = [i for i in range(len(SIDED)) if SIDED[i] in PROTOTYPES[e]]
        uneven = moment[:, [len(SIDED) + i for i in pairs]].sum(1) / (moment[:, pairs].sum(1) + 0.1)
        both = np.stack([ratio, uneven], axis=1)
        base = both[train][emotion[train] == e]
        chosen = emotion == e
        if len(base):
            out[chosen] = (both[chosen] - base.mean(0)) / (base.std(0) + 1e-6)
    return out


def _dynamics(traces: Traces) -> np.ndarray:
    """Speed of the onset, what was before it, smoothness and length of the apex; shape ``(clips, 5)``."""
    t, total = traces.times_sec, traces.units[:, :, :-1].sum(2)
    length = t[-1] + t[1]
    scale = min(1.0, length / 3.0)
    early = total[:, t <= 0.2 * scale].mean(1)
    rows = []
    for curve, start in zip(total, early, strict=True):
        calm = np.flatnonzero((t > 0.2 * scale) & (t < 1.15 * scale))
        first = calm[np.argmin(curve[calm])]
        rest = curve[first:] - curve[first]
        top = np.quantile(rest, 0.9) + 1e-6
        above = np.flatnonzero(rest >= 0.75 * top)[0]
        below = np.flatnonzero(rest[: above + 1] <= 0.25 * top)[-1]
        rise = (above - below) * t[1] / scale
        held = float((rest > 0.8 * top).mean())
        apex = rest[above:]
        rough = np.abs(np.diff(apex, 2)).mean() / top if len(apex) > 2 else 0.0
        slope = np.diff(rest).max() / top / t[1] * scale
        rows.append([np.log(rise + 0.04), np.log(slope + 0.1), np.log(start + 0.05), held, np.log(rough + 1e-4)])
    return np.array(rows)


def main() -> None:
    """Print both ceilings of a dataset, and draw its contact sheets if asked to."""
    parser = argparse.ArgumentParser(description="Ceilings of a synthetic dataset, from its action units.")
    parser.add_argument("root", type=Path, help="the dataset, e.g. data/synthetic-<digest>")
    parser.add_argument("--pictures", type=Path, help="write faces.jpg and time.jpg into this folder")
    options = parser.parse_args()
    try:
        for name, found in (("whole trace", oracle(options.root)), ("one moment", static_oracle(options.root))):
            print(f"{name:12}authenticity {found.authenticity_accuracy:.3f}, emotion {found.emotion_accuracy:.3f}")
        if options.pictures is not None:
            from realfake.data.synthetic.sheet import contact_sheet, time_sheet

            print(contact_sheet(options.root, options.pictures / "faces.jpg"))
            print(time_sheet(options.root, options.pictures / "time.jpg"))
    except UserError as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
