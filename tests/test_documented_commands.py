"""Every command that README and guides show does what it says, in a folder that has what they name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pandas as pd
import pytest
import torch
import yaml
from documented import BLOCK, NOT_HERE, OWN_SIZES, PAGES, STANDS_IN, Shown, command_line, shown
from PIL import Image
from processes import ROOT, Command
from test_convert import HydraNet
from test_extending import write_examples
from videos import decode_all

import realfake
from realfake.composing.composition import compose, conf_dir
from realfake.config import TrainConfig
from realfake.data.sources import build_source

COMMANDS = [one for page in PAGES for one in shown(page)]
REFUSED = [one for one in COMMANDS if (one.said or "").startswith("error: ") and "run=" not in one.line]
RUN = [one for one in COMMANDS if one.said is None and not one.line.startswith(tuple(NOT_HERE))]
FILES = {
    "videos/a.mp4": "",
    "nobody.csv": "path,emotion,authenticity\nvideos/a.mp4,happy,real\n",
    "typo.csv": "path,subject,emotion,authenticity\nvideos/a.mp4,Anna,joyfull,real\n",
}
"""Of which guides show what is said."""
OWN = "docs/own-videos.md"


def test_all_that_stands_in_for_something_is_shown() -> None:
    lines = "\n".join(one.line for one in COMMANDS)
    assert [text for text in STANDS_IN if text not in lines] == []


@pytest.mark.parametrize("one", REFUSED, ids=lambda one: f"{one.page} {one.line}")
def test_mistakes_are_told_as_shown(one: Shown, command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "mine/experiment"
    folder.mkdir(parents=True)
    (folder / "typo.yaml").write_text("# @package _global_\noptimizer:\n  lrr: 0.1\n")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    name, *words = one.words
    done = command(name, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert one.said is not None
    wanted = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", one.said))
    assert re.fullmatch(wanted, done.stderr.strip())
    assert list(tmp_path.glob("outputs/*/*")) == []


def test_make_targets() -> None:
    words = {word for one in COMMANDS if one.line.startswith("make ") for word in one.line.split()[1:]}
    named = {word for word in words if "=" not in word}
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
@pytest.mark.parametrize("page", sorted({one.page for one in RUN} - {OWN}))
def test_commands_of_a_page_run_in_its_order(
    page: str, lab: Path, tiny_data: list[str], trained: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    folder = shutil.copytree(lab, tmp_path / "lab", symlinks=True)
    runs = {approach: trained(f"approach={approach}") for approach in ("multi_task", "temporal")}
    for one in (one for one in RUN if one.page == page):
        name, *words = command_line(one, tiny_data, runs)
        if any(word.endswith("=None") for word in words):
            continue  # a published file that is not at hand
        done = command(name, *words, cwd=folder)
        assert done.returncode == 0, (one.line, [name, *words], done.stdout[-2000:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr, one.line


def save_as(source: Path, path: Path) -> None:
    """The same frames as a QuickTime or an AVI file, as cameras write them."""
    _, frames = decode_all(source)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if path.suffix == ".mov" else "mjpeg", rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p" if path.suffix == ".mov" else "yuvj420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.slow
def test_own_videos_become_a_figure_and_a_table(
    tiny_data: list[str], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page, word by word, with twenty clips of five people and a sheet as a European Excel saves it."""
    monkeypatch.chdir(tmp_path)
    source = build_source(compose("train", tiny_data, TrainConfig).data, progress=False)
    listing, rows = source.listing(), ["Video;Proband;Emotion;Typ"]
    people = sorted({clip.subject for clip in listing.clips})[:5]
    (tmp_path / "videos").mkdir()
    for clip in listing.clips:
        emotion = listing.emotions[clip.emotion]
        if clip.subject in people and emotion in ("happy", "sad"):
            number = people.index(clip.subject) + 1
            name = f"videos/p{number}_{emotion}_{'1.mov' if clip.authenticity else '2.avi'}"
            save_as(Path(source.root) / clip.path, tmp_path / name)
            word = {"happy": "Freude", "sad": "Trauer"}[emotion]
            rows.append(f"{name};P{number};{word};{'echt' if clip.authenticity else 'gespielt'}")
    assert len(rows) == 21
    (tmp_path / "sheet.csv").write_bytes(("\r\n".join(rows) + "\r\n").encode("utf-8-sig"))

    for one in (one for one in RUN if one.page == OWN):
        name, *words = one.words
        done = command(name, *words, *OWN_SIZES.get(name, []), cwd=tmp_path)
        assert done.returncode == 0, (one.line, done.stdout[-2000:], done.stderr[-2000:])
    text = (ROOT / OWN).read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, {})

    table = (tmp_path / "table.tex").read_text()
    assert re.search(r"single\\?_task & \d\.\d\d", table)
    assert "temporal &" in table
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    wanted = {
        "description/description.html", "signals/videos/p1_happy_1.csv", "multirun/study/report.html",
        "multirun/study/groups.csv", "final/plots/roc.png", "prediction/predictions.csv",
        "comparison/differences.png", "comparison/compare.csv", "comparison/index.html",
        "prediction/annotated/p1_happy_1.mp4", "prediction/annotated/p1_happy_1.curve.png",
    }  # fmt: skip
    assert wanted <= found, wanted - found
    asked = next(" ".join(one.words) for one in RUN if one.page == OWN and one.words[0] == "compare")
    assert f"realfake {asked}" in (tmp_path / "comparison/index.html").read_text(encoding="utf-8")


LINKED = (*PAGES, "CHANGELOG.md", "CONTRIBUTING.md")


def anchors(text: str) -> set[str]:
    """What headings are called in links, by the rule of repositories' pages."""
    headings = re.findall(r"^#+ (.+)", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED)
def test_links_lead_somewhere(page: str) -> None:
    """On the repository's pages; ``make docs`` looks at those of the site."""
    text = BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if not re.match(r"https?:", target):
            there = (ROOT / page).parent / path if path else ROOT / page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), target


def test_every_page_is_in_the_site() -> None:
    nav = json.dumps(tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"])
    named = set(re.findall(r'"([\w.-]+\.md)"', nav)) - {"index.md", "options.md"}  # README.md, and conf/
    assert {Path(page).name for page in LINKED} - {"README.md"} <= named


def test_every_option_is_explained_on_a_page() -> None:
    words = set(re.findall(r"\w+", "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)))
    unnamed = set()
    for path in conf_dir().rglob("*.yaml"):
        room = path.relative_to(conf_dir()).parts[0]
        if room not in ("experiment", "hydra", "debug", "search"):  # these set keys of others
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            unnamed |= {(room, key) for key in keys(values) if key not in words}
    assert unnamed == set()


def keys(values: dict[str, Any]) -> Iterator[str]:
    """Names of all values, without Hydra's own."""
    for key, value in values.items():
        if key not in ("defaults", "hydra", "_target_"):
            yield key
            if isinstance(value, dict):
                yield from keys(value)


def test_what_is_to_be_cited_is_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == realfake.__version__
    assert cited["cff-version"] == "1.2.0"
