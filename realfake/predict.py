"""``realfake predict run=… input=…``: labels of images and videos, as tables and drawn on copies."""

from __future__ import annotations

from realfake.cli import main
from realfake.config import PredictConfig


def run(cfg: PredictConfig) -> int:
    """Predict everything that ``cfg.input`` names; returns the exit status.

    Args:
        cfg: Composed from ``conf/predict.yaml``.

    Returns:
        0; 1 if nothing at all could be predicted.

    Raises:
        UserError: If there is no such run or input.
    """
    # Wrong inputs are told before torch is imported, which takes seconds.
    from realfake.prediction.inputs import find_all
    from realfake.runs.folder import open_run

    assert cfg.run is not None
    assert cfg.input is not None
    open_run(cfg.run)
    paths = find_all(cfg.input)

    from realfake.prediction.command import predict_all

    return predict_all(cfg, paths)


if __name__ == "__main__":
    main("predict", PredictConfig, run)
