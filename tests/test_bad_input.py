"""What signals need and is not there, or is another: one line, before any work on videos, and nothing is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import environment
from test_extending import net, plugin
from weights import found_weights

from realfake import prepare, signals
from realfake.composing.composition import compose
from realfake.config import PrepareConfig, SignalsConfig, TrainConfig
from realfake.errors import UserError
from realfake.experiments.start import check_start

COMMANDS = {
    "prepare": (PrepareConfig, prepare.run),
    "signals": (SignalsConfig, signals.run),
    "train": (TrainConfig, check_start),
}
MESH = "signals=[mediapipe] signals.mediapipe.weights="


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a command is started: with weights and tables that are not what they have to be."""
    weights = found_weights("face_landmarker.task")
    (tmp_path / "cut.task").write_bytes(weights.read_bytes()[:5000] if weights else b"PK")
    (tmp_path / "text.onnx").write_text("no weights")
    (tmp_path / "hub/hub/checkpoints").mkdir(parents=True)
    shutil.copy(tmp_path / "cut.task", tmp_path / "hub/hub/checkpoints/face_landmarker.task")
    for name in ("foreign/foreign.csv", "of_two/N2A.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("frame,AU01_r\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    return tmp_path


@pytest.mark.parametrize(("words", "line"), [
    (f"prepare {MESH}no.task", "signals.mediapipe.weights=no.task: no such file; get no.task from https://"),
    (f"prepare {MESH}cut.task", "signals.mediapipe.weights=cut.task: sha256 "),
    (f"prepare {MESH}text.onnx", "signals.mediapipe.weights=text.onnx: sha256 "),
    (f"prepare {MESH}default", "/face_landmarker.task: its sha256 does not begin with 64184e22"),
    (f"signals input=text.onnx out=o {MESH}cut.task", "signals.mediapipe.weights=cut.task: sha256 "),
    ("prepare face=yunet face.weights=no.onnx", "face.weights=no.onnx: no such file; get face_detection_yunet"),
    ("prepare face=yunet face.weights=text.onnx", "face.weights=text.onnx: sha256 "),
    ("prepare signals=[features] signals.features.weights=no.pth", "signals.features.weights=no.pth: no such file"),
    ("prepare signals=[features] signals.features.weights=text.onnx", "text.onnx: damaged, or not a checkpoint"),
    ("prepare signals=[openface] signals.openface.root=no", "signals.openface.root=no: no such folder; expected one"),
    ("signals input=. out=o signals=[pyfeat] signals.pyfeat.root=no", "input=.: no image or video in this folder"),
    ("signals input=text.onnx out=o signals=[pyfeat] signals.pyfeat.root=no", "signals.pyfeat.root=no: no such folder"),
    ("prepare signals=[openface] signals.openface.root=empty", "signals.openface.root=empty: no table below it"),
    (
        "prepare signals=[openface] signals.openface.root=foreign",
        "signals=[openface]: none of 72 clips has it; the first, D2N2Sur: no table below foreign; expected D2N2Sur.csv",
    ),
    ("prepare signals=[pyfeat]", "none of 72 clips has it; the first, D2N2Sur: no table beside it; expected D2N2Sur"),
    (
        "prepare signals=[openface] signals.openface.root=of_two",
        "signals.openface.root: of_two/N2A.csv may be the table of ",
    ),
    ("prepare data=sase_fe data.root=no", "data.root=no: no such folder; expected a folder with <subject>/<code>.MP4"),
    ("prepare data=csv data.root=no.csv", "data.root=no.csv: no such file; expected a CSV or Parquet table"),
    ("signals input=no out=o signals=[motion]", "input=no: no such file or folder"),
    ("prepare data.rate_fps=0", "data.rate_fps=0: expected more than 0"),
    ("prepare signals=[motion] signals.motion.rate_fps=0", "signals.motion.rate_fps=0: expected more than 0"),
    ("prepare signals=[drawn] signals.drawn.streams=[unit]", "signals.drawn.streams.0=unit: expected 'landmarks', 'un"),
    ("signals signals=[motion] format=xlsx", "format=xlsx: expected 'csv' or 'parquet'"),
    ("train approach=temporal backbone.streams=[pixel]", "[pixel]: the data have no stream pixel; did you mean"),
    (
        "train approach=temporal backbone.streams=[motion]",
        "backbone.streams=[motion]: the data have no stream motion (there are: pixels, box); others come from signals=",
    ),
])  # fmt: skip
def test_what_is_missing_or_wrong_is_told_before_any_work(
    words: str, line: str, folder: Path, tiny_data: list[str]
) -> None:
    name, *given = words.split()
    data = [] if any(word.startswith("data=") for word in given) else tiny_data
    before = sorted(folder.rglob("*"))
    schema, run = COMMANDS[name]
    with pytest.raises(UserError) as caught:
        run(compose(name, [*data, "data.prepared=p", *given], schema))
    said = str(caught.value)
    assert line in said
    assert "\n" not in said
    assert sorted(folder.rglob("*")) == before


def test_without_litert_the_command_says_what_to_install(
    tmp_path: Path, tiny_data: list[str], command: Callable
) -> None:
    """A guest takes the package away from the command."""
    weights = found_weights("face_landmarker.task")
    if weights is None:
        pytest.skip("needs face_landmarker.task")
    word = plugin(tmp_path, "import sys\nsys.modules['ai_edge_litert'] = None\n" + net())
    words = [*tiny_data, "data.prepared=p", word, "signals=[mediapipe]", f"signals.mediapipe.weights={weights}"]
    done = command("prepare", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: signals=[mediapipe] needs LiteRT, which is not installed: pip install ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "p").exists()


def test_parquet_without_its_package_is_one_line_and_csv_goes(tmp_path: Path, tiny_data: list[str]) -> None:
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow/__init__.py").write_text("raise ImportError('No module named pyarrow', name='pyarrow')")
    root = next(word.partition("=")[2] for word in tiny_data if word.startswith("data.folder="))
    video = min(Path(root).glob("synthetic-*/FakeTrue_DB/*/*"))
    for form, code in (("parquet", 1), ("csv", 0)):
        words = [
            "signals=[motion]",
            "signals.motion.size=32",
            f"input={video}",
            "face=haar",
            f"format={form}",
            f"out={form}",
        ]
        done = fresh("signals", *words, cwd=tmp_path, path=str(tmp_path))
        assert done.returncode == code, done.stderr
        assert len(list((tmp_path / form).glob(f"*.{form}"))) == 1 - code
        if code:
            assert done.stderr.startswith("error: No module named pyarrow: a package is missing or damaged; install it")
            assert done.stderr.count("\n") == 1


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """Root reads everything: the command gives that right away."""
    shut = tmp_path / "shut"
    shut.mkdir()
    shut.chmod(0)
    before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    if os.geteuid() or not shutil.which("setpriv"):
        before = []
    for name, words, line in (
        ("signals", ["signals=[motion]", "input=shut"], "input=shut: cannot be listed: Permission denied; expected a"),
        ("prepare", ["data=sase_fe", "data.root=shut", "face=haar"], "shut: Permission denied; change that, or give"),
    ):
        done = fresh(name, *words, cwd=tmp_path, before=before)
        if not before and done.returncode == 0:
            pytest.skip("this user reads everything")
        assert done.stderr.startswith(f"error: {line}")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def fresh(
    name: str, *words: str, cwd: Path, path: str = "", before: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command in an interpreter of its own."""
    variables = environment()
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (path, variables["PYTHONPATH"])))
    line = [*(before or []), sys.executable, "-m", f"realfake.{name}", *words]
    return subprocess.run(line, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
