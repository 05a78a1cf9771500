"""The door for guests: what a plugin imports. Each decorator makes an option of a config group out of a class.

The class holds the option's keys, typed and with their values, and builds what they describe; what it does not say has
the values of ``conf/``. Nothing here is heavy: torch and the like belong into the methods that build, or on top of the
plugin's file, if it can wait. ``docs/extending.md`` has an example of each kind.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from textwrap import indent
from typing import Annotated, Any, TypeVar

import yaml
from hydra.core.config_store import ConfigStore
from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from realfake.composing.catalogue import conf_dir, groups_of
from realfake.config import (
    Approach,
    BelowOne,
    ClipNetwork,
    Count,
    Dataset,
    Fraction,
    FrameNetwork,
    Loss,
    Mix,
    NonNegative,
    PluginSignal,
    Positive,
    PositiveFraction,
    SequenceEncoder,
    StreamInfo,
    Strict,
    Term,
)
from realfake.data.clips import Clip, Listing, Problem
from realfake.data.sources.listing import VIDEO_ENDINGS, clip_name, list_files
from realfake.errors import UserError, nearest
from realfake.labels import TASKS
from realfake.registry import forget_files, load_files, load_installed, register, registered
from realfake.scoring.metric_table import REPORTED, Metric, add, remove
from realfake.streams.stream import ClipMedia, Extracted

__all__ = [
    "VIDEO_ENDINGS", "Approach", "BelowOne", "Clip", "ClipMedia", "ClipNetwork", "Count", "Dataset", "Extracted",
    "Fraction", "FrameNetwork", "Listing", "Loss", "Mix", "NonNegative", "PluginSignal", "Positive", "PositiveFraction",
    "Problem", "SequenceEncoder", "StreamInfo", "Strict", "Term", "UserError", "approach", "backbone", "clip_name",
    "forget_files", "list_files", "load_files", "load_installed", "loss", "metric", "mix", "signal", "source", "term",
]  # fmt: skip

T = TypeVar("T", bound=type[Strict])
Decorator = Callable[[T], T]


def backbone(name: str, **values: Any) -> Decorator[Any]:
    """A network: a :class:`FrameNetwork`, :class:`ClipNetwork` or :class:`SequenceEncoder` becomes ``backbone=<name>``.

    Args:
        name: Of the option.
        values: In place of those that all networks of plugins have, e.g. ``input={"size": 96}``.
    """
    bases: dict[type[Strict], str | None] = {
        FrameNetwork: "_frame_plugin", ClipNetwork: "_clip_plugin", SequenceEncoder: "_encoder_plugin",
    }  # fmt: skip
    return lambda made: _option("backbone", name, made, bases, "build", values)


def source(name: str, **values: Any) -> Decorator[Any]:
    """A dataset with a layout of its own: a :class:`Dataset` becomes ``data=<name>``; ``values`` e.g. ``emotions``."""
    return lambda made: _option("data", name, made, {Dataset: "_plugin"}, "listing", values)


def signal(name: str, **values: Any) -> Decorator[Any]:
    """What is known of a clip over time: a :class:`PluginSignal` becomes ``signals=[<name>]`` and gives its streams."""
    return lambda made: _part("signals", name, made, PluginSignal, values, "infos", "extract")


def loss(name: str, **values: Any) -> Decorator[Any]:
    """The loss of a task: a :class:`Loss` becomes ``loss/joint=<name>`` and likewise for the other tasks."""
    return lambda made: _option("loss", name, made, {Loss: "/loss/terms/_plugin@_here_"}, "per_sample", values)


def term(name: str, **values: Any) -> Decorator[Any]:
    """What is minimised beside the losses of the heads: a :class:`Term` becomes ``auxiliary=[<name>]``."""
    return lambda made: _part("auxiliary", name, made, Term, values, "build")


def mix(name: str, **values: Any) -> Decorator[Any]:
    """How losses become one: a :class:`Mix` becomes ``loss_mix=<name>``."""
    return lambda made: _option("loss_mix", name, made, {Mix: None}, "build", values)


def approach(name: str, *, samples: str, tasks: Sequence[str], backbone: str, **values: Any) -> Decorator[Any]:
    """What a run looks at and tells: an :class:`Approach` becomes ``approach=<name>``.

    Args:
        name: Of the option.
        samples: ``frames`` or ``sequences``.
        tasks: What it tells where the data have several emotions.
        backbone: The network that it has if none is chosen.
        values: In place of those of the class.
    """

    def register_approach(made: Any) -> Any:
        like = {"frames": "single_task", "sequences": "temporal"}
        if samples not in like:
            raise UserError(
                f"approach={name}: samples={samples!r}{nearest(samples, list(like))}; expected {' or '.join(like)}"
            )
        _require_base("approach", name, made, Approach)
        made.brought = (samples, tuple(tasks))
        text = indent(_text(made, name, Approach, {"samples": samples, "tasks": "auto", **values}), "  ")
        header = (
            f"# @package _global_\ndefaults:\n  - {like[samples]}\n  - override /backbone: {backbone}\n  - _self_\n"
        )
        return _store("approach", name, made, f"{header}approach:\n{text}", Approach)

    return register_approach


def metric(
    name: str,
    *,
    heading: str,
    words: str,
    task: str = "authenticity",
    smaller: bool = False,
    unit: str = "",
    main: bool = True,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Decorator[Any]:
    """A metric: a function of :class:`~realfake.scoring.predictions.Predictions` is measured as ``<level>/<name>``.

    It is given the samples, or clips, that have the task's label, and returns a figure, or a value of each (n,), whose
    mean is the figure; intervals of a mean cost next to nothing, those of a figure thousands of calls.

    Args:
        name: By which it is selected, e.g. ``optimized_metric=val/clip/<name>``.
        heading: What people call it.
        words: What it is, in half a sentence.
        task: ``joint``, ``emotion`` or ``authenticity``: it is measured where that is told.
        smaller: Whether a smaller value is better.
        unit: ``%``: people see it times 100.
        main: Whether it is shown where there is room for a few.
        limits: The values that it can have.
    """

    def register_metric(function: Any) -> Any:
        if task not in TASKS:
            raise UserError(f"metric={name}: task={task!r}{nearest(task, TASKS)}; expected one of {', '.join(TASKS)}")
        _check_name("metric", name, name in REPORTED and name not in registered("metric"))
        entry = Metric(
            name, heading, words, task, lambda sums, weights: sums.of(weights, task, function),
            smaller=smaller, unit=unit, main=main, limits=limits,
        )  # fmt: skip
        register("metric", name, entry, function.__module__, forget=lambda: remove(name))
        add(entry)
        return function

    return register_metric


def _option(
    kind: str, name: str, made: Any, bases: dict[type[Strict], str | None], method: str, values: dict[str, Any]
) -> Any:
    """Store a class as an option that inherits the shared values of its base."""
    base = _require_base(kind, name, made, *bases)
    inherited = f"defaults:\n  - {bases[base]}\n  - _self_\n" if bases[base] else ""
    return _store(kind, name, made, inherited + _text(made, name, base, values), base, method)


def _part(kind: str, name: str, made: Any, base: type[Strict], values: dict[str, Any], *methods: str) -> Any:
    """Store a class as an option of a group of which several are chosen, so that its keys lie below its name."""
    _require_base(kind, name, made, base)
    return _store(kind, name, made, f"{name}:\n" + indent(_text(made, name, base, values), "  "), base, *methods)


def _require_base(kind: str, name: str, made: Any, *bases: type[Strict]) -> type[Strict]:
    base = next((b for b in bases if isinstance(made, type) and issubclass(made, b)), None)
    if base is None:
        expected = " or ".join(b.__name__ for b in bases)
        raise UserError(f"{kind}={name}: expected a subclass of {expected} of realfake.plugins")
    return base


def _store(kind: str, name: str, made: Any, text: str, base: type[Strict], *methods: str) -> Any:
    taken = any((conf_dir() / group / f"{name}.yaml").exists() for group in groups_of(kind))
    _check_name(kind, name, taken)
    for method in (m for m in methods if getattr(made, m) is getattr(base, m)):
        raise UserError(f"{kind}={name}: {made.__name__} has no method {method}; expected {_signature(base, method)}")
    register(kind, name, made, made.__module__, yaml=text)
    for group in groups_of(kind):
        package = "_global_" if "@package _global_" in text else None
        ConfigStore.instance().store(group=group, name=name, node=yaml.safe_load(text), package=package)
    return made


def _check_name(kind: str, name: str, taken: bool) -> None:
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise UserError(f"{kind}={name}: expected a name of letters, digits and _ that begins with a letter")
    if taken:
        raise UserError(f"{kind}={name}: realfake has one of this name; expected another name")


def _signature(base: type[Strict], method: str) -> str:
    names = list(inspect.signature(getattr(base, method)).parameters)
    return f"{method}({', '.join(names)})"


def _text(made: type[BaseModel], name: str, base: type[Strict], values: dict[str, Any]) -> str:
    """The keys of an option in YAML, those of ``made`` and what it changes of its base, with what it says of them."""
    fields = {k: f for k, f in made.model_fields.items() if k not in base.model_fields or not f.is_required()}
    unknown = [key for key in values if key not in made.model_fields]
    if unknown:
        raise UserError(f"{unknown[0]}={values[unknown[0]]}: no such key{nearest(unknown[0], list(made.model_fields))}")
    for key, field in fields.items():
        _check_key(key, field, base)
    own = {key: "???" if f.is_required() else f.get_default(call_default_factory=True) for key, f in fields.items()}
    said = {"name": (made.__doc__ or "").strip().partition("\n")[0], **_said(made)}
    named = {"name": name} if "name" in made.model_fields else {}
    lines = []
    for key, value in (named | own | values).items():
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        line = yaml.safe_dump({key: plain}, default_flow_style=True, width=10**6, allow_unicode=True).strip()[1:-1]
        lines.append(f"{line}  # {said[key]}\n" if said.get(key) else f"{line}\n")
    return "".join(lines)


def _check_key(key: str, field: FieldInfo, base: type[Strict]) -> None:
    """Refuse a key of a guest that its base has with another type, and a value that does not fit its type."""
    shared = base.model_fields.get(key)
    if shared is not None and shared.annotation != field.annotation:
        raise UserError(f"{key}: a key of every {base.__name__}, of another type; expected another name")
    if field.is_required():
        return
    value = field.get_default(call_default_factory=True)
    try:
        kind: Any = Annotated[(field.annotation, field)]
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        raise UserError(f"{key}={value}: does not fit its own type ({error.errors()[0]['msg']})") from None
    except PydanticUserError as error:
        raise UserError(f"{key}: no type of a key ({str(error).splitlines()[0]})") from None


def _said(made: type) -> dict[str, str]:
    """Key → the text below it in the class."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(made)))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found = {}
    for key, words in pairwise(body):
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(words, ast.Expr):
            text = ast.literal_eval(words.value) if isinstance(words.value, ast.Constant) else None
            if isinstance(text, str):
                found[key.target.id] = " ".join(text.split())
    return found
