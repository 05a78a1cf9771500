"""Recognises networks of the thesis's code in a file of tensors, by the shapes of their layers.

Its files hold a reference network (of torchvision, pytorchvideo or facenet-pytorch) or one of its own below some
prefix, with one output of 12 classes or two heads of 6 and 2. Names of the heads vary between its scripts, so only
structure counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import torch
from torch import Tensor

from realfake.composing.composition import option
from realfake.config import CLIP_BACKBONES, FRAME_BACKBONES, ClipBackbone, ConvertInput, FrameBackbone
from realfake.errors import UserError
from realfake.labels import SASE_FE, TASKS
from realfake.models.build import build_backbone
from realfake.models.weight_files import NAMES_SHOWN

PUBLISHED_CLASSES = (1000, 400)
"""ImageNet, Kinetics."""

CHIMERA_V2 = (128, 3, 7, 7)
"""First convolution of ChimeraNetV2; its stem gives 384 channels to a layer for 80, its heads expect 1792 features."""

Layer = tuple[str, Tensor, Tensor]
"""Name, weight (outputs, inputs), bias (outputs,) of a linear layer."""


@dataclass(frozen=True)
class Conversion:
    """A network of the thesis in the names of this project."""

    backbone: str
    """Its name in the configuration."""
    backbone_state: dict[str, Tensor]
    heads: dict[str, dict[str, Tensor]]
    """Task → state dict of its head."""
    hidden: list[int]
    """Sizes of the heads' hidden layers."""
    normalize: bool = False
    """Whether the heads stand on features of length 1."""
    notes: list[str] = field(default_factory=list)
    """What a user should know about how the file was read."""


def convert(state: Mapping[str, Tensor], spec: ConvertInput, emotion_order: Sequence[int], source: str) -> Conversion:
    """Find the backbone and the heads in a state dict.

    Args:
        state: All tensors of the file.
        spec: The input that the network was trained with; its size, and the frames of clip networks, shape layers.
        emotion_order: Emotion of each row of a two-head network's emotion output.
        source: What an error calls the file.

    Raises:
        UserError: If no known network is in there, or no output of 12 classes, or of 6 and of 2.
    """
    network, prefix = _find_network(state, spec, source)
    name, body = network.name, network.shapes
    backbone_state = {f"net.{key}": state[prefix + key] for key in body if prefix + key in state}
    rest = {key: value for key, value in state.items() if key.removeprefix(prefix) not in body}
    chains = _chains(rest, network.features)
    notes = []
    last = [chain for chain in chains if chain[-1][0].removeprefix(prefix) + "." in network.classifier]
    if last and len(last[0][-1][1]) in PUBLISHED_CLASSES:
        # Replacing the wrong attribute leaves the published output in use; labels 0 to 11 trained its first rows.
        layer, weight, bias = last[0][-1]
        classes = SASE_FE.size("joint")
        found = {"joint": [(layer, weight[:classes], bias[:classes])]}
        notes.append(
            f"{layer} still has {len(weight)} outputs, of which the first {classes} were trained: they are kept"
        )
    else:
        by_classes = {len(chain[-1][1]): chain for chain in chains}
        wanted = ["emotion", "authenticity"] if {6, 2} <= by_classes.keys() else ["joint"]
        if wanted == ["joint"] and 12 not in by_classes:
            raise UserError(
                f"{source}: {name} found, but no output of 12 classes and no heads of 6 and of 2 over its "
                f"{network.features} features; left over: {_names(rest)}"
            )
        found = {task: by_classes[SASE_FE.size(task)] for task in wanted}
    # FaceNet's own classifier stands on the embedding as it is; as an embedder the network ends in its normalisation.
    own = any(chain[0][0].removeprefix(prefix).startswith("logits") for chain in found.values())
    normalize = name == "inception_resnet_v1" and not own
    heads = {task: _head_state(chain) for task, chain in found.items()}
    hidden = {task: [len(weight) for _, weight, _ in chain[:-1]] for task, chain in found.items()}
    if len({tuple(sizes) for sizes in hidden.values()}) > 1:
        raise UserError(f"{source}: heads of different sizes ({hidden}) cannot be one configuration")
    if "emotion" in heads:
        rows = [list(emotion_order).index(i) for i in range(len(emotion_order))]
        heads["emotion"] |= {key: heads["emotion"][key][rows] for key in ("output.weight", "output.bias")}
    used = {f"{layer}.{what}" for chain in chains for layer, _, _ in chain for what in ("weight", "bias")}
    ignored = [key for key in rest if key not in used]
    if ignored:
        notes.append(f"{len(ignored)} tensors that no output depends on are left out: {_names(ignored)}")
    return Conversion(name, backbone_state, heads, next(iter(hidden.values())), normalize, notes)


@dataclass(frozen=True)
class _Network:
    """A known network, by the names and shapes of its tensors."""

    name: str
    shapes: dict[str, torch.Size]
    features: int
    classifier: tuple[str, ...]


@cache
def _network(name: str, size: int, frames: int | None) -> _Network | None:
    """Null if the network cannot take such an input, so that it was never trained with it."""
    clips = name in CLIP_BACKBONES
    spec = {"size": size, "frames": frames, "stride_sec": None} if clips else {"size": size}
    try:
        with torch.device("meta"):
            backbone = build_backbone(
                option(ClipBackbone, name=name, input=spec) if clips else option(FrameBackbone, name=name, input=spec)
            )
    except UserError:
        return None
    shapes = {key.removeprefix("net."): value.shape for key, value in backbone.state_dict().items()}
    return _Network(name, shapes, backbone.features, backbone.classifier)


def _find_network(state: Mapping[str, Tensor], spec: ConvertInput, source: str) -> tuple[_Network, str]:
    """The largest known network all of whose tensors are in ``state`` below one prefix, and that prefix."""
    names = tuple(name for name in FRAME_BACKBONES + CLIP_BACKBONES if name != "pixels")
    known = [network for name in names if (network := _network(name, spec.size, spec.frames))]
    found = [(network, prefix) for network in known if (prefix := _prefix(network.shapes, state)) is not None]
    if not found and any(k.endswith("conv2d_1a.weight") and tuple(v.shape) == CHIMERA_V2 for k, v in state.items()):
        raise UserError(
            f"{source}: a ChimeraNetV2, which cannot run in the thesis's code either (layers that do not fit onto each "
            "other) and so was never trained; experiment=thesis/multi_task_chimera_v2 trains one after its plan"
        )
    if not found:
        raise UserError(f"{source}: none of the known networks ({', '.join(names)}); its tensors: {_names(state)}")
    return max(found, key=lambda pair: len(pair[0].shapes))


def _prefix(shapes: Mapping[str, torch.Size], state: Mapping[str, Tensor]) -> str | None:
    """The prefix below which ``state`` has every tensor of a network; null if there is none."""
    needed = {key: shape for key, shape in shapes.items() if not key.endswith("num_batches_tracked")}
    first = next(iter(needed))
    for key in state:
        prefix = key.removesuffix(first)
        if key.endswith(first) and all(
            prefix + k in state and state[prefix + k].shape == shape for k, shape in needed.items()
        ):
            return prefix
    return None


def _chains(rest: Mapping[str, Tensor], features: int) -> list[list[Layer]]:
    """Linear layers, each of which fits onto the one before; every chain starts at the features and ends in classes."""
    ends = {*map(SASE_FE.size, TASKS), *PUBLISHED_CLASSES}
    chains: list[list[Layer]] = []
    current: list[Layer] = []
    for key, value in rest.items():
        if not key.endswith(".weight") or value.ndim < 2:
            continue
        name, weight = key.removesuffix(".weight"), value.flatten(1)
        expected = len(current[-1][1]) if current else features
        if weight.shape[1] != expected:
            current = []
            if weight.shape[1] != features:
                continue
        current.append((name, weight, rest.get(f"{name}.bias", torch.zeros(len(weight)))))
        if len(weight) in ends:
            chains.append(current)
            current = []
    return chains


def _head_state(chain: list[Layer]) -> dict[str, Tensor]:
    names = [*(f"hidden{i}" for i in range(len(chain) - 1)), "output"]
    return {
        f"{name}.{what}": tensor.clone()
        for name, (_, weight, bias) in zip(names, chain, strict=True)
        for what, tensor in (("weight", weight), ("bias", bias))
    }


def _names(keys: Mapping[str, Tensor] | Sequence[str]) -> str:
    more = ", …" if len(keys) > NAMES_SHOWN else ""
    return (", ".join(islice(keys, NAMES_SHOWN)) or "nothing") + more
