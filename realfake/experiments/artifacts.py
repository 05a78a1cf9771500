"""What a run leaves beside its metrics: predictions, intervals, pictures, and its entry in TensorBoard's HParams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.config import TrainConfig
from realfake.data.datamodule import ClipDataModule
from realfake.experiments.details import write_details
from realfake.files import write_whole
from realfake.reports.run_pictures import draw_run
from realfake.runs.folder import RunFolder
from realfake.runs.network import Network
from realfake.scoring.predictions import Predictions, pair_numbers, subject_numbers
from realfake.scoring.protocols import decide
from realfake.scoring.statistics import HOLDS, bootstrap

if TYPE_CHECKING:
    from realfake.data.store import PreparedStore


def write_artifacts(
    cfg: TrainConfig,
    run: RunFolder,
    data: ClipDataModule,
    predictions: Predictions,
    network: Network | None,
) -> dict[str, Any]:
    """Write what testing found of each clip: ``predictions.csv`` and ``details.json``.

    Args:
        cfg: The run's configuration.
        run: Its folder.
        data: What was tested on.
        predictions: Of the test samples.
        network: That was tested; ``None`` = it is asked for nothing more.

    Returns:
        What they add to ``results.json``: intervals of the clips' metrics, and what they hold; and how many clips
        another protocol than the threshold could not decide.
    """
    store = data.opened()
    clips = predictions.by_clip()
    subject, pair = subject_numbers(store.table)[clips.clip], pair_numbers(store.table)[clips.clip]
    clips = decide(clips, cfg.protocol, pair)
    write_predictions(run.predictions, clips, store)
    found = bootstrap(clips, subject, pair)
    write_details(run.details, clips, predictions, data, network, faces=cfg.callbacks.faces)
    intervals = {f"test/clip/{name}": [i.low, i.high] for name, i in found.items()}
    return {"intervals": intervals, "intervals_hold": HOLDS, "fallbacks": clips.fallbacks}


def draw_pictures(cfg: TrainConfig, run: RunFolder, metrics: Mapping[str, float | None]) -> None:
    """Draw ``plots/`` from what the folder of a tested run holds, if that is to be done now, here and for TensorBoard.

    Args:
        cfg: The run's configuration.
        run: Its folder, with ``results.json``.
        metrics: Test metrics, for the HParams.
    """
    drawn = _draws(cfg, run)
    if drawn:
        draw_run(run.path)
    if cfg.logger.tensorboard is not None:
        from realfake.experiments.event_files import events_folder, merge_events, varied
        from realfake.experiments.hparams import write_hparams

        overrides = run.overrides()
        events = events_folder(run.tensorboard, run.path, overrides)
        if drawn:
            show_in_tensorboard(run, events)
        write_hparams(events, varied(run.path, overrides) or overrides, metrics)
        merge_events(run.tensorboard, events)


def _draws(cfg: TrainConfig, run: RunFolder) -> bool:
    """Whether the run draws its pictures itself; one of a sweep leaves it to :mod:`.missing_pictures`."""
    wanted = cfg.callbacks.plots
    return wanted if isinstance(wanted, bool) else not run.in_sweep()


def write_predictions(path: Path, clips: Predictions, store: PreparedStore) -> None:
    """Write one row a clip."""
    write_whole(path, clips.table(store.table).to_csv(index=False, lineterminator="\n"))


def show_in_tensorboard(run: RunFolder, events: Path) -> None:
    """Add the pictures of a run to the folder of its events, as the PNG files that they are."""
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard import FileWriter

    writer = FileWriter(str(events))
    for path in sorted(run.plots.glob("*.png")):
        with Image.open(path) as image:
            width, height = image.size
        picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes())
        writer.add_summary(Summary(value=[Summary.Value(tag=f"test/{path.stem}", image=picture)]))
    writer.close()
