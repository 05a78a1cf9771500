"""One decision a sample: CSV, metrics, the Python interface, films and exported networks say the same of a clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax

import realfake
from realfake.approaches import build_datamodule
from realfake.approaches.module import ApproachModule
from realfake.config import TrainConfig
from realfake.data.sources import build_source
from realfake.exporting.formats import export, real_samples
from realfake.exporting.served import Arrays, Served
from realfake.labels import AUTHENTICITIES, EMOTIONS, SASE_FE
from realfake.prediction.annotation import said as said_in_words
from realfake.prediction.over_time import running_mean
from realfake.prediction.predicted import VideoPrediction
from realfake.runs.network import open_trained
from realfake.scoring.calibration import reliability
from realfake.scoring.metrics import confusion_matrix, metrics
from realfake.scoring.predictions import Predictions, read_table

RUNS = {
    "multi_task": ["approach=multi_task"],
    "temporal": ["approach=temporal"],
    "single_task": [
        "approach=single_task", "sampling.frames_per_clip=50", "sampling.window=[0.2,0.8]", "data.window=[0.1,0.8]",
    ],
    "temporal_multi_task": [
        "approach=temporal_multi_task", "sampling.windows_per_clip=3", "backbone.frames=4", "backbone.stride_sec=0.1",
        "face=none",
    ],
}  # fmt: skip
"""One of each approach; two have several samples a clip."""
LABELS = ("emotion", "authenticity", "joint")


@pytest.mark.parametrize(
    ("approach", "more", "onnx"),
    [
        # Exporting takes most of the time, and is the same for either kind of sample.
        *((name, [], name in ("multi_task", "temporal")) for name in RUNS),
        *(pytest.param(name, ["trainer.max_epochs=25"], True, marks=pytest.mark.slow) for name in RUNS),
    ],
)
def test_a_clip_has_one_decision_everywhere(
    trained: Callable[..., Path], approach: str, more: list[str], onnx: bool, tmp_path: Path
) -> None:
    """After two epochs, when a 12-class network's marginals mostly disagree with its joint class, and after 25."""
    run, cfg, module = open_trained(trained(*RUNS[approach], *more))
    written, names = read_table(run.predictions)
    table = pd.read_csv(run.predictions, keep_default_na=False)
    joint = table[[f"p_{name}" for name in SASE_FE.names("joint")]].to_numpy()
    decided = joint.argmax(axis=1)
    said = {
        "joint": [SASE_FE.names("joint")[k] for k in decided],
        "emotion": [EMOTIONS[k % 6] for k in decided],
        "authenticity": [AUTHENTICITIES[k // 6] for k in decided],
    }
    # The table, and the metrics that are told of it.
    found = json.loads(run.results.read_text())["metrics"]
    for task in LABELS:
        assert table[f"predicted_{task}"].tolist() == said[task]
        right = (table[f"predicted_{task}"] == table[task]).mean()
        assert found[f"test/clip/{task}_accuracy"] == pytest.approx(right)
    # The Python interface, which gives each clip the row that testing wrote.
    paths = build_datamodule(cfg).opened().table.set_index("clip")["path"]
    root = Path(build_source(cfg.data, progress=False).root)
    predictor = realfake.load(run.path, device="cpu", batch_size=5)
    assert len(names) >= 12
    for row in range(0, len(names), 3):
        answer = predictor.predict(root / paths[names["clip"][row]])
        assert isinstance(answer, VideoPrediction)
        for ours, theirs in (
            (answer.p_joint, written.p_joint),
            (answer.p_emotion, written.p_emotion),
            (answer.p_authenticity, written.p_authenticity),
        ):
            np.testing.assert_allclose(ours, theirs[row], rtol=0, atol=1e-6)
        assert [answer.emotion, answer.authenticity, answer.joint] == parts(answer.decision)
        assert_equally_good(joint[row : row + 1], np.array([answer.decision]))
    # The exported network, whose samples are put together as those of a clip are.
    samples = real_samples(run, cfg, Served(module), clips=len(table))
    outputs = exported_outputs(module, cfg, samples, tmp_path) if onnx else served_outputs(module, samples)
    p_joint, p_emotion, p_authenticity, decision = (np.concatenate(of) for of in zip(*outputs, strict=True))
    assert decision.dtype == np.int64
    assert_equally_good(p_joint, decision)
    if len(decision) == len(table):
        assert_equally_good(joint, decision)
    of_clip = module.space.averaged(
        by(len(table)),
        {"joint": p_joint, "emotion": p_emotion, "authenticity": p_authenticity},
        "joint" not in module.tasks,
    )["joint"]
    assert_equally_good(joint, of_clip.argmax(axis=1))


def parts(joint: int) -> list[str]:
    return [EMOTIONS[joint % 6], AUTHENTICITIES[joint // 6], SASE_FE.names("joint")[joint]]


def by(clips: int) -> Callable[[np.ndarray], np.ndarray]:
    """Means over the samples of each of so many clips, which have equally many."""
    return lambda p: p.astype(np.float64).reshape(clips, -1, p.shape[1]).mean(axis=1)


def assert_equally_good(joint: np.ndarray, decision: np.ndarray) -> None:
    """Decisions are the most probable classes, but for what one place of computing differs from another in."""
    rows = np.arange(len(joint))
    assert (joint.max(axis=1) - joint[rows, decision]).max() < 2e-6


def exported_outputs(
    module: ApproachModule, cfg: TrainConfig, samples: list[Arrays], folder: Path
) -> list[list[np.ndarray]]:
    """What ONNX Runtime says of each batch: joint, emotion, authenticity and the decision."""
    import onnxruntime

    done = export(module, cfg, "onnx", folder, samples, "clips", 1e-4)
    session = onnxruntime.InferenceSession(done.path, providers=["CPUExecutionProvider"])
    return [session.run(["joint", "emotion", "authenticity", "decision"], {"frames": batch[0]}) for batch in samples]


def served_outputs(module: ApproachModule, samples: list[Arrays]) -> list[list[np.ndarray]]:
    """The same of the module that is exported."""
    return [[output.numpy() for output in Served(module)(torch.from_numpy(batch[0]))] for batch in samples]


# --- the arithmetic --------------------------------------------------------------------------------------------------

TORN = np.array([[0.0, 0.2, 0, 0.25, 0, 0, 0.3, 0.0, 0, 0.25, 0, 0]])
"""Of one sample: real_angry is most probable, although happy is the most probable emotion by itself."""


def test_the_parts_of_a_decision_need_not_be_the_most_probable_ones() -> None:
    p = Predictions.from_tasks({"joint": TORN}, np.zeros(1), np.zeros(1), np.ones(1))
    assert [p.predicted(task).tolist() for task in ("joint", "emotion", "authenticity")] == [[6], [0], [1]]
    assert p.most_probable("emotion").tolist() == [3]
    found = metrics(p)
    assert [found[f"{task}_accuracy"] for task in ("joint", "emotion", "authenticity")] == [1.0, 1.0, 1.0]
    assert confusion_matrix(p, "emotion")[0, 0] == 1
    # A probability answers for its own class: real, 0.55.
    assert found["authenticity_ece"] == pytest.approx(0.45)
    assert reliability(p, "emotion").ece == pytest.approx(0.5)  # happy is wrong, at 0.5


@pytest.mark.parametrize("digits", [None, 1])
def test_two_heads_decide_each_by_itself(digits: int | None) -> None:
    """Also where probabilities are equal: the first one counts, in 32 and in 64 bits, in arrays and in tensors."""
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(500, k)) for k in (6, 2)]
    if digits is not None:
        logits = [values.round(0) for values in logits]
    heads = dict(zip(("emotion", "authenticity"), (softmax(v, axis=1).astype(np.float32) for v in logits), strict=True))
    absent = np.full(500, -1)
    p = Predictions.from_tasks(heads, np.arange(500), absent, absent)
    for task, values in heads.items():
        assert np.array_equal(p.predicted(task), values.argmax(axis=1))
    tensors = {task: torch.from_numpy(values) for task, values in heads.items()}
    decided, of_tensors, expected = SASE_FE.decide(heads), SASE_FE.complete(tensors), SASE_FE.complete(heads)
    assert SASE_FE.decide(tensors)["joint"].tolist() == p.decision.tolist() == decided["joint"].tolist()
    for task, ours in of_tensors.items():
        np.testing.assert_allclose(ours.numpy(), expected[task], rtol=1e-6)


def test_a_clip_of_two_heads_is_decided_by_each_head() -> None:
    """The mean of the products has another most probable class, made of neither head's most probable one."""
    emotion = np.array([[1.0, 0, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0, 0], [0, 0.6, 0.4, 0, 0, 0]])
    authenticity = np.array([[1.0, 0.0], [0.2, 0.8], [0.2, 0.8]])
    heads = {"emotion": emotion, "authenticity": authenticity}
    p = Predictions.from_tasks(heads, np.zeros(3), np.zeros(3), np.zeros(3))
    clip = p.by_clip()
    assert clip.predicted("emotion").tolist() == [emotion.mean(axis=0).argmax()]
    assert clip.predicted("authenticity").tolist() == [authenticity.mean(axis=0).argmax()]
    assert p.p_joint.mean(axis=0).argmax() != clip.decision[0]
    np.testing.assert_allclose(clip.p_joint[0], SASE_FE.product(emotion.mean(axis=0), authenticity.mean(axis=0)))
    assert clip.select(np.array([0])).by_clip().decision.tolist() == clip.decision.tolist()


def test_films_show_the_decision() -> None:
    rng = np.random.default_rng(1)
    absent = np.full(8, -1)
    joint = {"joint": np.concatenate([TORN.repeat(4, axis=0), rng.dirichlet(np.ones(12), 4)])}
    heads = {"emotion": rng.dirichlet(np.ones(6), 8), "authenticity": rng.dirichlet(np.ones(2), 8)}
    for of in (joint, heads):
        p = Predictions.from_tasks(of, np.arange(8), absent, absent)
        curve = running_mean(np.arange(8.0), p, 0.1)
        for row in range(8):
            assert curve.at(float(row)).decision == p.decision[row]
        assert curve.at(-1.0).decision == p.decision[0]
        assert curve.at(99.0).decision == p.decision[7]
        between = curve.at(4.5)
        for task in heads:
            np.testing.assert_allclose(getattr(between, f"p_{task}"), p.probabilities(task)[4:6].mean(axis=0))
        expected = p.select(np.array([4, 5]))
        assert between.decision == replace(expected, clip=np.zeros(2)).by_clip().decision[0]
    verdict = running_mean(np.arange(8.0), Predictions.from_tasks(joint, np.arange(8), absent, absent), 0.1)
    now = verdict.at(0.0)
    assert (now.emotion, now.authenticity, now.joint) == ("angry", "real", "real_angry")
    assert (now.sure_of("emotion"), now.sure_of("authenticity")) == pytest.approx((0.3, 0.55))
    assert said_in_words(now, ", ") == "angry 30 %, real 55 %"
