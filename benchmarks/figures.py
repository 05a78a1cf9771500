"""Whether a change of the code changes a figure: the same commands with the code of two commits, compared to the digit.

Each approach, two losses, features of a frozen backbone, two processes, going on from a checkpoint, a sweep, testing
again, prediction and ONNX. Compared are metrics, the best epoch, tables of predictions (byte by byte), weights (bit by
bit) and what an exported network says. What the code of today names anew is left out; what it no longer gives is a
difference.

    python -m benchmarks.figures --against HEAD~1

With ``--keep FOLDER``, all that the two wrote stays there, e.g. to open runs of the older code with the newer one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.results import add_out, report
from realfake.data.work import shown
from realfake.errors import UserError

ROOT = Path(__file__).resolve().parents[1]

DATA = (
    "data.subjects=8", "data.seconds=1.5", "data.fps=12", "data.video_size=96", "data.size=64",
    "data.prepare_workers=1",
)  # fmt: skip
TRAIN = (
    *DATA, "trainer.max_epochs=3", "trainer.gpus=0", "trainer.threads=1", "data.workers=0", "data.batch_size=8",
    "sampling.frames_per_clip=2", "callbacks=quiet", "callbacks.early_stopping=null",
)  # fmt: skip
MULTI_FOCAL = ("loss/emotion=multi_focal", "loss/authenticity=multi_focal")
FROZEN = ("backbone=small_cnn", "backbone.freeze=true", "augmentation=none", "head=mlp")

RUNS: dict[str, tuple[str, ...]] = {
    "single_task": (),
    "multi_task": ("approach=multi_task", *MULTI_FOCAL, "loss_mix=precision"),
    "temporal": ("approach=temporal",),
    "temporal_multi_task": ("approach=temporal_multi_task", "loss_mix=uncertainty"),
    "frozen": FROZEN,
    "two_processes": ("trainer=ddp", "trainer.gpus=0"),
    "first_epoch": ("scheduler=none", "trainer.max_epochs=1"),
    "resumed": ("scheduler=none", "ckpt=first_epoch"),
}
"""Folder of a run → its overrides."""

COMMANDS: dict[str, tuple[str, ...]] = {
    **{name: ("train", *TRAIN, *words, f"hydra.run.dir={name}") for name, words in RUNS.items()},
    "sweep": ("train", "-m", *TRAIN, "approach=single_task,multi_task", "seed=1,2", "sweep.name=small"),
    "evaluate": ("evaluate", "run=temporal", "part=val"),
    "report": ("report", "dir=multirun/small", "out=report"),
    "predict": ("predict", "run=multi_task", "input=video.mp4", "out=predicted"),
    "onnx of frames": ("export", "run=multi_task", "out=onnx_frames"),
    "onnx of sequences": ("export", "run=temporal", "out=onnx_sequences"),
}
"""What is done, in this order, in one folder."""


def tree_of(commit: str, folder: Path) -> Path:
    """A checkout of a commit: ``folder``, or ``commit`` itself if that is one; raises :class:`UserError` if not."""
    if (Path(commit) / "realfake").is_dir():
        return Path(commit).resolve()
    git = ("git", "-C", str(ROOT), "archive", "--format=tar", commit)
    archive = subprocess.run(git, capture_output=True, check=False)
    if archive.returncode:
        raise UserError(f"--against {commit}: {archive.stderr.decode().strip()}")
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def carry_out(tree: Path, folder: Path, python: str) -> Iterator[str]:
    """Do everything with the code in ``tree``; gives the name of each command before it starts.

    Raises:
        UserError: If a command fails.
    """
    folder.mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "COLUMNS": "150"}
    for name, (verb, *words) in COMMANDS.items():
        yield name
        if name == "predict":
            videos = sorted((folder / "data").rglob("*.mp4"))
            (folder / "video.mp4").write_bytes(videos[0].read_bytes())
        command = [python, "-m", f"realfake.{verb}", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        (folder / f"{name.replace(' ', '_')}.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            raise UserError(f"{' '.join(command)} in {folder}: {done.stderr.strip().splitlines()[-1:]}")


def differences(before: Path, after: Path) -> dict[str, list[str]]:
    """What differs between two folders, of each kind of figure; an empty list if nothing does."""
    found: dict[str, list[str]] = {"metrics and best epoch": [], "tables": [], "weights": [], "ONNX": []}
    for old in sorted(before.rglob("results.json")):
        found["metrics and best epoch"] += _results(old, after / old.relative_to(before))
    for old in sorted(before.rglob("predictions.csv")):
        found["tables"] += _table(old, after / old.relative_to(before))
    for old in sorted(before.rglob("best.ckpt")):
        found["weights"] += _weights(old, after / old.relative_to(before))
    for old in sorted(before.rglob("model.onnx")):
        found["ONNX"] += _onnx(old, after / old.relative_to(before))
    return found


def _results(old: Path, new: Path) -> list[str]:
    if not new.is_file():
        return [f"{new} is missing"]
    a, b = json.loads(old.read_text()), json.loads(new.read_text())
    keys = [k for k in ("status", "best_epoch", "epochs") if a.get(k) != b.get(k)]
    names = [k for k, v in a.get("metrics", {}).items() if (b.get("metrics") or {}).get(k, "missing") != v]
    return [f"{new}: {k}" for k in keys + names]


def _table(old: Path, new: Path) -> list[str]:
    """Columns that are new are left out."""
    if not new.is_file():
        return [f"{new} is missing"]
    with old.open(newline="") as a, new.open(newline="") as b:
        rows, others = list(csv.DictReader(a)), list(csv.DictReader(b))
    if len(rows) != len(others):
        return [f"{new}: {len(others)} rows, were {len(rows)}"]
    wrong = {k for row, other in zip(rows, others, strict=True) for k, v in row.items() if other.get(k) != v}
    return [f"{new}: column {k}" for k in sorted(wrong)]


def _weights(old: Path, new: Path) -> list[str]:
    import torch

    if not new.is_file():
        return [f"{new} is missing"]
    a, b = (torch.load(path, weights_only=True)["state_dict"] for path in (old, new))
    return [f"{new}: {k}" for k in {**a, **b} if k not in a or k not in b or not torch.equal(a[k], b[k])]


def _onnx(old: Path, new: Path) -> list[str]:
    import onnxruntime

    if not new.is_file():
        return [f"{new} is missing"]
    sessions = [onnxruntime.InferenceSession(str(path)) for path in (old, new)]
    taken = [{i.name: i.shape for i in s.get_inputs()} for s in sessions]
    if taken[0] != taken[1]:
        return [f"{new}: takes {taken[1]}, was {taken[0]}"]
    rng = np.random.default_rng(0)
    feed = {
        name: rng.integers(0, 256, [n if isinstance(n, int) else 2 for n in shape], np.uint8)
        for name, shape in taken[0].items()
    }
    said = [dict(zip([o.name for o in s.get_outputs()], s.run(None, feed), strict=True)) for s in sessions]
    return [f"{new}: {k}" for k in said[0] if k not in said[1] or not np.array_equal(said[0][k], said[1][k])]


def main() -> None:
    """Compare, and end with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", required=True, help="a commit, or the folder `before` that --keep left of one")
    parser.add_argument("--keep", type=Path, help="folder for all that the commands write; must not exist")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the older code's environment")
    add_out(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep.resolve() if options.keep else Path(temporary) / "figures"
        todo = [(ROOT, folder / "after", sys.executable)]
        before = Path(options.against)
        if not before.is_dir() or (before / "realfake").is_dir():
            before = folder / "before"
            todo.insert(0, (tree_of(options.against, Path(temporary) / "tree"), before, options.python))
        names = (name for job in todo for name in carry_out(*job))
        for _ in shown(names, len(todo) * len(COMMANDS), "commands"):
            pass
        found = differences(before, folder / "after")
    rows = [(what, f"{len(wrong)} differ", "0") for what, wrong in found.items()]
    report(f"figures against {options.against}", rows, {"differences": found}, options.out)
    for line in (line for wrong in found.values() for line in wrong):
        print(line)
    sys.exit(any(found.values()))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
