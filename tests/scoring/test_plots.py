"""Pictures: what they show is what the numbers say, every one is drawn, and nothing leans on pyplot."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from simulated_people import noise, people, with_p
from sklearn.metrics import auc
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from realfake.data.people import people_note
from realfake.labels import SASE_FE, TASKS
from realfake.scoring import plots
from realfake.scoring.metrics import metrics
from realfake.scoring.statistics import bootstrap
from realfake.scoring.tables import by_emotion

ROWS = [
    {
        "epoch": epoch,
        "train/frame/loss": 2.0 / (epoch + 1),
        "val/frame/loss": 2.5 / (epoch + 1),
        "val/clip/joint_accuracy": 0.1 * epoch,
        "train/frame/weight_emotion": 1.0,
        "train/frame/weight_authenticity": 0.5,
        "lr": 0.1**epoch,
    }
    for epoch in range(4)
]


@pytest.mark.parametrize("task", TASKS)
def test_confusion_matrix_is_scikit_learns(task):
    p = noise(np.random.default_rng(0), 300, absent=0.2)
    known = p.true(task) >= 0
    expected = sklearn_confusion_matrix(p.true(task)[known], p.predicted(task)[known], labels=range(SASE_FE.size(task)))
    assert np.array_equal(plots.confusion_matrix(p, task), expected)
    texts = [t.get_text() for t in plots.confusion(p, task).axes[0].texts]
    assert [t for t in texts if t.isdigit()] == [str(n) for n in expected[expected > 0]]


@pytest.mark.parametrize("digits", [None, 1])
def test_the_area_under_the_drawn_curve_is_the_auroc(digits):
    p = noise(np.random.default_rng(1), 200, absent=0.2, digits=digits)
    false, true = plots.roc_points(p)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert auc(false, true) == pytest.approx(metrics(p)["authenticity_auroc"])


def test_everything_is_drawn_and_saved(tmp_path):
    p, subject, pair = people(np.random.default_rng(2), 10)
    right, wrong = plots.choose_examples(p)
    figures = plots.draw_all(
        p,
        rows=ROWS,
        best_epoch=2,
        faces=np.full((len(right) + len(wrong), 32, 32, 3), 128, np.uint8),
        by_emotion=by_emotion(p, subject, pair, resamples=100),
        auroc=bootstrap(p, subject, names=["authenticity_auroc"], resamples=100)["authenticity_auroc"],
    )
    found = plots.save_all(figures, tmp_path / "plots")
    assert list(found) == [
        *("confusion_joint", "confusion_emotion", "confusion_authenticity"),
        *("reliability", "roc", "by_emotion", "learning_curves", "examples"),
    ]
    for name, path in found.items():
        assert path == tmp_path / "plots" / f"{name}.png"
        picture = imread(path)
        assert min(picture.shape[:2]) >= 200, name
        assert picture[..., :3].std() > 0.05, name


def test_only_what_there_is_is_drawn():
    p = noise(np.random.default_rng(3), 20)
    smiles = replace(p, emotion=np.full(20, -1))
    assert set(plots.draw_all(smiles)) == {"confusion_authenticity", "reliability", "roc"}
    assert not plots.draw_all(p.select(np.zeros(20, dtype=bool)))
    one = replace(p, authenticity=np.full(20, 1))
    assert [t.get_text() for t in plots.roc(one).axes[0].texts][-1] == "undefined: one class only"


def test_a_remark_stands_below_pictures_with_intervals():
    p, subject, _ = people(np.random.default_rng(5), 6)
    note = people_note([""] * 12 + ["a"] * 60)
    figures = plots.draw_all(p, by_emotion=by_emotion(p, subject, resamples=100), note=note)
    for name in ("roc", "by_emotion"):
        written = figures[name].texts[-1]
        assert " ".join(written.get_text().split()) == note
        drawn = written.get_window_extent()
        assert drawn.x0 >= 0
        assert drawn.x1 <= figures[name].bbox.x1
        assert drawn.y1 < min(axis.get_tightbbox().y0 for axis in figures[name].axes)


def test_intervals_in_pictures_say_what_they_hold():
    p, subject, _ = people(np.random.default_rng(4), 4)
    words = "95 % interval over the test people"
    for number, shown in ((4, True), (1, False)):
        some = p.select(subject < number)
        area = bootstrap(some, subject[subject < number], names=["authenticity_auroc"], resamples=50)
        texts = " ".join(t.get_text() for t in plots.roc(some, area["authenticity_auroc"]).axes[0].texts)
        assert (words in texts) == ("[" in texts) == shown
    assert words in plots.emotion_bars(by_emotion(p, subject, resamples=50), SASE_FE).texts[-1].get_text()


def test_examples_are_the_surest():
    p, _, _ = people(np.random.default_rng(4), 10)
    right, wrong = plots.choose_examples(p, 5)
    correct = p.predicted("joint") == p.joint
    assert correct[right].all()
    assert not correct[wrong].any()
    sure = p.p_joint.max(axis=1)
    assert sure[right].tolist() == sorted(sure[correct], reverse=True)[:5]
    assert sure[wrong].tolist() == sorted(sure[~correct], reverse=True)[:5]
    smiles = replace(p, emotion=np.full(len(p), -1))
    right, _ = plots.choose_examples(smiles)
    assert (smiles.predicted("authenticity") == smiles.authenticity)[right].all()


def test_no_example_of_a_kind():
    p, _, _ = people(np.random.default_rng(5), 1)
    perfect = with_p(p, joint=np.eye(12)[p.joint])
    right, wrong = plots.choose_examples(perfect)
    assert (len(right), len(wrong)) == (6, 0)
    faces = np.zeros((6, 8, 8, 3), np.uint8)
    figure = plots.examples(perfect.select(right), faces, perfect.select(wrong), faces[:0])
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert texts[:2] == ["right", "fake angry\nsaid fake angry 1.00"]
    assert texts[-2:] == ["wrong", "none"]


def test_learning_curves_show_the_rows():
    axes = plots.learning_curves(ROWS, best_epoch=2).axes
    assert axes[0].lines[0].get_ydata() == pytest.approx([row["train/frame/loss"] for row in ROWS])
    assert axes[1].lines[0].get_ydata() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [line.get_label() for line in axes[-2].lines[:2]] == ["authenticity", "emotion"]
    assert plots.learning_curves(ROWS[:1]).axes[-1].lines[0].get_ydata() == pytest.approx([1.0])


def test_learning_curves_join_the_epochs_that_were_validated():
    rows = [{k: v for k, v in row.items() if row["epoch"] % 2 or not k.startswith("val/")} for row in ROWS]
    axis = plots.learning_curves(rows).axes[0]
    assert [line.get_xdata().tolist() for line in axis.lines] == [[0, 1, 2, 3], [1, 3]]
    assert axis.lines[1].get_ydata() == pytest.approx([2.5 / 2, 2.5 / 4])


def test_a_video_over_time():
    time_sec = np.array([0.5, 1.0, 1.5])
    real = np.array([0.2, 0.6, 0.9])
    p = {"authenticity": np.stack([1 - real, real], axis=1)}
    p["emotion"] = np.random.default_rng(6).dirichlet(np.ones(6), 3)
    above, below = plots.over_time(time_sec, p, SASE_FE, "a_$b: real happy").axes
    assert above.lines[-1].get_ydata() == pytest.approx([0.2, 0.6, 0.9])
    assert [line.get_label() for line in below.lines] == list(SASE_FE.names("emotion"))
    assert above.get_xlim() == (0.5, 1.5)
    assert plots.over_time(time_sec[:1], {task: values[:1] for task, values in p.items()}, SASE_FE)
    for task, values in p.items():  # a network that tells one of them
        (axis,) = plots.over_time(time_sec, {task: values}, SASE_FE).axes
        assert axis.get_xlabel() == "time (s)"


def test_pictures_need_neither_pyplot_nor_a_display():
    code = "import sys, realfake.scoring.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
