"""TensorBoard's HParams tab: one session a run, in the folder that already holds the run's curves."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realfake.runs.results import COMPLETED
from realfake.runs.settings import is_setting, parse_override


def write_hparams(
    tensorboard_dir: Path, overrides: Sequence[str], metrics: Mapping[str, float | None], status: str = COMPLETED
) -> None:
    """Write a run's session: its overrides as hyperparameters and its test metrics, beside the run's other events.

    No experiment summary is written, since TensorBoard obeys only the first one that it meets below its log folder:
    one from every run would hide the overrides that the other runs vary.

    Args:
        tensorboard_dir: The folder of the run's events; made if missing.
        overrides: What of the run's overrides is shown, e.g. ``["approach=temporal", "optimizer.lr=1e-3"]``: in a
            sweep what varies; those that only say how a sweep is executed are left out.
        metrics: Metric name → value; only ``test/…`` that are numbers are written (as 32-bit floats, TensorBoard's
            own precision).
        status: How the run ended, ``completed`` or any other word.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    # Runs with equal hyperparameters would otherwise be averaged into one row.
    session = f"{tensorboard_dir.resolve().parent.name}-{time.time_ns():x}"
    settings = {key: _typed(key, value) for key, value in map(parse_override, filter(is_setting, overrides))}
    start = summary_v2.hparams_pb(settings, trial_id=session)
    ended = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_SUCCESS if status == COMPLETED else api_pb2.STATUS_FAILURE, end_time_secs=time.time()
    )
    end = Summary()
    end.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=ended)),
        tensor=metadata.NULL_TENSOR,
    )
    figures = Summary(
        value=[
            Summary.Value(tag=name, simple_value=value)
            for name, value in metrics.items()
            if name.startswith("test/") and value is not None and math.isfinite(value)
        ]
    )
    writer = EventFileWriter(str(tensorboard_dir), filename_suffix=".hparams")
    for summary in (start, figures, end):
        writer.add_event(Event(wall_time=time.time(), step=0, summary=summary))
    writer.close()


def _typed(key: str, value: str) -> Any:
    """A number or a boolean where the text is one, so that TensorBoard sorts and filters it as such.

    Seeds and folds are names, of which it would make ``1.0000``.
    """
    if key.rpartition(".")[2] in ("seed", "fold"):
        return value
    if value in ("true", "false"):
        return value == "true"
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value
