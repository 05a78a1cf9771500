"""What a clip's signals and crops take in memory, piece after piece, and that pieces are the whole."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.memory import looped
from realfake.config import StreamInfo
from realfake.data import temporary
from realfake.data.clip_rows import as_extracted, gathered, row_type
from realfake.data.stored_streams import write_stream
from realfake.data.temporary import JpegFile
from realfake.errors import UserError
from realfake.streams.openface_writing import in_step, openface_table, write_openface_table
from realfake.streams.stream import Extracted

MIB = 2**20
WIDE = StreamInfo("wide", (2**16,), "numbers", dtype="float16")


class InTurns:
    """A signal that gives a piece of four moments after the other."""

    def __init__(self, pieces: int, info: StreamInfo, first_sec: float = 0.0) -> None:
        self.count, self.info, self.first_sec = pieces, info, first_sec

    def identity(self) -> dict[str, Any]:
        return {}

    def infos(self) -> tuple[StreamInfo, ...]:
        return (self.info,)

    def pieces(self, media: object) -> Iterator[dict[str, Extracted]]:
        for k in range(self.count):
            times = self.first_sec + np.arange(4 * k, 4 * k + 4, dtype=np.float32)
            yield {
                self.info.name: Extracted(times, np.full((4, *self.info.shape), k, np.float32), np.ones(4, np.float32))
            }

    def extract(self, media: object) -> dict[str, Extracted]:
        raise AssertionError("all at once")


def peak_bytes(work: Any) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_streams_of_a_long_clip_take_no_more_memory_than_those_of_a_short_one(tmp_path: Path) -> None:
    def compute(pieces: int) -> None:
        rows = gathered(InTurns(pieces, WIDE), None, tmp_path)["wide"]  # type: ignore[arg-type]
        with (tmp_path / "rows").open("wb") as file:
            rows.copy(file)
        read = 0
        for piece in rows.read():
            assert piece.values[0, 0] == read // 4
            read += len(piece.values)
        assert read == 4 * pieces

    peaks = [peak_bytes(lambda n=n: compute(n)) for n in (24, 96)]
    assert (tmp_path / "rows").stat().st_size == 4 * 96 * row_type(WIDE, exact=True).itemsize > 45 * MIB
    assert peaks[1] < 1.1 * peaks[0] + MIB
    assert list(tmp_path.iterdir()) == [tmp_path / "rows"]  # what was on the disk is gone


def test_crops_of_a_long_clip_wait_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "HELD_BYTES", 1000)
    written = [bytes([k]) * (100 + k) for k in range(50)]
    jpegs = JpegFile(tmp_path)
    for jpeg in written:
        jpegs.append(jpeg)
    assert (jpegs[7], jpegs[-1], jpegs[3:9:2]) == (written[7], written[-1], written[3:9:2])
    assert list(jpegs) == written
    with pytest.raises(IndexError):
        jpegs[50]


def test_rows_are_kept_in_32_bits_and_stored_as_the_stream_says(tmp_path: Path) -> None:
    info = StreamInfo("a", (2,), "numbers", dtype="float16")
    rows = gathered(InTurns(3, info), None, tmp_path)["a"]  # type: ignore[arg-type]
    file = io.BytesIO()
    rows.copy(file)
    kept = as_extracted(np.frombuffer(file.getvalue(), row_type(info, exact=True)))
    write_stream(tmp_path, info, 12, rows.read())
    stored = as_extracted(np.load(tmp_path / "a.npy"))
    for found, dtype in ((kept, np.float32), (stored, np.float16)):
        assert found.times_sec.tolist() == list(range(12))
        assert found.values.dtype == dtype
        assert found.values[:, 1].tolist() == [k // 4 for k in range(12)]
    with pytest.raises(UserError, match="a: values have to be finite where there is no gap, and times rising"):
        gathered(Repeating(3, info), None, tmp_path)  # type: ignore[arg-type]


class Repeating(InTurns):
    """Each piece is of the same moments."""

    def pieces(self, media: object) -> Iterator[dict[str, Extracted]]:
        first = next(super().pieces(media))
        yield from (first for _ in range(self.count))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_in_parts_are_the_whole_table(ending: str, tmp_path: Path) -> None:
    infos = {"a": StreamInfo("a", (2,), "numbers"), "b": StreamInfo("b", (1,), "numbers")}
    signals = {"a": InTurns(5, infos["a"]), "b": InTurns(2, infos["b"], first_sec=2.5)}
    names = {"a": ["a0", "a1"], "b": ["b0"]}
    pieces = {name: [piece[name] for piece in signal.pieces(None)] for name, signal in signals.items()}
    whole = {name: Extracted(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in pieces.items()}
    parts = list(in_step(pieces))
    assert len(parts) > 5
    write_openface_table(tmp_path / f"parts.{ending}", (openface_table(part, names, 10.0) for part in parts))
    write_openface_table(tmp_path / f"whole.{ending}", [openface_table(whole, names, 10.0)])
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    tables = [read(tmp_path / f"{name}.{ending}") for name in ("parts", "whole")]
    pd.testing.assert_frame_equal(*tables)
    assert len(tables[0]) == 28
    if ending == "csv":
        assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.slow
def test_crops_of_a_long_video_take_the_memory_of_a_short_one(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, realfake.data.extraction as extraction\n"
        "from realfake.composing.composition import compose\n"
        "from realfake.config import PrepareConfig\n"
        "from realfake.data.faces import build_detector\n"
        "extraction.SEGMENT_BYTES = 2**25\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024\n"
        "words = ['data=csv', 'data.root=none', 'data.window=[0,1]', 'face=haar']\n"
        "cfg = compose('prepare', words, PrepareConfig)\n"
        "for path in sys.argv[1:]:\n"
        "    crops = extraction.extract_crops(path, cfg.data, cfg.face, build_detector(cfg.face))\n"
        "    print(len(crops.rows), peak())\n"
    )
    paths = [str(looped(tmp_path, minutes, 216)) for minutes in (0.5, 0.5, 4.0)]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    (short, _), (_, first), (long, last) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert (short, long) == (300, 2400)
    assert last < first + 60  # each of the 18 segments would keep 12
