"""The folder of a run: where everything that it writes lies, and how it is found again."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from realfake.composing.messages import changed, validate
from realfake.config import TrainConfig, require
from realfake.config.upgrade import FINGERPRINT, SIGNALS, to_save, upgrade
from realfake.errors import UserError, nearest
from realfake.files import write_whole
from realfake.registry import as_word
from realfake.runs.foreign import Unreadable, read_yaml
from realfake.runs.settings import LOCATIONS, SIGNAL_LOCATIONS


@dataclass(frozen=True)
class RunFolder:
    """Paths below a run's folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The composed configuration, as Hydra writes it: before the run knows whether it goes on from another."""
        return self.path / ".hydra" / "config.yaml"

    @property
    def trained_config(self) -> Path:
        """The configuration that the checkpoints beside it were trained with; older runs have only :attr:`config`."""
        return self.checkpoints / "config.yaml"

    @property
    def saved_config(self) -> Path:
        """The file that says what the run trained with, or is to train with if it has not begun."""
        return self.trained_config if self.trained_config.is_file() else self.config

    @property
    def overrides_file(self) -> Path:
        """What was given on the command line."""
        return self.path / ".hydra" / "overrides.yaml"

    @property
    def checkpoints(self) -> Path:
        """Folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Weights of the best epoch."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """State after the last complete epoch, to resume from."""
        return self.checkpoints / "last.ckpt"

    @property
    def tensorboard(self) -> Path:
        """Folder of event files."""
        return self.path / "tensorboard"

    @property
    def plots(self) -> Path:
        """Folder of pictures."""
        return self.path / "plots"

    @property
    def results(self) -> Path:
        """``results.json``."""
        return self.path / "results.json"

    @property
    def metrics(self) -> Path:
        """``metrics.csv``: a row an epoch."""
        return self.path / "metrics.csv"

    @property
    def predictions(self) -> Path:
        """``predictions.csv``: a row a test clip."""
        return self.path / "predictions.csv"

    @property
    def details(self) -> Path:
        """``details.json``: faces and examples that the page shows."""
        return self.path / "details.json"

    @property
    def page(self) -> Path:
        """``index.html``: the run on one page."""
        return self.path / "index.html"

    def forget_tests(self) -> None:
        """Remove what tests of other weights left, so that none of it stands beside those that are trained now."""
        for path in (self.predictions, self.details, self.page):
            path.unlink(missing_ok=True)
        for folder in (self.plots, self.evaluation("")):
            shutil.rmtree(folder, ignore_errors=True)

    def evaluation(self, what: str) -> Path:
        """Folder of what ``realfake evaluate`` found on a part of the run's data, or on another dataset."""
        return self.path / "evaluation" / what

    @property
    def threads(self) -> Path:
        """The number of threads with which the run computes."""
        return self.path / ".hydra" / "threads"

    @property
    def log(self) -> Path:
        """``run.log``."""
        return self.path / "run.log"

    def load_config(self) -> TrainConfig:
        """The run's configuration in the present form, checked. Raises :class:`UserError`."""
        source = self.saved_config
        try:
            raw = read_yaml(source, lambda text: OmegaConf.to_container(OmegaConf.create(text)))
        except (Unreadable, OSError) as error:
            raise UserError(f"{source}: cannot be read ({error})") from None
        return as_trained(raw, source)

    def trained_on(self) -> str | None:
        """Fingerprint of the prepared data that :meth:`load_config` belongs to; ``None`` if the run noted none."""
        found: str | None = self._noted(FINGERPRINT)
        return found

    def signals_read(self) -> list[str]:
        """What the run's signals gave, by content, see :func:`realfake.config.upgrade.to_save`; empty if unknown."""
        return self._noted(SIGNALS) or []

    def noted_plugins(self) -> list[dict[str, Any]]:
        """The plugins that the run needs, see :class:`realfake.config.UsedPlugin`; known without loading any."""
        return self._noted("plugins") or []

    def _noted(self, key: str) -> Any:
        try:
            return read_yaml(self.trained_config)[key]
        except (Unreadable, OSError, LookupError, TypeError):
            return None

    def save_config(self, cfg: TrainConfig, fingerprint: str | None, signals: Sequence[str] = ()) -> None:
        """Write down what the run trains with, beside the checkpoints that are to come.

        Args:
            cfg: The configuration.
            fingerprint: Of its prepared data; ``None`` if it did not come that far.
            signals: What the signals gave of it, by content.
        """
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        write_whole(self.trained_config, OmegaConf.to_yaml(to_save(cfg, fingerprint, signals)))

    def working_folder(self) -> Path | None:
        """Where the run was started, to which relative paths in its configuration refer; ``None`` if unknown."""
        found = self._started("runtime", "cwd")
        return Path(found) if isinstance(found, str) else None

    def in_sweep(self) -> bool:
        """Whether the run was started as one of several (``-m``)."""
        return self._started("mode") == "MULTIRUN"

    def _started(self, *keys: str) -> Any:
        """What Hydra noted of how the run was started; ``None`` if unknown."""
        try:
            found: Any = read_yaml(self.path / ".hydra" / "hydra.yaml")["hydra"]
            for key in keys:
                found = found[key]
        except (Unreadable, OSError, LookupError, TypeError):
            return None
        return found

    def located(self, cfg: TrainConfig) -> TrainConfig:
        """The run's configuration with paths of its dataset and signals that lead there from the working folder.

        A relative path that does not exist here is taken from the folder in which the run was started, if it does
        there.
        """
        started = self.working_folder()
        if started is None:
            return cfg
        groups: list[tuple[str, Any, tuple[str, ...]]] = [("data", cfg.data, LOCATIONS)]
        groups += [(f"signals.{name}", options, SIGNAL_LOCATIONS) for name, options in cfg.signals.items()]
        found = {
            f"{group}.{key}": str(started / value)
            for group, options, keys in groups
            for key in keys
            if isinstance(value := getattr(options, key, None), str)
            and not Path(value).expanduser().is_absolute()
            and not Path(value).exists()
            and (started / value).exists()
        }
        return changed(cfg, found)

    def noted_threads(self) -> int | None:
        """With how many threads the run computes, or did; ``None`` if it never began, or is older than the note."""
        try:
            return int(self.threads.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def overrides(self) -> list[str]:
        """The run's overrides, as typed; none where they cannot be read."""
        try:
            found = read_yaml(self.overrides_file)
        except (Unreadable, OSError):
            return []
        return [str(o) for o in found] if isinstance(found, list) else []


def as_trained(saved: Any, source: Path) -> TrainConfig:
    """What a run or a checkpoint saved of its configuration, in the present form, checked.

    Args:
        saved: As it was read.
        source: The file.

    Raises:
        UserError: If it is no configuration of a run, or a later version of this program saved it.
    """
    if not isinstance(saved, dict):
        raise UserError(f"{source}: holds a {type(saved).__name__}, expected the keys and values of a run")
    require(saved.get("plugins"), source)
    try:
        return validate(upgrade(saved), TrainConfig, trained=True)
    except UserError as error:
        begun = [path for path in saved.get("plugins") or () if isinstance(path, str)]
        raise UserError(f"{error} (the run was given {as_word(begun)})" if begun else str(error)) from None


def checkpoint_of(key: str, source: str, which: Literal["best", "last"]) -> Path:
    """The checkpoint that a key names by its path or by a run's folder.

    Args:
        key: ``ckpt`` or ``init_from``.
        source: Its value.
        which: Of a run's checkpoints.

    Raises:
        UserError: If there is none.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if key == "ckpt" and not path.exists() and (near := nearest(source, ["last"])):
        raise UserError(f"ckpt={source}: no such file or folder{near}")
    found: Path = getattr(open_run(path, key), which)
    if not found.is_file():
        raise UserError(f"{key}={source}: no checkpoints/{found.name} there; the run has not come that far")
    return found


def runs_inside(path: Path) -> list[Path]:
    """Folders of runs right below a folder, sorted; empty if it is a run itself, or no folder."""
    if (path / ".hydra" / "config.yaml").is_file():
        return []
    return sorted(p.parent.parent for p in path.glob("*/.hydra/config.yaml"))


def open_run(path: str | Path, key: str = "run") -> RunFolder:
    """A run's folder; a checkpoint or any file inside it is accepted as well.

    Args:
        path: As a user gave it.
        key: What it was given as.

    Raises:
        UserError: If there is no such folder (the nearest name is given), or it is not a run's.
    """
    given = Path(path).expanduser()
    folder = given
    if given.is_file():
        folder = given.parent.parent if given.parent.name == "checkpoints" else given.parent
    if not folder.exists():
        raise UserError(f"{key}={path}: no such folder{_nearest(given)}; expected a folder that training wrote")
    if not (folder / ".hydra" / "config.yaml").is_file():
        inside = runs_inside(folder)
        hint = f"; it holds runs, e.g. {key}={inside[-1]}" if inside else ""
        raise UserError(f"{key}={path}: no .hydra/config.yaml there, so it is not the folder of a run{hint}")
    return RunFolder(folder)


def _holds_run(folder: Path) -> bool:
    """Whether a folder is a run, or one of runs or of such folders."""
    return any(next(folder.glob(f"{below}.hydra"), None) for below in ("", "*/", "*/*/"))


def _nearest(path: Path) -> str:
    parent = path.parent
    names = [p.name for p in parent.iterdir() if p.is_file() or _holds_run(p)] if parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"; did you mean {parent / near[0]}?" if near else ""
