"""One file a layout; each turns a folder (or a table) into a list of clips and a list of problems."""

from __future__ import annotations

from dataclasses import replace

from realfake.config import CsvData, DataConfig, Dataset, SyntheticData, UvaNemoData
from realfake.data.clips import Listing, Source
from realfake.data.sources.limit import limit_clips

__all__ = ["build_source", "limit_clips", "list_clips"]


def list_clips(data: DataConfig, *, progress: bool = True) -> tuple[Source, Listing]:
    """The source of a dataset, and its clips, as the rest of the program takes them.

    Emotions are numbered as ``data.emotions`` says, and ``data.limit_clips`` is applied.

    Raises:
        UserError: If the dataset cannot be listed, or no clip shows an emotion that is declared.
    """
    source = build_source(data, progress=progress)
    listing = source.listing().numbered(data.space)
    return source, replace(listing, clips=limit_clips(listing.clips, data.limit_clips))


def build_source(data: DataConfig, *, progress: bool = True) -> Source:
    """Make the source of a dataset configuration.

    For ``synthetic``, listing generates the videos if they are not there yet.

    Args:
        data: The group ``data`` of the configuration.
        progress: Show a progress bar while videos are generated.

    Raises:
        UserError: If ``data.root`` is missing, does not exist, or is no folder (no file for a table).
    """
    if isinstance(data, SyntheticData):
        from realfake.data.sources.synthetic import Synthetic

        return Synthetic(data, progress=progress)
    if isinstance(data, CsvData):
        from realfake.data.sources.table import ClipTable

        keep = data.duplicates == "keep"
        return ClipTable(data.root, data.columns.model_dump(), data.space, keep_contradictions=keep)
    if isinstance(data, UvaNemoData):
        from realfake.data.sources.uva_nemo import UvaNemo

        return UvaNemo(data.root, details=data.details, folds=data.folds)
    if data.name == "sase_fe":
        from realfake.data.sources.sase_fe import SaseFe

        return SaseFe(data.root)
    if data.name == "sase_fe_challenge":
        from realfake.data.sources.sase_fe_challenge import SaseFeChallenge

        return SaseFeChallenge(data.root)
    if isinstance(data, Dataset):
        from realfake.data.sources.brought import Brought

        return Brought(data)
    from realfake.data.sources import seed

    if data.name == "seed_frames":
        return seed.SeedFrames(data.root)
    if data.name == "seed_multi_task":
        return seed.SeedMultiTask(data.root)
    if data.name == "seed_sequences":
        return seed.SeedSequences(data.root)
    raise ValueError(f"data.name={data.name}: no source reads this layout")
