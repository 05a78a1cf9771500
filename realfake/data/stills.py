"""Images and arrays, read as if they were videos."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from realfake.config import Decoder
from realfake.data.packets import MOST_PIXELS
from realfake.data.sources.listing import (
    IMAGE_ENDINGS,
    UNREAD_IMAGE_ENDINGS,
    image_files,
    printable,
    split_ending,
    unread,
)
from realfake.data.video import Frame, Frames, VideoInfo, read_video, wanted_frames
from realfake.errors import UserError

ARRAY_ENDING = ".npy"


def read_frames(
    path: Path,
    rate_fps: float,
    window: tuple[float, float] = (0.0, 1.0),
    decoder: Decoder = "pyav",
) -> tuple[VideoInfo, Frames[Frame]]:
    """Frames of any file that holds some: a video, an image, a folder of images, or an array.

    Images and arrays have no times; they count as taken at ``rate_fps``, so that all within the window are given.
    Arguments, result and errors are those of :func:`realfake.data.video.read_video`.
    """
    path = Path(path)
    ending = split_ending(path.name)[1]
    if ending == ARRAY_ENDING:
        sequence = read_array(path)
        return _sequence([partial(_as_rgb, image) for image in sequence], rate_fps, window)
    if ending in IMAGE_ENDINGS:
        return _sequence([partial(read_image, path)], rate_fps, window)
    if ending in UNREAD_IMAGE_ENDINGS:
        raise UserError(f"{ending} is not read: save the picture as JPEG or PNG")
    if path.is_dir():
        files = image_files(path)
        names = {p.name for p in path.iterdir() if not p.name.startswith(".")}
        odd = {name for name in names if split_ending(name)[1] in IMAGE_ENDINGS} - {file.name for file in files}
        told = f"{len(odd)} named like pictures that are no files, e.g. {printable(min(odd))}" if odd else ""
        left_out = ", ".join(filter(None, (unread(names), told)))
        if not files:
            known = f"expected files ending in {', '.join(IMAGE_ENDINGS)}"
            raise UserError(f"no image in the folder: {known}{left_out and f'; not read: {left_out}'}")
        remarks = [f"files of the folder that are not read: {left_out}"] if left_out else []
        return _sequence([partial(read_image, file) for file in files], rate_fps, window, remarks)
    return read_video(path, rate_fps, window, decoder)


def read_image(path: Path) -> np.ndarray:
    """An image as uint8 (H, W, 3), RGB, turned as its EXIF data say.

    Raises:
        UserError: If it cannot be read completely; the reason does not name the file.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # What is too large is told by MOST_PIXELS, not by a warning of Pillow.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(path)
        with opened as image:
            if image.width * image.height > MOST_PIXELS:
                raise UserError(f"an image of {image.width} × {image.height} pixels: at most {MOST_PIXELS} are read")
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I;16"):  # Pillow would clip it to white
                return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
            # Each copy of a large picture takes hundreds of megabytes.
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except UnidentifiedImageError:
        raise UserError("no image that can be read") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"no image that can be read ({error})") from None


def read_array(path: Path) -> np.ndarray:
    """An array of frames (T, H, W, 3) without the black frames at its end; memory-mapped.

    Raises:
        UserError: If it is no such array; the reason does not name the file.
    """
    expected = "expected uint8, or floats from 0 to 1, (frames, height, width, 3)"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"no array that can be read ({error}); {expected}") from None
    if array.ndim != 4 or array.shape[-1] != 3 or not (array.dtype == np.uint8 or array.dtype.kind == "f"):
        raise UserError(f"an array {array.dtype} {array.shape}; {expected}")
    frames = len(array)
    while frames and not array[frames - 1].any():
        frames -= 1
    if not frames or 0 in array.shape:
        raise UserError("the array holds nothing but black frames")
    return array[:frames]


def _as_rgb(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8:
        image = np.rint(np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.ascontiguousarray(image[..., ::-1])


def _sequence(
    loaders: Sequence[Callable[[], np.ndarray]],
    rate_fps: float,
    window: tuple[float, float],
    remarks: list[str] | None = None,
) -> tuple[VideoInfo, Frames[Frame]]:
    first = loaders[0]()
    info = VideoInfo(rate_fps, len(loaders), len(loaders) / rate_fps, first.shape[1], first.shape[0])
    times = np.arange(len(loaders)) / rate_fps
    wanted = wanted_frames(times, info.duration_sec, rate_fps, window)
    return info, Frames((Frame(float(times[i]), first if i == 0 else loaders[i]()) for i in wanted), remarks)
