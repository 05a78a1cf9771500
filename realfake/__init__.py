"""realfake: experiments on telling genuinely felt from posed emotions in faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realfake.prediction.predictor import Predictor

__version__ = "0.1.0"


def load(run: str | Path, **options: Any) -> Predictor:
    """Load the network of a finished run, to predict images and videos.

    Examples:
        >>> predictor = realfake.load("outputs/multi_task/2026-01-31_12-00-00_ab12")  # doctest: +SKIP
        >>> predictor.predict("face.jpg").faces[0].emotion  # doctest: +SKIP
        'happy'

    Args:
        run: The run's folder, or one of its checkpoints.
        options: ``device``, ``batch_size`` and others, see :func:`realfake.prediction.predictor.load_predictor`.

    Raises:
        UserError: If there is no such run, or it cannot be used.
    """
    from realfake.prediction.predictor import load_predictor

    return load_predictor(run, **options)
