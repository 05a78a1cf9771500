"""Every command that README and guides show does what it says, in a folder that has what they name."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from documented import NOT_HERE, PAGES, STANDS_IN, Shown, command_line, shown
from PIL import Image
from processes import ROOT, Command
from test_convert import HydraNet
from test_extending import write_examples
from videos import decode_all

from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.data.sources import build_source

COMMANDS = [one for page in PAGES for one in shown(page)]
REFUSED = [
    one for one in COMMANDS if one.said is not None and one.said.startswith("error: ") and "run=" not in one.line
]
RUN = [one for one in COMMANDS if one.said is None and not one.line.startswith(tuple(NOT_HERE))]


def test_all_that_stands_in_for_something_is_shown() -> None:
    everything = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    lines = "\n".join(one.line for one in COMMANDS)
    assert [text for text in STANDS_IN if text not in lines] == []
    assert [text for text in NOT_HERE if text not in everything] == []


@pytest.mark.parametrize("one", REFUSED, ids=lambda one: f"{one.page} {one.line}")
def test_mistakes_are_told_as_shown(one: Shown, command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "mine/experiment"
    folder.mkdir(parents=True)
    (folder / "typo.yaml").write_text("# @package _global_\noptimizer:\n  lrr: 0.1\n")
    name, *words = one.words
    done = command(name, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert one.said is not None
    wanted = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", one.said))
    assert re.fullmatch(wanted, done.stderr.strip())
    assert list(tmp_path.glob("outputs/*/*")) == []


def test_make_targets() -> None:
    named = {one.line.split()[1] for one in COMMANDS if one.line.startswith("make ")}
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert named <= set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    demo = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "-m realfake.train approach=temporal" in demo


def test_benchmarks_that_are_named_are_there() -> None:
    everything = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"benchmarks\.([a-z_]+)", everything)) - {"md"}
    assert named <= {path.stem for path in (ROOT / "benchmarks").glob("*.py")}


@pytest.fixture(scope="module")
def lab(tiny_data: list[str], tiny: list[str], command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that pages name: videos in SASE-FE's layout and in that of a guest's dataset, a table of clips,
    tables of a tracker, pictures, plugins, and a network of the thesis's code."""
    folder = tmp_path_factory.mktemp("lab")
    source = build_source(compose("train", tiny, TrainConfig).data, progress=False)
    videos, listing = Path(source.root), source.listing()
    (folder / "FakeTrue_DB").symlink_to(videos)
    for place in ("videos/s1", "clips", "album/below"):
        (folder / place).mkdir(parents=True)
    rows = []
    for clip in listing.clips:
        person, emotion, real = f"p{clip.subject}", listing.emotions[clip.emotion], bool(clip.authenticity)
        rows.append((videos / clip.path, person, emotion, "real" if real else "fake"))
        shutil.copy(rows[-1][0], folder / f"videos/s1/{person}_{emotion}_{'felt' if real else 'posed'}.mp4")
    pd.DataFrame(rows, columns=["path", "subject", "emotion", "authenticity"]).to_csv(folder / "clips.csv", index=False)
    shutil.copy(rows[0][0], folder / "smile.mp4")
    shutil.copy(rows[0][0], folder / "clips/smile.mp4")
    _, frames = decode_all(folder / "smile.mp4")
    for name in ("face.jpg", "album/below/face.jpg"):
        Image.fromarray(frames[0]).save(folder / name)
    done = command("signals", *tiny_data, "signals=[drawn]", "out=tables", cwd=folder)
    assert done.returncode == 0, done.stderr
    write_examples(folder)
    torch.save(HydraNet().state_dict(), folder / "model.pth")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({one.page for one in RUN}))
def test_commands_of_a_page_run_in_its_order(
    page: str, lab: Path, tiny_data: list[str], trained: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    folder = shutil.copytree(lab, tmp_path / "lab", symlinks=True)
    runs = {approach: trained(f"approach={approach}") for approach in ("multi_task", "temporal")}
    for one in (one for one in RUN if one.page == page):
        name, *words = command_line(one, tiny_data, runs)
        done = command(name, *words, cwd=folder)
        assert done.returncode == 0, (one.line, [name, *words], done.stdout[-2000:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr, one.line
