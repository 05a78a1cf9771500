"""``realfake prepare data=… data.root=…``: videos to face crops, with a progress bar and a summary; resumable."""

from __future__ import annotations

from realfake.cli import main
from realfake.config import PrepareConfig


def run(cfg: PrepareConfig) -> int:
    """Prepare a dataset and say what came of it; returns the exit status.

    Args:
        cfg: Composed from ``conf/prepare.yaml``.

    Raises:
        UserError: If the dataset cannot be listed, or nothing of it could be prepared.
    """
    # Videos and tables are only needed from here on: --help and a typing mistake answer without them.
    from rich.console import Console

    from realfake.data.preparation import prepare
    from realfake.data.preparation_summary import print_summary

    print_summary(prepare(cfg.data, cfg.face), cfg.data.space, Console())
    return 0


if __name__ == "__main__":
    main("prepare", PrepareConfig, run)
