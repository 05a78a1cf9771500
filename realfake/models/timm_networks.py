"""Frame networks of timm, by name."""

from __future__ import annotations

import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from realfake.config import InputSpec, TimmBackbone
from realfake.errors import UserError, install
from realfake.models.backbone import Backbone
from realfake.models.weight_files import load_published_state, read_state_dict


def timm_spec(cfg: TimmBackbone) -> InputSpec:
    """The input that timm declares for a model, unless the configuration says otherwise.

    Raises:
        UserError: If timm is missing or knows no such model.
    """
    declared = _declared(cfg)
    return InputSpec(
        size=cfg.size or declared.input_size[-1],
        mean=cfg.mean or [float(v) for v in declared.mean],
        std=cfg.std or [float(v) for v in declared.std],
        channel_order="rgb",
        frames=None,
        stride_sec=None,
        repeat_crops=True,
    )


def build_timm(cfg: TimmBackbone, spec: InputSpec) -> Backbone:
    """Make a timm model without its classifier, with its weights.

    Raises:
        UserError: If the weights cannot be had or do not fit.
    """
    timm = _import_timm()
    declared = _declared(cfg)
    options: dict[str, Any] = {}
    if declared.fixed_input_size and spec.size != declared.input_size[-1]:
        # Transformers need to know; timm interpolates their position embeddings.
        options["img_size"] = spec.size
    name, pretrained = cfg.name, cfg.weights == "default"
    is_path = cfg.weights not in ("none", "default") and Path(cfg.weights).expanduser().exists()
    if not pretrained and not is_path and cfg.weights != "none":
        name, pretrained = _tagged(timm, cfg), True
    try:
        with offline_if_unreachable(pretrained):
            net: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except Exception as error:
        if not pretrained:
            raise
        # The hub client's own exceptions vary with its version; all of them mean that the file could not be had.
        raise UserError(
            f"weights of timm's {name} cannot be downloaded ({type(error).__name__}); get them on a machine with a "
            f"network from https://huggingface.co/{declared.hf_hub_id or 'timm'} and give the file as "
            "backbone.weights=<path>"
        ) from None
    classifier = declared.classifier or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    backbone = Backbone(cfg.name, net, spec, classifier=tuple(f"{n}." for n in names))
    if is_path:
        load_published_state(backbone, read_state_dict(Path(cfg.weights).expanduser()), cfg.weights)
    return backbone


def _declared(cfg: TimmBackbone) -> Any:
    timm = _import_timm()
    base = cfg.name.partition(".")[0]
    if not timm.is_model(base):
        near = get_close_matches(base, timm.list_models(), n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; python -c 'import timm; print(timm.list_models())'"
        raise UserError(f"backbone.name={cfg.name}: timm has no such model{hint}")
    try:
        return timm.get_pretrained_cfg(cfg.name)
    except RuntimeError:
        raise UserError(
            f"backbone.name={cfg.name}: {base} has no such weights (there are: {_tags(timm, base)})"
        ) from None


def _tagged(timm: ModuleType, cfg: TimmBackbone) -> str:
    base = cfg.name.partition(".")[0]
    name = f"{base}.{cfg.weights}"
    if name not in timm.list_pretrained(f"{base}.*"):
        raise UserError(
            f"backbone.weights={cfg.weights}: no such file, and no weights of timm's {base} "
            f"(there are: {_tags(timm, base)})"
        )
    return name


def _tags(timm: ModuleType, base: str) -> str:
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{base}.*")]
    return ", ".join(["none", *(["default"] if tags else []), *tags])


@contextmanager
def offline_if_unreachable(wanted: bool) -> Iterator[None]:
    """Keep the hub's client from repeating its requests for most of a minute where there is no network."""
    if not wanted or urllib.request.getproxies():
        yield
        return
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    try:
        host = urllib.parse.urlsplit(constants.ENDPOINT).hostname
        socket.create_connection((host or "", 443), timeout=10.0).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError:
        raise UserError(f"backbone=timm needs the package timm: {install('timm')}") from None
    module: ModuleType = timm
    return module
