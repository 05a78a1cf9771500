"""The ceiling: how well a simple model tells the labels from the action units themselves.

:func:`score` sees the whole trace, :func:`best_moment` the one moment that tells most, out of all of them: their
distance is what time is worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realfake.data.sources.sase_fe import CODES
from realfake.data.synthetic.generation import jobs, read_settings, trace_of
from realfake.data.synthetic.options import SyntheticSettings
from realfake.data.synthetic.units import CENTRAL, COLUMNS, HARD, OPPOSITE, PROTOTYPES, SIDED
from realfake.errors import UserError
from realfake.labels import Emotion
from realfake.scoring.statistics import t_interval

_COLUMNS = 5
"""Moments in a printed row."""


@dataclass(frozen=True)
class OracleResult:
    """Figures from 0 to 1 in cross-validation over subjects."""

    authenticity_auroc: float
    authenticity_accuracy: float
    emotion_accuracy: float
    joint_accuracy: float
    clips: int
    moment_sec: float | None
    """The moment that was looked at; ``None`` = the whole trace."""


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


def best_moment(traces: Traces) -> OracleResult:
    """Scores of the moment at which :func:`moment_aurocs` is highest, which flatters: chance alone makes a highest."""
    return score(traces, int(np.argmax(moment_aurocs(traces))))


def moment_aurocs(traces: Traces) -> np.ndarray:
    """AUROC of real against posed of logistic regression on all units of each single moment, shape ``(frames,)``."""
    return np.array([tell(row, traces)[0] for row in np.moveaxis(traces.units, 1, 0)])


def score(traces: Traces, moment: int | None = None) -> OracleResult:
    """Cross-validate on ``traces``; needs at least two subjects.

    Args:
        traces: What is told apart.
        moment: Index of the moment that is looked at; ``None`` = the whole trace.
    """
    seen = traces.units.mean(axis=1) if moment is None else traces.units[:, moment]
    emotion = _guess(seen, traces.emotion, traces.subject)[0]
    auroc, authenticity = tell(seen if moment is not None else _dynamics(traces, emotion), traces)
    right_emotion, right_authenticity = emotion == traces.emotion, authenticity == traces.authenticity
    return OracleResult(
        auroc,
        float(right_authenticity.mean()),
        float(right_emotion.mean()),
        float((right_emotion & right_authenticity).mean()),
        len(seen),
        None if moment is None else float(traces.times_sec[moment]),
    )


def tell(features: np.ndarray, traces: Traces) -> tuple[float, np.ndarray]:
    """AUROC of real against posed, and the guesses."""
    from sklearn.metrics import roc_auc_score

    guesses, chances = _guess(features, traces.authenticity, traces.subject)
    return float(roc_auc_score(traces.authenticity, chances[:, 1])), guesses


def _guess(features: np.ndarray, labels: np.ndarray, subject: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels ``(clips,)`` and their probabilities, by logistic regression on the clips of other subjects."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
    folds = GroupKFold(min(5, len(np.unique(subject))))
    chances = cross_val_predict(model, features, labels, groups=subject, cv=folds, method="predict_proba")
    return np.unique(labels)[chances.argmax(axis=1)], chances


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


def _dynamics(traces: Traces, emotion: np.ndarray) -> np.ndarray:
    """How much, and how fast up and down, what the cues move moves; shape ``(clips, 12)``.

    Four curves a clip: the units of its ``emotion``; those of the other emotion alone; how uneven the sides are; how
    strong the hard units are beside the others.
    """
    units = {name: traces.units[:, :, i] for i, name in enumerate(COLUMNS)}
    whole = {u: (units[f"{u}_L"] + units[f"{u}_R"]) / 2 for u in SIDED} | {u: units[u] for u in CENTRAL}
    rows = np.zeros((len(emotion), 4, 3))
    for e in Emotion:
        main, hard = PROTOTYPES[e], HARD[e]
        sided = [u for u in main if u in SIDED]
        shown = _total(whole, main)
        other = _total(whole, PROTOTYPES[OPPOSITE[e]].keys() - main.keys())
        left, right = (_total(units, [f"{u}_{side}" for u in sided]) for side in "LR")
        uneven = (left - right) / (left + right + 0.3)
        kept = _total(whole, hard) / (_total(whole, main.keys() - set(hard)) + 0.3)
        for k, curve in enumerate((shown, other, uneven, kept)):
            change = np.diff(curve[emotion == e], axis=1)
            moved = [np.abs(change).sum(axis=1), change.max(axis=1), -change.min(axis=1)]
            rows[emotion == e, k] = np.log(np.stack(moved, axis=1).clip(min=0.0) + 0.01)
    return rows.reshape(len(emotion), -1)


def _total(units: Mapping[str, np.ndarray], names: Iterable[str]) -> np.ndarray:
    return np.sum([units[name] for name in sorted(names)], axis=0)


def main() -> None:
    """Print both ceilings of a dataset, and draw its contact sheets if asked to; or what every single moment tells."""
    parser = argparse.ArgumentParser(description="Ceilings of synthetic datasets, from their action units.")
    parser.add_argument("root", type=Path, nargs="?", help="a dataset, e.g. data/synthetic-<digest>")
    parser.add_argument("--pictures", type=Path, help="write faces.jpg and time.jpg of the dataset into this folder")
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of a dataset: draw traces of these data seeds")
    parser.add_argument("--difficulty", type=float, default=SyntheticSettings.difficulty, help="of the drawn traces")
    options = parser.parse_args()
    if (options.root is None) == (options.seeds is None) or (options.seeds and options.pictures):
        parser.error("give a dataset, with --pictures if you like, or --seeds")
    try:
        if options.seeds:
            print_moments([SyntheticSettings(seed=s, difficulty=options.difficulty) for s in options.seeds])
            return
        traces = load_traces(options.root)
        print(f"whole trace {_words(score(traces))}")
        best = best_moment(traces)
        print(f"best moment {_words(best)}; {best.moment_sec:.2f} s, of {len(traces.times_sec)} moments")
        if options.pictures is not None:
            from realfake.data.synthetic.sheet import contact_sheet, time_sheet

            print(contact_sheet(options.root, options.pictures / "faces.jpg"))
            print(time_sheet(options.root, options.pictures / "time.jpg"))
    except UserError as error:
        parser.exit(1, f"error: {error}\n")


def print_moments(datasets: Sequence[SyntheticSettings]) -> None:
    """Print AUROC of real against posed from the whole trace, and from every single moment, a fifth of a row each.

    In brackets stands Student's 95 % interval of the mean over the datasets.

    Args:
        datasets: Settings that differ in their seed alone.
    """
    drawn = [draw_traces(settings) for settings in datasets]
    whole = [score(traces).authenticity_auroc for traces in drawn]
    moments = np.stack([moment_aurocs(traces) for traces in drawn])
    times, mean = drawn[0].times_sec, moments.mean(axis=0)
    step = times[1]
    mean_whole = t_interval(np.array(whole))
    ends = f" [{mean_whole.low:.3f}, {mean_whole.high:.3f}]" if len(whole) > 1 else ""
    print(f"whole trace  mean {mean_whole.value:.3f}{ends}, lowest of a seed {min(whole):.3f}")
    print(f"one moment   highest mean {mean.max():.3f}, highest of a seed {moments.max():.3f}")
    print("\nmean from    " + "  ".join(f"+{k * step:.2f}" for k in range(_COLUMNS)))
    for first in range(0, len(mean), _COLUMNS):
        print(f"{times[first]:7.2f} s    " + "  ".join(f"{v:.3f}" for v in mean[first : first + _COLUMNS]))


def _words(found: OracleResult) -> str:
    return (
        f"AUROC {found.authenticity_auroc:.3f}, authenticity {found.authenticity_accuracy:.3f}, "
        f"emotion {found.emotion_accuracy:.3f}"
    )


if __name__ == "__main__":
    main()
