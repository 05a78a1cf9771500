"""What a film shows of streams: points where they are in the picture, and the units that vary most."""

from __future__ import annotations

import numpy as np
import pytest

from realfake.composing.composition import option
from realfake.config import DrawnSignal, MediapipeSignal, StreamInfo
from realfake.prediction.film_streams import StreamOverlay
from realfake.prediction.predicted import Track
from realfake.streams.stream import StreamRows, StreamSpec

TRACK = Track(np.array([0.0, 1.0]), np.array([[40.0, 20.0, 60.0, 80.0], [60.0, 20.0, 60.0, 80.0]]), np.zeros(2))


def of_clip(info: StreamInfo, values: np.ndarray, quality: np.ndarray) -> StreamRows:
    """A stream with a moment each tenth of a second."""
    times, first = np.arange(len(values)) / 10.0, np.zeros(1, np.int64)
    counts, spacing = np.array([len(values)]), np.array([0.1])
    return StreamRows(StreamSpec(info), times, first, counts, values.__getitem__, spacing, quality)


def info(options: MediapipeSignal | DrawnSignal, name: str) -> StreamInfo:
    return next(i for i in options.infos() if i.name == name)


@pytest.mark.parametrize(
    ("stream", "place"),
    [
        (info(option(MediapipeSignal), "mesh"), (50 + 30 + 0.25 * 80, 60 - 0.5 * 80)),  # of the box half a second on
        (info(option(DrawnSignal, relative_to="picture"), "landmarks"), (100 + 0.25 * 150, 75 - 0.5 * 150)),
    ],
    ids=["mesh", "landmarks"],
)
def test_points_stand_where_they_are_in_the_picture(stream: StreamInfo, place: tuple[float, float]) -> None:
    values = np.zeros((11, *stream.shape), np.float32)
    values[..., :2] = 0.25, -0.5
    quality = np.ones(11)
    quality[8:] = 0.0
    seen = StreamOverlay({stream.name: of_clip(stream, values, quality)}, 200, 150, TRACK, 12)
    image = np.zeros((300, 400, 3), np.uint8)
    seen.draw(image, 0.9, 2.0)
    assert not image.any()  # a gap
    seen.draw(image, 0.51, 2.0)
    y, x = np.nonzero(image[..., 0])
    assert (x.mean() / 2, y.mean() / 2) == pytest.approx(place, abs=0.5)
    assert np.ptp(x) <= 4
    assert seen.panel is None


def test_landmarks_without_a_place_in_the_picture_are_not_drawn() -> None:
    stream = info(option(DrawnSignal), "landmarks")
    seen = StreamOverlay({stream.name: of_clip(stream, np.zeros((3, 68, 2)), np.ones(3))}, 200, 150, TRACK, 12)
    image = np.zeros((150, 200, 3), np.uint8)
    seen.draw(image, 0.0, 1.0)
    assert not image.any()


def test_the_units_that_vary_most_have_bars() -> None:
    stream = info(option(DrawnSignal), "units")
    values = np.zeros((11, 17), np.float32)
    values[:, 8], values[:, 2], values[:, 5] = (np.linspace(0.0, top, 11) for top in (5.0, -2.0, 1.0))
    values[:, 3] = 4.0
    seen = StreamOverlay({"units": of_clip(stream, values, np.ones(11))}, 200, 150, TRACK, 20)
    assert [stream.components[column] for _, column, _, _ in seen.units] == ["AU12", "AU04", "AU07"]
    start, end = (seen.panel_at(t)[..., 0].astype(int) for t in (0.0, 1.0))
    thirds = np.array_split(end - start, 3)
    assert [np.sign(third.sum()) for third in thirds] == [1, -1, 1]  # the second one falls
