"""``realfake describe data=…``: statistics and pictures of a dataset, which is prepared first if needed."""

from __future__ import annotations

from realfake.cli import main
from realfake.config import DescribeConfig


def run(cfg: DescribeConfig) -> int:
    """Describe a dataset on the screen and in a folder; returns the exit status.

    Writes ``description.json``, ``description.html`` (one self-contained page) and ``plots/*.png``.

    Args:
        cfg: Composed from ``conf/describe.yaml``.

    Raises:
        UserError: If the data cannot be prepared.
    """
    # Numbers, pictures and videos are only needed from here on: --help and a typing mistake answer without them.
    from realfake.description.describing import describe_dataset

    describe_dataset(cfg)
    return 0


if __name__ == "__main__":
    main("describe", DescribeConfig, run)
