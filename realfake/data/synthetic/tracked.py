"""A tracker that watches a generated clip: the truth with noise, smoothing and lost frames, as OpenFace's table.

Nothing here knows the labels: a tracker's faults are drawn from the settings' seed and the clip's number, alike for
real and posed.
"""

from __future__ import annotations

import io

import numpy as np

from realfake.config import DrawnSignal
from realfake.config.trackers import tracker_info
from realfake.data.synthetic.generation import Job, tracker_chance
from realfake.data.synthetic.options import SyntheticSettings
from realfake.data.synthetic.true_points import Truth, truth_of
from realfake.streams.openface_writing import column_names, openface_table, openface_text
from realfake.streams.stream import Extracted
from realfake.streams.tracker_tables import read_tracker_table

_CORNERS = (36, 45)
"""Outer corners of the eyes."""


def track(truth: Truth, faults: DrawnSignal, rng: np.random.Generator) -> dict[str, Extracted]:
    """What a tracker finds of the truth; how much chance it uses up does not depend on what is seen."""
    from scipy.ndimage import gaussian_filter1d

    times = truth.times_sec
    step_sec = float(times[1])
    eyes_px = float(np.median(np.linalg.norm(np.subtract(*(truth.landmarks[:, k] for k in _CORNERS)), axis=1)))
    angle = np.deg2rad(faults.angle_noise_deg)
    place = faults.landmark_noise * truth.pose[:, 5].mean()
    noise = {
        "landmarks": faults.landmark_noise * eyes_px,
        "units": faults.unit_noise,
        "pose": np.array([angle, angle, angle, place, place, place]),
        "gaze": angle,
    }
    lost = np.zeros(len(times), bool)
    for _ in range(rng.poisson(faults.losses_hz * (times[-1] + step_sec))):
        start = rng.uniform(0.0, times[-1])
        lost |= (times >= start) & (times <= start + rng.exponential(faults.loss_sec))
    quality = np.where(lost, 0.0, 1.0 - 0.02 * np.abs(rng.normal(size=len(times)))).clip(0.0, 1.0)
    found = {}
    for stream, level in noise.items():
        values = getattr(truth, stream)
        values = values + level * rng.normal(size=values.shape)
        if faults.smoothing_sec > 0:
            values = gaussian_filter1d(values, faults.smoothing_sec / step_sec, axis=0, mode="nearest")
        values = values.clip(0.0, 5.0) if stream == "units" else values
        found[stream] = Extracted(times.astype(np.float32), values.astype(np.float32), quality.astype(np.float32))
    return found


def tracked_table(settings: SyntheticSettings, job: Job, faults: DrawnSignal) -> str:
    """The table that OpenFace would write of a clip, as CSV; the same for the same settings, clip and faults."""
    found = track(truth_of(settings, job), faults, tracker_chance(settings, job))
    names = {stream: column_names(tracker_info(stream, faults.tracker)) for stream in found}
    return openface_text(openface_table(found, names, float(settings.rate)))


def tracked_streams(settings: SyntheticSettings, job: Job, faults: DrawnSignal) -> dict[str, Extracted]:
    """Streams of a clip as read from that table."""
    return read_tracker_table(io.StringIO(tracked_table(settings, job, faults)), faults.tracker, float(settings.rate))
