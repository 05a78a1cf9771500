"""The face landmarker against the package that it was published with; make test-extras has that."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from landmark_cases import CLIPS, FACE, WEIGHTS, astronaut, drawn, landmarker
from weights import weights_file

from realfake.config.landmarks import BLENDSHAPES
from realfake.data.faces import Box
from realfake.streams.blendshapes import INPUT_POINTS
from realfake.streams.landmarker import FaceLandmarker

pytest.importorskip("mediapipe", reason="make test-extras")


@pytest.fixture(scope="module")
def reference() -> Callable[[np.ndarray], Any]:
    """What mediapipe sees in one still image."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=os.fspath(weights_file(WEIGHTS))),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    network = vision.FaceLandmarker.create_from_options(options)
    return lambda image: network.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image))


def test_points_blendshapes_and_pose_are_those_of_mediapipe(reference: Callable[..., Any], tmp_path: Path) -> None:
    own = landmarker()
    frames = [
        (astronaut(), FACE),
        *((frame.image, box) for job in CLIPS for frame, box in islice(drawn(tmp_path, job, own).frames(), 0, None, 5)),
    ]
    for image, box in frames:
        # As mediapipe looks for faces in all of an image, it gets the square in which this one looks for it.
        side = round(max(box.width, box.height))
        x, y = round(box.x + box.width / 2) - side, round(box.y + box.height / 2) - side
        padded = np.pad(image, ((side, side), (side, side), (0, 0)), "edge")
        square = np.ascontiguousarray(padded[y + side : y + 3 * side, x + side : x + 3 * side])
        assert square.shape == (2 * side, 2 * side, 3)
        theirs, ours = reference(square), own.find(square, Box(side / 2, side / 2, side, side))
        assert ours is not None
        assert len(theirs.face_landmarks) == 1
        points = np.array([[p.x, p.y, p.z] for p in theirs.face_landmarks[0]]) * 2 * side
        crop = 1.5 * np.ptp(points[:, :2], axis=0).max()
        apart = np.linalg.norm(points - ours.points, axis=1) / crop
        assert apart.mean() < 1e-4
        assert apart.max() < 3e-4
        shapes = {shape.category_name: shape.score for shape in theirs.face_blendshapes[0]}
        assert tuple(shapes) == BLENDSHAPES
        assert np.abs(np.array(list(shapes.values())) - ours.blendshapes).max() < 5e-4
        assert np.abs(np.array(list(shapes.values())) - blendshapes_of(own, points)).max() < 1e-5
        assert np.abs(theirs.facial_transformation_matrixes[0] - ours.pose).max() < 1e-2  # centimetres


def blendshapes_of(own: FaceLandmarker, points: np.ndarray) -> np.ndarray:
    network = own.networks[2]
    network.input[0] = points[list(INPUT_POINTS), :2]
    (found,) = network.run()
    return found
