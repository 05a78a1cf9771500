"""Frames by time: compared with decoding everything, on videos of many kinds and on damaged ones."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from realfake.data.stills import read_frames
from realfake.data.video import probe, read_video, read_video_once
from realfake.errors import UserError


def write_video(
    path: Path,
    frames: int = 50,
    fps: int = 25,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    gop: int = 12,
    pts: Sequence[int] | None = None,
    shape: Fraction | None = None,
) -> Path:
    """A moving gradient; each frame differs from all others."""
    with av.open(str(path), "w") as container:
        options = {"bf": "3", "preset": "veryfast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = gop
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        for i in range(frames):
            image = np.stack([(x * 2 + i * 3) % 256, (y * 3 + i * 5) % 256, np.full_like(x, (i * 7) % 256)], -1)
            frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")
            if pts is not None:
                frame.pts = pts[i]
                frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decode_all(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = np.array([float(f.pts * f.time_base) for f in frames])
        return times - times[0], [f.to_ndarray(format="rgb24") for f in frames]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "plain.mp4")


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize(
    ("rate", "window"), [(5.0, (0.0, 1.0)), (10.0, (0.4, 0.9)), (100.0, (0.0, 1.0)), (0.5, (0.55, 0.56))]
)
def test_sparse_frames_are_those_of_decoding_everything(
    video: Path, rate: float, window: tuple[float, float], threads: int
) -> None:
    times, images = decode_all(video)
    info, found = read_video(video, rate, window, threads)
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


@pytest.mark.parametrize("rate", [0.1, 0.7, 3.0])
def test_decord_gives_the_same_frames(tmp_path: Path, rate: float) -> None:
    import decord

    path = write_video(tmp_path / "long.mp4", frames=250, size=(320, 180), gop=60)
    frames = list(read_video(path, rate)[1])
    expected = decord.VideoReader(str(path)).get_batch([round(f.time_sec * 25) for f in frames]).asnumpy()
    np.testing.assert_array_equal(np.stack([f.image for f in frames]), expected)


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


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_rotation_is_undone_as_opencv_does(tmp_path: Path, video: Path, quarter_turns: int) -> None:
    def matrix(a: int, b: int, c: int, d: int) -> bytes:
        return np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()

    content = video.read_bytes()
    upright = matrix(1, 0, 0, 1)
    assert content.count(upright) == 2  # the movie's and the track's
    turned = matrix(*{1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarter_turns])
    at = content.rindex(upright)
    path = tmp_path / "turned.mp4"
    path.write_bytes(content[:at] + turned + content[at + len(turned) :])
    info, frames = read_video(path, 5.0)
    ok, expected = cv2.VideoCapture(str(path)).read()
    assert ok
    frame = next(frames)
    before = frame.reduced(info.width // 2, info.height // 2)
    found = frame.image
    assert found.shape == expected.shape == (info.height, info.width, 3)
    assert np.abs(found.astype(int) - expected[..., ::-1].astype(int)).mean() < 3
    after = frame.reduced(info.width // 2, info.height // 2)
    assert before.shape == after.shape == (info.height // 2, info.width // 2, 3)
    assert np.abs(before.astype(int) - after.astype(int)).mean() < 3


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
    elif kind == "cut":  # the list of frames is at the end of an MP4 file
        path.write_bytes(video.read_bytes()[:2000])
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
        ("cut", "no video that can be read"),
        ("frameless", "no frame can be decoded"),
        ("missing", "no such file"),
    ],
)
def test_bad_videos_are_told_in_one_line(tmp_path: Path, video: Path, kind: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        list(read_video(bad_file(kind, tmp_path, video), 5.0)[1])
    assert "\n" not in str(caught.value)


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
    assert probe(short) == info


# --- images and arrays -----------------------------------------------------------------------------------------------


def test_an_image_is_a_clip_of_one_frame_turned_upright(tmp_path: Path) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30] = (200, 10, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    info, frames = read_frames(tmp_path / "a.png", 10.0, (0.4, 0.9))
    (frame,) = frames
    assert (info.frames, info.width, info.height) == (1, 40, 60)
    np.testing.assert_array_equal(frame.image, np.rot90(image, -1))


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
    with pytest.raises(UserError, match="no image in the folder"):
        read_frames(tmp_path / "sub", 4.0)


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
