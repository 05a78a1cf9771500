"""What the signal `mediapipe` costs over decoding and its networks in LiteRT alone, and how far off its points are.

Costs are of one thread: decoding to RGB and the same calls of the networks on inputs that lie ready, in turns with the
signal as preparation computes it; what is left is cropping, geometry, gathering rows, and Python. Points are compared
with those of drawn faces. `--processes` times preparation with one and with two processes instead. Needs the published
file and the extra `signals`.

    python -m benchmarks.landmarks --weights face_landmarker.task
    python -m benchmarks.landmarks --weights face_landmarker.task --height 1080 --fps 100 --seconds 0.5 --repeats 41
    python -m benchmarks.landmarks --weights face_landmarker.task --processes
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.results import add_out, in_turns, report
from realfake.composing.composition import compose, option
from realfake.composing.messages import changed
from realfake.config import CsvData, MediapipeSignal, NoFace, PrepareConfig
from realfake.data.clip_rows import gathered
from realfake.data.faces import Box
from realfake.data.media import Media
from realfake.data.pictures import Frame
from realfake.data.preparation import prepare
from realfake.data.signal_store import prepare_signal
from realfake.data.store import CROP
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import Job, jobs, write_clip
from realfake.data.synthetic.true_points import truth_of
from realfake.data.video import read_video
from realfake.streams.landmarker import FaceLandmarker, Landmarks, landmarker_file
from realfake.streams.mediapipe import Mediapipe

FULL = 1000.0
"""Frames a second that no video has: all of them are read."""
SIZE = 224


CORNERS = ((33, 36), (133, 39), (362, 42), (263, 45), (61, 48), (291, 54))
"""Of eyes and mouth: number of the landmark, and that of the same of the 68 true points of a drawn face."""


def clip_of(folder: Path, settings: SyntheticSettings, job: Job) -> tuple[Path, np.ndarray]:
    """A generated clip, and the true points (n, 68, 2) of each frame."""
    for path in (job.video(folder), job.trace(folder)):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(folder, settings, job)
    return job.video(folder), truth_of(settings, job).landmarks


class Loop:
    """One clip, over and over."""

    def __init__(self, landmarker: FaceLandmarker, path: Path, points: np.ndarray) -> None:
        self.landmarker, self.path, self.points = landmarker, path, points
        least, most = points.min(1), points.max(1)
        self.boxes = [Box(*low, *(high - low)) for low, high in zip(least, most, strict=True)]

    def images(self) -> Iterator[np.ndarray]:
        """All frames."""
        return (frame.image for frame in read_video(self.path, FULL)[1])

    def frames(self) -> Iterator[tuple[Frame, Box]]:
        """All frames, and the box around the true points of each, as a tracker would tell it."""
        return zip(read_video(self.path, FULL)[1], self.boxes, strict=True)

    def decode(self) -> None:
        """Read all frames."""
        for _ in self.images():
            pass

    def whole(self) -> Landmarks:
        """Read all frames and find the face in each."""
        return self.landmarker.follow(self.frames())

    def errors(self) -> np.ndarray:
        """How far corners of eyes and mouth (n, 6) lie from where they are drawn, in parts of the distance between the
        eyes; NaN where no face was found."""
        seen = self.whole()
        eyes = np.linalg.norm((self.points[:, [36, 39]] - self.points[:, [42, 45]]).mean(1), axis=1)
        found, true = np.array(CORNERS).T
        apart = np.linalg.norm(seen.points[:, found, :2] - self.points[:, true], axis=2) / eyes[:, None]
        return np.where(seen.presence[:, None] > 0, apart, np.nan)

    def media(self) -> Media:
        """The clip as a store holds it, with the boxes around the true points in place of tracked ones."""
        info, _ = read_video(self.path, FULL)
        data = option(CsvData, root="none", window=[0.0, 1.0])
        times = np.arange(len(self.boxes)) / info.fps
        rows = np.array(
            [(t, b.x, b.y, b.width, b.height, True, 0, 0) for t, b in zip(times, self.boxes, strict=True)], CROP
        )
        crops = rows[:: max(1, round(info.fps / data.rate_fps))]
        upright = np.zeros(len(crops), np.float32)
        return Media(self.path, info, crops, upright, lambda _: [], data, option(NoFace))

    def bare(self) -> None:
        """Read all frames, and run the networks as often as :meth:`whole` does."""
        networks = self.landmarker.networks
        for i, _ in enumerate(self.images()):
            for network in networks[i > 0 :]:
                network.run()


def in_processes(weights: Path, repeats: int, clips: int) -> dict[int, list[float]]:
    """Frames a second of all clips, by the clock, with one and with two worker processes in turns."""
    with tempfile.TemporaryDirectory() as place:
        words = [f"data.folder={place}", f"data.prepared={place}/prepared", f"data.limit_clips={clips}"]
        words += ["signals=[mediapipe]", f"signals.mediapipe.weights={weights}"]
        cfg = compose("prepare", words, PrepareConfig)
        store = prepare(cfg.data, cfg.face, progress=False)
        found: dict[int, list[float]] = {1: [], 2: []}

        def computed(workers: int) -> None:
            data = changed(cfg, {"data.prepare_workers": workers}).data
            start = time.perf_counter()
            mesh = prepare_signal(store, data, cfg.face, cfg.signals["mediapipe"], progress=False)["mesh"]
            found[workers].append(int(mesh.counts.sum()) / (time.perf_counter() - start))
            shutil.rmtree(mesh.folder)

        in_turns({str(workers): partial(computed, workers) for workers in found}, repeats, warm=0)
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default", help="path of face_landmarker.task")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each clip")
    parser.add_argument("--height", type=int, help="of pictures of 16:9; left out: squares of 224 pixels")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--every", type=int, default=13, help="one in so many of the 240 default clips is looked at")
    parser.add_argument("--processes", action="store_true", help="time two worker processes over one")
    parser.add_argument("--clips", type=int, default=60, help="that --processes prepares")
    parser.add_argument("--repeats", type=int, default=7)
    add_out(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    weights = landmarker_file(options.weights, "--weights")
    if options.processes:
        speeds = in_processes(weights, options.repeats, options.clips)
        over = [two / one for one, two in zip(speeds[1], speeds[2], strict=True)]
        spreads = [(f"frames a second, {n} of processes", _spread(values, 1), "") for n, values in speeds.items()]
        rows = [*spreads, ("two processes over one", _spread(over, 2), "1.8")]
        title = f"mediapipe of {options.clips} clips, by the clock, median (range) of {options.repeats}"
        report(title, rows, {"frames_per_second": speeds, "two_over_one": over}, options.out)
        return
    size, width = (options.height, options.height * 16 // 9) if options.height else (SIZE, None)
    settings = SyntheticSettings(seconds=options.seconds, fps=options.fps, size=size, width=width)
    signal = Mediapipe(MediapipeSignal(name="mediapipe", weights=str(weights), rate_fps="full"))
    landmarker = signal.landmarker
    with tempfile.TemporaryDirectory() as place:
        clips = (clip_of(Path(place), settings, job) for job in jobs(settings)[:: options.every])
        loops = [Loop(landmarker, *clip) for clip in clips]
        errors = np.concatenate([loop.errors() for loop in loops])
        loop, media = loops[0], loops[0].media()
        frames = len(loop.boxes)
        names = ("detector", "landmarks", "blendshapes")
        works: dict[str, Callable[[], object]] = {
            "whole": lambda: gathered(signal, media, Path(place)),
            "bare": loop.bare,
            "decode": loop.decode,
        }
        works |= {name: network.run for name, network in zip(names, landmarker.networks, strict=True)}
        seconds = in_turns(works, options.repeats, clock=time.process_time)
    missed, error = int(np.isnan(errors[:, 0]).sum()), float(np.nanmedian(errors))
    each = np.nanmedian(errors, axis=0).tolist()
    ratios = [a / b for a, b in zip(seconds["whole"], seconds["bare"], strict=True)]
    drawn = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975)).tolist()
    per_second = [frames / s for s in seconds["whole"]]
    times = {name: 1000 * statistics.median(seconds[name]) / (1 if name in names else frames) for name in works}
    rows = [
        (
            f"over decoding and the same calls of the networks, median of {len(ratios)} pairs, 95 % interval",
            f"{statistics.median(ratios):.3f} [{low:.3f}, {high:.3f}]", "1.10",
        ),
        ("frames a second and core", _spread(per_second, 1), ""),
        ("frames with a face", f"{len(errors) - missed} of {len(errors)}", "99.9 %"),
        ("corners of eyes and mouth, median error over the distance between the eyes", f"{error:.4f}", ""),
        *((f"{name}, milliseconds a frame", f"{ms:.2f}", "") for name, ms in times.items()),
    ]  # fmt: skip
    figures: dict[str, object] = {"over_bare": ratios, "frames_per_second": per_second, "ms": times}
    figures |= {"frames": len(errors), "missed": missed, "error": error, "error_of_each": each}
    title = f"mediapipe, {width or size} × {size} px, processor time, median (range) of {options.repeats}"
    report(title, rows, figures, options.out)


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
