"""What a run leaves beside its metrics: predictions, intervals, pictures, and its entry in TensorBoard's HParams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.config import TrainConfig
from realfake.data.datamodule import ClipDataModule
from realfake.files import write_whole
from realfake.runs.folder import RunFolder
from realfake.scoring.predictions import Predictions, pair_numbers, subject_numbers
from realfake.scoring.statistics import HOLDS, Interval, bootstrap
from realfake.scoring.tables import by_emotion

if TYPE_CHECKING:
    from realfake.data.store import PreparedStore


def write_artifacts(
    cfg: TrainConfig,
    run: RunFolder,
    data: ClipDataModule,
    predictions: Predictions,
    rows: list[dict[str, float]],
    best_epoch: int | None,
    metrics: dict[str, float],
) -> dict[str, Any]:
    """Write ``predictions.csv``, and ``plots/`` if they are to be drawn now, here and for TensorBoard.

    Args:
        cfg: The run's configuration.
        run: Its folder.
        data: What was tested on.
        predictions: Of the test samples.
        rows: Metrics of each epoch.
        best_epoch: The one whose weights were tested.
        metrics: Test metrics, for the HParams.

    Returns:
        What they add to ``results.json``: intervals of the clips' metrics, and what they hold.
    """
    store = data.opened()
    clips = predictions.by_clip()
    write_predictions(run.predictions, clips, store)
    subject, pair = subject_numbers(store.table)[clips.clip], pair_numbers(store.table)[clips.clip]
    found = bootstrap(clips, subject, pair)
    drawn = _draws(cfg, run)
    if drawn:
        draw_run(
            run.plots,
            clips,
            store,
            rows=rows,
            best_epoch=best_epoch,
            by_emotion=by_emotion(clips, subject),
            auroc=found.get("authenticity_auroc"),
            note=data.people_note,
        )
    if cfg.logger.tensorboard is not None:
        from realfake.experiments.event_files import events_folder, merge_events, varied
        from realfake.experiments.hparams import write_hparams

        overrides = run.overrides()
        events = events_folder(run.tensorboard, run.path, overrides)
        if drawn:
            show_in_tensorboard(run, events)
        write_hparams(events, varied(run.path, overrides) or overrides, metrics)
        merge_events(run.tensorboard, events)
    return {"intervals": {f"test/clip/{name}": [i.low, i.high] for name, i in found.items()}, "intervals_hold": HOLDS}


def _draws(cfg: TrainConfig, run: RunFolder) -> bool:
    """Whether the run draws its pictures itself; one of a sweep leaves it to :mod:`.missing_pictures`."""
    wanted = cfg.callbacks.plots
    return wanted if isinstance(wanted, bool) else not run.in_sweep()


def write_predictions(path: Path, clips: Predictions, store: PreparedStore) -> None:
    """Write one row a clip."""
    write_whole(path, clips.table(store.table).to_csv(index=False, lineterminator="\n"))


def draw_run(
    folder: Path,
    clips: Predictions,
    store: PreparedStore | None,
    *,
    rows: list[dict[str, float]] | None = None,
    best_epoch: int | None = None,
    by_emotion: Mapping[str, Mapping[str, Interval]] | None = None,
    auroc: Interval | None = None,
    note: str | None = None,
) -> dict[str, Path]:
    """Draw all pictures of tested clips into a folder; name → file. See :func:`realfake.scoring.plots.draw_all`.

    Without the store, whose rows the clips count, there are no pictures of examples.
    """
    from realfake.scoring.plots import choose_examples, draw_all, save_all

    faces: list[np.ndarray] = []
    if store is not None:
        faces += [middle_face(store, int(clips.clip[i])) for i in np.concatenate(choose_examples(clips))]
    figures = draw_all(
        clips,
        rows=rows or (),
        best_epoch=best_epoch,
        faces=np.stack(faces) if faces else None,
        by_emotion=by_emotion,
        auroc=auroc,
        note=note,
    )
    return save_all(figures, folder)


def middle_face(store: PreparedStore, clip: int, size: int = 128) -> np.ndarray:
    """The face in the middle of a clip, uint8 (size, size, 3), RGB."""
    middle = len(store.timestamps(clip)) // 2
    return np.asarray(store.read(clip, np.array([middle]), size)[0])


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
