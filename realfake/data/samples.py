"""Samples of a prepared store: which crops they are made of, and in which order an epoch visits them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from realfake.config import Sampling
from realfake.data.batch import Batch
from realfake.data.sampling import (
    FIXED_PHASE,
    TOLERANCE_SEC,
    after_neutral,
    fixed_phases,
    nearest_rows,
    sample_spans,
    sampled_intervals,
    segment_times,
    uniform,
    window_times,
)
from realfake.labels import ABSENT
from realfake.scoring.predictions import pair_numbers
from realfake.streams.stream import SampleSpec, StreamSet, take

if TYPE_CHECKING:
    from realfake.data.store import PreparedStore


class CropReader(Protocol):
    """Gives decoded crops at the input size: the store itself, or a cache of it."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Crops by their row in the store's index: (n,) → uint8 (n, size, size, 3), RGB; or features of them (n, F)."""
        ...


class ClipSamples(Dataset[Batch], ABC):
    """Samples of some clips of a store; whole batches are fetched at once.

    A key holds the epoch and the number of a sample (``epoch * len(self) + number``), so that worker processes that
    live on through all epochs draw what belongs to the epoch, and any number of workers draws the same.

    Args:
        store: The prepared dataset.
        rows: (clips,) rows of its table.
        streams: Those that the network takes.
        sampling: Window and number of samples.
        spec: What the network takes of a sample.
        random: Draw the phases anew each epoch; otherwise they are fixed.
        seed: Of the drawing.
    """

    def __init__(
        self,
        store: PreparedStore,
        rows: np.ndarray,
        streams: StreamSet,
        sampling: Sampling,
        spec: SampleSpec,
        *,
        random: bool = False,
        seed: int = 0,
    ) -> None:
        self.store, self.streams, self.sampling, self.spec = store, streams, sampling, spec
        self.random, self.stream = random, int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self.rows = np.asarray(rows, dtype=np.int64)
        table = store.table
        self.emotion = table["emotion"].to_numpy(np.int8)[self.rows]
        self.authenticity = table["authenticity"].to_numpy(np.int8)[self.rows]
        self.pair = pair_numbers(table)[self.rows]
        self.duration_sec = table["duration_sec"].to_numpy(np.float32)[self.rows]
        self.first_crop = table["first_crop"].to_numpy(np.int64)[self.rows]
        self.stored = table["stored"].to_numpy(np.int64)[self.rows]
        self.per_clip = self._samples_per_clip()
        self.ends = np.cumsum(self.per_clip)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, key: int) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """The batch of these keys; the loader calls this once a batch."""
        key = np.asarray(keys, dtype=np.int64)
        numbers = key % len(self)
        clips = np.searchsorted(self.ends, numbers, side="right")
        places = numbers - (self.ends[clips] - self.per_clip[clips])
        phases = uniform(self.stream, key) if self.random else self._fixed_phases(places)
        start, end = sampled_intervals(self.duration_sec[clips], self.sampling.window)
        times = self._times(clips, places, start[:, None], end[:, None], phases[:, None])
        return Batch(
            emotion=torch.from_numpy(self.emotion[clips].astype(np.int64)),
            authenticity=torch.from_numpy(self.authenticity[clips].astype(np.int64)),
            clip=torch.from_numpy(self.rows[clips]),
            pair=torch.from_numpy(self.pair[clips]),
            sample=torch.tensor(self._sample_ids(numbers, clips, times)),
            streams=take(self.streams, self.rows[clips], times, sample_spans(start, end, times, self.spec)),
        )

    def nearest_crops(self, clips: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Rows of the store's crops (B, T) nearest to moments (B, T) of some of these clips (B,)."""
        timestamps = np.asarray(self.store.crops["time_sec"])
        return nearest_rows(timestamps, self.first_crop[clips], self.stored[clips], times)

    def too_short(self) -> np.ndarray:
        """Whether a clip's sampled window is too short for the spacing of the frames, (clips,) bool."""
        if self.spec.frames is None or self.spec.stride_sec is None:
            return np.zeros(len(self.rows), dtype=bool)
        start, end = sampled_intervals(self.duration_sec, self.sampling.window)
        return end - start < (self.spec.frames - 1) * self.spec.stride_sec - TOLERANCE_SEC

    @abstractmethod
    def _samples_per_clip(self) -> np.ndarray:
        """Number of samples of each clip, (clips,)."""

    @abstractmethod
    def _fixed_phases(self, places: np.ndarray) -> np.ndarray:
        """Phases in validation and test of samples at these places of their clips, (B,)."""

    @abstractmethod
    def _times(
        self, clips: np.ndarray, places: np.ndarray, start: np.ndarray, end: np.ndarray, phases: np.ndarray
    ) -> np.ndarray:
        """Moments of samples, (B, frames), in seconds; start and end of the interval and the phases are (B, 1)."""

    @abstractmethod
    def _sample_ids(self, numbers: np.ndarray, clips: np.ndarray, times: np.ndarray) -> np.ndarray:
        """What tells samples apart, (B,) int64; of those that share it, one counts."""


class FrameSamples(ClipSamples):
    """Single frames: one out of each of ``frames_per_clip`` equal segments of the window."""

    def _samples_per_clip(self) -> np.ndarray:
        return np.minimum(self.sampling.frames_per_clip, self.stored)

    def _fixed_phases(self, places: np.ndarray) -> np.ndarray:
        return np.full(len(places), FIXED_PHASE)

    def _times(
        self, clips: np.ndarray, places: np.ndarray, start: np.ndarray, end: np.ndarray, phases: np.ndarray
    ) -> np.ndarray:
        return segment_times(start, end, self.per_clip[clips][:, None], places[:, None], phases)

    def _sample_ids(self, numbers: np.ndarray, clips: np.ndarray, times: np.ndarray) -> np.ndarray:
        return self.nearest_crops(clips, times)[:, 0]  # two segments may share their nearest crop: it is one sample


class WindowSamples(ClipSamples):
    """Windows of ``spec.frames`` frames, ``windows_per_clip`` of each clip."""

    def _samples_per_clip(self) -> np.ndarray:
        return np.where(self.stored > 0, self.sampling.windows_per_clip, 0)

    def _fixed_phases(self, places: np.ndarray) -> np.ndarray:
        return fixed_phases(self.sampling.windows_per_clip)[places]

    def _times(
        self, clips: np.ndarray, places: np.ndarray, start: np.ndarray, end: np.ndarray, phases: np.ndarray
    ) -> np.ndarray:
        spec = self.spec
        assert spec.frames is not None
        times = window_times(start, end, spec.frames, spec.stride_sec, phases, repeat=spec.repeat_crops)
        return after_neutral(times, self.store.crops["time_sec"][self.first_crop[clips], None], spec)

    def _sample_ids(self, numbers: np.ndarray, clips: np.ndarray, times: np.ndarray) -> np.ndarray:
        return numbers


class EpochBatches(Sampler[list[int]]):
    """Batches of keys of :class:`ClipSamples`, the same for any number of workers and, put together, of processes.

    With several processes every one gets the same number of batches; samples that come twice for that are told by
    their number and dropped from every metric.

    Args:
        samples: Number of samples.
        batch_size: Of each process.
        shuffle: Visit the samples in an order drawn from ``seed`` and the epoch.
        drop_last: Leave an incomplete last batch out (unless it is the only one), so that all have one shape.
        pairs: Pair of each sample, -1 = none, and its authenticity, each (samples,): a real and a fake sample of a pair
            come side by side, hence in one batch of an even size, and of one process; samples without a partner in
            twos, too. None = each by itself.
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        rank: int = 0,
        processes: int = 1,
        pairs: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.pairs = pairs
        self.samples, self.batch_size, self.shuffle, self.seed = samples, batch_size, shuffle, seed
        self.rank, self.processes = rank, processes
        self.share = -(-samples // processes)
        self.drop_last = drop_last and self.share >= batch_size
        self.epoch = 0
        self.sampler = self  # Lightning tells the epoch to the ``sampler`` of a batch sampler

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.share // self.batch_size if self.drop_last else -(-self.share // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.arange(self.samples)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.samples)
        together = 1 if self.pairs is None else 2
        if self.pairs is not None:
            order = coupled(order, *self.pairs)
        units = np.resize(order, (-(-self.samples // together), together))
        rounds = -(-len(units) // self.processes)
        mine = np.resize(units, (rounds * self.processes, together))[self.rank :: self.processes].reshape(-1)
        mine = mine[: self.samples] + self.epoch * self.samples  # without what fills the last two up
        for i in range(len(self)):
            yield mine[i * self.batch_size : (i + 1) * self.batch_size].tolist()


def coupled(order: np.ndarray, pair: np.ndarray, authenticity: np.ndarray) -> np.ndarray:
    """An order in which real and fake samples of a pair stand side by side, at places 2 k and 2 k + 1.

    The n-th real sample of a pair goes with its n-th fake one. Samples that have no partner go two by two, and of an
    odd number of them one comes last. Whoever comes first in ``order`` leads its two.

    Args:
        order: (samples,) their numbers.
        pair: (samples,) by number; -1 = none.
        authenticity: (samples,) by number; -1 = absent.
    """
    import pandas as pd

    groups = pd.DataFrame({"pair": pair[order], "side": authenticity[order]})
    nth = groups.groupby(["pair", "side"]).cumcount().to_numpy()
    places, known = np.arange(len(order)), (groups != ABSENT).all(axis=1).to_numpy()
    keys = np.where(known, groups["pair"].to_numpy() * len(order) + nth, -1 - places)
    _, first, inverse, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    lead, alone = first[inverse], np.flatnonzero(count[inverse] == 1)
    lead[alone] = np.repeat(alone[::2], 2)[: len(alone)]
    if len(alone) % 2:
        lead[alone[-1]] = len(order)
    return order[np.argsort(lead, kind="stable")]
