"""A thousand times SASE-FE in the loader: splitting, the start of an epoch, and the memory of a worker.

The clip table is as large as it would be, and split, sampler, samples and worker processes are the real ones; only the
pictures are one picture, since no disk here holds 200 million.

    python -m benchmarks.scale --clips 600000
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.results import add_out, report
from benchmarks.store import write_large
from realfake.composing.composition import compose, option
from realfake.config import HaarFace, SyntheticData, TrainConfig
from realfake.data.datamodule import FrameDataModule
from realfake.data.store import PreparedStore
from realfake.models import sample_spec


class OnePicture(PreparedStore):
    """A store whose crops all are the same JPEG."""

    def jpegs(self, i: int, indices: np.ndarray | Sequence[int]) -> list[bytes]:
        """Read the picture's file as often as crops are asked for."""
        return [(self.folder / "picture.jpg").read_bytes() for _ in np.atleast_1d(indices)]


def write_picture(path: Path, size: int = 224) -> None:
    """Write a JPEG of the size of a face crop."""
    import simplejpeg

    rough = np.random.default_rng(0).integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
    path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(rough.repeat(8, 0).repeat(8, 1)), quality=92))


def private_bytes(process: int) -> int:
    """Memory that a process shares with nobody."""
    fields = [line.split() for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()]
    return 1024 * sum(int(f[1]) for f in fields if f[0].startswith("Private_"))


def measure(folder: Path, workers: int) -> dict[str, float]:
    """Seconds to split and to start epochs, and bytes of a worker a clip."""
    cfg = compose("train", ["approach=single_task"], TrainConfig)
    settings = option(SyntheticData, workers=workers, batch_size=32)
    module = FrameDataModule(settings, option(HaarFace), cfg.split, cfg.sampling, sample_spec(cfg.backbone), seed=0)
    store = OnePicture.open(folder)
    module.store = store
    start = time.perf_counter()
    clips = len(store)
    opened = time.perf_counter() - start
    start = time.perf_counter()
    module.setup()
    split = time.perf_counter() - start
    loader = module.train_dataloader()
    found = {"clips": clips, "samples": len(module.sets["train"]), "open": opened, "split": split}
    for epoch in ("first", "second"):
        loader.batch_sampler.set_epoch(0 if epoch == "first" else 1)  # type: ignore[union-attr]
        start = time.perf_counter()
        batches = iter(loader)
        for _ in range(max(1, workers)):  # they deliver in turn
            next(batches)
        found[f"{epoch} epoch"] = time.perf_counter() - start
        if epoch == "first":
            children = [child.pid for child in multiprocessing.active_children() if child.pid is not None]
            found["worker_bytes_a_clip"] = max(map(private_bytes, children), default=0) / clips
            for _ in range(2 * workers):
                next(batches)
        del batches
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=600_000)
    parser.add_argument("--crops", type=int, default=33, help="crops of each clip")
    parser.add_argument("--workers", type=int, default=2)
    add_out(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "made-large"
        write_large(folder, options.clips, options.crops)
        write_picture(folder / "picture.jpg")
        found = measure(folder, options.workers)
    rows = [
        (f"{options.clips:,} clips: table opened, seconds", f"{found['open']:.2f}", "5"),
        (f"split by subject, {found['samples']:,.0f} training samples, seconds", f"{found['split']:.2f}", ""),
        (f"first epoch, until all {options.workers} workers delivered, seconds", f"{found['first epoch']:.2f}", "2"),
        ("later epoch, likewise, seconds", f"{found['second epoch']:.2f}", "2"),
        ("private memory of a worker, bytes a clip", f"{found['worker_bytes_a_clip']:.0f}", "1000"),
    ]
    report("Scale", rows, {"scale": found}, options.out)


if __name__ == "__main__":
    main()
