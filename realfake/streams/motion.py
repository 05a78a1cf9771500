"""How a face moves, without any landmark: dense optical flow, pooled on a grid."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from realfake.config import MotionSignal, StreamInfo, as_plain
from realfake.streams.stream import ClipMedia, Extracted

VERSION = 1


class Motion:
    """Flow by dense inverse search (Kroeger et al. 2016, https://arxiv.org/abs/1603.03590), OpenCV's fast preset.

    Two frames that follow each other are cut and turned by the box of the later one, so that movements of the head
    count.

    Args:
        options: Rate, grid and size.
    """

    def __init__(self, options: MotionSignal) -> None:
        self.options = options

    def identity(self) -> dict[str, Any]:
        """The options."""
        return {**as_plain(self.options), "version": VERSION}

    def infos(self) -> tuple[StreamInfo, ...]:
        """``motion``."""
        return self.options.infos()

    def extract(self, media: ClipMedia) -> dict[str, Extracted]:
        """Flow from each frame to the next, at the moment of the later one; the first frame has none."""
        o = self.options
        flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        times: list[float] = []
        values: list[np.ndarray] = []
        before: tuple[float, np.ndarray] | None = None
        for time_sec, image, box in media.frames(None if o.rate_fps == "full" else o.rate_fps):
            if before is not None and time_sec > before[0]:
                pair = [cv2.cvtColor(media.face(i, box, o.size), cv2.COLOR_RGB2GRAY) for i in (before[1], image)]
                flow = flow_of.calc(pair[0], pair[1], None)  # type: ignore[call-overload]
                cells = cv2.resize(flow, (o.grid, o.grid), interpolation=cv2.INTER_AREA).reshape(o.grid, o.grid, 2)
                values.append(cells.transpose(2, 0, 1) / (o.size * (time_sec - before[0])))
                times.append(time_sec)
            before = time_sec, image
        found = np.array(values, np.float32).reshape(-1, 2, o.grid, o.grid)
        return {"motion": Extracted(np.array(times, np.float32), found, np.ones(len(times), np.float32))}
