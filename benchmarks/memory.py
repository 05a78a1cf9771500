"""Peak memory of signals over the length of a video: `realfake signals input=…`, and preparation with signals.

The videos show one drawn face at 25 fps over and over. Both commands run in processes of their own; what counts
is the most that one of them ever held. Needs the published file and the extra `signals`.

    python -m benchmarks.memory --minutes 5 15 30 --weights face_landmarker.task
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.results import add_out, report
from realfake.data.synthetic import SyntheticSettings
from realfake.data.synthetic.generation import jobs, write_clip

SECONDS = 10.0
"""Of the clip that is repeated."""


def looped(folder: Path, minutes: float, height: int) -> Path:
    """A drawn face for so many minutes; packets are repeated as they are."""
    settings = SyntheticSettings(subjects=4, seconds=SECONDS, fps=25.0, size=height, width=height * 16 // 9)
    job = jobs(settings)[0]
    if not job.video(folder).exists():
        for path in (job.video(folder), job.trace(folder)):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(folder, settings, job)
    path = folder / f"{minutes:g}.mp4"
    with av.open(str(job.video(folder))) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.size]
        times = [(packet.pts, packet.dts) for packet in packets]
        unit = stream.time_base or Fraction(1, 90_000)
        length = round(SECONDS / unit)
        for turn in range(round(60.0 * minutes / SECONDS)):
            for packet, (pts, dts) in zip(packets, times, strict=True):
                assert pts is not None
                assert dts is not None
                packet.stream, packet.time_base = copy, unit
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                target.mux(packet)
    return path


ONLY_CHILD = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process between: Linux counts the memory of whoever starts a process as the process's own peak."""


def peak_mib(*command: str) -> float:
    """The most that a process of a command ever held, in MiB."""
    line = [sys.executable, "-S", "-c", ONLY_CHILD, sys.executable, "-m", *command]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return float(done.stdout) / 1024


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default", help="path of face_landmarker.task")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 2.0], help="lengths of the videos")
    parser.add_argument("--height", type=int, default=1080, help="of the picture, in pixels")
    parser.add_argument("--format", default="csv", help="of the tables: csv, parquet")
    parser.add_argument("--folder", type=Path, help="where videos and results lie; left out: a temporary one")
    add_out(parser)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        signals = ["signals=[mediapipe]", f"signals.mediapipe.weights={options.weights}", "face=haar"]
        for minutes in options.minutes:
            path = looped(folder, minutes, options.height)
            table = folder / f"{minutes:g}.csv"
            table.write_text(f"path,subject,emotion,authenticity\n{path.name},1,happy,real\n")
            clip = [*signals, "data=csv", f"data.root={table}", "data.window=[0,1]", "data.patience_sec=36000"]
            clip += ["data.prepare_workers=1", f"data.prepared={folder / 'prepared'}"]
            out = [f"input={path}", f"out={folder / path.stem}-tables", f"format={options.format}"]
            found[f"{minutes:g}"] = {
                "signals": peak_mib("realfake.signals", *clip, *out),
                "prepare": peak_mib("realfake.prepare", *clip),
            }
            print(minutes, found[f"{minutes:g}"], flush=True)
    rows = [
        (f"{minutes} minutes: realfake signals input=… / realfake prepare signals=[mediapipe]",
         f"{mib['signals']:.0f} / {mib['prepare']:.0f} MiB", "")
        for minutes, mib in found.items()
    ]  # fmt: skip
    report(f"peak memory of a process, {options.height}p at 25 fps", rows, {"peak_mib": found}, options.out)


if __name__ == "__main__":
    main()
