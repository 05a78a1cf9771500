"""What a network looks at besides pixels, drawn on the frames of a film: points of the face, and units that vary."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw

from realfake.config import IN_BOX, IN_PICTURE
from realfake.data.faces import Box
from realfake.prediction import annotation as drawing
from realfake.prediction.predicted import Track
from realfake.streams.stream import StreamRows, StreamSet

UNIT_STREAMS = ("units", "blendshapes")
MOST_UNITS = 3
"""Of the panel: those that vary most in the clip."""


class StreamOverlay:
    """Draws the streams of one clip, as far as they can be seen in its pictures.

    Args:
        streams: Those that the network takes, of one clip.
        width: Of the video in pixels.
        height: Of the video in pixels.
        track: Where the face was.
        size: Height of the letters in pixels.
    """

    def __init__(self, streams: StreamSet, width: int, height: int, track: Track, size: int) -> None:
        self.width, self.height, self.track, self.size = width, height, track, size
        infos = [rows.spec.info for rows in streams.values()]
        self.points = [
            rows
            for rows, info in zip(streams.values(), infos, strict=True)
            if info.unit in (IN_BOX, IN_PICTURE) and not info.rules
        ]
        self.units: list[tuple[StreamRows, int, float, float]] = []
        for source in UNIT_STREAMS:
            named = [name for name, info in zip(streams, infos, strict=True) if info.source == source]
            if named and not self.units:
                self.units = _varying(streams[source if source in named else named[0]])
        self.panel = self._panel() if self.units else None

    def draw(self, image: np.ndarray, time_sec: float, scale: float) -> None:
        """Draw the points of a moment on its frame, in place; none where there is a gap."""
        for rows in self.points:
            found = _at(rows, time_sec)
            if found is None:
                continue
            when, values = found
            dots = np.round(self._placed(rows, values, self.track.at(when)) * scale).astype(int)
            for x, y in dots.tolist():
                cv2.circle(image, (x, y), max(1, self.size // 12), drawing.INK, -1, cv2.LINE_AA)

    def panel_at(self, time_sec: float) -> np.ndarray:
        """The panel of units at a moment, RGBA; a bar goes from a unit's lowest value in the clip to its highest."""
        assert self.panel is not None
        panel = self.panel.copy()
        left, right = self.size // 2, panel.shape[1] - self.size // 2
        for k, (rows, column, low, high) in enumerate(self.units):
            found = _at(rows, time_sec)
            y = self._line(k) + round(1.3 * self.size)
            cv2.rectangle(panel, (left, y), (right, y + self.size // 5), (*drawing.TRACK, 255), -1)
            if found is not None:
                share = float(np.clip((found[1].reshape(-1)[column] - low) / (high - low), 0.0, 1.0))
                end = left + round(share * (right - left))
                cv2.rectangle(panel, (left, y), (end, y + self.size // 5), (*drawing.INK, 255), -1)
        return panel

    def _placed(self, rows: StreamRows, values: np.ndarray, box: Box) -> np.ndarray:
        """Points (p, 2) in pixels of the video."""
        if rows.spec.info.unit == IN_PICTURE:
            return values[:, :2] * self.height + np.array([self.width, self.height]) / 2.0
        middle = np.array([box.x + box.width / 2.0, box.y + box.height / 2.0])
        return values[:, :2] * max(box.width, box.height) + middle

    def _line(self, k: int) -> int:
        return round((0.4 + 1.9 * k) * self.size)

    def _panel(self) -> np.ndarray:
        letters = drawing.font(self.size)
        names = [" ".join((r.spec.info.names()[column], *r.spec.info.rules)) for r, column, _, _ in self.units]
        width = round(max(6 * self.size, *map(letters.getlength, names))) + self.size
        height = self._line(len(names)) + self.size // 5
        image = Image.new("RGBA", (width, height), (*drawing.PANEL, round(255 * drawing.OPACITY)))
        for k, name in enumerate(names):
            ImageDraw.Draw(image).text((self.size // 2, self._line(k)), name, fill=drawing.INK, font=letters)
        return np.asarray(image)


def _varying(rows: StreamRows) -> list[tuple[StreamRows, int, float, float]]:
    """The numbers of a clip's stream that vary most: the stream, the column, and its lowest and highest value."""
    values = rows.values_of(np.zeros(1, np.int64)).reshape(-1, rows.spec.info.size)
    if not len(values):
        return []
    columns = np.argsort(-values.std(axis=0), kind="stable")[:MOST_UNITS].tolist()
    return [
        (rows, k, float(values[:, k].min()), float(values[:, k].max())) for k in columns if np.ptp(values[:, k]) > 0
    ]


def _at(rows: StreamRows, time_sec: float) -> tuple[float, np.ndarray] | None:
    """Moment and values (*shape) nearest to a moment of the clip; ``None`` in a gap."""
    row, valid = rows.at(np.zeros(1, np.int64), np.array([[time_sec]]))
    return (float(rows.times_sec[row[0, 0]]), rows.gather(row[0])[0]) if valid[0, 0] else None
