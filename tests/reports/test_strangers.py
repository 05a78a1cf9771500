"""Folders and checkpoints that somebody else made: whatever they hold is one row of a report, or one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fake_runs import write_run

import realfake
from realfake.composing.composition import compose
from realfake.config import TrainConfig, as_plain
from realfake.errors import UserError
from realfake.reports.finished import read_run
from realfake.reports.leaderboard import make_report
from realfake.runs.folder import RunFolder
from realfake.runs.foreign import Unreadable, read_json, read_yaml

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
RESULTS = {
    "infinite": '{"status": "completed", "metrics": {"test/clip/joint_accuracy": 1e999}}',
    "no_number": '{"status": "completed", "metrics": {"test/clip/joint_accuracy": NaN}}',
    "many_digits": '{"status": "completed", "metrics": {"a": 1' + "0" * 400 + "}}",
    "digits_of_a_bomb": '{"status": "completed", "seed": 1' + "0" * 9000 + "}",
    "text_as_number": '{"status": "completed", "metrics": {"a": "0.5"}}',
    "list_as_metrics": '{"status": "completed", "metrics": [1]}',
    "list_as_commit": '{"status": "completed", "git_commit": ["a"]}',
    "list_as_fingerprint": '{"status": "completed", "data_fingerprint": [1]}',
    "number_as_error": '{"status": "failed", "error": 3}',
    "bottomless": '{"status": ' + "[" * 100_000,
    "half_a_letter": '{"status": "failed", "error": "\\ud800"}',
    "not_utf8": b'{"status": "failed", "error": "\xff"}',
}
CONFIGS = {
    "cyclic": "optimized_metric: &a [*a]\n",
    "bottomless_yaml": "optimized_metric: " + "[" * 50_000,
    "nested": "optimized_metric: " + "[" * 200 + "]" * 200,
    "alias_bomb": ALIASES + "optimized_metric: x\n",
    "mixed_keys": "optimized_metric: x\n1: a\nb: c\n",
    "a_list": "- optimized_metric\n",
    "code": "optimized_metric: !!python/object/apply:os.system [true]\n",
    "cut": "optimized_metric: [",
    "latin": b"optimized_metric: \xe9\n",
    "no_date": "optimized_metric: 2023-99-99\n",
}


def test_a_report_survives_whatever_lies_there(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    write_run(sweep / "good")
    for folder, file, contents in (("results", "results.json", RESULTS), ("config", ".hydra/config.yaml", CONFIGS)):
        for name, content in contents.items():
            write_run(sweep / folder / name, [f"name={name}"])
            path = sweep / folder / name / file
            path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    others = ("folder", "broken_link", "cyclic_link", "huge", "pipe", "override_tree")
    for name in others:
        write_run(sweep / "other" / name, [f"name={name}"])
        (sweep / "other" / name / "results.json").unlink()
    other = sweep / "other"
    (other / "folder/results.json").mkdir()
    (other / "broken_link/results.json").symlink_to("nothing")
    (other / "cyclic_link/results.json").symlink_to("results.json")
    with (other / "huge/results.json").open("wb") as file:
        file.truncate(10**11)
    os.mkfifo(other / "pipe/results.json")
    (other / "override_tree/results.json").write_text('{"status": "completed", "overrides": ["a=b"]}')
    (other / "override_tree/.hydra/overrides.yaml").write_text("a: b\n")
    report = make_report(sweep, tmp_path / "out")
    assert len(report.board.runs) == 1 + len(RESULTS) + len(CONFIGS) + len(others)
    assert report.board.counts == {"completed": 1, "damaged": len(report.board.runs) - 1}
    assert report.board.runs[0].name == "good"
    assert all(run.error and "\n" not in run.error and len(run.error) < 600 for run in report.board.failures)
    assert not any(run.metrics for run in report.board.failures), "no figure of a damaged run counts"


def test_a_report_survives_tables_names_and_depth(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    write_run(sweep / os.fsdecode(b"caf\xe9\n"), ["seed=1", "x=" + "9" * 5000])
    write_run(sweep / "infinite", ["seed=2"])
    (sweep / "infinite" / "metrics.csv").write_text("epoch,val/frame/loss\n1e999,1\n1,1e999\n2,0.5\n")
    table = (sweep / "infinite" / "predictions.csv").read_text().splitlines()
    columns = table[1].split(",")
    (sweep / "infinite" / "predictions.csv").write_text("\n".join([table[0], ",".join([*columns[:-1], "1e999"])]))
    deep = sweep
    for _ in range(1200):  # further down than functions may call each other
        deep = deep / "d"
        deep.mkdir()
    try:
        report = make_report(sweep, tmp_path / "out")
    finally:
        subprocess.run(["rm", "-r", sweep / "d"], check=True)  # what Python's own cleaning cannot do
    assert "caf\\xe9\\x0a" in {run.name for run in report.board.runs}
    run = read_run(sweep / "infinite", "infinite")
    assert run.curves["val/frame/loss"][1].tolist() == [0.5]
    assert run not in report.figures.runs


@pytest.mark.parametrize("name", [*CONFIGS, "a_text", "huge"])
def test_a_configuration_of_a_stranger_is_one_line(name: str, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.config.parent.mkdir()
    content: Any = {"a_text": "configuration", "huge": "a: " + "x" * 10**7, **CONFIGS}[name]
    run.config.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        run.load_config()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_nothing_of_the_environment_gets_into_a_strangers_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omegaconf import OmegaConf

    monkeypatch.setenv("REALFAKE_TEST_SECRET", "hunter2")
    secret = "${oc.env:REALFAKE_TEST_SECRET}"
    run = RunFolder(tmp_path)
    run.config.parent.mkdir()
    plain = as_plain(compose("train", ["approach=single_task", "seed=7"], TrainConfig))
    plain["data"] |= {"prepared": secret, "subjects": "${seed}", "folder": "runs of ${seed} in ${oc.${x}:HOME}"}
    OmegaConf.save(OmegaConf.create(plain), run.config)
    OmegaConf.save(OmegaConf.create([f"data.prepared={secret}"]), run.overrides_file)
    OmegaConf.save(OmegaConf.create({"hydra": {"runtime": {"cwd": secret}}}), run.config.with_name("hydra.yaml"))
    cfg = run.load_config()
    assert cfg.data.prepared == secret
    assert (cfg.data.subjects, cfg.data.folder) == (7, "runs of 7 in ${oc.${x}:HOME}")  # type: ignore[union-attr]
    assert run.overrides() == [f"data.prepared={secret}"]
    assert str(run.working_folder()) == secret
    plain["data"] |= {"subjects": secret}
    OmegaConf.save(OmegaConf.create(plain), run.config)
    with pytest.raises(UserError, match=r"data\.subjects=\$\{oc\.env:REALFAKE_TEST_SECRET\}: expected a whole number"):
        run.load_config()


def test_numbers_of_saved_configurations_stay_numbers(tmp_path: Path) -> None:
    """PyYAML takes 1e-3 for a text, OmegaConf for a number."""
    run = RunFolder(tmp_path)
    run.config.parent.mkdir()
    text = yaml.safe_dump(as_plain(compose("train", ["optimizer.lr=0.001"], TrainConfig)))
    run.config.write_text(text.replace("lr: 0.001", "lr: 1e-3"))
    assert run.load_config().optimizer.lr == 0.001


def test_bounds_are_above_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('{"a": [1, 2.5, null, "text"], "b": 12345678901234567890}')
    assert read_json(path) == read_yaml(path) == {"a": [1, 2.5, None, "text"], "b": 12345678901234567890}
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "nothing")
    with pytest.raises(Unreadable, match="not a file"):
        read_json(tmp_path)


def test_a_sweep_says_how_many_of_its_runs_have_not_begun(tmp_path: Path) -> None:
    """Four runs were asked for: one completed, one died before it wrote anything, two never began."""
    words = ["approach=single_task,temporal", "seed=1,2", "data.root='a b'", "sweep.name=demo", "launcher=joblib"]
    sweep = tmp_path / "demo"
    write_run(sweep / "a", ["approach=single_task", "seed=1", "data.root='a b'", "sweep.name=demo", "launcher=joblib"])
    write_run(sweep / "of_another_command", ["approach=single_task", "seed=7"])
    (sweep / "b").mkdir()
    basic = {"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper", "params": None}

    def notes(sweeper: dict[str, Any], words: list[str]) -> list[str]:
        saved = {"hydra": {"sweeper": sweeper, "overrides": {"task": words}}, "sweep": {"trials": 20}}
        (sweep / "multirun.yaml").write_text(yaml.safe_dump(saved))
        return [note for note in make_report(sweep, tmp_path / "out").board.notes if "missing" in note]

    assert notes(basic, words) == [
        "2 of the 4 runs of the sweep demo are missing: they have not begun; repeat its command to do them."
    ]
    assert notes(basic | {"params": {"optimizer.lr": "0.1,0.2,0.3"}}, words)[0].startswith("11 of the 12 runs")
    assert notes(basic, ["approach=single_task", "seed=1", "data.root='a b'"]) == []
    assert notes({"_target_": "hydra_plugins.hydra_optuna_sweeper.OptunaSweeper"}, words)[0].startswith("17 of the 20")
    for odd in (["seed=range(0,1000000000)"], ["seed=(("], [{"a": 1}], ["seed=${oc.env:HOME}"]):
        assert len(notes(basic, odd)) <= 1  # type: ignore[arg-type]


# --- checkpoints -----------------------------------------------------------------------------------------------------


def changed_weights(state: dict[str, Any], change: str) -> None:
    tensors = state["state_dict"]
    name = next(k for k, v in tensors.items() if v.is_floating_point() and v.dim() > 1)
    value = tensors[name]
    if change == "nan":
        value.view(-1)[0] = float("nan")
    elif change == "shape":
        tensors[name] = value[:1]
    elif change == "names":
        tensors["more"] = tensors.pop(name)
    elif change == "sparse":
        tensors[name] = value.to_sparse()
    elif change == "meta":
        tensors[name] = value.to("meta")
    elif change == "complex":
        tensors[name] = value.to(torch.complex64)
    elif change == "whole_numbers":
        tensors[name] = value.to(torch.int64)
    elif change == "text":
        tensors[name] = "weights"
    elif change == "endless":  # one number, seen as a million millions
        tensors[name] = torch.zeros(1).expand(10**12)
    elif change == "list":
        state["state_dict"] = [value]


@pytest.mark.parametrize("change", [
    "nan", "shape", "names", "sparse", "meta", "complex", "whole_numbers", "text", "endless", "list",
])  # fmt: skip
@pytest.mark.parametrize("format", ["zip", "legacy"])
def test_weights_that_no_network_can_have_are_one_line(
    trained: Callable[..., Path], tmp_path: Path, change: str, format: str
) -> None:
    run = trained("approach=multi_task")
    state = torch.load(RunFolder(run).best, weights_only=True)
    changed_weights(state, change)
    path = tmp_path / "best.ckpt"
    torch.save(state, path, _use_new_zipfile_serialization=format == "zip")
    with pytest.raises(UserError, match=r"best\.ckpt") as error:
        realfake.load(run, checkpoint=path)
    assert "\n" not in str(error.value)


def test_an_archive_that_unpacks_to_far_more_is_not_unpacked(trained: Callable[..., Path], tmp_path: Path) -> None:
    run, path = trained("approach=multi_task"), tmp_path / "best.ckpt"
    shutil.copy(RunFolder(run).best, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/bomb", bytes(5 * path.stat().st_size))
    with pytest.raises(UserError, match=r"best\.ckpt: refused, since its .* bytes would unpack to"):
        realfake.load(run, checkpoint=path)
