"""Reading files of tensors, and nothing but tensors; fitting them to a network, or saying in one line why not."""

from __future__ import annotations

import logging
import warnings
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from realfake.errors import UserError
from realfake.models.backbone import Backbone
from realfake.models.stand_ins import StandIn, read_with_stand_ins

log = logging.getLogger(__name__)

NAMES_SHOWN = 5
WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model", "module", "net", "params")
"""Keys under which training scripts keep the state dict of a network."""
WRAPPINGS = 4
"""So many may lie one inside of another."""

GROWTH = 4
"""How many times its own size an archive may unpack to."""

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
    _refuse_bomb(path)
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

    ``{"state_dict": …}`` and the like are opened, also one inside of another, and whatever it is called if it is the
    only thing in the file that is made of tensors. ``_orig_mod.`` (torch.compile) is dropped wherever it stands; for
    other prefixes see :func:`below_prefix`.

    Raises:
        UserError: As :func:`read_checkpoint`, and if there is no state dict in the file.
    """
    content = read_checkpoint(path, foreign=foreign)
    for _ in range(WRAPPINGS):
        content = _unwrapped(content)
    if not _is_state(content):
        kind = type(content).__name__
        raise UserError(f"{path}: expected a state dict (names and tensors), found {kind} of other things")
    return {str(key).replace("_orig_mod.", ""): value for key, value in content.items()}


def below_prefix(state: Mapping[str, Tensor], names: Collection[str], source_name: str) -> dict[str, Tensor]:
    """The tensors of one network, under its own names, in a state dict that puts a prefix before them.

    Training programs keep a network as an attribute (``model.``, ``backbone.``, ``encoder.``), and wrap it
    (``module.module.``). The prefix is the one below which most of the network's tensors are found; what does not lie
    below it belongs to something else.

    Args:
        state: As it was read.
        names: Those of the network's tensors.
        source_name: What an error calls the state dict, e.g. its path.

    Returns:
        All tensors below the prefix; the whole state dict if there is none, or less than half of the network below it.

    Raises:
        UserError: If there are several such networks.
    """
    wanted = set(names)
    found: Counter[str] = Counter()
    for key in state:
        steps = key.split(".")
        found.update(key[: len(key) - len(own)] for i in range(len(steps)) if (own := ".".join(steps[i:])) in wanted)
    prefix, most = max(found.items(), key=lambda item: (item[1], -len(item[0])), default=("", 0))
    if not prefix or most < len(wanted) / 2:
        return dict(state)
    rivals = [name for name, number in found.items() if number == most]
    if len(rivals) > 1:
        raise UserError(
            f"{source_name} holds several such networks ({', '.join(sorted(rivals)[:NAMES_SHOWN])}); save the one that "
            "is meant in a file of its own"
        )
    below = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    if len(below) < len(state):
        log.info(
            "%s: only what begins with %r is taken, %d other tensors are not",
            source_name,
            prefix,
            len(state) - len(below),
        )
    return below


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

    A prefix before the names is dropped. The reference's classifier is left out, if it is there, as are the heads of a
    run of this project; everything else has to fit exactly.

    Raises:
        UserError: If keys or shapes differ.
    """
    own = backbone.net.state_dict()
    network = below_prefix(state, own.keys(), source_name)
    classifier = backbone.classifier or ("\0",)
    body = {key: value for key, value in network.items() if not key.startswith(classifier)}
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


def unusable(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    """Say which values of a state dict of the right keys and shapes no network can have; null if all are fine."""
    kinds = {
        "no plain tensors of the right kind": lambda own, value: (
            value.device.type != "cpu"
            or value.layout != torch.strided
            or value.is_quantized
            or value.is_complex()
            or value.is_floating_point() != own.is_floating_point()
        ),
        "not finite (nan or inf)": lambda _, value: not bool(torch.isfinite(value).all()),
    }
    for kind, wrong in kinds.items():
        names = [key for key, value in given.items() if key in expected and wrong(expected[key], value)]
        if names:
            more = ", …" if len(names) > NAMES_SHOWN else ""
            return f"{len(names)} of its tensors are {kind}: {', '.join(names[:NAMES_SHOWN])}{more}"
    return None


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and bool(content) and all(isinstance(v, Tensor) for v in content.values())


def _unwrapped(content: Any) -> Any:
    """What lies in a wrapping of a training script: under a usual key, or the only state dict that there is."""
    if not isinstance(content, Mapping) or _is_state(content):
        return content
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return content[key]
    states = [value for value in content.values() if _is_state(value)]
    return states[0] if len(states) == 1 else content


def _load_strictly(module: nn.Module, state: Mapping[str, Tensor], source_name: str, name: str) -> None:
    # Files written before torch 0.4.1 lack the batch counters, which only matter for a cumulative average.
    counters = {k: v for k, v in module.state_dict().items() if k.endswith("num_batches_tracked") and k not in state}
    problem = mismatch(module.state_dict(), {**state, **counters})
    if problem:
        raise UserError(f"{source_name} does not fit {name}: keys {problem}")
    if bad := unusable(module.state_dict(), state):
        raise UserError(f"{source_name}: {bad}")
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


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that would become far more than it is; torch packs nothing, so its files become what they are.

    (The older format of torch is no archive: of it, no more is read than the file holds.)
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise UserError(f"{path}: damaged, or not a checkpoint of torch") from None
    if unpacked > GROWTH * path.stat().st_size:
        raise UserError(
            f"{path}: refused, since its {path.stat().st_size:,} bytes would unpack to {unpacked:,}; torch.save packs "
            "nothing"
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
