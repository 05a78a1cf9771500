"""Which crops make a sample: times, phases and the order of an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realfake.data.samples import EpochBatches
from realfake.data.sampling import after_neutral, fixed_phases, frame_times, nearest, window_times
from realfake.streams.stream import SampleSpec


@given(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=40, unique=True), st.floats(-5, 105))
def test_nearest_is_the_nearest(values: list[float], time: float) -> None:
    timestamps = np.sort(np.array(values))
    found = nearest(timestamps, np.array([time]))[0]
    assert abs(timestamps[found] - time) == pytest.approx(np.abs(timestamps - time).min(), abs=1e-9)


@given(st.floats(0, 10), st.floats(0.1, 10), st.integers(1, 40), st.floats(0, 1))
def test_frame_times_lie_one_in_each_segment(start: float, length: float, count: int, phase: float) -> None:
    times = frame_times(start, start + length, count, np.asarray(phase))
    edges = start + length * np.arange(count + 1) / count
    assert (times >= edges[:-1] - 1e-9).all()
    assert (times <= edges[1:] + 1e-9).all()


def test_window_with_a_stride_slides_from_start_to_end() -> None:
    assert window_times(1.0, 3.0, 5, 0.25, 0.0).tolist() == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert window_times(1.0, 3.0, 5, 0.25, 1.0).tolist() == [2.0, 2.25, 2.5, 2.75, 3.0]
    assert window_times(1.0, 1.5, 5, 0.25, 0.7)[0] == 1.0  # longer than the interval: from its start


def test_a_window_too_long_for_its_interval_is_spread_unless_crops_are_to_be_repeated() -> None:
    start, end = np.array([[0.0], [0.0]]), np.array([[4.0], [2.0]])
    times = window_times(start, end, 4, 1.0, np.array([[0.5], [0.5]]), repeat=False)
    np.testing.assert_allclose(times, [[0.5, 1.5, 2.5, 3.5], [0.25, 0.75, 1.25, 1.75]])
    repeated = window_times(start, end, 4, 1.0, np.array([[0.5], [0.5]]))
    np.testing.assert_allclose(repeated, [[0.5, 1.5, 2.5, 3.5], [0.0, 1.0, 2.0, 3.0]])
    np.testing.assert_allclose(window_times(0.0, 3.0, 4, 1.0, 0.5, repeat=False), [0.0, 1.0, 2.0, 3.0])  # just fits


def test_moments_of_the_neutral_face_stand_before_those_of_each_window() -> None:
    windows, spec = np.array([[2.0, 3.0], [2.5, 3.5]]), SampleSpec(2, 1.0, False, None, neutral=5)
    found = after_neutral(windows, np.array([[0.0], [0.2]]), spec)  # the second face is there a little later
    np.testing.assert_allclose(found[0], [0.05, 0.15, 0.25, 0.35, 0.45, 2.0, 3.0])
    np.testing.assert_allclose(found[1], [0.25, 0.35, 0.45, 0.55, 0.65, 2.5, 3.5])
    assert (spec.moments, SampleSpec(None, None, False, None).moments) == (7, 1)


def test_window_without_a_stride_spreads_over_the_interval() -> None:
    np.testing.assert_allclose(window_times(0.0, 4.0, 4, None, 0.5), [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(window_times(0.0, 4.0, 4, None, 0.0), [0.0, 1.0, 2.0, 3.0])


def test_one_fixed_phase_is_the_middle() -> None:
    assert fixed_phases(1).tolist() == [0.5]
    assert fixed_phases(2).tolist() == [0.25, 0.75]


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.booleans())
def test_processes_share_every_sample(samples: int, batch: int, processes: int, shuffle: bool) -> None:
    shares = [
        EpochBatches(samples, batch, shuffle=shuffle, seed=3, rank=r, processes=processes) for r in range(processes)
    ]
    for share in shares:
        share.set_epoch(2)
    batches = [list(share) for share in shares]
    assert len({len(b) for b in batches}) == 1  # one waits for another otherwise
    assert [len(share) for share in shares] == [len(b) for b in batches]
    keys = [key for part in batches for b in part for key in b]
    assert {key // samples for key in keys} == {2}
    assert {key % samples for key in keys} == set(range(samples))
    assert len(keys) - samples < processes


def test_epochs_differ_and_repeat() -> None:
    batches = EpochBatches(50, 8, shuffle=True, seed=1)
    first = list(batches)
    assert first == list(batches)
    batches.set_epoch(1)
    second = [[key - 50 for key in b] for b in batches]
    assert second != first
    assert sorted(k for b in second for k in b) == list(range(50))


def test_an_incomplete_last_batch_is_left_out_unless_it_is_the_only_one() -> None:
    assert [len(b) for b in EpochBatches(10, 4, drop_last=True)] == [4, 4]
    assert [len(b) for b in EpochBatches(3, 4, drop_last=True)] == [3]


LABELS = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 1)), min_size=1, max_size=60)


@given(LABELS, st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_pairs_stay_together(labels: list[tuple[int, int]], half: int, processes: int, drop_last: bool) -> None:
    """In a batch, hence in a process, as many as can; with as many batches, and every sample once an epoch."""
    pair, authenticity = np.array(labels).T
    samples, batch = len(labels), 2 * half
    shares = [
        EpochBatches(
            samples, batch, shuffle=True, drop_last=drop_last, seed=3, rank=r, processes=processes,
            pairs=(pair, authenticity),
        )
        for r in range(processes)
    ]  # fmt: skip
    plain = EpochBatches(samples, batch, shuffle=True, drop_last=drop_last, processes=processes)
    for share in shares:
        share.set_epoch(2)
    batches = [list(share) for share in shares]
    assert {len(b) for b in batches} == {len(plain)} == {len(share) for share in shares}
    assert len({tuple(map(len, b)) for b in batches}) == 1
    numbers = [[key - 2 * samples for key in b] for part in batches for b in part]
    seen = [n for b in numbers for n in b]
    if processes == 1:
        assert len(set(seen)) == len(seen)
    if not drop_last:
        assert set(seen) == set(range(samples))
    partners = sum(
        min(int(((pair == p) & (authenticity == side)).sum()) for side in (0, 1)) for p in set(pair.tolist()) - {-1}
    )
    together = sum(
        min(sum((pair[n], authenticity[n]) == (p, side) for n in set(b)) for side in (0, 1))
        for b in numbers
        for p in {int(pair[n]) for n in b} - {-1}
    )
    if not drop_last:
        assert together >= partners


def test_pairs_come_in_another_order_each_epoch_with_other_partners() -> None:
    pair, authenticity = np.repeat(np.arange(10), 8), np.tile([0, 1], 40)
    batches = EpochBatches(80, 16, shuffle=True, seed=1, pairs=(pair, authenticity))
    first = [key for b in batches for key in b]
    assert first == [key for b in batches for key in b]
    batches.set_epoch(1)
    second = [key - 80 for b in batches for key in b]
    assert sorted(first) == sorted(second) == list(range(80))
    couples = [{frozenset(order[i : i + 2]) for i in range(0, 80, 2)} for order in (first, second)]
    for both in couples:
        assert all(
            len({int(pair[n]) for n in two}) == 1 and {int(authenticity[n]) for n in two} == {0, 1} for two in both
        )
    assert len(couples[0] & couples[1]) < 40
