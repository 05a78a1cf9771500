"""The signal ``mediapipe``: its streams of a clip, and what they are in a mirror."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from landmark_cases import CLIPS, WEIGHTS, astronaut, drawn
from weights import weights_file

from realfake.composing.composition import option
from realfake.config import CsvData, HaarFace, MediapipeSignal
from realfake.data.extraction import extract_crops
from realfake.data.faces import build_detector
from realfake.data.media import Media
from realfake.data.signal_parts import computed_fault
from realfake.streams.kinds import build_signal
from realfake.streams.mediapipe import Mediapipe
from realfake.streams.stream import Extracted

HAAR = option(HaarFace)
DATA = option(CsvData, root="unused.csv", size=96, window=[0.0, 1.0], rate_fps=10.0)


@pytest.fixture(scope="module")
def signal() -> Mediapipe:
    pytest.importorskip("ai_edge_litert", reason="needs the extra signals")
    options = MediapipeSignal(name="mediapipe", weights=os.fspath(weights_file(WEIGHTS)), rate_fps="full")
    built = build_signal(options)
    assert isinstance(built, Mediapipe)
    return built


def streams_of(signal: Mediapipe, path: Path) -> dict[str, Extracted]:
    crops = extract_crops(path, DATA, HAAR, build_detector(HAAR))
    found = signal.extract(Media.of_crops(crops, path, DATA, HAAR))
    assert computed_fault(found, signal.infos()) == ""
    return found


def test_each_frame_of_a_clip_has_all_streams(signal: Mediapipe, tmp_path: Path) -> None:
    clip = drawn(tmp_path, CLIPS[0], signal.landmarker)
    found = streams_of(signal, clip.path)
    assert list(found) == ["mesh", "blendshapes", "units", "pose"]
    assert {len(e.times_sec) for e in found.values()} == {len(clip.boxes)}
    assert found["mesh"].times_sec == pytest.approx(np.arange(len(clip.boxes)) / 10, abs=1e-3)
    assert found["mesh"].quality.min() > 0.5
    assert np.abs(found["mesh"].values[..., :2]).max() < 0.8  # the box is around the face
    assert os.sep not in str(signal.identity())  # wherever the file lies, the streams are the same


def test_in_a_mirror_streams_are_what_their_description_says(signal: Mediapipe, tmp_path: Path) -> None:
    image = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    paths = [tmp_path / name for name in ("as_is.png", "mirrored.png")]
    for path, picture in zip(paths, (image, image[:, ::-1]), strict=True):
        assert cv2.imwrite(str(path), picture)
    plain, mirrored = (streams_of(signal, path) for path in paths)
    for info in signal.infos():
        order, factor = np.array(info.mirrored or [(i, 1.0) for i in range(info.size)]).T
        order = order.astype(int)
        assert (order[order] == np.arange(info.size)).all()
        assert (factor * factor[order] == 1).all()
        assert len(info.names()) == info.size
        told = plain[info.name].values.reshape(1, -1)[:, order] * factor
        apart = np.abs(told - mirrored[info.name].values.reshape(1, -1))
        assert apart.mean() < (0.5 if info.name == "pose" else 0.04), info.name
    assert plain["pose"].values[0, 0, 3] * mirrored["pose"].values[0, 0, 3] < 0
