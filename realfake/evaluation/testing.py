"""Testing a finished run again: its own configuration and weights, on its own data or on other data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pytorch_lightning import Trainer

from realfake.approaches import build_datamodule
from realfake.composing.messages import changed
from realfake.config import DataConfig, EvaluateConfig, FaceConfig, OwnData, Sampling, as_plain
from realfake.data.learned import Learned
from realfake.errors import UserError
from realfake.experiments.training import quiet_warnings
from realfake.labels import THRESHOLD, Protocol
from realfake.runs.devices import Devices, trainer_precision
from realfake.runs.network import choose_device, open_trained
from realfake.runs.origin import learned_by
from realfake.runs.other_trackers import Reading, reading
from realfake.scoring.predictions import Predictions

if TYPE_CHECKING:
    from realfake.data.datamodule import ClipDataModule

log = logging.getLogger(__name__)

PREPARATION = ("window", "rate_fps", "size", "jpeg_quality", "batch_size", "eval_batch_size", "cache", "workers")
"""Keys that have to be as in training, whatever dataset is tested."""


@dataclass(frozen=True)
class Tested:
    """What testing gave."""

    samples: Predictions
    """One row a sample."""
    metrics: dict[str, float]
    """``test/<level>/<metric>`` → value."""
    data: ClipDataModule


class Tester:
    """Tests one finished run.

    Args:
        run: Its folder, or one of its checkpoints.
        device: As a user names it.
        batch_size: Samples a batch; ``None`` = as in the run.
        protocol: What decides real or fake of a clip; ``None`` = as in the run.

    Raises:
        UserError: If the run cannot be used, or tells no authenticity that a protocol could decide.
    """

    def __init__(
        self,
        run: str | Path,
        device: str = "auto",
        batch_size: int | None = None,
        protocol: Protocol | None = None,
    ) -> None:
        quiet_warnings()
        self.device = choose_device(device)
        self.run, cfg, self.module = open_trained(run)
        self.checkpoint = Path(run).expanduser() if Path(run).suffix == ".ckpt" else self.run.best
        self.protocol = self.module.protocol = protocol or cfg.protocol
        if protocol not in (None, THRESHOLD) and "authenticity" not in self.module.told:
            raise UserError(f"protocol={protocol}: {run} tells no authenticity; leave protocol out")
        self.cfg = cfg if batch_size is None else changed(cfg, {"data.eval_batch_size": batch_size})

    def test(
        self,
        data: DataConfig | None = None,
        face: FaceConfig | None = None,
        *,
        part: str = "test",
        whole: bool = False,
        first_frame: bool = False,
        tables: str | None = None,
        accept: Sequence[str] = (),
    ) -> Tested:
        """Test on a part of a dataset.

        Args:
            data: The dataset; ``None`` = the run's own.
            face: How faces are found; ``None`` = as in the run.
            part: Of the split.
            whole: Test on every labelled clip instead.
            first_frame: Show the network nothing but the first frame of each clip's window.
            tables: Where the dataset's tables lie; ``None`` = as in the run.
            accept: Another tracker whose streams may stand for those trained on, see
                :func:`realfake.runs.other_trackers.reading`.

        Raises:
            UserError: If the data cannot be prepared, or no clip is left, or a tracker is not accepted.
        """
        sampling = self.cfg.sampling
        if first_frame:
            start = sampling.window[0]
            window = [start, min(1.0, start + 1e-6)]
            sampling = changed(sampling, {"window": window, "frames_per_clip": 1, "windows_per_clip": 1})
        module = self.datamodule(data, face, sampling, part=part, whole=whole, tables=tables, accept=accept)
        trainer = self._trainer()
        trainer.test(self.module, datamodule=module, verbose=False)
        predictions = self.module.test_predictions
        assert predictions is not None
        return Tested(predictions, {k: v for k, v in self.module.measured.items() if k.startswith("test/")}, module)

    def datamodule(
        self,
        data: DataConfig | None = None,
        face: FaceConfig | None = None,
        sampling: Sampling | None = None,
        *,
        part: str = "test",
        whole: bool = False,
        tables: str | None = None,
        accept: Sequence[str] = (),
    ) -> ClipDataModule:
        """The data module of the run's approach, set up; see :meth:`test`."""
        read = self.reading(tables, accept)
        cfg = changed(
            read.cfg,
            {
                "data": data or self.cfg.data,
                "face": face or self.cfg.face,
                "sampling": sampling or self.cfg.sampling,
            },
        )
        module = build_datamodule(cfg)
        module.translations = read.translations
        module.tested, module.whole, module.space = part, whole, self.cfg.space  # the data may have other emotions
        module.once = True
        module.setup()
        return module

    @cache  # noqa: B019 - a tester lives as long as its command
    def reading(self, tables: str | None, accept: Sequence[str] = ()) -> Reading:
        """How the streams are read."""
        return reading(self.cfg, self.module, tables, accept)

    def learned(self, own: ClipDataModule | None = None) -> Learned:
        """Whom the weights have learned or been selected on; ``own`` is the run's data, if that is at hand."""
        return learned_by(self.checkpoint, self.cfg, own)

    def _trainer(self) -> Trainer:
        cfg, gpu = self.cfg, self.device.type == "cuda"
        devices = Devices("gpu" if gpu else "cpu", [self.device.index or 0] if gpu else 1)
        return Trainer(
            accelerator=devices.accelerator,
            devices=devices.devices,
            precision=trainer_precision(cfg.precision, devices),  # type: ignore[arg-type]
            deterministic="warn" if cfg.trainer.deterministic else False,
            limit_test_batches=cfg.trainer.limit_test_batches,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )


def choose_data(cfg: EvaluateConfig, tester: Tester) -> DataConfig | None:
    """The dataset of an evaluation, prepared as the run's was; ``None`` = the run's own, where it was."""
    own = tester.cfg.data
    if isinstance(cfg.data, OwnData):
        changes = {key: value for key, value in as_plain(cfg.data).items() if value is not None}
        return changed(own, changes) if changes else None
    return changed(cfg.data, {key: getattr(own, key) for key in PREPARATION})


def first_rows(samples: Predictions) -> Predictions:
    """One row a clip, of predictions from first frames (which a clip of two equal frames may hold twice)."""
    _, first = np.unique(samples.clip, return_index=True)
    return samples.select(first)
