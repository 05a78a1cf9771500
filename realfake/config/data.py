"""Datasets and sampling: the groups ``data`` and ``sampling``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from realfake.config.base import Count, Fraction, NonNegative, Parallel, Positive, Strict, check_window
from realfake.config.guests import Guests
from realfake.config.split_options import DECLARES_NONE, OfficialSplit, SplitConfig, check_groups
from realfake.labels import AUTHENTICITIES, LabelSpace

Decoder = Literal["pyav", "decord", "torchcodec"]


def dataset_title(name: str, root: str | None) -> str:
    """What people call a dataset: a table of theirs is called like its file."""
    return Path(root).stem if name == "csv" and root else name


class _Data(Strict):
    """What every dataset has: where it lies, how it is prepared, how it is loaded."""

    root: str | None
    """Folder (or table) with the raw videos, in the layout of the dataset."""
    emotions: list[str]
    """Those that its clips show, in the order of the class index."""
    prepared: str
    """Folder under which prepared stores lie, one per digest."""
    window: list[float]
    """Part of each clip that is prepared, as fractions of its duration."""
    rate_fps: Positive
    """Crops stored per second of video."""
    size: Annotated[int, Field(ge=16, le=1024)]
    """Side of a stored face crop in pixels."""
    jpeg_quality: Annotated[int, Field(ge=50, le=100)]
    decoder: Decoder
    """Library that decodes videos; the two others are optional, and refuse what they do not read exactly."""
    duplicates: Literal["exclude", "keep"]
    """What to do with identical files under different labels."""
    limit_clips: Count | None
    """Keep only the first N clips of the table, for a quick look (evenly over classes)."""
    prepare_workers: Parallel | None
    """Processes that prepare; null = one per core."""
    patience_sec: Positive
    """Seconds that preparing a clip may take, and as many again for each 10 MB of its file, until it is given up."""
    batch_size: Count
    eval_batch_size: Count | None
    """Samples a batch in validation and test; null = ``batch_size``."""
    workers: Annotated[int, Field(ge=0, le=1024)] | None
    """Loader processes; null = chosen from the cores."""
    cache: Literal["auto", "memmap", "none"]
    """``memmap`` keeps the decoded crops in one memory-mapped file beside the store; ``auto``: where there is room."""

    @model_validator(mode="after")
    def _check(self) -> _Data:
        check_window(self.window, "data.window")
        shown = f"data.emotions=[{','.join(self.emotions)}]"
        if not self.emotions:
            raise ValueError(f"{shown}: expected at least one; data without emotions need no other key")
        for name in self.emotions:
            if not re.fullmatch(r"[^\W\d_][^\W_]*(-[^\W_]+)*", name) or name != name.lower() or name in AUTHENTICITIES:
                raise ValueError(f"{shown}: {name!r}; expected a word for an emotion in lower case, such as fear")
            if self.emotions.count(name) > 1:
                raise ValueError(f"{shown}: {name} twice; expected each emotion once")
        return self

    @property
    def space(self) -> LabelSpace:
        """The classes of the clips."""
        return LabelSpace(tuple(self.emotions))

    @property
    def title(self) -> str:
        """What people call it."""
        return dataset_title(self.name, self.root)  # type: ignore[attr-defined]


class _RecordedData(_Data):
    """Videos of people, who may not all be known."""

    subjects: Literal["known", "each_clip"]
    """Clips of which nobody knows the person: refused, or each counts as a person of its own."""
    parts_without_people: ClassVar[bool] = False
    """Whether the dataset's own parts hold clips without a person by design."""


class SyntheticData(_Data):
    """Generated faces in SASE-FE's layout; ``root`` null = a folder named by the digest of the settings."""

    name: Literal["synthetic"]
    subjects: Annotated[int, Field(ge=2)]
    seed: NonNegative
    difficulty: Fraction
    fps: Positive
    seconds: Annotated[float, Field(ge=0.5)]
    video_size: Annotated[int, Field(ge=96)]
    folder: str
    """Where the generated videos are written when ``root`` is null."""


class SaseFeData(_RecordedData):
    """SASE-FE, full release: ``root`` is the folder ``FakeTrue_DB``."""

    name: Literal["sase_fe"]


class SaseFeChallengeData(_RecordedData):
    """SASE-FE, ChaLearn LAP 2017 challenge release."""

    name: Literal["sase_fe_challenge"]
    parts_without_people: ClassVar[bool] = True


class UvaNemoData(_RecordedData):
    """UvA-NEMO smiles: authenticity only, emotion happy, ten official folds."""

    name: Literal["uva_nemo"]
    details: str | None
    """The dataset's list of file details; null = found beside the videos."""
    folds: str | None
    """Folder with the official fold files; null = found beside the videos."""


Heading = Annotated[str, BeforeValidator(lambda given: str(given) if type(given) is int else given)]
"""A whole number is one as well, since a command line does not tell the two apart."""


class TableColumns(Strict):
    """Headings of a table's columns; null = one of the usual ones."""

    path: Heading | None
    subject: Heading | None
    emotion: Heading | None
    authenticity: Heading | None
    real: Heading | None
    """Column of authenticities in which 1 means real."""
    fake: Heading | None
    """Column of authenticities in which 1 means fake."""
    clip: Heading | None
    dataset: Heading | None
    pair: Heading | None
    part: Heading | None
    fold: Heading | None


class CsvData(_RecordedData):
    """A table of clips (CSV or Parquet) with documented columns; ``root`` is the table's path."""

    name: Literal["csv"]
    columns: TableColumns


class SeedFramesData(_RecordedData):
    """Prepared frames of the thesis's code, ``train|test/<class>/*.jpg``."""

    name: Literal["seed_frames"]


class SeedMultiTaskData(_RecordedData):
    """Prepared frames of the thesis's multi-task code, ``train|test/<real_fake>_<emotion>_<rest>.jpg``."""

    name: Literal["seed_multi_task"]


class SeedSequencesData(_RecordedData):
    """Prepared sequences of the thesis's temporal code, ``<class>/<video>/sequence.npy``."""

    name: Literal["seed_sequences"]


class Dataset(_RecordedData):
    """A dataset of a layout that a plugin brings."""

    name: str

    def listing(self) -> Any:
        """Its clips below ``root``, which is a folder that exists, as a :class:`realfake.data.clips.Listing`."""
        raise NotImplementedError


DataConfig = Annotated[
    SyntheticData
    | SaseFeData
    | SaseFeChallengeData
    | UvaNemoData
    | CsvData
    | SeedFramesData
    | SeedMultiTaskData
    | SeedSequencesData,
    Field(discriminator="name"),
    Guests("data"),
]


def _root_given(data: DataConfig) -> DataConfig:
    if data.root is None and not isinstance(data, SyntheticData):
        kind = "table" if isinstance(data, CsvData) else "folder"
        raise ValueError(f"data.root is missing: give the {kind} of data={data.name} as data.root=/path/to/it")
    return data


LocatedData = Annotated[DataConfig, AfterValidator(_root_given)]
"""A dataset that a command is about to read: all but the generated one have to lie somewhere."""


def check_subjects(data: DataConfig, split: SplitConfig) -> None:
    """Raise ``ValueError`` if the number of subjects is known without looking, and too small for the split."""
    if isinstance(data, SyntheticData) and data.root is None:
        if isinstance(split, OfficialSplit):
            raise ValueError(f"split=official: data=synthetic {DECLARES_NONE}")
        check_groups(split, data.subjects)


class Sampling(Strict):
    """Which stored crops make a sample; times are fractions or seconds of the clip, never frame numbers."""

    window: list[float]
    """Part of each clip that is sampled."""
    frames_per_clip: Count
    """Frame approaches: frames of a clip in an epoch (random in training, evenly spaced otherwise)."""
    windows_per_clip: Count
    """Clip approaches: windows of a clip in an epoch."""
    pairs: bool
    """Training: a real and a fake sample of a pair stand in one batch."""

    @model_validator(mode="after")
    def _check(self) -> Sampling:
        check_window(self.window, "sampling.window")
        return self


def check_pairs(sampling: Sampling, data: DataConfig) -> None:
    """Raise ``ValueError`` if batches cannot be made of two samples each."""
    if sampling.pairs and data.batch_size % 2:
        raise ValueError(
            f"data.batch_size={data.batch_size}: sampling.pairs=true takes samples two by two; expected "
            f"{data.batch_size + 1}, or another even number"
        )
