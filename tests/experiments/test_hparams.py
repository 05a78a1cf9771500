"""TensorBoard's HParams tab, read with TensorBoard's own plugin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_runs import fake_config, write_run
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler
from tensorboard.util.tensor_util import make_ndarray

from realfake.experiments.hparams import write_hparams


def read_sessions(folder: Path) -> tuple[Any, dict[str, Any]]:
    """What the tab shows of a log folder: the experiment, and session group by its one session's name."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context, request = Context(TBContext(data_provider=provider)), RequestContext()
    metadata = context.hparams_metadata(request, "")
    experiment = context.experiment_from_metadata(request, "", True, metadata, provider.list_hyperparameters(
        request, experiment_ids=[""], limit=1000))  # fmt: skip
    asked = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=1000,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING],
        col_params=[api_pb2.ColParams(metric=m.name) for m in experiment.metric_infos],
    )
    groups = Handler(request, context, "", asked).run().session_groups
    assert all(len(group.sessions) == 1 for group in groups), "runs must not be averaged into one row"
    return experiment, {group.sessions[0].name: group for group in groups}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, two of them with equal overrides, whose curves Lightning's logger wrote before."""
    from pytorch_lightning.loggers import TensorBoardLogger

    folder = tmp_path_factory.mktemp("sweep")
    for name, rate in (("a", "1e-3"), ("b", "1e-3"), ("c", "0.1")):
        overrides = ["approach=temporal", f"optimizer.lr={rate}", "compile=true", "sweep.name=x"]
        results = write_run(folder / name, overrides, fake_config("temporal"), seed=ord(name))
        logger = TensorBoardLogger(folder / name, name="", version="tensorboard", default_hp_metric=False)
        logger.log_hyperparams({"hidden": 3})
        for step in range(5):
            logger.log_metrics({"val/clip/joint_accuracy": 0.1 * step, "test/clip/joint_accuracy": 0.123}, step)
        logger.finalize("success")
        write_hparams(folder / name / "tensorboard", overrides, results["metrics"] | {"test/clip/undefined": None})
    return folder


def test_every_run_is_a_session_with_its_overrides_and_test_metrics(logged: Path) -> None:
    experiment, sessions = read_sessions(logged)
    assert set(sessions) == {f"{name}/tensorboard" for name in "abc"}
    assert {info.name for info in experiment.hparam_infos} == {"approach", "optimizer.lr", "compile"}
    for name, group in sessions.items():
        results = json.loads((logged / name).parent.joinpath("results.json").read_text())
        expected = {k: v for k, v in results["metrics"].items() if k.startswith("test/")}
        shown = {m.name.tag: m.value for m in group.metric_values}
        assert {k: shown[k] for k in expected} == pytest.approx(expected, rel=1e-6)
        assert "hp_metric" not in shown
        assert "test/clip/undefined" not in shown
        assert group.hparams["approach"].string_value == "temporal"
        assert group.hparams["compile"].bool_value is True
        assert group.sessions[0].status == api_pb2.STATUS_SUCCESS
    assert sessions["a/tensorboard"].hparams["optimizer.lr"].number_value == 0.001
    assert sessions["c/tensorboard"].hparams["optimizer.lr"].number_value == 0.1


def test_curves_are_left_alone_and_no_folder_is_made(logged: Path) -> None:
    assert [p.name for p in (logged / "a" / "tensorboard").iterdir() if p.is_dir()] == []
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logged))
    multiplexer.Reload()
    assert len(multiplexer.Runs()) == 3
    events = multiplexer.Tensors("a/tensorboard", "val/clip/joint_accuracy")
    assert [event.step for event in events] == list(range(5))
    values = [make_ndarray(event.tensor_proto).item() for event in events]
    assert values == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_a_failed_run_says_so(tmp_path: Path) -> None:
    write_hparams(tmp_path / "run" / "tensorboard", ["seed=1"], {}, status="failed")
    _, sessions = read_sessions(tmp_path)
    assert sessions["run/tensorboard"].sessions[0].status == api_pb2.STATUS_FAILURE
