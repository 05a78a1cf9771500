"""The notebooks run from top to bottom, and what is kept of their last run says nothing of the machine."""

from __future__ import annotations

import getpass
import os
import re
import socket
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("temporal", "dataset")
PLACES = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|mnt|opt|content|var|usr)/[\w.\-/]+|[A-Z]:\\\\")
"""Absolute paths of a machine."""


def load(name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """Everything readable that the outputs hold."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found.append(output.get("text", ""))
            found += [str(v) for kind, v in output.get("data", {}).items() if not kind.startswith("image/")]
    return found


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_are_kept_and_say_nothing_of_the_machine(name: str) -> None:
    notebook = load(name)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run from top to bottom"
    assert sum(bool(cell.outputs) for cell in code) >= len(code) - 2
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert any("image/png" in o.get("data", {}) for cell in code for o in cell.outputs)
    everything = "\n".join(texts(notebook))
    assert PLACES.findall(everything) == []
    names = {socket.gethostname(), getpass.getuser()} - {"root", "localhost", "runner", "user", "main"}
    assert [n for n in names if n in everything] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_from_top_to_bottom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = load(name)
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert (tmp_path / "data").is_dir()
    assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]
