"""What prediction leaves behind: tables, annotated copies, curves, and what is shown on the screen."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from realfake.config import PredictConfig
from realfake.data.sources import listing as files
from realfake.data.sources.listing import printable
from realfake.errors import UserError
from realfake.files import open_whole, require_inside, safe_name, write_whole
from realfake.labels import AUTHENTICITIES, THRESHOLD
from realfake.prediction.annotation import SAID, annotate, percent, said
from realfake.prediction.answers import Answer
from realfake.prediction.predicted import (
    Failure,
    ImagePrediction,
    Prediction,
    Probabilities,
    VideoPrediction,
    as_plain,
    as_rows,
    columns,
)
from realfake.prediction.predictor import Predictor

DRAWN = "annotated"
"""Folder of what is drawn of each input."""

SHOWN = 40
"""Rows of the table on the screen; the files hold all."""

ENDINGS = (".jpg", ".png", ".mp4")
"""Of what is written beside each other for an input."""

_TITLE_LETTERS = 40
"""Of a long name, its end, in the title of a picture."""

EXPLAINED_SAMPLES = 8
"""Faces of a picture, or samples of a video, whose explanation is drawn."""


class Record:
    """Takes answers in as they come and writes them into a folder.

    Args:
        cfg: Says what is drawn.
        folder: Exists.
        paths: All inputs, which are named apart below ``folder``.
        predictor: For explanations.
    """

    def __init__(self, cfg: PredictConfig, folder: Path, paths: list[Path], predictor: Predictor) -> None:
        self.cfg, self.folder, self.predictor = cfg, folder, predictor
        self.names = file_names(paths)
        self.items: list[Prediction | Failure] = []
        if cfg.annotate or cfg.explain:
            _check_place(folder, paths, self.names.values())

    @property
    def decided(self) -> str | None:
        """What has to be said of the decisions, if testing compares clips with each other; else ``None``."""
        protocol = self.cfg.protocol or self.predictor.cfg.protocol
        if protocol == THRESHOLD:
            return None
        return (
            f"protocol={protocol} compares the clips of a pair, and of files nobody says which form one: real or fake "
            "is decided by threshold"
        )

    @property
    def predicted(self) -> int:
        """Inputs that gave a prediction."""
        return sum(not isinstance(item, Failure) for item in self.items)

    def add(self, answer: Answer) -> None:
        """Take in an answer, and draw it."""
        item = answer.item
        self.items.append(item)
        if isinstance(item, Failure) or item.path is None:
            return
        target = self.folder / DRAWN / self.names[item.path]
        if self.cfg.annotate or self.cfg.explain:
            target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(item, ImagePrediction) and answer.picture is not None:
            scale = answer.picture.shape[1] / item.width
            annotate(answer.picture, [(face.box, face) for face in item.faces], scale)
            with open_whole(_with(target, ".jpg")) as file:
                Image.fromarray(answer.picture).save(file, "JPEG", quality=92)
        if isinstance(item, VideoPrediction) and self.cfg.annotate:
            self._draw_video(item, answer, target)
        if self.cfg.explain:
            self._explain(answer, target)

    def finish(self) -> None:
        """Write ``predictions.csv`` and ``predictions.json``."""
        table, module = io.StringIO(), self.predictor.network.module
        writer = csv.DictWriter(table, columns(module.space, module.told), lineterminator="\n")
        writer.writeheader()
        for item in self.items:
            writer.writerows(as_rows(item))
        write_whole(self.folder / "predictions.csv", table.getvalue().encode("utf-8", "backslashreplace"))
        items = [as_plain(item) for item in self.items]
        notes: dict[str, object] = {"decided": self.decided} if self.decided else {}
        notes |= {"accepted": list(self.predictor.read.notes)} if self.predictor.read.notes else {}
        content = {"run": self.cfg.run, "threads": torch.get_num_threads(), **notes, "items": items}
        write_whole(self.folder / "predictions.json", json.dumps(content, indent=1) + "\n")

    def _draw_video(self, item: VideoPrediction, answer: Answer, target: Path) -> None:
        from realfake.scoring.plots import over_time, save

        if answer.film is not None:
            streams = answer.samples.streams if answer.samples is not None else {}
            answer.film.write(item, _with(target, ".mp4"), streams)
        name = self.names[item.path] if item.path else ""
        name = name if len(name) <= _TITLE_LETTERS else f"…{name[-_TITLE_LETTERS:]}"
        title = f"{name}: {said(item, ', ')}" if name else said(item, ", ")
        title += f" (windows of {item.curve.window_sec:.2g} s)"
        figure = over_time(item.curve.time_sec, item.curve.p, item.space, title)
        save(figure, _with(target, ".curve.png"))

    def _explain(self, answer: Answer, target: Path) -> None:
        from realfake.prediction.explain import explain
        from realfake.prediction.explain_pictures import draw_explanations
        from realfake.prediction.stream_pictures import draw_shares

        assert answer.samples is not None
        samples = answer.samples
        network = self.predictor.network
        chosen = samples.values(slice(None, None, -(-len(samples.times) // EXPLAINED_SAMPLES)))
        found = explain(network.module, chosen)
        if found[0].frames is not None:
            draw_explanations(found, _with(target, ".explained.png"))
        if found[0].streams:
            draw_shares(found, _with(target, ".streams.png"))


def _check_place(folder: Path, paths: list[Path], names: Iterable[str]) -> None:
    """Raise :class:`UserError` if drawing would overwrite an input, or follow a link out of the folder."""
    drawn = folder / DRAWN
    if own := [p for p in paths if p.resolve().is_relative_to(drawn.resolve())]:
        raise UserError(
            f"out={folder}: {len(own)} of the inputs lie in its folder {DRAWN}/ and could be overwritten, e.g. "
            f"{printable(own[0].name)}; give another out="
        )
    require_inside(folder, dict.fromkeys((drawn / name).parent for name in names))


def file_names(paths: list[Path]) -> dict[Path, str]:
    """A name for each input below the output's folder: its path below what all have in common, without its ending.

    Inputs that differ in their ending only keep it, as ``face_png``; those whose names are still one to a file system
    that knows neither case nor the forms of Unicode get a number. No name leads out of the folder, and none that is
    written to lies where a folder of another one does.
    """
    absolute = {path: Path(os.path.abspath(path)) for path in paths}  # noqa: PTH100 - ``..`` has to go, links may stay
    common = Path(os.path.commonpath([path.parent for path in absolute.values()])) if paths else Path()
    below = {path: full.relative_to(common).parts for path, full in absolute.items()}
    short = {path: _safe((*parts[:-1], files.split_ending(parts[-1])[0])) for path, parts in below.items()}
    count = Counter(map(_as_one, short.values()))
    names: dict[Path, str] = {}
    taken: set[str] = set()
    # Those that keep their plain names come first, so that a number is never given to one of them.
    for path in sorted(paths, key=lambda path: count[_as_one(short[path])] > 1):
        wanted = short[path]
        if count[_as_one(wanted)] > 1:
            *folders, last = below[path]
            wanted = _safe((*folders, last.replace(".", "_")))
        numbered = (f"{wanted}_{i}" for i in itertools.count(2))
        name = next(n for n in itertools.chain([wanted], numbered) if _as_one(n) not in taken)
        taken.add(_as_one(name))
        names[path] = name
    return names


def _safe(parts: tuple[str, ...]) -> str:
    """A relative path of names that any file system takes; a folder's name ends on nothing that an output ends on."""
    *folders, last = (printable(part).replace("\\", "_") for part in parts)
    folders = [f.replace(".", "_") if f.lower().endswith(ENDINGS) else f for f in folders]
    return "/".join(map(safe_name, [*folders, last]))


def _as_one(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def show(record: Record, console: Console) -> None:
    """Show the first rows as a table, what failed and why, and where the files are."""
    predicted = [item for item in record.items if not isinstance(item, Failure)]
    rows = [row for item in predicted for row in _table_rows(item, record.names)]
    if rows:
        table = Table(title=f"{len(predicted)} of {len(record.items)} inputs predicted", title_justify="left")
        told = [name for task in SAID if task in record.predictor.network.module.told for name in (task, "")]
        for name in ("input", *told, "where"):
            table.add_column(name, justify="left" if name else "right", no_wrap=name != "input", overflow="fold")
        for row in rows[:SHOWN]:
            table.add_row(*row)
        console.print(table)
    if len(rows) > SHOWN:
        console.print(f"… and {len(rows) - SHOWN} more rows in predictions.csv")
    remarks = [(item, remark) for item in predicted if isinstance(item, VideoPrediction) for remark in item.remarks]
    for item, remark in remarks[:SHOWN]:
        console.print(f"[yellow]remark[/] {escape(f'{item.path}: {remark}')}", soft_wrap=True, highlight=False)
    if len(remarks) > SHOWN:
        console.print(f"… and {len(remarks) - SHOWN} more remarks in predictions.json")
    if record.decided:
        console.print(f"[yellow]remark[/] {escape(record.decided)}", soft_wrap=True, highlight=False)
    failures = [item for item in record.items if isinstance(item, Failure)]
    for failure in failures[:SHOWN]:
        path, reason = escape(printable(str(failure.path))), escape(printable(failure.reason))
        console.print(f"[red]failed[/] {path}: {reason}", soft_wrap=True, highlight=False)
    if len(failures) > SHOWN:
        console.print(f"… and {len(failures) - SHOWN} more that failed, in predictions.csv")
    console.print(f"results in {escape(printable(str(record.folder)))}", soft_wrap=True, highlight=False)


def _table_rows(item: Prediction, names: dict[Path, str]) -> list[list[str]]:
    name = escape(printable(item.path.name)) if item.path else ""
    if isinstance(item, VideoPrediction):
        return [[name, *_labels(item), f"{item.duration_sec:.1f} s, {item.samples} sample{'s' * (item.samples > 1)}"]]
    return [
        [name, *_labels(face), f"{face.box.width:.0f} px at {face.box.x:.0f}, {face.box.y:.0f}"] for face in item.faces
    ]


def _labels(p: Probabilities) -> list[str]:
    colors = dict(zip(AUTHENTICITIES, ("dark_orange3", "blue"), strict=True))
    return [
        cell
        for task, name in p.labels().items()
        if task in SAID
        for cell in (f"[{colors[name]}]{name}[/]" if name in colors else f"{name}", percent(p.sure_of(task)))
    ]


def _with(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)
