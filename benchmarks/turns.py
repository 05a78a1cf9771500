"""Whether a change of the code changes its speed: the same commands with the code of two commits, in turns.

Start-up, preparation of 1080p clips, and training of the default approach and of sequences on prepared data. Given is
the ratio of processor times (today's code over the other's), pair by pair, as their median with the smallest and the
largest: processor time, since other work on the machine takes wall time. Both commits read the same generated videos.

    python -m benchmarks.turns --against HEAD~1 --repeats 7
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import ROOT, tree_of
from benchmarks.results import add_out, report
from realfake.data.synthetic import VIDEOS, SyntheticSettings, generate
from realfake.data.synthetic.generation import jobs, write_clip
from realfake.data.work import shown
from realfake.errors import UserError

DATA = ("data=sase_fe", f"data.root=videos/{VIDEOS}", "data.prepare_workers=1", "face=haar")
LARGE = ("data=sase_fe", f"data.root=large/{VIDEOS}", "data.prepare_workers=1", "face=haar")
TRAIN = ("trainer.gpus=0", "trainer.threads=1", "data.workers=0", "callbacks=quiet", "callbacks.early_stopping=null")

COMMANDS: dict[str, tuple[str, ...]] = {
    "start-up: --help": ("train", "--help"),
    "start-up: --cfg job": ("train", "--cfg", "job", "approach=temporal"),
    "preparation": ("prepare", *LARGE),
    "training: single_task": ("train", *DATA, *TRAIN, "trainer.max_epochs=40", "hydra.run.dir=run"),
    "training: temporal": ("train", *DATA, *TRAIN, "approach=temporal", "trainer.max_epochs=20", "hydra.run.dir=run"),
}
"""What is timed; what it wrote is removed before its next turn."""


def cpu_seconds(tree: Path, words: tuple[str, ...], folder: Path) -> float:
    """Processor time of a command and all that it starts; raises :class:`UserError` if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", f"realfake.{words[0]}", *words[1:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise UserError(f"{' '.join(command)} with {tree}: {done.stderr.strip().splitlines()[-1:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turns(trees: tuple[Path, Path], folder: Path, repeats: int) -> Iterator[tuple[str, int, float]]:
    """Name of the command, 0 or 1 for the tree, processor seconds; the first of each is a rehearsal and left out."""
    places = [folder / name for name in ("now", "then")]
    for place in places:
        place.mkdir()
        for name in ("videos", "large"):
            (folder / name).mkdir(exist_ok=True)
            (place / name).symlink_to(folder / name)
    generate(folder / "videos", SyntheticSettings(subjects=4, seconds=2.0))
    large = SyntheticSettings(subjects=2, seconds=2.0, size=1080, fps=50.0)
    for job in jobs(large)[:6]:
        for path in (job.video(folder / "large"), job.trace(folder / "large")):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(folder / "large", large, job)
    for name, words in COMMANDS.items():
        for turn in range(repeats + 1):
            for which, (tree, place) in enumerate(zip(trees, places, strict=True)):
                shutil.rmtree(place / "run", ignore_errors=True)
                if words[0] == "prepare":
                    shutil.rmtree(place / "data", ignore_errors=True)
                seconds = cpu_seconds(tree, words, place)
                if turn:
                    yield name, which, seconds


def main() -> None:
    """Time, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", required=True, help="a commit, or a checkout of one")
    parser.add_argument("--repeats", type=int, default=5)
    add_out(parser)
    options = parser.parse_args()
    seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in COMMANDS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trees = ROOT, tree_of(options.against, folder / "tree")
        turns = in_turns(trees, folder, options.repeats)
        for name, which, took in shown(turns, 2 * options.repeats * len(COMMANDS), "commands"):
            seconds[name][which].append(took)
    rows, ratios = [], {}
    for name, (now, then) in seconds.items():
        ratios[name] = sorted(a / b for a, b in zip(now, then, strict=True))
        middle, low, high = statistics.median(ratios[name]), ratios[name][0], ratios[name][-1]
        rows.append((f"{name} ({statistics.median(now):.1f} s)", f"{middle:.3f} [{low:.3f}, {high:.3f}]", "≤ 1.03"))
    report(f"processor time against {options.against}", rows, {"seconds": seconds, "ratios": ratios}, options.out)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
