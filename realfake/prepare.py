"""``realfake prepare data=… data.root=…``: videos to face crops and streams, with a progress bar; resumable."""

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
    from realfake.data.preparation_summary import print_streams, print_summary
    from realfake.data.signal_store import prepare_signal

    console, store = Console(), prepare(cfg.data, cfg.face)
    print_summary(store, cfg.data.space, console)
    for options in cfg.signals.values():
        print_streams(prepare_signal(store, cfg.data, cfg.face, options), console)
    return 0


if __name__ == "__main__":
    main("prepare", PrepareConfig, run)
