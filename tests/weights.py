"""Published weights that tests use where they are there; none of them lies in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import ROOT

from realfake.published import published_folder

PLACES = (ROOT.parent / "shared" / "models", published_folder())


<<<<<<< HEAD
<<<<<<< HEAD
def found_weights(name: str) -> Path | None:
    """Path of a weights file, where there is one."""
=======
def found_file(name: str) -> Path | None:
    """Path of a weights file, if there is one."""
>>>>>>> 1c0368c (README leads to the new pages)
=======
def found_weights(name: str) -> Path | None:
    """Path of a weights file, where there is one."""
>>>>>>> 037be5c (Weights that tests find are found by one function; the target docs stands by itself)
    return next((place / name for place in PLACES if (place / name).is_file()), None)


def weights_file(name: str) -> Path:
    """Path of a weights file; skips the test if there is none."""
<<<<<<< HEAD
<<<<<<< HEAD
    if (found := found_weights(name)) is not None:
=======
    if (found := found_file(name)) is not None:
>>>>>>> 1c0368c (README leads to the new pages)
=======
    if (found := found_weights(name)) is not None:
>>>>>>> 037be5c (Weights that tests find are found by one function; the target docs stands by itself)
        return found
    pytest.skip(f"{name} is in none of {', '.join(map(str, PLACES))}")
