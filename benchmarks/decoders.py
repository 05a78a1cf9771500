"""Reading a generated 1080p clip of 4 s at 100 fps (H.264) with each decoder that is installed, in turns.

Processor time of one thread, for all frames and for 20 that are spread over the clip, as RGB. All have to give the
same pixels. torchcodec needs FFmpeg's libraries; `make test-extras` has it.

    python -m benchmarks.decoders
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import cv2

from benchmarks.preparation import make_clips
from benchmarks.results import add_out, in_turns, report
from realfake.config import Decoder
from realfake.data.decoders import require_decoder
from realfake.data.video import read_video
from realfake.errors import UserError

RATES = {"all frames": 1000.0, "20 frames": 5.0}


def read(path: Path, rate_fps: float, decoder: Decoder, digest: Callable[[memoryview], object] = len) -> None:
    """Read frames on one thread."""
    for frame in read_video(path, rate_fps, decoder=decoder)[1]:
        digest(frame.image.data)


def installed() -> list[Decoder]:
    """The decoders that this machine has."""
    found: list[Decoder] = []
    for decoder in get_args(Decoder):
        try:
            require_decoder(decoder)
            found.append(decoder)
        except UserError as error:
            print(f"left out: {error}")
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--video", type=Path, help="another video")
    add_out(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    decoders = installed()
    figures: dict[str, object] = {"decoders": decoders}
    rows = []
    with tempfile.TemporaryDirectory() as place:
        path = options.video or make_clips(Path(place), 1)[0]
        for what, rate in RATES.items():
            digests = [hashlib.sha256() for _ in decoders]
            for decoder, digest in zip(decoders, digests, strict=True):
                read(path, rate, decoder, digest.update)
            if len({digest.digest() for digest in digests}) > 1:
                raise SystemExit(f"{what}: the decoders do not give the same pixels")
            works: dict[str, Callable[[], object]] = {d: partial(read, path, rate, d) for d in decoders}
            seconds = in_turns(works, options.repeats, warm=0, clock=time.process_time)
            for decoder in decoders:
                ratios = [a / b for a, b in zip(seconds[decoder], seconds["pyav"], strict=True)]
                middle = statistics.median(ratios)
                figures[f"{what}, {decoder}"] = {"seconds": seconds[decoder], "over_pyav": ratios}
                spread = f"{middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) × PyAV"
                rows.append((f"{what}, {decoder}", f"{statistics.median(seconds[decoder]):.2f} s; {spread}", ""))
    report(f"decoders, processor time, median (range) of {options.repeats}", rows, figures, options.out)


if __name__ == "__main__":
    main()
