"""The typed form of every configuration: what Hydra composes has to fit one of these classes.

Hydra merges a misspelt key of a YAML file without a word, so each composed configuration is validated here before
any work: unknown keys, wrong types and combinations that cannot work are refused. The rest of the code receives
these frozen objects and never sees an OmegaConf node. No heavy import belongs into this module: it is what answers
``--help`` and a typing mistake.
"""

from __future__ import annotations

from realfake.config.approach import APPROACHES, AUTO, Approach, ApproachConfig, RankingApproach
from realfake.config.backbones import SEQUENCE_BACKBONES, STREAM_NETWORKS, BackboneConfig
from realfake.config.base import (
    BelowOne,
    Count,
    Fraction,
    NonNegative,
    Positive,
    PositiveFraction,
    Strict,
    as_plain,
    check_three,
    check_window,
    is_new,
)
from realfake.config.commands import (
    CompareConfig,
    ConvertConfig,
    ConvertInput,
    DescribeConfig,
    EvaluateConfig,
    ExportConfig,
    OwnData,
    PredictConfig,
    PrepareConfig,
    ReportConfig,
    SignalsConfig,
)
from realfake.config.data import (
    CsvData,
    DataConfig,
    Dataset,
    Decoder,
    LocatedData,
    Sampling,
    SaseFeChallengeData,
    SaseFeData,
    SeedFramesData,
    SeedMultiTaskData,
    SeedSequencesData,
    SyntheticData,
    TableColumns,
    UvaNemoData,
    check_subjects,
)
from realfake.config.face_options import AutoFace, FaceConfig, HaarFace, NoFace, YunetFace
from realfake.config.guests import Guests, UsedPlugin, require
from realfake.config.head_options import (
    BoostedTreesHead,
    FittedHead,
    HeadConfig,
    LinearHead,
    LinearSvmHead,
    LogisticHead,
    MlpHead,
    PairSvmHead,
)
from realfake.config.losses import (
    AuxiliaryConfig,
    CenterTerm,
    CrossEntropyLoss,
    DwaMix,
    FocalLoss,
    GradNormMix,
    Loss,
    LossConfig,
    Losses,
    Mix,
    MixConfig,
    MultiFocalLoss,
    NextFrameTerm,
    PairRankingTerm,
    PrecisionMix,
    RegressionTerm,
    SumMix,
    Term,
    UncertaintyMix,
    WeightedMix,
)
from realfake.config.map_networks import CompactBilinearBackbone, TrajectoryFeaturesBackbone
from realfake.config.mesh_networks import HadaSmileNetBackbone, MeshNetwork, MeshSmileNetBackbone
from realfake.config.networks import (
    BATCH_NORM_OF_VECTORS,
    CLIP_BACKBONES,
    CLIP_FEATURES,
    FRAME_BACKBONES,
    FRAME_FEATURES,
    FRAME_MAPS,
    TRAINED_STRIDE_SEC,
    AnyBackbone,
    ClipBackbone,
    ClipNetwork,
    FrameBackbone,
    FrameNetwork,
    InputSpec,
    TimmBackbone,
)
from realfake.config.optimisation import (
    Adagrad,
    Adam,
    AdamW,
    Augmentation,
    Betas,
    Cosine,
    NoScheduler,
    OneCycle,
    OptimizerConfig,
    Plateau,
    RmsProp,
    SchedulerConfig,
    Sgd,
)
from realfake.config.recording import (
    CallbacksConfig,
    CsvLogger,
    EarlyStopping,
    LoggerConfig,
    MlflowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from realfake.config.running import (
    Published,
    SweepConfig,
    TrainConfig,
)
from realfake.config.signal_options import (
    IN_BOX,
    FeaturesSignal,
    MediapipeSignal,
    MotionSignal,
    PluginSignal,
    SignalConfig,
    features_info,
    signals_of,
    stream_infos,
    streams_named,
)
from realfake.config.split_options import (
    HoldoutSplit,
    KFoldSplit,
    LosoSplit,
    OfficialSplit,
    SplitConfig,
    ThesisSplit,
    check_enough,
    check_groups,
)
from realfake.config.stream_info import (
    BOX,
    PIXELS,
    SignalOptions,
    StreamInfo,
)
from realfake.config.stream_networks import (
    POINT_SCALES,
    RECURRENT_BACKBONES,
    NumbersBackbone,
    PredictiveLstmBackbone,
    RecurrentBackbone,
    SequenceBackbone,
    SequenceEncoder,
    SiameseBackbone,
    StreamNetwork,
    TcnBackbone,
    TransformerBackbone,
)
from realfake.config.trackers import (
    IN_PICTURE,
    DrawnSignal,
    OpenfaceSignal,
    PyfeatSignal,
    TrackerSignal,
    tracker_info,
)
from realfake.config.trainer_options import STRATEGIES, PrecisionConfig, TrainerConfig
from realfake.config.video_transformer_options import PATCH, TUBELET, VARIANTS, VIDEO_TRANSFORMERS, VideoTransformer
