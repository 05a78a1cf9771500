"""What ``realfake.predict`` costs over decoding a video once, and in batches over one call for each image.

The video is generated: 4 s, 1080p, 100 fps. All take turns, so that a noisy machine disturbs all alike, in one process
that has loaded the network; a command adds its start (``benchmarks.commands``).

    python -m benchmarks.prediction --images 500
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import skimage.data
from PIL import Image
from rich.console import Console

from benchmarks.preparation import make_clips
from benchmarks.results import add_out, in_turns, report
from realfake.composing.composition import compose
from realfake.config import PredictConfig
from realfake.experiments.execution import train
from realfake.prediction.command import record_answers
from realfake.prediction.predictor import Predictor, load_predictor

TRAINING = ("data.subjects=4", "data.seconds=1.2", "data.video_size=96", "data.size=64", "trainer.max_epochs=1",
            "data.batch_size=8", "callbacks=quiet")  # fmt: skip


def decode(path: Path, pixels: bool) -> None:
    """Decode all frames with PyAV on all cores; with their RGB pixels, or only to the decoder's own."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            if pixels:
                frame.to_ndarray(format="rgb24")


def predicted(predictor: Predictor, cfg: PredictConfig, paths: list[Path], folder: Path) -> None:
    """What the command does once it has loaded the network."""
    record = record_answers(predictor, cfg, paths, folder, Console(file=io.StringIO()))
    if record.predicted != len(paths):
        raise SystemExit(f"only {record.predicted} of {len(paths)} inputs were predicted")


def photographs(folder: Path, count: int) -> list[Path]:
    """Photographs with a face, all different: parts of the astronaut that hold her face."""
    picture = Image.fromarray(skimage.data.astronaut())
    paths = []
    for i in range(count):
        left, top = i % 25 * 4, i // 25 % 20
        paths.append(folder / f"{i:04d}.jpg")
        picture.crop((left, top, left + 400, top + 400)).save(paths[-1], quality=90)
    return paths


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--calls", type=int, default=2, help="commands that are timed, of one image and of all")
    parser.add_argument("--video", type=Path, help="another video")
    add_out(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = [*TRAINING, f"data.folder={folder / 'data'}", f"data.prepared={folder / 'prepared'}"]
        for approach in ("temporal", "single_task"):
            train([f"approach={approach}", *settings], folder / approach)
        video = options.video or make_clips(folder / "videos", 1)[0]
        clips = load_predictor(folder / "temporal")
        plain, drawn = (
            compose("predict", ["run=none", "input=[none]", f"annotate={a}"], PredictConfig) for a in ("false", "true")
        )
        seconds = in_turns(
            {
                "decoding": lambda: decode(video, pixels=False),
                "reading RGB": lambda: decode(video, pixels=True),
                "plain": lambda: predicted(clips, plain, [video], folder),
                "drawn": lambda: predicted(clips, drawn, [video], folder),
            },
            options.repeats,
        )
        paths = photographs(folder, options.images)
        frames = load_predictor(folder / "single_task")
        seconds |= in_turns(
            {
                "batches": lambda: predicted(frames, plain, paths, folder),
                "calls": lambda: [frames.predict(path) for path in paths],
            },
            1,
        )
        one = [sys.executable, "-m", "realfake.predict", f"run={folder / 'single_task'}", "annotate=false"]
        commands: dict[str, Callable[[], object]] = {
            "command": lambda: _call([*one, f"input={paths[0]}", f"out={folder / 'one'}"]),
            "folder": lambda: _call([*one, f"input={folder}/*.jpg", f"out={folder / 'all'}"]),
        }
        seconds |= in_turns(commands, options.calls, warm=0)
    figures = {name: statistics.median(values) for name, values in seconds.items()}

    def over(first: str, second: str) -> str:
        ratios = [a / b for a, b in zip(seconds[first], seconds[second], strict=True)]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"

    rows = [
        ("decoding the video once, all cores", f"{figures['decoding']:.2f} s", ""),
        ("the same with RGB pixels", f"{figures['reading RGB']:.2f} s", ""),
        ("prediction over decoding", over("plain", "decoding"), "≤ 2"),
        ("the same over reading RGB", over("plain", "reading RGB"), ""),
        ("prediction with its film and curve, over decoding", over("drawn", "decoding"), "≤ 2"),
        ("the same over reading RGB", over("drawn", "reading RGB"), ""),
        (
            f"{options.images} images: a command each over one command",
            f"{options.images * figures['command'] / figures['folder']:.0f}",
            "≥ 5",
        ),
        ("the same, in one process: a call each over one call", f"{figures['calls'] / figures['batches']:.2f}", ""),
    ]
    report("Prediction", rows, {"seconds": seconds}, options.out)


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
