"""Writes a synthetic dataset: H.264 files in the layout of SASE-FE, and the action units beside them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.data.sources.sase_fe import CODES
from realfake.data.synthetic.options import SyntheticSettings
from realfake.data.synthetic.units import COLUMNS, draw_habits, draw_trace
from realfake.data.work import cores, run_all, shown
from realfake.errors import UserError
from realfake.files import disk_errors, only_one, part_path, remove_parts, write_whole

if TYPE_CHECKING:
    from realfake.data.synthetic.characters import Identity, Nuisance

VIDEOS, TRACES, MARK, STARTED = "FakeTrue_DB", "action_units", "synthetic.json", "synthetic.unfinished.json"

_PEOPLE, _CIRCUMSTANCES, _EXPRESSION, _TEXTURE, _SPELLING, _HABITS, _TRACKER = range(7)
"""Streams of chance. Only the stream of the expression is used by code that knows the authenticity."""


@dataclass(frozen=True)
class Job:
    """One clip to write."""

    subject: int
    clip: int
    """Position in :data:`CODES`."""
    folder: str
    stem: str
    ending: str

    def video(self, root: Path) -> Path:
        """Where the video lies."""
        return root / VIDEOS / self.folder / f"{self.stem}{self.ending}"

    def trace(self, root: Path) -> Path:
        """Where the action units lie."""
        return root / TRACES / self.folder / f"{self.stem}.csv"


def jobs(settings: SyntheticSettings) -> list[Job]:
    """All clips of a dataset, with folder and file names as freely spelt as in the real one."""
    found = []
    digits = max(2, len(str(settings.subjects)))
    for subject in range(settings.subjects):
        rng = _chance(settings, _SPELLING, subject)
        number = f"{subject + 1:0{digits}d}"
        folder = ("Subject {}", "subject {}", "SUBJECT {}", "Subject{}", "Subject_{}")[int(rng.integers(5))]
        ending = ".mp4" if rng.random() < 0.15 else ".MP4"
        lower, sad = rng.random() < 0.15, rng.random() < 0.15
        for clip, code in enumerate(CODES):
            stem = "D2N2S" if code == "D2N2Sur" and sad else code
            found.append(Job(subject, clip, folder.format(number), stem.lower() if lower else stem, ending))
    return found


def generate(root: Path, settings: SyntheticSettings, workers: int | None = None, progress: bool = True) -> Path:
    """Write the dataset, or what is missing of it, and return ``root``.

    Below ``root``: ``FakeTrue_DB/<subject>/<code>.MP4``; ``action_units/<subject>/<code>.csv`` with
    ``time_sec`` and one column per unit (and side); ``synthetic.json`` with the settings, written last. Frames
    depend on the settings alone, not on the number of workers.

    Args:
        root: Folder of this dataset.
        settings: What to write.
        workers: Processes; ``None`` = one per core. One works within this process.
        progress: Whether to show a progress bar.

    Raises:
        UserError: If ``root`` holds a dataset of other settings or is a file, or ``workers`` is below 1.
    """
    root = Path(root)
    if workers is not None and workers < 1:
        raise UserError(f"workers={workers}: expected at least 1 process, or null for one per core")
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: expected a folder for the synthetic dataset, but it is a file; give another root")
    if _complete(root, settings):
        return root
    with disk_errors(root, "give another data.folder"):
        root.mkdir(parents=True, exist_ok=True)
    with disk_errors(root, "give another data.folder"), only_one(root):
        if _complete(root, settings):  # another process wrote it while this one waited
            return root
        _check_same(root / STARTED, settings)
        write_whole(root / STARTED, json.dumps(settings.as_dict(), indent=2).encode())
        remove_parts(root)
        todo = [j for j in jobs(settings) if not (j.video(root).exists() and j.trace(root).exists())]
        for folder in sorted({p.parent for j in todo for p in (j.video(root), j.trace(root))}):
            folder.mkdir(parents=True, exist_ok=True)
        with closing(run_all(partial(write_clip, root, settings), todo, workers or cores())) as results:
            for _, result in shown(results, len(todo), "synthetic videos", progress):
                if isinstance(result, Exception):
                    raise result
        (root / STARTED).replace(root / MARK)
    return root


def read_settings(root: Path) -> SyntheticSettings:
    """Settings of a complete dataset.

    Raises:
        UserError: If ``root`` holds none.
    """
    path = Path(root) / MARK
    if not path.is_file():
        raise UserError(f"{root}: no {MARK} there, so it is not a complete synthetic dataset; generate it first")
    values = json.loads(path.read_text())
    values.pop("version", None)
    return SyntheticSettings(**values)


def job_of(video: Path) -> tuple[SyntheticSettings, Job]:
    """The settings and the clip of a generated video, told by the folders that it lies in.

    Raises:
        UserError: If it lies in no complete synthetic dataset.
    """
    root = video.parent.parent.parent
    if not (root / MARK).is_file():
        raise UserError(
            f"{video}: no generated video, whose points are known; those of others are found by signals=[openface], "
            "[pyfeat] or [mediapipe]"
        )
    settings, known = _known(root)
    if video not in known:
        raise UserError(f"{video}: no video of the synthetic dataset in {root}")
    return settings, known[video]


@lru_cache(maxsize=2)
def _known(root: Path) -> tuple[SyntheticSettings, dict[Path, Job]]:
    settings = read_settings(root)
    return settings, {job.video(root): job for job in jobs(settings)}


def trace_of(settings: SyntheticSettings, job: Job) -> np.ndarray:
    """Action units of a clip, ``(frames, len(COLUMNS))``."""
    emotion, authenticity = list(CODES.values())[job.clip]
    rng = _chance(settings, _EXPRESSION, job.subject, job.clip)
    habits = draw_habits(_chance(settings, _HABITS, job.subject))
    times = np.arange(settings.frames) / settings.fps
    return draw_trace(rng, habits, emotion, authenticity, settings.difficulty, times, settings.seconds)


def circumstances_of(settings: SyntheticSettings, job: Job) -> tuple[Identity, Nuisance, np.random.Generator]:
    """Who is seen in a clip and how, and the chance of its texture, movement and noise."""
    from realfake.data.synthetic.characters import draw_identity, draw_nuisance

    who = draw_identity(_chance(settings, _PEOPLE, job.subject))
    seen = draw_nuisance(_chance(settings, _CIRCUMSTANCES, job.subject, job.clip))
    return who, seen, _chance(settings, _TEXTURE, job.subject, job.clip)


def tracker_chance(settings: SyntheticSettings, job: Job) -> np.random.Generator:
    """The chance of a tracker's faults in a clip."""
    return _chance(settings, _TRACKER, job.subject, job.clip)


def frames_of(settings: SyntheticSettings, job: Job) -> Iterator[np.ndarray]:
    """Frames of a clip before they are compressed, uint8 BGR ``(size, frame_width, 3)``."""
    from realfake.data.synthetic.render import render

    who, seen, rng = circumstances_of(settings, job)
    yield from render(who, seen, trace_of(settings, job), settings, rng)


def write_clip(root: Path, settings: SyntheticSettings, job: Job) -> str:
    """Write one clip and its trace, each under a temporary name first; returns the name of the clip."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["time_sec", *COLUMNS])
    for i, row in enumerate(trace_of(settings, job)):
        table.writerow([f"{i / settings.fps:.4f}", *(f"{v:.4f}" for v in row)])
    write_whole(job.trace(root), out.getvalue().encode())
    path = job.video(root)
    part = part_path(path)
    _encode(part, frames_of(settings, job), settings)
    part.replace(path)
    return f"{job.folder}/{job.stem}"


def _encode(path: Path, frames: Iterable[np.ndarray], settings: SyntheticSettings) -> None:
    """Write H.264 with one thread, since with more the bytes depend on their number.

    And without x264's macroblock tree: on processors with AVX-512, its result is another one each time.
    """
    import av

    with av.open(str(path), "w", format="mp4") as container:
        options = {"crf": str(settings.crf), "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=settings.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = settings.frame_width, settings.size, "yuv420p"
        stream.codec_context.thread_count = 1
        for image in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _complete(root: Path, settings: SyntheticSettings) -> bool:
    return _check_same(root / MARK, settings)


def _check_same(path: Path, settings: SyntheticSettings) -> bool:
    """Whether ``path`` holds these settings; an error if it holds others."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return False
    except ValueError:
        raise UserError(f"{path}: damaged; delete the folder {path.parent} and generate it again") from None
    wanted = settings.as_dict()
    for key in sorted(wanted.keys() | found.keys()):
        if found.get(key) != wanted.get(key):
            raise UserError(
                f"{path.parent}: made with {key}={found.get(key)}, but {key}={wanted.get(key)} is wanted; "
                "give another root or delete that folder"
            )
    return True


def _chance(settings: SyntheticSettings, stream: int, *keys: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, stream, *keys])
