"""Derived streams beside a dataset: computed of what is there, only what is asked for, and as of a clip by itself."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import Command

from realfake.composing.composition import compose
from realfake.config import DescribeConfig, PrepareConfig, TrainConfig, streams_named
from realfake.data.derived_streams import derived_streams, streams_read
from realfake.data.media import Media
from realfake.data.preparation import prepare
from realfake.data.signal_store import prepare_signal
from realfake.data.store import PreparedStore
from realfake.data.stored_streams import StoredStream
from realfake.data.stream_sets import clip_streams, stream_set
from realfake.errors import UserError
from realfake.streams.derived import rates
from realfake.streams.kinds import build_signal
from realfake.streams.stream import SampleSpec, StreamSpec

NAMES = ["units_velocity", "landmarks_steady_velocity", "box_acceleration"]


@pytest.fixture(scope="module")
def cfg(tiny_data: list[str]) -> PrepareConfig:
    words = ["signals=[drawn]", "signals.drawn.losses_hz=1.0", f"derived=[{','.join(NAMES)}]", "data.prepare_workers=1"]
    return compose("prepare", [*tiny_data, *words], PrepareConfig)


@pytest.fixture(scope="module")
def store(cfg: PrepareConfig, tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    """A copy whose streams are nobody else's."""
    ready = prepare(cfg.data, cfg.face, progress=False)
    folder = tmp_path_factory.mktemp("derived") / ready.folder.name
    copy = PreparedStore.open(shutil.copytree(ready.folder, folder, ignore=shutil.ignore_patterns("streams")))
    copy.root = ready.root
    return copy


@pytest.fixture(scope="module")
def bases(store: PreparedStore, cfg: PrepareConfig) -> dict[str, StoredStream]:
    return prepare_signal(store, cfg.data, cfg.face, cfg.signals["drawn"], progress=False)


def test_only_what_is_asked_for_is_computed_and_once(
    store: PreparedStore, cfg: PrepareConfig, bases: dict[str, StoredStream]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*") if path.is_file()}
    where = PreparedStore.open(store.folder)  # which does not know where the videos are
    assert where.root is None
    infos = streams_named(NAMES, cfg.signals)
    found = derived_streams(where, infos.values(), cfg.signals, bases, progress=False)
    assert list(found) == NAMES
    made = {path for path in store.folder.rglob("*") if path.is_file() and not path.name.startswith(".")} - set(before)
    assert {path.name for path in made} == {"counts.npy", "stream.json", *(f"{name}.npy" for name in NAMES)}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    stamps = {path: path.stat().st_mtime_ns for path in made}
    again = derived_streams(where, infos.values(), cfg.signals, bases, progress=False)
    assert again == found
    assert {path: path.stat().st_mtime_ns for path in made} == stamps
    read = streams_read(store, infos.values(), cfg.signals)
    assert read == sorted({stream.folder.name for stream in (*found.values(), *bases.values())})


def test_gaps_of_the_base_are_gaps(store: PreparedStore, cfg: PrepareConfig, bases: dict[str, StoredStream]) -> None:
    infos = streams_named(NAMES, cfg.signals)
    found = derived_streams(store, infos.values(), cfg.signals, bases, progress=False)
    units, velocity = bases["units"], found["units_velocity"]
    np.testing.assert_array_equal(velocity.counts, units.counts)
    lost = units.rows["quality"] == 0
    assert lost.any()
    assert not velocity.rows["quality"][lost].any()
    clip = int(units.counts[0])
    rows = units.rows[:clip]
    expected = rates(rows["values"], rows["time_sec"], rows["quality"] > 0)[0]
    known = np.isfinite(expected).all(axis=1)
    np.testing.assert_array_equal(velocity.rows["values"][:clip][known], expected[known])
    np.testing.assert_array_equal(velocity.rows["quality"][:clip] > 0, known)


def test_a_clip_by_itself_has_the_derived_streams_that_it_has_in_a_dataset(
    store: PreparedStore, cfg: PrepareConfig, bases: dict[str, StoredStream]
) -> None:
    infos = streams_named(NAMES, cfg.signals)
    computed = derived_streams(store, infos.values(), cfg.signals, bases, progress=False)
    spec = SampleSpec(4, None, False, None, tuple(map(StreamSpec, infos.values())))
    of_store = stream_set(store, spec, None, computed)
    assert store.root is not None
    path = store.root / store.table["path"].array[2]
    media = Media.of_store(store, 2, path, cfg.data, cfg.face)
    alone = clip_streams(media, spec, [build_signal(cfg.signals["drawn"])])
    for name in NAMES:
        for rows in (of_store[name], alone[name]):
            rows.spec = replace(rows.spec, gather="interval")
        span = np.array([[0.0, 2.0]])
        ours = of_store[name].take(np.array([2]), span, span)
        theirs = alone[name].take(np.array([0]), span, span)
        assert ours.valid.any()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_what_no_clip_has_is_refused(
    store: PreparedStore, cfg: PrepareConfig, bases: dict[str, StoredStream], tmp_path: Path
) -> None:
    """Of two moments there is no rate."""
    short = shutil.copytree(bases["units"].folder, tmp_path / "units")
    rows, counts = bases["units"].rows, np.load(short / "counts.npy")
    first = np.cumsum(counts["units"]) - counts["units"]
    np.save(short / "units.npy", np.concatenate([rows[k : k + 2] for k in first]))
    counts["units"] = 2
    np.save(short / "counts.npy", counts)
    infos = streams_named(["units_velocity"], cfg.signals).values()
    of_two = {"units": replace(bases["units"], folder=short)}
    with pytest.raises(UserError, match=r"units_velocity: none of \d+ clips has it; rates need three moments in a row"):
        derived_streams(store, infos, cfg.signals, of_two, progress=False)


def test_tables_have_them(store: PreparedStore, tiny_data: list[str], command: Command, tmp_path: Path) -> None:
    words = [*tiny_data, "signals=[drawn]", "signals.drawn.streams=[units]", "derived=[units_velocity]"]
    assert (done := command("signals", *words, "out=t", cwd=tmp_path)).returncode == 0, done.stderr
    table = pd.read_csv(next((tmp_path / "t").rglob("*.csv")))
    steps = table["timestamp"].diff().shift(-1)
    forward = table["AU12_r"].diff().shift(-1) / steps
    middle = (forward + forward.shift(1)) / 2  # evenly spaced: the parabola's slope
    known = middle.notna() & table["units_velocity_AU12"].notna()
    assert known.sum() > 3
    assert table["units_velocity_AU12"][known].to_numpy() == pytest.approx(middle[known].to_numpy(), abs=2e-3)
    assert store.root is not None
    words += [f"input='{store.root / store.table['path'].array[0]}'", "face=haar", "out=f"]
    assert (done := command("signals", *words, cwd=tmp_path)).returncode == 0, done.stderr
    of_file = pd.read_csv(next((tmp_path / "f").rglob("*.csv")))
    of_clip = pd.read_csv(tmp_path / "t" / f"{store.table['clip'].array[0]}.csv")
    pd.testing.assert_frame_equal(of_file, of_clip)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("backbone.streams=[units,units_velocty]", r"backbone\.streams=\[units,units_velocty\]: units_velocty: no str"),
        ("backbone.streams=[unit_velocity]", r"backbone\.streams=\[unit_velocity\]: the data have no stream unit_vel"),
        ("backbone.streams=[units_steady]", r"backbone\.streams=\[units_steady\]: units_steady: steady takes points"),
        ("backbone.streams=[units_neutral] data.window=[0.4,0.9]", r"data\.window=\[0\.4,0\.9\]: units_neutral is me"),
        ("backbone=siamese data.window=[0.4,0.9]", r"data\.window=\[0\.4,0\.9\]: the neutral face of backbone=siamese"),
    ],
)  # fmt: skip
def test_a_network_is_refused_what_follows_from_nothing(words: str, line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}"):
        compose("train", ["approach=temporal", "signals=[drawn]", *words.split()], TrainConfig)


@pytest.mark.parametrize(
    ("derived", "line"),
    [
        ("units", r"derived=\[units\]: units is derived of nothing; expected names such as units_velocity"),
        ("units_velocty", r"derived=\[units_velocty\]: units_velocty: no stream follows by 'velocty'; did you mean"),
        ("units_phase,units_phase", r"derived=\[units_phase,units_phase\]: units_phase twice; expected each once"),
    ],
)
def test_a_command_is_refused_what_follows_from_nothing(derived: str, line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}"):
        compose("describe", ["signals=[drawn]", f"derived=[{derived}]"], DescribeConfig)


@pytest.mark.parametrize("moments", [True, False], ids=["all are gaps", "no moments"])
def test_clips_without_one_are_named(
    moments: bool, store: PreparedStore, cfg: PrepareConfig, bases: dict[str, StoredStream], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    lost = shutil.copytree(bases["units"].folder, tmp_path / f"lost-{moments}")
    rows, counts = np.load(lost / "units.npy"), np.load(lost / "counts.npy")
    rows["quality"][: counts["units"][0]] = 0.0
    if not moments:
        rows, counts["units"][0] = rows[counts["units"][0] :], 0
    np.save(lost / "units.npy", rows)
    np.save(lost / "counts.npy", counts)
    infos = streams_named(["units_phase"], cfg.signals).values()
    with caplog.at_level(logging.WARNING):
        of = derived_streams(store, infos, cfg.signals, {"units": replace(bases["units"], folder=lost)}, progress=False)
    np.testing.assert_array_equal(of["units_phase"].counts, counts["units"])
    assert f"units_phase: 1 of {len(store)} clips have none, e.g. {store.table['clip'].array[0]}" in caplog.text
