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

SAXEN_UNITS = ("AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU25")
"""The action units that Saxen et al. look at."""
