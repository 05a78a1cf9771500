"""What the data modules for frames and for sequences share: preparing, splitting, loading."""

from __future__ import annotations

import multiprocessing
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from realfake.config import PIXELS, DataConfig, FaceConfig, Sampling, SignalConfig, SplitConfig, signals_of
from realfake.data.batch import Batch
from realfake.data.cache import MemmapCache, cache_path, open_cache
from realfake.data.learned import Known, Learned
from realfake.data.people import check_people, people_note
from realfake.data.preparation import prepare
from realfake.data.samples import ClipSamples, CropReader, EpochBatches, FrameSamples, WindowSamples
from realfake.data.signal_store import prepare_here
from realfake.data.sources.columns import IGNORED
from realfake.data.splits import UNUSED, assign_parts, check_split
from realfake.data.stored_streams import StoredStream
from realfake.data.stream_sets import CropRows, ValueReader, compute_streams, stream_set
from realfake.data.work import cores
from realfake.errors import UserError
from realfake.labels import ABSENT, TASKS, Authenticity, LabelSpace, told_by
from realfake.pages import counted
from realfake.scoring.predictions import subject_numbers
from realfake.streams.stream import SampleSpec, StreamSet, StreamSpec, Translation

if TYPE_CHECKING:
    from realfake.data.clips import Listing
    from realfake.data.store import PreparedStore
    from realfake.streams.frozen_features import FeaturesOf


class ClipDataModule(LightningDataModule):
    """Batches (:class:`realfake.data.batch.Batch`) of a dataset, split by subject.

    Args:
        data: The dataset; prepared on first use.
        face: How faces are found.
        split: Who trains, validates and tests.
        sampling: Which crops make a sample.
        spec: What the network takes, :func:`realfake.models.sample_spec`.
        signals: How streams that are not prepared with the crops are computed.
        seed: Of the order and the random samples of training.
        tasks: What is learned: joint classes need clips with both labels.
        space: By which emotions are numbered, those that it lacks being absent; None = that of the dataset.
        tested: Part that is tested.
        whole: Test on every labelled clip, whatever the split says (another dataset than the one trained on).
    """

    samples_class: ClassVar[type[ClipSamples]]

    def __init__(
        self,
        data: DataConfig,
        face: FaceConfig,
        split: SplitConfig,
        sampling: Sampling,
        spec: SampleSpec,
        signals: dict[str, SignalConfig] | None = None,
        *,
        seed: int = 0,
        tasks: tuple[str, ...] = ("emotion", "authenticity"),
        space: LabelSpace | None = None,
        tested: str = "test",
        whole: bool = False,
    ) -> None:
        super().__init__()
        self.data, self.face, self.split, self.sampling, self.spec = data, face, split, sampling, spec
        self.signals = signals or {}
        self.seed, self.tasks, self.tested, self.whole = seed, tasks, tested, whole
        self.space = data.space if space is None else space
        self.parts: np.ndarray = np.empty(0, dtype="<U5")
        self.once = False
        """Whether each crop is read only once, so that decoded ones are taken where they are and not kept."""
        self.decodes = False
        """Whether crops are decoded whenever they are read, known after :meth:`setup`."""
        self.store: PreparedStore | None = None
        self.computed: dict[str, StoredStream] = {}
        self.translations: Mapping[str, Translation] = {}
        """Of streams of another tracker than the one that the network was trained on."""
        self.sets: dict[str, ClipSamples] = {}
        self.frozen = False
        """Whether stored features stand in for pixels."""
        self._loaders: dict[str, DataLoader[Batch]] = {}

    def prepare_data(self) -> None:
        """Prepare the dataset if that was not done before (one process works, others wait)."""
        self.opened()

    def setup(self, stage: str | None = None) -> None:
        """Split the clips into training, validation and test; raises :class:`UserError` if a part has none."""
        if self.sets:
            return
        store = self.opened()
        self.parts = np.full(len(store), self.tested) if self.whole else assign_parts(store.table, self.split)
        streams = self._streams(store)
        for name in ("test",) if self.whole else ("train", "val", "test"):
            training, part = name == "train", self.tested if name == "test" else name
            rows = np.flatnonzero((self.parts == part) & self.usable(training=training))
            samples = self.samples_class(
                store, rows, streams, self.sampling, self.spec, random=training, seed=self.seed
            )
            samples.emotion = self._emotions()[rows]
            if not len(samples):
                ignored = [r["reason"] for r in store.settings["remarks"] if r["reason"].startswith(IGNORED)]
                raise UserError(
                    f"data={self.data.name}: no labelled clip is left for the {part} part; "
                    + "; ".join([*ignored, "use more clips or subjects"])
                )
            self.sets[name] = samples
            if training and self.sampling.pairs:
                self.require_pairs("sampling.pairs=true")

    def require_pairs(self, key: str) -> None:
        """Raise :class:`UserError`, naming ``key``, if no two training samples are a real and a fake one of a pair."""
        if not self._with_counterpart().any():
            samples = self.sets["train"]
            subjects = np.unique(subject_numbers(self.opened().table)[samples.rows])
            pairs = np.unique(samples.pair[samples.pair != ABSENT])
            raise UserError(
                f"{key}: no pair of data={self.data.name} has a real and a fake clip in the training part "
                f"({counted(len(samples.rows), 'clip')}, {counted(len(subjects), 'subject')}, "
                f"{counted(len(pairs), 'pair')}); expected data with pairs (of a table its column pair), or to do "
                "without"
            )

    def _with_counterpart(self) -> np.ndarray:
        """Whether each training clip's pair has a real and a fake clip."""
        samples, sides = self.sets["train"], (Authenticity.REAL, Authenticity.FAKE)
        real, fake = (samples.pair[samples.authenticity == side] for side in sides)
        both = np.setdiff1d(np.intersect1d(real, fake), ABSENT)
        return np.isin(samples.pair, both) & np.isin(samples.authenticity, sides)

    def _pairs(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Pair and authenticity of each sample of a part."""
        samples = self.sets[part]
        return np.repeat(samples.pair, samples.per_clip), np.repeat(samples.authenticity, samples.per_clip)

    def _streams(self, store: PreparedStore) -> StreamSet:
        reader: CropReader | None = None
        if self.data.cache != "none" and self.spec.pixels is not None:
            size, if_room = self.spec.pixels.size, self.data.cache == "auto"
            if not (if_room and self.once) or cache_path(store, size).exists():
                reader = open_cache(store, size, if_room=if_room)
        self.decodes = self.spec.pixels is not None and not isinstance(reader, MemmapCache)
        return stream_set(store, self.spec, reader, self.computed, self.translations)

    def opened(self) -> PreparedStore:
        """The prepared dataset, opened (and prepared) once."""
        if self.store is None:
            signals = signals_of(self.signals, self.spec.numbers).values()
            self.store = prepare(self.data, self.face, signals, check=self._check)
            self.computed = compute_streams(self.store, self.spec, self.data, self.face, self.signals)
        return self.store

    def signals_read(self) -> list[str]:
        """What the signals gave, by content, see :func:`realfake.data.derived_streams.streams_read`."""
        self.opened()
        return sorted({stream.folder.name for stream in self.computed.values()})

    def _check(self, listing: Listing) -> None:
        """Refuse, before preparation, what cannot be split; raises :class:`UserError`."""
        check_people(listing, self.data, None if self.whole else self.split)
        if not self.whole:
            check_split(listing.frame(), self.split)

    @property
    def people_note(self) -> str | None:
        """What has to be said of unknown people beside every figure, see :func:`realfake.data.people.people_note`."""
        subjects = self.opened().table["subject"].to_numpy(object)
        return people_note(subjects[self.parts != UNUSED])

    def _emotions(self) -> np.ndarray:
        """Emotion of each clip of the store (clips,) int8, numbered by :attr:`space`."""
        numbers = np.array(self.space.numbers(self.data.emotions), dtype=np.int8)
        return numbers[self.opened().table["emotion"].to_numpy(np.int64)]

    def usable(self, *, training: bool = False) -> np.ndarray:
        """(clips,) bool: whether a clip has labels to learn from, or to be tested on.

        Training on joint classes needs both labels; everything else at least one of those that are told.
        """
        known = {"emotion": self._emotions(), "authenticity": self.opened().table["authenticity"].to_numpy()}
        has = [labels != ABSENT for task, labels in known.items() if task in told_by(self.tasks)]
        every = training and "joint" in self.tasks
        return np.logical_and.reduce(has) if every else np.logical_or.reduce(has)

    def remarks(self) -> list[str]:
        """What a user should know about how the samples are drawn, one line each."""
        clips = sum(int(samples.too_short().sum()) for samples in self.sets.values())
        found = []
        if self.sampling.pairs and (alone := int((~self._with_counterpart()).sum())):
            of = counted(len(self.sets["train"].rows), "training clip")
            found.append(f"sampling.pairs=true: {alone} of {of} have no counterpart in their pair to be compared with")
        if not clips:
            return found
        every, spec = sum(len(samples.rows) for samples in self.sets.values()), self.spec
        return [
            *found,
            f"{clips} of {every} clips are too short for {spec.frames} frames {spec.stride_sec:.4g} s apart within "
            f"sampling.window={self.sampling.window}: "
            + ("their last crop is repeated" if spec.repeat_crops else "their frames are spread evenly over it"),
        ]

    def learned(self) -> Learned:
        """People and files of the training and the validation part."""
        rows = np.concatenate([self.sets[part].rows for part in ("train", "val")])
        return Learned.of(self.opened().table, rows, self.data)

    def tested_of(self, learned: Learned) -> list[Known]:
        """Who of the tested part is among what weights have learned."""
        return learned.among(self.opened().table, self.sets["test"].rows, self.data)

    def class_counts(self, part: str = "train") -> dict[str, list[int]]:
        """Clips of each class of each task in a part."""
        labels = {name: getattr(self.sets[part], name).astype(int) for name in ("emotion", "authenticity")}
        both = (labels["emotion"] != ABSENT) & (labels["authenticity"] != ABSENT)
        labels["joint"] = np.where(both, self.space.joint_classes(**labels), ABSENT)
        counted = {task: y[y != ABSENT] for task, y in labels.items()}
        return {task: np.bincount(counted[task], minlength=self.space.size(task)).tolist() for task in TASKS}

    def statistics(self, names: Container[str] | None = None) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Mean and standard deviation (size,) float32 of streams of numbers, those named or all, over the training
        part."""
        found = {}
        for info in (info for info in self.spec.numbers if names is None or info.name in names):
            values = self.sets["train"].streams[info.name].values_of(self.sets["train"].rows).reshape(-1, info.size)
            mean, deviation = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
            found[info.name] = torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()
        return found

    def train_dataloader(self) -> DataLoader[Batch]:
        """Random samples in a random order; an incomplete last batch is left out."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """Fixed samples in a fixed order."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Fixed samples in a fixed order."""
        return self.loader("test")

    def loader(self, part: str) -> DataLoader[Batch]:
        """The loader of a part, made once so that its workers live on."""
        if part not in self._loaders:
            workers = self.workers(part == "train")
            self._loaders[part] = DataLoader(
                self.sets[part],
                batch_sampler=self.batches(
                    part,
                    rank=self.trainer.global_rank if self.trainer else 0,
                    processes=self.trainer.world_size if self.trainer else 1,
                ),
                collate_fn=_as_is,  # type: ignore[arg-type]
                # Its own, so that starting a loader takes nothing out of the random numbers that training draws.
                generator=torch.Generator(),
                num_workers=workers,
                pin_memory=torch.cuda.is_available(),
                persistent_workers=workers > 0,
                prefetch_factor=4 if workers else None,
            )
        return self._loaders[part]

    def batches(self, part: str, *, rank: int = 0, processes: int = 1) -> EpochBatches:
        """Which samples make each batch of a part, in one of the processes."""
        training = part == "train"
        return EpochBatches(
            len(self.sets[part]),
            self.data.batch_size if training else self.data.eval_batch_size or self.data.batch_size,
            shuffle=training,
            drop_last=training,
            seed=self.seed,
            rank=rank,
            processes=processes,
            pairs=self._pairs(part) if training and self.sampling.pairs else None,
        )

    def use_features(self, signal: FeaturesOf) -> None:
        """Give what a frozen network makes of the crops in place of pixels, in all parts; stored if it is not yet.

        Raises:
            UserError: If they cannot be stored, or computed of a clip.
        """
        store = self.opened()
        rows = store.table["stored"].to_numpy()
        needed = int(rows.sum()) * signal.backbone.features * 4
        stored = prepare_here(store, self.data, self.face, signal, "features", needed=needed)["features"]
        if lost := int((stored.counts != rows).sum()):
            raise UserError(f"{stored.folder}: {lost} clips have none")
        for samples in self.sets.values():
            samples.streams = {**samples.streams, PIXELS.name: CropRows(store, StreamSpec(PIXELS), ValueReader(stored))}
        self.frozen = True

    def workers(self, training: bool) -> int:
        """Loader processes of a part, chosen from the cores unless configured.

        On the CPU the network itself needs the cores: decoding gets one process, and copying out of a cache none.
        """
        if multiprocessing.current_process().daemon or self.frozen:
            return 0  # a daemon may not have children; features are quicker read than handed over
        if self.data.workers is not None:
            return self.data.workers
        if torch.cuda.is_available():
            return max(1, min(cores() - 1, 8) // (1 if training else 2))
        return 1 if self.decodes and training and cores() > 1 else 0


def _as_is(batch: Batch) -> Batch:
    """Samples come as whole batches."""
    return batch


class FrameDataModule(ClipDataModule):
    """Batches of single frames, uint8 (B, H, W, 3): ``sampling.frames_per_clip`` of each clip in an epoch."""

    samples_class = FrameSamples


class SequenceDataModule(ClipDataModule):
    """Batches of windows, uint8 (B, T, H, W, 3): ``sampling.windows_per_clip`` of each clip in an epoch."""

    samples_class = WindowSamples
