"""The features of a face, moved by action units: eyes, brows, nose, mouth, folds and furrows.

Each function states which units it obeys. ``au`` maps a unit to its values at the image's left and right.
Lengths are in head units (see :mod:`~realfake.data.synthetic.characters`).
"""

from __future__ import annotations

import cv2
import numpy as np

from realfake.data.synthetic.characters import Identity, Nuisance
from realfake.data.synthetic.drawing import Pen, mirror, spline
from realfake.data.synthetic.head import Head, face_outline
from realfake.data.synthetic.mouth import AU, SIDES, Mouth
from realfake.data.synthetic.units import CENTRAL, COLUMNS, SIDED

EYE_Y, _BROW_Y = -0.10, -0.345
"""Heights of eyes and brows at rest."""


def unit_values(row: np.ndarray) -> AU:
    """One row of a trace as a mapping, ordered as the image is (its left = the person's right)."""
    value = dict(zip(COLUMNS, (float(v) for v in row), strict=True))
    pairs = {unit: (value[f"{unit}_R"], value[f"{unit}_L"]) for unit in SIDED}
    return pairs | {unit: (value[unit], value[unit]) for unit in CENTRAL}


def jaw_drop(au: AU) -> float:
    """How far the jaw has sunk: AU26, a little AU25; AU17 lifts the chin."""
    return 0.17 * au["AU26"][0] + 0.015 * au["AU25"][0] - 0.02 * au["AU17"][0]


def draw_face(
    head: Head,
    who: Identity,
    seen: Nuisance,
    au: AU,
    turn: tuple[float, float],
    unit_px: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one moment of a head.

    Args:
        head: Still layers.
        who: The person.
        seen: The circumstances.
        au: Action units, see :func:`unit_values`.
        turn: How far the features slide sideways and down over the head, in head units.
        unit_px: Pixels of a head unit on the canvas.

    Returns:
        The head, uint8 ``(height, width, 3)`` in BGR, and its coverage, uint8 ``(height, width)``.
    """
    drop = jaw_drop(au)
    mask = np.zeros(head.outline.shape, np.uint8)
    Pen(mask, unit_px).fill(face_outline(who, drop), 255)
    image = head.back.copy()
    cv2.copyTo(head.skin, mask, image)
    cover = cv2.bitwise_or(head.outline, mask)

    small = unit_px / 2
    shape = (head.outline.shape[0] // 2, head.outline.shape[1] // 2)
    fine, soft = np.full(shape, 128, np.uint8), np.full(shape, 128, np.uint8)
    lines, forms = Pen(fine, small), Pen(soft, small)
    pen = Pen(image, unit_px)
    for p in (lines, forms, pen):
        p.slide(turn)
    mouth = Mouth(who, au)
    _forms(forms, who, au, mouth)
    _furrows(lines, who, au, mouth, drop)
    relief = cv2.addWeighted(
        cv2.GaussianBlur(fine, (0, 0), 0.016 * small),
        1.0,
        cv2.GaussianBlur(soft, (0, 0), 0.045 * small),
        1.0,
        -128,
    )
    relief = cv2.resize(relief, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, cv2.merge((relief, relief, relief)), image, scale=1 / 128)

    _nose(pen, who, au)
    mouth.draw(pen, who)
    for side, i in SIDES:
        _eye(pen, who, seen, au, side, i)
        _brow(pen, who, au, side, i)
    if who.glasses:
        _glasses(pen, who)
    return image, cover


def brow_line(who: Identity, au: AU, i: int) -> np.ndarray:
    """Middle of the brow of the image's right half from its inner to its outer end, ``(5, 2)``.

    AU1 lifts the inner end, AU2 the outer, AU4 lowers and draws together, AU9 lowers the inner end.
    """
    one, two, four, nine, six = (au[u][i] for u in ("AU01", "AU02", "AU04", "AU09", "AU06"))
    inner = -0.15 * one - 0.05 * two + 0.135 * four + 0.07 * nine
    middle = -0.06 * one - 0.15 * two + 0.075 * four + 0.03 * nine
    outer = 0.03 * one - 0.14 * two - 0.01 * four + 0.015 * six
    pull = -0.05 * four - 0.015 * one
    base, arch = _BROW_Y - who.brow_height, 0.065 * who.brow_arch
    gap = who.eye_gap - 0.335
    x = np.array([0.135 + pull, 0.22 + pull * 0.7, 0.34 + pull * 0.3, 0.46, 0.56]) + gap
    y = base + np.array([inner, 0.6 * inner + 0.4 * middle, middle, 0.5 * (middle + outer), outer])
    y += np.array([0.02, -0.45 * arch, -arch, -0.75 * arch, 0.02])
    return np.stack([x, y], 1)


def _brow(pen: Pen, who: Identity, au: AU, side: float, i: int) -> None:
    x, y = brow_line(who, au, i).T
    half = who.brow_thick * np.array([0.030, 0.038, 0.034, 0.024, 0.006])
    upper, lower = np.stack([x, y - half], 1), np.stack([x, y + half], 1)
    points = np.concatenate([spline(upper, 5), spline(lower, 5)[::-1]])
    pen.fill(mirror(points, side), who.brow)


def eye_lids(who: Identity, au: AU, i: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Edges of the upper and the lower lid of the image's right half, ``(25, 2)`` each from left to right.

    Also how far they are apart. AU5 lifts the upper lid, AU45 closes it, AU6 and AU7 narrow the opening, mostly from
    below.
    """
    five, six, seven, shut = (au[u][i] for u in ("AU05", "AU06", "AU07", "AU45"))
    one, four, nine = (au[u][i] for u in ("AU01", "AU04", "AU09"))
    w = who.eye_width
    up = (0.078 + 0.060 * five - 0.012 * six - 0.022 * seven - 0.014 * four - 0.018 * nine) * who.eye_open
    down = (0.056 + 0.012 * five - 0.040 * six - 0.034 * seven - 0.020 * nine) * who.eye_open
    up, down = max(up, 0.02), max(down, 0.008)
    lid = up * (1.0 - shut) - down * 0.8 * shut
    t = np.array([-1.0, -0.75, -0.4, 0.0, 0.4, 0.75, 1.0])
    bow = np.array([0.0, 0.52, 0.88, 1.0, 0.9, 0.58, 0.0])
    slant = 0.014 * t + 0.02 * one * np.clip(t, 0, None) - 0.02 * one * np.clip(-t, 0, None)
    center = np.array([who.eye_gap, EYE_Y])
    upper = spline(np.stack([w * t, -lid * bow - 0.6 * slant + 0.01], 1) + center, 4)
    lower = spline(np.stack([w * t, down * bow - 0.6 * slant + 0.01], 1) + center, 4)
    return upper, lower, lid + down


def _eye(pen: Pen, who: Identity, seen: Nuisance, au: AU, side: float, i: int) -> None:
    five, six, seven, shut = (au[u][i] for u in ("AU05", "AU06", "AU07", "AU45"))
    upper, lower, apart = eye_lids(who, au, i)
    opening = mirror(np.concatenate([upper, lower[::-1]]), side)
    dark = tuple(0.30 * c for c in who.skin)
    if apart > 0.012:
        _eyeball(pen, who, seen, opening, side)
    pen.line(mirror(upper, side), tuple(0.22 * c for c in who.skin), 0.026)
    pen.line(mirror(lower, side), dark if six + seven > 1.0 else tuple(0.5 * c for c in who.skin), 0.010)
    crease = upper[3:-2] + np.array([0.0, -0.030 + 0.012 * five - 0.012 * shut])
    pen.line(mirror(crease, side), tuple(0.55 * c for c in who.skin), 0.010)


def _eyeball(pen: Pen, who: Identity, seen: Nuisance, opening: np.ndarray, side: float) -> None:
    """Sclera, iris, pupil and highlight, seen through the opening."""
    pixels = pen.pixels(opening) / 16.0
    x0, y0 = np.maximum(np.floor(pixels.min(0)).astype(int) - 2, 0)
    x1, y1 = np.ceil(pixels.max(0)).astype(int) + 3
    patch = pen.image[y0:y1, x0:x1]
    if patch.size == 0:
        return
    at = np.array([side * who.eye_gap + seen.gaze[0], EYE_Y - 0.008 + seen.gaze[1]])
    ball = np.empty_like(patch)
    level = min(1.0, 0.35 + max(who.skin) / 300)
    ball[:] = np.array([214.0, 216.0, 220.0]) * level
    sub = Pen(ball, pen.unit_px)
    sub.slide((pen.offset[0] - x0 / pen.unit_px, pen.offset[1] - y0 / pen.unit_px))
    center = (float(at[0]), float(at[1]))
    sub.oval(center, (0.074, 0.074), tuple(0.45 * c for c in who.iris))
    sub.oval(center, (0.062, 0.062), who.iris)
    sub.oval(center, (0.034, 0.034), (14, 12, 12))
    sub.oval((center[0] - 0.022, center[1] - 0.024), (0.014, 0.014), (235, 235, 235))
    upper = opening[: len(opening) // 2]
    sub.line(upper + np.array([0.0, 0.012]), tuple(0.45 * c for c in who.skin), 0.030)  # shadow of the lid
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, [pen.pixels(opening) - np.array([x0, y0], np.int32) * 16], (255,), cv2.LINE_AA, 4)
    cv2.copyTo(ball, mask, patch)


def nose_edge(who: Identity, au: AU, i: int) -> np.ndarray:
    """Wing of the nose in the image's right half from top to bottom, middle below the tip, and nostril, ``(6, 2)``.

    AU9 lifts the wings and widens, AU10 and AU12 widen a little.
    """
    nine, ten, twelve = au["AU09"][i], au["AU10"][i], au["AU12"][i]
    y = 0.26 + who.nose_length
    lift = -0.055 * nine - 0.02 * ten
    wide = 0.125 * who.nose_width + 0.022 * nine + 0.012 * ten + 0.012 * twelve
    return np.array(
        [
            (wide - 0.02, y - 0.09 + lift),
            (wide + 0.012, y - 0.03 + lift),
            (wide, y + 0.03 + lift),
            (0.6 * wide, y + 0.055 + 0.5 * lift),
            (0.0, y + 0.07),
            (0.55 * wide, y + 0.042 + 0.8 * lift),
        ]
    )


def _nose(pen: Pen, who: Identity, au: AU) -> None:
    for side, i in SIDES:
        *wing, nostril = nose_edge(who, au, i)
        pen.line(mirror(spline(wing, 4), side), tuple(0.50 * c for c in who.skin), 0.014)
        at = (side * float(nostril[0]), float(nostril[1]))
        pen.oval(at, (0.034, 0.018), tuple(0.25 * c for c in who.skin), -side * 15)


def _forms(pen: Pen, who: Identity, au: AU, mouth: Mouth) -> None:
    """Soft forms: AU6 and AU12 raise the cheeks, AU4 and AU9 darken the root of the nose, AU17 the chin."""
    for side, i in SIDES:
        six, nine, twelve = au["AU06"][i], au["AU09"][i], au["AU12"][i]
        raised = max(six, 0.45 * twelve, 0.35 * nine)
        pen.form((side * 0.40, 0.13 - 0.03 * six), (0.15, 0.085), 20 * raised)
        pen.form((side * 0.37, 0.015), (0.18, 0.028), -34 * six - 16 * au["AU07"][i], side * 6)
        pen.form((side * 0.10, -0.33), (0.09, 0.05), -26 * au["AU04"][i] - 14 * nine)
        x, y = mouth.corners[i]
        pen.form((x + side * 0.07, y - 0.015), (0.035, 0.06), -46 * au["AU14"][i] - 16 * twelve, side * 10)
        pen.form((side * 0.24, y + 0.09), (0.05, 0.05), -22 * au["AU15"][i])
    chin = au["AU17"][0]
    pen.form((0.0, mouth.low + 0.045), (0.13, 0.03), -30 * chin - 10 * mouth.press)
    pen.form((0.0, mouth.low + 0.13), (0.10, 0.06), 12 * chin)


def _furrows(pen: Pen, who: Identity, au: AU, mouth: Mouth, drop: float) -> None:
    """Lines: forehead (AU1, 2), between the brows (AU4), nose (AU9), crow's feet (AU6), cheeks (AU9, 10)."""
    for side, i in SIDES:
        one, two, four, six, nine = (au[u][i] for u in ("AU01", "AU02", "AU04", "AU06", "AU09"))
        ten, twelve, forteen, fifteen = (au[u][i] for u in ("AU10", "AU12", "AU14", "AU15"))
        for k, y in enumerate((-0.56, -0.64)):
            lift = y - 0.03 * one
            pen.crease([(0.0, lift), (0.16, lift - 0.005)], side, 36 * max(one * (1 - 0.3 * k), two), 0.02)
            pen.crease([(0.16, lift - 0.005), (0.3, lift + 0.012), (0.42, lift + 0.04)], side, 44 * two, 0.02)
        pen.crease([(0.05, -0.41), (0.042, -0.34), (0.055, -0.26)], side, 46 * four, 0.026)
        for y in (-0.24, -0.17, -0.10):
            pen.crease([(0.0, y + 0.01), (0.08, y), (0.12, y - 0.025)], side, 52 * nine, 0.022)
        x = who.eye_gap + who.eye_width + 0.03
        for a, b in ((-0.14, -0.19), (-0.09, -0.10), (-0.04, 0.0)):
            pen.crease([(x, a), (x + 0.11, b)], side, 46 * six, 0.018)
        pen.crease([(0.20, 0.0), (0.33, 0.035), (0.47, 0.01)], side, 18 + 34 * six, 0.018)
        x, y = mouth.corners[i][0] * side, mouth.corners[i][1]
        depth = who.fold + 0.65 * twelve + 0.75 * ten + 0.45 * nine + 0.2 * forteen
        wing = 0.155 * who.nose_width
        fold = [(wing, 0.19 - 0.04 * nine), (0.5 * (wing + x) + 0.075 + 0.04 * twelve, 0.33)]
        fold += [(x + 0.06 + 0.025 * twelve, y - 0.06), (x + 0.055, y + 0.05 - 0.03 * twelve)]
        pen.crease(fold, side, 50 * min(depth, 1.2), 0.025)
        pen.crease([(x + 0.04, y - 0.06), (x + 0.06, y), (x + 0.035, y + 0.05)], side, 70 * forteen, 0.026)
        pen.crease([(x - 0.005, y + 0.015), (x + 0.03, y + 0.08)], side, 46 * fifteen, 0.024)
    y = mouth.low + 0.10 + 0.2 * drop
    for dx in (-0.06, 0.0, 0.06):
        pen.form((dx, y + 0.3 * abs(dx)), (0.018, 0.014), -40 * au["AU17"][0])


def _glasses(pen: Pen, who: Identity) -> None:
    color = (40.0, 36.0, 36.0)
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 1.0 if who.glasses == 1 else 0.55
    ring = np.stack(
        [
            np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power * 0.235,
            np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power * (0.19 if who.glasses == 1 else 0.155),
        ],
        1,
    )
    for side, _ in SIDES:
        pen.line(ring + np.array([side * (who.eye_gap + 0.005), EYE_Y + 0.015]), color, 0.016, closed=True)
        pen.line(
            mirror(np.array([(who.eye_gap + 0.24, -0.12), (0.73 * who.face_width, -0.10)]), side),
            color,
            0.016,
        )
    pen.line(spline([(-who.eye_gap + 0.235, -0.11), (0.0, -0.14), (who.eye_gap - 0.235, -0.11)], 4), color, 0.016)
