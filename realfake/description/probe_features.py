"""What the probes of a dataset see of each clip: everything but the expression."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from realfake.data.jobs import file_size
from realfake.data.store import PreparedStore

FRAME = 12
"""Side in pixels of the first and the last frame as their probes see them: light, pose and background, no wrinkle."""
_DECODED = 24
"""Side in pixels at which crops are decoded for it."""


def probe_features(
    store: PreparedStore, on_clip: Callable[[], None] = lambda: None, threads: int = 2
) -> dict[str, np.ndarray]:
    """What each probe sees: its name → (N, K) float64, a row a clip of the store's table.

    Args:
        store: The prepared dataset, as :func:`realfake.data.preparation.prepare` opens it.
        on_clip: Called after each clip.
        threads: That decode crops.
    """
    assert store.root is not None
    table = store.table
    names = ("duration_sec", "width", "height", "fps")
    seconds, width, height, fps = (table[name].to_numpy(float) for name in names)
    size = np.array([file_size(store.root / path) for path in table["path"]], float)
    looks: list[np.ndarray] = []
    with ThreadPoolExecutor(threads) as pool:
        for look in pool.map(lambda i: _look(store, i), range(len(store))):
            looks.append(look)
            on_clip()
    seen = np.stack(looks)
    middle = np.stack([_head(store, i) for i in range(len(store))])
    frame = FRAME * FRAME
    return {
        "file size": size[:, None],
        "duration": seconds[:, None],
        "resolution": np.stack([width, height], axis=1),
        "frame rate": fps.round(3)[:, None],  # a quotient of times, whose last digits tell how long the clip is
        "bit rate": np.divide(8.0 * size, seconds, out=np.zeros_like(size), where=seconds > 0)[:, None],
        "brightness and its drift": seen[:, :2],
        "first frame": seen[:, 2 : 2 + frame],
        "last frame": seen[:, 2 + frame :],
        "head position and size": middle / np.stack([width, height, np.minimum(width, height)], axis=1),
    }


def _look(store: PreparedStore, i: int) -> np.ndarray:
    """Mean brightness of a clip's crops (0 to 255), its slope (a second), and the first and the last one in grey."""
    time_sec = store.timestamps(i).astype(float)
    frames = store.read(i, np.arange(len(time_sec)), _DECODED).mean(axis=3)
    brightness, since = frames.mean(axis=(1, 2)), time_sec - time_sec.mean()
    slope = since @ brightness / (since @ since) if since.any() else 0.0
    step = _DECODED // FRAME
    small = frames[[0, -1]].reshape(2, FRAME, step, FRAME, step).mean(axis=(2, 4))
    return np.concatenate([[brightness.mean(), slope], small.ravel()])


def _head(store: PreparedStore, i: int) -> np.ndarray:
    """Mean middle of a clip's boxes and mean of their longer side, (3,) in pixels of the video."""
    x, y, width, height = store.boxes(i).mean(axis=0, dtype=float)
    return np.array([x + width / 2, y + height / 2, max(width, height)])
