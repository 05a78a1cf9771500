"""Synthetic SASE-FE: generated when it is first listed, then read like the real one."""

from __future__ import annotations

from pathlib import Path

from realfake.config import SyntheticData
from realfake.data.clips import Listing
from realfake.data.sources.sase_fe import SaseFe


class Synthetic:
    """Videos of the embedded generator in SASE-FE's layout, in ``<root>/FakeTrue_DB``.

    Without ``data.root`` the root is ``<data.folder>/synthetic-<digest of the settings>``, so that other settings
    never meet old videos.
    """

    name = "synthetic"

    def __init__(self, data: SyntheticData, *, progress: bool = True) -> None:
        from realfake.data.synthetic import SyntheticSettings

        self.settings = SyntheticSettings(
            subjects=data.subjects,
            seed=data.seed,
            difficulty=data.difficulty,
            fps=data.fps,
            seconds=data.seconds,
            size=data.video_size,
        )
        self.workers, self.progress = data.prepare_workers, progress
        self.folder = Path(data.root or Path(data.folder) / f"synthetic-{self.settings.digest()}").expanduser()
        self.root = str(self.folder / "FakeTrue_DB")

    def listing(self) -> Listing:
        """Generate what is not there yet, and list it."""
        from realfake.data.synthetic import generate

        generate(self.folder, self.settings, workers=self.workers, progress=self.progress)
        return SaseFe(self.root, name=self.name).listing()
