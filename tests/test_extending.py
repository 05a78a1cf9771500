"""Plugins: every example of the guide works as a part of this program, and nothing is loaded that nobody named."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
import yaml
from PIL import Image
from processes import ROOT, Command, environment
from videos import write_video

from realfake.approaches import build_module
from realfake.composing.composition import compose
from realfake.config import DescribeConfig, TrainConfig, as_plain
from realfake.data.preparation import prepare
from realfake.data.signal_store import prepare_signal
from realfake.data.sources import list_clips
from realfake.errors import UserError
from realfake.experiments.execution import train
from realfake.experiments.start import resolved
from realfake.losses.tasks import build_task_loss
from realfake.registry import forget_files
from realfake.runs.checkpoints import resume_path
from realfake.runs.folder import RunFolder
from realfake.runs.network import open_trained
from realfake.runs.results import config_digest, read_results
from realfake.scoring.metric_table import METRICS

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"`(\w+\.py)`[^\n]*:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the files of the guide; what this process loads of them is forgotten afterwards."""
    write_examples(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget_files()


def write_examples(folder: Path) -> None:
    for name, text in EXAMPLES.items():
        (folder / name).write_text(text)


@pytest.fixture(scope="module")
def guest_run(command: Command, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a network, a loss, a mix and a metric of plugins, in a folder ``run`` beside their files."""
    folder = tmp_path_factory.mktemp("lab")
    write_examples(folder)
    done = command(
        "train", "plugins=[patch_net.py,poly.py,confidence.py,random_mix.py,mcc.py,moving.py]", "approach=multi_task",
        "backbone=patch_net", "loss/authenticity=poly", "loss_mix=random", "auxiliary=[confidence]",
        "hydra.run.dir=run",
        "optimized_metric=val/clip/authenticity_mcc", *tiny, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "run"


def plugin(folder: Path, text: str, name: str = "mine.py") -> str:
    """The word that loads a file with this text below the door's names."""
    (folder / name).write_text(f"from realfake.plugins import *\n{text}")
    return f"plugins=[{folder / name}]"


def net(name: str = "mine", body: str = "") -> str:
    return (
        f"@backbone({name!r})\nclass Mine(FrameNetwork):\n    {body or 'size: Count = 1'}\n"
        "    def build(self):\n        from torch import nn\n        return nn.Flatten()\n"
    )


def refusal(*words: str) -> str:
    with pytest.raises(UserError) as caught:
        compose("train", list(words), TrainConfig)
    line = str(caught.value)
    assert "\n" not in line
    return line


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_has_an_example_and_a_command_of_each_kind() -> None:
    decorators = set(re.findall(r"^@(\w+)\(", "".join(EXAMPLES.values()), re.MULTILINE))
    assert decorators == {"backbone", "signal", "source", "loss", "term", "mix", "metric", "approach"}
    assert {name for line in COMMANDS for name in re.findall(r"\w+\.py", line)} == set(EXAMPLES)
    assert all(len(text.splitlines()) <= 30 for text in EXAMPLES.values())


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_page_compose_and_build(line: str, lab: Path) -> None:
    _, name, *words = shlex.split(line)
    schema = {"train": TrainConfig, "describe": DescribeConfig}[name]
    cfg = compose(name, words, schema)
    assert schema.model_validate(as_plain(cfg)) == cfg  # nothing of a plugin is lost on saving
    if isinstance(cfg, TrainConfig):
        module = build_module(cfg).eval()
        logits = module.logits(module.backbone.blank(2, "cpu"))
        assert {task: tuple(found.shape) for task, found in logits.items()} == {
            task: (2, cfg.space.size(task)) for task in cfg.tasks
        }


def test_help_shows_options_and_comments(lab: Path, command: Command) -> None:
    done = command("train", "plugins=[patch_net.py,sparse.py]", "backbone=patch_net", "--help", cwd=lab)
    assert re.search(r"^backbone: .*patch_net, .*# the network below", done.stdout, re.MULTILINE)
    assert re.search(r"^approach: .*sparse_authenticity", done.stdout, re.MULTILINE)
    assert re.search(r"^  name: patch_net +# Two convolutions\.$", done.stdout, re.MULTILINE)
    assert re.search(r"^  width: 16 +# Channels of the first; the second", done.stdout, re.MULTILINE)
    assert re.search(r"^    size: 48$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(("words", "expected"), [
    ("backbone=patchnet", "no such option; did you mean 'patch_net'? (there are: alexnet, attention, cnn3d"),
    ("backbone=patch_net backbone.widht=3", "unknown key 'backbone.widht'; did you mean 'backbone.width'?"),
    ("backbone=patch_net backbone.width=0", "backbone.width=0: expected at least 1"),
    ("backbone=patch_net backbone.width=wide", "backbone.width=wide: expected a whole number"),
    ("backbone=patch_net +backbone.hidden=3", "backbone.hidden is a key of backbone=attention or backbone=compact"),
    ("backbone.width=3", "backbone.width is a key of backbone=patch_net or "),
    ("backbone=patch_net approach=temporal", "patch_net is a frame backbone, but approach=temporal needs a clip"),
    ("approach=temporal backbone@backbone.frame=patch_net backbone.frame.width=0", "backbone.frame.width=0: expected"),
    ("backbone=moving", "vit_b_16, inception_resnet_v1, inception_resnet_v1_wide, pixels, timm, numbers, patch_net"),
    ("backbone=patch_net backbone.input.frames=3", "patch_net sees single frames, expected null"),
    ("data=our_lab", "data.root is missing: give the folder of data=our_lab"),
    ("loss/joint=poly loss.joint.epsilon=a", "loss.joint.epsilon=a: expected a number"),
    ("signals=[brightnes]", "signals=brightnes: no such option; did you mean 'brightness'"),
    ("signals=[brightness] signals.brightness.sise=3", "did you mean 'signals.brightness.size'"),
    ("signals.brightness.size=3", "signals.brightness.size is a key of signals=brightness only"),
    ("approach=temporal backbone=attention backbone.hidden=0", "backbone.hidden=0: expected at least 1"),
    ("auxiliary=[confidnce]", "auxiliary=confidnce: no such option; did you mean 'confidence'"),
    ("auxiliary=[confidence] auxiliary.confidence.weigth=1", "did you mean 'auxiliary.confidence.weight'"),
    ("auxiliary=[confidence] auxiliary.confidence.weight=0", "auxiliary.confidence.weight=0: expected more than 0"),
    ("loss_mix=random loss_mix.spread=0", "loss_mix.spread=0: expected more than 0"),
    ("optimized_metric=val/clip/authenticity_mc", "did you mean 'val/clip/authenticity_mcc'"),
    ("approach=sparse_authenticity approach.samples=frames", "approach=sparse_authenticity has sequences"),
    ("approach=sparse_authenticity approach.penalty=2", "approach.penalty=2: expected at most 1"),
    ("plugins=patch_net.py", "plugins=patch_net.py: expected one list of files, as plugins=[patch_net.py]"),
])  # fmt: skip
def test_a_mistake_is_answered_as_with_own_options(words: str, expected: str, lab: Path) -> None:
    files = f"plugins=[{','.join(EXAMPLES)}]"
    assert expected in refusal(files, *words.split())


# --- plugins that are wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "expected"), [
    ("x = 1\nraise RuntimeError('no\\nluck')", "line 3: RuntimeError: no luck"),
    ("import sys\nsys.exit(3)", "line 3: SystemExit: 3"),
    ("def f(:", "line 2: SyntaxError: invalid syntax"),
    ("x = 1", "registers nothing; expected a decorator of realfake.plugins"),
    (net("gru"), "line 2: backbone=gru: realfake has one of this name; expected another name"),
    (net("_mine"), "backbone=_mine: expected a name of letters"),
    ("@backbone('mine')\nclass Mine:\n    pass", "expected a subclass of FrameNetwork or ClipNetwork"),
    ("@backbone('mine')\nclass Mine(FrameNetwork):\n    pass", "Mine has no method build"),
    (net().replace("'mine'", "'mine', wieght=1"), "wieght=1: no such key; did you mean 'weights'"),
    (net(body="width: Count = -2"), "width=-2: does not fit its own type"),
    (net(body="input: int = 3"), "input: a key of every FrameNetwork"),
    ("@metric('loss', heading='', words='')\ndef f(p): return 0", "metric=loss: realfake has one of this name"),
    ("@metric('m', heading='', words='', task='authentic')\ndef f(p): return 0", "did you mean 'authenticity'"),
    ("@approach('a', samples='films', tasks=(), backbone='gru')\nclass A(Approach): pass", "expected frames or seq"),
])  # fmt: skip
def test_a_plugin_that_fails_costs_a_line(text: str, expected: str, tmp_path: Path) -> None:
    line = refusal(plugin(tmp_path, text))
    assert line.startswith(f"plugins=[{tmp_path}/mine.py]: ")
    assert expected in line
    assert "mine" not in refusal("backbone=min").partition("(there are")[2]  # nothing of it is left


def test_missing_and_taken_files_are_named(lab: Path) -> None:
    assert "no such file; did you mean 'patch_net.py'" in refusal("plugins=[pach_net.py]")
    assert "expected one that ends in .py" in refusal("plugins=[.]")
    assert "no such file" in refusal("plugins=[~/no_such_plugin.py]")
    assert "no such file" in refusal("+plugins=[no_such_plugin.py]")
    shutil.copy(lab / "patch_net.py", lab / "copy.py")
    compose("train", ["plugins=[patch_net.py,copy.py]"], TrainConfig)  # the same content is the same plugin
    (lab / "other.py").write_text(EXAMPLES["patch_net.py"] + "\n")
    assert f"line 6: backbone=patch_net: taken by {lab}/patch_net.py" in refusal("plugins=[patch_net.py,other.py]")


def test_a_network_that_gives_no_features_is_refused_in_a_line(tmp_path: Path) -> None:
    cfg = compose(
        "train", [plugin(tmp_path, net().replace("nn.Flatten()", "nn.Linear(3, 2)")), "backbone=mine"], TrainConfig
    )
    with pytest.raises(UserError, match=r"^backbone=mine: \w+: .*"):
        build_module(cfg)
    forget_files()


@pytest.mark.parametrize(("text", "words"), [
    ("plugins: [{}/trace.py]", ["experiment=x"]), ("plugins: null", ["-m", "experiment=x", "seed=1,2"]),
])  # fmt: skip
def test_files_cannot_name_plugins(text: str, words: list[str], tmp_path: Path, command: Command) -> None:
    (tmp_path / "mine/experiment").mkdir(parents=True)
    (tmp_path / "mine/experiment/x.yaml").write_text("# @package _global_\n" + text.format(tmp_path))
    (tmp_path / "trace.py").write_text(f"open('{tmp_path}/trace', 'w')")
    done = command("train", *words, "--config-dir=mine", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "expected on the command line alone, as plugins=[file.py]" in done.stderr
    assert not (tmp_path / "trace").exists()


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_run_notes_the_plugins_that_it_needs(guest_run: Path) -> None:
    noted = yaml.safe_load((guest_run / "checkpoints/config.yaml").read_text())
    assert noted["backbone"]["width"] == 16
    assert noted["loss"]["authenticity"]["epsilon"] == 1.0
    assert noted["auxiliary"]["confidence"] == {"weight": 0.1}
    assert {Path(p["path"]).name: p["provides"] for p in noted["plugins"]} == {
        "patch_net.py": ["backbone=patch_net"], "poly.py": ["loss=poly"], "random_mix.py": ["loss_mix=random"],
        "mcc.py": ["metric=authenticity_mcc"], "confidence.py": ["auxiliary=confidence"],
    }  # fmt: skip
    state = torch.load(guest_run / "checkpoints/best.ckpt", weights_only=True)
    assert state["realfake"]["config"]["plugins"] == noted["plugins"]


def test_a_metric_is_measured_shown_and_selects_the_best_epoch(guest_run: Path) -> None:
    results = read_results(guest_run)
    assert results is not None
    assert results["optimized_metric"] == "val/clip/authenticity_mcc"
    assert -1.0 <= results["metrics"]["test/clip/authenticity_mcc"] <= 1.0
    assert len(results["intervals"]["test/clip/authenticity_mcc"]) == 2
    header, *rows = (line.split(",") for line in (guest_run / "metrics.csv").read_text().splitlines())
    column = [float(row[header.index("val/clip/authenticity_mcc")]) for row in rows]
    assert results["best_epoch"] == column.index(max(column))


def run_everything(command: Command, run: Path, folder: Path, *words: str) -> dict[str, CompletedProcess[str]]:
    """All that looks into a run, without what is long."""
    picture = folder / "face.jpg"
    Image.new("RGB", (96, 96)).save(picture)
    return {
        "evaluate": command("evaluate", f"run={run}", "plots=false", "resamples=100", *words, cwd=folder),
        "predict": command("predict", f"run={run}", f"input={picture}", "annotate=false", *words, cwd=folder),
        "export": command("export", f"run={run}", "format=torch_export", *words, cwd=folder),
        "report": command("report", f"dir={run}", "draws=100", f"out={folder}/report", *words, cwd=folder),
    }


@pytest.mark.parametrize("start", ["init_from", "ckpt"])
def test_a_run_that_starts_from_another_says_what_it_needs(
    start: str, guest_run: Path, command: Command, tiny: list[str], tmp_path: Path
) -> None:
    done = command("train", f"{start}={guest_run}", "approach=multi_task", *tiny, cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"needs plugins .*backbone=patch_net.*: give plugins=\[\S+/patch_net\.py.*\]", done.stderr)


def test_a_run_loads_nothing_by_itself(guest_run: Path, command: Command, tmp_path: Path) -> None:
    run = shutil.copytree(guest_run, tmp_path / "run")
    (tmp_path / "patch_net.py").write_text(f"open('{tmp_path}/trace', 'w')\n" + EXAMPLES["patch_net.py"])
    for path in (run / "checkpoints/config.yaml", run / ".hydra/config.yaml"):
        path.write_text(path.read_text().replace(str(guest_run.parent), str(tmp_path)))
    for name, done in run_everything(command, run, tmp_path).items():
        assert done.returncode == 1, name
        assert done.stderr.count("\n") == 1
        assert re.search(r"needs plugins that are not loaded, .*: give plugins=\[.*\.py\]$", done.stderr), name
    rerun = command("train", f"--config-path={run}/.hydra", "--config-name=config", cwd=tmp_path)
    assert "expected on the command line alone" in rerun.stderr
    assert not (tmp_path / "trace").exists()


def test_with_its_plugins_a_run_is_used_from_anywhere(guest_run: Path, command: Command, tmp_path: Path) -> None:
    write_examples(tmp_path)  # the same content in another place
    (tmp_path / "mcc.py").write_text(EXAMPLES["mcc.py"] + "# changed\n")
    files = "plugins=[patch_net.py,poly.py,confidence.py,random_mix.py,mcc.py]"
    found = run_everything(command, guest_run, tmp_path, files)
    assert {name: done.returncode for name, done in found.items() if name != "predict"} == {
        "evaluate": 0, "export": 0, "report": 0
    }, found  # fmt: skip
    assert "needs" not in found["predict"].stderr  # a black picture has no face
    evaluated = json.loads((guest_run / "evaluation/test/evaluation.json").read_text())
    assert "authenticity_mcc" in json.dumps(evaluated)
    said = found["evaluate"].stdout + found["evaluate"].stderr
    assert said.count("is another than the run was trained with") == 1
    assert "mcc.py" in said


def test_a_run_that_goes_on_with_another_plugin_says_so(
    guest_run: Path, tiny: list[str], lab: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (lab / "patch_net.py").write_text(EXAMPLES["patch_net.py"].replace("nn.ReLU()", "nn.GELU()"))
    words = [*tiny, "plugins=[patch_net.py]", "approach=multi_task", "backbone=patch_net", "ckpt=last"]
    run = RunFolder(guest_run)
    assert resume_path(compose("train", words, TrainConfig), run) == run.last
    assert f"{run.last}: {lab}/patch_net.py is another than the run was trained with" in caplog.text


def test_a_plugin_is_known_by_its_content(lab: Path) -> None:
    def digest() -> str:
        words = ["backbone=patch_net", "plugins=[patch_net.py,mcc.py,our_lab.py]"]
        found = config_digest(resolved(compose("train", words, TrainConfig)))
        forget_files()
        return found

    first = digest()
    shutil.move(lab / "patch_net.py", lab / "moved")
    (lab / "patch_net.py").symlink_to(lab / "moved")
    (lab / "our_lab.py").write_text(EXAMPLES["our_lab.py"] + "# not needed\n")
    assert digest() == first
    (lab / "mcc.py").write_text(EXAMPLES["mcc.py"] + "# changed\n")
    assert digest() != first
    assert "authenticity_mcc" not in METRICS


def test_an_edited_file_takes_the_place_of_what_it_was(tmp_path: Path) -> None:
    first = compose("train", [plugin(tmp_path, net(body="a: Count = 1")), "backbone=mine"], TrainConfig)
    second = compose("train", [plugin(tmp_path, net(body="b: Count = 2")), "backbone=mine"], TrainConfig)
    assert "a" in as_plain(first)["backbone"]
    assert as_plain(second)["backbone"]["b"] == 2
    assert "a" not in as_plain(second)["backbone"]
    forget_files()


def test_a_dataset_with_seven_emotions_is_prepared_and_trained(lab: Path, command: Command) -> None:
    """Its options travel to the processes that prepare."""
    (lab / "videos/s1").mkdir(parents=True)
    emotions = ("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
    video = write_video(lab / "one.mp4", frames=5, fps=5)
    names = [f"p{n}_{emotion}_{how}" for n in range(3) for emotion in emotions for how in ("felt", "posed")]
    for i, name in enumerate([*names, "P2_fear_felt", "readme", "p1_calm_felt"]):
        (lab / f"videos/s1/{name}.mp4").write_bytes(video.read_bytes() + bytes(i))
    words = ["plugins=[our_lab.py]", "data=our_lab", "data.root=videos"]
    _, listing = list_clips(compose("train", words, TrainConfig).data)
    assert len(listing.clips) == 43
    assert {c.subject for c in listing.clips} in ({"p0", "p1", "p2"}, {"p0", "p1", "P2"})
    assert [p.path for p in listing.problems if not p.kept] == ["s1/p1_calm_felt.mp4", "s1/readme.mp4"]
    done = command(
        "train", *words, "face=none", "data.prepare_workers=2", "data.size=32", "data.workers=0", "data.rate_fps=5",
        "data.duplicates=keep", "trainer.fast_dev_run=true", "callbacks=quiet", "hydra.run.dir=run", cwd=lab,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = read_results(lab / "run")
    assert results is not None
    assert results["emotions"] == list(emotions)


def test_an_approach_with_its_own_module_trains(lab: Path, tiny: list[str]) -> None:
    words = ["plugins=[sparse.py,moving.py]", "approach=sparse_authenticity", "backbone=moving", *tiny]
    weights = []
    for penalty in ("0.0", "1.0"):
        train([*words, f"approach.penalty={penalty}", "trainer.max_epochs=1"], lab / penalty)
        _, cfg, module = open_trained(lab / penalty)
        assert cfg.tasks == ("authenticity",)
        weights.append(torch.cat([p.abs().flatten() for p in module.heads.parameters()]).mean())
    assert weights[1] < weights[0]


def test_a_signal_and_an_encoder_train_and_compute_in_other_processes(lab: Path, tiny: list[str]) -> None:
    words = ["plugins=[brightness.py,attention.py]", "signals=[brightness]", "backbone.streams=[box,brightness]"]
    words += ["approach=temporal", "backbone=attention", *tiny, "data.prepare_workers=2", "trainer.fast_dev_run=true"]
    train(words, lab / "run")
    cfg = RunFolder(lab / "run").load_config()
    assert as_plain(cfg)["signals"] == {"brightness": {"name": "brightness", "size": 32}}
    assert {p["provides"][0] for p in as_plain(cfg)["plugins"]} == {"signals=brightness", "backbone=attention"}
    store = prepare(cfg.data, cfg.face)
    folder = prepare_signal(store, cfg.data, cfg.face, cfg.signals["brightness"])["brightness"].folder
    (lab / "brightness.py").write_text(EXAMPLES["brightness.py"].replace("/ 255.0", "/ 256.0"))
    edited = compose("train", words, TrainConfig)
    again = prepare_signal(store, edited.data, edited.face, edited.signals["brightness"])["brightness"].folder
    assert again != folder
    shutil.rmtree(again)
    (lab / "brightness.py").write_text(EXAMPLES["brightness.py"] + "# edited while the command runs\n")
    with pytest.raises(UserError, match=r"plugins=\[.*brightness\.py\]: changed after this command had loaded it"):
        prepare_signal(store, edited.data, edited.face, edited.signals["brightness"])


def test_a_loss_is_what_its_paper_says(lab: Path) -> None:
    cfg = compose("train", ["plugins=[poly.py]", "loss/joint=poly", "loss.joint.epsilon=2.0"], TrainConfig)
    logits, target = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, -1])
    p = logits[0].softmax(dim=0)[0]
    found = build_task_loss(cfg.loss.joint, 2)(logits, target)
    assert found == pytest.approx(float(-p.log() + 2.0 * (1.0 - p)))


# --- packages --------------------------------------------------------------------------------------------------------


def test_installed_packages_join_always_and_a_broken_one_costs_a_line(tmp_path: Path, command: Command) -> None:
    points = "[realfake.plugins]\ngood = mylab.nets\nbroken = mylab_broken\n"
    info = tmp_path / "mylab-1.2.dist-info"
    (tmp_path / "mylab").mkdir()
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "mylab/__init__.py").write_text("")
    (tmp_path / "mylab/nets.py").write_text("from realfake.plugins import *\n" + net())
    (tmp_path / "mylab_broken.py").write_text("\n1 / 0\n")
    path = f"{environment()['PYTHONPATH']}:{tmp_path}"
    done = command("train", "backbone=mine", "--help", cwd=tmp_path, fresh=True, PYTHONPATH=path)
    assert "  name: mine" in done.stdout
    warning = "the plugin broken of the package mylab is passed over: "
    assert done.stderr.strip() == f"{warning}{tmp_path}/mylab_broken.py, line 2: ZeroDivisionError: division by zero"


# --- several processes -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_jobs_of_a_sweep_have_plugins_and_a_changed_one_trains_again(
    lab: Path, command: Command, tiny: list[str]
) -> None:
    words = [
        "-m",
        "backbone=patch_net",
        "backbone.width=2,3",
        *tiny,
        "trainer.max_epochs=1",
        "sweep.name=s",
        "sweep.report=false",
    ]
    done = command("train", *words, "plugins=[patch_net.py]", "launcher=joblib", cwd=lab)
    assert done.returncode == 0, done.stderr
    runs = sorted(p.parent for p in (lab / "multirun/s").glob("*/results.json"))
    assert len(runs) == 2
    assert all(done.stdout.count(f"{run.relative_to(lab)}: backbone=patch_net") == 1 for run in runs), done.stdout
    shutil.copy(lab / "patch_net.py", lab / "moved.py")
    done = command("train", *words, "plugins=[moved.py]", cwd=lab)
    assert "2 of 2 runs were completed before and left as they are" in done.stdout
    assert "backbone=patch_net" not in done.stdout  # a line says it all
    (lab / "moved.py").write_text(EXAMPLES["patch_net.py"].replace("nn.ReLU()", "nn.GELU()"))
    done = command("train", *words, "plugins=[moved.py]", cwd=lab)
    assert done.stdout.count("begun with other settings: plugins.backbone=patch_net (") == 2, done.stdout
    assert sorted(p.parent for p in (lab / "multirun/s").glob("*/results.json")) == runs


@pytest.mark.slow
def test_processes_of_a_distributed_run_have_plugins(lab: Path, command: Command, tiny: list[str]) -> None:
    words = ["plugins=[patch_net.py,mcc.py]", "backbone=patch_net", "trainer.cpu_processes=2", "trainer.gpus=0"]
    done = command("train", *words, *tiny, "trainer.max_epochs=1", "hydra.run.dir=run", cwd=lab)
    assert done.returncode == 0, done.stderr
    results = read_results(lab / "run")
    assert results is not None
    assert results["processes"] == 2
    assert "test/clip/authenticity_mcc" in results["metrics"]
