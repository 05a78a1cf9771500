"""Shortcut probes: they find what is there, keep their level where nothing is, and say where they cannot tell."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from realfake.composing.composition import compose
from realfake.config import DescribeConfig
from realfake.describe import run
from realfake.description.shortcut_probes import LEVEL, as_plain, run_probes, warning
from realfake.labels import ABSENT

PEOPLE, CLIPS = 10, 6
SUBJECT = np.repeat(np.arange(PEOPLE), CLIPS)
HALF = np.tile([0, 0, 0, 1, 1, 1], PEOPLE)


def features(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Features that know the person, but not the label; few values, many columns."""
    n = len(SUBJECT)
    look = rng.normal(size=(PEOPLE, 4))[SUBJECT]
    return {
        "person": look[:, 0] + 0.3 * rng.normal(size=n),
        "rounded": rng.normal(size=n).round(),
        "three": rng.normal(size=(n, 3)),
        "picture": look @ rng.normal(size=(4, 30)) + rng.normal(size=(n, 30)),
    }


def test_what_tells_the_label_is_found_whatever_the_direction_and_the_shape() -> None:
    rng = np.random.default_rng(0)
    noise = 0.3 * rng.normal(size=len(HALF))
    seen = features(rng) | {
        "longer": HALF + noise,
        "shorter": -HALF - noise,
        "either extreme": np.where(HALF > 0, rng.choice([-1.0, 1.0], len(HALF)), 0.0) + noise / 3,
    }
    found = {probe.name: probe for probe in run_probes(seen, HALF, SUBJECT, permutations=399)}
    for name in ("longer", "shorter", "either extreme"):
        assert found[name].beats_chance
        assert found[name].auroc.low > 0.6
        assert name in (warning(found[name]) or "")
    for name in features(rng):
        assert not found[name].beats_chance
        assert warning(found[name]) is None
        assert found[name].auroc.low < 0.5


@pytest.mark.parametrize(
    ("labels", "people", "tables"),
    [
        ("half of each person's", SUBJECT, 25),
        pytest.param("half of each person's", SUBJECT, 400, marks=pytest.mark.slow),
        pytest.param("any", SUBJECT, 400, marks=pytest.mark.slow),
        pytest.param("one a person", SUBJECT, 400, marks=pytest.mark.slow),
    ],
)
def test_no_more_false_alarms_than_promised(labels: str, people: np.ndarray, tables: int) -> None:
    alarms = 0
    for number in range(tables):
        rng = np.random.default_rng([number, 7])
        y = {
            "half of each person's": HALF,
            "any": rng.integers(0, 2, len(people)),
            "one a person": np.repeat(rng.permutation(np.arange(PEOPLE) % 2), CLIPS),
        }[labels]
        probes = run_probes(features(rng), y, people, permutations=99, seed=number)
        alarms += any(probe.beats_chance for probe in probes)
    # At most so many that a level of 5 % would give more in one of a thousand cases.
    assert alarms <= LEVEL * tables + 3.1 * (LEVEL * (1 - LEVEL) * tables) ** 0.5


def test_holm_is_the_reference() -> None:
    from statsmodels.stats.multitest import multipletests

    from realfake.scoring.statistics import holm

    p = np.random.default_rng(0).uniform(size=20) ** 3
    p[3] = p[7]
    np.testing.assert_allclose(holm(p.tolist()), multipletests(p, method="holm")[1])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("y", "people", "reason"),
    [
        (HALF, np.zeros_like(SUBJECT), "one person only"),
        (np.ones_like(HALF), SUBJECT, "no clips of both labels"),
        (np.full_like(HALF, ABSENT), SUBJECT, "no clip has a label"),
    ],
)
def test_what_cannot_be_told_is_said(y: np.ndarray, people: np.ndarray, reason: str) -> None:
    seen = {"a": HALF.astype(float), "constant": np.ones(len(y))}
    for plain in map(as_plain, run_probes(seen, y, people, permutations=19)):
        assert plain["undefined"] == reason
        assert plain["auroc"] is plain["low"] is plain["p_value"] is None
        assert not plain["beats_chance"]


def test_a_constant_is_no_probe_and_costs_the_others_nothing() -> None:
    seen = {"constant": np.ones(len(HALF)), "label": HALF.astype(float)}
    constant, label = run_probes(seen, np.where(SUBJECT == 0, ABSENT, HALF), SUBJECT, permutations=99)
    assert constant.undefined == "constant"
    assert label.auroc.value == 1.0
    assert label.adjusted_p == label.p_value


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def longer_fakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of coloured clips, the fake ones longer; what files hold beside the pictures is of any size."""
    folder = tmp_path_factory.mktemp("longer")
    rng = np.random.default_rng(3)
    rows = []
    for person in range(6):
        for k in range(4):
            real = k % 2
            path = folder / f"{person}_{k}.mp4"
            with av.open(str(path), "w") as file:
                stream = file.add_stream("mpeg4", rate=10, options={"g": "1"})
                stream.width = stream.height = 64
                stream.pix_fmt = "yuv420p"
                pattern = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
                for _ in range(int(rng.integers(6, 9)) + (0 if real else 4)):
                    file.mux(stream.encode(av.VideoFrame.from_ndarray(pattern, format="rgb24")))
                file.mux(stream.encode())
            more = int(np.exp(rng.uniform(8, 13)))
            with path.open("ab") as file:
                file.write(struct.pack(">I4s", more, b"free") + bytes(more - 8))
            rows.append({"path": path.name, "subject": f"p{person}", "authenticity": "real" if real else "fake"})
    pd.DataFrame(rows).to_csv(folder / "clips.csv", index=False)
    return folder


def test_longer_fakes_are_warned_of(longer_fakes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = longer_fakes / "out"
    words = ["data=csv", f"data.root={longer_fakes}/clips.csv", "face=none", "data.size=32", "data.prepare_workers=1"]
    assert run(compose("describe", [*words, f"data.prepared={longer_fakes}/p", f"out={out}"], DescribeConfig)) == 0
    found = json.loads((out / "description.json").read_text())
    probes = {probe["probe"]: probe for probe in found["probes"]}
    assert [name for name, probe in probes.items() if probe["beats_chance"]] == ["duration"]
    assert probes["duration"]["auroc"] > 0.9
    assert probes["frame rate"]["undefined"] == "constant"
    assert [note.split(" alone")[0] for note in found["notes"]] == ["Shortcut: duration"]
    page = (out / "description.html").read_text()
    for shown in (" ".join(capsys.readouterr().out.split()), page):
        assert "Shortcut: duration alone tells real from fake" in shown
        assert "head position" in shown
    assert (out / "plots" / "shortcuts.png").stat().st_size > 1000
