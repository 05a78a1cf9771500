"""The synthetic dataset: layout, repeatability, what its labels are worth, and being killed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from processes import Command, Gate, environment

from realfake.data.sources.sase_fe import CODES
from realfake.data.synthetic import TRACES, VIDEOS, SyntheticSettings, generate, read_settings
from realfake.data.synthetic.generation import frames_of, jobs, write_clip
from realfake.data.synthetic.oracle import (
    best_moment,
    draw_traces,
    load_traces,
    moment_aurocs,
    print_moments,
    score,
)
from realfake.data.synthetic.sheet import contact_sheet, time_sheet
from realfake.data.synthetic.units import COLUMNS, PROTOTYPES, draw_habits, draw_trace
from realfake.errors import UserError
from realfake.labels import Authenticity, Emotion

TINY = SyntheticSettings(subjects=2, seconds=1.0, fps=8.0, size=128)


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.*")) if p.suffix != ".lock"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("tiny") / "root", TINY, workers=1, progress=False)


def test_layout_and_codes(tiny: Path) -> None:
    folders = sorted((tiny / VIDEOS).iterdir())
    assert len(folders) == TINY.subjects
    for folder in folders:
        stems = {p.stem.lower().replace("d2n2sur", "d2n2s") for p in folder.iterdir()}
        assert stems == {c.lower().replace("d2n2sur", "d2n2s") for c in CODES}
        assert {p.suffix.lower() for p in folder.iterdir()} == {".mp4"}
    assert sorted(CODES.values()) == [(e, a) for e in Emotion for a in Authenticity]
    assert json.loads((tiny / "synthetic.json").read_text())["subjects"] == 2
    assert read_settings(tiny) == TINY
    assert not list(tiny.rglob("*.part"))


def test_spelling_varies_but_names_stay_unique() -> None:
    found = jobs(SyntheticSettings(subjects=60))
    assert len({(j.folder, j.stem) for j in found}) == 60 * 12
    assert len({j.folder.rstrip("0123456789") for j in found}) >= 4
    assert {"D2N2S", "D2N2Sur"} <= {j.stem for j in found}
    assert any(j.stem.islower() for j in found)


def test_videos_are_h264_with_a_trace_row_per_frame(tiny: Path) -> None:
    for job in jobs(TINY)[::5]:
        with av.open(str(job.video(tiny))) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert stream.pix_fmt == "yuv420p"
            assert stream.average_rate == 8
        frames = decode(job.video(tiny))
        assert frames.shape == (8, 128, 128, 3)
        rows = list(csv.DictReader(job.trace(tiny).open()))
        assert len(rows) == len(frames)
        assert list(rows[0]) == ["time_sec", *COLUMNS]
        assert float(rows[3]["time_sec"]) == pytest.approx(3 / 8)
    assert load_traces(tiny).units.shape == (24, 8, len(COLUMNS))


def test_frames_do_not_depend_on_workers(tiny: Path, tmp_path: Path) -> None:
    other = generate(tmp_path / "two", TINY, workers=2, progress=False)
    assert contents(other) == contents(tiny)
    for job in jobs(TINY)[::7]:
        assert np.array_equal(decode(job.video(other)), decode(job.video(tiny)))


def test_seed_changes_everything() -> None:
    job = jobs(TINY)[0]
    first = next(frames_of(TINY, job))
    again = next(frames_of(TINY, job))
    other = next(frames_of(SyntheticSettings(subjects=2, seconds=1.0, fps=8.0, size=128, seed=1), job))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_killed_generation_is_completed(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "killed"
    code = (
        "import sys; from pathlib import Path; from realfake.data.synthetic import *\n"
        "if __name__ == '__main__':\n"
        "    s = SyntheticSettings(subjects=2, seconds=1.0, fps=8.0, size=128)\n"
        "    generate(Path(sys.argv[1]), s, workers=2, progress=False)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    gate = Gate(tmp_path, "*.MP4", after=2)
    child = subprocess.Popen([sys.executable, str(script), str(root)], env=environment(**gate.variables))
    gate.reached(child)
    child.kill()
    child.wait()
    done = len(list(root.glob(f"{VIDEOS}/*/[!.]*")))
    assert 2 <= done <= 4  # each of two processes was about to complete its third
    assert list(root.rglob(".*.part"))
    assert not (root / "synthetic.json").exists()
    generate(root, TINY, workers=1, progress=False)
    assert contents(root) == contents(tiny)


def test_complete_root_is_left_alone_and_other_settings_refused(tiny: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in tiny.rglob("*")}
    assert generate(tiny, TINY, progress=False) == tiny
    assert {p: p.stat().st_mtime_ns for p in tiny.rglob("*")} == before
    with pytest.raises(UserError, match="made with seed=0, but seed=5 is wanted"):
        generate(tiny, SyntheticSettings(subjects=2, seconds=1.0, fps=8.0, size=128, seed=5), progress=False)


def test_unfinished_root_of_other_settings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "synthetic.unfinished.json").write_text(json.dumps(TINY.as_dict()))
    with pytest.raises(UserError, match=r"difficulty=0\.9 is wanted"):
        generate(tmp_path, SyntheticSettings(subjects=2, seconds=1.0, fps=8.0, size=128, difficulty=0.9))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"subjects": 0}, "subjects=0: expected 1 to"),
        ({"difficulty": 1.5}, "difficulty=1.5: expected 0 to 1"),
        ({"size": 225}, "size=225: H.264 needs an even number"),
        ({"size": 224.0}, "size=224.0: expected a whole number"),
        ({"fps": "25"}, "fps='25': expected a number"),
        ({"seconds": float("nan")}, "seconds=nan"),
        ({"width": 128}, "width=128: expected at least size=224"),
        ({"seed": True}, "seed=True"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        SyntheticSettings(**values)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_workers_or_root(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="workers=0"):
        generate(tmp_path, TINY, workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="it is a file"):
        generate(tmp_path / "file", TINY)
    with pytest.raises(UserError, match="not a complete synthetic dataset"):
        read_settings(tmp_path)


def test_digest_names_every_setting() -> None:
    base = SyntheticSettings()
    assert len(base.digest()) == 12
    assert base.digest() == SyntheticSettings(fps=25).digest()
    changed = {
        "subjects": 3,
        "seed": 1,
        "difficulty": 0.5,
        "fps": 30.0,
        "seconds": 2.0,
        "size": 128,
        "width": 320,
    }
    changed |= {"noise": 0.5, "motion": 0.0, "crf": 30}
    digests = {SyntheticSettings(**{k: v}).digest() for k, v in changed.items()}  # type: ignore[arg-type]
    assert len(digests | {base.digest()}) == len(changed) + 1


def test_whole_traces_tell_less_with_difficulty() -> None:
    found = [score(draw_traces(SyntheticSettings(difficulty=d))) for d in (0.0, 0.3, 0.6, 1.0)]
    auroc = [f.authenticity_auroc for f in found]
    assert auroc == sorted(auroc, reverse=True)
    assert auroc[1] > 0.97
    assert 0.9 < auroc[2] < 0.995
    assert 0.42 < auroc[3] < 0.58
    assert all(f.emotion_accuracy > 0.97 for f in found)


def test_no_single_moment_tells_but_the_whole_trace_does() -> None:
    """Neither the first frame, nor an onset, nor the apex: over five data seeds at the default difficulty."""
    drawn = [draw_traces(SyntheticSettings(seed=seed)) for seed in range(5)]
    moments = np.stack([moment_aurocs(replace(t, units=t.units[:, ::10])) for t in drawn])
    assert moments.shape == (5, 8)
    assert moments.mean(axis=0).max() < 0.58
    assert moments.max() < 0.65
    assert min(score(t).authenticity_auroc for t in drawn) > 0.97


def test_moments_are_distributed_alike_where_courses_differ_most() -> None:
    """Not only their means: what is likely half way through an onset, or together with another unit, is so for both."""
    traces = draw_traces(SyntheticSettings(subjects=60, difficulty=0.0))
    units = traces.units[:, 5::15]
    curved = np.concatenate([units, units**2, units[:, :, 1:] * units[:, :, :-1]], axis=2)
    assert moment_aurocs(replace(traces, units=curved)).max() < 0.57


def test_clips_start_neutral_and_show_as_much_of_the_other_emotion() -> None:
    traces = draw_traces(SyntheticSettings(subjects=40))
    still = [i for i, c in enumerate(COLUMNS) if c != "AU45"]
    assert traces.units[:, 0, still].max() < 0.06
    angry = traces.emotion == Emotion.ANGRY  # after a happy video: no unit of which an angry face moves
    smile = traces.units[:, :, COLUMNS.index("AU12_L")]
    real, fake = (smile[angry & (traces.authenticity == a)] for a in (Authenticity.REAL, Authenticity.FAKE))
    early = slice(5, 25)
    assert real[:, early].mean() > 0.1
    assert real[:, early].mean() == pytest.approx(fake[:, early].mean(), rel=0.15)
    rising = [np.diff(s[:, early]) > 0 for s in (real, fake)]
    assert rising[0].mean() > rising[1].mean() + 0.2  # builds up and breaks off; springs up and dies away


def test_oracles_read_the_files(tiny: Path) -> None:
    whole, moment = score(load_traces(tiny)), best_moment(load_traces(tiny))
    assert whole.clips == moment.clips == 24
    assert whole.moment_sec is None
    assert moment.moment_sec in load_traces(tiny).times_sec
    assert moment.authenticity_auroc == pytest.approx(moment_aurocs(load_traces(tiny)).max())
    assert 0.0 <= whole.joint_accuracy <= min(whole.authenticity_accuracy, whole.emotion_accuracy)


def test_a_clip_is_the_same_file_each_time(tmp_path: Path) -> None:
    """At the default size, where encoders use all that a processor has."""
    settings = SyntheticSettings(subjects=1, seconds=1.0)
    job = jobs(settings)[0]
    files = set()
    for name in "abcd":
        for path in (job.video(tmp_path / name), job.trace(tmp_path / name)):
            path.parent.mkdir(parents=True)
        write_clip(tmp_path / name, settings, job)
        files.add(job.video(tmp_path / name).read_bytes())
    assert len(files) == 1


def test_ceilings_and_pictures_on_the_command_line(command: Command, tiny: Path, tmp_path: Path) -> None:
    done = command("data.synthetic.oracle", str(tiny), "--pictures", str(tmp_path), cwd=tmp_path)
    assert f"whole trace AUROC {score(load_traces(tiny)).authenticity_auroc:.3f}" in done.stdout
    assert f"best moment AUROC {best_moment(load_traces(tiny)).authenticity_auroc:.3f}" in done.stdout
    faces, time = (cv2.imread(str(tmp_path / f"{name}.jpg")) for name in ("faces", "time"))
    assert faces.shape[0] == time.shape[0] == 12 * read_settings(tiny).size
    nothing = command("data.synthetic.oracle", str(tmp_path), cwd=tmp_path)
    assert nothing.returncode == 1
    assert nothing.stderr.count("\n") == 1


def test_every_moment_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    datasets = [SyntheticSettings(subjects=4, seconds=1.0, fps=12.0, seed=seed) for seed in (3, 4)]
    print_moments(datasets)
    lines = capsys.readouterr().out.splitlines()
    moments = np.stack([moment_aurocs(draw_traces(settings)) for settings in datasets])
    assert f"highest of a seed {moments.max():.3f}" in lines[1]
    printed = [float(value) for line in lines[4:] for value in line.split(" s ")[1].split()]
    assert printed == pytest.approx(moments.mean(axis=0), abs=0.0006)


def test_labels_do_not_touch_people_or_circumstances() -> None:
    """With no difference between the labels, the two labels of one clip give the very same trace."""
    times, habits = np.arange(75) / 25, draw_habits(np.random.default_rng(4))
    for emotion in Emotion:
        real, fake = (
            draw_trace(np.random.default_rng(3), habits, emotion, a, 1.0, times, 3.0) for a in reversed(Authenticity)
        )
        assert np.array_equal(real, fake)
        shown = [c for c in COLUMNS if c.split("_")[0] in PROTOTYPES[emotion]]
        assert real[45:60, [COLUMNS.index(c) for c in shown]].mean() > 0.1


def test_haar_finds_one_face() -> None:
    settings = SyntheticSettings(subjects=6, seed=7, fps=5.0)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    counts = []
    for job in jobs(settings)[::4]:
        for image in list(frames_of(settings, job))[::5]:
            gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            counts.append(len(cascade.detectMultiScale(gray, 1.1, 3, minSize=(60, 60))))
    assert len(counts) == 54
    assert np.mean(np.array(counts) == 1) >= 0.96


def test_wide_frames_hold_the_same_height() -> None:
    settings = SyntheticSettings(subjects=1, size=128, width=228, seconds=0.5, fps=5.0)
    image = next(frames_of(settings, jobs(settings)[0]))
    assert image.shape == (128, 228, 3)
    assert image.dtype == np.uint8


def test_contact_sheets(tiny: Path, tmp_path: Path) -> None:
    picture = cv2.imread(str(contact_sheet(tiny, tmp_path / "sheet.png", subjects=2)))
    assert picture.shape == (12 * 128, 120 + 2 * 128, 3)
    assert picture[:, 120:].std() > 20
    picture = cv2.imread(str(time_sheet(tiny, tmp_path / "time.png", columns=3, emotions=(3,))))
    assert picture.shape == (2 * 128, 120 + 3 * 128, 3)
    with pytest.raises(UserError, match="subject=9"):
        time_sheet(tiny, tmp_path / "time.png", subject=9)


def test_traces_lie_beside_the_videos(tiny: Path) -> None:
    videos = {(p.parent.name, p.stem) for p in (tiny / VIDEOS).glob("*/*")}
    traces = {(p.parent.name, p.stem) for p in (tiny / TRACES).glob("*/*.csv")}
    assert videos == traces
    assert len(videos) == 24
