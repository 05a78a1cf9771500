"""From a finished run to an evaluation that can be published: test, compare, calibrate, draw, write."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from realfake.composing.messages import changed
from realfake.config import EvaluateConfig, OwnData, as_plain
from realfake.data.clips import PARTS
from realfake.data.face_choice import resolved_face
from realfake.data.preparation_summary import log_remarks
from realfake.data.splits import leaks
from realfake.errors import UserError
from realfake.evaluation.evaluation_page import print_report, write_page
from realfake.evaluation.evaluation_report import Evaluation, Rival, evaluate_predictions
from realfake.evaluation.testing import Tested, Tester, choose_data, first_rows
from realfake.experiments.artifacts import write_predictions
from realfake.experiments.details import write_details
from realfake.files import require_inside, safe_name, write_whole
from realfake.reports.run_pictures import draw_run
from realfake.runs.folder import RunFolder, open_run
from realfake.runs.network import Network
from realfake.runs.origin import UNKNOWN
from realfake.runs.other_trackers import concerns
from realfake.runs.results import COMPLETED, describe_run, read_results, write_results
from realfake.scoring.metric_table import LEVELS

if TYPE_CHECKING:
    from realfake.data.datamodule import ClipDataModule

log = logging.getLogger(__name__)


def face_as_asked(cfg: EvaluateConfig, overrides: Sequence[str]) -> EvaluateConfig:
    """Without a detector that nobody asked for: what another dataset's file chooses is not what the run has learned."""
    asked = any(word.startswith(("face=", "face.")) for word in overrides)
    return cfg if asked else changed(cfg, {"face": None})


def evaluate_run(cfg: EvaluateConfig, console: Console | None = None) -> Path:
    """Evaluate a finished run; returns the folder that holds the result.

    Args:
        cfg: The run, and what it is tested on.
        console: Where tables are shown.

    Raises:
        UserError: If the run or the data cannot be used, or calibration has nothing to be fitted on.
    """
    console = console or Console()
    out = Path(cfg.out).expanduser() if cfg.out else None
    if out is not None:
        require_inside(out, [out / "plots"])
    if cfg.against is not None:
        open_run(cfg.against, "against")
    if cfg.face is not None:
        cfg = changed(cfg, {"face": resolved_face(cfg.face)})
    assert cfg.run is not None
    tester = Tester(cfg.run, cfg.device, cfg.batch_size, cfg.protocol)
    data = choose_data(cfg, tester)
    elsewhere = not isinstance(cfg.data, OwnData)
    what: dict[str, Any] = {"data": data, "face": cfg.face, "part": cfg.part, "whole": elsewhere}
    streams: dict[str, Any] = {"tables": cfg.tables, "accept": tuple(cfg.accept)}
    what |= streams
    tested = tester.test(**what)
    store = tested.data.opened()
    if elsewhere:
        log_remarks(store)
    earlier = read_results(tester.run.path) or {}
    same_data = store.fingerprint == earlier.get("data_fingerprint", store.fingerprint)
    if not elsewhere and not (same_data and tester.run.signals_read() in ([], tested.data.signals_read())):
        log.warning("the data is not bit for bit what this run was trained on: figures may differ from its own")
    own = None if elsewhere else data
    calibrate = cfg.calibration == "temperature"
    # What was fitted on clips says nothing about these clips.
    wanted = calibrate or (not elsewhere and cfg.part != "val")
    with_own: dict[str, Any] = {} if elsewhere else {"face": cfg.face, **streams}
    validation = tester.test(own, part="val", **with_own) if wanted else None
    of_clip = any(stream.info.of_clip for stream in tester.module.spec.streams)
    found = evaluate_predictions(
        tested.samples,
        store.table,
        _class_counts(tester, own, tested, elsewhere),
        about=_about(cfg, tester, tested, elsewhere),
        validation=None if validation is None else validation.samples,
        validation_table=None if validation is None else validation.data.opened().table,
        calibrate=calibrate,
        # What describes a clip as a whole says the same at its first frame.
        first_frame=None if of_clip else first_rows(tester.test(**what, first_frame=True).samples),
        against=_rival(cfg, what, tested),
        leaks=_leaks(cfg, tester, tested, elsewhere),
        people=tested.data.people_note,
        protocol=tester.protocol,
        losses=None if calibrate else {level: tested.metrics[f"test/{level}/loss"] for level in LEVELS},
        resamples=cfg.resamples,
        seed=cfg.seed,
    )
    kind = _kind(cfg, tester, tested.data)
    dataset = f"{store.table['dataset'].iloc[0]}" if elsewhere else None
    folder = out or _place(tester.run, _name(cfg, tester, dataset), kind)
    _write(folder, cfg, tester, tested, validation if cfg.part == "test" and not elsewhere else None, found, kind)
    print_report(console, found.report)
    console.print(f"page {folder / 'evaluation.html'}", markup=False, soft_wrap=True, highlight=False)
    return folder


def _name(cfg: EvaluateConfig, tester: Tester, dataset: str | None) -> str:
    """What an evaluation is of, as the name of its folder: ``test``, ``val-calibrated``, ``test-against-<run>``, …"""
    words = [cfg.part if dataset is None else f"of-{dataset}" if dataset in ("", *PARTS) else dataset]
    if tester.checkpoint.name != tester.run.best.name:
        words.append(tester.checkpoint.stem)
    if cfg.face is not None:
        words.append(f"face-{cfg.face.name}")
    if cfg.calibration != "none":
        words.append("calibrated")
    words += [f"accept-{tracker}" for tracker in cfg.accept]
    words += [tester.protocol] if tester.protocol != tester.cfg.protocol else []
    if cfg.against is not None:
        words.append(f"against-{open_run(cfg.against, 'against').path.resolve().name}")
    return safe_name(re.sub(r"[^\w.=,+-]", "_", "-".join(words)))


def _kind(cfg: EvaluateConfig, tester: Tester, data: ClipDataModule) -> dict[str, Any]:
    """What has to be the same for a result to be replaced by another one."""
    read = data.signals_read()
    return {
        "checkpoint": tester.checkpoint.name,
        "part": cfg.part if isinstance(cfg.data, OwnData) else "all clips",
        "data_fingerprint": data.opened().fingerprint,
        **({"signals_read": read} if read else {}),
        "face": None if cfg.face is None else as_plain(cfg.face),
        **({"accept": cfg.accept} if cfg.accept else {}),
        **({"protocol": tester.protocol} if tester.protocol != tester.cfg.protocol else {}),
        "calibration": cfg.calibration,
        "against": None if cfg.against is None else str(Path(cfg.against).expanduser().resolve()),
    }


def _place(run: RunFolder, name: str, kind: dict[str, Any]) -> Path:
    """The folder of an evaluation below its run's: where the same one lies, or else one that is free.

    Results from before they said of what kind they are, are moved aside.
    """
    folder = run.evaluation(name)
    earlier = read_results(folder)
    if earlier is not None and "evaluation" not in earlier:
        aside = next(p for i in itertools.count(1) if not (p := folder.with_name(f"{name}-before-{i}")).exists())
        folder.rename(aside)
        log.warning("%s: an older evaluation, which may be of another kind, now lies in %s", folder, aside.name)
    elif earlier is not None and earlier["evaluation"] != kind:
        digest = hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:8]
        folder = folder.with_name(f"{name}-{digest}")
    return folder


def _write(
    folder: Path,
    cfg: EvaluateConfig,
    tester: Tester,
    tested: Tested,
    validation: Tested | None,
    found: Evaluation,
    kind: dict[str, Any],
) -> None:
    store = tested.data.opened()
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder / "predictions.csv", found.clips, store)
    text = json.dumps(found.report, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "evaluation.json", text + "\n")
    metrics = dict(_metrics(tested, found))
    if validation is not None:  # so that a report can choose by it, as by the run's own
        metrics |= {"val" + name.removeprefix("test"): value for name, value in validation.metrics.items()}
    results = describe_run(tester.cfg, tester.run) | {
        "status": COMPLETED,
        "threads": torch.get_num_threads(),  # of this test: training's stand in the run's own results
        "data": tested.data.data.name,
        "face": store.settings["extraction"]["face"],
        "evaluation": kind,
        "accepted": list(tester.reading(cfg.tables, tuple(cfg.accept)).notes),
        "protocol": tester.protocol,
        "fallbacks": found.clips.fallbacks,
        "stands_for_run": _stands_for_run(cfg, tester),
        "metrics": dict(sorted(metrics.items())),
        "temperatures": found.report["temperatures"] if found.report["settings"]["calibrated"] else None,
        "intervals": {
            f"test/clip/{name}": [i["low"], i["high"]] for name, i in found.report["metrics"]["clip"].items()
        },
        "intervals_hold": found.report["settings"]["intervals_hold"],
        "data_fingerprint": store.fingerprint,
        "people": found.report["people"],
    }
    write_results(folder / "results.json", results)
    faces = tester.cfg.callbacks.faces if cfg.faces is None else cfg.faces
    scaled = found.report["temperatures"]["frame"].items() if found.report["settings"]["calibrated"] else ()
    batch_size = tester.cfg.data.eval_batch_size or tester.cfg.data.batch_size
    write_details(
        RunFolder(folder).details,
        found.clips,
        found.samples,
        tested.data,
        Network(tester.module.eval(), tester.cfg, tester.device, batch_size),
        faces=faces,
        temperatures={task: t["used"] for task, t in scaled},
    )
    pictures = draw_run(folder, found.by_emotion) if cfg.plots else {}
    write_page(found.report, pictures, folder / "evaluation.html")


def _stands_for_run(cfg: EvaluateConfig, tester: Tester) -> bool:
    """Whether the figures are those of the run itself: its best weights on its own test part, decided as it decides."""
    other_weights = Path(str(cfg.run)).suffix == ".ckpt" and Path(str(cfg.run)).name != tester.run.best.name
    elsewhere = not isinstance(cfg.data, OwnData) or cfg.face is not None or cfg.part != "test"
    accepted = tester.reading(cfg.tables, tuple(cfg.accept)).notes
    as_it_is = cfg.calibration == "none" and tester.protocol == tester.cfg.protocol
    return as_it_is and not other_weights and not elsewhere and not accepted


def _metrics(tested: Tested, found: Evaluation) -> dict[str, Any]:
    """``test/<level>/<metric>`` → value, of the scaled probabilities where they were scaled."""
    if not found.report["settings"]["calibrated"]:
        return tested.metrics
    levels = found.report["metrics"].items()
    return tested.metrics | {f"test/{level}/{m}": i["value"] for level, values in levels for m, i in values.items()}


def _class_counts(tester: Tester, own: Any, tested: Tested, elsewhere: bool) -> dict[str, list[int]]:
    """Training clips of each class: of the run's own data, or of the tested data if that is gone."""
    if not elsewhere:
        return tested.data.class_counts()
    if not tester.run.results.is_file():  # converted: what it was trained on is not what its configuration names
        log.warning("nothing is known of the run's training data: the baselines know the tested classes instead")
        return tested.data.class_counts("test")
    try:
        return tester.datamodule(own).class_counts()
    except UserError as error:
        log.warning("the run's own data cannot be read (%s): the baselines know the tested classes instead", error)
        return tested.data.class_counts("test")


def _leaks(cfg: EvaluateConfig, tester: Tester, tested: Tested, elsewhere: bool) -> list[str] | None:
    """Who of the tested people is in another part, or has been learned before; ``None`` = not all of that is known."""
    found = [] if elsewhere else leaks(tested.data.opened().table, tested.data.parts)
    learned = tester.learned(None if elsewhere else tested.data)
    found += [
        f"{who.name!r} of {who.dataset} has been learned or selected on (here in {who.clip})"
        for who in tested.data.tested_of(learned)
    ]
    for origin in learned.unknown:
        log.warning(UNKNOWN, cfg.run, origin)
    return None if learned.unknown and not found else found


def _rival(cfg: EvaluateConfig, what: dict[str, Any], tested: Tested) -> Rival | None:
    if cfg.against is None:
        return None
    other = Tester(cfg.against, cfg.device, cfg.batch_size)
    streams = {} if concerns(other.cfg) else {"tables": None, "accept": ()}
    theirs = other.test(**{**what, "data": choose_data(cfg, other), **streams})
    known = tested.data.tested_of(other.learned(None if what["whole"] else theirs.data))
    note = f" (which has learned or was selected on {len(known)} of the people)" if known else ""
    return Rival(other.run.path.name + note, theirs.samples.by_clip(), theirs.data.opened().table)


def _about(cfg: EvaluateConfig, tester: Tester, tested: Tested, elsewhere: bool) -> dict[str, str]:
    about = {
        "run": tester.run.path.name,
        "approach": tester.cfg.approach.name,
        "backbone": tester.cfg.backbone.name,
        "data": tested.data.data.title,
        "part": "all clips" if elsewhere else cfg.part,
    }
    if notes := tester.reading(cfg.tables, tuple(cfg.accept)).notes:
        about["accepted"] = "; ".join(notes)
    if tested.data.data.name == "synthetic":
        about["note"] = "synthetic faces: these figures say nothing about people"
    return about
