"""Clips in which the detector found the face in few of its looks: named, with pictures, since some of them are good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.files import write_whole

if TYPE_CHECKING:
    from realfake.data.store import PreparedStore

LOW_YIELD = 0.5
"""Clips whose detector found the face in a smaller part of its looks are named. (A turned head may give 0.3 and be
good; a white panel that passes for a face now and then gave 0.2.)"""
PICTURES = "low_yield.png"
"""File of the store with their crops."""
_MOST, _COLUMNS, _SIDE, _LABEL = 40, 10, 96, 22


def low_yield(store: PreparedStore) -> list[tuple[int, str]]:
    """Row of the clip table and a remark of each such clip, the lowest yield first."""
    table = store.table
    found = table["yield"].to_numpy()
    sampled, stored = table["sampled"].to_numpy(), table["stored"].to_numpy()
    rows = np.flatnonzero(found < LOW_YIELD)
    return [
        (row, f"face found in {found[row]:.0%} of {sampled[row]} looks, {stored[row]} crops")
        for row in rows[np.argsort(found[rows], kind="stable")].tolist()
    ]


def draw_low_yield(store: PreparedStore) -> Path | None:
    """Write the crops of these clips into the store's folder, a row a clip; ``None`` if there is none."""
    import cv2

    lines = []
    for row, remark in low_yield(store)[:_MOST]:
        crops = store.table["stored"].array[row]
        picked = np.unique(np.linspace(0, crops - 1, _COLUMNS).round().astype(int))
        images = store.read(row, picked, _SIDE)
        line = np.full((_LABEL + _SIDE, _COLUMNS * _SIDE, 3), 255, np.uint8)
        line[_LABEL:, : len(images) * _SIDE] = np.concatenate(list(images), axis=1)
        text = f"{store.table['path'].array[row]}: {remark}"
        cv2.putText(line, text[-130:], (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
        lines.append(line)
    if not lines:
        return None
    encoded = cv2.imencode(".png", cv2.cvtColor(np.concatenate(lines), cv2.COLOR_RGB2BGR))[1]
    write_whole(store.folder / PICTURES, encoded.tobytes())
    return store.folder / PICTURES
