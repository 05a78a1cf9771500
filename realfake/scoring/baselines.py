"""What can be reached without looking at faces: the figures that a result has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from realfake.labels import ABSENT, AUTHENTICITIES, Authenticity
from realfake.scoring.metric_table import METRICS, told_metrics
from realfake.scoring.metrics import median_sides, metrics
from realfake.scoring.predictions import Predictions
from realfake.scoring.protocols import compared
from realfake.scoring.scores import real_levels

SHUFFLES = 2000
_CELLS = 4_000_000
"""Shuffled labels held at once."""
_PAIRED = ("pair_accuracy", "median_accuracy")
"""What compares the clips of a pair."""


def chance(p: Predictions) -> dict[str, float]:
    """What guessing at random among the classes of some predictions gives, of the metrics for which that is known."""
    classes = {task: p.space.size(task) for task in p.tasks}
    return {name: m.chance(classes) for name in told_metrics(p.tasks) if (m := METRICS[name]).chance is not None}


def majority(
    p: Predictions, class_counts: Mapping[str, Sequence[float]], pair: np.ndarray | None = None
) -> dict[str, float]:
    """Metrics of what always says the training part's most frequent class.

    Each task has its own: the most frequent joint class need not be made of the most frequent emotion and authenticity,
    and a figure has to beat the best that can be reached without looking.

    Args:
        p: Predictions whose truth is asked, N rows.
        class_counts: Task → training clips of each class.
        pair: Number of the pair of each row (N,), -1 = none; None = no pairs.
    """
    found: dict[str, float] = {}
    for task in p.tasks:
        always = {task: np.tile(_frequencies(class_counts[task]), (len(p), 1))}
        of_task = metrics(Predictions.from_tasks(always, p.clip, p.emotion, p.authenticity, p.space), pair)
        found |= {name: value for name, value in of_task.items() if task != "joint" or METRICS[name].task == "joint"}
    return {name: found[name] for name in told_metrics(p.tasks)}


def emotion_only(p: Predictions, class_counts: Mapping[str, Sequence[float]]) -> Predictions:
    """The same rows with authenticity alone, guessed from the emotion: ``P(real | emotion)`` of the training part.

    What a model knows about authenticity beyond this, it has not read off the emotion. One clip of each kind is added
    to the counts, so that an emotion without training clips says nothing. A row without an emotion gets ``P(real)``.
    """
    counts = np.asarray(class_counts["joint"], float).reshape(len(AUTHENTICITIES), -1) + 1.0
    given = np.vstack([(counts / counts.sum(axis=0)).T, _frequencies(class_counts["authenticity"])])
    # Row -1 is that of an absent emotion.
    return Predictions.from_tasks({"authenticity": given[p.emotion]}, p.clip, p.emotion, p.authenticity, p.space)


def shuffle_test(
    p: Predictions, subject: np.ndarray, pair: np.ndarray | None = None, *, shuffles: int = SHUFFLES, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Could the result be luck? Labels are exchanged at random among the clips of each subject.

    The question is about these people: whether the predictions have to do with the labels at all. What holds for
    people in general is what the intervals over subjects say.

    Emotion and authenticity of a clip move together. Exchanging within subjects keeps how many clips of each class a
    person has, so that knowing the person is of no use. The clips of subjects with one clip only (or of unknown
    subjects) are exchanged among each other. If some clips have an authenticity, the others are left out.

    What compares the clips of a pair is tested by exchanges within pairs: pairs and medians and, if a protocol decided
    real or fake (:mod:`realfake.scoring.protocols`), the accuracies of authenticity and of both. Such a protocol calls
    half of each pair real, whatever the model says, so that its right and wrong answers come in twos; exchanges across
    pairs would take them for independent, and chance for something too often.

    Args:
        p: Predictions, one row a clip.
        subject: Number of the subject of each row (N,).
        pair: Number of the pair of each row (N,), -1 = none; None = nothing is asked that compares clips of pairs.
        shuffles: How many exchanges are tried.
        seed: Of the exchanges.

    Returns:
        Accuracy of each task that is told, AUROC and, with pairs, their metrics → ``value``, ``mean`` and ``p95`` over
        the exchanges (mean and 95 % quantile), ``p_value``: how often chance does as well, one-sided, counting the
        observed order, and ``smallest_p``: how often it does as well as in the best exchange that was seen. NaN where
        undefined.
    """
    known = p.authenticity != ABSENT
    if known.any():
        p, subject, pair = p.select(known), subject[known], None if pair is None else pair[known]
    found = _exchanged(lambda orders: _of_orders(p, orders), subject, shuffles, np.random.default_rng(seed))
    if pair is None or "authenticity" not in p.p:
        return found
    together = compared(pair)
    # Clips without others of their pair change places within their subject, as all do otherwise.
    group = np.where(together == ABSENT, -1 - subject, together)
    within = _exchanged(
        lambda orders: _of_orders(p, orders) | _of_pairs(p, together, orders),
        group, shuffles, np.random.default_rng([seed, 1]),
    )  # fmt: skip
    of_pairs = _PAIRED if p.given is None else (*_PAIRED, "authenticity_accuracy", "joint_accuracy")
    return found | {name: within[name] for name in of_pairs if name in within}


def _exchanged(
    of_orders: Callable[[np.ndarray], dict[str, np.ndarray]],
    group: np.ndarray,
    shuffles: int,
    rng: np.random.Generator,
) -> dict[str, dict[str, float]]:
    """What a function of orders (R, N) comes to if rows change places at random within their groups (N,)."""
    size = len(group)
    dense, count = np.unique(group, return_inverse=True, return_counts=True)[1:]
    place = np.where(count[dense] > 1, dense, len(count))
    home = np.argsort(place, kind="stable")
    observed = of_orders(np.arange(size)[None])
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in observed}
    step = max(1, _CELLS // max(1, size))
    for start in range(0, shuffles, step):
        keys = place + rng.random((min(step, shuffles - start), size))
        orders = np.empty(keys.shape, dtype=np.int64)
        # Sorting by group first and at random second hands every group its own rows, in another order.
        orders[:, home] = np.argsort(keys, axis=1)
        for name, values in of_orders(orders).items():
            drawn[name].append(values)
    return {name: _summary(float(observed[name][0]), np.concatenate(drawn[name])) for name in observed}


def _summary(value: float, drawn: np.ndarray) -> dict[str, float]:
    if np.isnan(value):
        return dict.fromkeys(("value", "mean", "p95", "p_value", "smallest_p"), float("nan"))

    def part(least: float) -> float:
        return (int((drawn >= least - 1e-12).sum()) + 1) / (len(drawn) + 1)

    return {
        "value": value,
        "mean": float(drawn.mean()),
        "p95": float(np.quantile(drawn, 0.95)),
        "p_value": part(value),
        "smallest_p": part(max(value, float(drawn.max(initial=value)))),
    }


def _of_orders(p: Predictions, orders: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics (R,) if row i has the labels of row ``orders[:, i]``."""
    found: dict[str, np.ndarray] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for task in p.tasks:
            y = p.true(task)[orders]
            found[f"{task}_accuracy"] = (y == p.predicted(task)).sum(axis=1) / (y != ABSENT).sum(axis=1)
        if "authenticity" not in p.p:
            return found
        # Mann-Whitney from the sum of ranks: the ranks stay, the labels move.
        y = p.authenticity
        real, fake = (y == Authenticity.REAL).sum(), (y == Authenticity.FAKE).sum()
        rank = rankdata(real_levels(p))
        wins = (rank * (y[orders] == Authenticity.REAL)).sum(axis=1) - real * (real + 1) / 2.0
        found["authenticity_auroc"] = wins / (real * fake)
    return found


def _of_pairs(p: Predictions, pair: np.ndarray, orders: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics (R,) of pairs if row i has the authenticity of row ``orders[:, i]``, of the same pair."""
    level, y = real_levels(p), p.authenticity
    rank, comparisons = np.zeros(len(p)), 0
    for number in np.unique(pair[pair != ABSENT]):
        rows = pair == number
        rank[rows] = rankdata(level[rows])
        real = int((y[rows] == Authenticity.REAL).sum())
        rank[rows] -= (real + 1) / 2.0  # so that the ranks of the real ones sum to their wins
        comparisons += real * int((y[rows] == Authenticity.FAKE).sum())
        if not 0 < real < rows.sum():
            rank[rows] = 0.0
    is_real = y[orders] == Authenticity.REAL
    right, asked = median_sides(level, y, pair)
    flipped = is_real[:, asked] != (y[asked] == Authenticity.REAL)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "pair_accuracy": (is_real @ rank) / comparisons,
            "median_accuracy": np.where(flipped, 1.0 - right, right).sum(axis=1) / len(asked),
        }


def _frequencies(counts: Sequence[float]) -> np.ndarray:
    total = float(np.sum(counts))
    return np.asarray(counts, float) / total if total else np.full(len(counts), 1.0 / len(counts))
