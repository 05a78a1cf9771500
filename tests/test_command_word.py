"""``realfake <command> …``: what it says, that it is ``python -m realfake.<command>``, and what a wheel brings."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from processes import ROOT, environment
from test_house import COMMANDS

import realfake


def word(*words: str, cwd: Path, full: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ``realfake <words>``; ``full=True`` names the command's module, as in ``python -m realfake.train``."""
    named = [f"realfake.{words[0]}", *words[1:]] if full else ["realfake", *words]
    line = [sys.executable, "-m", *named]
    return subprocess.run(line, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)


def test_help_lists_all_commands_without_importing_any(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from realfake.__main__ import main\n"
        "main()\n"
        "print({'hydra', 'pydantic', 'torch', 'realfake.cli'} & set(sys.modules))\n"
    )
    line = [sys.executable, "-c", script, "--help"]
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    *said, imported = done.stdout.splitlines()
    assert imported == "set()"
    assert {row.split()[0] for row in said if row.startswith("  ")} == COMMANDS
    assert word(cwd=tmp_path).stdout.splitlines() == said


def test_version(tmp_path: Path) -> None:
    assert word("--version", cwd=tmp_path).stdout == f"realfake {realfake.__version__}\n"


@pytest.mark.parametrize(("given", "hint"), [
    ("tarin", "; did you mean 'train'? (there are: "), ("approach=temporal", " (there are: "), ("cli", " (there are: "),
])  # fmt: skip
def test_another_word_is_one_line_with_the_nearest(given: str, hint: str, tmp_path: Path) -> None:
    done = word(given, "seed=1", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {given}: no such command{hint}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [
    ["train", "--cfg", "all", "approach=temporal", "seed=3", "-m"], ["train", "trainer.gpu=1"],
])  # fmt: skip
def test_the_word_is_the_module(words: list[str], tmp_path: Path) -> None:
    """Names of jobs, folders, overrides, what is said and the exit status are those of ``python -m realfake.…``."""
    short, full = word(*words, cwd=tmp_path), word(*words, cwd=tmp_path, full=True)
    assert (short.returncode, short.stdout, short.stderr) == (full.returncode, full.stdout, full.stderr)
    assert short.stdout or short.returncode


def test_help_of_a_command_begins_with_what_it_does(tmp_path: Path) -> None:
    said = word("report", "--help", cwd=tmp_path).stdout.splitlines()
    assert said[0].startswith("realfake report dir=multirun/…: finished runs as a ranked table")
    assert "realfake report --cfg job" in said[-2]


@pytest.mark.parametrize(("line", "offered"), [
    ("realfake pre", "predict prepare"),
    ("realfake report dr", "draws="),
    ("realfake train -m approach=temporal_", "approach=temporal_multi_task"),
    ("realfake nothing x", ""),
])  # fmt: skip
def test_bash_completes_commands_groups_and_options(line: str, offered: str, tmp_path: Path) -> None:
    script = f"""
        realfake() {{ {sys.executable} -m realfake "$@"; }}
        eval "$(realfake -sc install=bash)"
        complete -p realfake >&2
        COMP_LINE={line!r} COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _realfake
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == offered
    assert "-F _realfake realfake" in done.stderr


@pytest.mark.slow
def test_a_wheel_does_in_an_empty_folder_what_a_checkout_does(tiny: list[str], tmp_path: Path) -> None:
    """The README's first command with less to learn from, and what follows it; sweeps and ranks start processes."""
    pytest.importorskip("hatchling", reason="it builds the wheel: make setup")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    for line in (
        ["wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)],
        ["install", "--no-deps", "--no-index", "--find-links", str(tmp_path), "--target", str(site), "realfake"],
    ):
        subprocess.run([sys.executable, "-m", "pip", "--quiet", *line], check=True)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x"]
    subprocess.run([*git, "init", "--quiet"], check=True)  # the user's own repository, which is not this package's
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], check=True)
    variables = environment(PYTHONPATH=str(site), PATH=f"{site / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def run(*line: str) -> str:
        done = subprocess.run(line, cwd=empty, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    few = [w for w in tiny if not w.startswith(("data.folder=", "data.prepared=", "trainer.max_epochs="))]
    run("realfake", "train", "approach=temporal", "trainer.gpus=1", *few, "trainer.max_epochs=1")
    assert sorted(p.name for p in empty.iterdir()) == ["data", "outputs"]
    (first,) = (empty / "outputs/temporal").iterdir()
    results = json.loads((first / "results.json").read_text())
    assert (results["status"], results["git_commit"]) == ("completed", None)

    sweep = ["-m", "approach=temporal", *few, "trainer.max_epochs=1", "launcher=joblib"]
    run("realfake", "train", *sweep, "trainer.cpu_processes=2", "sweep.name=ranks")
    (ranks,) = [p for p in (empty / "multirun/ranks").iterdir() if p.is_dir()]
    assert json.loads((ranks / "results.json").read_text())["processes"] == 2
    assert (ranks.parent / "report.html").is_file()

    assert "board/report.html" in run("realfake", "report", "dir=[outputs,multirun]", "out=board")
    assert (empty / "board/leaderboard.csv").read_text().count("\n") == 3
    video = next((empty / "data").rglob("*.MP4"))
    run("realfake", "predict", f"run={first}", f"input={video}", "out=predicted")
    assert (empty / "predicted/predictions.csv").is_file()

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    del extras["dev"]  # of checkouts
    said = run(
        sys.executable, "-c", f"from realfake.errors import install; print(*map(install, {[*extras]}), sep='\\n')"
    )
    for extra, line in zip(extras, said.splitlines(), strict=True):
        assert set(map(Requirement, shlex.split(line)[2:])) == set(map(Requirement, extras[extra]))
