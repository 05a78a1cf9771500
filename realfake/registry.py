"""What guests have brought: networks, datasets, losses and more from outside of this program, by kind and name.

A guest is a Python file that a command line names (``plugins=[file.py]``), or an installed package with an entry point
of the group ``realfake.plugins``. Both import :mod:`realfake.plugins`, whose decorators register here. Nothing is ever
loaded because some other file, such as a run's configuration, names it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from realfake.errors import UserError, nearest

log = logging.getLogger(__name__)

ENTRY_POINTS = "realfake.plugins"
"""Group of the entry points of installed packages."""


@dataclass(frozen=True)
class Origin:
    """Where something registered comes from."""

    path: str
    """Absolute path of the file, or of the folder of a package."""
    sha256: str
    """Of the file, or of all Python files of the package."""
    package: str | None
    """Name and version of the installed package; ``None`` = a file."""


@dataclass(frozen=True)
class Registered:
    """Something that a guest brought."""

    kind: str
    """The config group that chooses it, without the part; ``metric`` of what no group chooses."""
    name: str
    made: Any
    """The class of its options, which builds it as well; of a metric, its entry."""
    origin: Origin
    yaml: str
    """Its option's values with comments, as a file of ``conf/`` has them; empty where no group chooses it."""
    forget: Callable[[], None]
    """Takes back what registering did elsewhere."""

    @property
    def words(self) -> str:
        """As on a command line, e.g. ``backbone=mynet``."""
        return f"{self.kind}={self.name}"


_REGISTERED: dict[tuple[str, str], Registered] = {}
_FILES: dict[str, str] = {}
"""Path of each file that was loaded → its sha256."""


def registered(kind: str) -> dict[str, Any]:
    """Name → what guests have registered of a kind."""
    return {name: guest.made for (of, name), guest in _REGISTERED.items() if of == kind}


def everything() -> tuple[Registered, ...]:
    """All that guests have registered, in this order."""
    return tuple(_REGISTERED.values())


def as_word(paths: Iterable[str]) -> str:
    """The word of a command line that loads files."""
    quoted = (p if re.fullmatch(r"[\w./-]+", p, re.ASCII) else '"{}"'.format(p.replace('"', '\\"')) for p in paths)
    return f"plugins=[{','.join(quoted)}]"


def content_of(made: Any) -> str:
    """sha256 of the plugin that brought something."""
    return next(guest.origin.sha256 for guest in everything() if guest.made is made)


def name_of(made: Any) -> str | None:
    """Under which name something was registered; ``None`` if it was not."""
    return next((guest.name for guest in everything() if guest.made is made), None)


def files() -> list[str]:
    """Paths of the files that were loaded: what a process that this one starts has to load too."""
    return list(_FILES)


def files_of(pickled: bytes) -> list[str]:
    """Those of which a pickled object holds something: they have to be loaded where it is to be unpickled."""
    return [path for path, sha256 in _FILES.items() if _module_name(Path(path), sha256).encode() in pickled]


def _module_name(path: Path, sha256: str) -> str:
    """The same in every process, so that objects of a plugin's classes can travel between them."""
    return f"realfake_plugin_{path.stem}_{sha256[:12]}"


def register(
    kind: str, name: str, made: Any, module: str, *, yaml: str = "", forget: Callable[[], None] = lambda: None
) -> None:
    """Note what a guest brings; for the decorators of :mod:`realfake.plugins`.

    Args:
        kind: See :class:`Registered`, as all others.
        name: By which it is chosen.
        made: What it is.
        module: Name of the module that defines it.
        yaml: Values of its option.
        forget: Takes back what registering did elsewhere.

    Raises:
        UserError: If another guest has brought something of this name, or the module has no file.
    """
    origin = _origin(module)
    if origin is None:
        raise UserError(f"{kind}={name}: defined outside of a file; expected in one, given as plugins=[file.py]")
    there = _REGISTERED.get((kind, name))
    if there is not None and there.origin.path != origin.path:
        raise UserError(f"{kind}={name}: taken by {there.origin.path}; expected another name")
    _REGISTERED[kind, name] = Registered(kind, name, made, origin, yaml, forget)


def load_files(paths: Iterable[str]) -> None:
    """Load guests from files, each once; one whose file has changed since takes the place of what it was.

    Args:
        paths: As on a command line.

    Raises:
        UserError: In one line, if a file is missing, raises while it is loaded, or registers nothing.
    """
    for given in paths:
        path, said = Path(given).expanduser().absolute(), f"plugins=[{given}]"
        if path.suffix != ".py" or not path.is_file():
            if path.exists():
                raise UserError(f"{said}: not a Python file; expected one that ends in .py")
            near = nearest(path.name, [p.name for p in path.parent.glob("*.py")]) if path.parent.is_dir() else ""
            raise UserError(f"{said}: no such file{near}")
        sha256 = _sha256([path])
        if sha256 not in _FILES.values():
            _load(path, sha256, said)


def _load(path: Path, sha256: str, said: str) -> None:
    _forget(str(path))
    before = set(_REGISTERED)
    name = _module_name(path, sha256)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if set(_REGISTERED) == before:
            raise UserError("registers nothing; expected a decorator of realfake.plugins, such as @backbone(…)")
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        _forget(str(path))
        raise UserError(f"{said}: {_reason(error, str(path))}") from error
    _FILES[str(path)] = sha256


def forget_files() -> None:
    """Take back what files have brought to this process, which a command never does."""
    for path in list(_FILES):
        _forget(path)


def _forget(path: str) -> None:
    _FILES.pop(path, None)
    for key, guest in list(_REGISTERED.items()):
        if guest.origin.path == path:
            guest.forget()
            del _REGISTERED[key]


def _reason(error: BaseException, path: str | None) -> str:
    """What a guest raised, in one line, with the line number in its file, or with the file where ``path`` is none."""
    if isinstance(error, SyntaxError):
        where, text = (error.filename or "", error.lineno), error.msg
    else:
        frames = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
        ours = str(Path(__file__).parent)
        where = next((f for f in reversed(frames) if f[0] == path or (path is None and ours not in f[0])), ("", None))
        text = " ".join(str(error).split())
    said = text if isinstance(error, UserError) else f"{type(error).__name__}: {text}".removesuffix(": ")
    place = f"{where[0]}, " if path is None and where[0] else ""
    return f"{place}line {where[1]}: {said}" if where[1] else said


@cache
def load_installed() -> None:
    """Load the guests of installed packages, once; a broken one is passed over with a warning of one line."""
    for point in _points():
        try:
            point.load()
        except (Exception, SystemExit) as error:
            package = point.dist.name if point.dist else point.value
            log.warning("the plugin %s of the package %s is passed over: %s", point.name, package, _reason(error, None))


@cache
def _points() -> tuple[Any, ...]:
    return tuple(entry_points(group=ENTRY_POINTS))


def _origin(module: str) -> Origin | None:
    """Where a module lies; ``None`` if in no file, as a cell of a notebook."""
    top = module.partition(".")[0]
    for point in _points():
        if point.module.partition(".")[0] == top:
            package = f"{point.dist.name} {point.dist.version}" if point.dist else top
            folder = Path(sys.modules[top].__file__ or module).absolute()
            if folder.name == "__init__.py":
                return Origin(str(folder.parent), _sha256(sorted(folder.parent.rglob("*.py"))), package)
            return Origin(str(folder), _sha256([folder]), package)
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(file).absolute()
    return Origin(str(path), _sha256([path]), None)


def _sha256(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
