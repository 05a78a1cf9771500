"""Preparation against a plain pipeline, and against only decoding, on generated 1080p clips of 4 s at 100 fps.

The plain pipeline is the usual one: OpenCV decodes every frame of the window, each is blurred (25 × 25), Haar alt2
looks at it in full size, the face is cropped, resized and saved. It takes about a minute a clip, so that by default
only one frame in ``--plain-every`` is worked on after decoding and the time of the others is inferred.

    python -m benchmarks.preparation --clips 2
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.results import add_out, report
from realfake.composing.composition import option
from realfake.config import CsvData, HaarFace
from realfake.data.extraction import extract_crops
from realfake.data.faces import HAAR_FILE, build_detector
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import jobs, write_clip
from realfake.data.work import cores, run_all, shown

WINDOW = (0.4, 0.9)
SETTINGS = SyntheticSettings(subjects=4, seconds=4.0, fps=100.0, size=1080, width=1920)


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time for one clip, and the part of its frames in which a face was found."""

    seconds: float
    faces: float


def plain(path: Path, folder: Path, every: int) -> Cost:
    """The usual pipeline; every ``every``-th frame stands for its neighbours in all but decoding."""
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / HAAR_FILE))
    reading = working = 0.0
    looked = found = 0
    start = time.process_time()
    video = cv2.VideoCapture(str(path))
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    first, last = round(WINDOW[0] * total), round(WINDOW[1] * total)
    for i in range(last):
        ok, image = video.read()
        if not ok or i < first or (i - first) % every:
            continue
        reading += time.process_time() - start
        start = time.process_time()
        blurred = cv2.GaussianBlur(image, (25, 25), 0)
        boxes = cascade.detectMultiScale(cv2.cvtColor(blurred, cv2.COLOR_BGR2GRAY))
        looked += 1
        found += len(boxes) > 0
        for x, y, width, height in boxes:
            face = cv2.resize(image[y : y + height, x : x + width], (224, 224))
            cv2.imwrite(str(folder / f"{i}.jpg"), face)
        working += time.process_time() - start
        start = time.process_time()
    reading += time.process_time() - start
    return Cost(reading + working * every, found / looked)


def decode_only(path: Path) -> float:
    """Seconds of processor time to decode the clip once with PyAV, on one thread."""
    start = time.process_time()
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for _ in container.decode(video=0):
            pass
    return time.process_time() - start


def prepared(path: Path, window: tuple[float, float]) -> Cost:
    """This project's preparation of the clip, on one thread."""
    face = option(HaarFace)
    data = option(CsvData, root="none", window=list(window))
    detector = build_detector(face)
    start = time.process_time()
    crops = extract_crops(path, data, face, detector)
    seconds = time.process_time() - start
    wanted = np.ceil((window[1] - window[0]) * crops.info.duration_sec * data.rate_fps - 1e-6)
    return Cost(seconds, len(crops.jpegs) / wanted)


def make_clips(folder: Path, count: int) -> list[Path]:
    """Generate the videos, unless they are there."""
    chosen = jobs(SETTINGS)[:: max(1, 48 // count)][:count]
    todo = [job for job in chosen if not job.video(folder).exists()]
    for job in todo:
        for path in (job.video(folder), job.trace(folder)):
            path.parent.mkdir(parents=True, exist_ok=True)
    made = run_all(partial(write_clip, folder, SETTINGS), todo, cores())
    for _, result in shown(made, len(todo), "generating 1080p clips"):
        if isinstance(result, Exception):
            raise result
    return [job.video(folder) for job in chosen]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--plain-every", type=int, default=10, help="1 = work on every frame of the window")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the generated videos here")
    add_out(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        clips = make_clips(options.folder or Path(place), options.clips)
        plains = [plain(path, Path(place), options.plain_every) for path in clips]
        windows = [min((prepared(p, WINDOW) for _ in range(options.repeats)), key=lambda c: c.seconds) for p in clips]
        # In turns, so that a change of the machine's speed meets both.
        pairs = [[(decode_only(p), prepared(p, (0.0, 1.0))) for _ in range(options.repeats)] for p in clips]
    decoding = [min(d for d, _ in pair) for pair in pairs]
    wholes = [min((c for _, c in pair), key=lambda c: c.seconds) for pair in pairs]
    faster = float(np.mean([a.seconds / b.seconds for a, b in zip(plains, windows, strict=True)]))
    ratio = float(np.mean([c.seconds / d for c, d in zip(wholes, decoding, strict=True)]))
    faces = [float(np.mean([c.faces for c in costs])) for costs in (plains, windows, wholes)]
    figures: dict[str, float] = {
        "clips": len(clips),
        "plain, seconds a clip": float(np.mean([c.seconds for c in plains])),
        "this, seconds a clip": float(np.mean([c.seconds for c in windows])),
        "times faster": faster,
        "plain, part of the frames with a face": faces[0],
        "this, part of the frames with a face": faces[1],
        "decoding, seconds a clip": float(np.mean(decoding)),
        "whole clip, seconds a clip": float(np.mean([c.seconds for c in wholes])),
        "whole clip over decoding": ratio,
        "whole clip, part of the frames with a face": faces[2],
    }
    rows = [
        ("40-90 % of the clip, plain pipeline", f"{figures['plain, seconds a clip']:.1f} s", ""),
        ("40-90 % of the clip, this project, 10 crops a second", f"{figures['this, seconds a clip']:.2f} s", ""),
        ("times faster", f"{faster:.0f}", "≥ 20"),
        ("frames with a face, plain", f"{faces[0]:.1%}", ""),
        ("frames with a face, this project", f"{faces[1]:.1%}", "≥ plain"),
        ("decoding the whole clip once, PyAV", f"{figures['decoding, seconds a clip']:.2f} s", ""),
        ("preparing the whole clip", f"{figures['whole clip, seconds a clip']:.2f} s", ""),
        ("preparing over decoding", f"{ratio:.2f}", "≤ 1.5"),
    ]
    report(f"preparation, processor time a clip ({len(clips)} clips)", rows, figures, options.out)


if __name__ == "__main__":
    main()
