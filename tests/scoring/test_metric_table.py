"""The table of metrics, and what is said of it elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from simulated_people import noise

from realfake.evaluation.evaluation_page import number
from realfake.labels import SASE_FE, TASKS
from realfake.scoring.baselines import chance
from realfake.scoring.metric_table import METRICS, REPORTED, Metric, minimised
from realfake.scoring.metrics import metrics

DOCS = Path(__file__).resolve().parents[2] / "docs/metrics.md"
CLASSES = {task: SASE_FE.size(task) for task in TASKS}


def row(m: Metric) -> str:
    needs = "what was trained" if m.task is None else "emotion, authenticity" if m.task == "joint" else m.task
    guessing = number(m.name, m.chance(CLASSES)) if m.chance else ""
    return f"| `{m.name}` | {m.heading} | {m.words} | {needs} | {'smaller' if m.smaller else 'larger'} | {guessing} |"


def test_the_guide_says_what_the_table_says():
    lines = DOCS.read_text().splitlines()
    start = lines.index("|---|---|---|---|---|---|") + 1
    assert lines[start : lines.index("", start)] == [row(m) for m in REPORTED.values()]


def test_names_are_asked_without_loading_numpy():
    code = "import sys; from realfake.scoring import metric_table; print(sorted({'numpy', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(("name", "smaller"), [
    ("val/clip/joint_accuracy", False), ("val/clip/authenticity_balanced_accuracy", False),
    ("test/clip/authenticity_ece", True), ("val/clip/authenticity_brier", True), ("authenticity_brier", True),
    ("val/frame/loss", True), ("val/frame/loss_emotion", True), ("seconds", False), ("val/clip/nothing", False),
])  # fmt: skip
def test_the_better_side(name, smaller):
    assert minimised(name) == smaller


def test_guessing_at_random_comes_to_chance():
    p = noise(np.random.default_rng(0), 40_000)
    found, expected = metrics(p, np.arange(40_000) // 20), chance(p)
    assert set(expected) == {name for name, m in METRICS.items() if m.chance}
    # Probabilities of noise are sure of themselves, so that their Brier score is worse than that of one half each.
    assert found.pop("authenticity_brier") > expected.pop("authenticity_brier")
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.01)
