"""Small models that are shown what no expression is, such as the size of a file: do they tell real from fake?

A dataset in which they do has a shortcut, and a network that does well on it need not have looked at a face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from realfake.labels import ABSENT, Authenticity
from realfake.scoring.predictions import Predictions
from realfake.scoring.statistics import Interval, bootstrap, holm

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOLDS = 5
PERMUTATIONS = 1999
"""Enough for the smallest p-value of all probes together to be far below :data:`LEVEL`."""
LEVEL = 0.05
"""Of all probes together: how often data without a shortcut are warned of."""
FEW_FEATURES = 8
"""Up to so many, products of features are features too, so that curves and combinations can be learned."""
_CELLS = 4_000_000
"""Permuted labels held at once."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Probe:
    """What a small model that sees one thing alone came to."""

    name: str
    auroc: Interval
    """Of clips of people whom the model has not seen; NaN where undefined."""
    p_value: float
    """One-sided, of the hypothesis that what it sees has nothing to do with real or fake; NaN where undefined."""
    adjusted_p: float
    """The same by Holm's method over all probes that are defined."""
    undefined: str | None = None
    """Why there is no figure, in words."""

    @property
    def beats_chance(self) -> bool:
        """Whether it tells real from fake, at :data:`LEVEL` of all probes together."""
        return self.adjusted_p <= LEVEL


def run_probes(
    features: Mapping[str, np.ndarray],
    authenticity: np.ndarray,
    subject: np.ndarray,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[Probe]:
    """Ask for each thing that a model may see whether it tells real from fake of people that it has not seen.

    The model is ridge regression of the label on standardised ranks (Hoerl and Kennard 1970), cross-validated by
    person; scores are compared within a fold alone. The p-value is that of a permutation test which repeats all of the
    cross-validation (Ojala and Garriga 2010, https://www.jmlr.org/papers/v11/ojala10a.html): scores of folds depend on
    each other, so that exchanging labels after the fact would find too much. Labels are exchanged among the clips of a
    person; a person who has one label only exchanges it, as a whole, with others of that kind. Of all probes together,
    Holm's method (1979) keeps the part of false alarms at :data:`LEVEL`.

    Args:
        features: Name of a probe → what it sees, float (N,) or (N, K), a row a clip.
        authenticity: (N,), :data:`ABSENT` = unknown; such clips are left out.
        subject: Number of the person of each clip (N,).
        permutations: How many exchanges are tried.
        seed: Of everything that is drawn.

    Returns:
        One a probe, in the order of ``features``.
    """
    known = authenticity != ABSENT
    y = (authenticity[known] == Authenticity.REAL).astype(float)
    people = np.unique(subject[known], return_inverse=True)[1]
    seen = {name: np.asarray(x, float).reshape(len(authenticity), -1)[known] for name, x in features.items()}
    problem = _problem(y, people)
    problems = {name: problem or ("constant" if (np.ptp(x, axis=0) == 0).all() else None)
                for name, x in seen.items()}  # fmt: skip
    orders = None if problem else _exchanged(y, people, permutations, seed)
    found: dict[str, tuple[Interval, float]] = {}
    for name, x in seen.items():
        if problems[name] is None:
            assert orders is not None
            found[name] = _probe(x, orders, people, seed)
    adjusted = dict(zip(found, holm([p for _, p in found.values()]), strict=True))
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    return [
        Probe(name, *found.get(name, (nothing, float("nan"))), adjusted.get(name, float("nan")), problems[name])
        for name in features
    ]


def warning(probe: Probe) -> str | None:
    """What has to be said of a dataset whose clips a probe tells apart; ``None`` of one that it does not."""
    if not probe.beats_chance:
        return None
    a = probe.auroc
    return (
        f"Shortcut: {probe.name} alone tells real from fake of unseen people, AUROC {a.value:.2f} "
        f"[{a.low:.2f}, {a.high:.2f}], p = {probe.adjusted_p:.3g} corrected for all probes; a network may do so too, "
        "without a look at the expression."
    )


def as_plain(probe: Probe) -> dict[str, Any]:
    """A probe as what JSON can hold."""
    numbers = {
        "auroc": probe.auroc.value, "low": probe.auroc.low, "high": probe.auroc.high,
        "p_value": probe.p_value, "adjusted_p": probe.adjusted_p,
    }  # fmt: skip
    told = {key: None if np.isnan(value) else value for key, value in numbers.items()}
    return {"probe": probe.name, **told, "beats_chance": probe.beats_chance, "undefined": probe.undefined}


def _problem(y: np.ndarray, people: np.ndarray) -> str | None:
    if not y.any() or y.all():
        return "no clips of both labels" if len(y) else "no clip has a label"
    if people.max() == 0:
        return "one person only"
    return None


def _probe(x: np.ndarray, orders: np.ndarray, people: np.ndarray, seed: int) -> tuple[Interval, float]:
    """AUROC and p-value; ``orders`` (N, 1 + R) are the labels and their exchanges."""
    from sklearn.model_selection import GroupKFold

    folds = list(GroupKFold(min(FOLDS, int(people.max()) + 1)).split(x, groups=people))
    fold = np.empty(len(x), dtype=np.int64)
    for number, (_, test) in enumerate(folds):
        fold[test] = number
    aurocs = []
    score = np.empty(0)
    step = max(1, _CELLS // len(x))
    for start in range(0, orders.shape[1], step):
        labels = orders[:, start : start + step].astype(float)
        scores = np.empty(labels.shape)
        for train, test in folds:
            # Ridge regression has the labels of all exchanges at once.
            scores[test] = (
                _model(len(train), x.shape[1]).fit(x[train], labels[train]).predict(x[test]).reshape(len(test), -1)
            )
        if not start:
            score = scores[:, 0]
        aurocs.append(_aurocs(scores.round(9), labels, fold))
    auroc = np.concatenate(aurocs)
    p_real = 1.0 / (1.0 + np.exp(-4.0 * (score.round(9) - 0.5)))
    predictions = Predictions.from_tasks(
        {"authenticity": np.stack([1.0 - p_real, p_real], axis=1)},
        np.arange(len(x)),
        np.full(len(x), ABSENT),
        np.where(orders[:, 0] > 0, Authenticity.REAL, Authenticity.FAKE),
    )
    interval = bootstrap(predictions, people, run=fold, names=["authenticity_auroc"], seed=seed)["authenticity_auroc"]
    extreme = int((auroc[1:] >= auroc[0] - _ROUNDING).sum())
    return interval, (1 + extreme) / len(auroc)


def _model(rows: int, features: int) -> Pipeline:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, QuantileTransformer, StandardScaler

    if features > FEW_FEATURES:
        return make_pipeline(StandardScaler(), Ridge(alpha=float(features)))
    ranks = QuantileTransformer(n_quantiles=min(100, rows), subsample=None)
    return make_pipeline(ranks, StandardScaler(), PolynomialFeatures(2, include_bias=False), Ridge(alpha=1.0))


def _aurocs(scores: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """AUROC (R,) of scores (N, R) for labels (N, R), compared within folds (N,); 0.5 if no two can be compared."""
    won, pairs = np.zeros(scores.shape[1]), np.zeros(scores.shape[1])
    for number in np.unique(fold):
        y = labels[fold == number]
        real = y.sum(axis=0)
        won += (rankdata(scores[fold == number], axis=0) * y).sum(axis=0) - real * (real + 1.0) / 2.0
        pairs += real * (len(y) - real)
    return np.divide(won, pairs, out=np.full(len(won), 0.5), where=pairs > 0)


def _exchanged(y: np.ndarray, people: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """The labels (N,) and their exchanges: (N, 1 + permutations)."""
    rng = np.random.default_rng([seed, 2])
    count = people.max() + 1
    part = np.bincount(people, y) / np.bincount(people)
    single = (part == 0) | (part == 1)
    own = single[people]
    drawn = np.repeat(y[:, None].astype(np.int8), 1 + permutations, axis=1)
    rows = np.flatnonzero(~own)
    home = rows[np.argsort(people[rows], kind="stable")]
    for r in range(1, 1 + permutations):
        # Sorted by person first and at random second, every person gets the labels of his or her own clips.
        drawn[home, r] = y[rows[np.lexsort((rng.random(len(rows)), people[rows]))]]
        whole = np.zeros(count)
        whole[single] = rng.permutation(part[single])
        drawn[own, r] = whole[people[own]]
    return drawn
