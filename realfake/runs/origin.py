"""Where the weights of a run come from, and which people they have learned before.

A checkpoint says whom its weights have learned or been selected on, through any number of runs that started from each
other; of older ones this is found out from their split and their prepared store, if these are still there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realfake.composing.messages import changed
from realfake.config import BackboneConfig, SequenceBackbone, TrainConfig
from realfake.data.learned import Learned
from realfake.data.splits import assign_parts
from realfake.data.store import MARK, PreparedStore
from realfake.errors import UserError
from realfake.models.weights import published
from realfake.runs.checkpoints import read_checkpoint
from realfake.runs.folder import RunFolder, as_trained, checkpoint_of, open_run, runs_inside
from realfake.runs.results import COMPLETED, config_digest, read_results

if TYPE_CHECKING:
    from realfake.data.datamodule import ClipDataModule

log = logging.getLogger(__name__)

NAMES_SHOWN = 5
UNKNOWN = "%s: which people its weights have learned is not known (%s); if any of them is tested, figures are too good"


# --- where weights come from -----------------------------------------------------------------------------------------


def initial_checkpoint(cfg: TrainConfig) -> Path:
    """The checkpoint that ``init_from`` means: a file, the best one of a run, or of the run of a sweep that fits.

    Of a folder of runs it is the completed one with the same split and backbone and, if there are several seeds, the
    same seed, else the lowest one.

    Raises:
        UserError: If there is none, or several differ in more than the seed.
    """
    assert cfg.init_from is not None
    path = Path(cfg.init_from).expanduser()
    if path.is_file():
        return path
    inside = runs_inside(path)
    if not inside:
        return checkpoint_of("init_from", cfg.init_from, "best")
    done = [f for f in inside if (read_results(f) or {}).get("status") == COMPLETED]
    runs = {r: r.load_config() for r in map(RunFolder, done) if r.best.is_file()}
    fitting = {r: c for r, c in runs.items() if c.split == cfg.split and c.backbone.name == cfg.backbone.name}
    if not fitting:
        wanted, *there = (_split_and_backbone(c) for c in (cfg, *runs.values()))
        common = set(wanted).intersection(*there) if there else set()
        rest = dict.fromkeys(" ".join(w for w in words if w not in common) for words in there)
        raise UserError(
            f"init_from={path}: none of its {len(runs)} completed runs has "
            f"{' '.join(w for w in wanted if w not in common)} (there are: {_shown(rest, '; ') or 'none'}); train it "
            "there, or name one run"
        )
    chosen = _by_seed(fitting, cfg.seed)
    if chosen is None:
        words = {r: set(r.overrides()) for r in fitting}
        common = set.intersection(*words.values())
        found = [f"{r.path} ({' '.join(sorted(w - common)) or 'the same overrides'})" for r, w in words.items()]
        raise UserError(f"init_from={path}: {len(fitting)} of its runs fit this one: {_shown(found, ', ')}; name one")
    log.info("init_from=%s: starting from %s", path, chosen.path)
    return chosen.best


def _by_seed(runs: Mapping[RunFolder, TrainConfig], seed: int) -> RunFolder | None:
    """The only run, or that of a seed if the runs differ in their seeds alone; ``None`` = more differs."""
    if len({config_digest(changed(c, {"seed": 0})) for c in runs.values()}) > 1:
        same = {r: c for r, c in runs.items() if c.seed == seed}
        return next(iter(same)) if len(same) == 1 else None
    of_seed = {c.seed: r for r, c in runs.items()}
    if seed not in of_seed and len(of_seed) > 1:
        log.warning("no run there has seed=%d: that of seed=%d is taken", seed, min(of_seed))
    return of_seed.get(seed, of_seed[min(of_seed)])


def _split_and_backbone(cfg: TrainConfig) -> list[str]:
    """As on the command line."""
    values = cfg.split.model_dump()
    words = [f"split={values.pop('name')}", *(f"split.{key}={str(value).lower()}" for key, value in values.items())]
    return [*words, f"backbone={cfg.backbone.name}"]


def origins(cfg: TrainConfig, resumed: Path | None, initial: Path | None) -> dict[str, Path]:
    """The checkpoints and other files of weights that a run starts from, by the key that names them.

    Published files are none of them: their publishers say what they have learned.

    Args:
        cfg: The run's configuration.
        resumed: What ``ckpt`` means.
        initial: What ``init_from`` means.
    """
    found = {"ckpt": resumed, "init_from": initial}
    networks: dict[str, BackboneConfig] = {"backbone": cfg.backbone}
    if isinstance(cfg.backbone, SequenceBackbone):
        networks["backbone.frame"] = cfg.backbone.frame
    for key, network in networks.items():
        path = Path(network.weights).expanduser()
        known = network.weights == "none" or path.name in [file.filename for file in published(network.name)]
        found[f"{key}.weights"] = path if not known and path.exists() else None
    return {key: path for key, path in found.items() if path is not None}


def is_own(path: Path) -> bool:
    """Whether a file is a checkpoint of a run; weights of other programs may be files too."""
    try:
        read_checkpoint(path)
    except UserError:
        return False
    return True


# --- whom they have learned ------------------------------------------------------------------------------------------


def learned_with(cfg: TrainConfig, data: ClipDataModule, checkpoints: Mapping[str, Path]) -> Learned:
    """Whom a run's weights will have learned: its own training and validation people, and those of its origins.

    Args:
        cfg: The run's configuration.
        data: Its data, set up.
        checkpoints: See :func:`origins`.

    Raises:
        UserError: If someone in the test part has been learned before.
    """
    learned = data.learned()
    for key, path in checkpoints.items():
        if key.endswith(".weights") and not is_own(path):
            before = Learned(unknown=(f"{path}, which does not say it",))
        else:
            before = learned_by(path, cfg, data)
        known = data.tested_of(before)
        if known:
            people = _shown([f"{k.name} of {k.dataset}" for k in known], ", ")
            raise UserError(
                f"{key}={path}: its weights have learned, or were selected on, {len(known)} of the people whom this "
                f"run would be tested on ({people}); use the split of that run, or a run of the same fold "
                "(init_from=<sweep> takes it)"
            )
        for origin in before.unknown:
            log.warning(UNKNOWN, f"{key}={path}", origin)
        learned |= before
    return learned


def learned_by(path: Path, present: TrainConfig | None = None, data: ClipDataModule | None = None) -> Learned:
    """Whom the weights of a checkpoint have learned or been selected on.

    Args:
        path: The checkpoint.
        present: The configuration of a run whose data is at hand.
        data: That data, set up.

    Returns:
        What the checkpoint says. An older one says nothing: then it is found out from the split of its run and its
        prepared store, which may be that of ``data``; else it is unknown, with the reason.

    Raises:
        UserError: If it cannot be read.
    """
    state = read_checkpoint(path)
    plain = state["realfake"].get("learned")
    if plain is not None:
        try:
            return Learned.from_plain(plain)
        except (AttributeError, LookupError, TypeError):
            raise UserError(f"{path}: damaged: whom its weights have learned cannot be read") from None
    if "loops" not in state and "pytorch-lightning_version" not in state:  # was not trained here, but converted
        return Learned(unknown=(f"{path}, which another program trained",))
    run, learned = RunFolder(path.parent.parent), Learned()
    here = None if data is None or present is None else (present, data)
    for part in (lambda cfg: _reconstructed(cfg, run, here), lambda cfg: _learned_before(cfg, run)):
        try:
            learned |= part(as_trained(state["realfake"].get("config"), path))
        except UserError as error:
            learned |= Learned(unknown=(f"{path}: {error}",))
    return learned


def _reconstructed(cfg: TrainConfig, run: RunFolder, here: tuple[TrainConfig, ClipDataModule] | None) -> Learned:
    """From the run's prepared store, or the same data at hand; raises :class:`UserError` with what is missing."""
    fingerprint = (read_results(run.path) or {}).get("data_fingerprint")
    if here is not None and here[0].split == cfg.split:
        present, data_here = here
        same = (cfg.data, cfg.face) == (present.data, present.face)  # has to do for a run that was cut off
        if fingerprint == data_here.opened().fingerprint or (fingerprint is None and same):
            return data_here.learned()
    if fingerprint is None:
        raise UserError("its results, which name its data, are not there")
    data = run.located(cfg).data
    for mark in sorted(Path(data.prepared).expanduser().glob(f"{data.name}-*/{MARK}")):
        try:
            store = PreparedStore.open(mark.parent)
        except UserError:
            continue
        if store.fingerprint == fingerprint:
            parts = assign_parts(store.table, cfg.split)
            if not _tested_clips(run) <= set(store.table["clip"][parts == "test"]):
                raise UserError("its split comes out another way today")
            return Learned.of(store.table, np.flatnonzero((parts == "train") | (parts == "val")), data)
    raise UserError(f"its prepared data is not in {data.prepared} any more")


def _tested_clips(run: RunFolder) -> set[str]:
    import pandas as pd

    return set(pd.read_csv(run.predictions, dtype=str)["clip"]) if run.predictions.is_file() else set()


def _learned_before(cfg: TrainConfig, run: RunFolder) -> Learned:
    """Whom the run's own origins have learned, as far as an older run's configuration tells."""
    learned = Learned()
    for source in (cfg.init_from, cfg.ckpt if cfg.ckpt != "last" else None):
        if source is not None:
            path = Path(source).expanduser()
            path = path if path.exists() else (run.working_folder() or Path()) / path
            learned |= learned_by(path if path.is_file() else open_run(path).best)
    return learned


def _shown(names: Iterable[str], separator: str) -> str:
    names = list(names)
    return separator.join([*names[:NAMES_SHOWN], *(["…"] if len(names) > NAMES_SHOWN else [])])
