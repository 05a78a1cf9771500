"""Photographs and videos to labels, by the preprocessing that the network was trained and tested with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from realfake.composing.messages import changed
from realfake.config import PIXELS, Decoder, FaceConfig, TrainConfig, YunetFace
from realfake.data.extraction import Crops, crop_frames, encode_crop, extract_crops
from realfake.data.face_choice import resolved_face
from realfake.data.faces import Box, Detector, build_detector, too_small, whole
from realfake.data.media import FINE, Media, box_columns
from realfake.data.sampling import fixed_moments, nearest, sampled_interval, sliding_windows
from realfake.data.stills import ARRAY_ENDING, read_image
from realfake.data.stream_sets import clip_streams, pictures
from realfake.data.video import Frame, Frames, VideoInfo, wanted_frames
from realfake.data.work import Hung, bounded, time_limit_sec
from realfake.errors import UserError
from realfake.models import sample_spec
from realfake.prediction.annotation import canvas_scale, resize
from realfake.prediction.answers import Answer, Samples, Seen, numbered
from realfake.prediction.film import film_crops
from realfake.prediction.inputs import ending, is_image
from realfake.prediction.over_time import clip_curve, running_mean
from realfake.prediction.predicted import (
    FacePrediction,
    Failure,
    ImagePrediction,
    Prediction,
    Probabilities,
    Track,
    VideoPrediction,
)
from realfake.runs.network import Network, choose_device, open_trained
from realfake.runs.other_trackers import Reading, reading
from realfake.scoring.predictions import Predictions
from realfake.streams.frozen_features import NAME as FEATURES
from realfake.streams.kinds import build_signal

T = TypeVar("T")

LEAST_OVERLAP = 0.3
"""Intersection over union of two detections of one face."""

OF_CROPS = (PIXELS.name, FEATURES)
"""Streams that a face has by itself, without a video around it."""

HELD_BYTES = 2**28
"""Pictures that wait for their batch to be full hold at most about this much memory."""


class Predictor:
    """Predicts images and videos with the network of a run.

    Args:
        network: The trained network.
        cfg: The run's configuration: faces, crops and sampling are those of its training.
        window_sec: Width of the window of a video's curve; ``None`` = see :mod:`realfake.prediction.over_time`.
        patience_sec: See :func:`load_predictor`.
        read: How streams are read; ``None`` = as in the run.

    Raises:
        UserError: If the face detector's weights are missing.
    """

    def __init__(
        self,
        network: Network,
        cfg: TrainConfig,
        *,
        window_sec: float | None = None,
        patience_sec: float | None = None,
        read: Reading | None = None,
    ) -> None:
        self.network, self.cfg, self.window_sec = network, cfg, window_sec
        self.patience_sec = patience_sec or cfg.data.patience_sec
        self.data, self.face = cfg.data, cfg.face
        self.detector = build_detector(cfg.face)
        self.read = read or Reading(cfg)
        self.spec = sample_spec(self.read.cfg.backbone, self.read.cfg.streams)
        self.signals = [build_signal(options) for options in self.read.cfg.signals_seen.values()]

    def predict(self, source: str | Path | np.ndarray, *, fps: float | None = None) -> Prediction:
        """Predict one image or one video.

        Args:
            source: A file, an image uint8 (H, W, 3) RGB, or a video uint8 (T, H, W, 3) RGB.
            fps: Frames per second of an array that is a video.

        Raises:
            UserError: If it cannot be read, no face is in it, or the network needs a video and this is an image.
        """
        if isinstance(source, np.ndarray):
            return self._predict_array(source, fps)
        (answer,) = self.answers([Path(source)])
        if isinstance(answer.item, Failure):
            raise UserError(f"{source}: {answer.item.reason}")
        return answer.item

    def predict_files(self, paths: Iterable[str | Path]) -> Iterator[Prediction | Failure]:
        """Predict many files in batches, in their order; one that fails leaves the others unharmed."""
        for answer in self.answers(map(Path, paths)):
            yield answer.item

    def answers(
        self, paths: Iterable[Path], *, picture_size: int | None = None, film_size: int | None = None
    ) -> Iterator[Answer]:
        """As :meth:`predict_files`, with what is needed to draw.

        Args:
            paths: Files.
            picture_size: Longer side in pixels of pictures, see :class:`Answer`; ``None`` = none are wanted.
            film_size: The same of films.
        """
        waiting: list[Seen | Failure] = []
        held = faces = 0
        for path in paths:
            if is_image(path):
                seen = self._attempt(path, self._see_file, picture_size)
                waiting.append(seen)
                if isinstance(seen, Seen):
                    faces += len(seen.jpegs)
                    held += seen.picture.nbytes if seen.picture is not None else 0
                if faces < self.network.batch_size and held < HELD_BYTES:
                    continue
            yield from self._answer_images(waiting)
            waiting, held, faces = [], 0, 0
            if not is_image(path):
                answer = self._attempt(path, self._answer_video, film_size)
                yield Answer(answer) if isinstance(answer, Failure) else answer
        yield from self._answer_images(waiting)

    # --- images --------------------------------------------------------------------------------------------------

    def _see_file(self, path: Path, largest: int | None) -> Seen:
        self._require_frames()
        return self._in_time(path, lambda: self._see(path, read_image(path), largest))

    def _see(self, path: Path | None, image: np.ndarray, largest: int | None) -> Seen:
        boxes = [whole(image)] if self.detector is None else find_faces(self.detector, image)
        if not boxes:
            why = too_small(self.detector, self.face, [image]) if self.detector else ""
            raise UserError(f"no face found in it{why}")
        jpegs = [encode_crop(image, box, self.data, self.face) for box in boxes]
        height, width = image.shape[:2]
        picture = resize(image, canvas_scale(width, height, largest)) if largest else None
        return Seen(path, width, height, boxes, jpegs, picture)

    def _answer_images(self, waiting: list[Seen | Failure]) -> Iterator[Answer]:
        jpegs = [jpeg for seen in waiting if isinstance(seen, Seen) for jpeg in seen.jpegs]
        streams = pictures(jpegs, self.network.spec, self.signals, self.data) if jpegs else {}
        every = numbered(streams, range(len(jpegs))) if jpegs else None
        rows = probabilities(self.network(every.streams, every.times, every.spans)) if every else []
        first = 0
        for seen in waiting:
            if isinstance(seen, Failure):
                yield Answer(seen)
                continue
            numbers = range(first, first + len(seen.boxes))
            first = numbers.stop
            faces = tuple(
                FacePrediction(rows[i].p, rows[i].space, box) for i, box in zip(numbers, seen.boxes, strict=True)
            )
            item = ImagePrediction(seen.path, seen.width, seen.height, faces)
            assert every is not None
            yield Answer(item, seen.picture, samples=numbered(every.streams, numbers))

    def _require_frames(self) -> None:
        if self.network.sees_clips:
            raise UserError(
                f"an image, but this run's network ({self.cfg.backbone.name}) looks at clips of "
                f"{self.network.spec.frames} frames: give a video, or a run with approach=single_task or multi_task"
            )
        windows = [info.name for info in self.network.spec.numbers if info.windows]
        if of_videos := [name for name in self.network.spec.names if name not in OF_CROPS or name in windows]:
            raise UserError(f"an image, but this run's network looks at {', '.join(of_videos)}: give a video")

    # --- videos --------------------------------------------------------------------------------------------------

    def _answer_video(self, path: Path, largest: int | None) -> Answer:
        if largest is None or ending(path) == ARRAY_ENDING:
            return self._judge(path, self._in_time(path, extract_crops, path, self.data, self.face, self.detector))
        crops, film = self._in_time(path, film_crops, path, self.data, self.face, self.detector, largest)
        return replace(self._judge(path, crops), film=film)

    def _in_time(self, path: Path, work: Callable[..., T], *arguments: object) -> T:
        """What ``work`` makes of a file, unless it hangs."""
        if path.exists() and not path.is_file():
            raise UserError("not a regular file")
        size = path.stat().st_size if path.exists() else 0
        try:
            return bounded(work, time_limit_sec(size, self.patience_sec), *arguments)
        except Hung:
            self.detector = build_detector(self.face)  # the other one may be in use until the end
            raise

    def _judge(self, path: Path | None, crops: Crops, array: Callable[[], Iterator[Frame]] | None = None) -> Answer:
        info, network, sampling = crops.info, self.network, self.cfg.sampling
        times = np.array(crops.rows["time_sec"])
        media = Media.of_crops(crops, path, self.data, self.face, array)
        look = partial(clip_streams, media, self.spec, self.signals, self.read.translations)
        streams = self._in_time(path, look) if path is not None and self.signals else look()
        chosen = Samples(streams, *fixed_moments(times, info.duration_sec, sampling, network.spec))
        if network.sees_clips:
            interval = sampled_interval(info.duration_sec, sampling.window)
            middles, windows, spans, width = sliding_windows(times, interval, network.spec, self.window_sec)
            count = len(chosen.times)
            p = network(streams, np.concatenate([chosen.times, windows]), np.concatenate([chosen.spans, spans]))
            samples = p.select(np.arange(count))
            curve = clip_curve(middles, p.select(np.arange(count, len(p))), width)
        else:
            p = network(streams, times[:, None].astype(np.float64), np.repeat(times[:, None], 2, axis=1))
            samples = p.select(nearest(times, chosen.times[:, 0]))
            curve = running_mean(times, p, self.window_sec)
        verdict = mean(samples)
        item = VideoPrediction(
            verdict.p,
            verdict.space,
            path=path,
            width=info.width,
            height=info.height,
            fps=info.fps,
            duration_sec=info.duration_sec,
            samples=len(chosen.times),
            curve=curve,
            track=Track(times.astype(np.float64), box_columns(crops.rows), crops.roll_deg),
            remarks=crops.remarks,
        )
        return Answer(item, samples=chosen)

    # --- arrays --------------------------------------------------------------------------------------------------

    def _predict_array(self, array: np.ndarray, fps: float | None) -> Prediction:
        if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3 or 0 in array.shape:
            raise UserError(
                f"an array {array.dtype} {array.shape}: expected uint8, RGB, an image (H, W, 3) or a video (T, H, W, 3)"
            )
        if array.ndim == 3:
            self._require_frames()
            (answer,) = self._answer_images([self._see(None, array, None)])
        else:
            if not fps or fps <= 0:
                raise UserError(f"fps={fps}: a video that is given as an array needs its frames per second")
            answer = self._judge(None, *self._crop_array(array, fps))
        assert not isinstance(answer.item, Failure)
        return answer.item

    def _crop_array(self, video: np.ndarray, fps: float) -> tuple[Crops, Callable[[], Iterator[Frame]]]:
        count, height, width = video.shape[:3]
        info = VideoInfo(fps, count, count / fps, width, height)
        times = np.arange(count) / fps
        window = (self.data.window[0], self.data.window[1])

        def frames(rate_fps: float = FINE * fps) -> Iterator[Frame]:
            wanted = wanted_frames(times, info.duration_sec, rate_fps, window)
            return (Frame(float(times[i]), video[i]) for i in wanted)

        return crop_frames(info, Frames(frames(self.data.rate_fps)), self.data, self.face, self.detector), frames

    @staticmethod
    def _attempt(path: Path, work: Callable[..., T], *arguments: object) -> T | Failure:
        """What ``work`` makes of a file, or why it failed: whatever is in a file, the next one gets its turn."""
        try:
            return work(path, *arguments)
        except (UserError, Hung) as error:
            return Failure(path, str(error))
        except MemoryError:
            return Failure(path, "too large for this machine's memory")
        except Exception as error:
            reason = str(error).strip().splitlines()
            return Failure(path, f"cannot be read ({reason[0] if reason else type(error).__name__})")


def find_faces(detector: Detector, image: np.ndarray) -> list[Box]:
    """All faces of a picture, the largest first.

    A picture has no time in which a chance detection would vanish again: where several faces are found, only those
    count that are found in the mirrored picture as well, or the largest if none is.
    """
    boxes = detector.detect(image)
    if len(boxes) < 2:
        return boxes
    width = image.shape[1]
    mirrored = detector.detect(np.ascontiguousarray(image[:, ::-1]))
    again = [replace(b, x=width - b.x - b.width) for b in mirrored]
    return [b for b in boxes if any(b.overlap(a) > LEAST_OVERLAP for a in again)] or boxes[:1]


def load_predictor(
    run: str | Path,
    *,
    device: str = "auto",
    batch_size: int = 32,
    checkpoint: str | Path | None = None,
    window_sec: float | None = None,
    face: FaceConfig | None = None,
    face_weights: str | None = None,
    decoder: Decoder | None = None,
    patience_sec: float | None = None,
    tables: str | None = None,
    accept: Sequence[str] = (),
) -> Predictor:
    """Make a predictor of a finished run.

    Args:
        run: Its folder, or one of its checkpoints.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``.
        batch_size: Frames or windows computed at once.
        checkpoint: Weights other than those of the best epoch.
        window_sec: Width of the window of a video's curve; ``None`` = chosen by the network.
        face: How faces are found; ``None`` = as in the run.
        face_weights: Where the weights of the detector of ``face=yunet`` lie, if not where they lay in training.
        decoder: Library that decodes videos: ``pyav``, ``decord``, ``torchcodec``; ``None`` = as in the run.
        patience_sec: Seconds a file may take, and as many again for each 10 MB; ``None`` = as in the run.
        tables: Runs that read tables: folder of those of the inputs; ``None`` = as in the run.
        accept: Another tracker whose streams may stand for the run's: :func:`realfake.runs.other_trackers.reading`.

    Raises:
        UserError: If there is no such run, checkpoint or device, or the run reads no such tables.
    """
    where = choose_device(device)
    _, cfg, module = open_trained(run, checkpoint)
    read = reading(cfg, module, tables, accept)
    wishes = {"face": None if face is None else resolved_face(face), "data.decoder": decoder}
    cfg = changed(cfg, {key: value for key, value in wishes.items() if value is not None})
    if face_weights is not None and isinstance(cfg.face, YunetFace):
        cfg = changed(cfg, {"face.weights": face_weights})
    network = Network(module, cfg, where, batch_size)
    return Predictor(network, cfg, window_sec=window_sec, patience_sec=patience_sec, read=read)


def probabilities(p: Predictions) -> list[Probabilities]:
    """The rows of some predictions."""
    return [Probabilities({task: values[i] for task, values in p.p.items()}, p.space) for i in range(len(p))]


def mean(p: Predictions) -> Probabilities:
    """The mean of some predictions, as :meth:`Predictions.by_clip` takes it over the samples of a clip."""
    (row,) = probabilities(replace(p, clip=np.zeros(len(p), dtype=np.int64)).by_clip())
    return row
