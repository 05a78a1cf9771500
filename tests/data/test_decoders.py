"""What decord and torchcodec read as PyAV does, and what they refuse; torchcodec where it is installed."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from videos import TURNED, decode_all, turn, write_video

from realfake.composing.composition import option
from realfake.config import CsvData, Decoder, NoFace
from realfake.data.decoders import require_decoder
from realfake.data.extraction import extract_crops
from realfake.data.preparation import prepare
from realfake.data.video import read_video, read_video_once
from realfake.errors import UserError


@pytest.fixture(params=get_args(Decoder), scope="module")
def decoder(request: pytest.FixtureRequest) -> Decoder:
    try:
        require_decoder(request.param)
    except UserError as error:
        pytest.skip(f"{error}: make test-extras")
    return request.param


KINDS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "uneven.mp4": {"pts": [*range(0, 80, 2), *range(80, 150, 7)], "open_gop": True},
    "late.mkv": {"pts": range(30, 80), "codec": "libx265"},
    "simple.avi": {"codec": "mpeg4"},
    "asf.wmv": {"codec": "wmv2"},
    "web.webm": {"codec": "libvpx-vp9"},
}
"""Containers, codecs and time stamps, with frames that are shown before the key frame that they follow in the file."""


@pytest.mark.parametrize("name", KINDS)
def test_decoders_give_the_frame_that_is_shown_at_each_moment(tmp_path: Path, name: str, decoder: Decoder) -> None:
    path = write_video(tmp_path / name, **KINDS[name])
    times, images = decode_all(path)
    for rate, window in ((1000.0, (0.0, 1.0)), (3.0, (0.0, 1.0)), (5.0, (0.6, 0.9))):
        frames = list(read_video(path, rate, window, decoder)[1])
        assert len(frames) > 1
        for frame in frames:
            np.testing.assert_array_equal(frame.image, images[int(np.abs(times - frame.time_sec).argmin())])
        expected = [frame.time_sec for frame in read_video(path, rate, window)[1]]
        assert [frame.time_sec for frame in frames] == expected


def test_decoders_turn_and_mirror(tmp_path: Path, decoder: Decoder) -> None:
    video = write_video(tmp_path / "plain.mp4", frames=3)
    upright = decode_all(video)[1]
    for matrix, expected in TURNED.items():
        info, frames = read_video(turn(video, matrix, tmp_path / "turned.mp4"), 100.0, decoder=decoder)
        for frame, image in zip(frames, upright, strict=True):
            np.testing.assert_array_equal(frame.image, expected(image), err_msg=str(matrix))
            assert frame.image.shape == (info.height, info.width, 3)


@pytest.mark.parametrize("kind", [{"shape": Fraction(3, 2)}, {"pixels": "yuv420p10le"}], ids=["wide", "10 bits"])
def test_decoders_come_to_about_the_same_colours(tmp_path: Path, kind: dict[str, Any], decoder: Decoder) -> None:
    path = write_video(tmp_path / "a.mp4", frames=5, **kind)
    for frame, exact in zip(read_video(path, 25.0, decoder=decoder)[1], read_video(path, 25.0)[1], strict=True):
        assert frame.image.shape == exact.image.shape == (64, 144 if "shape" in kind else 96, 3)
        assert np.abs(frame.image.astype(int) - exact.image).mean() < 3


def test_decoders_serve_two_purposes_and_crops(tmp_path: Path, decoder: Decoder) -> None:
    path = write_video(tmp_path / "plain.mp4")
    wishes = ((10.0, (0.0, 1.0)), (4.0, (0.25, 0.75)))
    both = [list(read_video_once(path, wishes, name)[1]) for name in (decoder, "pyav")]
    for (frame, belongs), (exact, also) in zip(*both, strict=True):
        assert (frame.time_sec, belongs) == (exact.time_sec, also)
        np.testing.assert_array_equal(frame.image, exact.image)
    crops = [
        extract_crops(path, option(CsvData, root="none", decoder=name), option(NoFace), None)
        for name in (decoder, "pyav")
    ]
    assert list(crops[0].jpegs) == list(crops[1].jpegs)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.ts", "files of the kind mpegts"), ("a.mpg", "files of the kind mpeg"), ("a.h264", "it has no time stamps"),
     ("a.avi", "it has other time stamps"), ("damaged.mp4", "it does not decode")],
)  # fmt: skip
def test_decoders_refuse_what_they_do_not_read_exactly(
    tmp_path: Path, name: str, reason: str, decoder: Decoder
) -> None:
    if decoder == "pyav":
        pytest.skip("reads all of them")
    path = write_video(tmp_path / name, codec="mpeg2video" if name == "a.mpg" else "libx264")
    if name == "damaged.mp4":
        content = bytearray(path.read_bytes())
        at = (content.index(b"mdat") + content.index(b"moov")) // 2
        content[at : at + 200] = bytes(200)
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{decoder}: .*{reason}.*; give data.decoder=pyav") as caught:
        list(read_video(path, 25.0, decoder=decoder)[1])
    assert "\n" not in str(caught.value)


def test_a_store_is_named_by_another_decoder_than_pyav_and_lists_what_it_refuses(tmp_path: Path) -> None:
    for name in ("good.mp4", "bad.ts"):
        write_video(tmp_path / name, frames=10)
    (tmp_path / "clips.csv").write_text("path,subject\ngood.mp4,a\nbad.ts,b\n")
    data = {"name": "csv", "root": str(tmp_path / "clips.csv"), "prepared": str(tmp_path / "p"), "prepare_workers": 1}
    stores = [
        prepare(option(CsvData, **data, **more), option(NoFace), progress=False)
        for more in ({}, {"decoder": "pyav"}, {"decoder": "decord"})
    ]
    assert stores[0].folder == stores[1].folder != stores[2].folder
    assert "decoder" not in stores[0].settings["extraction"]
    assert stores[2].table["clip"].tolist() == ["good"]
    assert "give data.decoder=pyav" in stores[2].skipped["reason"].item()
    crops = [next((store.folder / "jpeg").rglob("good*")).read_bytes() for store in stores]
    assert crops[0] == crops[2]


@pytest.mark.skipif(find_spec("torchcodec") is not None, reason="torchcodec is installed")
def test_a_package_that_is_missing_is_told_before_any_work(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2)
    data = option(CsvData, root=str(tmp_path / "clips.csv"), prepared=str(tmp_path / "p"), decoder="torchcodec")
    (tmp_path / "clips.csv").write_text(f"path,subject\n{path.name},a\n")
    with pytest.raises(
        UserError, match=r"data.decoder=torchcodec: the package is not installed: pip install .*torchcodec"
    ):
        prepare(data, option(NoFace), progress=False)
    assert not (tmp_path / "p").exists()
