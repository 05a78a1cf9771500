"""The face landmarker and the clips that tests of it share."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from weights import weights_file

from benchmarks.landmarks import Loop, clip_of
from realfake.data.faces import Box
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import Job, jobs
from realfake.streams.landmarker import FaceLandmarker, Landmarks

WEIGHTS = "face_landmarker.task"
SETTINGS = SyntheticSettings(subjects=4, seconds=1.0, fps=10.0, seed=5)
CLIPS = jobs(SETTINGS)[::13]
FACE = Box(175, 65, 95, 95)
"""Of the astronaut."""


def landmarker() -> FaceLandmarker:
    """The published one; skips the test if its file or LiteRT is not there."""
    pytest.importorskip("ai_edge_litert", reason="needs the extra signals")
    return FaceLandmarker(weights_file(WEIGHTS))


def astronaut() -> np.ndarray:
    from skimage.data import astronaut as photograph

    return np.ascontiguousarray(photograph())


def drawn(folder: Path, job: Job, landmarker: FaceLandmarker) -> Loop:
    """A generated clip."""
    return Loop(landmarker, *clip_of(folder, SETTINGS, job))


def digest(seen: Landmarks) -> str:
    """Of all bytes."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in seen)).hexdigest()
