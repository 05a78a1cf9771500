"""``realfake train [-m] approach=…``: prepare data if needed, fit, test the best epoch; -m takes all combinations."""

from __future__ import annotations

import logging
from pathlib import Path

from realfake.cli import main
from realfake.config import TrainConfig

log = logging.getLogger(__name__)


def run(cfg: TrainConfig) -> float | None:
    """Carry out one run in the folder that Hydra made for it.

    Args:
        cfg: Composed from ``conf/train.yaml``.

    Returns:
        ``optimized_metric`` of the best epoch, which a search optimises; ``None`` if it is undefined, or if another
        process that was started on the same sweep trains this run.

    Raises:
        UserError: If the run cannot begin, or fails.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from realfake.experiments.execution import Kept, TrainedElsewhere, execute
    from realfake.experiments.placement import placed
    from realfake.experiments.summary import print_line, print_summary
    from realfake.runs.folder import RunFolder

    hydra_cfg = HydraConfig.get()
    folder = RunFolder(Path(hydra_cfg.runtime.output_dir))
    in_sweep = hydra_cfg.mode == RunMode.MULTIRUN
    search = hydra_cfg.runtime.choices.get("search", "none") != "none"  # wants a figure of every run
    try:
        with placed(cfg, hydra_cfg) as (placed_cfg, share):
            results = execute(placed_cfg, folder, in_sweep=in_sweep, share=share, wait=search)
    except TrainedElsewhere:
        if not in_sweep:
            raise
        log.info("%s: left to another process, which trains it at this moment", folder.path)
        return None
    if not in_sweep:
        print_summary(results, folder)
    elif not isinstance(results, Kept):
        print_line(results, folder)
    value = results["metrics"].get(results["optimized_metric"])
    return None if value is None else float(value)


if __name__ == "__main__":
    from realfake.experiments.start import check_start
    from realfake.experiments.sweeps import finish_sweep

    main("train", TrainConfig, run, finish_sweep, check_start)
