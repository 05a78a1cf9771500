"""``realfake convert model=model.pth``: a trained network of the thesis's code becomes a run of this one.

What it writes is used like any trained run: ``evaluate run=…``, ``predict run=…``, ``train init_from=…``.
"""

from __future__ import annotations

from realfake.cli import main
from realfake.config import ConvertConfig


def run(cfg: ConvertConfig) -> int:
    """Convert ``cfg.model``; returns the exit status. Nothing that is pickled in the file is run.

    Args:
        cfg: Composed from ``conf/convert.yaml``.

    Raises:
        UserError: If there is no state dict in the file, or no network that is known here.
    """
    # torch is only needed from here on: --help and a typing mistake answer without it.
    from realfake.runs.converted import convert_model

    convert_model(cfg)
    return 0


if __name__ == "__main__":
    main("convert", ConvertConfig, run)
