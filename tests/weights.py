"""Published weights that tests use where they are there; none of them lies in the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from processes import ROOT

PLACES = (
    ROOT.parent / "shared" / "models",
    Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser() / "realfake",
)


def weights_file(name: str) -> Path:
    """Path of a weights file; skips the test if there is none."""
    for place in PLACES:
        if (place / name).is_file():
            return place / name
    pytest.skip(f"{name} is in none of {', '.join(map(str, PLACES))}")
