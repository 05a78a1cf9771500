"""What the descriptors of whole clips are made of: names of their numbers, points of the face that they look at.

How they are computed: :mod:`realfake.streams.clip_dynamics`.
"""

from __future__ import annotations

_VALUE = ("mean", "median", "minimum", "maximum")
_VARIABILITY = ("range", "deviation", "quartiles", "deciles", "mean-deviation")
_TIME = ("time-of-maximum", "share-above-mean", "share-above-middle", "runs-above-mean", "runs-above-middle")
_AREA = ("area", "relative-area")
STATISTICS = (*_VALUE, *_VARIABILITY, *_TIME, *_AREA, "rise-time")
"""Of a curve, in the order in which they stand (Saxen, Werner & Al-Hamadi 2017); its middle is that of its minimum and
its mean, its rise time from its first crossing of the mean to its maximum."""
SQUARED = (*_VALUE, *_VARIABILITY, *_AREA)
"""Those of the curve itself that stand there squared, too."""
DYNAMICS = (
    *STATISTICS,
    *(f"speed-{name}" for name in STATISTICS),
    *(f"acceleration-{name}" for name in STATISTICS),
    *(f"{name}-squared" for name in SQUARED),
)
"""Of each number of a stream: 62."""
CUTOFFS_HZ = {"dynamics": 1.0, "dynamics4hz": 4.0}
"""Rule → cut-off of its low-pass. That of Saxen et al. flattens an onset of less than half a second; four times theirs
keeps it."""

APEX = ("intensity", "time")
"""How strong what a clip shows is at its height, and when that is, as a share of the clip."""

SAXEN_UNITS = ("AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU25")
"""The action units that Saxen et al. look at."""

SMILE_PHASES = ("onset", "apex", "offset")
MARKERS = (
    "seconds-rising", "seconds-falling", "seconds", "share-rising", "share-falling", "maximum", "mean", "mean-rising",
    "mean-falling", "deviation", "total-rising", "total-falling", "net", "net-share-rising", "net-share-falling",
    "maximal-speed-rising", "maximal-speed-falling", "mean-speed-rising", "mean-speed-falling",
    "maximal-acceleration-rising", "maximal-acceleration-falling", "mean-acceleration-rising",
    "mean-acceleration-falling", "net-a-second", "sides-apart",
)  # fmt: skip
"""Of each region in each phase: 25."""

MARKER_POINTS: dict[str, dict[str, tuple[tuple[int, ...], ...]]] = {
    "canonical": {
        "lips": ((61,), (291,)),
        "eyelids": ((33,), (159,), (133,), (362,), (386,), (263,)),
        "cheeks": ((50,), (280,)),
    },
    "300-W": {"lips": ((48,), (54,)), "eyelids": ((36,), (37, 38), (39,), (42,), (43, 44), (45,))},
}
"""Numbering of points → region (Dibeklioğlu, Salah & Gevers 2012) → its points, each the mean of some, from the
picture's left to its right: corners of the lips, middles of the cheeks, and of each eye its corner, the middle of the
upper lid, the other corner. 300-W's 68 points have none on the cheeks."""
