"""TensorBoard's event files: one a run, in a folder whose name says what the run varies, without epochs as a curve."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytorch_lightning.loggers import TensorBoardLogger

from realfake.files import NAME_BYTES, write_whole
from realfake.runs.foreign import Unreadable, read_yaml


class CurvesLogger(TensorBoardLogger):
    """Lightning's logger but for its curve of the epoch's number, whose card would stand first."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write scalars."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)


def varied(run: Path, overrides: Sequence[str]) -> list[str]:
    """Those of a run's overrides in which it differs from others of its sweep; none if it belongs to no sweep.

    Args:
        run: Its folder; Hydra notes the sweep's command line in the one above.
        overrides: The run's own.
    """
    try:
        noted = read_yaml(run.parent / "multirun.yaml")["hydra"]
        given, searched = noted["overrides"]["task"], noted["sweeper"].get("params") or {}
    except (Unreadable, OSError, LookupError, TypeError, AttributeError):
        return []
    from hydra.core.override_parser.overrides_parser import OverridesParser

    swept = {o.key_or_group for o in OverridesParser.create().parse_overrides(given) if o.is_sweep_override()}
    return [override for override in overrides if override.partition("=")[0].lstrip("+~") in swept | {*searched}]


def events_folder(tensorboard: Path, run: Path, overrides: Sequence[str]) -> Path:
    """Where the events of a run are written: TensorBoard names runs by their folders.

    Args:
        tensorboard: The run's ``tensorboard/``.
        run: Its folder.
        overrides: The run's own.
    """
    words = ",".join(varied(run, overrides))
    name = re.sub(r"[^\w=,.+@-]+", "-", words).encode()[:NAME_BYTES].decode(errors="ignore").strip(".")
    return tensorboard / name if name else tensorboard


def merge_events(tensorboard: Path, into: Path) -> None:
    """Put everything that a run's event files hold into one; every part of a run opens a file of its own.

    Records are copied as they are; the last one of a process that was killed may be incomplete, and is left out.

    Args:
        tensorboard: The run's ``tensorboard/``, with all folders in it.
        into: The folder of the one file.
    """
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.summary.writer.record_writer import RecordWriter

    files = sorted(tensorboard.rglob("events.out.tfevents.*"), key=lambda file: (file.stat().st_mtime_ns, file.name))
    if not files:
        return
    content = io.BytesIO()
    writer = RecordWriter(content)
    for file in files:
        for record in RawEventFileLoader(str(file)).Load():
            writer.write(record)
    write_whole(one := into / files[0].name, content.getvalue())
    for file in files:
        if file != one:
            file.unlink()
