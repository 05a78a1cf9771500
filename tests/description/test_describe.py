"""``realfake describe``: its figures against direct computations, its files, and what it does with odd datasets."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from links import assert_replaced, linked

from realfake.composing.composition import compose
from realfake.config import DescribeConfig
from realfake.description.dataset_page import write_page
from realfake.description.dataset_statistics import ChannelMoments, class_names, duplicates
from realfake.errors import UserError
from realfake.labels import ABSENT, SASE_FE

TINY = [
    "data.subjects=3", "data.seconds=1.2", "data.fps=10", "data.video_size=128", "data.size=48", "data.rate_fps=5",
    "data.prepare_workers=1",
]  # fmt: skip


# --- channel statistics ----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(0, 1000), st.sampled_from([1, 2, 256]))
@settings(max_examples=40)
def test_streamed_channel_statistics_equal_direct_ones(sizes: list[int], seed: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    chunks = [rng.integers(0, top, (n, 3, 2, 3), dtype=np.uint8) for n in sizes]
    streamed, rest = ChannelMoments(), ChannelMoments()
    for i, chunk in enumerate(chunks):
        (streamed if i % 2 else rest).add(chunk)
    streamed.merge(rest)
    every = np.concatenate([c.reshape(-1, 3) for c in chunks]).astype(np.float64) / 255
    np.testing.assert_allclose(streamed.mean, every.mean(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(streamed.std, every.std(axis=0), rtol=0, atol=1e-12)


def test_channel_statistics_do_not_lose_digits() -> None:
    """A tiny spread on a large mean over many pixels: where sums in floating point fail."""
    moments = ChannelMoments()
    chunk = np.full((1000, 1000, 3), 254, np.uint8)
    chunk[0, 0] = 255
    for _ in range(3):
        moments.add(chunk)
    p = 1e-6
    assert moments.pixels == 3_000_000
    np.testing.assert_allclose(moments.std, (p * (1 - p)) ** 0.5 / 255, rtol=1e-12)
    assert all(np.isnan(ChannelMoments().mean))


# --- tables ----------------------------------------------------------------------------------------------------------


def test_class_names_say_as_much_as_is_known() -> None:
    table = pd.DataFrame({"emotion": [0, 3, ABSENT, ABSENT], "authenticity": [1, ABSENT, 0, ABSENT]})
    assert class_names(table, SASE_FE).tolist() == ["real_angry", "happy", "fake", "unlabelled"]


def test_duplicates_are_found_among_the_clips_that_were_left_out_too() -> None:
    table = pd.DataFrame({"clip": ["b", "c", "d"], "sha256": ["1", "2", "3"]})
    skipped = pd.DataFrame({"clip": ["a", "e", "f"], "sha256": ["1", None, ""]})
    assert duplicates(table, skipped) == [["a", "b"]]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, DescribeConfig]:
    from realfake.describe import run

    folder = tmp_path_factory.mktemp("describe")
    streams = ["signals=[drawn]", "signals.drawn.streams=[landmarks,units,pose]", "derived=[units_velocity]"]
    overrides = [*TINY, *streams, f"data.folder={folder}", f"data.prepared={folder}/prepared", f"out={folder}/out"]
    cfg = compose("describe", overrides, DescribeConfig)
    links = linked(folder / "out", "description.json", "description.html", "plots/classes.png")
    assert run(cfg) == 0
    assert_replaced(links)
    return folder / "out", json.loads((folder / "out" / "description.json").read_text()), cfg


def test_figures_agree_with_the_store(described: tuple[Path, dict, DescribeConfig]) -> None:
    from realfake.data.preparation import prepare

    _, found, cfg = described
    store = prepare(cfg.data, cfg.face, progress=False)
    crops = np.concatenate([store.read(i, np.arange(len(store.timestamps(i)))) for i in range(len(store))])
    every = crops.reshape(-1, 3).astype(np.float64) / 255
    np.testing.assert_allclose(found["channels"]["mean"], every.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found["channels"]["std"], every.std(axis=0), atol=1e-6)
    assert found["channels"]["pixels"] == len(every)
    assert found["total"]["crops"] == len(crops) == sum(c["crops"] for c in found["classes"].values())
    assert found["total"]["clips"] == len(store) == sum(p["clips"] for p in found["parts"].values())
    assert found["total"]["subjects"] == len(found["subjects"]) == 3
    assert found["total"]["seconds"] == pytest.approx(store.table["duration_sec"].sum(), abs=1e-3)
    assert found["fingerprint"] == store.fingerprint
    assert set(found["classes"]) <= set(SASE_FE.names("joint"))
    assert found["resolution"] == {"128 × 128": len(store)}
    assert found["fps"] == {"10": len(store)}
    assert sum(found["duration_sec"]["histogram"]["counts"]) == len(store)
    assert all(0.0 <= c["face_yield"] <= 1.0 for c in found["classes"].values())
    assert {s["part"] for s in found["subjects"].values()} == {"train", "val", "test"}
    assert len(found["probes"]) == 9
    assert not any(probe["beats_chance"] for probe in found["probes"])


def test_streams_are_told_and_drawn_by_class(described: tuple[Path, dict, DescribeConfig]) -> None:
    from realfake.data.preparation import prepare
    from realfake.data.signal_store import prepare_signal

    out, found, cfg = described
    store = prepare(cfg.data, cfg.face, progress=False)
    units = prepare_signal(store, cfg.data, cfg.face, cfg.signals["drawn"], progress=False)["units"]
    told = found["streams"]
    assert list(told) == ["box", "landmarks", "units", "pose", "units_velocity"]
    assert told["units_velocity"]["unit"] == "intensity, 0 to 5 a second"
    assert list(told["units_velocity"]["curves"]) == list(told["units"]["curves"])
    assert (told["units"]["clips"], told["units"]["coverage"]) == (len(store), 1.0)
    quality = units.rows["quality"]
    assert told["units"]["sound"] == pytest.approx((quality > 0).mean(), abs=1e-6)
    assert told["units"]["quality"]["mean"] == pytest.approx(quality[quality > 0].mean(), rel=1e-4)
    assert (told["box"]["quality"], told["box"]["per_second"]) == (None, pytest.approx(5.0, rel=1e-3))
    assert told["landmarks"]["curves"] is None  # 136 numbers
    curves = told["units"]["curves"]
    assert list(curves) == list(units.info.components)
    assert list(curves["AU12"]) == ["all clips", *SASE_FE.emotions]
    ends = np.cumsum(units.counts)
    rows = np.flatnonzero(store.table["authenticity"] == 1)
    at_start = [units.rows["values"][ends[row] - units.counts[row], 8] for row in rows]
    assert curves["AU12"]["all clips"]["real"]["mean"][0] == pytest.approx(np.mean(at_start), rel=1e-3)
    for side in ("real", "fake"):
        curve = curves["AU12"]["happy"][side]
        assert curve["people"] == 3
        mean, low, high = (np.array(curve[word], float) for word in ("mean", "low", "high"))
        assert ((low <= mean) & (mean <= high)).all()
        assert mean.max() > mean[0] + 1.0  # a smile
    for name in ("box", "units", "pose"):
        assert (out / "plots" / f"stream_{name}.png").is_file()
    page = Page((out / "description.html").read_text(encoding="utf-8"))
    assert "68 landmarks as in 300-W" in page.text


class Page(HTMLParser):
    """Collects what a page shows and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [v or "" for k, v in attrs if k in ("src", "href") and not (v or "").startswith("#")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_self_contained(described: tuple[Path, dict, DescribeConfig]) -> None:
    from PIL import Image

    out, found, _ = described
    page = Page((out / "description.html").read_text(encoding="utf-8"))
    plots = sorted(p.name for p in (out / "plots").glob("*.png"))
    assert {f"contact_{name}.png" for name in found["classes"]} < set(plots)
    assert {"classes.png", "durations.png", "face_yield.png", "subjects.png"} < set(plots)
    assert len(page.sources) == page.tags.count("img") == len(plots)
    for source in page.sources:
        assert re.match(r"data:image/(png|jpeg);base64,", source)
        assert len(base64.b64decode(source.partition(",")[2])) > 1000
    for name in (*found["classes"], *found["subjects"], "train", "128 × 128"):
        assert name in page.text
    assert "$" not in page.text
    for name in plots:
        picture = np.asarray(Image.open(out / "plots" / name).convert("RGB"))
        assert picture.std() > 5  # something is drawn


def test_without_faces_there_are_no_contact_sheets(
    described: tuple[Path, dict, DescribeConfig], tmp_path: Path
) -> None:
    from realfake.data.preparation import prepare
    from realfake.description.dataset_pictures import draw_all

    _, found, cfg = described
    store = prepare(cfg.data, cfg.face, progress=False)
    labels = class_names(store.table, cfg.data.space)
    sheets = {tmp_path / f"contact_{name}.png" for name in found["classes"]}
    assert sheets <= set(draw_all(found, store, labels, tmp_path).values())
    assert not sheets & set(draw_all(found, store, labels, tmp_path, faces=False).values())
    assert not any(sheet.exists() for sheet in sheets), "those of an earlier description"


def test_the_page_begins_with_whether_there_are_shortcuts(described: tuple[Path, dict, DescribeConfig]) -> None:
    out, found, _ = described
    page = Page((out / "description.html").read_text(encoding="utf-8"))
    assert f"None of {sum(not p['undefined'] for p in found['probes'])} probes tells real from fake" in page.text
    assert page.text.count("say nothing about people") == 1


def test_names_are_escaped(described: tuple[Path, dict, DescribeConfig], tmp_path: Path) -> None:
    _, found, _ = described
    evil = "<script>alert('x')</script>$title&amp;"
    subjects = {evil: next(iter(found["subjects"].values()))}
    changed = {
        **found, "dataset": evil, "subjects": subjects, "skipped": [{"clip": evil, "reason": evil}],
        "duplicates": [[evil, "b"]], "notes": [evil], "resolution": {evil: 1},
    }  # fmt: skip
    write_page(changed, {}, {}, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.text.count(evil) >= 7


def test_a_dataset_that_cannot_be_split_is_described_all_the_same(tmp_path: Path) -> None:
    from realfake.describe import run

    overrides = [
        *TINY,
        "data.subjects=2",
        f"data.folder={tmp_path}",
        f"data.prepared={tmp_path}/p",
        f"out={tmp_path}/o",
    ]
    assert run(compose("describe", [*overrides, "data.limit_clips=4"], DescribeConfig)) == 0
    found = json.loads((tmp_path / "o" / "description.json").read_text())
    assert found["parts"] == {}
    assert "at least 3 are needed" in found["notes"][0]
    assert found["total"]["clips"] == 4


def test_the_command_and_its_errors(command: Callable, tmp_path: Path) -> None:
    done = command("describe", "data=sase_fe", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: data.root is missing: give the folder")
    done = command("describe", "data=sase_fee", cwd=tmp_path)
    assert done.returncode == 1
    assert "sase_fe" in done.stderr
    assert not list(tmp_path.rglob("description.json"))


def test_every_data_and_split_config_fits_its_schema() -> None:
    names = ("sase_fe", "sase_fe_challenge", "csv", "uva_nemo", "seed_frames", "seed_multi_task", "seed_sequences")
    splits = ("holdout", "thesis", "kfold", "loso", "official")
    for data, split in zip(("synthetic", *names), (*splits, *splits[:3]), strict=True):
        cfg = compose("describe", [f"data={data}", f"split={split}", "data.root=given"], DescribeConfig)
        assert (cfg.data.name, cfg.split.name) == (data, split)
        for part in (cfg.data, cfg.split):  # the YAML says every key, so that a user can read what there is
            assert part.model_fields_set == set(type(part).model_fields)
    with pytest.raises(UserError, match=r"did you mean 'split\.folds'"):
        compose("describe", ["split=kfold", "+split.fols=3"], DescribeConfig)
