"""Contact sheets of a synthetic dataset, made from the video files, to be looked at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from realfake.data.sources.sase_fe import CODES
from realfake.data.synthetic.generation import Job, jobs, read_settings
from realfake.data.synthetic.options import SyntheticSettings
from realfake.errors import UserError
from realfake.labels import AUTHENTICITIES, EMOTIONS

_LABEL_PX = 120


def contact_sheet(root: Path, path: Path, subjects: int = 4, at: float = 0.55) -> Path:
    """Write a picture with one row per class and one column per person, each at one moment of the clip.

    Args:
        root: A complete dataset.
        path: PNG (or JPEG) to write.
        subjects: Columns; the first people of the dataset.
        at: Moment, as a fraction of the clip.
    """
    settings = read_settings(root)
    found = [j for j in jobs(settings) if j.subject < subjects]
    rows = [[_frames(root, j, settings, [at])[0] for j in found if j.clip == clip] for clip in range(len(CODES))]
    return _save(path, rows, [_name(clip) for clip in range(len(CODES))])


def time_sheet(
    root: Path,
    path: Path,
    subject: int = 0,
    columns: int = 10,
    emotions: tuple[int, ...] | None = None,
) -> Path:
    """Write a picture with one row per class, posed below real; columns are time."""
    settings = read_settings(root)
    found = {j.clip: j for j in jobs(settings) if j.subject == subject}
    if not found:
        raise UserError(f"subject={subject}: the dataset has subjects 0 to {settings.subjects - 1}")
    labels = list(CODES.values())
    order = sorted(found, key=lambda clip: (labels[clip][0], -labels[clip][1]))
    order = [clip for clip in order if emotions is None or int(labels[clip][0]) in emotions]
    moments = list(np.linspace(0.0, 0.9, columns))
    return _save(path, [_frames(root, found[c], settings, moments) for c in order], [_name(c) for c in order])


def _name(clip: int) -> str:
    emotion, authenticity = list(CODES.values())[clip]
    return f"{AUTHENTICITIES[authenticity]} {EMOTIONS[emotion]}"


def _frames(root: Path, job: Job, settings: SyntheticSettings, moments: list[float]) -> list[np.ndarray]:
    import av

    with av.open(str(job.video(Path(root)))) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return [images[min(len(images) - 1, int(m * settings.frames))] for m in moments]


def _save(path: Path, rows: list[list[np.ndarray]], names: list[str]) -> Path:
    lines = []
    for name, row in zip(names, rows, strict=True):
        label = np.full((row[0].shape[0], _LABEL_PX, 3), 255, np.uint8)
        for i, word in enumerate(name.split()):
            at = (6, row[0].shape[0] // 2 + 20 * i)
            cv2.putText(label, word, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 1, cv2.LINE_AA)
        lines.append(np.hstack([label, *row]))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.vstack(lines)):
        raise UserError(f"{path}: the picture could not be written; give a path that ends in .png")
    return path
