"""The prepared store: reading speed on one core, and what a thousand times SASE-FE costs to open and to hold.

The large store is written by the store's own code, but without any video: its tables are what is measured. Reading is
measured on generated faces.

    python -m benchmarks.store --clips 600000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.results import add_out, report
from realfake.composing.composition import option
from realfake.config import HaarFace, SyntheticData
from realfake.data.cache import open_cache
from realfake.data.clips import Clip
from realfake.data.journal import Record
from realfake.data.preparation import prepare
from realfake.data.store import CROP, PreparedStore
from realfake.data.store_writing import StoreWriter
from realfake.data.work import cores

SIZES = (224, 160, 112, 64)


def write_large(folder: Path, clips: int, crops: int) -> PreparedStore:
    """A store of ``clips`` clips with ``crops`` crops each, and no JPEG files."""
    rows = np.zeros(crops, CROP)
    rows["time_sec"] = np.arange(crops) / 10
    rows["bytes"] = 12_000
    rows["offset"] = np.arange(crops) * 12_000
    names = ("N2A", "N2C", "N2D", "N2H", "N2S", "N2Sur", "H2N2A", "H2N2C", "H2N2D", "S2N2H", "H2N2S", "D2N2Sur")
    listing = []
    for i in range(clips):
        subject, code = f"person {i // 12:06d}", names[i % 12]
        listing.append(
            Clip(
                f"{subject}/{code}", f"{subject}/{code}.MP4", "made", subject, i % 6, i % 12 // 6, f"{subject}/{i % 6}"
            )
        )
    settings = {"dataset": "made", "size": 224, "extraction": {"rate_fps": 10.0}, "duplicates": "exclude"}
    with StoreWriter(folder) as writer:
        for i, clip in enumerate(listing):
            writer.add(Record(clip.clip, i, f"{i:064x}", "", 100.0, 333, 3.33, 1920, 1080, 8, 8, crops), rows)
        return writer.finish(listing, [], settings)


_MEASURE_OPENING = """
import sys, time
from pathlib import Path
import pandas, pyarrow.parquet, numpy as np
from realfake.data.store import PreparedStore

def private_kib():
    fields = [line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()]
    return sum(int(f[1]) for f in fields if f[0].startswith("Private_"))

before = private_kib()
start = time.perf_counter()
store = PreparedStore.open(sys.argv[1])
count = len(store)
stored = int(store.table["stored"].sum())
first = store.timestamps(count - 1)[0]
opened = time.perf_counter() - start
rng = np.random.default_rng(0)
start = time.perf_counter()
for i in rng.integers(0, count, 20_000):
    store.timestamps(int(i))
lookup = (time.perf_counter() - start) / 20_000
print(opened, (private_kib() - before) * 1024, lookup * 1e6, stored)
"""


def measure_opening(folder: Path) -> tuple[float, float, float, int]:
    """In a fresh process: seconds to open, private bytes taken, microseconds to look a clip up, and crops."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE_OPENING, str(folder)], capture_output=True, text=True, check=True
    )
    opened, memory, lookup, stored = done.stdout.split()
    return float(opened), float(memory), float(lookup), int(stored)


def frames_per_second(read: Callable[[np.ndarray], np.ndarray], crops: int, repeats: int) -> float:
    """Best rate of reading all crops in batches of 64, in frames per second of processor time."""
    order = np.random.default_rng(0).permutation(crops)
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        for at in range(0, crops, 64):
            read(order[at : at + 64])
        best = min(best, time.process_time() - start)
    return crops / best


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=600_000, help="clips of the large table")
    parser.add_argument("--crops", type=int, default=40, help="crops of each of its clips")
    parser.add_argument("--subjects", type=int, default=2, help="people of the store that is read")
    parser.add_argument("--repeats", type=int, default=3)
    add_out(parser)
    options = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)
    rows: list[tuple[str, str, str]] = []
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        data = option(SyntheticData, subjects=options.subjects, folder=place, prepared=f"{place}/prepared")
        store = prepare(data, option(HaarFace))
        for size in SIZES:
            cache = open_cache(store, size)
            for name, read in (("store", store.reader(size).gather), ("memmap cache", cache.gather)):
                rate = frames_per_second(read, len(store.crops), options.repeats)
                figures[f"{name} {size} px, frames per second and core"] = rate
                goal = "≥ 3,000" if (name, size) == ("store", 224) else ""
                rows.append((f"{name}, {size} px: frames a second on one core", f"{rate:,.0f}", goal))
        half, large = Path(place) / "made-half", Path(place) / "made-large"
        write_large(half, options.clips // 2, options.crops)
        start = time.perf_counter()
        write_large(large, options.clips, options.crops)
        written = time.perf_counter() - start
        opened, memory, lookup, stored = measure_opening(large)
        # Tens of megabytes are taken to open any table: what counts is the growth.
        growth = (memory - measure_opening(half)[1]) / (options.clips - options.clips // 2)
    rows += [
        (f"table of {options.clips:,} clips, {stored:,} crops: written", f"{written:.0f} s", ""),
        ("opened, table and index", f"{opened:.2f} s", "≤ 5 s"),
        ("memory of a process", f"{memory / 2**20:.0f} MiB", ""),
        ("its growth", f"{growth:.0f} B a clip", "< 1,000 B"),
        ("moments of a clip's crops", f"{lookup:.0f} µs", ""),
    ]
    figures |= {
        "clips": options.clips,
        "crops": stored,
        "seconds to write": written,
        "seconds to open": opened,
        "bytes": memory,
        "growth, bytes a clip": growth,
        "microseconds to look up": lookup,
    }
    report(f"prepared store ({cores()} cores)", rows, figures, options.out)


if __name__ == "__main__":
    main()
