"""``realfake signals signals=[…]``: landmarks, units, pose and what else signals give, as a table a clip."""

from __future__ import annotations

from realfake.cli import main
from realfake.config import SignalsConfig


def run(cfg: SignalsConfig) -> int:
    """Write the tables of a dataset, which is prepared first if needed, or of files; returns the exit status.

    Args:
        cfg: Composed from ``conf/signals.yaml``.

    Returns:
        0; 1 if there is a table of no clip at all.

    Raises:
        UserError: If the data cannot be prepared, there is no such input, or a signal cannot be computed of any clip.
    """
    # Numbers, pictures and videos are only needed from here on: --help and a typing mistake answer without them.
    from realfake.description.signal_tables import write_signal_tables

    return 0 if write_signal_tables(cfg).paths else 1


if __name__ == "__main__":
    main("signals", SignalsConfig, run)
