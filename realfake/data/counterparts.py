"""Which clips have a counterpart in their pair: a real one for a fake one, and the other way round."""

from __future__ import annotations

import numpy as np

from realfake.labels import ABSENT, Authenticity
from realfake.pages import counted


def with_counterpart(pair: np.ndarray, authenticity: np.ndarray) -> np.ndarray:
    """Whether each clip's pair has a real and a fake clip, (n,) bool.

    Args:
        pair: (n,) -1 = none.
        authenticity: (n,) -1 = absent.
    """
    sides = (Authenticity.REAL, Authenticity.FAKE)
    real, fake = (pair[authenticity == side] for side in sides)
    both = np.setdiff1d(np.intersect1d(real, fake), ABSENT)
    return np.isin(pair, both) & np.isin(authenticity, sides)


def without_counterpart(pair: np.ndarray, authenticity: np.ndarray) -> str:
    """How many training clips have none, in words; empty if all have."""
    alone = int((~with_counterpart(pair, authenticity)).sum())
    of = counted(len(pair), "training clip")
    return f"{alone} of {of} have no counterpart in their pair to be compared with" if alone else ""


def no_pairs(pair: np.ndarray, subjects: np.ndarray, data: str) -> str:
    """What is said of training clips of which no two are a real and a fake one of a pair.

    Args:
        pair: (n,) of the clips.
        subjects: (n,) number of each clip's person.
        data: The option of the dataset.
    """
    pairs = np.unique(pair[pair != ABSENT])
    return (
        f"no pair of data={data} has a real and a fake clip in the training part ({counted(len(pair), 'clip')}, "
        f"{counted(len(np.unique(subjects)), 'subject')}, {counted(len(pairs), 'name')} of pairs); expected data with "
        "pairs (of a table its column pair), or to do without"
    )
