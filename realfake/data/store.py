"""The prepared store: face crops as JPEG, one file a clip, and tables that say where each crop lies."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realfake.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

CROP = np.dtype(
    [
        ("time_sec", "<f4"),
        ("x", "<f4"),
        ("y", "<f4"),
        ("width", "<f4"),
        ("height", "<f4"),
        ("detected", "?"),
        ("offset", "<i8"),
        ("bytes", "<u4"),
    ]
)
"""One stored crop: its moment in the clip, the face's box in pixels of the video (without margin), whether the
detector itself found the face on this very frame, and where its JPEG lies in the clip's file."""

CLIPS, SKIPPED, CROPS, MARK, JPEGS = "clips.parquet", "skipped.parquet", "crops.npy", "store.json", "jpeg"
ROLLS = "rolls.npy"
"""With ``face.align``: by how many degrees each crop was turned, float32, in the order of the crops."""
TURNED = "roll_deg"
"""Key of the settings that shape crops, for stores that hold :data:`ROLLS`; others are as they have always been."""

_LONGEST_NAME, _LONGEST_PATH = 200, 2000


def jpeg_path(clip: str) -> str:
    """File of a clip's JPEGs below the store's folder.

    A name that a file system might refuse for its length, or with a folder named as another clip's file may be, is
    replaced by its digest.
    """
    *folders, name = clip.split("/")
    collides = any(folder.casefold().endswith(".mjpeg") for folder in folders)
    if collides or len(clip.encode()) > _LONGEST_PATH or max(len(p.encode()) for p in (*folders, name)) > _LONGEST_NAME:
        clip = hashlib.sha256(clip.encode()).hexdigest()
    return f"{JPEGS}/{clip}.mjpeg"


def decode_crops(jpegs: Sequence[bytes], size: int) -> np.ndarray:
    """Decode face crops at the input size of a network: the only place where crops are resized.

    Large reductions are done by the JPEG decoder itself (libjpeg's scaled inverse transform), the rest by averaging
    areas; enlarging is cubic.

    Args:
        jpegs: One encoded square image each.
        size: Side of the result in pixels.

    Returns:
        uint8 (n, size, size, 3), RGB.
    """
    import cv2
    import simplejpeg

    out = np.empty((len(jpegs), size, size, 3), np.uint8)
    for i, jpeg in enumerate(jpegs):
        image = simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=True, fastupsample=True, min_height=size, min_width=size)
        if image.shape[0] == size:
            out[i] = image
        else:
            way = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC
            cv2.resize(image, (size, size), dst=out[i], interpolation=way)
    return out


class PreparedStore:
    """A prepared dataset, read-only; cheap to pickle and to share with forked workers.

    Args:
        folder: Holds a complete store; see :meth:`open`.
        settings: What its ``store.json`` says.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.fingerprint: str = settings["fingerprint"]
        """Digest of the settings and of the content of all files; the same wherever the files lie."""
        self.size: int = settings["size"]
        """Side of a stored crop in pixels."""
        self.root: Path | None = None
        """Folder to which the paths of the clips are relative, where preparation told it."""

    @classmethod
    def open(cls, folder: Path | str) -> PreparedStore:
        """Open a complete store.

        Raises:
            UserError: If the folder holds none.
        """
        folder = Path(folder).absolute()
        try:
            settings = json.loads((folder / MARK).read_text())
        except FileNotFoundError:
            raise UserError(f"{folder}: no complete prepared store ({MARK} is missing); run realfake prepare") from None
        except ValueError:
            raise UserError(f"{folder / MARK}: damaged; delete the folder and prepare again") from None
        return cls(folder, settings)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "settings": self.settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def title(self) -> str:
        """What people call the dataset: the name of their table, or of the corpora in it."""
        return ", ".join(sorted(set(self.table["dataset"])))

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a clip: the columns of :class:`realfake.data.clips.Clip`, and

        ``fps``, ``frames``, ``duration_sec``, ``width``, ``height`` of the file; its ``sha256``; ``sampled``, the
        frames that the detector looked at; ``stored``, the crops; ``yield``, the part of the looks that found the
        face; ``first_crop``, the row of the clip's first crop in :attr:`crops`.
        """
        import pandas as pd

        return pd.read_parquet(self.folder / CLIPS)

    @cached_property
    def skipped(self) -> pd.DataFrame:
        """Files that are not in the table: ``clip`` (empty: it never became one), ``path``, ``reason``, ``sha256``."""
        import pandas as pd

        return pd.read_parquet(self.folder / SKIPPED)

    @cached_property
    def crops(self) -> np.ndarray:
        """All crops of all clips, (crops,) of :data:`CROP`, memory-mapped."""
        return np.load(self.folder / CROPS, mmap_mode="r")

    @cached_property
    def _rolls(self) -> np.ndarray | None:
        path = self.folder / ROLLS
        return np.load(path, mmap_mode="r") if path.exists() else None

    @cached_property
    def _crop_file(self) -> tuple[FileIO, int]:
        """The file of :attr:`crops`, and where its rows begin."""
        offset: int = self.crops.offset  # type: ignore[attr-defined]
        return FileIO(self.folder / CROPS), offset

    @cached_property
    def _starts(self) -> np.ndarray:
        return self.table["first_crop"].to_numpy(np.int64)

    @cached_property
    def _names(self) -> Any:
        return self.table["clip"].array

    def span(self, i: int) -> slice:
        """Which rows of :attr:`crops` belong to clip ``i``."""
        starts = self._starts
        return slice(int(starts[i]), int(starts[i + 1]) if i + 1 < len(starts) else len(self.crops))

    def rows(self, i: int) -> np.ndarray:
        """The rows of :attr:`crops` that belong to clip ``i``."""
        # Read, not mapped: pages that an epoch touches would count as memory of each process.
        span, (file, offset) = self.span(i), self._crop_file
        found = os.pread(file.fileno(), (span.stop - span.start) * CROP.itemsize, offset + span.start * CROP.itemsize)
        return np.frombuffer(found, CROP)

    def timestamps(self, i: int) -> np.ndarray:
        """Moments of the crops of clip ``i`` in seconds, float32 (n,), rising."""
        return np.ascontiguousarray(self.rows(i)["time_sec"])

    def boxes(self, i: int) -> np.ndarray:
        """Face boxes of clip ``i`` without margin, float32 (n, 4): x, y, width, height in pixels of the video."""
        rows = self.rows(i)
        return np.stack([rows[name] for name in ("x", "y", "width", "height")], axis=1)

    def roll_deg(self, i: int) -> np.ndarray:
        """By how much each crop of clip ``i`` was turned, float32 (n,) degrees; 0 unless ``face.align``."""
        span = self.span(i)
        if self._rolls is None:
            return np.zeros(span.stop - span.start, np.float32)
        return np.array(self._rolls[span])

    def jpegs(self, i: int, indices: np.ndarray | Sequence[int]) -> list[bytes]:
        """Encoded crops of clip ``i``.

        Args:
            i: Row of the table.
            indices: Which of its crops; negative ones and repetitions are allowed.

        Raises:
            UserError: If the clip's file is missing or cut short.
        """
        rows = self.rows(i)[np.asarray(indices, dtype=np.int64)]
        offsets, sizes = rows["offset"].tolist(), rows["bytes"].tolist()
        path = self.folder / jpeg_path(self._names[i])
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; delete the folder {self.folder} and prepare again") from None
        try:
            found = [os.pread(handle, n, offset) for offset, n in zip(offsets, sizes, strict=True)]
        finally:
            os.close(handle)
        if [len(f) for f in found] != sizes:
            raise UserError(f"{path}: cut short; delete the folder {self.folder} and prepare again")
        return found

    def read(self, i: int, indices: np.ndarray | Sequence[int], size: int | None = None) -> np.ndarray:
        """Decoded crops of clip ``i``, uint8 (n, size, size, 3), RGB.

        Args:
            i: Row of the table.
            indices: Which of its crops.
            size: Side in pixels; ``None`` = as stored.
        """
        return decode_crops(self.jpegs(i, indices), size or self.size)

    def reader(self, size: int | None = None) -> StoreReader:
        """A reader of crops at one size."""
        return StoreReader(self, size or self.size)


class StoreReader:
    """Decodes crops of a store at one size; :class:`realfake.data.cache.MemmapCache` gives the same without decoding.

    Args:
        store: The prepared dataset.
        size: Side of the result in pixels.
    """

    def __init__(self, store: PreparedStore, size: int) -> None:
        self.store, self.size = store, size

    def read(self, i: int, indices: np.ndarray | Sequence[int]) -> np.ndarray:
        """Crops of clip ``i``: uint8 (n, size, size, 3), RGB."""
        return self.store.read(i, indices, self.size)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Crops by their row in :attr:`PreparedStore.crops`: (n,) → uint8 (n, size, size, 3), RGB."""
        rows = np.asarray(rows, dtype=np.int64)
        starts = self.store._starts
        clips = np.searchsorted(starts, rows, side="right") - 1
        jpegs: list[bytes] = [b""] * len(rows)
        for clip in np.unique(clips):
            places = np.flatnonzero(clips == clip)
            for place, jpeg in zip(places, self.store.jpegs(int(clip), rows[places] - starts[clip]), strict=True):
                jpegs[place] = jpeg
        return decode_crops(jpegs, self.size)
