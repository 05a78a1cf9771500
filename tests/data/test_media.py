"""Frames of a clip as signals see them: where the face is between its crops, and which frames it is in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from videos import write_video

from realfake.composing.composition import option
from realfake.config import CsvData, NoFace
from realfake.data.media import Media, box_columns
from realfake.data.store import CROP
from realfake.data.video import read_video


def test_boxes_lie_between_those_of_the_crops(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    info, frames = read_video(path, 1000.0)
    moments = [frame.time_sec for frame in frames]
    data = option(CsvData, root="unused", window=[0.0, 1.0], rate_fps=5.0)
    rows = np.zeros(4, CROP)
    rows["time_sec"] = moments[2], moments[5], moments[6], moments[-4]
    for name in ("x", "y", "width", "height"):
        rows[name] = np.random.default_rng(0).uniform(5, 90, 4)
    media = Media(path, info, rows, np.zeros(len(rows), np.float32), lambda _: [], data, option(NoFace))
    found = list(media.frames())
    apart = np.abs(np.array(moments)[:, None] - rows["time_sec"].astype(np.float64)).min(1)
    assert [time_sec for time_sec, _, _ in found] == [
        m for m, far in zip(moments, apart, strict=True) if far <= 0.2 + 1e-6
    ]
    assert len(moments) > len(found) > 10  # before the first and after the last crop too
    for time_sec, _, box in found:
        sides = [np.interp(time_sec, rows["time_sec"].astype(np.float64), side) for side in box_columns(rows).T]
        assert [box.x, box.y, box.width, box.height] == sides
