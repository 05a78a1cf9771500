"""The configuration tree: everything in conf/ composes and fits the schema, and a mistake is one line that helps."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import get_args

import hydra
import pytest
import yaml
from hydra.main import get_args_parser
from omegaconf import OmegaConf
from processes import Command
from pydantic import BaseModel

from realfake import config
from realfake.composing import composition
from realfake.composing.composition import check_sweep, conf_dir
from realfake.composing.help import group_words
from realfake.composing.messages import changed, known_keys, validate
from realfake.composing.overrides import check_plugin, name_sweep, options, ordered, rewrite
from realfake.config import EvaluateConfig, OwnData, TrainConfig, as_plain
from realfake.config.backbones import choices
from realfake.config.upgrade import FORMAT
from realfake.errors import UserError
from realfake.experiments.start import check_start
from realfake.runs.folder import RunFolder

CONF = conf_dir()
DEFAULTS = yaml.safe_load((CONF / "train.yaml").read_text())["defaults"]
GROUPS = [next(iter(d)) for d in DEFAULTS if isinstance(d, dict) and not next(iter(d)).startswith("override")]
OPTIONS = {g: options(g, CONF) for g in GROUPS if g != "experiment"}
EXPERIMENTS = [
    str(p.relative_to(CONF / "experiment").with_suffix(""))
    for p in sorted((CONF / "experiment").rglob("*.yaml"))
    if p.parent.name != "_base"
]


@cache
def compose(*overrides: str) -> TrainConfig:
    return composition.compose("train", list(overrides), TrainConfig)


def composed(*overrides: str) -> OmegaConf:
    """As Hydra composes it, with Hydra's own node."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("train", rewrite(list(overrides), CONF, sweep=False), return_hydra_config=True)


# --- groups ----------------------------------------------------------------------------------------------------------


def test_the_promised_groups_exist() -> None:
    promised = (
        "approach data split face backbone head auxiliary loss_mix optimizer scheduler augmentation trainer precision "
        "logger callbacks signals experiment search launcher debug loss/joint loss/emotion loss/authenticity"
    )
    assert set(GROUPS) == set(promised.split())


NEEDED = {
    "compact_bilinear": ("signals=[features]", "signals.features.streams=[maps]"),
    "trajectory_features": (
        "signals=[drawn,features]", "signals.features.streams=[maps]", "signals.drawn.relative_to=box",
    ),
    "lstm_pb": ("signals=[drawn]",),
    "mesh_smile_net": ("signals=[mediapipe]",),
    "hada_smile_net": ("signals=[mediapipe]", "backbone.streams=[mesh,units]"),
}  # fmt: skip
"""Backbone → the signals that give the streams of its file."""


@pytest.mark.parametrize("n", range(max(map(len, OPTIONS.values()))))
def test_every_option_composes(n: int) -> None:
    """Option number n of every group at once, which shows too that groups do not get into each other's way."""
    chosen = {group: names[n % len(names)] for group, names in OPTIONS.items()}
    clips = chosen["backbone"] in choices(clips=True)
    if clips != (config.APPROACHES[chosen["approach"]][0] == "sequences"):
        chosen["approach"] = "temporal" if clips else "multi_task"
    if chosen["approach"] == "ranking":  # which learns by it
        chosen["auxiliary"] = "pair_ranking"
    if chosen["backbone"] in ("numbers", "pixels", "trajectory_features"):  # which these have nothing to train of
        chosen |= {"auxiliary": "pair_ranking", "loss_mix": "sum", "head": "linear"}
    if chosen["backbone"] == "lstm_pb":  # which learns by this term alone
        chosen["auxiliary"] = "next_frame"
    elif chosen["auxiliary"] == "next_frame":
        chosen["auxiliary"] = "center"
    needed = NEEDED.get(chosen["backbone"], ())
    if chosen["auxiliary"] == "regression":  # of units, unless the network takes others
        if needed:
            chosen["auxiliary"] = "center"
        needed = needed or ("signals=[drawn]",)
    if needed:
        chosen.pop("signals")
    if chosen["head"] == "pair_svm" and chosen["approach"] in ("single_task", "temporal"):
        needed = (*needed, "head.per_emotion=true")
    cfg = compose(*(f"{group}={option}" for group, option in chosen.items()), "data.root=/videos", *needed)
    expected = chosen | ({"backbone": cfg.backbone.name} if chosen["backbone"] == "timm" else {})
    for group, option in expected.items():
        node = cfg
        for part in group.split("/"):
            node = getattr(node, part, None)
        assert getattr(node, "name", option) == option, group


@pytest.mark.parametrize(("group", "union"), [
    ("data", config.DataConfig), ("split", config.SplitConfig), ("face", config.FaceConfig),
    ("head", config.HeadConfig), ("loss_mix", config.MixConfig),
    ("optimizer", config.OptimizerConfig), ("scheduler", config.SchedulerConfig),
    ("loss/joint", config.LossConfig), ("loss/emotion", config.LossConfig), ("loss/authenticity", config.LossConfig),
])  # fmt: skip
def test_files_and_schema_know_the_same_options(group: str, union: object) -> None:
    members: tuple[type[BaseModel], ...] = get_args(get_args(union)[0])
    names = {get_args(m.model_fields["name"].annotation)[0] for m in members}
    assert {*options(group, CONF)} == names


def test_every_term_has_a_file() -> None:
    assert {*options("auxiliary", CONF)} == {*config.AuxiliaryConfig.model_fields}


def test_every_backbone_has_a_file() -> None:
    assert {*options("backbone", CONF)} == {*choices(clips=True), *choices(clips=False)}


@pytest.mark.parametrize(
    "overrides",
    [
        ["approach=single_task"],
        ["approach=temporal"],
        ["backbone=timm"],
        ["head=mlp"],
        ["backbone=numbers", "backbone.streams=[box]"],
    ],
)
def test_every_key_of_the_schema_is_in_the_files(overrides: list[str]) -> None:
    """So that any key can be overridden without a plus sign, and the files show what there is."""
    raw = composed(*overrides)
    given = OmegaConf.to_container(raw, resolve=False)
    assert isinstance(given, dict)

    def keys(node: dict, prefix: str = "") -> set[str]:
        found = set()
        for key, value in node.items():
            found |= {prefix + key} | (keys(value, f"{prefix}{key}.") if isinstance(value, dict) else set())
        return found

    several = ("logger.", "auxiliary.")
    absent = {key for key in keys(as_plain(compose(*overrides))) - keys(given) if not key.startswith(several)}
    assert absent <= {"backbone.channels", "backbone.frame.channels"}  # of tiny_cnn alone


def test_values_stand_in_files_alone() -> None:
    """No class of the schema holds a default, but for what a file may leave out."""
    may_be_left_out = {
        *(("LoggerConfig", name) for name in config.LoggerConfig.model_fields),  # those that are not chosen
        *(("AuxiliaryConfig", name) for name in config.AuxiliaryConfig.model_fields),
        ("FrameBackbone", "channels"),  # of tiny_cnn alone
        ("Published", "note"),  # few experiments have something to remark
    }
    classes = [found for found in vars(config).values() if isinstance(found, type) and issubclass(found, BaseModel)]
    assert len(classes) > 60
    defaults = {(c.__name__, name) for c in classes for name, f in c.model_fields.items() if not f.is_required()}
    assert defaults == may_be_left_out


def test_what_files_inherit_is_no_option(command: Command, tmp_path: Path) -> None:
    assert (CONF / "data" / "_shared.yaml").is_file()
    assert "_shared" not in options("data", CONF)
    with pytest.raises(UserError, match=r"data=_shared: no such option \(there are: csv, sase_fe, "):
        compose("data=_shared")
    with pytest.raises(UserError, match=r"data=shared: no such option \(there are: csv, sase_fe, "):
        compose("data=shared")
    with pytest.raises(UserError, match=r"backbone\.cache_features is a key of backbone=alexnet or .* only"):
        compose("approach=temporal", "backbone.cache_features=false")
    shown = command("train", "--help", cwd=tmp_path).stdout
    assert "uva_nemo" in shown
    assert " _" not in shown


def test_a_dataset_chooses_its_detector(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "data").mkdir(parents=True)
    (tmp_path / "mine" / "data" / "cropped.yaml").write_text(
        "defaults:\n  - synthetic\n  - _self_\n  - override /face@_global_.face: none\n\nsubjects: 3\n"
    )
    for words, face in (["train"], "none"), (["train", "face=yunet"], "yunet"), (["prepare"], "none"), (
        ["describe"], "none"
    ):  # fmt: skip
        done = command(*words, "--config-dir", "mine", "data=cropped", "--cfg", "job", cwd=tmp_path)
        shown = yaml.safe_load(done.stdout)
        assert (shown["face"]["name"], shown["data"]["subjects"], shown["data"]["size"]) == (face, 3, 224)


def test_later_lines_of_the_defaults_win() -> None:
    assert compose().backbone.name == compose("approach=multi_task").backbone.name == "tiny_cnn"
    assert compose("approach=temporal").backbone.name == "gru"
    assert compose("approach=temporal", "backbone=slow_r50").backbone.name == "slow_r50"
    row = compose("experiment=thesis/temporal_slow_r50")
    assert (row.approach.name, row.backbone.name, row.optimizer.name) == ("temporal", "slow_r50", "sgd")
    assert compose("experiment=thesis/temporal_slow_r50", "optimizer=adam").optimizer.name == "adam"
    assert compose("experiment=thesis/temporal_slow_r50", "backbone=x3d_s").backbone.name == "x3d_s"


def test_the_approaches_differ_in_samples_and_tasks() -> None:
    found = {a: (c.approach.samples, c.tasks) for a in ("single_task", "multi_task", "temporal", "temporal_multi_task")
             for c in [compose(f"approach={a}")]}  # fmt: skip
    two = ("emotion", "authenticity")
    assert found == {
        "single_task": ("frames", ("joint",)), "multi_task": ("frames", two),
        "temporal": ("sequences", ("joint",)), "temporal_multi_task": ("sequences", two),
    }  # fmt: skip


def test_trainers() -> None:
    assert compose("trainer=cpu").trainer.gpus == 0
    gpu, ddp = compose("trainer=gpu").trainer, compose("trainer=ddp", "trainer.gpus=4").trainer
    assert (gpu.gpus, gpu.require_gpu) == (1, True)
    assert (ddp.gpus, ddp.strategy, ddp.max_epochs) == (4, "ddp", compose().trainer.max_epochs)
    assert compose("trainer.gpus=[0,2]").trainer.gpus == [0, 2]


def test_several_loggers_at_once() -> None:
    def used(*overrides: str) -> set[str]:
        return {name for name, value in as_plain(compose(*overrides))["logger"].items() if value is not None}

    assert used() == {"tensorboard"}
    assert used("logger=csv") == {"csv"}
    assert used("logger=null") == used("logger=[]") == set()
    both = compose("logger=[tensorboard,wandb]", "logger.wandb.offline=true").logger
    assert both.tensorboard
    assert both.wandb
    assert both.wandb.offline


def test_the_augmentation_of_the_thesis() -> None:
    augmentation = compose("augmentation=thesis").augmentation
    assert (augmentation.flip, augmentation.rotate_deg, augmentation.erase) == (0.5, 35.0, 0.0)
    assert not compose("augmentation=none").augmentation.active


def test_debug_presets() -> None:
    assert compose("debug=fast_dev_run").trainer.fast_dev_run
    overfit = compose("debug=overfit", "experiment=thesis/multi_task_inception_augmented")
    assert (overfit.trainer.overfit_batches, overfit.augmentation.name) == (3, "none")
    assert compose("debug=profiler").trainer.profiler == "simple"
    assert compose("debug=limit").data.workers == 0


@pytest.mark.parametrize(("launcher", "class_name"), [
    ("basic", "BasicLauncher"), ("joblib", "JoblibLauncher"), ("slurm", "SlurmLauncher"),
    ("submitit_local", "LocalLauncher"), ("ray", "RayLauncher"),
])  # fmt: skip
def test_launchers_need_no_plugin_to_compose(launcher: str, class_name: str) -> None:
    assert composed(f"launcher={launcher}").hydra.launcher._target_.endswith("." + class_name)


def test_launcher_and_search_take_keys_under_their_own_names() -> None:
    node = composed(
        "launcher=slurm", "launcher.partition=gpu", "search=optuna", "search.n_jobs=4", "sweep.trials=7"
    ).hydra
    assert (node.launcher.partition, node.launcher.additional_parameters.requeue) == ("gpu", True)
    assert (node.sweeper.n_jobs, node.sweeper.n_trials, node.sweeper.direction) == (4, 7, "maximize")
    assert node.sweeper.storage.endswith("/study.db")
    for metric in ("val/frame/loss", "val/clip/authenticity_brier"):
        assert composed("search=optuna", f"optimized_metric={metric}").hydra.sweeper.direction == "minimize"


# --- experiments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes(name: str) -> None:
    cfg = compose(f"experiment={name}", *(["init_from=outputs/x"] if "from_run" in name else []))
    assert cfg.experiment_name == name
    assert cfg.callbacks.optimism == name.startswith("field/"), "systems of the field inherit field/_base/common"
    if "from_run" not in name and not name.startswith("field/"):  # which are called as in the field
        assert name.rpartition("/")[2].startswith(cfg.approach.name)
    if name.startswith("thesis/"):
        assert (cfg.split.name, cfg.sampling.window) == ("thesis", [0.4, 0.9])
        assert cfg.optimizer.decay_norms


TABLES = {
    "single_task": {
        "test/frame/joint_accuracy":
            "0.15922 0.20439 0.26010 0.26644 0.21810 0.19892 0.18497 0.27817 0.29062",
    },
    "multi_task": {
        "test/frame/emotion_accuracy":
            "0.42593 0.53721 0.33217 0.51708 0.54609 0.51145 0.49227 0.51145 0.50892 0.53721",
        "test/frame/authenticity_accuracy":
            "0.48387 0.55322 0.48284 0.53206 0.53713 0.53888 0.55893 0.54411 0.52318 0.55322",
        "test/frame/joint_accuracy": "0.30150 0.27376 0.28034 0.26536 0.28192 0.27812",
    },
    "temporal": {"test/clip/joint_accuracy": "0.08333 0.09167 0.10833 0.13333 0.15121 0.13333 0.17130 0.23333"},
}  # fmt: skip


@pytest.mark.parametrize("approach", list(TABLES))
def test_every_row_of_the_thesis_is_an_experiment(approach: str) -> None:
    rows = [compose(f"experiment={n}") for n in EXPERIMENTS if n.startswith(f"thesis/{approach}_")]
    assert all(row.approach.name == approach for row in rows)
    published = [row.published for row in rows if row.published]
    for metric, figures in TABLES[approach].items():
        found = sorted(p.metrics[metric] for p in published if metric in p.metrics)
        assert found == sorted(map(float, figures.split()))
    assert all(0 < value < 1 for p in published for key, value in p.metrics.items() if key.endswith("accuracy"))


def test_rows_differ_as_the_tables_say() -> None:
    both = compose("experiment=thesis/multi_task_inception_mfl_ce_precision")
    assert (both.loss.emotion.name, both.loss.authenticity.name) == ("multi_focal", "cross_entropy")
    assert (both.loss_mix.name, both.scheduler.name, both.backbone.weights) == ("precision", "plateau", "default")
    heads = compose("experiment=thesis/multi_task_inception_heads_augmented")
    assert heads.backbone.freeze
    assert heads.augmentation.rotate_deg == 35.0
    optimizers = {
        n: compose(f"experiment=thesis/temporal_cnn3d_{n}").optimizer for n in ("adam", "rmsprop", "adagrad", "sgd")
    }
    assert {n: o.name for n, o in optimizers.items()} == {n: n for n in optimizers}
    assert {n: o.lr for n, o in optimizers.items()} == {"adam": 0.01, "rmsprop": 0.01, "adagrad": 0.01, "sgd": 0.001}
    assert compose("experiment=thesis/temporal_cnn3d_regularised").optimizer.weight_decay > 0
    deep = compose("experiment=thesis/single_task_inception_deep_classifier").head
    assert isinstance(deep, config.MlpHead)
    assert (deep.hidden, deep.dropout) == ([256, 128], 0.5)


def test_rows_of_the_thesis_have_its_networks() -> None:
    """Which rows stand on the embedding of length 1, and what temporal rows are made of."""
    rows = {name: compose(f"experiment={name}") for name in EXPERIMENTS if name.startswith("thesis/s")}
    rows |= {name: compose(f"experiment={name}") for name in EXPERIMENTS if name.startswith("thesis/m")}
    assert {name for name, row in rows.items() if row.backbone.normalize} == {
        name for name, row in rows.items() if row.approach.name == "multi_task" and "inception" in row.backbone.name
    } | {"thesis/single_task_inception_deep_classifier"}
    temporal = {name: compose(f"experiment={name}") for name in EXPERIMENTS if name.startswith("thesis/t")}
    for name, row in temporal.items():
        if isinstance(row.backbone, config.ClipBackbone):
            assert (row.backbone.input.size, row.backbone.input.frames) == (224, 20), name
            assert row.backbone.input.stride_sec is None, name
            assert ("cnn3d" not in name) or row.backbone.name == "cnn3d_thesis"
    for name, layers, hidden in (("lstm", 2, [512]), ("gru", 1, [128])):
        row = temporal[f"thesis/temporal_{name}"]
        network = row.backbone
        assert isinstance(network, config.RecurrentBackbone)
        assert (network.name, network.hidden, network.layers, network.pool) == (name, 256, layers, "last")
        assert (network.motion, network.bidirectional, network.dropout, network.frames) == (False, False, 0.0, 20)
        assert (network.frame.name, network.frame.input.size) == ("pixels", 224)
        assert row.head.hidden == hidden


# --- spacing of frames -----------------------------------------------------------------------------------------------


def stride(*overrides: str) -> float | None:
    return compose("approach=temporal", "data.rate_fps=15", *overrides).backbone.input.stride_sec


def test_published_weights_see_frames_as_far_apart_as_in_their_training() -> None:
    seconds = {name: stride(f"backbone={name}", "backbone.weights=default") for name in config.TRAINED_STRIDE_SEC}
    pytorchvideo = {"slow_r50": 8 / 30, "x3d_s": 6 / 30, "efficient_x3d_s": 6 / 30}
    assert seconds == pytorchvideo | {
        name: pytest.approx(1 / rate)
        for name, rate in {
            "r3d_18": 15, "mc3_18": 15, "r2plus1d_18": 15, "s3d": 15, "mvit_v2_s": 7.5, "swin3d_t": 15,
            "videomae": 7.5, "vjepa2": 7.5, "marlin": 12,
        }.items()
    }  # fmt: skip
    assert stride("backbone=x3d_s") is None  # random weights know no spacing
    for value, expected in (("null", None), ("0.5", 0.5)):
        words = ["backbone=x3d_s", "backbone.weights=default", f"backbone.input.stride_sec={value}"]
        assert stride(*words) == expected


def test_a_pattern_becomes_its_experiments() -> None:
    def expand(word: str) -> list[str]:
        return rewrite([word], CONF, sweep=True)[0].partition("=")[2].split(",")

    whole = expand("experiment=thesis/*")
    assert len(whole) == 32
    assert not any("_base" in name or "from_run" in name for name in whole)
    assert whole == [name for name in EXPERIMENTS if name.count("/") == 1 and name.startswith("thesis/")]
    assert len(expand("experiment=thesis/single_task_*")) == 11
    assert expand("experiment=thesis/temporal_x3d_s,synthetic/temporal*") == [
        "thesis/temporal_x3d_s", "synthetic/temporal", "synthetic/temporal_multi_task",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"32 experiments are a sweep, which needs -m"):
        rewrite(["experiment=thesis/*"], CONF, sweep=False)
    with pytest.raises(UserError, match=r"experiment=theses/\*: no experiment matches"):
        rewrite(["experiment=theses/*"], CONF, sweep=True)


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overrides", "line"), [
    ("approach=tempral", r"approach=tempral: no such option; did you mean 'temporal'\? \(there are: multi_task, r"),
    ("trainer.gpu=1", r"unknown key 'trainer\.gpu'; did you mean 'trainer\.gpus'\?"),
    ("optimizer.lrr=0.1", r"unknown key 'optimizer\.lrr'; did you mean 'optimizer\.lr'\?"),
    ("+optimizer.lrr=0.1", r"unknown key 'optimizer\.lrr'; did you mean 'optimizer\.lr'\?"),
    ("optimiser=adam", r"unknown key 'optimiser'; did you mean 'optimizer'\?"),
    ("+seed=1", r"seed exists: write seed=… without the \+"),
    ("loss/emotin=focal", r"unknown key 'loss/emotin'; did you mean 'loss/emotion'\?"),
    ("loss=focal", r"loss is chosen by part: .*loss/emotion=…"),
    ("data=sase_fe", r"data\.root is missing: give the folder of data=sase_fe as data\.root=/path/to/it"),
    ("optimizer.lr=fast", r"optimizer\.lr=fast: expected a number"),
    ("trainer.max_epochs=1.5", r"trainer\.max_epochs=1\.5: expected a whole number"),
    ("compile=maybe", r"compile=maybe: expected true or false"),
    ("data.batch_size=0", r"data\.batch_size=0: expected at least 1"),
    ("data.window=0.5", r"data\.window=0\.5: expected a list, such as \[a,b\]"),
    ("trainer.gpus=all", r"trainer\.gpus=all: expected .*'auto'.* or a whole number or a list"),
    ("sweep.rerun=everything", r"sweep\.rerun=everything: expected 'none', 'failed' or 'all'"),
    ("approach.tasks=[emotions]", r"approach\.tasks=\[emotions\]: expected .*; did you mean 'emotion'\?"),
    ("logger=[tensorboard,wand]", r"logger=wand: no such option; did you mean 'wandb'\?"),
    ("precision=64", r"precision=64: no such option \(there are: 16, 32, bf16\)"),
    ("a=[1", r"a=\[1: not understood as key=value \(brackets or quotes do not match"),
    ("seed", r"seed: not understood as key=value \(no = in it\)"),
    ("seed=1,2", r"seed=1,2: several values are a sweep, which needs -m; one list is written seed=\[1,2\]"),
    ("seed=${missing}", r"seed: Interpolation key 'missing' not found"),
    ("backbone=null", r"backbone is missing: give it as backbone=…"),
    ("approach=null", r"approach is missing: give it as approach=…"),
    ("experiment=thesis/temporal_slowr50", r"experiment=thesis/temporal_slowr50: no such experiment; did you mean 'th"),
    ("experiment=zzz", r"experiment=zzz: no such experiment; none is spelt like it"),
    ("experiment=thesis/from_run/fine_tune", r"init_from is missing: give the trained run as init_from=out"),
    ("hydra/launcher=joblib", r"hydra/launcher=joblib: chosen with launcher=… here \(there are: basic, joblib, ray"),
    ("approach=temporal backbone=resnet18", r"backbone=resnet18 is a frame backbone, but approach=temporal needs a"),
    ("backbone=slow_r50", r"backbone=slow_r50 is a clip backbone, but approach=single_task needs a frame backbone"),
    ("optimized_metric=test/clip/joint_accuracy", r"expected a validation metric"),
    ("optimized_metric=val/clip/joint_acuracy", r"no such metric; did you mean 'val/clip/joint_accuracy'\? \(th"),
    ("optimized_metric=val/joint_accuracy", r"no such metric; did you mean 'val/\w+/joint_accuracy'\?"),
    ("approach=multi_task optimized_metric=val/frame/loss_joint", r"no such metric; did you mean 'val/frame/loss'\?"),
    ("scheduler=plateau scheduler.monitor=val/frame/los", r"scheduler\.monitor=.*; did you mean 'val/frame/loss'\?"),
    ("approach.tasks=[joint,emotion]", r"approach\.tasks=\[joint,emotion\]: expected auto, or one of \[joint\], \[emo"),
    ("approach.tasks=[emotion,emotion]", r"approach\.tasks=\[emotion,emotion\]: expected auto, or one of"),
    ("approach.tasks=[]", r"approach\.tasks=\[\]: expected auto, or one of"),
    ("approach.tasks=[authenticity] optimized_metric=val/clip/joint_accuracy", r"no such metric; did you mean 'val/"),
    ("data=uva_nemo data.root=. approach.tasks=[joint]", r"approach\.tasks=.*: data=uva_nemo has one emotion, happy"),
    ("data.emotions=[happy,happy]", r"data\.emotions=\[happy,happy\]: happy twice; expected each emotion once"),
    ("data.emotions=[Fear]", r"data\.emotions=\[Fear\]: 'Fear'; expected a word for an emotion in lower case"),
    ("data.emotions=[real]", r"data\.emotions=\[real\]: 'real'; expected a word for an emotion in lower case"),
    ("data.emotions=[]", r"data\.emotions=\[\]: expected at least one"),
    ("approach.samples=sequences backbone=cnn3d", r"approach\.samples=sequences: approach=single_task has frames"),
    ("split=loso split.fold=20", r"split\.fold=20: expected 0 to 19, one for each subject"),
    ("split=kfold split.folds=21", r"split\.folds=21: there are only 20 subjects; use fewer folds"),
    ("data.subjects=2", r"split=holdout: 2 subjects; at least 3 are needed"),
    ("trainer.strategy=nonsense", r"trainer\.strategy=nonsense: expected one of auto, ddp,"),
    ("trainer.strategy=dpd", r"trainer\.strategy=dpd: expected one of auto, ddp, .*; did you mean 'ddp'\?"),
    ("trainer.gpus=[0,0]", r"trainer\.gpus=\[0,0\]: GPU 0 twice; expected each id once"),
    ("trainer.gpus=[]", r"trainer\.gpus=\[\]: no GPU in the list; expected auto, a number, ids, or 0 for the CPU"),
    ("logger=[csv,tensorboard,csv]", r"logger=\[csv,tensorboard,csv\]: csv twice; expected each once"),
    ("signals=[motion,motion]", r"signals=\[motion,motion\]: motion twice; expected each once"),
    ("auxiliary=[center,center]", r"auxiliary=\[center,center\]: center twice; expected each once"),
    ("logger=[csv,null]", r"logger=\[csv,null\]: null is no option; logger=null takes all away"),
    ("auxiliary=[center,null]", r"auxiliary=\[center,null\]: null is no option; auxiliary=null takes all away"),
    ("auxiliary=[pairranking]", r"auxiliary=pairranking: no such option; did you mean 'pair_ranking'\?"),
    ("auxiliary.center.rate=0.1", r"auxiliary\.center\.rate is a key of auxiliary=center only: choose that too$"),
    ("auxiliary=[center] auxiliary.center.weight=0", r"auxiliary\.center\.weight=0: expected more than 0"),
    ("auxiliary=[center] backbone.freeze=true", r"auxiliary\.center: backbone\.freeze=true leaves the features as"),
    ("auxiliary=[center] approach.tasks=[emotion] auxiliary.center.task=joint",
     r"auxiliary\.center\.task=joint: expected auto, or one of emotion$"),
    ("auxiliary=[pair_ranking] approach.tasks=[emotion]", r"auxiliary\.pair_ranking: approach\.tasks=\[emotion\] tel"),
    ("auxiliary=[next_frame]", r"auxiliary\.next_frame: backbone=tiny_cnn predicts no frames; expected lstm_pb$"),
    ("approach=temporal signals=[drawn] backbone=lstm_pb", r"backbone=lstm_pb: it learns by its own error alone; exp"),
    ("approach=temporal signals=[drawn] backbone=lstm_pb auxiliary=[next_frame] backbone.freeze=true",
     r"auxiliary\.next_frame: backbone\.freeze=true leaves nothing to learn by it; expected to do without$"),
    ("approach=temporal backbone=lstm_pb", r"backbone\.streams=\[landmarks\]: the data have no stream landmarks"),
    ("approach=temporal signals=[drawn] backbone=lstm_pb backbone.streams=[units]",
     r"backbone\.streams=\[units\]: backbone=lstm_pb predicts points of a face; expected one such stream"),
    ("approach=temporal signals=[drawn] backbone=lstm_pb backbone.streams=[landmarks_velocity]",
     r"backbone\.streams=\[landmarks_velocity\]: in .* a second; expected backbone\.standardise=true, which"),
    ("approach=temporal signals=[drawn] backbone=lstm_pb backbone.frames=1", r"backbone\.frames=1: no moment has a n"),
    ("optimized_metric=val/frame/loss_pair_ranking", r"no such metric"),
    ("auxiliary=[regression]", r"auxiliary\.regression: the data have no stream units_apex \(there are: pixels, box\)"),
    ("auxiliary=[regression] signals=[drawn] auxiliary.regression.target=units",
     r"auxiliary\.regression\.target=units: it has many values a clip; expected intensity, apex, or a stream with one"),
    ("auxiliary=[regression] signals=[drawn] auxiliary.regression.target=landmark_markers",
     r"auxiliary\.regression: the data have no stream landmark_markers; did you mean 'landmarks_markers'\?"),
    ("auxiliary=[regression] signals=[drawn] backbone.freeze=true", r"auxiliary\.regression: backbone\.freeze=true le"),
    ("auxiliary=[regression] signals=[drawn] data.window=[0.4,0.9]", r"data\.window=\[0\.4,0\.9\]: units_apex is meas"),
    ("auxiliary=[pair_ranking] optimized_metric=val/clip/loss_pair_ranking", r"no such metric.*val/frame/loss_pair_"),
    ("loss_mix=gradnorm backbone.freeze=true", r"loss_mix=gradnorm: backbone\.freeze=true leaves no trained weights"),
    ("loss_mix=gradnorm backbone=numbers", r"loss_mix=gradnorm: backbone\.freeze=true leaves no trained weights"),
    ("backbone=numbers backbone.freeze=false", r"backbone\.freeze=false: backbone=numbers has nothing to train; expec"),
    ("backbone=numbers backbone.streams=[pixels,box]", r"backbone=numbers takes streams of numbers, no pixels"),
    ("approach=temporal backbone=numbers", r"backbone=numbers is a frame backbone, but approach=temporal needs a clip"),
    ("loss_mix=gradnorm backbone=pixels", r"loss_mix=gradnorm: backbone=pixels leaves no trained weights"),
    ("sampling.pairs=true data.batch_size=5", r"data\.batch_size=5: sampling\.pairs=true takes samples two by two; "),
    ("trainer.threads=100000", r"trainer\.threads=100000: expected at most 1024"),
    ("data.workers=100000", r"data\.workers=100000: expected at most 1024"),
    ("seed=99999999999999999999", r"seed=99999999999999999999: expected at most 4294967295"),
    ("trainer.limit_train_batches=0", r"trainer\.limit_train_batches=0: expected at least 1 or more than 0"),
    ("trainer.limit_val_batches=0.0", r"trainer\.limit_val_batches=0\.0: expected .*more than 0"),
    ("trainer.limit_test_batches=1.5", r"trainer\.limit_test_batches=1\.5: expected .*at most 1"),
    ("debug=default trainer.check_val_every_n_epoch=2", r"trainer\.check_val_every_n_epoch=2: .* at most tr"),
    ("trainer.min_epochs=31", r"trainer\.min_epochs=31: expected at most trainer\.max_epochs=30"),
    ("data.batch_size=1 head=mlp head.batch_norm=true", r"data\.batch_size=1: head\.batch_norm=true takes stat"),
    ("data.batch_size=1 backbone=inception_resnet_v1", r"data\.batch_size=1: backbone=inception_resnet_v1, wh"),
    ("optimizer.weight_decay=nan", r"optimizer\.weight_decay=nan: expected a finite number"),
    ("loss_mix=weighted loss_mix.joint=inf", r"loss_mix\.joint=inf: expected a finite number"),
    ("backbone=timm +backbone.mean=[0.5]", r"backbone\.mean=\[0\.5\]: expected three values, one a channel"),
    ("data.prepared=''", r"data\.prepared='': expected text that is not blank, or null"),
    ("head.hidden=[64]", r"head\.hidden is a key of head=mlp only: choose that too$"),
    ("experiment=field/small/lstm_pb head=linear head.rounds=3",
     r"head\.rounds in .*lstm_pb\.yaml is a key of head=boosted_trees only: choose that too$"),
    ("optimizer.momentum=0.5", r"optimizer\.momentum is a key of optimizer=rmsprop or optimizer=sgd only: choose one"),
    ("logger.wandb.project=x", r"logger\.wandb\.project is a key of logger=wandb only"),
    ("launcher.n_jobs=2", r"launcher\.n_jobs is a key of launcher=joblib only"),
    ("published.metrics={x:1.0}", r"published\.metrics is in none of the files that were chosen: write \+published\.m"),
    ("split=kfold split.fold=5", r"split\.fold=5: expected 0 to 4"),
    ("approach=temporal backbone=r3d_18 backbone.weights=default",
     r"data\.rate_fps=10: too few crops a second for r3d_18, .* 0\.06667 s apart; expected data\.rate_fps=15 or more"),
    ("approach=temporal backbone.stride_sec=0.05", r"data\.rate_fps=10: too few .* or backbone\.stride_sec=null"),
    ("approach=temporal backbone=x3d_s backbone.input.stride_sec=train",
     r"backbone\.input\.stride_sec=train: expected trained, a number of seconds or null"),
    ("approach=temporal backbone=cnn3d backbone.input.stride_sec=trained",
     r"backbone\.input\.stride_sec=trained: expected a number of seconds or null \(cnn3d\)"),
    ("data.window=[0.4,0.9] sampling.window=[0.0,1.0]", r"sampling\.window=\[0\.0,1\.0\] reaches beyond data\.win"),
    ("trainer.check_val_every_n_epoch=31", r"trainer\.check_val_every_n_epoch=31: expected at most .*max_epochs=30"),
    ("trainer.limit_val_batches=0", r"trainer\.limit_val_batches=0: expected at least 1 or more than 0"),
    ("scheduler=cosine scheduler.min_lr=1.0", r"scheduler\.min_lr=1: expected at most optimizer\.lr=0\.003"),
    ("scheduler=plateau scheduler.min_lr=1.0", r"scheduler\.min_lr=1: expected at most optimizer\.lr=0\.003"),
    ("scheduler=cosine scheduler.warmup_epochs=30", r"scheduler\.warmup_epochs=30: expected fewer than .*epochs=30"),
    ("scheduler=plateau scheduler.monitor=train/frame/loss", r"scheduler\.monitor=train/frame/loss: expected a valid"),
    ("optimizer=sgd optimizer.nesterov=true optimizer.momentum=0.0", r"optimizer\.nesterov=true: expected optimizer\."),
    ("optimizer.betas=[0.9]", r"optimizer\.betas=\[0\.9\]: expected at least 2 values"),
    ("optimizer.betas=[0.9,0.99,0.5]", r"optimizer\.betas=\[0\.9,0\.99,0\.5\]: expected at most 2 values"),
    ("optimizer.betas=[0.9,1.0]", r"optimizer\.betas\.1=1\.0: expected less than 1"),
    ("optimizer=rmsprop optimizer.alpha=1.0", r"optimizer\.alpha=1\.0: expected less than 1"),
    ("optimizer.lr=inf", r"optimizer\.lr=inf: expected a finite number"),
])  # fmt: skip
def test_a_mistake_is_one_line_that_helps(overrides: str, line: str) -> None:
    with pytest.raises(UserError, match="^(?:.*: )?" + line) as caught:
        compose(*overrides.split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("overrides", "head", "auxiliary"), [
    ("experiment=field/small/lstm_pb head=linear", "linear", ["next_frame"]),
    ("experiment=field/small/lstm_pb head=mlp head.hidden=[8]", "mlp", ["next_frame"]),
    ("experiment=field/small/multi_task_huber auxiliary=[]", "mlp", []),
    ("experiment=field/small/multi_task_huber auxiliary=[center]", "mlp", ["center"]),
])  # fmt: skip
def test_what_an_experiment_says_of_an_option_goes_with_it(overrides: str, head: str, auxiliary: list[str]) -> None:
    cfg = compose(*overrides.split())
    assert cfg.head.name == head
    assert [name for name, term in cfg.auxiliary if term is not None] == auxiliary


def test_what_an_option_itself_says_wrongly_is_told(tmp_path: Path) -> None:
    (tmp_path / "head").mkdir()
    (tmp_path / "head/mine.yaml").write_text("defaults:\n  - linear\n  - _self_\nhidden: [4]\n")
    with pytest.raises(UserError, match=r"^head\.hidden in .*head/mine\.yaml is a key of head=mlp only"):
        compose("head=mine", f"hydra.searchpath=[file://{tmp_path}]")


def test_all_that_is_prepared_is_sampled() -> None:
    assert compose().sampling.window == [0.0, 1.0]
    assert compose("data.window=[0.4,0.9]").sampling.window == [0.4, 0.9]
    assert compose("data.window=[0.4,0.9]", "sampling.window=[0.5,0.6]").sampling.window == [0.5, 0.6]


def test_one_batch_of_everything_needs_no_best_epoch() -> None:
    assert compose("debug=fast_dev_run", "trainer.check_val_every_n_epoch=9").trainer.fast_dev_run


OLDER_RUNS = {
    "data.subjects": "each_clip",
    "data.patience_sec": 300.0,
    "data.decoder": "pyav",
    "data.columns": dict.fromkeys(config.TableColumns.model_fields),
    "backbone.normalize": False,
    "backbone.repeat_crops": True,
    "backbone.input.repeat_crops": True,
    "backbone.frame.normalize": False,
    "optimizer.decay_norms": True,
}
"""Keys that came after the first runs, and what those did without them."""


@pytest.mark.parametrize("backbone", ["gru", "x3d_s"])
def test_runs_from_before_load_as_they_were_trained(backbone: str, tmp_path: Path) -> None:
    """Without the keys that came later, and with what training refuses today."""
    words = ["data=csv", "data.root=t.csv", "data.window=[0.2,0.8]", "face=yunet"]
    cfg = compose("approach=temporal", f"backbone={backbone}", *words)
    old = as_plain(cfg)
    old["sampling"]["window"] = [0.0, 1.0]
    old["backbone"]["cache_features"] = True  # was noted, of no consequence
    (old["backbone"] if backbone == "gru" else old["backbone"]["input"])["stride_sec"] = 0.05  # of a crop each 0.1 s
    expected = {}
    for key, value in OLDER_RUNS.items():
        *parents, last = key.split(".")
        node = old
        for step in parents:
            node = node.get(step, {})
        if last in node:
            del node[last]
            expected[key] = value
    assert len(expected) >= 6
    run = RunFolder(tmp_path)
    run.config.parent.mkdir()
    run.config.write_text(yaml.safe_dump(old))
    found = run.load_config()
    for key, value in expected.items():
        node = as_plain(found)
        for step in key.split("."):
            node = node[step]
        assert node == value, key
    assert found.sampling.window == [0.0, 1.0]
    assert not compose().optimizer.decay_norms
    assert not cfg.backbone.model_dump().get("repeat_crops")


def test_the_thesis_decays_norms() -> None:
    assert all(
        compose(f"experiment={name}").optimizer.decay_norms for name in EXPERIMENTS if name.startswith("thesis/t")
    )


def test_a_run_keeps_what_it_trained_with(tmp_path: Path) -> None:
    """Beside its checkpoints, resolved, under a format number; Hydra may have written something else since."""
    cfg, run = compose("data.window=[0.2,0.8]", "experiment_name='1e3'"), RunFolder(tmp_path)
    run.config.parent.mkdir()
    run.config.write_text(yaml.safe_dump(as_plain(compose())))
    run.save_config(cfg, "feed")
    assert run.load_config() == cfg
    assert run.trained_on() == "feed"
    saved = yaml.safe_load(run.trained_config.read_text())
    assert (saved["format"], saved["sampling"]["window"]) == (FORMAT, [0.2, 0.8])
    run.trained_config.write_text(yaml.safe_dump(saved | {"format": FORMAT + 1}))
    with pytest.raises(UserError, match=rf"format={FORMAT + 1}: expected 1 to {FORMAT}; a newer realfake wrote it"):
        run.load_config()
    del saved["optimizer"]["decay_norms"]
    run.trained_config.write_text(yaml.safe_dump(saved))  # of this format: nothing is guessed
    with pytest.raises(UserError, match=r"optimizer\.adamw\.decay_norms is missing|optimizer\.decay_norms is missing"):
        run.load_config()


@pytest.fixture
def own_experiments(tmp_path: Path) -> Path:
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "other.yaml").write_text("# @package _global_\nhead:\n  hidden: [64]\n")
    (folder / "typo.yaml").write_text("# @package _global_\noptimizer:\n  lrr: 0.1\n")
    (folder / "group.yaml").write_text("# @package _global_\ndefaults:\n  - override /optimiser: sgd\n")
    (folder / "broken.yaml").write_text("# @package _global_\noptimizer: [1\n")
    (folder / "good.yaml").write_text("# @package _global_\ndefaults:\n  - override /optimizer: sgd\n")
    return folder.parent


@pytest.mark.parametrize(("name", "line"), [
    ("typo", "error: unknown key 'optimizer.lrr' in mine/experiment/typo.yaml; did you mean 'optimizer.lr'?"),
    ("group", "error: unknown key 'optimiser' in experiment/group.yaml; did you mean 'optimizer'?"),
])  # fmt: skip
def test_a_mistake_in_a_file_names_the_file(
    name: str, line: str, own_experiments: Path, command: Command, tmp_path: Path
) -> None:
    done = command("train", "--config-dir", str(own_experiments), f"experiment={name}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == line
    assert not (tmp_path / "outputs").exists() or not list((tmp_path / "outputs").glob("*/*"))


def test_broken_yaml_names_the_line(own_experiments: Path, command: Command, tmp_path: Path) -> None:
    done = command("train", "--config-dir", str(own_experiments), "experiment=broken", cwd=tmp_path)
    assert done.returncode == 1
    assert "broken.yaml" in done.stderr
    assert "no valid YAML" in done.stderr
    assert done.stderr.count("\n") == 1


def test_own_experiments_join_a_sweep(own_experiments: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["-m", "--config-dir", str(own_experiments), "sweep.name=x"]
    check_sweep("train", [*words, "experiment=good,synthetic/temporal"], TrainConfig)
    with pytest.raises(UserError, match=r"head\.hidden in mine/experiment/other\.yaml is a key of head=mlp only"):
        check_sweep("train", [*words, "experiment=other"], TrainConfig)
    with pytest.raises(UserError, match=r"'optimizer.lrr' in mine/.*typo.*\(in the run experiment=typo\)"):
        check_sweep("train", [*words, "experiment=good,typo"], TrainConfig)


def test_evaluate_refuses_paths_that_are_no_text_and_keys_of_another_dataset() -> None:
    def data(*words: str) -> object:
        return composition.compose("evaluate", ["run=x", *words], EvaluateConfig).data

    assert data("data.root=/videos") == OwnData(name=None, root="/videos", prepared=None)
    assert isinstance(data("data=synthetic"), config.SyntheticData)
    for words, line in (
        (["data.prepared=5"], r"^data\.prepared=5: expected text"),
        (["data=synthetic", "data.subjects=one"], r"^data\.subjects=one: expected a whole number"),
        (["data=csv"], r"^data\.root is missing"),
    ):
        with pytest.raises(UserError, match=line):
            data(*words)


def test_what_a_run_starts_from_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "finished"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "config.yaml").touch()
    for words, line in (
        ([f"init_from={tmp_path}/finishd"], r"^init_from=.*/finishd: no such folder; did you mean '?.*/finished"),
        ([f"ckpt={tmp_path}/finishd"], r"^ckpt=.*/finishd: no such folder; did you mean '?.*/finished"),
        ([f"init_from={run}"], r"^init_from=.*: no checkpoints/best\.ckpt there"),
        ([f"ckpt={run}"], r"^ckpt=.*: no checkpoints/last\.ckpt there"),
        (["face=yunet", f"face.weights={run}/x.onnx"], r"^face\.weights=.*: no such file"),
    ):
        with pytest.raises(UserError, match=line):
            check_start(compose(*words))
    (run / "checkpoints").mkdir()
    for name in ("best", "last"):
        (run / "checkpoints" / f"{name}.ckpt").touch()
    check_start(compose(f"init_from={run}", f"ckpt={run}"))
    check_start(compose("ckpt=last"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    with pytest.raises(UserError, match=r"^ckpt=lst: no such file or folder; did you mean 'last'\?"):
        check_start(compose("ckpt=lst"))
    with pytest.raises(UserError, match=r"^init_from=tt: no such folder; expected"):  # t is no run
        check_start(compose("init_from=tt"))


def test_what_an_older_run_went_through_with_still_loads() -> None:
    saved = as_plain(compose())
    saved["approach"]["tasks"] = ["emotion"]  # was of no consequence
    saved["trainer"] |= {"min_epochs": 99, "gpus": []}
    assert validate(saved, TrainConfig, trained=True).trainer.min_epochs == 99
    with pytest.raises(UserError, match=r"trainer\.gpus=\[\]"):
        validate(saved, TrainConfig)


def test_a_changed_configuration_is_checked() -> None:
    cfg = compose()
    new = changed(cfg, {"trainer.threads": 2, "data.root": "/videos", "face": config.NoFace(name="none")})
    assert (new.trainer.threads, new.data.root, new.face.name) == (2, "/videos", "none")
    assert changed(new, {"trainer.threads": None, "data.root": None, "face": cfg.face}) == cfg
    for changes, line in (
        ({"data.prepared": 5}, r"^data\.prepared=5: expected text"),
        ({"trainer.thread": 5}, r"^unknown key 'trainer\.thread'; did you mean 'trainer\.threads'\?"),
        ({"data.batch_size": 0}, r"^data\.batch_size=0: expected at least 1"),
    ):
        with pytest.raises(UserError, match=line):
            changed(cfg, changes)


def test_nothing_changes_a_configuration_unchecked() -> None:
    code = {p.name: p.read_text() for p in (CONF.parent / "realfake").rglob("*.py")}
    assert not [name for name, text in code.items() if ".model_copy(" in text or ".model_construct(" in text]


# --- sweeps ----------------------------------------------------------------------------------------------------------


def test_all_runs_are_checked_before_the_first_starts(command: Command, tmp_path: Path) -> None:
    done = command("train", "-m", "approach=temporal,single_task", "backbone=gru,resnet18", "seed=1,2", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: backbone=resnet18 is a frame backbone")
    assert "(in the run approach=temporal backbone=resnet18 seed=1)" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "multirun").exists()


@pytest.mark.parametrize(("words", "line"), [
    ("seed=1,2,-3", r"seed=-3: expected at least 0 \(in the run seed=-3\)"),
    ("optimizer.lr=0.1,fast loss_mix=sum,dwa", r"optimizer\.lr=fast: expected a number \(in the run optimizer\.lr"),
    ("approach=multi_task,tempral", r"approach=tempral: no such option; did you mean 'temporal'\?.*in the run appro"),
    ("trainer.gpu=1 seed=1,2", r"unknown key 'trainer\.gpu'"),
    ("precision=16,32,8", r"precision=8: no such option"),
    ("split=kfold split.fold=0,1,9", r"split\.fold=9: expected 0 to 4"),
])  # fmt: skip
def test_a_sweep_with_a_bad_value_is_refused(words: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        check_sweep("train", ["-m", *rewrite(words.split(), CONF, sweep=True), "sweep.name=x"], TrainConfig)


def test_a_missing_plugin_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    check_plugin("launcher=basic", "hydra._internal.core_plugins.basic_launcher.BasicLauncher")
    with pytest.raises(
        UserError, match=r"^launcher=cloud: hydra_cloud_launcher is not installed: pip install hydra-cloud-l"
    ):
        check_plugin("launcher=cloud", "hydra_plugins.hydra_cloud_launcher.x.CloudLauncher")
    monkeypatch.setattr("realfake.composing.overrides._installed", lambda module: False)
    with pytest.raises(UserError, match=r"hydra_joblib_launcher is not installed: pip install '?hydra-joblib-launcher"):
        check_plugin("launcher=joblib", "hydra_plugins.hydra_joblib_launcher.x.JoblibLauncher")


@pytest.mark.parametrize(("line", "expected"), [
    ("seed=1,2 -m approach=temporal", "seed=1,2 approach=temporal --multirun"),
    ("-m seed=1 --config-dir mine approach=temporal", "seed=1 approach=temporal --multirun --config-dir=mine"),
    ("seed=1 --multi seed=2", "seed=1 seed=2 --multirun"),
    ("--cfg job seed=1 --config-dir=mine", "seed=1 --cfg=job --config-dir=mine"),
    ("seed=1 --info seed=2", "seed=1 seed=2 --info"),
    ("--info config seed=2", "seed=2 --info=config"),
])  # fmt: skip
def test_options_may_stand_anywhere_on_the_line(line: str, expected: str) -> None:
    words = ordered(line.split())
    assert words == expected.split()
    assert get_args_parser().parse_args(words).overrides == [w for w in words if "=" in w and not w.startswith("-")]


@pytest.mark.parametrize(("line", "message"), [
    ("--multrun seed=1,2", r"^--multrun: no such option; did you mean '--multirun'\?"),
    ("--seed=1", r"^--seed=1: no such option; did you mean seed=1\?"),
    ("seed=1 --config-dir", r"^--config-dir: expected a value after it"),
    ("--cfg=jobs", r"^--cfg=jobs: expected one of job, hydra, all"),
    ("--multirun=true seed=1", r"^--multirun=true: expected --multirun alone"),
    ("--cfg seed=1", r"^--cfg seed=1: expected one of job, hydra, all"),
    ("-m --cfg job", r"^-m --cfg: only one of these can be given"),
])  # fmt: skip
def test_a_wrong_option_is_one_line(line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ordered(line.split())


def test_a_sweep_is_asked_for_after_its_overrides(command: Command, tmp_path: Path) -> None:
    done = command("train", "seed=1,-2", "-m", "ckpt=nope", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ckpt=nope: no such folder")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_sweep_is_named_by_what_it_runs() -> None:
    def name(*words: str) -> str:
        return next(word for word in name_sweep(["--multirun", *words]) if word.startswith("sweep.name="))

    assert name("seed=1,2", "approach=temporal") == name("approach=temporal", "seed=1,2")
    assert name("seed=1,2") == name("seed=1,2", "launcher=joblib", "launcher.n_jobs=4", "sweep.rerun=failed")
    assert name("seed=1,2") != name("seed=1,2,3")
    assert name("seed=1,2", "sweep.name=mine") == "sweep.name=mine"
    assert name_sweep(["seed=1"]) == ["seed=1"]
    assert name("seed=1,2", "sweep.name=null") == name("seed=1,2")
    for out in ("..", "/tmp/x", "a/../b", "''"):
        with pytest.raises(UserError, match=r"^sweep\.name=.*: expected the name of a folder below multirun/$"):
            name(f"sweep.name={out}")


def test_a_run_of_a_sweep_is_found_again_wherever_it_ran() -> None:
    def folder(*overrides: str) -> str:
        return composed("approach=temporal", "sweep.name=x", *overrides).hydra.sweep.subdir

    assert folder("seed=1") == folder(
        "launcher=joblib", "seed=1", "sweep.resume=false", "sweep.trials=3", "search=optuna"
    )
    assert folder("seed=1") != folder("seed=2")
    assert len(folder("seed=1")) == 12


def test_words_that_hydra_would_not_understand() -> None:
    assert rewrite(["precision=16", "seed=3", "-m"], CONF, sweep=False) == ["precision='16'", "seed=3", "-m"]
    assert rewrite(["precision=16,bf16"], CONF, sweep=True) == ["precision='16',bf16"]
    assert rewrite(["debug=null", "launcher.n_jobs=2"], CONF, sweep=False) == ["~debug", "hydra.launcher.n_jobs=2"]
    assert compose("precision=16").precision.name == "16"
    assert compose("debug=null", "experiment=null").experiment_name is None


# --- what is imported ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "words", "code"), [
    ("train", ["--help"], 0), ("train", ["--cfg", "job"], 0), ("train", ["approach=tempral"], 1),
    ("train", ["experiment=typo"], 1), ("prepare", ["--help"], 0),
])  # fmt: skip
def test_questions_are_answered_without_torch(
    name: str, words: list[str], code: int, own_experiments: Path, tmp_path: Path
) -> None:
    """Nothing that takes long is imported; how long the answers take, ``benchmarks.commands`` tells."""
    folder = ["--config-dir", str(own_experiments)] if "experiment=typo" in words else []
    script = (
        "import sys, runpy\n"
        f"sys.argv = ['{name}', *{[*folder, *words]!r}]\n"
        "try:\n"
        f"    runpy.run_module('realfake.{name}', run_name='__main__')\n"
        "finally:\n"
        "    print(sorted({'torch', 'scipy', 'pandas', 'cv2', 'matplotlib', 'decord'} & set(sys.modules)))\n"
    )
    cwd = tmp_path / "empty"
    cwd.mkdir()
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert done.returncode == code
    # What only the schema refuses is found when Hydra has made the folder that runs go to.
    assert not list(cwd.glob("outputs/*/*" if "experiment=typo" in words else "*"))


def test_known_keys_are_dotted_paths_through_all_options() -> None:
    keys = known_keys(TrainConfig)
    assert {
        "trainer.gpus",
        "optimizer.momentum",
        "optimizer.betas",
        "data.subjects",
        "backbone.frame.input.size",
    } <= set(keys)


def test_the_guide_has_all_groups_in_the_words_of_the_help() -> None:
    rows, group = {}, ""
    for line in (CONF.parent / "docs/configuration.md").read_text().split("## Groups")[1].split("\n\n")[1].splitlines():
        names, options, words = (cell.strip() for cell in line.strip("|").split("|", 2))
        group = names or group
        for name in group.replace("`", "").split(", "):
            before = rows.get(name, ("", ""))
            rows[name] = before[0] + options, before[1] + words
    said = group_words("train")
    assert {*said} == {*rows} - {"group", "---"}
    for name, words in said.items():
        assert words in rows[name][1], name
        shown = re.findall(r"`([^`]+)`", rows[name][0])
        if name != "experiment":
            assert sorted(shown) == OPTIONS[name], name


def test_help_says_what_keys_mean(command: Command, tmp_path: Path) -> None:
    done = command("train", "--help", "face=none", cwd=tmp_path)
    approaches = "multi_task, ranking, single_task, temporal, temporal_multi_task"
    assert f"approach: {approaches}  # frames or sequences" in done.stdout
    assert re.search(r"^  frames_per_clip: 8 +# frame approaches: frames of a clip in an epoch$", done.stdout, re.M)
    assert "margin" not in done.stdout  # a key of detectors
    groups = command("prepare", "--help", cwd=tmp_path).stdout.split("== Config ==")[0]
    assert re.findall(r"^([\w/]+): ", groups, re.M) == ["data", "face", "launcher", "signals"]


def test_a_command_is_not_offered_what_only_others_have() -> None:
    with pytest.raises(UserError) as caught:
        composition.compose("prepare", ["trainer.max_epochs=2"], config.PrepareConfig)
    assert str(caught.value) == "unknown key 'trainer.max_epochs'"
