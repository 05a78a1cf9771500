"""What the face landmarker costs over decoding a video and running its networks in LiteRT, on one thread.

The same calls of the networks on inputs that lie ready, in turns with the whole: what is left is cropping, geometry and
Python. Needs the published file and the extra `signals`.

    python -m benchmarks.landmarks --weights face_landmarker.task
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.results import add_out, in_turns, report
from realfake.data.faces import Box
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import jobs, write_clip
from realfake.data.synthetic.true_points import truth_of
from realfake.data.video import read_video
from realfake.streams.landmarker import FaceLandmarker, Landmarks, landmarker_file

FULL = 1000.0
"""Frames a second that no video has: all of them are read."""
SIZE = 224


def clip_with_boxes(folder: Path, seconds: float) -> tuple[Path, list[Box]]:
    """A generated clip, and the box around the true points of each frame, as a tracker would tell it."""
    settings = SyntheticSettings(subjects=1, seconds=seconds, size=SIZE)
    job = jobs(settings)[0]
    job.video(folder).parent.mkdir(parents=True)
    job.trace(folder).parent.mkdir(parents=True)
    write_clip(folder, settings, job)
    points = truth_of(settings, job).landmarks
    least, most = points.min(1), points.max(1)
    return job.video(folder), [Box(*a, *(b - a)) for a, b in zip(least, most, strict=True)]


class Loop:
    """One clip, over and over."""

    def __init__(self, landmarker: FaceLandmarker, path: Path, boxes: list[Box]) -> None:
        self.landmarker, self.path, self.boxes = landmarker, path, boxes

    def images(self) -> Iterator[np.ndarray]:
        """All frames."""
        return (frame.image for frame in read_video(self.path, FULL)[1])

    def decode(self) -> None:
        """Read all frames."""
        for _ in self.images():
            pass

    def whole(self) -> Landmarks:
        """Read all frames and find the face in each."""
        return self.landmarker.follow(zip(self.images(), self.boxes, strict=True))

    def bare(self) -> None:
        """Read all frames, and run the networks as often as :meth:`whole` does."""
        networks = self.landmarker.networks
        for i, _ in enumerate(self.images()):
            for network in networks[i > 0 :]:
                network.run()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default", help="path of face_landmarker.task")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the clip")
    parser.add_argument("--repeats", type=int, default=7)
    add_out(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    landmarker = FaceLandmarker(landmarker_file(options.weights, "--weights"))
    with tempfile.TemporaryDirectory() as place:
        loop = Loop(landmarker, *clip_with_boxes(Path(place), options.seconds))
        frames = len(loop.boxes)
        missed = int((loop.whole().presence == 0).sum())
        names = ("detector", "landmarks", "blendshapes")
        works: dict[str, Callable[[], object]] = {"whole": loop.whole, "bare": loop.bare, "decode": loop.decode}
        works |= {name: network.run for name, network in zip(names, landmarker.networks, strict=True)}
        seconds = in_turns(works, options.repeats, clock=time.process_time)
    ratios = [a / b for a, b in zip(seconds["whole"], seconds["bare"], strict=True)]
    per_second = [frames / s for s in seconds["whole"]]
    times = {name: 1000 * statistics.median(seconds[name]) / (1 if name in names else frames) for name in works}
    rows = [
        ("over decoding and the same calls of the networks", _spread(ratios, 3), "1.10"),
        ("frames a second and core", _spread(per_second, 1), ""),
        ("frames with a face", f"{frames - missed} of {frames}", ""),
        *((f"{name}, milliseconds a frame", f"{ms:.2f}", "") for name, ms in times.items()),
    ]
    figures = {"over_bare": ratios, "frames_per_second": per_second, "frames": frames, "missed": missed, "ms": times}
    title = f"face landmarker, {SIZE} px, processor time, median (range) of {options.repeats}"
    report(title, rows, figures, options.out)


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
