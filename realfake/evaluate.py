"""``realfake evaluate run=…``: test a finished run again, from its own saved configuration, on any data."""

from __future__ import annotations

from realfake.cli import main
from realfake.config import EvaluateConfig


def run(cfg: EvaluateConfig) -> int:
    """Evaluate on the screen and in a folder; returns the exit status.

    Writes ``results.json``, ``predictions.csv`` and ``plots/`` as training does, and the report as
    ``evaluation.json`` and ``evaluation.html``.

    Args:
        cfg: Composed from ``conf/evaluate.yaml``.

    Raises:
        UserError: If the run or the data cannot be used.
    """
    from hydra.core.hydra_config import HydraConfig

    from realfake.evaluation.evaluating import evaluate_run, face_as_asked

    evaluate_run(face_as_asked(cfg, HydraConfig.get().overrides.task))
    return 0


if __name__ == "__main__":
    main("evaluate", EvaluateConfig, run)
