"""The mouth: corners, lips, teeth and what the action units do to them."""

from __future__ import annotations

import numpy as np

from realfake.data.synthetic.characters import Identity
from realfake.data.synthetic.drawing import Pen, spline

AU = dict[str, tuple[float, float]]
"""Units at the image's left and right; both are equal for units without sides."""
SIDES = ((-1.0, 0), (1.0, 1))
"""Sign of x, and index of the value: the image's left half shows the person's right."""
Points = list[tuple[float, float]]


class Mouth:
    """Shape of a mouth: AU10, 12, 14, 15, 17, 23, 24, 25 and 26 move its corners and lips."""

    def __init__(self, who: Identity, au: AU) -> None:
        p17, p23, p24, p25, p26 = (au[u][0] for u in ("AU17", "AU23", "AU24", "AU25", "AU26"))
        y = 0.575 + who.mouth_y
        thin = (1.0 - 0.50 * p23) * (1.0 - 0.50 * p24)
        full = 0.064 * who.lip_full * thin
        narrow = 0.03 * p23 + 0.035 * p24 + 0.10 * p26 + 0.02 * p17
        corners: list[tuple[float, float]] = []
        peaks: list[float] = []
        for side, i in SIDES:
            ten, twelve, forteen, fifteen = (au[u][i] for u in ("AU10", "AU12", "AU14", "AU15"))
            out = 0.300 * who.mouth_width + 0.095 * twelve + 0.045 * forteen + 0.01 * fifteen - narrow
            dy = -0.125 * twelve - 0.055 * forteen + 0.115 * fifteen + 0.05 * p26 + who.corner_rest
            corners.append((side * out, y + dy))
            peaks.append(-0.085 * ten - 0.015 * twelve - 0.012 * p25)
        self.corners = corners
        self.gap = 0.075 * p25 + 0.20 * p26 + 0.0175 * (au["AU10"][0] + au["AU10"][1])
        self.thin = thin
        self.press = max(p23, p24)
        push = -0.045 * p17
        middle = y + 0.5 * sum(peaks) + 0.014 * (au["AU12"][0] + au["AU12"][1]) + 0.6 * push
        opened = middle + 0.006 + self.gap
        top = middle - full
        self.low = opened + 1.25 * full + 0.4 * push
        peak = top - 0.018 * thin

        def along(at: float, heights: list[float], center: float, rest: list[tuple[float, float]]) -> Points:
            """Corner, a point ``at`` of the way out, what lies between, and the same mirrored."""
            left, right = ((at * x, h) for (x, _), h in zip(corners, heights, strict=True))
            return [
                corners[0],
                left,
                *[(x * corners[0][0], h) for x, h in rest],
                (0.0, center),
                *[(x * corners[1][0], h) for x, h in reversed(rest)],
                right,
                corners[1],
            ]

        tip = [c[1] for c in corners]
        inner = [middle + 0.15 * (p - middle + t) - 0.004 for p, t in zip(peaks, tip, strict=True)]
        self.upper_inner = along(0.5, inner, middle + 0.006, [])
        sag = [opened - 0.22 * self.gap - 0.22 * (opened - self.gap - t) for t in tip]
        self.lower_inner = along(0.55, sag, opened, [])
        outer = [top + 0.105 * (t - middle) + 0.165 * p for p, t in zip(peaks, tip, strict=True)]
        self.upper_outer = along(0.42, outer, top, [(0.14, peak)])
        self.lower_outer = along(0.5, [self.low - 0.016 - 0.20 * (self.low - t) for t in tip], self.low, [])

    def draw(self, pen: Pen, who: Identity) -> None:
        """Draw lips, and teeth where the mouth is open."""
        upper, lower = spline(self.upper_inner, 5), spline(self.lower_inner, 5)
        upper_out, lower_out = spline(self.upper_outer, 5), spline(self.lower_outer, 5)
        if who.moustache > 0.0:
            hair = np.array([(-0.24, 0.03), (-0.12, -0.05), (0.0, -0.045), (0.12, -0.05), (0.24, 0.03), (0.0, 0.01)])
            hair = hair + np.array([0.0, self.upper_outer[3][1] - 0.03])
            pen.fill(
                spline(hair, 5, closed=True),
                tuple(c + 0.2 * (s - c) for c, s in zip(who.brow, who.skin, strict=True)),
            )
        lips = who.lips
        pen.fill(np.concatenate([upper_out, lower[::-1]]), tuple(0.84 * c for c in lips))
        pen.fill(np.concatenate([upper, lower_out[::-1]]), lips)
        shine = spline(
            [
                (-0.09, self.low - 0.042 * self.thin),
                (0.0, self.low - 0.036 * self.thin),
                (0.09, self.low - 0.042 * self.thin),
            ],
            4,
        )
        pen.line(shine, tuple(min(255.0, 1.12 * c + 8) for c in lips), 0.016 * self.thin)
        if self.gap > 0.012:
            inside = np.concatenate([upper, lower[::-1]])
            pen.fill(inside, (28, 20, 48))
            teeth = min(0.068, 0.8 * self.gap)
            edge = upper.copy()
            part = np.linspace(-1, 1, len(edge))
            edge[:, 1] = np.minimum(edge[:, 1] + teeth * (1 - part**4), lower[:, 1])
            pen.fill(np.concatenate([upper, edge[::-1]]), (206, 216, 222))
            if self.gap > 0.14:
                pen.oval((0.0, self.low - 0.085), (0.11, 0.035), (70, 66, 150))
        dark = tuple(0.34 * c for c in lips)
        pen.line(upper, dark, 0.014 + 0.012 * self.press)
        for corner in self.corners:
            pen.oval((float(corner[0]), float(corner[1])), (0.018, 0.014), dark)
