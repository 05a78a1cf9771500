"""Networks over pixels, the face's path, its speed, its dynamics: trained, resumed, tested, explained, exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from processes import Command

import realfake
from realfake.composing.composition import compose
from realfake.config import EvaluateConfig, MediapipeSignal
from realfake.data.preparation import prepare
from realfake.evaluation import testing
from realfake.evaluation.evaluating import evaluate_run
from realfake.experiments.execution import train
from realfake.runs.network import open_trained
from realfake.streams.stream import StreamValues

BOTH = ("approach=temporal", "backbone.streams=[pixels,box,box_velocity,box_dynamics]", "backbone.fusion=gate",
        "backbone.frames=4")  # fmt: skip
NUMBERS = ("approach=temporal", "backbone.streams=[box,motion,motion_asymmetry]", "signals=[motion]",
           "signals.motion.grid=2", "signals.motion.size=32", "backbone.gather=interval",
           "backbone.fusion=multiply")  # fmt: skip
NEUTRAL = ("approach=temporal", "backbone=siamese", "backbone.streams=[pixels,box]", "backbone.frames=4",
           "backbone.neutral_frames=2")  # fmt: skip

Trained = Callable[..., Path]


def videos(run: Path) -> list[tuple[str, Path]]:
    """Clips of the test part and their files."""
    _, cfg, _ = open_trained(run)
    store = prepare(cfg.data, cfg.face, progress=False)
    assert store.root is not None
    paths = dict(zip(store.table["clip"], store.table["path"], strict=True))
    return [(clip, store.root / paths[clip]) for clip in pd.read_csv(run / "predictions.csv")["clip"]]


@pytest.mark.parametrize(
    "overrides", [BOTH, NUMBERS, NEUTRAL], ids=["pixels and box", "box and motion", "against the neutral face"]
)
def test_testing_again_and_predicting_say_the_same(overrides: tuple[str, ...], trained: Trained) -> None:
    run = trained(*overrides)
    results = json.loads((run / "results.json").read_text())
    tester = testing.Tester(run, "cpu")
    assert tester.test().metrics == {k: v for k, v in results["metrics"].items() if k.startswith("test/")}
    known = pd.read_csv(run / "predictions.csv").set_index("clip")
    predictor = realfake.load(run, device="cpu")
    for clip, path in videos(run)[:3]:
        said = predictor.predict(path).by_name()
        for name, value in said.items():
            assert value == pytest.approx(known.loc[clip, f"p_{name}"], abs=1e-6)


def test_standardised_by_the_training_part(trained: Trained) -> None:
    _, _, module = open_trained(trained(*BOTH))
    data = testing.Tester(trained(*BOTH), "cpu").datamodule()
    rows = np.concatenate([data.opened().rows(i) for i in np.flatnonzero(data.parts == "train")])
    assert data.parts.tolist().count("train") > 2
    layer = module.backbone.net.encoders["box"].standardise
    width = data.opened().table["width"].array[0]
    expected = ((rows["x"] + rows["width"] / 2) / width - 0.5).astype(np.float64).mean()
    assert float(layer.mean[0]) == pytest.approx(expected, abs=1e-6)
    assert torch.equal(data.statistics()["box"][0], layer.mean)


def test_resumed_it_ends_as_if_undisturbed(tiny: list[str], tmp_path: Path) -> None:
    words = [*tiny, *BOTH, "scheduler=none", "trainer.max_epochs=2"]
    train([*words[:-1], "trainer.max_epochs=1"], tmp_path / "half")
    train([*words, f"ckpt={tmp_path}/half/checkpoints/last.ckpt"], tmp_path / "resumed")
    train(words, tmp_path / "whole")
    states = [torch.load(tmp_path / name / "checkpoints/last.ckpt")["state_dict"] for name in ("resumed", "whole")]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_explained_by_stream_point_and_moment(trained: Trained, command: Command, tmp_path: Path) -> None:
    run = trained(*BOTH)
    _, path = videos(run)[0]
    done = command("predict", f"run={run}", f"input={path}", "explain=true", f"out={tmp_path}/out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    drawn = {file.name for file in (tmp_path / "out/annotated").iterdir()}
    assert {f"{path.stem}.explained.png", f"{path.stem}.streams.png"} <= drawn


def test_shares_are_what_is_lost_with_a_number_a_moment_or_all(trained: Trained) -> None:
    from realfake.prediction.stream_shares import shares_of

    _, _, module = open_trained(trained("approach=temporal", "backbone.streams=[box]", "backbone.frames=4"))
    torch.manual_seed(0)
    stream = StreamValues(torch.randn(2, 4, 4), torch.arange(4.0).expand(2, 4), torch.ones(2, 4, dtype=torch.bool))
    logits = module.logits({"box": stream})
    decided = module.guesses(logits)
    found = shares_of(module, {"box": stream}, decided, at_once=3)["box"]

    def p(values: torch.Tensor, task: str, sample: int) -> float:
        said = module.logits({"box": stream._replace(values=values)})
        complete = module.space.complete({t: v.softmax(dim=1) for t, v in said.items()})
        return float(complete[task][sample, decided[task][sample]])

    still = stream.values.mean(dim=1, keepdim=True).expand_as(stream.values)
    for sample, share in enumerate(found):
        for task in ("emotion", "authenticity"):
            before = p(stream.values, task, sample)
            assert share.whole[task] == pytest.approx(before - p(still, task, sample), abs=1e-6)
            for k in range(4):
                point, moment = stream.values.clone(), stream.values.clone()
                point[:, :, k], moment[:, k] = still[:, :, k], still[:, k]
                assert share.points[task][k] == pytest.approx(before - p(point, task, sample), abs=1e-6)
                assert share.time[task][k] == pytest.approx(before - p(moment, task, sample), abs=1e-6)


def test_heads_on_a_descriptor_are_explained_and_exported(trained: Trained, command: Command, tmp_path: Path) -> None:
    run = trained("approach=single_task", "backbone=numbers", "backbone.streams=[box_dynamics]")
    _, path = videos(run)[0]
    words = [f"run={run}", f"input={path}", "explain=true", f"out={tmp_path}/out"]
    assert (done := command("predict", *words, cwd=tmp_path)).returncode == 0, done.stderr
    assert f"{path.stem}.streams.png" in {file.name for file in (tmp_path / "out/annotated").iterdir()}
    done = command("export", f"run={run}", f"out={tmp_path}", "format=torch_export", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    meta = json.loads((tmp_path / "model.json").read_text())
    assert meta["inputs"]["box_dynamics"]["shape"] == ["batch", 1, 4, 62]
    assert meta["check"]["largest_difference"] < 1e-5


def test_a_descriptor_has_no_first_frame_to_be_compared_with(trained: Trained, tmp_path: Path) -> None:
    run = trained("approach=single_task", "backbone=numbers", "backbone.streams=[box_dynamics]")
    words = [f"run={run}", "resamples=100", "plots=false", f"out={tmp_path / 'out'}"]
    folder = evaluate_run(compose("evaluate", words, EvaluateConfig))
    report = json.loads((folder / "evaluation.json").read_text())
    assert "first frame" not in report["baselines"]
    assert report["first_frame"] is None


def test_of_a_descriptor_the_share_is_what_is_lost_with_the_mean_of_training(trained: Trained) -> None:
    """Of a clip's only value the mean over time would be that value itself."""
    from realfake.prediction.stream_shares import shares_of

    _, _, module = open_trained(trained(*BOTH))
    info = module.cfg.streams["box_dynamics"]
    blank = module.backbone.blank(1)
    assert isinstance(blank, dict)
    mean = module.backbone.net.encoders["box_dynamics"].standardise.mean
    blank["box_dynamics"] = blank["box_dynamics"]._replace(values=(mean + 1.0 + mean.abs()).view(1, 1, *info.shape))
    decided = module.guesses(module.logits(blank))
    share = shares_of(module, blank, decided, at_once=8)["box_dynamics"][0]
    without = {**blank, "box_dynamics": blank["box_dynamics"]._replace(values=mean.view(1, 1, *info.shape))}
    for task, k in decided.items():
        before, after = (
            float(module.space.complete({t: v.softmax(dim=1) for t, v in module.logits(x).items()})[task][0, k[0]])
            for x in (blank, without)
        )
        assert share.whole[task] == pytest.approx(before - after, abs=1e-6)
        assert share.whole[task] != 0.0
    assert share.names == ("x", "y", "width", "height")


def test_points_of_a_face_are_called_by_their_numbers() -> None:
    from realfake.prediction.stream_shares import points_of

    options = MediapipeSignal(name="mediapipe", weights="unused", rate_fps="full")
    infos = {info.name: info for info in options.infos()}
    names, mask = points_of(infos["mesh"])
    assert (len(names), len(set(names)), names[12]) == (478, 478, "point 12")
    assert [infos["mesh"].names()[k] for k in mask[12].nonzero()[:, 0].tolist()] == ["x_12", "y_12", "z_12"]
    assert points_of(infos["units"])[0] == infos["units"].names()


def test_exported_with_an_input_a_stream(trained: Trained, command: Command, tmp_path: Path) -> None:
    done = command("export", f"run={trained(*BOTH)}", f"out={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "clips of the test part" in done.stdout
    meta = json.loads((tmp_path / "model.json").read_text())
    assert list(meta["inputs"]) == ["pixels", "box", "box_velocity", "box_dynamics"]
    assert meta["inputs"]["box_dynamics"]["shape"] == ["batch", 1, 4, 62]
    assert meta["inputs"]["box_dynamics"]["components"][:2] == ["x_mean", "x_median"]
    steps = meta["inputs"]["box_velocity"]["derived"]
    assert (steps["from"], [step["rule"] for step in steps["steps"]]) == ("box", ["velocity"])
    assert meta["inputs"]["box_velocity"]["unit"].endswith(" a second")
    assert meta["inputs"]["box"]["components"] == ["x", "y", "width", "height"]
    assert meta["moments"]["frames"] == 4
    assert meta["check"]["largest_difference"] < 1e-5
    done = command("export", f"run={trained(*NUMBERS)}", f"out={tmp_path}/none", cwd=tmp_path)
    assert (done.returncode, list((tmp_path / "none").iterdir())) == (1, [])
    assert "backbone=gru cannot be exported: with backbone.gather=interval" in done.stderr
