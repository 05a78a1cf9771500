"""A video with its prediction drawn on it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from realfake.config import DataConfig, FaceConfig
from realfake.data.extraction import Crops, crop_frames
from realfake.data.faces import Box, Detector
from realfake.data.video import Frame, Frames, read_video_once
from realfake.files import written_whole
from realfake.prediction import annotation as drawing
from realfake.prediction.film_streams import StreamOverlay
from realfake.prediction.predicted import Probabilities, VideoPrediction
from realfake.streams.stream import StreamSet

RATE_FPS = 20.0
"""Frames a second of a drawn video: enough for movements of a face."""

MOST_FRAMES = 2400
"""Longer videos are drawn at a lower rate, so that their frames stay few in memory."""

_QUALITY = 95
_TICKS = 1000
"""Time stamps a second."""


class Film:
    """Reduced frames of a video, held as JPEG until the prediction is known that is drawn on them.

    Args:
        width: Of the video in pixels.
        height: Of the video in pixels.
        largest: Longer side in pixels above which frames are reduced.
    """

    def __init__(self, width: int, height: int, largest: int) -> None:
        self.scale = drawing.canvas_scale(width, height, largest)
        self.size = max(2, round(width * self.scale)), max(2, round(height * self.scale))
        self._held: list[tuple[float, bytes]] = []
        self._stride, self._seen = 1, 0

    def add(self, frame: Frame) -> None:
        """Take in the next frame."""
        if self._seen % self._stride == 0:
            image = frame.reduced(*self.size) if self.scale < 1.0 else drawing.resize(frame.image, self.scale)
            jpeg = simplejpeg.encode_jpeg(_even(image), _QUALITY, "RGB", colorsubsampling="420", fastdct=True)
            self._held.append((frame.time_sec, jpeg))
        self._seen += 1
        if len(self._held) > MOST_FRAMES:
            self._held, self._stride = self._held[::2], 2 * self._stride

    def write(self, item: VideoPrediction, path: Path, streams: StreamSet) -> None:
        """Draw the prediction, and streams that it stands on, on the frames and write them as H.264 in MP4."""
        import av

        painter: Painter | None = None
        with (
            written_whole(path) as part,
            av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container,
        ):
            stream = container.add_stream("libx264", rate=Fraction(RATE_FPS / self._stride).limit_denominator(_TICKS))
            stream.pix_fmt, stream.options = "yuv420p", {"preset": "superfast", "crf": "24"}
            stream.codec_context.time_base = Fraction(1, _TICKS)
            for time_sec, jpeg in self._held:
                image = simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=True)
                if painter is None:
                    stream.height, stream.width = image.shape[:2]
                    painter = Painter(item, image.shape[1], image.shape[0], self.scale, streams)
                painter.draw(image, time_sec)
                # OpenCV converts several times faster than the encoder would.
                planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                frame.pts, frame.time_base = round(time_sec * _TICKS), Fraction(1, _TICKS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def film_crops(
    path: Path, data: DataConfig, face: FaceConfig, detector: Detector | None, largest: int
) -> tuple[Crops, Film]:
    """The face crops of a video, as :func:`realfake.data.extraction.extract_crops` gives them, and its film."""
    window = (data.window[0], data.window[1])
    info, frames = read_video_once(path, ((data.rate_fps, window), (RATE_FPS, (0.0, 1.0))), decoder=data.decoder)
    film = Film(info.width, info.height, largest)

    def for_crops() -> Iterator[Frame]:
        for frame, (crop, draw) in frames:
            if draw:
                film.add(frame)
            if crop:
                yield frame

    return crop_frames(info, Frames(for_crops(), frames.remarks), data, face, detector), film


class Painter:
    """Draws one video's prediction on its frames: the box, what is said at the moment, and a timeline of real or fake.

    Args:
        item: The prediction.
        width: Of the frames in pixels, after scaling.
        height: Of the frames in pixels, after scaling.
        scale: From the video's pixels to those of the frames.
        streams: What the network took of the clip; ``None`` = nothing of it is drawn.
    """

    def __init__(
        self, item: VideoPrediction, width: int, height: int, scale: float, streams: StreamSet | None = None
    ) -> None:
        self.item, self.width, self.height, self.scale = item, width, height, scale
        self.size = drawing.text_size(width, height)
        curve, self.strip_height, self.strip = item.curve, 0, None
        if "authenticity" in curve.p:
            self.strip_height = max(56, round(0.16 * height))
            self.strip = drawing.timeline_panel(
                curve.time_sec, curve.p_real, item.duration_sec, (width, self.strip_height), item
            )
        self._panels: dict[str, np.ndarray] = {}
        self.seen = StreamOverlay(streams or {}, item.width, item.height, item.track, self.size)
        self.place, self.place_of_units = self._places()

    def draw(self, image: np.ndarray, time_sec: float) -> None:
        """Draw on the frame of a moment, in place."""
        now = self.item.curve.at(time_sec)
        box = self.item.track.at(time_sec)
        self.seen.draw(image, time_sec, self.scale)
        drawing.draw_box(image, box, self.scale, drawing.color_of(now), max(2, round(self.size / 7)))
        drawing.blend(image, self._panel(now), *self.place)
        if self.place_of_units is not None:
            drawing.blend(image, self.seen.panel_at(time_sec), *self.place_of_units)
        if self.strip is None:
            return
        top = self.height - self.strip_height
        drawing.blend(image, self.strip, 0, top)
        x, y = drawing.timeline_point(time_sec, now.p_real, self.item.duration_sec, self.width, self.strip_height)
        cv2.line(image, (x, top + round(0.3 * self.strip_height)), (x, self.height - 1), drawing.FAINT, 1, cv2.LINE_AA)
        radius = max(4, self.strip_height // 16)
        cv2.circle(image, (x, top + y), radius + 2, drawing.PANEL, -1, cv2.LINE_AA)
        cv2.circle(image, (x, top + y), radius, drawing.color_of(now), -1, cv2.LINE_AA)
        cv2.circle(image, (x, top + y), radius, drawing.INK, max(1, radius // 4), cv2.LINE_AA)

    def _panel(self, now: Probabilities) -> np.ndarray:
        key = drawing.said(now, ", ")
        if key not in self._panels:
            self._panels[key] = drawing.label_panel(now, self.size)
        return self._panels[key]

    def _places(self) -> tuple[tuple[int, int], tuple[int, int] | None]:
        """One place for each panel throughout, so that it can be read: near all boxes, over none if that can be."""
        boxes = self.item.track.boxes
        left, top = boxes[:, :2].min(axis=0)
        right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
        face = drawing.rectangle(Box(left, top, right - left, bottom - top), self.scale)
        height, width = self._panel(self.item.curve.at(0.0)).shape[:2]
        picture = (self.width, self.height - self.strip_height)
        x, y = drawing.place(width, height, face, picture, [face])
        if self.seen.panel is None:
            return (x, y), None
        # Mostly no room is left beside the face: then the units stand in a corner.
        tall, wide = self.seen.panel.shape[:2]
        right = picture[0] - wide if x + width / 2 < picture[0] / 2 else 0
        return (x, y), (right, min(y, max(0, picture[1] - tall)))


def _even(image: np.ndarray) -> np.ndarray:
    """Cut to even sides, which the encoder needs."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: max(2, height // 2 * 2), : max(2, width // 2 * 2)])
