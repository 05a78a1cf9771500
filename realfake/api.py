"""What the commands do, from Python: train, test again, predict, compare, extract signals; with typed results.

Each function composes and checks its configuration as the command line does, calls what the command calls, and raises
:class:`realfake.errors.UserError` with the line that the command would print. Overrides are the words of a command
line, without what a shell needs: ``["approach=temporal", "optimizer.lr=0.01"]``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.composing.composition import compose
from realfake.config import EvaluateConfig, PredictConfig, SignalsConfig
from realfake.errors import UserError, quoted
from realfake.files import one_line, require_folder
from realfake.runs.settings import parse_override
from realfake.scoring.metric_table import REPORTED
from realfake.scoring.wording import beside_figures

if TYPE_CHECKING:
    import pandas as pd

    from realfake.comparison.comparing import Comparison
    from realfake.prediction.predicted import Failure, Prediction
    from realfake.prediction.predictor import Predictor

__all__ = [
    "EvaluatedRun", "ExtractedSignals", "PredictedFiles", "TrainedRun", "UserError",
    "compare_runs", "evaluate_run", "extract_signals", "fit", "predict_files",
]  # fmt: skip

# A notebook without it has no bars; rich would say so at each step of each of them.
warnings.filterwarnings("ignore", message='install "ipywidgets" for Jupyter support')


@dataclass(frozen=True, repr=False)
class TrainedRun:
    """A run that has been trained and tested."""

    folder: Path
    """Where its files lie."""
    results: dict[str, Any]
    """What ``results.json`` holds."""

    @property
    def metrics(self) -> dict[str, float | None]:
        """``<stage>/<level>/<metric>`` → figure; ``None`` where it is undefined."""
        found: dict[str, float | None] = self.results["metrics"]
        return found

    def to_frame(self) -> pd.DataFrame:
        """A row a metric: ``stage``, ``level``, ``metric``, ``value``, and its 95 % interval, ``low`` and ``high``."""
        import pandas as pd

        none = (None, None)
        rows = [
            (*name.split("/", 2), value, *((self.results.get("intervals") or {}).get(name) or none))
            for name, value in self.metrics.items()
        ]
        table = pd.DataFrame(rows, columns=["stage", "level", "metric", "value", "low", "high"])
        return table.astype(dict.fromkeys(("value", "low", "high"), float))

    def predictions(self) -> pd.DataFrame:
        """``predictions.csv``: a row a tested clip."""
        import pandas as pd

        return pd.read_csv(self.folder / "predictions.csv")

    def load(self, **options: Any) -> Predictor:
        """The run's network, as :func:`realfake.load` gives it."""
        from realfake.prediction.predictor import load_predictor

        return load_predictor(self.folder, **options)

    def __repr__(self) -> str:
        lines, intervals = [f"{type(self).__name__} {self.folder}: {self._what()}"], self.results.get("intervals") or {}
        for name in (name for name in REPORTED if f"test/clip/{name}" in self.metrics):
            value, (low, high) = self.metrics[f"test/clip/{name}"], intervals.get(f"test/clip/{name}", (None, None))
            figure = "-" if value is None else f"{value:.3f}"
            lines.append(f"  {name:32s}{figure}" + (f" [{low:.3f}, {high:.3f}]" if low is not None else ""))
        lines += [f"  {words}" for words in beside_figures(self.results)]
        if self.results.get("data") == "synthetic":
            lines.append("  synthetic faces: these figures say nothing about people")
        return "\n".join(lines)

    def _what(self) -> str:
        return f"{self.results['approach']}, best epoch {self.results['best_epoch']}; tested clips"


@dataclass(frozen=True, repr=False)
class EvaluatedRun(TrainedRun):
    """A run that has been tested again; ``folder`` is that of the evaluation."""

    report: dict[str, Any]
    """What ``evaluation.json`` holds, see :func:`realfake.evaluation.evaluation_report.evaluate_predictions`."""

    def _what(self) -> str:
        about, counts = self.report["about"], self.report["counts"]
        of = f"{counts['clips']} clips, people: {counts['subjects']}"
        return f"{about['run']} on {about['data']}, {about['part']}; {of}"


@dataclass(frozen=True, repr=False)
class PredictedFiles:
    """What a network says of files."""

    folder: Path
    """Of ``predictions.csv``, ``predictions.json`` and what was drawn."""
    items: tuple[Prediction | Failure, ...]
    """One for each file, in their order."""
    columns: tuple[str, ...]
    """Of the table."""

    def to_frame(self) -> pd.DataFrame:
        """A row for each face of an image, each video, and each file that failed, as in ``predictions.csv``."""
        import pandas as pd

        from realfake.prediction.predicted import as_rows

        return pd.DataFrame([row for item in self.items for row in as_rows(item)], columns=list(self.columns))

    def __repr__(self) -> str:
        table = self.to_frame()
        shown = [name for name in ("path", "face", "emotion", "authenticity", "p_real", "error") if name in table]
        used = [name for name in shown if table[name].notna().any()]
        table["path"] = [Path(path).name for path in table["path"]]
        return f"PredictedFiles {self.folder}: {len(self.items)} files\n{table[used].to_string(index=False, na_rep='')}"


@dataclass(frozen=True, repr=False)
class ExtractedSignals:
    """Tables of signals, one a clip."""

    folder: Path
    """Where they lie."""
    paths: Mapping[str, Path]
    """Clip → its table."""
    without: Mapping[str, tuple[str, ...]]
    """Clip without a table → why."""

    def to_frame(self) -> pd.DataFrame:
        """All tables one below the other: ``clip``, then the columns of the tables, a row a moment."""
        import pandas as pd

        tables = {clip: _table(path) for clip, path in self.paths.items()}
        if not tables:
            return pd.DataFrame({"clip": []})
        table = pd.concat(tables, names=["clip", "row"])
        clips = pd.Series(table.index.get_level_values("clip"), name="clip")
        return pd.concat([clips, table.reset_index(drop=True)], axis=1)

    def __repr__(self) -> str:
        lost = [f"  {clip}: {'; '.join(reasons) or 'no stream'}" for clip, reasons in self.without.items()]
        return "\n".join([f"ExtractedSignals {self.folder}: {len(self.paths)} tables", *lost])


def fit(overrides: Sequence[str] = (), folder: str | Path | None = None) -> TrainedRun:
    """Train and test, as ``realfake train`` does.

    Args:
        overrides: As on the command line, e.g. ``["approach=temporal", "seed=1"]``.
        folder: Of the run; ``None`` = a new one below ``outputs/``.

    Raises:
        UserError: If the run cannot begin, or fails.
    """
    from realfake.experiments.execution import train

    return TrainedRun(
        run := Path(train(_words(overrides, hydra__run__dir="folder"), folder)["run"]), _read(run / "results.json")
    )


def evaluate_run(run: str | Path | TrainedRun, overrides: Sequence[str] = ()) -> EvaluatedRun:
    """Test a finished run again, as ``realfake evaluate`` does.

    Args:
        run: Its folder, one of its checkpoints, or what :func:`fit` gave.
        overrides: As on the command line, e.g. ``["part=val"]``, ``["data=csv", "data.root=clips.csv"]``.

    Raises:
        UserError: If the run or the data cannot be used.
    """
    words = [*_words(overrides, run="run"), _word("run", _folder(run))]
    cfg = compose("evaluate", words, EvaluateConfig)

    from rich.console import Console

    from realfake.evaluation import evaluating

    with one_line(_out(cfg.out)):
        folder = evaluating.evaluate_run(evaluating.face_as_asked(cfg, words), Console(quiet=True))
    return EvaluatedRun(folder, _read(folder / "results.json"), _read(folder / "evaluation.json"))


def predict_files(
    run: str | Path | TrainedRun, files: str | Path | Sequence[str | Path], overrides: Sequence[str] = ()
) -> PredictedFiles:
    """Predict images and videos, as ``realfake predict`` does; a file that fails leaves the others unharmed.

    For single pictures and arrays in memory there is :func:`realfake.load`.

    Args:
        run: Its folder, one of its checkpoints, or what :func:`fit` gave.
        files: An image, a video, a folder with all below it, a pattern such as ``faces/*.jpg``, or a list of these.
        overrides: As on the command line, e.g. ``["annotate=false", "out=predicted"]``.

    Raises:
        UserError: If there is no such run or file.
    """
    given = [files] if isinstance(files, str | Path) else list(files)
    words = [*_words(overrides, run="run", input="files"), _word("run", _folder(run)), _word("input", *given)]
    cfg = compose("predict", words, PredictConfig)
    assert cfg.run is not None
    assert cfg.input is not None

    from rich.console import Console

    from realfake.prediction.command import predict_recorded
    from realfake.prediction.inputs import find_all
    from realfake.prediction.predicted import columns
    from realfake.runs.folder import open_run

    open_run(cfg.run)
    with one_line(_out(cfg.out)):
        record = predict_recorded(cfg, find_all(cfg.input), Console())
    module = record.predictor.network.module
    return PredictedFiles(record.folder, tuple(record.items), tuple(columns(module.space, module.told)))


def extract_signals(overrides: Sequence[str]) -> ExtractedSignals:
    """Write a table of signals for each clip of a dataset, or for each file, as ``realfake signals`` does.

    Args:
        overrides: As on the command line, e.g. ``["signals=[motion]", "input=clips"]``.

    Raises:
        UserError: If the data cannot be prepared, there is no such input, or a signal cannot be computed of any clip.
    """
    cfg = compose("signals", _words(overrides), SignalsConfig)

    from realfake.description.signal_tables import write_signal_tables

    with one_line(_out(cfg.out)):
        found = write_signal_tables(cfg)
    return ExtractedSignals(found.folder, found.paths, found.without)


def compare_runs(
    systems: Mapping[str, str | Path | TrainedRun | Sequence[str | Path | TrainedRun]],
    *,
    metrics: Sequence[str] | str | None = None,
    margin: float | None = None,
    people: Sequence[int] | None = None,
    seed: int = 0,
) -> Comparison:
    """Which system is better, by how much, by person over folds and seeds, as ``realfake compare`` says it.

    Args:
        systems: Name → its runs, or their folders, or one; runs are paired by fold and seed.
        metrics: Names of ``docs/metrics.md``, or one; ``None`` = the main ones.
        margin: Of equivalence, in the metric's own unit.
        people: Numbers of people to tell the power of the comparison for.
        seed: Of everything that is drawn.

    Raises:
        UserError: If runs do not match or a value is none of its kind, with the reason.
    """
    from realfake.comparison import comparing

    given: Any = systems
    if isinstance(systems, Mapping):
        given = {name: _folders(runs) for name, runs in systems.items()}
    return comparing.compare_runs(given, metrics=metrics, margin=margin, people=people, seed=seed)


def _words(overrides: Sequence[str], **arguments: str) -> list[str]:
    """The words of a command line; a single text would be taken for letters.

    Args:
        overrides: As the user gave them.
        arguments: Key that may not be among them, ``__`` for a dot → by which argument it is given.

    Raises:
        UserError: If they are no list, or one says what an argument says.
    """
    if isinstance(overrides, str) or not isinstance(overrides, Iterable):
        example = overrides.split() if isinstance(overrides, str) else ["seed=1"]
        raise UserError(f"{overrides!r}: expected a list of overrides, as {example!r}")
    words = [str(word) for word in overrides]
    taken = {key.replace("__", "."): argument for key, argument in arguments.items()}
    for word in words:
        if (argument := taken.get(parse_override(word)[0])) is not None:
            raise UserError(f"{word}: give it as the argument {argument}, and not as an override")
    return words


def _word(key: str, *values: str | Path) -> str:
    """``key=value`` or, of several values, ``key=[…]``, whatever is in them."""
    texts = [quoted(str(value)) for value in values]
    return f"{key}={texts[0]}" if len(texts) == 1 else f"{key}=[{','.join(texts)}]"


def _folder(run: str | Path | TrainedRun) -> str | Path:
    return run.folder if isinstance(run, TrainedRun) else run


def _folders(runs: Any) -> Any:
    """The same of one run or several; what is neither is refused where it is read."""
    return [_folder(run) for run in runs] if isinstance(runs, Iterable) and not isinstance(runs, str) else _folder(runs)


def _out(out: str | None) -> Path:
    """The folder that a command writes into, if it was named; raises :class:`UserError` if it cannot be one."""
    if out is not None:
        require_folder(out)
    return Path(out or "")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, skipinitialspace=True)
