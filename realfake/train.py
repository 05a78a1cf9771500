"""``python -m realfake.train approach=…``: prepare data if needed, fit, test the best epoch, write results."""

from __future__ import annotations

from pathlib import Path

from realfake.cli import main
from realfake.config import TrainConfig


def run(cfg: TrainConfig) -> float | None:
    """Carry out one run in the folder that Hydra made for it.

    Args:
        cfg: Composed from ``conf/train.yaml``.

    Returns:
        ``cfg.optimized_metric`` of the best epoch, which a search optimises; ``None`` if it is undefined.

    Raises:
        UserError: If the run cannot begin, or fails.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from realfake.experiments.execution import execute
    from realfake.experiments.folder import RunFolder
    from realfake.experiments.placement import placed
    from realfake.experiments.summary import print_summary

    hydra_cfg = HydraConfig.get()
    folder = RunFolder(Path(hydra_cfg.runtime.output_dir))
    in_sweep = hydra_cfg.mode == RunMode.MULTIRUN
    with placed(cfg, hydra_cfg) as (placed_cfg, share):
        results = execute(placed_cfg, folder, in_sweep=in_sweep, share=share)
    print_summary(results, folder)
    value = results["metrics"].get(cfg.optimized_metric)
    return None if value is None else float(value)


if __name__ == "__main__":
    from realfake.experiments.sweeps import finish_sweep

    main("train", TrainConfig, run, finish_sweep)
