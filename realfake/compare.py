"""``realfake compare a=… b=…``: which of several systems is better, by how much, and how sure that is."""

from __future__ import annotations

import time
from pathlib import Path

from realfake.cli import main
from realfake.config import CompareConfig


def run(cfg: CompareConfig) -> int:
    """Compare systems on the screen and in a folder; returns the exit status.

    Args:
        cfg: Composed from ``conf/compare.yaml``.

    Raises:
        UserError: If there is no run, or they cannot be compared.
    """
    # pandas is only needed from here on: --help and a typing mistake answer without it.
    from realfake.comparison.choosing import chosen_systems
    from realfake.comparison.comparing import compare_runs
    from realfake.comparison.comparison_page import show, write

    found = compare_runs(
        chosen_systems(cfg),
        metrics=[cfg.metric] if isinstance(cfg.metric, str) else cfg.metric,
        margin=cfg.margin,
        people=cfg.people,
        seed=cfg.seed,
        difference=cfg.difference,
        same_data=cfg.same_data,
        resamples=cfg.resamples,
        permutations=cfg.permutations,
    )
    out = Path(cfg.out).expanduser() if cfg.out else Path("outputs", "compare", time.strftime("%Y-%m-%d_%H-%M-%S"))
    page = write(found, out)
    show(found, page)
    return 0


if __name__ == "__main__":
    main("compare", CompareConfig, run)
