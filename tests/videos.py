"""Videos that tests write, and how they look when everything in them is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    frames: int = 50,
    fps: int = 25,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    gop: int = 12,
    pts: Sequence[int] | None = None,
    shape: Fraction | None = None,
    open_gop: bool = False,
    pixels: str = "yuv420p",
) -> Path:
    """A moving gradient; each frame differs from all others."""
    with av.open(str(path), "w") as container:
        options = {"bf": "3", "preset": "veryfast"} if codec == "libx264" else {}
        if open_gop:
            options["x264-params"] = "open-gop=1:min-keyint=12:scenecut=0:b-adapt=0"
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.gop_size = gop
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        for i in range(frames):
            image = np.stack([(x * 2 + i * 3) % 256, (y * 3 + i * 5) % 256, np.full_like(x, (i * 7) % 256)], -1)
            frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")
            if pts is not None:
                frame.pts = pts[i]
                frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decode_all(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = np.array([float(f.pts * f.time_base) for f in frames])
        return times - times[0], [f.to_ndarray(format="rgb24") for f in frames]


TURNED = {
    (1, 0, 0, 1): lambda image: image,
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda image: image.swapaxes(0, 1),
    (0, -1, -1, 0): lambda image: np.rot90(image, 2).swapaxes(0, 1),
}
"""Display matrix (a, b, c, d) and what it does with a picture."""


def turn(video: Path, matrix: tuple[int, int, int, int], path: Path, size: tuple[int, int] = (96, 64)) -> Path:
    """A copy of an MP4 file of this size with another display matrix, moved back into the picture as phones do."""

    def content_of(a: int, b: int, c: int, d: int, x: int = 0, y: int = 0) -> bytes:
        return np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, x << 16, y << 16, 1 << 30], ">i4").tobytes()

    content = video.read_bytes()
    upright = content_of(1, 0, 0, 1)
    assert content.count(upright) == 2  # the movie's and the track's
    at = content.rindex(upright)
    wide, high = size
    turned = content_of(
        *matrix, wide * (matrix[0] < 0) + high * (matrix[2] < 0), high * (matrix[3] < 0) + wide * (matrix[1] < 0)
    )
    path.write_bytes(content[:at] + turned + content[at + len(turned) :])
    return path
