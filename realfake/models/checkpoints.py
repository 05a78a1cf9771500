"""Reading files of tensors, and nothing but tensors; fitting them to a network, or saying in one line why not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from realfake.errors import UserError
from realfake.models.backbone import Backbone
from realfake.models.stand_ins import StandIn, read_with_stand_ins

NAMES_SHOWN = 5
WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model", "net", "params")
"""Keys under which training scripts keep the state dict of a network."""

CODE_MARKS = ("unsupported global", "unsupported class", "unsupported operand", "trying to call reduce", "torchscript")
"""How torch says that a file holds more than tensors and plain values."""


def read_checkpoint(path: str | Path, *, foreign: bool = False) -> Any:
    """Read a file of tensors and plain values (``.safetensors``, or what ``torch.save`` wrote) on the CPU.

    Nothing in the file is ever executed.

    Args:
        path: The file.
        foreign: Read what else lies beside the tensors of another program's dictionary, such as its loss function, as
            :class:`realfake.models.stand_ins.StandIn`, instead of refusing the file for it.

    Raises:
        UserError: If the file is missing or damaged, or holds pickled objects, which would run code when loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that are refused anyway
            if foreign:
                content = read_with_stand_ins(path)
            else:
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to say
        # Random bytes are unsupported operands too, but only an archive or a pickle can hold an object.
        if _begins_with(path, b"PK", b"\x80") and any(mark in str(error).lower() for mark in CODE_MARKS):
            raise _refused(path) from None
        raise UserError(f"{path}: damaged, or not a checkpoint of torch") from None
    if isinstance(content, StandIn):
        raise _refused(path)
    return content


def read_state_dict(path: str | Path, *, foreign: bool = False) -> dict[str, Tensor]:
    """The state dict in a file, out of the wrappings that training scripts put around it.

    ``{"state_dict": …}`` and the like are opened; the prefixes ``module.`` (data parallel) and ``_orig_mod.``
    (torch.compile) are dropped.

    Raises:
        UserError: As :func:`read_checkpoint`, and if there is no state dict in the file.
    """
    content = read_checkpoint(path, foreign=foreign)
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        kind = type(content).__name__
        raise UserError(f"{path}: expected a state dict (names and tensors), found {kind} of other things")
    return {str(key).replace("_orig_mod.", "").removeprefix("module."): value for key, value in content.items()}


def load_backbone_state(backbone: Backbone, state: Mapping[str, Tensor], source_name: str) -> None:
    """Load a state dict with this project's own names into a backbone, all of it or nothing.

    Args:
        backbone: A backbone of the architecture that the state dict comes from.
        state: Keys as in ``backbone.state_dict()``.
        source_name: What an error calls the state dict, e.g. its path.

    Raises:
        UserError: If keys or shapes differ.
    """
    _load_strictly(backbone, state, source_name, backbone.name)


def load_published_state(backbone: Backbone, state: Mapping[str, Tensor], source_name: str) -> None:
    """Load a state dict with the names of the reference implementation, or of this project, into a backbone.

    The reference's classifier is left out, if it is there; everything else has to fit exactly.

    Raises:
        UserError: If keys or shapes differ.
    """
    own = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    if own or any(key.startswith("net.") for key in state):
        load_backbone_state(backbone, own or state, source_name)
        return
    body = {key: value for key, value in state.items() if not key.startswith(backbone.classifier or ("\0",))}
    _load_strictly(backbone.net, body, source_name, backbone.name)


def mismatch(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    """Say how two state dicts differ in keys and shapes, with five names at most; null if they do not."""
    missing = [key for key in expected if key not in given]
    unexpected = [key for key in given if key not in expected]
    reshaped = [
        f"{key} {tuple(value.shape)} instead of {tuple(expected[key].shape)}"
        for key, value in given.items()
        if key in expected and value.shape != expected[key].shape
    ]
    groups = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    shown = _shares([len(names) for names in groups.values()], NAMES_SHOWN)
    parts = [
        f"{len(names)} {what} ({', '.join([*islice(names, n), *(['…'] if n < len(names) else [])])})"
        for (what, names), n in zip(groups.items(), shown, strict=True)
        if names
    ]
    return ", ".join(parts) or None


def _load_strictly(module: nn.Module, state: Mapping[str, Tensor], source_name: str, name: str) -> None:
    # Files written before torch 0.4.1 lack the batch counters, which only matter for a cumulative average.
    counters = {k: v for k, v in module.state_dict().items() if k.endswith("num_batches_tracked") and k not in state}
    problem = mismatch(module.state_dict(), {**state, **counters})
    if problem:
        raise UserError(f"{source_name} does not fit {name}: keys {problem}")
    module.load_state_dict({**state, **counters})


def _shares(lengths: list[int], total: int) -> list[int]:
    """Deal ``total`` places out, one at a time, to lists that still have something to show."""
    rounds = zip_longest(*([i] * n for i, n in enumerate(lengths)))
    dealt = list(islice((i for row in rounds for i in row if i is not None), total))
    return [dealt.count(i) for i in range(len(lengths))]


def _refused(path: Path) -> UserError:
    return UserError(
        f"{path}: refused, since it holds pickled objects, which can run any code when loaded; in the program "
        "that wrote it, save tensors only: torch.save(model.state_dict(), path)"
    )


def _begins_with(path: Path, *starts: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(8).startswith(starts)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise UserError(f"{path}: reading it needs the package safetensors: pip install safetensors") from None
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError:
        raise UserError(f"{path}: damaged, or not a safetensors file") from None
    return tensors
