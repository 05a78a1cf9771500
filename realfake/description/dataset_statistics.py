"""Figures about a prepared dataset: how much of what, how well faces were found, and the exact channel statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.data.clips import PARTS, UNUSED
from realfake.labels import ABSENT, AUTHENTICITIES, TASKS, LabelSpace, several
from realfake.scoring.predictions import subject_names

if TYPE_CHECKING:
    import pandas as pd

    from realfake.data.store import PreparedStore

UNLABELLED = "unlabelled"
CHUNK = 64
"""Crops that are decoded at once."""


@dataclass
class ChannelMoments:
    """Mean and standard deviation of each channel, exact and in one pass.

    Pixels are whole numbers from 0 to 255, so their sum and the sum of their squares are kept as whole numbers of any
    size: nothing is rounded until the end, and parts can be added in any order.
    """

    pixels: int = 0
    sums: list[int] = field(default_factory=lambda: [0, 0, 0])
    squares: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, frames: np.ndarray) -> None:
        """Take in ``frames``, uint8 (…, 3)."""
        flat = np.ascontiguousarray(frames).reshape(-1, 3)
        self.pixels += len(flat)
        for channel in range(3):
            values = flat[:, channel].astype(np.uint32)
            self.sums[channel] += int(values.sum(dtype=np.uint64))
            self.squares[channel] += int((values * values).sum(dtype=np.uint64))

    def merge(self, other: ChannelMoments) -> None:
        """Take in what another one has seen."""
        self.pixels += other.pixels
        self.sums = [a + b for a, b in zip(self.sums, other.sums, strict=True)]
        self.squares = [a + b for a, b in zip(self.squares, other.squares, strict=True)]

    @property
    def mean(self) -> list[float]:
        """Mean of red, green, blue, of values scaled to 0-1; NaN without a pixel."""
        if not self.pixels:
            return [float("nan")] * 3
        return [float(Fraction(s, 255 * self.pixels)) for s in self.sums]

    @property
    def std(self) -> list[float]:
        """Standard deviation of all pixels (divided by n) of red, green, blue, of values scaled to 0-1."""
        if not self.pixels:
            return [float("nan")] * 3
        n = self.pixels
        return [
            float(Fraction(n * q - s * s, n * n * 255 * 255)) ** 0.5
            for s, q in zip(self.sums, self.squares, strict=True)
        ]


def channel_moments(
    store: PreparedStore, on_clip: Callable[[], None] = lambda: None, threads: int = 2
) -> ChannelMoments:
    """Channel statistics over every stored crop; ``on_clip`` is called after each clip."""

    def one(i: int) -> ChannelMoments:
        moments = ChannelMoments()
        stored = len(store.timestamps(i))
        for start in range(0, stored, CHUNK):
            moments.add(store.read(i, np.arange(start, min(start + CHUNK, stored))))
        return moments

    total = ChannelMoments()
    with ThreadPoolExecutor(threads) as pool:
        for moments in pool.map(one, range(len(store))):
            total.merge(moments)
            on_clip()
    return total


def class_names(table: pd.DataFrame, space: LabelSpace) -> pd.Categorical[str]:
    """Class of each clip (rows,), a categorical of names in the order of the label space, then ``unlabelled``.

    It is the joint class, or as much of it as is known; real or fake alone, where there are no emotions to tell apart.
    """
    import pandas as pd

    emotions = space.emotions if several(table["emotion"]) else ("",) * len(space.emotions)
    words = [
        (AUTHENTICITIES[a] if a != ABSENT else "", emotions[e] if e != ABSENT else "")
        for e, a in zip(table["emotion"], table["authenticity"], strict=True)
    ]
    names = ["_".join(filter(None, pair)) or UNLABELLED for pair in words]
    order = [*(name for task in TASKS for name in space.names(task)), UNLABELLED]
    return pd.Categorical(names, [name for name in order if name in set(names)])


def describe(
    store: PreparedStore, parts: np.ndarray | None, moments: ChannelMoments, labels: pd.Categorical[str]
) -> dict[str, Any]:
    """Everything that ``description.json`` holds.

    Args:
        store: The prepared dataset.
        parts: Part of each row of the store's table, or ``None`` if the dataset cannot be split.
        moments: Of all crops.
        labels: Class of each row, see :func:`class_names`.
    """
    table = store.table
    skipped = store.skipped
    return {
        "dataset": store.title,
        "store": store.folder.name,
        "fingerprint": store.fingerprint,
        "total": _amounts(table),
        "classes": {n: _amounts(table[labels == n]) for n in labels.categories},
        "parts": {} if parts is None else dict(_by_part(table, parts, labels)),
        "subjects": dict(_by_subject(table, parts)),
        "skipped": [
            {"clip": str(c), "reason": str(r)} for c, r in zip(skipped["clip"], skipped["reason"], strict=True)
        ],
        "resolution": _counts(f"{w} × {h}" for w, h in zip(table["width"], table["height"], strict=True)),
        "fps": _counts(f"{round(float(f), 3):g}" for f in table["fps"]),
        "duration_sec": _distribution(table["duration_sec"].to_numpy(float)),
        "crops_per_clip": _distribution(table["stored"].to_numpy(float)),
        "duplicates": duplicates(table, skipped),
        "channels": {"order": "rgb", "mean": moments.mean, "std": moments.std, "pixels": moments.pixels},
    }


def duplicates(table: pd.DataFrame, skipped: pd.DataFrame) -> list[list[str]]:
    """Clips whose files are identical, also those that preparation left out; one sorted list for each file."""
    groups: dict[str, list[str]] = {}
    for frame in (table, skipped):
        if "sha256" in frame.columns:
            for clip, digest in zip(frame["clip"], frame["sha256"], strict=True):
                if isinstance(digest, str) and digest:
                    groups.setdefault(digest, []).append(str(clip))
    return sorted(sorted(clips) for clips in groups.values() if len(clips) > 1)


def _amounts(table: pd.DataFrame) -> dict[str, float | int]:
    """How much a part of the table holds; the face yield weighs clips by the frames that were looked at."""
    looked = int(table["sampled"].sum())
    return {
        "clips": len(table),
        "subjects": len(set(subject_names(table))),
        "seconds": round(float(table["duration_sec"].sum()), 3),
        "frames": int(table["frames"].sum()),
        "sampled": looked,
        "crops": int(table["stored"].sum()),
        "face_yield": round(float((table["yield"] * table["sampled"]).sum()) / looked, 6) if looked else 0.0,
    }


def _by_part(
    table: pd.DataFrame, parts: np.ndarray, labels: pd.Categorical[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (*PARTS, UNUSED):
        rows = parts == part
        if rows.any():
            yield part or "unused", {**_amounts(table[rows]), "classes": _counts(labels[rows])}


def _by_subject(table: pd.DataFrame, parts: np.ndarray | None) -> Iterator[tuple[str, dict[str, Any]]]:
    part_of = np.full(len(table), "") if parts is None else parts
    for subject, rows in sorted(table.groupby("subject").indices.items()):
        found = set(part_of[rows])
        yield (
            str(subject) or "(unknown)",
            {
                **_amounts(table.iloc[rows]),
                "part": "/".join(p for p in PARTS if p in found),
            },
        )


def _counts(values: Any) -> dict[str, int]:
    names, counts = np.unique(np.array([str(v) for v in values], dtype=object), return_counts=True)
    return {str(names[i]): int(counts[i]) for i in np.lexsort((names, -counts))}


def _distribution(values: np.ndarray) -> dict[str, Any]:
    low, p5, median, p95, high = (round(float(q), 4) for q in np.quantile(values, [0, 0.05, 0.5, 0.95, 1]))
    # An odd number of bins, so that values that are all the same lie in the middle of one.
    counts, edges = np.histogram(values, bins=min(31, max(5, len(values) // 5) | 1))
    return {
        "min": low, "p5": p5, "median": median, "mean": round(float(values.mean()), 4), "p95": p95, "max": high,
        "histogram": {"edges": [round(float(e), 4) for e in edges], "counts": counts.tolist()},
    }  # fmt: skip
