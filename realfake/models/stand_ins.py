"""Reading files of other programs without any of their code: what is no tensor and no plain value becomes inert.

Old training scripts keep their loss function, or their arguments, beside the tensors. A pickle names the classes and
functions that it wants called; here it gets those that rebuild tensors and plain containers, and for every other name a
class that takes everything and does nothing. No module is imported for a file.
"""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from collections import OrderedDict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch


class StandIn:
    """In place of whatever is not known; made, called and filled like it, without effect."""

    dump_patches = False
    """Read by torch when it compares the source of modules, which files older than torch 1.6 hold."""

    def __new__(cls, *_: Any, **__: Any) -> StandIn:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> StandIn:
        return self

    def ignore(self, *_: Any) -> None:
        """Take what a pickle puts into an object or a container."""

    __setstate__ = __setitem__ = append = extend = add = ignore


class _Unpickler(pickle.Unpickler):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Made anew for each file, since a pickle may set attributes of what it names.
        self.stand_in = type("StandIn", (StandIn,), {})
        self.known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("builtins", "set"): set,
            ("__builtin__", "set"): set,
            ("torch", "Size"): torch.Size,
            ("torch._utils", "_rebuild_tensor"): partial(torch._utils._rebuild_tensor),
            ("torch._utils", "_rebuild_tensor_v2"): partial(torch._utils._rebuild_tensor_v2),
            ("torch._utils", "_rebuild_parameter"): partial(torch._utils._rebuild_parameter),
        }

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle gets for a name; torch itself answers for its types of storage."""
        return self.known.get((module, name), self.stand_in)


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


def read_with_stand_ins(path: Path) -> Any:
    """Read what ``torch.save`` wrote, with a :class:`StandIn` for everything that is no tensor and no plain value.

    Tensors of a zip archive are mapped from the file: beside a network, its optimizer may take twice as much again.

    Raises:
        ValueError: If the file is an archive that torch would not read as a pickle.
        Exception: Whatever a damaged file leads to.
    """
    zipped = zipfile.is_zipfile(path)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise ValueError("a TorchScript archive")
    elif tarfile.is_tarfile(path):
        raise ValueError("a tar archive, as before torch 0.1.10")
    reader: Any = SimpleNamespace(__name__=__name__, Unpickler=_Unpickler, load=_load)
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader, mmap=zipped)
