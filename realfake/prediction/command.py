"""The work of ``realfake predict``: every input predicted, written and shown."""

from __future__ import annotations

import secrets
import time
import warnings
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realfake.config import PredictConfig
from realfake.data.decoders import require_decoder
from realfake.prediction.outputs import Record, show
from realfake.prediction.predictor import Predictor, load_predictor


def predict_all(cfg: PredictConfig, paths: list[Path], console: Console | None = None) -> int:
    """Predict files as :func:`predict_recorded` does, and show a table; returns 1 if nothing could be predicted."""
    console = console or Console()
    record = predict_recorded(cfg, paths, console)
    show(record, console)
    return 0 if record.predicted else 1


def predict_recorded(cfg: PredictConfig, paths: list[Path], console: Console) -> Record:
    """Predict files, and write what is asked for.

    Args:
        cfg: Checked.
        paths: Files; those that fail leave the others unharmed.
        console: Where to show a bar.

    Raises:
        UserError: If the run cannot be used.
    """
    assert cfg.run is not None
    predictor = load_predictor(
        cfg.run,
        device=cfg.device,
        batch_size=cfg.batch_size,
        window_sec=cfg.window_sec,
        face=cfg.face,
        face_weights=cfg.face_weights,
        decoder=cfg.decoder,
        patience_sec=cfg.patience_sec,
        tables=cfg.tables,
        accept=cfg.accept,
    )
    require_decoder(predictor.data.decoder)
    if cfg.explain:
        from realfake.prediction.explain import require_explainable

        require_explainable(predictor.network)
    # Pillow warns of pictures above 90 megapixels; those that are too large are refused by their size.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return record_answers(predictor, cfg, paths, new_folder(cfg.out, "predict"), console)


def record_answers(
    predictor: Predictor, cfg: PredictConfig, paths: list[Path], folder: Path, console: Console
) -> Record:
    """Predict files with a bar, and write what is asked for into a folder that exists."""
    record = Record(cfg, folder, paths, predictor)
    sizes = {"picture_size": cfg.picture_size, "film_size": cfg.film_size} if cfg.annotate else {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("predicting", total=len(paths))
        for answer in predictor.answers(paths, **sizes):
            record.add(answer)
            progress.advance(bar)
    record.finish()
    return record


def new_folder(out: str | None, command: str) -> Path:
    """The folder of a command's result, made if it is not there; its name is new unless it was given."""
    name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(2)}"
    folder = Path(out).expanduser() if out else Path("outputs") / command / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
