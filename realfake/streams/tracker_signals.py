"""Signals from tables: those that OpenFace or py-feat wrote of the videos, and those drawn for generated faces."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realfake.config import DrawnSignal, OpenfaceSignal, PyfeatSignal, StreamInfo, TrackerSignal, as_plain
from realfake.config.trackers import EYE_CORNERS, STILL
from realfake.errors import UserError
from realfake.streams.stream import ClipMedia, Extracted
from realfake.streams.table_matching import Matched, match_tables
from realfake.streams.tracker_tables import read_tracker_table

VERSION = 1


class TrackerTables:
    """Streams of a tracker's tables.

    Args:
        options: Which tracker, where its tables are, and what is read of them.
    """

    def __init__(self, options: OpenfaceSignal | PyfeatSignal) -> None:
        self.options = options

    def identity(self) -> dict[str, Any]:
        """The options, but for the folder of the tables."""
        return {**as_plain(self.options), "root": None, "version_of_reading": VERSION}

    def infos(self) -> tuple[StreamInfo, ...]:
        """Those that the options name."""
        return self.options.infos()

    def inputs(self, videos: Sequence[Path]) -> tuple[str, Sequence[str]]:
        """Digest of the tables of all videos of a dataset, and a line on each table without a video.

        Raises:
            UserError: If there is no table, or one would be the table of two videos.
        """
        matched = self._match(videos)
        digest = hashlib.sha256()
        for video in videos:
            table = matched.tables.get(video)
            digest.update(hashlib.sha256(table.read_bytes() if table else b"").digest())
        return digest.hexdigest(), matched.spare

    def require(self, videos: Sequence[Path]) -> str:
        """Why none of the videos has a table.

        Raises:
            UserError: As :meth:`inputs`.
        """
        matched = self._match(videos)
        return (
            "" if matched.tables else "; ".join(f"{v.stem}: {reason}" for v, reason in [*matched.missing.items()][:1])
        )

    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """Read the clip's table; of several faces in it, the one in the boxes of the face crops."""
        if media.path is None:
            raise UserError("an array has no name by which its table could be found")
        matched = self._match([media.path])
        if reason := matched.missing.get(media.path):
            raise UserError(reason)
        table = matched.tables[media.path]
        found = read_tracker_table(table, self.options.tracker, media.info.fps, media.rows)
        if lacking := [stream for stream in self.options.streams if stream not in found]:
            key = f"signals.{self.options.name}.streams=[{','.join(found)}]"
            raise UserError(
                f"{table}: has no columns of {', '.join(lacking)}; let the tracker write them, or give {key}"
            )
        return chosen(found, self.options, media)

    def _match(self, videos: Sequence[Path]) -> Matched:
        root = self.options.root
        return match_tables(videos, Path(root).expanduser() if root else None, f"signals.{self.options.name}.root")


class DrawnTables:
    """Streams of tables that are drawn for generated faces.

    Args:
        options: The tracker's faults, and what is read of its tables.
    """

    def __init__(self, options: DrawnSignal) -> None:
        self.options = options

    def identity(self) -> dict[str, Any]:
        """The options."""
        return {**as_plain(self.options), "version_of_reading": VERSION}

    def infos(self) -> tuple[StreamInfo, ...]:
        """Those that the options name."""
        return self.options.infos()

    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """Draw the clip's table and read it."""
        from realfake.data.synthetic.generation import job_of
        from realfake.data.synthetic.tracked import tracked_streams

        if media.path is None:
            raise UserError("signals=[drawn]: an array is no generated video")
        settings, job = job_of(media.path)
        return chosen(tracked_streams(settings, job, self.options), self.options, media)


def chosen(found: dict[str, Extracted], options: TrackerSignal, media: ClipMedia) -> dict[str, Extracted]:
    """The streams that the options name, landmarks relative to what they say."""
    streams: dict[str, Extracted] = {stream: found[stream] for stream in options.streams}
    if (landmarks := streams.get("landmarks")) is not None:
        if options.relative_to == "box":
            values = boxed(landmarks, media.rows)
        else:
            size = None if options.relative_to == "face" else (media.info.width, media.info.height)
            values = relative(landmarks, size)
        streams["landmarks"] = landmarks._replace(values=values)
    return streams


def boxed(landmarks: Extracted, rows: np.ndarray) -> np.ndarray:
    """Landmarks from the middle of the face's box, in parts of its longer side.

    Args:
        landmarks: Pixels, (n, 68, 2).
        rows: (m,) of :data:`realfake.data.store.CROP`; the box is interpolated between their moments.

    Returns:
        float32 (n, 68, 2).
    """
    from realfake.data.media import box_columns  # which imports streams

    times, moments = rows["time_sec"].astype(np.float64), landmarks.times_sec.astype(np.float64)
    x, y, width, height = (np.interp(moments, times, column) for column in box_columns(rows).T)
    middles = np.stack([x + width / 2, y + height / 2], axis=1)[:, None]
    points = landmarks.values.astype(np.float64)
    return ((points - middles) / np.maximum(width, height)[:, None, None]).astype(np.float32)


def relative(landmarks: Extracted, picture: tuple[int, int] | None) -> np.ndarray:
    """Landmarks without the place and size of the face, or of the picture.

    Args:
        landmarks: Pixels, (n, 68, 2).
        picture: Width and height; ``None`` = relative to the face, see :class:`realfake.config.TrackerSignal`.

    Returns:
        float32 (n, 68, 2).
    """
    points = landmarks.values.astype(np.float64)
    if picture is not None:
        return ((points - np.array(picture) / 2.0) / picture[1]).astype(np.float32)
    apart = np.linalg.norm(points[:, EYE_CORNERS[1]] - points[:, EYE_CORNERS[0]], axis=1)
    seen = landmarks.quality > 0
    scale = max(float(np.median(apart[seen])) if seen.any() else 1.0, 1e-6)
    return ((points - points[:, STILL].mean(axis=1, keepdims=True)) / scale).astype(np.float32)
