"""Published weights that tests use where they are there; none of them lies in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import ROOT

from realfake.published import published_folder

PLACES = (ROOT.parent / "shared" / "models", published_folder())


def found_weights(name: str) -> Path | None:
    """Path of a weights file, where there is one."""
    return next((place / name for place in PLACES if (place / name).is_file()), None)


def weights_file(name: str) -> Path:
    """Path of a weights file; skips the test if there is none."""
    if (found := found_weights(name)) is not None:
        return found
    pytest.skip(f"{name} is in none of {', '.join(map(str, PLACES))}")
