"""The configuration of each command but ``realfake train``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from realfake.config.base import Count, NonNegative, Positive, Seed, Strict, check_three
from realfake.config.data import Decoder, LocatedData
from realfake.config.face_options import FaceConfig
from realfake.config.signal_options import Signals, check_windows, streams_named
from realfake.config.split_options import SplitConfig
from realfake.config.stream_info import StreamInfo
from realfake.config.trackers import Accept
from realfake.labels import Protocol


class Command(Strict):
    """What all commands have."""

    plugins: list[str]
    """Files of plugins, which are loaded before anything else is looked at."""


class WithSignals(Command):
    """What commands have that compute streams of a dataset, all that signals give."""

    data: LocatedData
    signals: Signals
    derived: list[str]
    """Streams that follow from those of the signals, by their names, such as ``units_velocity``."""

    @property
    def derived_infos(self) -> tuple[StreamInfo, ...]:
        """What they are."""
        return tuple(streams_named(self.derived, self.signals).values())

    @model_validator(mode="after")
    def _check_derived(self) -> WithSignals:
        shown = f"derived=[{','.join(self.derived)}]"
        try:
            infos = self.derived_infos
        except ValueError as error:
            raise ValueError(f"{shown}: {error}") from None
        if plain := [info.name for info in infos if not info.rules]:
            raise ValueError(f"{shown}: {plain[0]} is derived of nothing; expected names such as {plain[0]}_velocity")
        if twice := [name for name in self.derived if self.derived.count(name) > 1]:
            raise ValueError(f"{shown}: {twice[0]} twice; expected each once")
        check_windows(self.signals, self.data.rate_fps)
        return self


class SweepFolder(Strict):
    """Where a launcher keeps what it needs (``-m``)."""

    name: str | None
    """Folder under ``outputs/prepare/``; null = a digest of the sweep's overrides."""


class PrepareConfig(WithSignals):
    """``realfake prepare``."""

    face: FaceConfig
    shard: NonNegative
    """Which part of the clips this process works on, from 0."""
    shards: Count
    """Parts that the work is divided into."""
    sweep: SweepFolder

    @model_validator(mode="after")
    def _check(self) -> PrepareConfig:
        if self.shard >= self.shards:
            numbers = "0" if self.shards == 1 else f"one of 0 to {self.shards - 1}"
            raise ValueError(f"shard={self.shard} shards={self.shards}: expected shard={numbers}, or more shards")
        return self


class SignalsConfig(WithSignals):
    """``realfake signals``."""

    face: FaceConfig
    input: str | list[str] | None
    """Files, as :attr:`PredictConfig.input`, instead of a dataset."""
    out: str | None
    """Folder of the tables; null = ``outputs/signals/<time>``."""
    format: Literal["csv", "parquet"]

    @model_validator(mode="after")
    def _check(self) -> SignalsConfig:
        if not self.signals:
            raise ValueError("signals is missing: give at least one, as in signals=[motion]")
        return self


class DescribeConfig(WithSignals):
    """``realfake describe``."""

    face: FaceConfig
    split: SplitConfig
    out: str | None
    """Folder of the result; null = ``outputs/describe/<dataset>-<time>``."""
    faces: bool
    """Whether the result shows contact sheets of the faces."""


class ConvertInput(Strict):
    """What a network of the thesis's code was trained with; null = what its scripts did for frames and for clips."""

    size: Annotated[int, Field(ge=16, le=1024)]
    """Side of the square input in pixels."""
    mean: list[float] | None
    """Per channel in ``channel_order``, of values scaled to 0-1; null = SASE-FE's for frames, 0 for clips."""
    std: list[Positive] | None
    """Null = SASE-FE's for frames, 1 for clips."""
    channel_order: Literal["rgb", "bgr"] | None
    """Null = rgb for frames, bgr for clips, which its scripts read with OpenCV."""
    frames: Count
    """Clip networks: frames of a sequence."""
    stride_sec: Positive | None
    """Clip networks: time between two frames; null = spread over the clip, as its scripts do."""


class ConvertConfig(Command):
    """``realfake convert``."""

    model: str | None
    """A file that the thesis's code wrote."""
    out: str | None
    """Folder of the run that is written; null = ``outputs/converted/<name of the file>``."""
    input: ConvertInput

    @model_validator(mode="after")
    def _check(self) -> ConvertConfig:
        check_three(self.input.mean, "input.mean")
        check_three(self.input.std, "input.std")
        if not self.model:
            raise ValueError("model is missing: give it as model=/path/model.pth")
        return self


class ReportConfig(Command):
    """``realfake report``."""

    dir: str | list[str] | None
    """A run, a sweep, any folder of runs, or a list of them."""
    out: str | None
    """Folder of the report; null = ``dir`` itself, or ``outputs/report/<time>`` for several."""
    metric: str | None
    """Ranks the runs; null = the test figure of the metric that most of them were selected on."""
    pool: list[str]
    """Keys in which the runs of a group may differ."""
    draws: Annotated[int, Field(ge=100)]
    """Of the bootstrap over subjects."""
    plots: Literal["auto", "all", "none"]
    """Of which runs ``plots/`` are drawn, if they have none."""
    log_lines: NonNegative
    """Shown of the log of a run without a result."""

    @model_validator(mode="after")
    def _check(self) -> ReportConfig:
        if not self.dir:
            raise ValueError("dir is missing: give it as dir=multirun/<name>, or any folder of runs")
        return self


class CompareConfig(Command):
    """``realfake compare``."""

    a: str | list[str] | None
    """A system: runs, a sweep, any folder or pattern of runs, or a list; with ``dir``, overrides that its rows have."""
    b: str | list[str] | None
    systems: list[str | list[str]] | dict[str, str | list[str]] | None
    """Any number of systems, each as :attr:`a`, with their names or without."""
    dir: str | list[str] | None
    """Folder of runs, or a list, of which systems are rows."""
    by: str | list[str] | None
    """Override keys; each of their values in ``dir`` is a system."""
    metric: str | list[str] | None
    """Names as in ``docs/metrics.md``; null = the usual ones."""
    margin: Annotated[float, Field(gt=0.0, lt=1.0)] | None
    """Size of a difference that does not matter."""
    people: list[Annotated[int, Field(ge=1, le=1_000_000)]] | None
    """Numbers of test people whose power is told; null = the usual ones."""
    difference: Annotated[float, Field(gt=0.0, lt=1.0)]
    """True difference whose power is told beside that of the measured one."""
    same_data: bool
    """Refuse runs on other prepared data, even of the same clips."""
    resamples: Annotated[int, Field(ge=100)]
    permutations: Annotated[int, Field(ge=100)]
    seed: Seed
    out: str | None
    """Folder of the result; null = ``outputs/compare/<time>``."""

    @model_validator(mode="after")
    def _check(self) -> CompareConfig:
        given = {"a and b": bool(self.a or self.b), "systems": bool(self.systems), "by": bool(self.by)}
        chosen = [words for words, there in given.items() if there]
        if not chosen:
            raise ValueError(
                "a and b are missing: give them as a=multirun/x b=multirun/y, or dir=multirun/x by=approach"
            )
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} are given: expected one of a and b, systems, by")
        if chosen == ["a and b"] and not (self.a and self.b):
            missing = "b" if self.a else "a"
            raise ValueError(f"{missing} is missing: give it as {missing}=multirun/y, what is compared with the other")
        if self.by and not self.dir:
            raise ValueError("dir is missing: give the folder of the runs as dir=multirun/<name> by=…")
        return self


class OwnData(Strict):
    """The data that a run was trained on; what is null is where it was."""

    name: None
    root: str | None
    prepared: str | None


def _name_of(data: Any) -> Any:
    return data.get("name") if isinstance(data, dict) else getattr(data, "name", None)


def check_run_given(run: str | None) -> None:
    """Raise ``ValueError`` unless a command that needs a finished run was told one."""
    if not run:
        raise ValueError("run is missing: give it as run=outputs/<approach>/<folder of a finished run>")


class EvaluateConfig(Command):
    """``realfake evaluate``."""

    run: str | None
    """A finished run's folder, or one of its checkpoints."""
    part: Literal["test", "val", "train"]
    data: Annotated[
        Annotated[OwnData, Tag("own")] | Annotated[LocatedData, Tag("another")],
        Discriminator(lambda data: "own" if _name_of(data) is None else "another"),
    ]
    """Where the run's own data lies now, or another dataset, which is prepared as the run's own was."""
    face: FaceConfig | None
    tables: str | None
    """As :attr:`PredictConfig.tables`, of the clips that are tested."""
    accept: Accept
    protocol: Protocol | None
    """What decides real or fake of a clip, of both runs; null = as in the run."""
    against: str | None
    """Another run, to be compared with on the same clips."""
    calibration: Literal["none", "temperature"]
    """``temperature`` = scale each task by one that is fitted on validation clips, if it can be relied on."""
    resamples: Annotated[int, Field(ge=100)]
    seed: Seed
    device: str
    batch_size: Count | None
    """Samples a batch; null = as in the run."""
    out: str | None
    """Folder of the result; null = ``evaluation/<what>`` in the run's folder."""
    plots: bool
    faces: bool | None
    """Whether crops of faces may get into the result; null = as in the run."""

    @model_validator(mode="after")
    def _check(self) -> EvaluateConfig:
        check_run_given(self.run)
        if not isinstance(self.data, OwnData) and self.part != "test":
            raise ValueError(f"part={self.part}: another dataset is tested as a whole; leave part out")
        if self.part == "val" and self.calibration == "temperature":
            raise ValueError(
                "calibration=temperature is fitted on part=val, so that it cannot be tested there; use part=test"
            )
        return self


class PredictConfig(Command):
    """``realfake predict``."""

    run: str | None
    """A finished run's folder, or one of its checkpoints."""
    input: str | list[str] | None
    """An image, a video, a folder (with all below it), a pattern such as ``faces/*.jpg``, or a list of them."""
    out: str | None
    """Folder of the result; null = ``outputs/predict/<time>``."""
    device: str
    """``auto`` = the first GPU if there is one, else CPU; ``cpu``, ``cuda``, ``cuda:1``."""
    batch_size: Count
    """Faces or windows computed at once."""
    annotate: bool
    """Draw boxes and labels on a copy of each image and video, and curves of videos."""
    picture_size: Annotated[int, Field(ge=160, le=4096)]
    """Longer side in pixels above which annotated copies of images are reduced."""
    film_size: Annotated[int, Field(ge=160, le=4096)]
    """The same of videos."""
    explain: bool
    """Show what the network looked at, by Grad-CAM; needs the extra ``explain``."""
    window_sec: Positive | None
    """Videos: width of the window of the curve over time; null = 1 s, or what a clip network's frames span."""
    face: FaceConfig | None
    """How faces are found; null = as in the run."""
    face_weights: str | None
    """Runs with ``face=yunet``: the detector's weights, if they are not where they were in training."""
    tables: str | None
    """Runs that read tables (``signals=[openface]``, ``[pyfeat]``): folder of those of the inputs; null = as in the
    run, whose ``signals.<kind>.root`` is null if they lie beside the videos."""
    accept: Accept
    protocol: Protocol | None
    """As :attr:`EvaluateConfig.protocol`; of files nobody says which form a pair, so that the threshold decides."""
    decoder: Decoder | None
    """Library that decodes videos; null = as in the run."""
    patience_sec: Positive
    """Seconds that reading a file may take, and as many again for each 10 MB, until it is given up."""

    @model_validator(mode="after")
    def _check(self) -> PredictConfig:
        check_run_given(self.run)
        if not self.input:
            raise ValueError("input is missing: give it as input=<image, video, folder or pattern>")
        return self


class ExportConfig(Command):
    """``realfake export``."""

    run: str | None
    """A finished run's folder, or one of its checkpoints."""
    format: Literal["onnx", "torch_export"]
    out: str | None
    """Folder of the result; null = ``outputs/export/<time>``."""
    tolerance: Positive
    """Largest difference between a probability of the exported model and the original's."""
    clips: Count
    """Clips of the run's test part that the two are compared on."""

    @model_validator(mode="after")
    def _check(self) -> ExportConfig:
        check_run_given(self.run)
        return self
