"""The typed form of every configuration: what Hydra composes has to fit one of these classes.

Hydra merges a misspelt key of a YAML file without a word, so each composed configuration is validated here before
any work: unknown keys, wrong types and combinations that cannot work are refused. The rest of the code receives
these frozen objects and never sees an OmegaConf node. No heavy import belongs into this module: it is what answers
``--help`` and a typing mistake.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from realfake.errors import nearest
from realfake.labels import TASK_NAMES
from realfake.metric_names import measured_names

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveFraction = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
BelowOne = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]

FRAME_BACKBONES = (
    "small_cnn",
    "tiny_cnn",
    "resnet18",
    "vgg16",
    "efficientnet_v2_m",
    "vit_b_16",
    "inception_resnet_v1",
    "inception_resnet_v1_wide",
    "pixels",
)
CLIP_BACKBONES = (
    "cnn3d",
    "cnn3d_thesis",
    "lstm_thesis",
    "gru_thesis",
    "slow_r50",
    "x3d_s",
    "efficient_x3d_s",
    "r3d_18",
    "mc3_18",
    "r2plus1d_18",
    "s3d",
    "mvit_v2_s",
    "swin3d_t",
)
RECURRENT_BACKBONES = ("lstm", "gru")

TRAINED_STRIDE_SEC = {
    "slow_r50": 8 / 30,
    "x3d_s": 6 / 30,
    "efficient_x3d_s": 6 / 30,
    "r3d_18": 1 / 15,
    "mc3_18": 1 / 15,
    "r2plus1d_18": 1 / 15,
    "s3d": 1 / 15,
    "mvit_v2_s": 2 / 15,
    "swin3d_t": 1 / 15,
}
"""Time between the frames with which a clip network's published weights were trained.

Those of pytorchvideo's model zoo saw every 6th or 8th frame of 30 a second; torchvision's state their ``frame_rate``.
"""


APPROACHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "single_task": ("frames", ("joint",)),
    "multi_task": ("frames", ("emotion", "authenticity")),
    "temporal": ("sequences", ("joint",)),
    "temporal_multi_task": ("sequences", ("emotion", "authenticity")),
}
"""Samples and tasks of each approach."""

PATIENCE_SEC = 300.0
"""Enough for an hour of video, of which each 10 MB give as much again."""

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true")
"""The trainer's strategies that fit processes started by torchrun, with gradients clipped by their norm."""

BATCH_NORM_OF_VECTORS = ("inception_resnet_v1", "inception_resnet_v1_wide")
"""Backbones that normalise one vector a sample, which a batch of one sample has no statistics for."""


class Strict(BaseModel):
    """Base of all: no unknown key, no silent conversion, no infinity, no blank text, no change after validation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _not_blank(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise PydanticCustomError("blank", "text that is not blank, or null")
        return value


def is_new(info: ValidationInfo) -> bool:
    """Whether a configuration was just composed, which may be refused for more than one that a run has saved."""
    return info.context is not None and not info.context.get("trained")


def check_three(values: list[float] | None, key: str) -> None:
    """Raise ``ValueError`` unless there is one value for each colour channel."""
    if values is not None and len(values) != 3:
        raise ValueError(f"{key}={values}: expected three values, one a channel")


def check_window(window: list[float], key: str) -> None:
    """Raise ``ValueError`` unless ``window`` is ``[start, end]`` with ``0 <= start < end <= 1``."""
    if len(window) != 2 or not 0.0 <= window[0] < window[1] <= 1.0:
        raise ValueError(f"{key}={window}: expected [start, end] with 0 <= start < end <= 1, parts of the clip")


# --- data ------------------------------------------------------------------------------------------------------------


class _Data(Strict):
    """What every dataset has: where it lies, how it is prepared, how it is loaded."""

    root: str | None = None
    """Folder (or table) with the raw videos, in the layout of the dataset."""
    prepared: str = "data/prepared"
    """Folder under which prepared stores lie, one per digest."""
    window: list[float] = [0.0, 1.0]
    """Part of each clip that is prepared, as fractions of its duration."""
    rate_fps: Positive = 10.0
    """Crops stored per second of video."""
    size: Annotated[int, Field(ge=16, le=1024)] = 224
    """Side of a stored face crop in pixels."""
    jpeg_quality: Annotated[int, Field(ge=50, le=100)] = 92
    duplicates: Literal["exclude", "keep"] = "exclude"
    """What to do with identical files under different labels."""
    limit_clips: Count | None = None
    """Keep only the first N clips of the table, for a quick look (evenly over classes)."""
    prepare_workers: Count | None = None
    """Processes that prepare; null = one per core."""
    patience_sec: Positive = PATIENCE_SEC
    """Seconds that preparing a clip may take, and as many again for each 10 MB of its file, until it is given up."""
    batch_size: Count = 32
    eval_batch_size: Count | None = None
    """Samples a batch in validation and test; null = ``batch_size``."""
    workers: NonNegative | None = None
    """Loader processes; null = chosen from the cores."""
    cache: Literal["none", "memmap"] = "none"
    """``memmap`` keeps the decoded crops in one memory-mapped file beside the store."""

    @model_validator(mode="after")
    def _check(self) -> _Data:
        check_window(self.window, "data.window")
        return self


class _RecordedData(_Data):
    """Videos of people, who may not all be known."""

    subjects: Literal["known", "each_clip"] = "each_clip"
    """Clips of which nobody knows the person: refused, or each counts as a person of its own, as in runs that were
    saved without this key."""
    parts_without_people: ClassVar[bool] = False
    """Whether the dataset's own parts hold clips without a person by design."""


class SyntheticData(_Data):
    """Generated faces in SASE-FE's layout; ``root`` null = a folder named by the digest of the settings."""

    name: Literal["synthetic"]
    subjects: Annotated[int, Field(ge=2)] = 20
    seed: NonNegative = 0
    difficulty: Fraction = 0.3
    fps: Positive = 25.0
    seconds: Annotated[float, Field(ge=0.5)] = 3.0
    video_size: Annotated[int, Field(ge=96)] = 224
    folder: str = "data"
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
    details: str | None = None
    """The dataset's list of file details; null = found beside the videos."""
    folds: str | None = None
    """Folder with the official fold files; null = found beside the videos."""


class TableColumns(Strict):
    """Headings of a table's columns; null = one of the usual ones."""

    path: str | None = None
    subject: str | None = None
    emotion: str | None = None
    authenticity: str | None = None
    real: str | None = None
    """Column of authenticities in which 1 means real."""
    fake: str | None = None
    """Column of authenticities in which 1 means fake."""
    clip: str | None = None
    dataset: str | None = None
    pair: str | None = None
    part: str | None = None
    fold: str | None = None


class CsvData(_RecordedData):
    """A table of clips (CSV or Parquet) with documented columns; ``root`` is the table's path."""

    name: Literal["csv"]
    columns: TableColumns = TableColumns()


class SeedFramesData(_RecordedData):
    """Prepared frames of the thesis's code, ``train|test/<class>/*.jpg``."""

    name: Literal["seed_frames"]


class SeedMultiTaskData(_RecordedData):
    """Prepared frames of the thesis's multi-task code, ``train|test/<real_fake>_<emotion>_<rest>.jpg``."""

    name: Literal["seed_multi_task"]


class SeedSequencesData(_RecordedData):
    """Prepared sequences of the thesis's temporal code, ``<class>/<video>/sequence.npy``."""

    name: Literal["seed_sequences"]


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
]


def _root_given(data: DataConfig) -> DataConfig:
    if data.root is None and not isinstance(data, SyntheticData):
        kind = "table" if isinstance(data, CsvData) else "folder"
        raise ValueError(f"data.root is missing: give the {kind} of data={data.name} as data.root=/path/to/it")
    return data


LocatedData = Annotated[DataConfig, AfterValidator(_root_given)]
"""A dataset that a command is about to read: all but the generated one have to lie somewhere."""


class HoldoutSplit(Strict):
    """Random subjects into three parts; ``official: true`` obeys the dataset's own parts where it has them."""

    name: Literal["holdout"]
    test: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    val: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Part of the subjects that are left after the test part."""
    seed: NonNegative = 0
    official: bool = True


class ThesisSplit(Strict):
    """40 training and 10 test subjects (80/20 for other sizes); validation carved from the training subjects."""

    name: Literal["thesis"]
    val: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    seed: NonNegative = 0


class KFoldSplit(Strict):
    """``folds`` groups of subjects with balanced classes; one is the test part."""

    name: Literal["kfold"]
    folds: Annotated[int, Field(ge=2)] = 5
    fold: NonNegative = 0
    val: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    seed: NonNegative = 0
    official: bool = True
    """Use the dataset's own folds where it has them (UvA-NEMO)."""

    @model_validator(mode="after")
    def _check(self) -> KFoldSplit:
        if self.fold >= self.folds:
            raise ValueError(f"split.fold={self.fold}: expected 0 to {self.folds - 1}, since split.folds={self.folds}")
        return self


class LosoSplit(Strict):
    """Leave one subject out: subject number ``fold`` (sorted by name) is the test part."""

    name: Literal["loso"]
    fold: NonNegative = 0
    val: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    seed: NonNegative = 0


SplitConfig = Annotated[HoldoutSplit | ThesisSplit | KFoldSplit | LosoSplit, Field(discriminator="name")]


def check_enough(split: SplitConfig, count: int) -> None:
    """Raise ``ValueError`` unless ``count`` subjects make three parts."""
    if count < 3:
        raise ValueError(
            f"split={split.name}: {count} {'subject' if count == 1 else 'subjects'}; at least 3 are needed, one each "
            "to train, validate and test"
        )


def check_groups(split: SplitConfig, count: int) -> None:
    """Raise ``ValueError`` unless ``count`` subjects can be split so."""
    check_enough(split, count)
    if isinstance(split, KFoldSplit) and split.folds > count:
        raise ValueError(f"split.folds={split.folds}: there are only {count} subjects; use fewer folds")
    if isinstance(split, LosoSplit) and split.fold >= count:
        raise ValueError(f"split.fold={split.fold}: expected 0 to {count - 1}, one for each subject")


def check_subjects(data: DataConfig, split: SplitConfig) -> None:
    """Raise ``ValueError`` if the number of subjects is known without looking, and too small for the split."""
    if isinstance(data, SyntheticData) and data.root is None:
        check_groups(split, data.subjects)


class _Face(Strict):
    margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    """Added on each side of the detected box, as a part of its side."""
    detect_every_sec: Positive = 0.5
    """Time between two frames on which the detector runs; the box is interpolated in between."""
    detect_width: Annotated[int, Field(ge=80)] = 640
    """Width in pixels to which a wider frame is reduced for detection."""
    min_face: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Smallest face, as a part of the frame's shorter side."""


class HaarFace(_Face):
    """OpenCV's ``haarcascade_frontalface_alt2``."""

    name: Literal["haar"]


class YunetFace(_Face):
    """OpenCV's ``FaceDetectorYN`` with a weights file given by path."""

    name: Literal["yunet"]
    weights: str | None = None
    sha256: str | None = None
    """Expected checksum of the weights file; null = the published file's."""
    score: Fraction = 0.6


class NoFace(Strict):
    """Videos that are cropped to the face already."""

    name: Literal["none"]


FaceConfig = Annotated[HaarFace | YunetFace | NoFace, Field(discriminator="name")]


class Sampling(Strict):
    """Which stored crops make a sample; times are fractions or seconds of the clip, never frame numbers."""

    window: list[float] = [0.0, 1.0]
    """Part of each clip that is sampled."""
    frames_per_clip: Count = 8
    """Frame approaches: frames of a clip in an epoch (random in training, evenly spaced otherwise)."""
    windows_per_clip: Count = 1
    """Clip approaches: windows of a clip in an epoch."""

    @model_validator(mode="after")
    def _check(self) -> Sampling:
        check_window(self.window, "sampling.window")
        return self


# --- networks --------------------------------------------------------------------------------------------------------


class InputSpec(Strict):
    """What a backbone eats; preprocessing for train, validation, test, predict and export obeys it alone."""

    size: Annotated[int, Field(ge=16, le=1024)]
    """Side of the square input in pixels."""
    mean: list[float]
    """Per channel in ``channel_order``, of values scaled to 0-1."""
    std: list[Positive]
    channel_order: Literal["rgb", "bgr"] = "rgb"
    frames: Count | None = None
    """Clip backbones: frames of a sample; null = a single frame."""
    stride_sec: Positive | None = None
    """Clip backbones: time between two frames; null = spread evenly over the sampled window."""
    repeat_crops: bool = True
    """Clip backbones, where a sampled window is too short for ``stride_sec``: repeat its last crop, as runs did before
    there was this key; false = spread the frames evenly over it, and refuse a store with too few crops a second."""

    @model_validator(mode="after")
    def _check(self) -> InputSpec:
        check_three(self.mean, "backbone.input.mean")
        check_three(self.std, "backbone.input.std")
        return self


class _Backbone(Strict):
    weights: str = "none"
    """``none``, ``default``, the name of published weights, or the path of a local file."""
    freeze: bool = False
    """Train the heads only; the backbone's parameters, statistics and dropout stay still."""
    cache_features: bool = True
    """With ``freeze``, frames and no augmentation: compute features once and reuse them in later epochs."""
    normalize: bool = False
    """Scale each feature vector to length 1, as FaceNet does with its embedding."""


class FrameBackbone(_Backbone):
    kind: Literal["frame"]
    name: Literal[FRAME_BACKBONES]  # type: ignore[valid-type]
    input: InputSpec
    channels: list[Count] | None = None
    """``tiny_cnn`` only: channels of its blocks, each of which halves the side; null = its own."""

    @model_validator(mode="after")
    def _check(self) -> FrameBackbone:
        if self.input.frames is not None or self.input.stride_sec is not None:
            raise ValueError(
                f"backbone.input.frames={self.input.frames}, stride_sec={self.input.stride_sec}: {self.name} sees "
                "single frames, expected null"
            )
        if self.channels is not None and (self.name != "tiny_cnn" or not self.channels):
            raise ValueError(f"backbone.channels={self.channels}: only tiny_cnn has this key, at least one block")
        return self


class TimmBackbone(_Backbone):
    """Any timm model by name; ``size``, ``mean`` and ``std`` null = what timm declares for the model."""

    kind: Literal["timm"]
    name: str
    size: Count | None = None
    mean: list[float] | None = None
    std: list[Positive] | None = None

    @model_validator(mode="after")
    def _check(self) -> TimmBackbone:
        check_three(self.mean, "backbone.mean")
        check_three(self.std, "backbone.std")
        return self


class ClipBackbone(_Backbone):
    kind: Literal["clip"]
    name: Literal[CLIP_BACKBONES]  # type: ignore[valid-type]
    input: InputSpec
    """Here ``stride_sec`` may also say ``trained``: that of the published weights (:data:`TRAINED_STRIDE_SEC`) for a
    network that starts from weights, null for one that does not."""

    @model_validator(mode="before")
    @classmethod
    def _resolve_stride(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(spec := values.get("input"), dict):
            return values
        stride = spec.get("stride_sec")
        if not isinstance(stride, str):
            return values
        name = values.get("name")
        if stride != "trained" or name not in TRAINED_STRIDE_SEC:
            known = "trained, " if name in TRAINED_STRIDE_SEC else ""
            raise ValueError(
                f"backbone.input.stride_sec={stride}: expected {known}a number of seconds or null ({name})"
            )
        seconds = None if values.get("weights", "none") == "none" else TRAINED_STRIDE_SEC[name]
        return {**values, "input": {**spec, "stride_sec": seconds}}

    @model_validator(mode="after")
    def _check(self) -> ClipBackbone:
        if self.input.frames is None:
            raise ValueError(f"backbone.input.frames=null: {self.name} sees clips, expected a number of frames")
        return self


class RecurrentBackbone(_Backbone):
    """A recurrent network over the features of a frame backbone."""

    kind: Literal["recurrent"]
    name: Literal[RECURRENT_BACKBONES]  # type: ignore[valid-type]
    frame: Annotated[FrameBackbone | TimmBackbone, Field(discriminator="kind")]
    hidden: Count = 256
    layers: Count = 2
    bidirectional: bool = False
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Of the frame features, and between recurrent layers."""
    pool: Literal["last", "mean", "max"] = "mean"
    """What of the outputs over time becomes the clip's feature."""
    motion: bool = False
    """Feed each frame's difference to the clip's mean feature, which removes what is constant: identity."""
    frames: Count = 16
    stride_sec: Positive | None = None
    repeat_crops: bool = True
    """As :attr:`InputSpec.repeat_crops`."""


BackboneConfig = Annotated[FrameBackbone | TimmBackbone | ClipBackbone | RecurrentBackbone, Field(discriminator="kind")]


class LinearHead(Strict):
    name: Literal["linear"]
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class MlpHead(Strict):
    name: Literal["mlp"]
    hidden: list[Count] = [256]
    """Sizes of the hidden layers."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    batch_norm: bool = False


HeadConfig = Annotated[LinearHead | MlpHead, Field(discriminator="name")]


# --- losses ----------------------------------------------------------------------------------------------------------


class _Loss(Strict):
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    class_weights: Literal["none", "balanced"] | list[Positive] = "none"
    """``balanced`` = inversely proportional to the training part's class counts."""


class CrossEntropyLoss(_Loss):
    name: Literal["cross_entropy"]


class FocalLoss(_Loss):
    """Lin et al. 2017 on the softmax probability of the true class."""

    name: Literal["focal"]
    gamma: Annotated[float, Field(ge=0.0)] = 2.0


class MultiFocalLoss(_Loss):
    """Multi-label focal loss, thesis eq. 3.2."""

    name: Literal["multi_focal"]
    alpha: Fraction = 0.25
    gamma: Annotated[float, Field(ge=0.0)] = 2.0


LossConfig = Annotated[CrossEntropyLoss | FocalLoss | MultiFocalLoss, Field(discriminator="name")]


class Losses(Strict):
    """One loss a task; an approach uses the tasks that it has heads for."""

    joint: LossConfig
    emotion: LossConfig
    authenticity: LossConfig

    @model_validator(mode="after")
    def _check(self) -> Losses:
        for task, names in TASK_NAMES.items():
            weights = getattr(self, task).class_weights
            if isinstance(weights, list) and len(weights) != len(names):
                raise ValueError(
                    f"loss.{task}.class_weights={weights}: {len(weights)} values, expected {len(names)}, one for "
                    f"each of {', '.join(names)}"
                )
        return self


class SumMix(Strict):
    name: Literal["sum"]


class WeightedMix(Strict):
    name: Literal["weighted"]
    emotion: Annotated[float, Field(ge=0.0)] = 1.0
    authenticity: Annotated[float, Field(ge=0.0)] = 1.0
    joint: Annotated[float, Field(ge=0.0)] = 1.0


class PrecisionMix(Strict):
    """Thesis eq. 3.3; ``macro`` = the equation, ``accuracy`` = what its code did."""

    name: Literal["precision"]
    mode: Literal["macro", "accuracy"] = "macro"


class UncertaintyMix(Strict):
    """Kendall et al. 2018: learned homoscedastic uncertainty."""

    name: Literal["uncertainty"]


class DwaMix(Strict):
    """Liu et al. 2019: dynamic weight average over epochs."""

    name: Literal["dwa"]
    temperature: Positive = 2.0


MixConfig = Annotated[SumMix | WeightedMix | PrecisionMix | UncertaintyMix | DwaMix, Field(discriminator="name")]


# --- optimisation ----------------------------------------------------------------------------------------------------


class _Optimizer(Strict):
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    decay_norms: bool = True
    """Decay the scales of norms, and biases, too. Runs from before this key did."""


class Sgd(_Optimizer):
    name: Literal["sgd"]
    momentum: BelowOne = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _check(self) -> Sgd:
        if self.nesterov and not self.momentum:
            raise ValueError("optimizer.nesterov=true: expected optimizer.momentum above 0, which it looks ahead with")
        return self


Betas = Annotated[list[BelowOne], Field(min_length=2, max_length=2)]


class Adam(_Optimizer):
    name: Literal["adam"]
    betas: Betas = [0.9, 0.999]


class AdamW(_Optimizer):
    name: Literal["adamw"]
    betas: Betas = [0.9, 0.999]


class RmsProp(_Optimizer):
    name: Literal["rmsprop"]
    momentum: BelowOne = 0.0
    alpha: BelowOne = 0.99


class Adagrad(_Optimizer):
    name: Literal["adagrad"]
    lr_decay: Annotated[float, Field(ge=0.0)] = 0.0


OptimizerConfig = Annotated[Sgd | Adam | AdamW | RmsProp | Adagrad, Field(discriminator="name")]


class NoScheduler(Strict):
    name: Literal["none"]


class Plateau(Strict):
    """Reduce on plateau of a validation metric that means the same for every loss mix."""

    name: Literal["plateau"]
    monitor: str = "val/frame/loss"
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    patience: NonNegative = 2
    """Validations without a gain before the rate is reduced."""
    min_lr: Annotated[float, Field(ge=0.0)] = 0.0


class Cosine(Strict):
    name: Literal["cosine"]
    warmup_epochs: NonNegative = 0
    min_lr: Annotated[float, Field(ge=0.0)] = 0.0


class OneCycle(Strict):
    """Peaks at ``optimizer.lr``."""

    name: Literal["onecycle"]
    warmup: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3


SchedulerConfig = Annotated[NoScheduler | Plateau | Cosine | OneCycle, Field(discriminator="name")]


class Augmentation(Strict):
    """Random changes of the training samples, drawn per sample and the same for all frames of a clip."""

    name: str
    flip: Fraction = 0.0
    """Probability of a horizontal flip."""
    rotate_deg: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest relative change of size."""
    translate: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest shift, as a part of the side."""
    brightness: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    contrast: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    saturation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    erase: Fraction = 0.0
    """Probability that a random rectangle is blanked."""

    @property
    def active(self) -> bool:
        """Whether anything at all is changed."""
        return any(value for key, value in self.model_dump().items() if key != "name")


# --- running ---------------------------------------------------------------------------------------------------------


class TrainerConfig(Strict):
    gpus: Literal["auto"] | NonNegative | list[NonNegative] = "auto"
    """``auto`` = one GPU if there is one, else CPU; 0; a number; or a list of ids."""
    require_gpu: bool = False
    """Fail, instead of going on on the CPU, if no CUDA device is visible."""
    cpu_processes: Count = 1
    """Without GPUs: processes of a distributed run (gloo)."""
    num_nodes: Count = 1
    strategy: str = "auto"
    """One of :data:`STRATEGIES`."""
    max_epochs: Count = 30
    min_epochs: NonNegative = 0
    accumulate_grad_batches: Count = 1
    gradient_clip_val: Annotated[float, Field(gt=0.0)] | None = None
    deterministic: bool = True
    """Deterministic algorithms; excludes cuDNN's benchmark mode."""
    threads: Count | None = None
    """Intra-op threads of torch on the CPU, of each process; null = those of the checkpoint or of the sweep's earlier
    runs, else a parallel launcher's share, else torch's default."""
    log_every_n_steps: Count = 20
    check_val_every_n_epoch: Count = 1
    num_sanity_val_steps: NonNegative = 0
    limit_train_batches: Count | PositiveFraction | None = None
    limit_val_batches: Count | PositiveFraction | None = None
    limit_test_batches: Count | PositiveFraction | None = None
    overfit_batches: NonNegative | Fraction = 0
    fast_dev_run: bool = False
    profiler: Literal["simple", "advanced", "pytorch"] | None = None

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> TrainerConfig:
        if not is_new(info):
            return self
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"trainer.strategy={self.strategy}: expected one of {', '.join(STRATEGIES)}"
                f"{nearest(self.strategy, STRATEGIES)}"
            )
        if isinstance(self.gpus, list):
            shown = f"trainer.gpus=[{','.join(map(str, self.gpus))}]"
            if not self.gpus:
                raise ValueError(f"{shown}: no GPU in the list; expected auto, a number, ids, or 0 for the CPU")
            if repeated := sorted({i for i in self.gpus if self.gpus.count(i) > 1}):
                raise ValueError(f"{shown}: GPU {repeated[0]} twice; expected each id once")
        if not self.fast_dev_run and self.min_epochs > self.max_epochs:
            raise ValueError(
                f"trainer.min_epochs={self.min_epochs}: expected at most trainer.max_epochs={self.max_epochs}"
            )
        return self


class PrecisionConfig(Strict):
    name: Literal["32", "bf16", "16"]


class EarlyStopping(Strict):
    patience: Count
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0


class CallbacksConfig(Strict):
    early_stopping: EarlyStopping | None = None
    lr_monitor: bool = True
    progress_bar: Literal["rich", "plain", "none"] = "rich"
    model_summary: bool = True
    plots: bool = True
    """Draw the pictures of ``plots/`` after testing."""


class TensorBoardLogger(Strict):
    graph: bool = False


class CsvLogger(Strict):
    pass


class WandbLogger(Strict):
    project: str = "realfake"
    entity: str | None = None
    offline: bool = False
    tags: list[str] = []


class MlflowLogger(Strict):
    experiment: str = "realfake"
    tracking_uri: str | None = None
    """null = a local store, ``mlruns`` in the working folder."""


class LoggerConfig(Strict):
    """The loggers in use; ``metrics.csv`` is always written beside them."""

    tensorboard: TensorBoardLogger | None = None
    csv: CsvLogger | None = None
    wandb: WandbLogger | None = None
    mlflow: MlflowLogger | None = None


class SweepConfig(Strict):
    """How a run that belongs to a sweep (``-m``) behaves."""

    name: str | None = None
    """Folder under ``multirun/``; null = a digest of the sweep's overrides."""
    resume: bool = True
    """Go on with a half-trained run from its ``last.ckpt``."""
    rerun: Literal["none", "failed", "all"] = "none"
    """Finished runs to train again. Failed runs are left alone with ``none``."""
    report: bool = True
    trials: Count = 20
    """Runs of a search (``search=…``)."""


class Published(Strict):
    """A published figure that an experiment stands beside."""

    source: str
    row: str
    metrics: dict[str, float]
    """Metric name of this project → published value, in the unit of the metric (accuracies 0-1)."""
    note: str | None = None


def _run_given(run: str) -> str:
    if not run.strip():
        raise ValueError("init_from is missing: give the trained run as init_from=outputs/…")
    return run


class ApproachConfig(Strict):
    name: Literal["single_task", "multi_task", "temporal", "temporal_multi_task"]
    samples: Literal["frames", "sequences"]
    tasks: list[Literal["joint", "emotion", "authenticity"]]


class TrainConfig(Strict):
    """``realfake.train``."""

    approach: ApproachConfig
    data: LocatedData
    split: SplitConfig
    face: FaceConfig
    sampling: Sampling
    backbone: BackboneConfig
    head: HeadConfig
    loss: Losses
    loss_mix: MixConfig
    optimizer: OptimizerConfig
    scheduler: SchedulerConfig
    augmentation: Augmentation
    trainer: TrainerConfig
    precision: PrecisionConfig
    logger: LoggerConfig = LoggerConfig()
    callbacks: CallbacksConfig
    sweep: SweepConfig
    compile: bool = False
    """Compile the network with torch.compile."""
    seed: NonNegative = 0
    optimized_metric: str = "val/clip/joint_accuracy"
    """Selects the best epoch, see :mod:`realfake.metric_names`; maximised, but for losses and ``authenticity_ece``."""
    ckpt: str | None = None
    """A checkpoint to resume from: a path, or ``last``."""
    init_from: Annotated[str, AfterValidator(_run_given)] | None = None
    """A finished run whose trained backbone this run starts from, with new heads; or a sweep that has it."""
    published: Published | None = None
    experiment_name: str | None = None
    """Name of the experiment file, for tables."""

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> TrainConfig:
        wants_clips = self.approach.samples == "sequences"
        has_clips = self.backbone.kind in ("clip", "recurrent")
        if wants_clips and not has_clips:
            raise ValueError(
                f"backbone={self.backbone.name} is a frame backbone, but approach={self.approach.name} needs a clip "
                f"backbone: one of {', '.join(RECURRENT_BACKBONES + CLIP_BACKBONES)}"
            )
        if has_clips and not wants_clips:
            raise ValueError(
                f"backbone={self.backbone.name} is a clip backbone, but approach={self.approach.name} needs a frame "
                f"backbone: one of {', '.join(FRAME_BACKBONES)}, timm"
            )
        self._check_spacing()
        # A run that was trained before these were refused is still evaluated as it was trained.
        if is_new(info):
            self._check_training()
            self._check_approach()
            self._check_metric("optimized_metric", self.optimized_metric)
            if isinstance(self.scheduler, Plateau):
                self._check_metric("scheduler.monitor", self.scheduler.monitor)
            self._check_batch_norm()
            check_subjects(self.data, self.split)
        return self

    def _check_training(self) -> None:
        (start, end), (first, last) = self.sampling.window, self.data.window
        if start < first or last < end:  # the crops at the borders of what is stored would be repeated
            raise ValueError(
                f"sampling.window=[{start},{end}] reaches beyond data.window=[{first},{last}], the part of each clip "
                f"that is prepared; expected a window within it, such as sampling.window=[{first},{last}]"
            )
        t, s = self.trainer, self.scheduler
        if t.fast_dev_run:
            return
        if t.check_val_every_n_epoch > t.max_epochs:
            raise ValueError(
                f"trainer.check_val_every_n_epoch={t.check_val_every_n_epoch}: expected at most trainer.max_epochs="
                f"{t.max_epochs}, since without a validation there is no best epoch"
            )
        if isinstance(s, Cosine) and s.warmup_epochs >= t.max_epochs:
            raise ValueError(
                f"scheduler.warmup_epochs={s.warmup_epochs}: expected fewer than trainer.max_epochs={t.max_epochs}"
            )
        if isinstance(s, Cosine | Plateau) and s.min_lr > self.optimizer.lr:
            raise ValueError(f"scheduler.min_lr={s.min_lr:g}: expected at most optimizer.lr={self.optimizer.lr:g}")

    def _check_approach(self) -> None:
        samples, tasks = APPROACHES[self.approach.name]
        for key, given, own in (
            ("samples", self.approach.samples, samples),
            ("tasks", f"[{','.join(self.approach.tasks)}]", f"[{','.join(tasks)}]"),
        ):
            if given != own:
                others = [name for name, what in APPROACHES.items() if {*what[1]} == {*self.approach.tasks}]
                other = f", or another approach: {' or '.join(others)}" if key == "tasks" and others else ""
                raise ValueError(
                    f"approach.{key}={given}: approach={self.approach.name} has {own}; leave it out{other}"
                )

    def _check_metric(self, key: str, metric: str) -> None:
        if metric.partition("/")[0] in ("train", "test"):
            raise ValueError(
                f"{key}={metric}: expected a validation metric such as val/clip/joint_accuracy (nothing is chosen "
                "by training or test figures)"
            )
        known = measured_names("val", APPROACHES[self.approach.name][1])
        if metric not in known:
            raise ValueError(f"{key}={metric}: no such metric{nearest(metric, known)} (there are: {', '.join(known)})")

    def _check_batch_norm(self) -> None:
        if self.data.batch_size > 1:
            return
        if isinstance(self.head, MlpHead) and self.head.batch_norm and self.head.hidden:
            where, way = "head.batch_norm=true", "head.batch_norm=false"
        elif self.backbone.name in BATCH_NORM_OF_VECTORS and not self.backbone.freeze:
            where, way = f"backbone={self.backbone.name}, which has batch norm,", "backbone.freeze=true"
        else:
            return
        raise ValueError(
            f"data.batch_size=1: {where} takes statistics of a batch; expected data.batch_size=2 or more, or {way}"
        )

    def _check_spacing(self) -> None:
        if isinstance(self.backbone, ClipBackbone):
            key, stride, repeat = "input.stride_sec", self.backbone.input.stride_sec, self.backbone.input.repeat_crops
        elif isinstance(self.backbone, RecurrentBackbone):
            key, stride, repeat = "stride_sec", self.backbone.stride_sec, self.backbone.repeat_crops
        else:
            return
        if stride is not None and not repeat and self.data.rate_fps * stride < 1.0 - 1e-6:
            raise ValueError(
                f"data.rate_fps={self.data.rate_fps:g}: too few crops a second for {self.backbone.name}, whose frames "
                f"are {stride:.4g} s apart; expected data.rate_fps={math.ceil(1.0 / stride - 1e-6)} or more, or "
                f"backbone.{key}=null, which spreads the frames over the clip"
            )


class PrepareConfig(Strict):
    """``realfake.prepare``."""

    data: LocatedData
    face: FaceConfig


class DescribeConfig(Strict):
    """``realfake.describe``."""

    data: LocatedData
    face: FaceConfig
    split: SplitConfig
    out: str | None = None
    """Folder of the result; null = ``outputs/describe/<dataset>-<time>``."""


class ConvertInput(Strict):
    """What a network of the thesis's code was trained with; null = what its scripts did for frames and for clips."""

    size: Annotated[int, Field(ge=16, le=1024)] = 224
    """Side of the square input in pixels."""
    mean: list[float] | None = None
    """Per channel in ``channel_order``, of values scaled to 0-1; null = SASE-FE's for frames, 0 for clips."""
    std: list[Positive] | None = None
    """Null = SASE-FE's for frames, 1 for clips."""
    channel_order: Literal["rgb", "bgr"] | None = None
    """Null = rgb for frames, bgr for clips, which its scripts read with OpenCV."""
    frames: Count = 20
    """Clip networks: frames of a sequence."""
    stride_sec: Positive | None = None
    """Clip networks: time between two frames; null = spread over the clip, as its scripts do."""


class ConvertConfig(Strict):
    """``realfake.convert``."""

    model: str | None = None
    """A file that the thesis's code wrote."""
    out: str | None = None
    """Folder of the run that is written; null = ``outputs/converted/<name of the file>``."""
    input: ConvertInput

    @model_validator(mode="after")
    def _check(self) -> ConvertConfig:
        check_three(self.input.mean, "input.mean")
        check_three(self.input.std, "input.std")
        if not self.model:
            raise ValueError("model is missing: give it as model=/path/model.pth")
        return self


class ReportConfig(Strict):
    """``realfake.report``."""

    dir: str | list[str] | None = None
    """A run, a sweep, any folder of runs, or a list of them."""
    out: str | None = None
    """Folder of the report; null = ``dir`` itself, or ``outputs/report/<time>`` for several."""
    metric: str | None = None
    """Ranks the runs; null = the test figure of the metric that most of them were selected on."""
    pool: list[str] = ["seed", "split.fold"]
    """Keys in which the runs of a group may differ."""
    draws: Annotated[int, Field(ge=100)] = 2000
    """Of the bootstrap over subjects."""
    log_lines: NonNegative = 20
    """Shown of the log of a run without a result."""

    @model_validator(mode="after")
    def _check(self) -> ReportConfig:
        if not self.dir:
            raise ValueError("dir is missing: give it as dir=multirun/<name>, or any folder of runs")
        return self


class OwnData(Strict):
    """The data that a run was trained on; what is null is where it was."""

    name: None = None
    root: str | None = None
    prepared: str | None = None


def _name_of(data: Any) -> Any:
    return data.get("name") if isinstance(data, dict) else getattr(data, "name", None)


class EvaluateConfig(Strict):
    """``realfake.evaluate``."""

    run: str | None = None
    """A finished run's folder, or one of its checkpoints."""
    part: Literal["test", "val", "train"] = "test"
    data: Annotated[
        Annotated[OwnData, Tag("own")] | Annotated[LocatedData, Tag("another")],
        Discriminator(lambda data: "own" if _name_of(data) is None else "another"),
    ]
    """Where the run's own data lies now, or another dataset, which is prepared as the run's own was."""
    face: FaceConfig | None = None
    against: str | None = None
    """Another run, to be compared with on the same clips."""
    calibration: Literal["none", "temperature"] = "none"
    """``temperature`` = scale each task by one that is fitted on validation clips, if it can be relied on."""
    resamples: Annotated[int, Field(ge=100)] = 2000
    seed: NonNegative = 0
    device: str = "auto"
    batch_size: Count | None = None
    """Samples a batch; null = as in the run."""
    out: str | None = None
    """Folder of the result; null = ``evaluation/<what>`` in the run's folder."""
    plots: bool = True

    @model_validator(mode="after")
    def _check(self) -> EvaluateConfig:
        if not self.run:
            raise ValueError("run is missing: give it as run=outputs/<approach>/<folder of a finished run>")
        if not isinstance(self.data, OwnData) and self.part != "test":
            raise ValueError(f"part={self.part}: another dataset is tested as a whole; leave part out")
        if self.part == "val" and self.calibration == "temperature":
            raise ValueError(
                "calibration=temperature is fitted on part=val, so that it cannot be tested there; use part=test"
            )
        return self


class PredictConfig(Strict):
    """``realfake.predict``."""

    run: str | None = None
    """A finished run's folder, or one of its checkpoints."""
    input: str | list[str] | None = None
    """An image, a video, a folder (with all below it), a pattern such as ``faces/*.jpg``, or a list of them."""
    out: str | None = None
    """Folder of the result; null = ``outputs/predict/<time>``."""
    device: str = "auto"
    """``auto`` = the first GPU if there is one, else CPU; ``cpu``, ``cuda``, ``cuda:1``."""
    batch_size: Count = 32
    """Faces or windows computed at once."""
    annotate: bool = True
    """Draw boxes and labels on a copy of each image and video, and curves of videos."""
    picture_size: Annotated[int, Field(ge=160, le=4096)] = 960
    """Longer side in pixels above which annotated copies of images are reduced."""
    film_size: Annotated[int, Field(ge=160, le=4096)] = 640
    """The same of videos."""
    explain: bool = False
    """Show what the network looked at, by Grad-CAM; needs the extra ``explain``."""
    window_sec: Positive | None = None
    """Videos: width of the window of the curve over time; null = 1 s, or what a clip network's frames span."""
    face: FaceConfig | None = None
    """How faces are found; null = as in the run."""
    face_weights: str | None = None
    """Runs with ``face=yunet``: the detector's weights, if they are not where they were in training."""
    patience_sec: Positive = PATIENCE_SEC
    """Seconds that reading a file may take, and as many again for each 10 MB, until it is given up."""

    @model_validator(mode="after")
    def _check(self) -> PredictConfig:
        if not self.run:
            raise ValueError("run is missing: give it as run=outputs/<approach>/<folder of a finished run>")
        if not self.input:
            raise ValueError("input is missing: give it as input=<image, video, folder or pattern>")
        return self


class ExportConfig(Strict):
    """``realfake.export``."""

    run: str | None = None
    """A finished run's folder, or one of its checkpoints."""
    format: Literal["onnx", "torch_export"] = "onnx"
    out: str | None = None
    """Folder of the result; null = ``outputs/export/<time>``."""
    tolerance: Positive = 1e-4
    """Largest difference between a probability of the exported model and the original's."""
    clips: Count = 8
    """Clips of the run's test part that the two are compared on."""

    @model_validator(mode="after")
    def _check(self) -> ExportConfig:
        if not self.run:
            raise ValueError("run is missing: give it as run=outputs/<approach>/<folder of a finished run>")
        return self


def as_plain(config: Strict) -> dict[str, Any]:
    """The configuration as plain dicts, lists and scalars."""
    return config.model_dump(mode="json")
