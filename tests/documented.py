"""The commands that README and guides show, and what stands in for paths, weights and sizes when tests run them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from processes import ROOT
from weights import found_weights

PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(realfake|python -m|make|pip) ")
UNFINISHED = re.compile(r"[…<]|\\\||^realfake \w+( -m( a=.*)?)?$")
"""Words in a sentence that name a command without being one: ``realfake report dir=…``, ``realfake evaluate``."""


@dataclass(frozen=True)
class Shown:
    """A command on a page."""

    page: str
    line: str
    said: str | None = None
    """What it prints, where that is shown below it."""

    @property
    def words(self) -> list[str]:
        """As the shell takes them apart; without ``python -m realfake.`` or ``realfake`` before the command's name."""
        first, *rest = shlex.split(self.line)
        return [rest[1].removeprefix("realfake."), *rest[2:]] if first == "python" else rest


def shown(page: str) -> Iterator[Shown]:
    """All commands of a page, in its order: of its blocks, and the finished ones within sentences."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for _, language, block in BLOCK.findall(text):
        lines = [line.strip() for line in re.sub(r"\\\n\s*", "", block).splitlines()]
        if language in ("", "bash"):
            for at, line in enumerate(lines):
                if line.startswith("$ "):
                    after = lines[at + 1 :]
                    end = next((k for k, other in enumerate(after) if other.startswith("$ ")), len(after))
                    yield Shown(page, line.removeprefix("$ "), "\n".join(after[:end]))
                elif COMMAND.match(line):
                    yield from (Shown(page, one) for one in re.sub(r"\s+# .*", "", line).split(" && "))
    for span in re.findall(r"`([^`]+)`", BLOCK.sub("", text)):
        line = " ".join(span.split())
        if COMMAND.match(line) and not UNFINISHED.search(line):
            yield Shown(page, line)


STANDS_IN = {
    "/path/": "",
    "data.root=…": "data.root=FakeTrue_DB",
    "data.root=/videos": "data.root=videos",
    "weights=default": "weights=none",
    "launcher=slurm": "launcher=submitit_local",
    "split.fold=0,1,2,3,4": "split.fold=0",
    "seed=1,2,3": "seed=1",
    "data.seed=0,1,2,3,4": "data.seed=0",
    "shard=0,1,2,3 shards=4": "shard=0,1 shards=2",
    "sweep.trials=30": "sweep.trials=2",
    # Each experiment of the thesis is trained in test_experiments.py; here, one that is small and one over sequences.
    "'experiment=thesis/*'": "'experiment=thesis/*_small_*,thesis/temporal_cnn3d_sgd'",
    "'experiment=thesis/multi_task_*'": "'experiment=thesis/multi_task_resnet1*'",
}
"""Paths, weights files and sizes as pages show them → what tests have."""

NOT_HERE = {
    "make test": "this is it",
    "make demo": "its command is that of the line below it; test_make_targets",
    "make INSTALLER=pip demo": "likewise",
    "make setup": "the tests stand on it",
    "make lock": "asks package indexes; test_make_targets",
    "make lint": "the tools of the house; test_make_targets",
    "make bench": "test_benchmarks.py runs each benchmark",
    "make docs": "test_make_targets",
    "make test-slow": "this is it",
    "make test-extras": "needs packages at odds with the tested ones; test_make_targets",
    "pip install": "test_command_word.py installs the wheel",
    "pip wheel": "test_command_word.py builds it",
    "realfake --help": "test_command_word.py",
    "realfake evaluate run=outputs/temporal/<run> data=csv data.root=clips.csv tables=": "test_run_on_tables.py",
    "realfake train approach=multi_task backbone=numbers": "needs published weights; test_stored_features.py",
    "realfake train experiment=field/": "test_experiments.py trains each",
    "realfake train -m experiment=field/": "likewise",
    "realfake train approach=temporal backbone=trajectory_features": "needs tables; test_map_networks.py",
    "realfake train approach=multi_task head=logistic": "needs more than a batch; test_fitting.py",
    "realfake train -m approach=multi_task head=pair_svm": "likewise",
    "realfake compare a=": "tests/comparison/test_compare.py runs those of its page",
    "realfake compare dir=multirun/two": "likewise",
    "python -m benchmarks.": "test_benchmarks.py runs each benchmark",
    "python -m realfake.data.synthetic.oracle": "test_synthetic.py",
}
"""How commands begin that no test runs as they stand → why, or what does."""
OF_TRANSFORMERS = ("realfake train approach=temporal_multi_task backbone=videomae",)
if find_spec("transformers") is None:
    NOT_HERE |= dict.fromkeys(OF_TRANSFORMERS, "the extra transformers is not installed")

FRAMES = ["data.size=64", "data.rate_fps=10", "data.prepare_workers=1"]
TRAINING = [
    "trainer.fast_dev_run=true", "sampling.frames_per_clip=1", "data.batch_size=4", "data.workers=0",
    "trainer.threads=1", "callbacks.plots=false", "callbacks.progress_bar=none",
]  # fmt: skip
OWN_SIZES = {
    name: [*FRAMES, *sizes]
    for name, sizes in {
        "prepare": [], "describe": [], "signals": [],
        "train": ["trainer.max_epochs=1", "sampling.frames_per_clip=1", "data.workers=0", "trainer.threads=1"],
    }.items()
}  # fmt: skip
"""The same of the page on own videos, whose runs are whole ones."""
SMALLER = {
    "backbone=slow_r50": ["backbone.input.size=64"],
    "backbone@backbone.frame=resnet18": ["backbone.frame.input.size=32"],
    "signals.features.backbone=resnet18": ["signals.features.weights=none"],
    "signals.features.backbone=x3d_s": [
        "signals.features.weights=none",
        "signals.features.size=64",
        "signals.features.frames=4",
    ],
    "backbone=videomae backbone.weights": ["backbone.variant=tiny", "backbone.input.size=32"],
    "experiment=thesis/": ["backbone.weights=none", "backbone.input.size=32", "sampling.window=[0.0,1.0]"],
}
"""What a word chooses → keys of its size."""
PUBLISHED = {"signals=[mediapipe]": ("signals.mediapipe.weights", "face_landmarker.task")}
"""What a word chooses → the key of its published file, and that file; without it, there is nothing to run."""


def command_line(one: Shown, tiny_data: list[str], runs: dict[str, Path]) -> list[str]:
    """Words of a command as a test runs it in a folder that has all that pages name."""
    line = one.line
    for text, other in STANDS_IN.items():
        line = line.replace(text, other)
    for approach, run in runs.items():
        line = line.replace(f"outputs/{approach}/<run>", str(run))
    name, *words = Shown(one.page, line).words
    source = next((word.removeprefix("data=") for word in words if word.startswith("data=")), "")
    generated = source in ("", "synthetic") and not any(word.startswith("input=") for word in words)
    prepared = [word for word in tiny_data if word.startswith("data.prepared=")]
    data = tiny_data if generated else [*FRAMES, *prepared]
    own = {
        "train": [*data, *TRAINING],
        "prepare": data,
        "signals": data,
        "describe": data,
        "evaluate": ["resamples=100", *([*FRAMES, *prepared] if source else [])],
        "convert": ["input.size=64"],
        "export": [] if "run=" in line else [f"run={runs['multi_task']}"],
        "predict": [] if "run=" in line else [f"run={runs['multi_task']}", "input=smile.mp4"],
    }
    weights = [f"{key}={found_weights(file)}" for choice, (key, file) in PUBLISHED.items() if choice in line]
    smaller = [word for choice, keys in SMALLER.items() if choice in line for word in keys]
    return [name, *words, *own.get(name, []), *smaller, *weights]
