"""Boxes and labels on pictures and video frames: legible at any size, told apart by the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realfake.data.faces import Box, squared
from realfake.labels import AUTHENTICITIES, Authenticity
from realfake.prediction.predicted import Probabilities

COLORS: dict[str, tuple[int, int, int]] = {"fake": (226, 106, 24), "real": (38, 139, 210)}
"""Orange and blue of one lightness: the pair that every kind of colour vision tells apart."""

SAID = ("emotion", "authenticity")
"""Parts of a decision that people read, in this order."""

INK, FAINT, TRACK, PANEL = (255, 255, 255), (176, 182, 190), (72, 78, 87), (18, 21, 26)
OPACITY = 0.84
SMALLEST = 360
"""Shorter side in pixels of a picture on which labels are legible."""

FINE = 2
"""Panels are drawn this much larger and scaled down, since Pillow's shapes have hard edges."""

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, so that pictures look the same everywhere; ``size`` in pixels."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size)


def canvas_scale(width: int, height: int, largest: int) -> float:
    """By how much a picture is scaled before it is drawn on: enlarged only by whole factors, to :data:`SMALLEST`.

    Args:
        width: Of the picture in pixels.
        height: Of the picture in pixels.
        largest: A longer side above this is reduced to it.
    """
    if max(width, height) > largest:
        return largest / max(width, height)
    return float(max(1, min(-(-SMALLEST // min(width, height)), largest // max(width, height))))


def resize(picture: np.ndarray, scale: float) -> np.ndarray:
    """Scale an RGB picture (H, W, 3) uint8; a copy."""
    if scale == 1.0:
        return picture.copy()
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC)


def annotate(picture: np.ndarray, faces: Sequence[tuple[Box, Probabilities]], scale: float = 1.0) -> None:
    """Draw each face's box and a panel with its labels, in place.

    Args:
        picture: RGB (H, W, 3) uint8, already scaled.
        faces: Boxes in pixels of the picture before it was scaled.
        scale: By which it was scaled.
    """
    height, width = picture.shape[:2]
    size = text_size(width, height)
    boxes = [rectangle(box, scale) for box, _ in faces]
    taken: list[Rectangle] = list(boxes)
    for face, p in faces:
        draw_box(picture, face, scale, color_of(p), max(2, round(size / 7)))
    for box, (_, p) in zip(boxes, faces, strict=True):
        # A crowd gets smaller panels.
        panel = label_panel(p, min(size, max(10, (box[2] - box[0]) // 6)) if len(faces) > 1 else size)
        left, top = place(panel.shape[1], panel.shape[0], box, (width, height), taken)
        taken.append((left, top, left + panel.shape[1], top + panel.shape[0]))
        blend(picture, panel, left, top)


def color_of(p: Probabilities) -> tuple[int, int, int]:
    """That of the decided authenticity; a faint one where none is told."""
    return COLORS[p.authenticity] if p.authenticity else FAINT


def text_size(width: int, height: int) -> int:
    """Height of the letters in pixels that suits a picture of this size."""
    return int(np.clip(round(min(width, height) / 30), 12, 30))


def draw_box(picture: np.ndarray, face: Box, scale: float, color: tuple[int, int, int], thickness: int) -> None:
    """Draw a rounded square with a dark rim, which stands out on any background, in place.

    Args:
        picture: RGB (H, W, 3) uint8, already scaled.
        face: Box in pixels of the picture before it was scaled; one that is rolled is drawn as the turned square that
            is cropped, without the margin.
        scale: By which it was scaled.
        color: Of the square.
        thickness: Of its line in pixels.
    """
    left, top, right, bottom = rectangle(squared(face) if face.roll_deg else face, scale)
    radius = max(2, round(0.06 * min(right - left, bottom - top)))
    arcs = [
        cv2.ellipse2Poly(center, (radius, radius), 0, start, start + 90, 10)
        for center, start in (
            ((left + radius, top + radius), 180),
            ((right - radius, top + radius), 270),
            ((right - radius, bottom - radius), 0),
            ((left + radius, bottom - radius), 90),
        )
    ]
    outline = [np.concatenate(arcs).astype(np.int32)]
    if face.roll_deg:
        matrix = cv2.getRotationMatrix2D(((left + right) / 2, (top + bottom) / 2), -face.roll_deg, 1.0)
        outline = [cv2.transform(outline[0][:, None].astype(np.float64), matrix).round().astype(np.int32)]
    cv2.polylines(picture, outline, True, PANEL, thickness + max(2, thickness // 2), cv2.LINE_AA)
    cv2.polylines(picture, outline, True, color, thickness, cv2.LINE_AA)


def label_panel(p: Probabilities, size: int) -> np.ndarray:
    """A panel that says what is told of emotion and authenticity, with probabilities and bars, RGBA (h, w, 4) uint8.

    Args:
        p: What it says.
        size: Height of the letters in pixels.
    """
    size *= FINE
    pad, gap, bar = round(0.65 * size), round(0.4 * size), max(2, round(0.22 * size))
    lines = [
        (name, p.sure_of(task), color)
        for task, name, color in (("emotion", p.emotion, INK), ("authenticity", p.authenticity, color_of(p)))
        if name is not None
    ]
    longest = [name for task in SAID if task in p.p for name in p.space.names(task)]
    bold, plain = font(size, bold=True), font(size)
    width = round(max(map(bold.getlength, longest)) + plain.getlength("100 %") + size)
    line = round(1.2 * size) + gap + bar
    image = Image.new("RGBA", (width + 2 * pad, len(lines) * (line + gap) - gap + 2 * pad), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, image.width - 1, image.height - 1), round(0.5 * size), (*PANEL, round(255 * OPACITY)))
    for i, (name, probability, color) in enumerate(lines):
        top = pad + i * (line + gap)
        draw.text((pad, top), name, fill=INK, font=bold)
        draw.text((pad + width, top), percent(probability), fill=INK, font=plain, anchor="ra")
        bar_top = top + line - bar
        draw.rounded_rectangle((pad, bar_top, pad + width, bar_top + bar), bar // 2, (*TRACK, 255))
        end = pad + max(bar, round(width * probability))
        draw.rounded_rectangle((pad, bar_top, end, bar_top + bar), bar // 2, (*color, 255))
    return np.asarray(image.resize((image.width // FINE, image.height // FINE), Image.Resampling.BOX))


def said(p: Probabilities, between: str) -> str:
    """The decided emotion and authenticity, as far as they are told, each with its probability."""
    return between.join(f"{p.decided(task)} {percent(p.sure_of(task))}" for task in SAID if task in p.p)


def percent(probability: float) -> str:
    """``0.873`` → ``87 %``; certainty is never claimed by rounding."""
    return f"{min(99, max(1, round(100 * probability)))} %" if 0.0 < probability < 1.0 else f"{probability:.0%}"


def blend(picture: np.ndarray, panel: np.ndarray, left: int, top: int) -> None:
    """Lay an RGBA panel over a picture in place; what reaches over the edge is cut off."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + panel.shape[1]), min(height, top + panel.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = panel[y0 - top : y1 - top, x0 - left : x1 - left]
    under = picture[y0:y1, x0:x1]
    alpha = cv2.merge([part[..., 3]] * 3)
    over = cv2.multiply(part[..., :3], alpha, scale=1 / 255)
    under[:] = cv2.add(cv2.multiply(under, 255 - alpha, scale=1 / 255), over)


def timeline_panel(
    time_sec: np.ndarray, p_real: np.ndarray, duration_sec: float, size: tuple[int, int], verdict: Probabilities
) -> np.ndarray:
    """The probability of real over a clip, as a strip to lay over its frames, RGBA (height, width, 4) uint8.

    Args:
        time_sec: (N,) rising.
        p_real: (N,).
        duration_sec: Of the clip; the strip's whole width, see :func:`timeline_point`.
        size: Width and height in pixels.
        verdict: On the whole clip.
    """
    width, height = size[0] * FINE, size[1] * FINE
    image = Image.new("RGBA", (width, height), (*PANEL, round(255 * OPACITY)))
    draw = ImageDraw.Draw(image)
    points = [timeline_point(t, p, duration_sec, width, height) for t, p in zip(time_sec, p_real, strict=True)]
    middle = timeline_point(0.0, 0.5, duration_sec, width, height)[1]
    left, right = (timeline_point(t, 0.5, duration_sec, width, height)[0] for t in (0.0, duration_sec))
    for name, low, high in (
        (AUTHENTICITIES[Authenticity.REAL], 0, middle),
        (AUTHENTICITIES[Authenticity.FAKE], middle, height),
    ):
        # The curve's side of the middle line is filled in the colour of what it says.
        layer = Image.new("L", (width, height), 0)
        area = [(points[0][0], middle), *points, (points[-1][0], middle)]
        ImageDraw.Draw(layer).polygon(area, fill=150)
        layer.paste(0, (0, 0, width, low))
        layer.paste(0, (0, high, width, height))
        image.paste((*COLORS[name], 255), (0, 0), layer)
    draw.line([(left, middle), (right, middle)], fill=(*FAINT, 255), width=FINE)
    if len(points) > 1:
        draw.line(points, fill=INK, width=2 * FINE, joint="curve")
    letters = _strip_letters(height)
    for name, where, anchor in (("real", _STRIP_TOP, "lm"), ("fake", _STRIP_BOTTOM, "lm")):
        draw.text(
            (round(0.4 * letters), round(where * height)), name, COLORS[name], font(letters, bold=True), anchor=anchor
        )
    draw.text((right, round(0.05 * height)), f"clip: {said(verdict, '  ')}", INK, font(letters), anchor="rt")
    return np.asarray(image.resize(size, Image.Resampling.BOX))


_STRIP_TOP, _STRIP_BOTTOM = 0.38, 0.88
"""Where certainty of real and of fake lie on the strip, as parts of its height."""


def _strip_letters(height: int) -> int:
    return round(0.19 * height)


def timeline_point(time_sec: float, p_real: float, duration_sec: float, width: int, height: int) -> tuple[int, int]:
    """Where a moment and a probability lie on :func:`timeline_panel`, in pixels from its top left corner."""
    left = 3.2 * _strip_letters(height)
    part = time_sec / duration_sec if duration_sec > 0 else 0.0
    y = _STRIP_BOTTOM + (_STRIP_TOP - _STRIP_BOTTOM) * p_real
    return round(left + part * (width - left - 0.5 * _strip_letters(height))), round(y * height)


def rectangle(box: Box, scale: float) -> Rectangle:
    """A box in whole pixels of a scaled picture."""
    return (
        round(box.x * scale),
        round(box.y * scale),
        round((box.x + box.width) * scale),
        round((box.y + box.height) * scale),
    )


def place(width: int, height: int, box: Rectangle, picture: tuple[int, int], taken: list[Rectangle]) -> tuple[int, int]:
    """Top left corner for a panel near a box: inside the picture and, if it can be, over no other box or panel."""
    left, top, right, bottom = box
    gap = max(4, height // 12)
    fits_x = int(np.clip(left, 0, max(0, picture[0] - width)))
    fits_y = int(np.clip(top, 0, max(0, picture[1] - height)))
    places = [(fits_x, top - gap - height), (fits_x, bottom + gap), (right + gap, fits_y), (left - gap - width, fits_y)]
    for x, y in places:
        inside = x >= 0 and y >= 0 and x + width <= picture[0] and y + height <= picture[1]
        if inside and not any(_overlap((x, y, x + width, y + height), other) for other in taken):
            return x, y
    low = min(bottom, picture[1]) - height - gap
    return int(np.clip(left + gap, 0, max(0, picture[0] - width))), int(np.clip(low, 0, max(0, picture[1] - height)))


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
