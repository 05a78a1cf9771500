"""Whether two pictures of a face look alike: told by few pixels, which tell looks apart but recognise nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from realfake.config import NoFace
from realfake.data.faces import Box, crop

LOOKS_ALIKE = 0.5
"""Likeness from which two pictures count as of one face. Moments of one talking head up to a second apart have at least
0.45, mostly 0.7; what is no face has 0.45 at most in 19 of 20 places (tried on trees, streets and bicycles)."""
SURELY_ALIKE = 0.6
"""Likeness to one of the finds before and after from which nobody need look again. Faces between two finds half a
second apart had at least 0.66 (carphone), what stood in for them at most 0.46."""
OTHER_LOOKS = 0.4
"""Mean likeness below which finds a second apart are of two people: one talking head had 0.49, two people 0.32."""
KEPT_DETAIL = 0.5
"""Part of its detail that a face keeps from one find to the next: 0.85 measured, 0.07 if it is blurred."""
_PATCH = 16
"""Side in pixels of the reduced picture of a face that is compared."""
_AVERAGED = 4
"""Pixels of a large picture in a row that at least make one of the reduced picture; the others are not read."""
_ROOM = 1.6
"""The other face is looked for in a picture so many times as large."""
_PLAIN = NoFace(name="none")


@dataclass(frozen=True)
class View:
    """A face in a picture; what is compared of it is made once."""

    image: np.ndarray
    """uint8 (H, W, 3), RGB."""
    box: Box
    """The face, in pixels of the image."""

    @cached_property
    def face(self) -> np.ndarray:
        """Grey, 16 pixels wide; empty if the box lies outside of the image."""
        return _grey(self.image, self.box, 1.0)

    @cached_property
    def place(self) -> np.ndarray:
        """The same with its surroundings."""
        return _grey(self.image, self.box, _ROOM)

    @cached_property
    def detail(self) -> float:
        """How much neighbouring pixels differ: next to nothing on plain ground and in a blurred face."""
        edge = (self.place.shape[0] - _PATCH) // 2
        inner = self.place[edge : edge + _PATCH, edge : edge + _PATCH]
        return float(cv2.Laplacian(inner, cv2.CV_32F).std()) if inner.size else 0.0


def likeness(a: View, b: View) -> float:
    """How alike two pictures of a face are: the highest normalised correlation of their patterns of light and dark.

    The first face, reduced to 16 pixels, is looked for around the place of the other, so that a box that is not quite
    in place does no harm. It tells a face from what is none, and a person from one who looks different; it does not
    recognise people.

    Returns:
        -1 to 1; 0 if a box lies outside of its image or there is no pattern in it.
    """
    if not a.face.size or not b.place.size or a.face.std() < 1.0:
        return 0.0
    found = cv2.matchTemplate(b.place, a.face, cv2.TM_CCOEFF_NORMED)
    return float(found[np.isfinite(found)].max(initial=0.0))


def still_there(faces: Sequence[View], view: View) -> float:
    """How much a place looks like a face that is known from moments before and after.

    Args:
        faces: The face at those moments.
        view: The place.

    Returns:
        The higher likeness, -1 to 1; 0 where half of the detail is gone, as on plain ground and in a blurred picture,
        whose slow changes of light correlate with those of a face.
    """
    if view.detail < KEPT_DETAIL * min(face.detail for face in faces):
        return 0.0
    return max(likeness(face, view) for face in faces)


def _grey(image: np.ndarray, box: Box, room: float) -> np.ndarray:
    side = room * max(box.width, box.height)
    step = max(1, int(side / (_AVERAGED * room * _PATCH)))
    x, y = box.x + (box.width - side) / 2, box.y + (box.height - side) / 2
    wide = Box(x / step, y / step, side / step, side / step)
    try:
        square = crop(image[step // 2 :: step, step // 2 :: step], wide, _PLAIN, round(room * _PATCH))
    except ValueError:  # outside
        return np.empty((0, 0), np.uint8)
    return cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
